//! What stands around a migration in its transaction: the lock, the settings,
//! the history row before it and the journal row after it, as SQL text; and
//! what an error of the whole means.

use std::time::Duration;

use diesel::Connection;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use migrate_core::Direction;

use super::batch::Part;
use super::facts::{BEGIN_AS_FOUND, Facts, Until};
use super::{LOCK_NOT_OURS, NOT_APPLIED, Postgres};
use crate::backend::{Outcome, Stop, Work, word_at};
use crate::error::{DatabaseError, DatabaseErrorKind};
use crate::store::AttemptEnd;

impl<C> Postgres<C>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    pub(super) fn record_first(&self, work: &Work<'_>) -> (String, String) {
        match work.direction {
            Direction::Up => (String::new(), self.store.insert_history(work.version)),
            Direction::Down => {
                let delete = self.store.delete_history(work.version);
                (
                    format!(
                        "{delete}; IF NOT FOUND THEN RAISE EXCEPTION '{NOT_APPLIED}'; END IF; "
                    ),
                    String::new(),
                )
            }
        }
    }

    /// Begins a transaction of ours: whatever it sets ends with it, so that a
    /// pooler's next client finds the connection as it was.
    pub(super) fn begin_transaction(&self) -> String {
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED;\n{}",
            self.enter(Until::Commit, None)
        )
    }

    /// Begins a transaction that records a step.
    pub(super) fn begin_recording(&self) -> &'static str {
        let facts = self.facts.as_ref();
        facts.map_or(BEGIN_AS_FOUND, Facts::begin_recording)
    }

    /// Our settings and search path, and the timeouts of lock and statement.
    pub(super) fn enter(&self, until: Until, timeouts: Option<(Duration, Duration)>) -> String {
        let facts = self.facts.as_ref();
        facts
            .map(|facts| facts.enter(&self.names, &self.application, until, timeouts))
            .unwrap_or_default()
    }

    /// Puts back what a file may have set, so that neither our own writes nor
    /// the next migration see it.
    pub(super) fn put_back(&self) -> String {
        let found = self
            .facts
            .as_ref()
            .map(|facts| facts.restore(&self.names))
            .unwrap_or_default();
        // Outside transactions the session itself is ours.
        let ours = if self.session_lock {
            self.enter(Until::Reset, None)
        } else {
            String::new()
        };
        format!("{found}{ours}")
    }

    /// The same for the rest of this transaction alone: outside a transaction
    /// the file's next statement counts on what it has set.
    pub(super) fn put_back_here(&self) -> String {
        self.facts
            .as_ref()
            .map(Facts::restore_here)
            .unwrap_or_default()
    }

    pub(super) fn record_last(&self, work: &Work<'_>) -> String {
        let end = AttemptEnd::Done {
            started: "now()",
            duration_us: "(extract(epoch from clock_timestamp() - now()) * 1000000)::bigint",
        };
        self.store.insert_attempt(None, &work.attempt(), &end)
    }

    pub(super) fn begin(&self, work: &Work<'_>) -> String {
        let (locked, after) = self.record_first(work);
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED;\n{}{}{after}",
            self.enter(
                Until::Commit,
                Some((work.lock_timeout, work.statement_timeout))
            ),
            self.held_or_raise(&locked)
        )
    }

    pub(super) fn end(&self, work: &Work<'_>) -> String {
        format!("{}{}", self.put_back(), self.record_last(work))
    }

    /// What an error of a batch means, before it is taken for the migration's.
    pub(super) fn ours(&self, error: &DatabaseError) -> Option<Result<Outcome, Stop>> {
        if error.message.contains(LOCK_NOT_OURS) {
            // What the session has lost is not to be waited for.
            return Some(if self.session_lock {
                Err(Stop::Database(error.clone()))
            } else {
                Ok(Outcome::Busy)
            });
        }
        let of_history = error.table.as_deref() == Some(self.names.history_table.as_str());
        if error.message.contains(NOT_APPLIED)
            || (error.kind == DatabaseErrorKind::Unique && of_history)
        {
            return Some(Ok(Outcome::Elsewhere));
        }
        (error.kind == DatabaseErrorKind::Closed).then(|| Err(Stop::Database(error.clone())))
    }
}

/// The timeouts alone, where the rest is the session's.
pub(super) fn timeouts(lock: Duration, statement: Duration) -> String {
    format!(
        "SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = {};\n",
        lock.as_millis(),
        statement.as_millis()
    )
}

/// What a position in a batch points at: the migration's bytes, or its end.
pub(super) fn migration_error(work: &Work<'_>, part: Part, error: DatabaseError) -> Stop {
    let byte = match part {
        Part::Body(byte) => byte,
        Part::Ours => return Stop::Database(error),
        Part::Unknown => {
            return Stop::Migration {
                statement: None,
                range: None,
                error,
            };
        }
    };
    let offset = work.script.body.start + byte;
    let statements = &work.script.statements;
    // What misses its end is found at the semicolon behind it.
    let statement = statements
        .partition_point(|statement| statement.range.start <= offset)
        .checked_sub(1);
    Stop::Migration {
        statement,
        range: Some(word_at(work.text, offset)),
        error,
    }
}
