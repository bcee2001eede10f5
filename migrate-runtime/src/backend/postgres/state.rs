//! The SQLSTATE of an error, which Diesel hides: the statement is asked again
//! in a block that catches its error and raises it with the code in a field
//! that Diesel shows. No word of the server's is read for it.

use std::time::Duration;

use diesel::Connection;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use migrate_core::{Dialect, tokenize};

use super::again::reaches_out;
use super::{Postgres, transaction};
use crate::backend::{Backend, Stop, Work};
use crate::error::{CARRIES_STATE, DatabaseError, DatabaseErrorKind, ErrorCode};
use crate::interrupt::Interrupt;
use crate::quote::dollar;

/// What asking again may cost: it is for a remedy alone.
const PATIENCE: Duration = Duration::from_secs(1);
const LOCK_PATIENCE: Duration = Duration::from_millis(100);

/// A statement, or several, in a block that raises their error with its
/// SQLSTATE.
pub(super) fn telling(statement: &str) -> String {
    let run = dollar(statement);
    // OTHERS leaves out these two.
    let body = format!(
        "DECLARE said text; details text; about text; BEGIN EXECUTE {run}; \
         EXCEPTION WHEN query_canceled OR assert_failure OR OTHERS THEN \
         GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, details = PG_EXCEPTION_DETAIL, about = TABLE_NAME; \
         RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = said, DETAIL = details, TABLE = about, \
         COLUMN = '{CARRIES_STATE}' || SQLSTATE; END"
    );
    format!("DO {}", dollar(&body))
}

/// Whether a statement is SAVEPOINT, RELEASE or ROLLBACK TO, which no block can
/// run.
pub(super) fn moves_a_savepoint(statement: &str) -> bool {
    let first = tokenize(statement, Dialect::Postgres).find(|token| !token.is_blank());
    first.is_some_and(|token| {
        let word = statement[token.range].to_ascii_lowercase();
        ["savepoint", "release", "rollback"].contains(&word.as_str())
    })
}

/// Whether an error is of asking in a block, and not of what was asked:
/// feature_not_supported, as for SELECT INTO.
pub(super) fn is_of_the_block(error: &DatabaseError) -> bool {
    matches!(&error.code, Some(ErrorCode::SqlState(state)) if state == "0A000")
}

/// The first error with what asking again has told of it, if that was of the
/// same thing.
pub(super) fn told_by(first: DatabaseError, again: DatabaseError) -> DatabaseError {
    match again.code {
        Some(code) if is_alike(&first.message, &again.message) => first.with_code(code),
        _ => first,
    }
}

/// Whether two messages say the same, but for the numbers of files and
/// processes, which are others the second time.
fn is_alike(message: &str, other: &str) -> bool {
    let words = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
    words(message) == words(other)
}

/// The error of a query that only reads, with its SQLSTATE.
pub(super) fn read_again<C>(connection: &mut C, query: &str, error: DatabaseError) -> DatabaseError
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    match connection.batch_execute(&telling(query)) {
        Ok(()) => error,
        Err(again) => told_by(error, again.into()),
    }
}

impl<C> Postgres<C>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    /// The error with its SQLSTATE, where the statement fails alike by itself:
    /// in a transaction that is rolled back, and not for long. One that is open
    /// has failed, and ends here.
    pub(super) fn with_state(&mut self, statement: &str, error: DatabaseError) -> DatabaseError {
        if error.kind != DatabaseErrorKind::Other || error.code.is_some() {
            return error;
        }
        self.rollback();
        let asked = format!(
            "{}{}{}",
            self.begin_transaction(),
            transaction::timeouts(LOCK_PATIENCE, PATIENCE),
            telling(statement)
        );
        let again = self.execute(&asked);
        self.rollback();
        match again {
            Ok(()) => error,
            Err(again) => told_by(error, again),
        }
    }

    /// A migration's error with its SQLSTATE, where its statement fails alike
    /// by itself.
    pub(super) fn told(&mut self, work: &Work<'_>, stop: Stop) -> Stop {
        match stop {
            Stop::Migration {
                statement: Some(n),
                range,
                error,
            } => {
                let text = &work.text[work.script.statements[n].range.clone()];
                let error = self.with_state(text, error);
                Stop::Migration {
                    statement: Some(n),
                    range,
                    error,
                }
            }
            other => other,
        }
    }

    /// A statement inside a transaction, in a block at once; by itself where no
    /// block can run it.
    pub(super) fn execute_in_block(&mut self, statement: &str) -> Result<(), DatabaseError> {
        let saved = format!("SAVEPOINT {SAVED};\n{}", telling(statement));
        match self.execute(&saved) {
            Err(error) if is_of_the_block(&error) => {
                self.execute(&format!("ROLLBACK TO SAVEPOINT {SAVED};\n{statement}"))
            }
            done => done,
        }
    }

    /// A statement inside a transaction that stays open where it fails, and
    /// the error then with its SQLSTATE.
    pub(super) fn execute_telling(
        &mut self,
        statement: &str,
        interrupt: &Interrupt,
    ) -> Result<(), DatabaseError> {
        if moves_a_savepoint(statement) {
            return self.execute(statement);
        }
        let plainly = format!("SAVEPOINT {SAVED};\n{statement}\n;\nRELEASE SAVEPOINT {SAVED}");
        let Err(error) = self.execute(&plainly) else {
            return Ok(());
        };
        // Nobody cancels it a second time.
        if error.kind != DatabaseErrorKind::Other || interrupt.is_asked() || reaches_out(statement)
        {
            return Err(error);
        }
        let again = format!(
            "ROLLBACK TO SAVEPOINT {SAVED};\nRELEASE SAVEPOINT {SAVED};\n{}",
            telling(statement)
        );
        match self.execute(&again) {
            // What stood in its way has gone.
            Ok(()) => Ok(()),
            Err(again) if is_of_the_block(&again) => Err(told_by(error, again)),
            Err(again) if again.kind == DatabaseErrorKind::Closed => Err(again),
            Err(again) => Err(DatabaseError {
                position: error.position,
                ..again
            }),
        }
    }
}

/// Ours among a file's own savepoints.
const SAVED: &str = "\"cargo-migrate\"";
