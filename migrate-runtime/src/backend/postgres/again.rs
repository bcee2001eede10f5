//! A failed transaction once more, slowly: which statement fails where the
//! server gives no position, and whether it was the lock timeout.

use std::time::Duration;

use diesel::Connection;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;

use migrate_core::{Dialect, Direction, split};

use super::Postgres;
use super::state::{moves_a_savepoint, telling};
use crate::backend::{Backend, Outcome, Pace, Stop, Work, first_line};
use crate::error::{DatabaseError, DatabaseErrorKind};

/// Whether a failed migration may have run into its lock timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion {
    None,
    LockTimeout,
}

/// Whether an error may be a lock timeout or a deadlock: by the time that
/// passed, for Diesel hides the SQLSTATE and the server speaks any language.
fn suspicion(
    error: &DatabaseError,
    lock_timeout: Duration,
    deadlock_timeout: Duration,
    elapsed: Duration,
) -> Suspicion {
    let waited = !lock_timeout.is_zero() && elapsed >= lock_timeout;
    let may_have_waited = waited || elapsed >= deadlock_timeout;
    if may_have_waited && error.kind == DatabaseErrorKind::Other {
        Suspicion::LockTimeout
    } else {
        Suspicion::None
    }
}

/// Whether one of a block's statements moves a savepoint.
pub(super) fn holds_a_savepoint(block: &str) -> bool {
    let statements = split(block, Dialect::Postgres).unwrap_or_default();
    statements
        .iter()
        .any(|statement| moves_a_savepoint(&block[statement.range.clone()]))
}

/// Whether a text may do something that no rollback takes back: by dblink, or
/// by a program that COPY starts, also within a body or a string.
pub(super) fn reaches_out(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    if text.contains("dblink") {
        return true;
    }
    // Of a table with that name there is no quote behind it.
    text.contains("copy")
        && text.match_indices("program").any(|(at, word)| {
            let before = text[..at].trim_end();
            let behind = text[at + word.len()..].trim_start();
            before.len() < at
                && (before.ends_with("to") || before.ends_with("from"))
                && ["'", "e'", "u&'", "$", "%"]
                    .iter()
                    .any(|quote| behind.starts_with(quote))
        })
}

