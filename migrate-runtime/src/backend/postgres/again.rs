//! A failed transaction once more, slowly: which statement fails where the
//! server gives no position, and whether it was the lock timeout.

use std::time::Duration;

use diesel::Connection;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;

use migrate_core::{Dialect, split, tokenize};

use super::Postgres;
use crate::backend::{Backend, Outcome, Pace, Stop, Work, first_line};
use crate::error::{DatabaseError, DatabaseErrorKind};
use crate::quote::dollar;

/// A text of our own, which comes back whatever language the server speaks.
pub(super) const LOCK_TIMEOUT: &str = "cargo-migrate: lock timeout";

/// Whether a failed migration may have run into its lock timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion {
    None,
    LockTimeout,
}

/// Whether an error without a place may be a lock timeout: by the time that
/// passed, for Diesel hides the SQLSTATE and the server speaks any language.
pub(super) fn suspicion(
    error: &DatabaseError,
    lock_timeout: Duration,
    elapsed: Duration,
) -> Suspicion {
    let may_have_waited = !lock_timeout.is_zero() && elapsed >= lock_timeout;
    if may_have_waited && error.kind == DatabaseErrorKind::Other {
        Suspicion::LockTimeout
    } else {
        Suspicion::None
    }
}

/// Whether a statement is SAVEPOINT, RELEASE or ROLLBACK TO.
fn moves_a_savepoint(statement: &str) -> bool {
    let first = tokenize(statement, Dialect::Postgres).find(|token| !token.is_blank());
    first.is_some_and(|token| {
        let word = statement[token.range].to_ascii_lowercase();
        ["savepoint", "release", "rollback"].contains(&word.as_str())
    })
}

/// Whether one of a block's statements is such a one.
pub(super) fn holds_a_savepoint(block: &str) -> bool {
    let statements = split(block, Dialect::Postgres).unwrap_or_default();
    statements
        .iter()
        .any(|statement| moves_a_savepoint(&block[statement.range.clone()]))
}

/// A statement in a block that turns a lock timeout into our own text.
pub(super) fn timed(statement: &str) -> String {
    let run = dollar(statement);
    let body = format!(
        "BEGIN EXECUTE {run}; EXCEPTION WHEN lock_not_available THEN RAISE EXCEPTION '{LOCK_TIMEOUT}'; END"
    );
    format!("DO {}", dollar(&body))
}

impl<C> Postgres<C>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
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
            Err(error) => self.ours(&error).unwrap_or(Err(Stop::Database(error))),
        };
        if !matches!(outcome, Ok(Outcome::Done)) {
            self.rollback();
        }
        outcome
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
        self.execute(&self.end(work)).map_err(Stop::Database)?;
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
            return self.ours(&error).unwrap_or(Err(Stop::Database(error)));
        }
        let suspicion = match pace {
            Pace::Timed => Suspicion::LockTimeout,
            Pace::Batch | Pace::Statements => Suspicion::None,
        };
        let ran = self.statements(work, suspicion)?;
        if ran == Outcome::Done {
            self.execute(&self.end(work)).map_err(Stop::Database)?;
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
                self.execute(&timed(text))?;
            }
        }
        self.execute(after)
    }

    fn statements(&mut self, work: &Work<'_>, suspicion: Suspicion) -> Result<Outcome, Stop> {
        for (n, statement) in work.script.statements.iter().enumerate() {
            let text = &work.text[statement.range.clone()];
            let sent = match suspicion {
                Suspicion::None => text.to_owned(),
                // PL/pgSQL cannot, and none of them waits for a lock.
                Suspicion::LockTimeout if moves_a_savepoint(text) => text.to_owned(),
                Suspicion::LockTimeout => timed(text),
            };
            let ran = if work.interrupt.is_asked() {
                Err(DatabaseError::interrupted())
            } else {
                self.execute(&sent)
            };
            let Err(error) = ran else {
                continue;
            };
            if error.message.contains(LOCK_TIMEOUT) {
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
