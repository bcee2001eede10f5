//! Cancelling a statement of SQLite's, which runs in this very thread: SQLite
//! asks us now and then whether to go on. Diesel hides the connection's handle,
//! so that it is met where SQLite shows it: while it opens.
#![expect(
    unsafe_code,
    reason = "SQLite's progress handler is only to be had from its C interface"
)]

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;

use crate::interrupt::Interrupt;

/// Steps of SQLite's machine between two questions: a fraction of a
/// millisecond, so that asking costs nothing.
const STEPS: c_int = 10_000;

type EntryPoint = unsafe extern "C" fn(*mut c_void, *mut *mut c_char, *const c_void) -> c_int;
type Handler = unsafe extern "C" fn(*mut c_void) -> c_int;

// Declared here and not taken from libsqlite3-sys: Diesel links it already, in
// whatever release a service has, and these have been the same since 2008.
unsafe extern "C" {
    fn sqlite3_auto_extension(entry_point: Option<EntryPoint>) -> c_int;
    fn sqlite3_progress_handler(
        connection: *mut c_void,
        steps: c_int,
        handler: Option<Handler>,
        argument: *mut c_void,
    );
}

thread_local! {
    /// Whether the connection that this thread opens is one of ours.
    static OPENS: Cell<bool> = const { Cell::new(false) };
    /// Who may stop the statement that this thread runs.
    static HEEDED: RefCell<Option<Interrupt>> = const { RefCell::new(None) };
}

/// Opens a connection whose statements can be cancelled; where SQLite has left
/// that out, they are not.
pub(crate) fn opened<T>(open: impl FnOnce() -> T) -> T {
    // SAFETY: the entry point is a function of this program's, with the
    // signature that SQLite documents for it. SQLite keeps each one once.
    unsafe { sqlite3_auto_extension(Some(opening)) };
    OPENS.set(true);
    let opened = open();
    OPENS.set(false);
    opened
}

/// Called by SQLite for every connection of the process; those of the service's
/// own stay as they are.
unsafe extern "C" fn opening(
    connection: *mut c_void,
    _: *mut *mut c_char,
    _: *const c_void,
) -> c_int {
    if OPENS.try_with(Cell::get).unwrap_or_default() {
        // SAFETY: SQLite has just made the connection, and nobody else has it
        // yet. The handler looks at this program's own state alone, so that it
        // may be called for as long as the connection lives.
        unsafe { sqlite3_progress_handler(connection, STEPS, Some(is_asked), ptr::null_mut()) };
    }
    0
}

/// Called by SQLite in the thread that runs the statement; not 0 ends it.
unsafe extern "C" fn is_asked(_: *mut c_void) -> c_int {
    let asked = HEEDED.try_with(|heeded| {
        let heeded = heeded.try_borrow();
        heeded.is_ok_and(|heeded| heeded.as_ref().is_some_and(Interrupt::is_asked))
    });
    c_int::from(asked.unwrap_or_default())
}

/// While it lives, this thread's statements end when somebody asks; what is
/// recorded of them afterwards does not.
pub(crate) struct Heeding {
    /// Of this thread alone.
    _thread: PhantomData<*const ()>,
}

/// Heeds `interrupt` in the statements to come.
pub(crate) fn heed(interrupt: &Interrupt) -> Heeding {
    HEEDED.set(Some(interrupt.clone()));
    Heeding {
        _thread: PhantomData,
    }
}

impl Drop for Heeding {
    fn drop(&mut self) {
        HEEDED.set(None);
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;
    use diesel::{Connection, SqliteConnection};

    use super::*;

    const LONG: &str = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 200000) SELECT max(x) FROM c";

    #[test]
    fn only_our_own_connections_heed_and_only_while_they_are_told_to() {
        let connect = || SqliteConnection::establish(":memory:").unwrap();
        let (mut ours, mut others) = (opened(connect), connect());
        let interrupt = Interrupt::default();
        let heeding = heed(&interrupt);
        ours.batch_execute(LONG).unwrap();
        interrupt.trigger();
        let error = ours.batch_execute(LONG).unwrap_err();
        assert_eq!(error.to_string(), "interrupted");
        others.batch_execute(LONG).unwrap();
        drop(heeding);
        ours.batch_execute(LONG).unwrap();
    }

    #[test]
    fn another_thread_asks() {
        let mut connection = opened(|| SqliteConnection::establish(":memory:").unwrap());
        let interrupt = Interrupt::default();
        let asking = interrupt.clone();
        let asker = std::thread::spawn(move || asking.trigger());
        let _heeding = heed(&interrupt);
        let endless = LONG.replace(" WHERE x < 200000", "");
        let error = connection.batch_execute(&endless).unwrap_err();
        assert_eq!(error.to_string(), "interrupted");
        asker.join().unwrap();
    }
}
