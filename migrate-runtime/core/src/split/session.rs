//! What a statement leaves in its session and nowhere else. A migration that
//! goes on over a new connection has lost it: settings are made again by
//! running the statement again, the rest can't be had back.

use super::phrase::{Lexeme, Opening, lexemes};
use super::split;
use crate::{Dialect, TokenKind};

/// Whether the statement only changes its session, and has to be run again
/// when an interrupted migration goes on over a new connection.
#[must_use]
pub fn sets_session(statement: &str, dialect: Dialect) -> bool {
    let opening = Opening::of(statement, dialect);
    match dialect {
        Dialect::Postgres => {
            opening.starts("SET|RESET")
                // As pg_dump writes it.
                || opening.after("SELECT").is_some_and(|rest| {
                    rest.iter()
                        .take_while(|lexeme| lexeme.text != "(")
                        .last()
                        .is_some_and(|name| name.is("set_config"))
                })
        }
        Dialect::Sqlite => opening.starts("PRAGMA"),
        Dialect::MySql => {
            let elsewhere = opening.starts("SET GLOBAL|PERSIST|PERSIST_ONLY|PASSWORD|STATEMENT")
                || opening.starts("SET DEFAULT ROLE");
            (opening.starts("SET") && !elsewhere)
                || opening.starts("USE|PREPARE|DEALLOCATE")
                || opening.starts("DROP PREPARE")
                || (is_query(&opening) && assigns(statement))
        }
    }
}

/// The statements of a step that only change its session: the step itself, or
/// those between a block's BEGIN and COMMIT.
#[must_use]
pub fn session_statements(step: &str, dialect: Dialect) -> Vec<&str> {
    let opening = Opening::of(step, dialect);
    let block = opening.starts("BEGIN|START") && !opening.starts("BEGIN NOT");
    if !block {
        return Some(step)
            .filter(|step| sets_session(step, dialect))
            .into_iter()
            .collect();
    }
    split(step, dialect)
        .unwrap_or_default()
        .into_iter()
        .map(|statement| &step[statement.range])
        .filter(|statement| sets_session(statement, dialect))
        .collect()
}

/// Whether the statement leaves in its session what running it again on
/// another does not: a temporary table, or a variable set from what the
/// statement before it did.
#[must_use]
pub fn lost_with_session(statement: &str, dialect: Dialect) -> bool {
    let opening = Opening::of(statement, dialect);
    let temporary = opening
        .starts("CREATE [OR] [REPLACE] [LOCAL|GLOBAL] TEMPORARY|TEMP TABLE|SEQUENCE|VIEW")
        || opening.starts("CREATE TEMPORARY|TEMP TRIGGER");
    if dialect != Dialect::MySql {
        return temporary;
    }
    let of_the_one_before = || {
        lexemes(statement, dialect).any(|lexeme| {
            const FUNCTIONS: [&str; 3] = ["LAST_INSERT_ID", "ROW_COUNT", "FOUND_ROWS"];
            const VARIABLES: [&str; 3] = ["identity", "last_insert_id", "insert_id"];
            let variable = lexeme.text.strip_prefix("@@").map(|name| {
                name.split_once('.')
                    .map_or(name, |(_, name)| name)
                    .to_ascii_lowercase()
            });
            FUNCTIONS.iter().any(|name| lexeme.is(name))
                || variable.is_some_and(|name| VARIABLES.contains(&name.as_str()))
        })
    };
    temporary
        || opening.starts("HANDLER")
        || (sets_session(statement, dialect) && of_the_one_before())
}

/// Whether the statement reads rows, and so can only change variables.
fn is_query(opening: &Opening<'_>) -> bool {
    opening.starts("SELECT|WITH|VALUES|TABLE|DO")
        || opening
            .lexemes()
            .first()
            .is_some_and(|first| first.text == "(")
}

