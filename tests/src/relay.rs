//! A relay between the command and its server. It counts round trips, and can
//! hold one of them back: before the server hears of it, or before the command
//! hears the answer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// At which round trip (from 1) the conversation stops, and on which side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The server never hears of it.
    Unsent(usize),
    /// The server does all of it, and nobody hears the answer.
    Unanswered(usize),
}

/// A port before a server's.
#[derive(Debug)]
pub struct Relay {
    url: String,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    talk: Mutex<Talk>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Talk {
    begun: usize,
    /// Those that the server has answered: a farewell is none.
    answered: usize,
    stop: Option<Stop>,
    /// The round trip to stop at has come.
    held: bool,
    /// What becomes of it, once the test has said so.
    then: Option<Then>,
}

/// How a held conversation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// As if nothing had been.
    On,
    /// The command's connection is cut, and the server finishes what it has.
    Cut,
}

impl Relay {
    /// Before the server of `url`, a URL with a user and a numeric address.
    ///
    /// # Panics
    /// Without a free port.
    #[must_use]
    pub fn before(url: &str) -> Self {
        let (head, place) = url.rsplit_once('@').expect("a user");
        let (server, rest) = place.split_once('/').expect("a database");
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        // It ends with the test's process; nothing else waits for it.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Where a test has killed the server, its client learns it as
                // it would without us: the connection ends.
                if let Ok(server) = TcpStream::connect(&server) {
                    relay(&client, &server, &shared);
                }
            }
        });
        Self {
            url: format!("{head}@127.0.0.1:{port}/{rest}"),
            state,
        }
    }

    /// The same database through the relay.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Counts from zero again.
    pub fn begin(&self, stop: Option<Stop>) {
        *self.state.talk() = Talk {
            stop,
            ..Talk::default()
        };
    }

    /// Round trips since then.
    #[must_use]
    pub fn trips(&self) -> usize {
        self.state.talk().answered
    }

    /// Whether the round trip to stop at has come.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.state.talk().held
    }

    /// Waits so long for the round trip to stop at; says whether it has come.
    ///
    /// # Panics
    /// When a test has panicked in here.
    #[must_use]
    pub fn holds_within(&self, patience: Duration) -> bool {
        let waited = self
            .state
            .changed
            .wait_timeout_while(self.state.talk(), patience, |talk| !talk.held);
        waited.expect("no test has panicked in here").0.held
    }

    /// Lets the server go on without the command, which is gone, or learns now
    /// that its connection is.
    pub fn release(&self) {
        self.decide(Then::Cut);
    }

    /// Lets both go on as if nothing had been.
    pub fn resume(&self) {
        self.decide(Then::On);
    }

    fn decide(&self, then: Then) {
        self.state.talk().then = Some(then);
        self.state.changed.notify_all();
    }
}

impl State {
    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().expect("no test has panicked in here")
    }

    /// Counts a round trip that begins, and says what to do with it.
    fn begins(&self) -> Option<Stop> {
        let mut talk = self.talk();
        talk.begun += 1;
        let n = talk.begun;
        talk.stop
            .filter(|stop| matches!(stop, Stop::Unsent(at) | Stop::Unanswered(at) if *at == n))
    }

    fn hold(&self) -> Then {
        let mut talk = self.talk();
        talk.held = true;
        self.changed.notify_all();
        loop {
            if let Some(then) = talk.then {
                return then;
            }
            let woken = self.changed.wait(talk);
            talk = woken.expect("no test has panicked in here");
        }
    }
}

/// Passes on both ways. A round trip begins when the client says something
/// after the server's last word.
fn relay(client: &TcpStream, server: &TcpStream, state: &Arc<State>) {
    let turn = Arc::new(Mutex::new(Turn::default()));
    let pass = |from: &TcpStream, to: &TcpStream| {
        let clone = |stream: &TcpStream| stream.try_clone().expect("a second handle");
        (clone(from), clone(to), Arc::clone(state), Arc::clone(&turn))
    };
    let (mut from, mut to, shared, turn_of_client) = pass(client, server);
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let begins =
                !std::mem::replace(&mut turn_of_client.lock().expect("a turn").asked, true);
            match begins.then(|| shared.begins()).flatten() {
                Some(Stop::Unsent(_)) => {
                    if shared.hold() == Then::Cut {
                        to.shutdown(Shutdown::Both).ok();
                        from.shutdown(Shutdown::Both).ok();
                        return;
                    }
                }
                Some(Stop::Unanswered(_)) => {
                    turn_of_client.lock().expect("a turn").held = true;
                }
                None => {}
            }
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        // The other side may be gone already.
        to.shutdown(Shutdown::Write).ok();
    });
    let (mut from, mut to, shared, turn_of_server) = pass(server, client);
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = from.read(&mut buffer).unwrap_or_default();
            let (asked, held) = {
                let mut turn = turn_of_server.lock().expect("a turn");
                (
                    std::mem::take(&mut turn.asked),
                    std::mem::take(&mut turn.held),
                )
            };
            if asked && read > 0 {
                shared.talk().answered += 1;
            }
            if held && shared.hold() == Then::Cut {
                // The command has said its last word; whatever was sent is
                // done to its end.
                to.shutdown(Shutdown::Both).ok();
                while matches!(from.read(&mut buffer), Ok(1..)) {}
                return;
            }
            if read == 0 || to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Write).ok();
    });
}

/// Whose turn it is on one connection.
#[derive(Debug, Default)]
struct Turn {
    asked: bool,
    held: bool,
}
