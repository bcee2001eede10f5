//! The runtime under the asynchronous client, and how a thread waits for it.
//! One for the whole process: a connection's tasks have to outlive the thread
//! that opened it.

use std::io;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Once};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use diesel_async::async_connection_wrapper::BlockOn;
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};

static RUNTIME: LazyLock<io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build());

/// The process's runtime, once it is known to be there.
#[derive(Clone, Copy)]
pub(crate) struct Driver(&'static Runtime);

impl Driver {
    /// The runtime.
    ///
    /// # Errors
    /// When the system has no file descriptors left for it.
    pub(super) fn get() -> io::Result<Self> {
        match &*RUNTIME {
            Ok(runtime) => Ok(Self(runtime)),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }

    /// Lets tasks be started while the guard lives.
    pub(super) fn enter(&self) -> EnterGuard<'static> {
        self.0.enter()
    }
}

impl BlockOn for Driver {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        if Handle::try_current().is_err() {
            return self.0.block_on(future);
        }
        // A service that calls us from within its own runtime, where Tokio
        // would panic. Blocking there is its own affair, as it is with every
        // other database; somebody else has to drive ours meanwhile.
        drive(self.0);
        let _guard = self.0.enter();
        park_on(future)
    }

    fn get_runtime() -> Self {
        Self::get().expect("the runtime that opened the connection")
    }
}

/// Drives the runtime on a thread of its own, to the process's end.
fn drive(runtime: &'static Runtime) {
    static DRIVEN: Once = Once::new();
    DRIVEN.call_once(|| {
        thread::spawn(|| runtime.block_on(std::future::pending::<()>()));
    });
}

fn park_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_thread_waits_whether_or_not_it_drives_a_runtime_itself() {
        let driver = Driver::get().unwrap();
        let sleep = || async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            1
        };
        assert_eq!(driver.block_on(sleep()), 1);
        let service = Builder::new_current_thread().enable_all().build().unwrap();
        let waited = service.block_on(async {
            let inner = tokio::spawn(async move { driver.block_on(sleep()) });
            driver.block_on(sleep()) + inner.await.unwrap()
        });
        assert_eq!(waited, 2);
        let threads = (0..8).map(|_| thread::spawn(move || driver.block_on(sleep())));
        let threads: Vec<_> = threads.collect();
        assert!(
            threads
                .into_iter()
                .all(|thread| thread.join().unwrap() == 1)
        );
    }
}
