//! The lock, as SQL text: taken by a transaction, or looked for where the
//! session has had it since its claim. Also what taking it meets.

use diesel::Connection;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::sql_types::BigInt;

use super::facts::Until;
use super::{LOCK_NOT_OURS, Postgres};
use crate::backend::Claim;
use crate::error::{DatabaseError, DatabaseErrorKind};
use crate::lock;
use crate::quote::dollar;

/// What trying for the session's lock gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    Got,
    Busy,
    /// The server's session has it already, and it was not we who took it.
    SomebodyElses,
}

#[derive(Debug, diesel::QueryableByName)]
struct TriedRow {
    #[diesel(sql_type = BigInt)]
    tried: i64,
}

/// The rows of pg_locks, as `l`, that are a lock of this key in this database.
pub(super) fn locks_of(key: i64) -> String {
    let key = key.cast_unsigned();
    format!(
        "l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = {} AND l.objid = {} \
         AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())",
        key >> 32,
        key & 0xffff_ffff
    )
}

impl<C> Postgres<C>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    pub(super) fn key(&self) -> i64 {
        lock::key(&self.store.history)
    }

    /// The key of a lock that only this run takes, beside the one that keeps
    /// others out: whoever has it is the session to cancel.
    pub(super) fn mark(&self) -> i64 {
        lock::key(&self.application)
    }

    /// Whether this session has the lock, as an SQL expression.
    fn is_held(&self) -> String {
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = pg_catalog.pg_backend_pid() AND {})",
            locks_of(self.key())
        )
    }

    /// Takes the transaction's lock, or raises our own error; `then` goes on
    /// inside the same block.
    pub(super) fn lock_or_raise(&self, then: &str) -> String {
        let key = self.key();
        let unless = format!("pg_catalog.pg_try_advisory_xact_lock({key})");
        let mark = format!(
            "PERFORM pg_catalog.pg_try_advisory_xact_lock({}); ",
            self.mark()
        );
        raise_unless(&unless, &(mark + then))
    }

    /// The same for a run that has the session's lock: looks whether it still
    /// has. To take it once more would also succeed where it was lost and
    /// nobody has taken it since.
    pub(super) fn held_or_raise(&self, then: &str) -> String {
        if self.session_lock {
            raise_unless(&self.is_held(), then)
        } else {
            self.lock_or_raise(then)
        }
    }

    /// The same before a statement in autocommit, where a transaction's lock
    /// would end at once.
    pub(super) fn held_or_raise_now(&self) -> String {
        if self.session_lock {
            self.held_or_raise("")
        } else {
            String::new()
        }
    }

    /// Tries for the session's lock, once.
    ///
    /// A session that has it before it tries was another client's a moment ago:
    /// the lock would be granted, for it is the same session, to both.
    fn try_session_lock(&mut self) -> Result<Tried, DatabaseError> {
        let sql = format!(
            "SELECT CASE WHEN {} THEN 2 WHEN pg_catalog.pg_try_advisory_lock({}) THEN 1 ELSE 0 END::bigint AS tried",
            self.is_held(),
            self.key()
        );
        let rows: Vec<TriedRow> = self.rows(&sql)?;
        Ok(match rows.first().map(|row| row.tried) {
            Some(1) => Tried::Got,
            Some(2) => Tried::SomebodyElses,
            _ => Tried::Busy,
        })
    }

    /// The session's lock, which a pooler would leave with strangers.
    pub(super) fn claim_session(&mut self) -> Result<Claim, DatabaseError> {
        let pooled = || DatabaseError {
            kind: DatabaseErrorKind::Pooled,
            ..DatabaseError::other("there is a connection pooler before the server".to_owned())
        };
        if !self.is_direct {
            // Not to know is no reason to take it for direct.
            let is_pooled = (self.is_pooled)().map_err(|message| DatabaseError {
                kind: DatabaseErrorKind::PooledOrNot,
                ..DatabaseError::other(message)
            })?;
            if is_pooled {
                return Err(pooled());
            }
            self.is_direct = true;
        }
        match self.try_session_lock()? {
            Tried::Busy => return Ok(Claim::Busy),
            Tried::SomebodyElses => return Err(pooled()),
            Tried::Got => self.session_lock = true,
        }
        let mark = format!("SELECT pg_catalog.pg_try_advisory_lock({});\n", self.mark());
        self.execute(&(mark + &self.enter(Until::Reset, None)))?;
        Ok(Claim::Fresh)
    }
}

fn raise_unless(condition: &str, then: &str) -> String {
    let body = format!(
        "BEGIN IF NOT {condition} THEN RAISE EXCEPTION '{LOCK_NOT_OURS}'; END IF; {then}END"
    );
    format!("DO {};\n", dollar(&body))
}
