//! Statements that only change their session, by their first words. What of it
//! can be made again is for [`replay`](super::replay()) to say.

use super::phrase::Opening;
use crate::Dialect;

/// Whether the statement only changes its session, and has to be run again
/// when an interrupted migration goes on over a new connection.
pub(super) fn sets_session(statement: &str, dialect: Dialect) -> bool {
    let opening = Opening::of(statement, dialect);
    match dialect {
        Dialect::Postgres => {
            let of_a_transaction = opening.starts("SET LOCAL|TRANSACTION|CONSTRAINTS");
            (opening.starts("SET|RESET") && !of_a_transaction)
                // As pg_dump writes it.
                || opening.after("SELECT").is_some_and(|rest| {
                    rest.iter()
                        .take_while(|lexeme| lexeme.text != "(")
                        .last()
                        .is_some_and(|name| name.is("set_config"))
                })
        }
        Dialect::Sqlite => opening.starts("PRAGMA"),
        // MySQL's are taken apart, setting by setting.
        Dialect::MySql => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{Postgres, Sqlite};

    #[test]
    fn what_only_sets_the_session_is_run_again_on_a_new_one() {
        for (dialect, statement, sets) in [
            (Postgres, "SET search_path = a", true),
            (Postgres, "reset role", true),
            (Postgres, "set local search_path = a", false),
            (Postgres, "set constraints all deferred", false),
            (
                Postgres,
                "SELECT pg_catalog.set_config('search_path', '', false)",
                true,
            ),
            (Postgres, "select f(set_config)", false),
            (Postgres, "insert into t values (1)", false),
            (Sqlite, "pragma foreign_keys = off", true),
            (Sqlite, "select 1", false),
        ] {
            assert_eq!(sets_session(statement, dialect), sets, "{statement}");
        }
    }
}