/// `SELECT … INTO @a` and `SELECT @a := 1`.
fn assigns(statement: &str) -> bool {
    let mut before: Option<Lexeme<'_>> = None;
    for lexeme in lexemes(statement, Dialect::MySql) {
        // WITH begins these, too.
        if lexeme.is("UPDATE") || lexeme.is("DELETE") {
            // FOR UPDATE locks what a query reads.
            if !before.is_some_and(|before| before.is("FOR")) {
                return false;
            }
        }
        let variable = |lexeme: &Lexeme<'_>| {
            lexeme.kind == TokenKind::Parameter
                && lexeme.text.starts_with('@')
                && !lexeme.text.starts_with("@@")
        };
        if let Some(before) = before
            && ((before.is("INTO") && variable(&lexeme))
                || (variable(&before) && lexeme.text == ":="))
        {
            return true;
        }
        before = Some(lexeme);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{MySql, Postgres, Sqlite};

    #[test]
    fn what_only_sets_the_session_is_run_again_on_a_new_one() {
        for (dialect, statement, sets) in [
            (Postgres, "SET search_path = a", true),
            (Postgres, "reset role", true),
            (
                Postgres,
                "SELECT pg_catalog.set_config('search_path', '', false)",
                true,
            ),
            (Postgres, "select f(set_config)", false),
            (Postgres, "insert into t values (1)", false),
            (Sqlite, "pragma foreign_keys = off", true),
            (Sqlite, "select 1", false),
            (MySql, "set names utf8mb4", true),
            (MySql, "/*!40101 SET NAMES utf8 */", true),
            (
                MySql,
                "/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */",
                true,
            ),
            (MySql, "set @a = (select max(id) from t)", true),
            (MySql, "set session sql_mode = ''", true),
            (MySql, "set role a", true),
            (MySql, "set global max_connections = 1", false),
            (MySql, "set persist max_connections = 1", false),
            (MySql, "set password for a = password('b')", false),
            (MySql, "set default role a for b", false),
            (
                MySql,
                "set statement max_statement_time = 1 for alter table t add b int",
                false,
            ),
            (MySql, "use other", true),
            (MySql, "prepare s from 'select 1'", true),
            (MySql, "deallocate prepare s", true),
            (MySql, "drop prepare s", true),
            (MySql, "execute s", false),
            (MySql, "select max(id) into @a from t", true),
            (MySql, "select max(id) from t for update into @a", true),
            (MySql, "(select 1) into @a", true),
            (MySql, "select @rank := 0", true),
            (MySql, "select @@version", false),
            (MySql, "select 1 into outfile '/tmp/a'", false),
            (MySql, "update t set a = (@n := @n + 1)", false),
            (
                MySql,
                "with c as (select 1) update t set a = @n := 1",
                false,
            ),
            (MySql, "insert into t select @n := @n + 1", false),
        ] {
            assert_eq!(sets_session(statement, dialect), sets, "{statement}");
        }
    }

    #[test]
    fn a_block_gives_up_the_settings_within() {
        let block = "begin; set @a = 1; insert into t values (@a); set @b = 2; commit";
        assert_eq!(
            session_statements(block, MySql),
            ["set @a = 1", "set @b = 2"]
        );
        assert_eq!(session_statements("use a", MySql), ["use a"]);
        assert_eq!(session_statements("drop table a", MySql), [] as [&str; 0]);
        let program = "begin not atomic set @a = 1; end";
        assert_eq!(session_statements(program, MySql), [] as [&str; 0]);
    }

    #[test]
    fn what_no_other_session_can_have_is_known() {
        for (statement, lost) in [
            ("create temporary table a (b int)", true),
            ("create or replace temporary table a (b int)", true),
            ("create table a (b int)", false),
            ("set @id = last_insert_id()", true),
            ("select @@identity into @id", true),
            ("set @n = 1", false),
            ("insert into a values (last_insert_id())", false),
            ("handler t open", true),
        ] {
            assert_eq!(lost_with_session(statement, MySql), lost, "{statement}");
        }
        assert!(lost_with_session("create temp table a (b int)", Postgres));
        assert!(!lost_with_session("create table temp (b int)", Sqlite));
    }
}
