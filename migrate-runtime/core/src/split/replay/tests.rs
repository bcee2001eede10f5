//! What is run again on a new connection and what is refused, line by line.

mod temporary;
mod variables;

use proptest::prelude::*;

use super::*;
use Dialect::{MySql, Postgres, Sqlite};

/// What is run again, or what is lost: its statement, name and user.
fn told(dialect: Dialect, finished: &[&str], rest: &[&str]) -> String {
    match replay(finished, rest, dialect) {
        Ok(again) => {
            let numbers: Vec<String> = again.iter().map(|(n, _)| n.to_string()).collect();
            format!("again {}", numbers.join(" ")).trim_end().to_owned()
        }
        Err(lost) => format!("{} lost {} for {}", lost.what, lost.statement, lost.used_by),
    }
}

fn check(dialect: Dialect, cases: &[(&[&str], &[&str], &str)]) {
    for (finished, rest, expected) in cases {
        assert_eq!(
            told(dialect, finished, rest),
            *expected,
            "{finished:?} {rest:?}"
        );
    }
}

#[test]
fn settings_are_made_again_unless_they_depend_on_what_is_lost() {
    check(
        MySql,
        &[
            (
                &["use other", "create table a (b int)"],
                &["select 1"],
                "again 0",
            ),
            (
                &["set names utf8mb4 collate utf8mb4_bin"],
                &["select 1"],
                "again 0",
            ),
            (
                &["set sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')"],
                &["select 1"],
                "again 0",
            ),
            (
                &["set foreign_key_checks=0, unique_checks = OFF, x=-1"],
                &["select 1"],
                "again 0",
            ),
            (
                &[
                    "/*!40014 SET @OLD_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */",
                    "/*!40014 SET UNIQUE_CHECKS=@OLD_CHECKS */",
                ],
                &["select 1"],
                "again 0 1",
            ),
            (
                &["set session transaction isolation level serializable"],
                &["select 1"],
                "again 0",
            ),
            (
                &["set transaction isolation level serializable"],
                &["select 1"],
                "again",
            ),
            (
                &[
                    "set global a = 1, b = 2",
                    "set password for a = 'b'",
                    "set persist c = 1",
                ],
                &["select 1"],
                "again",
            ),
            (&["set default role a for b"], &["select 1"], "again"),
            (
                &["set statement max_statement_time = 1 for alter table t add b int"],
                &["select 1"],
                "again",
            ),
            (
                &["set sql_mode = (select a from b)"],
                &["select 1"],
                "the setting sql_mode lost 0 for 0",
            ),
            (&["set sql_mode = (select a from b)"], &[], "again"),
            (
                &["set max_join_size = f()"],
                &["select 1"],
                "the setting max_join_size lost 0 for 0",
            ),
            (
                &["set global a = 1, session b = 2"],
                &["select 1"],
                "the setting b lost 0 for 0",
            ),
            (
                &["set insert_id = 5"],
                &["select 1"],
                "the setting insert_id lost 0 for 0",
            ),
            (
                &["select 'a' into @m", "set sql_mode = @m"],
                &["select 1"],
                "the setting sql_mode lost 1 for 0",
            ),
            (
                &["set sql_mode = @nobody_knows"],
                &["select 1"],
                "the setting sql_mode lost 0 for 0",
            ),
            // Set anew.
            (
                &["set sql_mode = (select 1)", "set @@session.sql_mode = ''"],
                &["select 1"],
                "again 1",
            ),
            (
                &["set sql_mode = (select 1)"],
                &["set sql_mode = ''", "select 1"],
                "again",
            ),
            (
                &["set sql_mode = (select 1)"],
                &["use a", "set sql_mode = concat(@@sql_mode, '')"],
                "the setting sql_mode lost 0 for 1",
            ),
        ],
    );
}

