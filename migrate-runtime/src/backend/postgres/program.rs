//! A statement that may commit on its way: what it did before its error stays.
//! Whether it has is told by the server's own count of the session's
//! transactions, for no error says it.

use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Nullable};
use diesel::{Connection, RunQueryDsl};
use migrate_core::{Dialect, lexemes};

use super::Postgres;
use crate::backend::StatementError;

/// The name of the setting that keeps the count over the statement.
const COUNTED: &str = "cargo_migrate.counted";

/// The transactions from one count to the next around a statement that is one
/// itself: its own, the ROLLBACK behind it, and that of the second count.
const WHOLE: i64 = 3;

/// The session's transactions, as the server numbers them for its own locks.
const COUNT: &str = "(SELECT split_part(l.virtualtransaction, '/', 2)::bigint FROM pg_catalog.pg_locks l \
                     WHERE l.locktype = 'virtualxid' AND l.pid = pg_catalog.pg_backend_pid() LIMIT 1)";

#[derive(Debug, diesel::QueryableByName)]
struct CountRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    passed: Option<i64>,
}

/// Whether a statement outside a transaction may be several of them.
pub(super) fn is_program(statement: &str) -> bool {
    let first = lexemes(statement, Dialect::Postgres).next();
    first.is_some_and(|first| first.is("CALL") || first.is("DO"))
}

/// Counts before `statement`, as the last of what is sent there.
pub(super) fn count(statement: &str) -> String {
    if is_program(statement) {
        format!("SELECT pg_catalog.set_config('{COUNTED}', {COUNT}::text, false);\n")
    } else {
        String::new()
    }
}

impl<C> Postgres<C>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    /// The error of `statement`, which has just been rolled back: a part of
    /// what it did may stay, unless it is sure that nothing does.
    pub(super) fn left_by(&mut self, statement: &str, error: StatementError) -> StatementError {
        match error {
            StatementError::Statement { error, offset }
                if is_program(statement) && !self.was_whole() =>
            {
                StatementError::Partial { error, offset }
            }
            other => other,
        }
    }

    fn was_whole(&mut self) -> bool {
        let passed = format!(
            "SELECT {COUNT} - nullif(pg_catalog.current_setting('{COUNTED}', true), '')::bigint AS passed"
        );
        // Not by `rows`, which asks a second time what fails.
        let rows: Result<Vec<CountRow>, _> = diesel::sql_query(passed).load(&mut self.connection);
        rows.is_ok_and(|rows| rows.first().and_then(|row| row.passed) == Some(WHOLE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_commit_on_its_way_is_counted() {
        for (statement, counted) in [
            ("CALL p()", true),
            ("/* now */ do $$BEGIN COMMIT; END$$", true),
            ("VACUUM t", false),
            ("DROP DATABASE call", false),
        ] {
            assert_eq!(is_program(statement), counted, "{statement}");
            assert_eq!(!count(statement).is_empty(), counted, "{statement}");
        }
    }
}
