//! Two questions to libpq that Diesel does not pass on: whether a server is
//! there at all, and which of its processes it said we would have.

#![expect(
    unsafe_code,
    reason = "Diesel keeps libpq's handle to itself, and PQping and PQbackendPID are the only answers that no language and no pooler changes"
)]

use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use pq_sys::{ConnStatusType, ExecStatusType, PGPing, PGconn, PGresult};

/// Whether a server answers at the URL, whatever it says. libpq goes by the
/// SQLSTATE here, which it shows to nobody else; role, password and database
/// may be wrong.
pub(super) fn answers(url: &str) -> bool {
    let Ok(url) = CString::new(url) else {
        return false;
    };
    // SAFETY: the text ends in NUL and lives until libpq has returned.
    let ping = unsafe { pq_sys::PQping(url.as_ptr()) };
    ping == PGPing::PQPING_OK
}

/// Whether something between us and the server gives out its sessions: the
/// process of which a new connection was told at its start is then another one
/// than the process that answers it.
///
/// # Errors
/// In the client's words, where the server is not reached or does not tell.
pub(super) fn is_pooled(url: &str) -> Result<bool, String> {
    let connection = Connected::to(url)?;
    // SAFETY: the connection is open, and this reads one of its fields.
    let told = unsafe { pq_sys::PQbackendPID(connection.0.as_ptr()) };
    let answers = connection.number(c"SELECT pg_catalog.pg_backend_pid()");
    answers
        .map(|answers| told != answers)
        .ok_or_else(|| connection.message())
}

/// A connection, closed on drop.
struct Connected(NonNull<PGconn>);

impl Connected {
    fn to(url: &str) -> Result<Self, String> {
        let url = CString::new(url).map_err(|error| error.to_string())?;
        // SAFETY: the text ends in NUL and lives until libpq has returned.
        let connection = NonNull::new(unsafe { pq_sys::PQconnectdb(url.as_ptr()) });
        let connection = Self(connection.ok_or("no memory for a connection")?);
        // SAFETY: libpq made the connection, and it is not finished yet.
        let status = unsafe { pq_sys::PQstatus(connection.0.as_ptr()) };
        if status == ConnStatusType::CONNECTION_OK {
            Ok(connection)
        } else {
            Err(connection.message())
        }
    }

    /// What went wrong last, in libpq's words.
    fn message(&self) -> String {
        // SAFETY: libpq made the connection, and answers a text that ends in
        // NUL and lives as long as it, of which a copy is made at once.
        let message = unsafe { CStr::from_ptr(pq_sys::PQerrorMessage(self.0.as_ptr())) };
        message.to_string_lossy().trim_end().to_owned()
    }

    /// The one number that a query answers.
    fn number(&self, query: &CStr) -> Option<i32> {
        // SAFETY: the connection is open, and the query ends in NUL.
        let result = unsafe { pq_sys::PQexec(self.0.as_ptr(), query.as_ptr()) };
        let result = Answer(NonNull::new(result)?);
        // SAFETY: the result is libpq's own and not cleared yet.
        let status = unsafe { pq_sys::PQresultStatus(result.0.as_ptr()) };
        if status != ExecStatusType::PGRES_TUPLES_OK {
            return None;
        }
        // SAFETY: as above; libpq answers NULL to a row or column that is not
        // there, and otherwise a text that ends in NUL and lives as long as
        // the result, of which a copy is made at once.
        let text = unsafe {
            let value = pq_sys::PQgetvalue(result.0.as_ptr(), 0, 0);
            (!value.is_null()).then(|| CStr::from_ptr(value).to_owned())
        }?;
        text.to_str().ok()?.parse().ok()
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        // SAFETY: nobody else has it, and it is finished once.
        unsafe { pq_sys::PQfinish(self.0.as_ptr()) }
    }
}

/// An answer, freed on drop.
struct Answer(NonNull<PGresult>);

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: nobody else has it, and it is cleared once.
        unsafe { pq_sys::PQclear(self.0.as_ptr()) }
    }
}