#[test]
fn a_statement_that_is_prepared_and_still_needed_is_prepared_again() {
    let literal = "prepare S from 'select 1'";
    check(
        MySql,
        &[
            (
                &[literal, "execute s", "deallocate prepare s"],
                &["select 1"],
                "again",
            ),
            (
                &[literal, "drop prepare s"],
                &["prepare s from 'select 2'", "execute s"],
                "again",
            ),
            (&[literal], &["select 1", "execute `s`"], "again 0"),
            (&[literal], &["deallocate prepare s"], "again 0"),
            (&[literal], &["select 1"], "again"),
            (
                &[literal],
                &["prepare s from 'select 2'", "execute s"],
                "again",
            ),
            (
                &["set @q = 'select 1'", "prepare s from @q", "set @q = 2"],
                &["execute s"],
                "again 0 1 2",
            ),
            (
                &["begin; set @q = 'select 1'; prepare s from @q; set @q = 2; commit"],
                &["execute s"],
                "again 0 0 0",
            ),
            (
                &["select 'a' into @q", "prepare S from @q"],
                &["select 1", "execute s"],
                "prepared statement S lost 1 for 1",
            ),
            (
                &["select 'a' into @q", "prepare s from @q"],
                &["drop prepare s"],
                "prepared statement s lost 1 for 0",
            ),
            (
                &["select 'a' into @q", "prepare s from @q"],
                &["prepare s from 'a'", "execute s"],
                "again",
            ),
            (
                &[
                    "create temporary table users (a int)",
                    "prepare s from 'delete from users'",
                ],
                &["execute s"],
                "temporary table `users` lost 0 for 0",
            ),
        ],
    );
    let block = "begin; set @q = 'select 1'; prepare s from @q; set @q = 2; commit";
    let again = replay(&[block], &["execute s"], MySql).expect("it can be had");
    let texts: Vec<&str> = again.into_iter().map(|(_, text)| text).collect();
    assert_eq!(
        texts,
        ["set @q = 'select 1'", "prepare s from @q", "set @q = 2"]
    );
}

#[test]
fn what_the_server_tells_of_the_last_insert_is_lost() {
    let inserts = "insert into t values (null)";
    let asks = "insert into u values (last_insert_id())";
    check(
        MySql,
        &[
            (
                &["select 1", inserts],
                &["alter table a add b int", asks],
                "LAST_INSERT_ID() lost 1 for 1",
            ),
            (
                &["replace into t values (1)"],
                &["set @a = @@identity"],
                "@@identity lost 0 for 0",
            ),
            (
                &["begin; insert into t values (1); commit"],
                &[asks],
                "LAST_INSERT_ID() lost 0 for 0",
            ),
            (
                &[inserts],
                &["set @a = row_count()"],
                "ROW_COUNT() lost 0 for 0",
            ),
            (
                &["select 1"],
                &["select found_rows()"],
                "FOUND_ROWS() lost 0 for 0",
            ),
            (
                &["update s set n = last_insert_id(n + 1)"],
                &[asks],
                "LAST_INSERT_ID() lost 0 for 0",
            ),
            (&["call p()"], &[asks], "LAST_INSERT_ID() lost 0 for 0"),
            (&[inserts], &[inserts, asks], "again"),
            (&["create table t (a int)"], &[asks], "again"),
            (
                &[inserts],
                &["create trigger a after insert on t for each row set @a = last_insert_id()"],
                "again",
            ),
            (
                &[inserts],
                &["insert into t (last_insert_id) values (1)"],
                "again",
            ),
        ],
    );
}

#[test]
fn a_handler_that_was_open_is_lost() {
    check(
        MySql,
        &[
            (
                &["handler t open"],
                &["handler T read first"],
                "handler t lost 0 for 0",
            ),
            (
                &["handler a.t open as h"],
                &["select 1", "handler h close"],
                "handler h lost 0 for 1",
            ),
            (&["handler t open as h"], &["handler t read first"], "again"),
            (
                &["handler t open", "handler t close"],
                &["handler t read first"],
                "again",
            ),
            (
                &["handler t open"],
                &["handler t open", "handler t read first"],
                "again",
            ),
            (&["handler t open"], &["select * from t"], "again"),
        ],
    );
}

#[test]
fn other_engines_settings_are_made_again() {
    check(
        Postgres,
        &[
            (
                &[
                    "set search_path = a",
                    "select set_config('a.b', 'c', false)",
                    "reset role",
                ],
                &["select 1"],
                "again 0 1 2",
            ),
            (
                &["begin; set local search_path = a; set a.b = 'c'; commit"],
                &["select 1"],
                "again 0",
            ),
            (
                &["insert into t values (1)"],
                &["select lastval()"],
                "again",
            ),
        ],
    );
    check(
        Sqlite,
        &[(
            &["pragma foreign_keys = off", "create table a (b)"],
            &["select 1"],
            "again 0",
        )],
    );
}

proptest! {
    #[test]
    fn no_text_is_too_odd(
        words in prop::collection::vec(prop::sample::select(vec![
            "set", "@a", "@", "@@b", "=", ":=", ",", ";", "(", ")", "'x'", "'", "`", "into", "prepare", "execute",
            "from", "create", "temporary", "temp", "table", "t", ".", "drop", "rename", "to", "begin", "commit",
            "handler", "open", "procedure", "call", "/*!", "*/", "using", "é", "global", "use",
        ]), 0..24)
    ) {
        let text = words.join(" ");
        for dialect in Dialect::ALL {
            let _ = replay(&[&text, &text], &[&text], dialect);
            let _ = assigns_variables(&text, dialect);
        }
    }
}
