//! A TCP proxy that makes the way longer: every byte arrives half a round trip
//! after it was sent, in order and at full bandwidth. It counts the turns of
//! the talk: how often the client spoke after the server had.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// A running proxy; no new connections after it is dropped.
#[derive(Debug)]
pub(super) struct Proxy {
    address: SocketAddr,
    turns: Arc<AtomicUsize>,
    closed: Arc<AtomicBool>,
}

/// What one read brought, and when it is due on the other side.
type Parcel = (Instant, Vec<u8>);

impl Proxy {
    /// Listens on a port of its own for connections to `upstream`.
    pub(super) fn start(upstream: SocketAddr, round_trip: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .context("failed to find a port for the proxy")?;
        let proxy = Self {
            address: listener.local_addr()?,
            turns: Arc::default(),
            closed: Arc::default(),
        };
        let turns = Arc::clone(&proxy.turns);
        let closed = Arc::clone(&proxy.closed);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                // A refused connection closes the client's: that is its answer.
                if let Ok(server) = TcpStream::connect(upstream) {
                    let _ = join(client, server, round_trip / 2, &turns);
                }
            }
        });
        Ok(proxy)
    }

    /// Where to connect to.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Turns since the last call.
    pub(super) fn take_turns(&self) -> usize {
        self.turns.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the listener; if nobody listens any more, so much the better.
        let _ = TcpStream::connect(self.address);
    }
}

/// Carries both directions until both have ended.
fn join(
    client: TcpStream,
    server: TcpStream,
    delay: Duration,
    turns: &Arc<AtomicUsize>,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let clients_turn = Arc::new(AtomicBool::new(true));
    let (turns, turn) = (Arc::clone(turns), Arc::clone(&clients_turn));
    let client_spoke = move || {
        if turn.swap(false, Ordering::SeqCst) {
            turns.fetch_add(1, Ordering::SeqCst);
        }
    };
    // The client can answer what has reached it, not what is under way.
    let server_heard = move || clients_turn.store(true, Ordering::SeqCst);
    carry(
        client.try_clone()?,
        server.try_clone()?,
        delay,
        client_spoke,
        || {},
    );
    carry(server, client, delay, || {}, server_heard);
    Ok(())
}

/// One direction, in two threads: what is read while a parcel waits is not
/// held up by it.
fn carry(
    from: TcpStream,
    to: TcpStream,
    delay: Duration,
    on_sent: impl Fn() + Send + 'static,
    on_arrival: impl Fn() + Send + 'static,
) {
    let (sender, parcels) = mpsc::channel();
    thread::spawn(move || collect(from, &sender, delay, on_sent));
    thread::spawn(move || deliver(to, &parcels, on_arrival));
}

fn collect(mut from: TcpStream, parcels: &Sender<Parcel>, delay: Duration, on_sent: impl Fn()) {
    let mut buffer = vec![0; 64 * 1024];
    // An error is an end like any other to those who talk.
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        on_sent();
        let parcel = (Instant::now() + delay, buffer[..length].to_vec());
        if parcels.send(parcel).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Read);
}

fn deliver(mut to: TcpStream, parcels: &Receiver<Parcel>, on_arrival: impl Fn()) {
    for (due, bytes) in parcels {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        on_arrival();
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each line with itself, until the client closes.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut back = stream.try_clone().expect("a second handle");
                let mut stream = stream;
                std::io::copy(&mut stream, &mut back).expect("an echo");
                back.shutdown(Shutdown::Write).expect("an end");
            }
        });
        address
    }

    #[test]
    fn every_byte_arrives_in_order() {
        let proxy = Proxy::start(echo(), Duration::from_millis(2)).expect("a proxy");
        let stream = TcpStream::connect(proxy.address()).expect("a connection");
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let mut writer = stream.try_clone().expect("a second handle");
        let bytes = sent.clone();
        let writing = thread::spawn(move || {
            for piece in bytes.chunks(1000) {
                writer.write_all(piece).expect("a write");
            }
            writer.shutdown(Shutdown::Write).expect("an end");
        });
        let mut arrived = Vec::new();
        let mut reader = stream;
        reader.read_to_end(&mut arrived).expect("everything");
        writing.join().expect("the writer");
        assert!(arrived == sent, "{} bytes of {}", arrived.len(), sent.len());
    }

    #[test]
    fn each_question_that_waited_for_an_answer_is_a_turn() {
        let proxy = Proxy::start(echo(), Duration::from_millis(1)).expect("a proxy");
        let mut stream = TcpStream::connect(proxy.address()).expect("a connection");
        for _ in 0..3 {
            stream.write_all(b"question").expect("a write");
            stream.read_exact(&mut [0; 8]).expect("an answer");
        }
        assert_eq!(proxy.take_turns(), 3);
        assert_eq!(proxy.take_turns(), 0);
    }

    #[test]
    fn a_round_trip_takes_at_least_as_long_as_asked() {
        let round_trip = Duration::from_millis(20);
        let proxy = Proxy::start(echo(), round_trip).expect("a proxy");
        let mut stream = TcpStream::connect(proxy.address()).expect("a connection");
        let began = Instant::now();
        stream.write_all(b"x").expect("a write");
        stream.read_exact(&mut [0; 1]).expect("an answer");
        assert!(began.elapsed() >= round_trip);
    }
}
