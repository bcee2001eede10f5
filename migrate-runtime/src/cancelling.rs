//! The threads that cancel one run's statement, on connections of their own.
//! They end with the run: a client library that is still at work while the
//! process ends crashes it, as OpenSSL cleans up under libpq's feet.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long the run's end waits for a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Those of one run; dropping it ends them.
#[derive(Debug, Default)]
pub(crate) struct Cancelling {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    over: bool,
    at_work: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Cancelling {
    /// Calls `cancel` with 0, 1, … so often and with such pauses, as long as
    /// the run goes on. Whoever asks does not wait for it.
    pub(crate) fn begin(&self, times: u32, pause: Duration, cancel: impl Fn(u32) + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        self.shared.state().at_work += 1;
        let thread = thread::spawn(move || {
            for again in 0..times {
                if shared.is_over_after(Duration::ZERO) {
                    break;
                }
                cancel(again);
                if shared.is_over_after(pause) {
                    break;
                }
            }
            shared.state().at_work -= 1;
            shared.changed.notify_all();
        });
        self.shared.state().threads.push(thread);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over_after(&self, pause: Duration) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), pause, |state| !state.over);
        waited.unwrap_or_else(PoisonError::into_inner).0.over
    }
}

impl Drop for Cancelling {
    fn drop(&mut self) {
        self.shared.state().over = true;
        self.shared.changed.notify_all();
        let ended =
            self.shared
                .changed
                .wait_timeout_while(self.shared.state(), PATIENCE, |state| state.at_work > 0);
        let (mut state, waited) = ended.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return;
        }
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        for thread in threads {
            // A panic in it has been told, and cancelling is best effort.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_end_of_a_run_waits_for_the_call_under_way_and_is_the_last_one() {
        let cancelling = Cancelling::default();
        let (tell, told) = mpsc::channel();
        let (go, gone) = mpsc::channel();
        let gone = Mutex::new(gone);
        cancelling.begin(100, Duration::from_secs(600), move |again| {
            tell.send(again).unwrap();
            gone.lock().unwrap().recv().unwrap();
            tell.send(again + 100).unwrap();
        });
        assert_eq!(told.recv(), Ok(0));
        go.send(()).unwrap();
        drop(cancelling);
        assert_eq!(told.try_recv(), Ok(100));
        assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
