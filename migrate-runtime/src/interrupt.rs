//! Being asked to stop: by a signal, by a service that shuts down. Waiters wake
//! at once, a running statement is cancelled where the database can.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

type Cancel = Box<dyn Fn() + Send>;

/// A request to stop, shared by all runs that it concerns.
#[derive(Clone, Default)]
pub struct Interrupt {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    asked: AtomicBool,
    cancels: Mutex<Vec<(u64, Cancel)>>,
    wake: Condvar,
}

/// A registered way to cancel; gone when dropped.
pub(crate) struct CancelGuard {
    shared: Arc<Shared>,
    id: u64,
}

impl Interrupt {
    /// Asks every run to stop: what is in a transaction is rolled back, what is
    /// applied stays recorded.
    pub fn trigger(&self) {
        self.shared.asked.store(true, Ordering::SeqCst);
        let cancels = self
            .shared
            .cancels
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.shared.wake.notify_all();
        for (_, cancel) in cancels.iter() {
            cancel();
        }
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// Waits so long, or until somebody asks.
    pub(crate) fn pause(&self, pause: Duration) {
        let cancels = self
            .shared
            .cancels
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .shared
            .wake
            .wait_timeout_while(cancels, pause, |_| !self.is_asked());
        drop(waited);
    }

    /// Calls `cancel` when somebody asks, for as long as the guard lives.
    pub(crate) fn on_trigger(&self, cancel: Cancel) -> CancelGuard {
        let id = crate::lock::random();
        self.shared
            .cancels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((id, cancel));
        CancelGuard {
            shared: Arc::clone(&self.shared),
            id,
        }
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interrupt").field(&self.is_asked()).finish()
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        let mut cancels = self
            .shared
            .cancels
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mine = cancels.iter().position(|(id, _)| *id == self.id);
        let mine = mine.map(|at| cancels.swap_remove(at));
        // Its end may take a moment, for which nobody else is to wait.
        drop(cancels);
        drop(mine);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_wakes_when_somebody_asks() {
        let interrupt = Interrupt::default();
        let called = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&called);
        let guard = interrupt.on_trigger(Box::new(move || flag.store(true, Ordering::SeqCst)));
        let waiting = interrupt.clone();
        let waiter = std::thread::spawn(move || waiting.pause(Duration::from_secs(600)));
        interrupt.trigger();
        waiter.join().unwrap();
        assert!(called.load(Ordering::SeqCst));
        drop(guard);
        assert!(interrupt.shared.cancels.lock().unwrap().is_empty());
    }
}