impl<C> Postgres<C>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    /// The same of an error of this server's.
    pub(super) fn suspicion(
        &self,
        error: &DatabaseError,
        lock_timeout: Duration,
        elapsed: Duration,
    ) -> Suspicion {
        let deadlock_timeout = self
            .facts
            .as_ref()
            .map_or(Duration::MAX, |facts| facts.deadlock_timeout);
        suspicion(error, lock_timeout, deadlock_timeout, elapsed)
    }

    /// The transaction once more, statement by statement: names the one that
    /// fails, or commits.
    pub(super) fn apply_by_statements(
        &mut self,
        work: &Work<'_>,
        suspicion: Suspicion,
    ) -> Result<Outcome, Stop> {
        let begun = self.execute(&self.begin(work));
        let outcome = match begun {
            Ok(()) => self.statements_and_end(work, suspicion),
            Err(error) => self.not_begun(work, error),
        };
        if !matches!(outcome, Ok(Outcome::Done)) {
            self.rollback();
        }
        outcome
    }

    /// What an error of the writes before a migration means.
    fn not_begun(&mut self, work: &Work<'_>, error: DatabaseError) -> Result<Outcome, Stop> {
        if let Some(known) = self.ours(&error) {
            return known;
        }
        let write = match work.direction {
            Direction::Up => self.store.insert_history(work.version),
            Direction::Down => self.store.delete_history(work.version),
        };
        let write = self.held_or_raise("") + &write;
        Err(Stop::Database(self.with_state(&write, error)))
    }

    /// The writes behind a migration.
    fn end_of(&mut self, work: &Work<'_>) -> Result<(), Stop> {
        let Err(error) = self.execute(&self.end(work)) else {
            return Ok(());
        };
        let write = self.record_last(work);
        Err(Stop::Database(self.with_state(&write, error)))
    }

    fn statements_and_end(
        &mut self,
        work: &Work<'_>,
        suspicion: Suspicion,
    ) -> Result<Outcome, Stop> {
        let ran = self.statements(work, suspicion)?;
        if ran != Outcome::Done {
            return Ok(ran);
        }
        self.end_of(work)?;
        match self.execute("COMMIT") {
            Ok(()) => Ok(Outcome::Done),
            Err(error) if error.kind == DatabaseErrorKind::Closed => Err(Stop::Database(error)),
            // Deferred constraints are checked by COMMIT.
            Err(error) => Err(Stop::Migration {
                statement: None,
                range: None,
                error,
            }),
        }
    }

    /// A migration inside the transaction of the run, statement by statement.
    pub(super) fn apply_in_run_by_statements(
        &mut self,
        work: &Work<'_>,
        before: &str,
        pace: Pace,
    ) -> Result<Outcome, Stop> {
        if let Err(error) = self.execute(before) {
            return self.not_begun(work, error);
        }
        let suspicion = match pace {
            Pace::Timed => Suspicion::LockTimeout,
            Pace::Batch | Pace::Statements => Suspicion::None,
        };
        let ran = self.statements(work, suspicion)?;
        if ran == Outcome::Done {
            self.end_of(work)?;
        }
        Ok(ran)
    }

    /// A block with savepoints, which PL/pgSQL cannot run as one.
    pub(super) fn one_by_one(
        &mut self,
        before: &str,
        block: &str,
        after: &str,
    ) -> Result<(), DatabaseError> {
        self.execute(before)?;
        let statements = split(block, Dialect::Postgres)
            .map_err(|error| DatabaseError::other(error.to_string()))?;
        for statement in statements {
            let text = &block[statement.range];
            if moves_a_savepoint(text) {
                self.execute(text)?;
            } else {
                self.execute(&telling(text))?;
            }
        }
        self.execute(after)
    }

    fn statements(&mut self, work: &Work<'_>, suspicion: Suspicion) -> Result<Outcome, Stop> {
        for (n, statement) in work.script.statements.iter().enumerate() {
            let text = &work.text[statement.range.clone()];
            let ran = match suspicion {
                _ if work.interrupt.is_asked() => Err(DatabaseError::interrupted()),
                Suspicion::None => self.execute_telling(text, work.interrupt),
                // Once is enough: while it waits, others wait behind it.
                Suspicion::LockTimeout if moves_a_savepoint(text) => self.execute(text),
                Suspicion::LockTimeout => self.execute_in_block(text),
            };
            let Err(error) = ran else {
                continue;
            };
            if error.kind == DatabaseErrorKind::LockTimeout {
                return Ok(Outcome::LockTimeout { statement: Some(n) });
            }
            if error.kind == DatabaseErrorKind::Closed {
                return Err(Stop::Database(error));
            }
            let range = Some(first_line(work.text, &statement.range));
            return Err(Stop::Migration {
                statement: Some(n),
                range,
                error,
            });
        }
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_rollback_takes_back_is_told_from_tables_of_the_name() {
        for (text, out) in [
            ("SELECT dblink_exec('dbname=a', 'INSERT …')", true),
            ("DO $$ BEGIN COPY t TO PROGRAM 'mail'; END $$", true),
            (
                "DO $$ BEGIN EXECUTE format('COPY t FROM\n Program %L', c); END $$",
                true,
            ),
            ("COPY t TO PROGRAM $$mail$$", true),
            ("COPY program FROM STDIN", false),
            (
                "-- copy\nINSERT INTO a SELECT * FROM program WHERE b = 'c'",
                false,
            ),
            ("CREATE TABLE programs (name text)", false),
        ] {
            assert_eq!(reaches_out(text), out, "{text}");
        }
    }
}
