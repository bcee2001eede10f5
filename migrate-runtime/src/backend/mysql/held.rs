//! A connection together with the way it has to go: a client may need more
//! than a drop to take its leave of the server. Knows no client.

use std::ops::{Deref, DerefMut};

type Close<C> = Box<dyn FnOnce(C) + Send>;

/// A connection that is closed as its client asks for when it is dropped.
pub(crate) struct Held<C> {
    /// There until the drop.
    connection: Option<C>,
    close: Option<Close<C>>,
}

impl<C> Held<C> {
    /// A connection that needs no more than a drop.
    pub(crate) fn new(connection: C) -> Self {
        Self {
            connection: Some(connection),
            close: None,
        }
    }

    /// A connection that `close` takes its leave for.
    pub(crate) fn closed_by(connection: C, close: impl FnOnce(C) + Send + 'static) -> Self {
        Self {
            connection: Some(connection),
            close: Some(Box::new(close)),
        }
    }
}

impl<C> Deref for Held<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.connection.as_ref().expect(ONLY_IN_DROP)
    }
}

impl<C> DerefMut for Held<C> {
    fn deref_mut(&mut self) -> &mut C {
        self.connection.as_mut().expect(ONLY_IN_DROP)
    }
}

impl<C> Drop for Held<C> {
    fn drop(&mut self) {
        if let (Some(connection), Some(close)) = (self.connection.take(), self.close.take()) {
            close(connection);
        }
    }
}

const ONLY_IN_DROP: &str = "a connection is only taken away by its drop";

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_connection_takes_its_leave_once_and_when_it_is_dropped() {
        let closed = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&closed);
        let mut held = Held::closed_by(6, move |connection| {
            count.fetch_add(connection, Ordering::SeqCst);
        });
        *held += 1;
        assert_eq!((*held, closed.load(Ordering::SeqCst)), (7, 0));
        drop(held);
        assert_eq!(closed.load(Ordering::SeqCst), 7);
        assert_eq!(*Held::new(1), 1);
    }
}
