//! What is let in, what is refused, and with which words.

use proptest::prelude::*;

use super::*;
use crate::token::tests::hostile_text;
use Dialect::{MySql, Postgres, Sqlite};
use RunMode::{Steps, Transaction};

/// The refusals as `line:column message`, or the statements.
fn admitted(dialect: Dialect, mode: RunMode, text: &str) -> Result<Vec<&str>, Vec<String>> {
    match Script::admit(text, dialect, mode) {
        Ok(script) => Ok(script
            .statements
            .iter()
            .map(|s| &text[s.range.clone()])
            .collect()),
        Err(refusals) => Err(refusals
            .iter()
            .map(|r| format!("{} {r}", r.place))
            .collect()),
    }
}

fn refused(dialect: Dialect, mode: RunMode, text: &str) -> Vec<String> {
    match admitted(dialect, mode, text) {
        Ok(_) => panic!("{dialect} {mode:?} admits {text}"),
        Err(refusals) => refusals,
    }
}

#[test]
fn a_transaction_around_the_file_is_taken_for_ours() {
    let cases = [
        (
            Postgres,
            "-- why\nBEGIN;\n-- a\ncreate table a (b int); \ninsert into a values (1);\nCOMMIT;\n",
        ),
        (
            Postgres,
            "\nstart transaction isolation level read committed; create table a (b int); insert into a values (1); end",
        ),
        (
            Postgres,
            "\nbegin read write; create table a (b int); insert into a values (1); commit and no chain",
        ),
        (
            Sqlite,
            "\nBEGIN IMMEDIATE TRANSACTION; create table a (b int); insert into a values (1); END TRANSACTION;",
        ),
    ];
    for (dialect, text) in cases {
        let script = Script::admit(text, dialect, Transaction).unwrap();
        assert_eq!(
            script.notes,
            [Note::OuterTransaction {
                place: Place { line: 2, column: 1 }
            }]
        );
        assert_eq!(
            text[script.body.clone()].replace(['\n'], ""),
            "create table a (b int); insert into a values (1)"
        );
        assert_eq!(script.statements.len(), 2);
    }
    let empty = Script::admit("begin; commit;", Postgres, Transaction).unwrap();
    assert_eq!((empty.statements.len(), empty.body), (0, 0..0));
}

#[test]
fn the_body_can_be_joined_to_text_on_both_sides() {
    let text = "-- before\nselect 1; select 2 -- after, without a newline";
    let script = Script::admit(text, Postgres, Transaction).unwrap();
    assert_eq!(&text[script.body], "select 1; select 2");
}

#[test]
fn all_transaction_control_in_a_transaction_is_refused() {
    let text = "create table a (b int);\ncommit;\nrollback work;\nbegin isolation level serializable;\nabort;\n\
                prepare transaction 'x';\ncommit prepared 'x';\nset transaction read only;\nend;\nset transaction read write";
    assert_eq!(
        refused(Postgres, Transaction, text),
        [
            "2:1 `commit` would take the transaction out of the migration's hands",
            "3:1 `rollback work` would take the transaction out of the migration's hands",
            "4:1 `begin isolation level` would take the transaction out of the migration's hands",
            "5:1 `abort` would take the transaction out of the migration's hands",
            "6:1 `prepare transaction` would take the transaction out of the migration's hands",
            "7:1 `commit prepared` would take the transaction out of the migration's hands",
            "8:1 `set transaction read` changes the transaction in which the migration is recorded",
            "9:1 `end` would take the transaction out of the migration's hands",
        ]
    );
    for text in [
        "begin; select 1",
        "select 1; commit",
        "begin; select 1; commit; select 2",
        "begin; select 1; rollback",
        "begin; select 1; commit and chain",
        "begin isolation level serializable; select 1; commit",
        "begin; select 1; commit; begin; select 2; commit",
    ] {
        refused(Postgres, Transaction, text);
    }
    refused(Sqlite, Transaction, "select 1; /* c */ COMMIT");
    refused(MySql, Transaction, "select 1; /*!40000 COMMIT */");
}

#[test]
fn what_stays_in_the_transaction_is_let_in() {
    for text in [
        "savepoint a; insert into t values (1); rollback to savepoint a; release a",
        "rollback work to a",
        "set transaction read write",
        "set session characteristics as transaction deferrable",
        "set local lock_timeout = 1",
        "prepare a as select 1",
        "do $$ begin commit; end $$",
        "create function f() returns void begin atomic select pg_advisory_unlock(1); end",
        "select 'commit; begin;'",
        "create table \"commit\" (a int)",
        "copy t from '/tmp/stdin'; copy t from program 'cat'; copy (select 1) to '/tmp/a'",
        "copy (select a from stdin) to '/tmp/a'",
        "discard plans",
        "grant execute on function pg_advisory_unlock(bigint) to a",
        "cluster t using i; reindex table t; alter type e add value 'x'",
        "create subscription s connection 'c' publication p with (connect = false)",
        "alter database d set search_path = a",
    ] {
        assert!(
            admitted(Postgres, Transaction, text).is_ok(),
            "{text}: {:?}",
            admitted(Postgres, Transaction, text)
        );
    }
}

#[test]
fn what_needs_a_client_is_refused_in_every_mode() {
    for mode in [Transaction, Steps] {
        assert_eq!(
            refused(
                Postgres,
                mode,
                "copy a from stdin;\nit's a row\n\\.\n\\connect b\nselect 1 \\gset\n;copy b to stdout;"
            ),
            [
                "1:1 COPY FROM STDIN needs a client that sends the rows",
                "4:1 `\\connect` is a command of psql, not SQL",
                "5:10 `\\gset` is a command of psql, not SQL",
                "6:2 COPY TO STDOUT needs a client that takes the rows",
            ]
        );
        assert_eq!(
            refused(MySql, mode, "source a.sql\n\\. b.sql\n"),
            [
                "1:1 `source` is a command of the mysql client, not SQL",
                "2:1 `\\.` is a command of the mysql client, not SQL"
            ]
        );
        assert_eq!(
            refused(Sqlite, mode, ".read a.sql\nselect 1;\n.mode x\nselect 2;"),
            [
                "1:1 `.read` is a command of the sqlite3 shell, not SQL",
                "3:1 `.mode` is a command of the sqlite3 shell, not SQL"
            ]
        );
    }
}

#[test]
fn what_drops_or_blocks_the_lock_is_refused_in_every_mode() {
    for mode in [Transaction, Steps] {
        assert_eq!(
            refused(
                Postgres,
                mode,
                "discard all;\nselect pg_advisory_unlock(1);\nselect \"pg_advisory_unlock_all\"()"
            ),
            [
                "1:1 DISCARD ALL drops the migration lock and the session's settings",
                "2:1 `pg_advisory_unlock` may drop the migration lock",
                "3:1 `pg_advisory_unlock_all` may drop the migration lock",
            ]
        );
        assert_eq!(
            refused(
                MySql,
                mode,
                "do RELEASE_LOCK('a');\nlock tables a write;\nflush tables with read lock"
            ),
            [
                "1:1 `release_lock` may drop the migration lock",
                "2:1 `lock tables` would lock the migration's own tables out",
                "3:1 `flush tables` would lock the migration's own tables out",
            ]
        );
        assert!(admitted(MySql, mode, "unlock tables; flush tables").is_ok());
    }
}

#[test]
fn what_cannot_run_in_a_transaction_is_refused_in_one_only() {
    let postgres = [
        "create index concurrently i on t (a)",
        "create unique index concurrently i on t (a)",
        "drop index concurrently i",
        "reindex (verbose) index concurrently i",
        "reindex (concurrently) index i",
        "reindex database d",
        "reindex (verbose) system d",
        "vacuum analyze t",
        "alter system reset all",
        "create database d",
        "drop database d",
        "create tablespace s location '/tmp'",
        "drop tablespace s",
        "create subscription s connection 'c' publication p",
        "drop subscription s",
        "alter table t detach partition u concurrently",
        "alter database d set tablespace s",
        "cluster",
        "cluster verbose",
        "cluster (verbose)",
    ];
    let sqlite = [
        "vacuum",
        "attach 'a' as b",
        "detach b",
        "pragma journal_mode = wal",
        "pragma main.synchronous(off)",
    ];
    for (dialect, text) in postgres
        .map(|text| (Postgres, text))
        .into_iter()
        .chain(sqlite.map(|text| (Sqlite, text)))
    {
        let refusals = Script::admit(text, dialect, Transaction).unwrap_err();
        assert!(
            refusals[0].help().contains("run_in_transaction = false"),
            "{text}: {refusals:?}"
        );
        assert!(
            refusals[0]
                .to_string()
                .ends_with("cannot run inside a transaction")
        );
        assert_eq!(admitted(dialect, Steps, text), Ok(vec![text]));
        let block = format!("begin; {text}; commit");
        assert!(
            Script::admit(&block, dialect, Steps).unwrap_err()[0]
                .help()
                .contains("out of the BEGIN")
        );
    }
    assert!(
        admitted(
            Sqlite,
            Transaction,
            "pragma journal_mode; pragma user_version = 3"
        )
        .is_ok()
    );
}

#[test]
fn outside_a_transaction_a_balanced_one_is_one_step() {
    let text =
        "select 1;\nbegin; insert into t values (1); savepoint a; release a; commit;\nvacuum;";
    let script = Script::admit(text, Postgres, Steps).unwrap();
    let shown: Vec<_> = script
        .statements
        .iter()
        .map(|s| (s.kind, &text[s.range.clone()]))
        .collect();
    assert_eq!(
        shown,
        [
            (StatementKind::Dml, "select 1"),
            (
                StatementKind::Block,
                "begin; insert into t values (1); savepoint a; release a; commit"
            ),
            (StatementKind::Alone, "vacuum"),
        ]
    );
    assert_eq!(script.statements[1].place, Place { line: 2, column: 1 });
}

#[test]
fn outside_a_transaction_an_unbalanced_one_is_refused() {
    let cases = [
        (
            Postgres,
            "select 1; begin; select 2",
            "1:11 the transaction that begins here is not committed in this file",
        ),
        (
            Postgres,
            "select 1; commit",
            "1:11 `commit` stands in no transaction: no BEGIN before it",
        ),
        (
            Postgres,
            "begin; begin; commit",
            "1:8 `begin` inside a transaction that the file has begun",
        ),
        (
            Postgres,
            "begin; rollback; commit",
            "1:8 `rollback` would take the transaction out of the migration's hands",
        ),
        (
            Sqlite,
            "savepoint a; release a",
            "1:1 `savepoint a` stands in no transaction: no BEGIN before it",
        ),
        (
            MySql,
            "set autocommit = 0",
            "1:1 `set autocommit` would take the transaction out of the migration's hands",
        ),
        (
            MySql,
            "set session transaction read only",
            "1:1 `set session transaction` changes the transaction in which the migration is recorded",
        ),
        (
            MySql,
            "xa start 'a'",
            "1:1 `xa start` would take the transaction out of the migration's hands",
        ),
    ];
    for (dialect, text, message) in cases {
        assert_eq!(refused(dialect, Steps, text)[0], message);
    }
    assert!(
        admitted(
            MySql,
            Steps,
            "set @@session.autocommit = 1; begin not atomic select 1; end"
        )
        .is_ok()
    );
}

#[test]
fn a_mysql_session_that_could_not_write_the_journal_is_refused() {
    for text in [
        "set session tx_read_only = 1",
        "set tx_read_only = on",
        "set local `transaction_read_only` = true",
        "set @@session.tx_read_only := 'ON'",
        "set @a = 1, session tx_read_only = 1",
        "/*!50600 set tx_read_only = 1 */",
        "begin; insert into t values (1); set tx_read_only = 1; commit",
    ] {
        let refusals = refused(MySql, Steps, text).join(", ");
        assert!(
            refusals.ends_with("in which the migration is recorded"),
            "{text}"
        );
    }
    let harmless = "set session tx_read_only = 0; set @@session.transaction_read_only := off, @a = 1; \
                    set transaction_read_only = default; set @tx_read_only = 1, @autocommit = 0; set @old = @@tx_read_only";
    assert!(admitted(MySql, Steps, harmless).is_ok());
}

#[test]
fn what_may_surprise_is_noted() {
    let note = |dialect, mode, text| Script::admit(text, dialect, mode).unwrap().notes;
    let place = |line, column| Place { line, column };
    assert_eq!(
        note(Sqlite, Transaction, "pragma foreign_keys = off"),
        [Note::PragmaIgnored { place: place(1, 1) }]
    );
    assert_eq!(note(Sqlite, Steps, "pragma foreign_keys = off"), []);
    assert_eq!(
        note(
            MySql,
            Steps,
            "begin; insert into t values (1);\ncreate table a (b int); drop table c; commit"
        ),
        [Note::ImplicitCommit { place: place(2, 1) }]
    );
}

#[test]
fn a_block_in_which_mysql_commits_is_as_many_steps_as_it_has_statements() {
    let kinds = |text: &str| -> Vec<(StatementKind, String)> {
        let script = Script::admit(text, MySql, Steps).unwrap();
        let noted = script.notes.len();
        let steps: Vec<_> = script
            .statements
            .into_iter()
            .map(|s| (s.kind, text[s.range].to_owned()))
            .collect();
        let blocks = steps.iter().any(|(kind, _)| *kind == StatementKind::Block);
        assert_eq!(noted, usize::from(!blocks), "{text}");
        steps
    };
    for inner in [
        "create table a (b int)",
        "/*!40000 ALTER TABLE `t` DISABLE KEYS */",
        "truncate t",
        "call p()",
        "execute s",
        "set password = password('a')",
        "create or replace table a (b int)",
        "frobnicate",
        "set statement lock_wait_timeout = 1 for alter table t add a int",
    ] {
        let text = format!(
            "start transaction;\ninsert into t values (1);\n{inner};\ndelete from t;\ncommit;"
        );
        let steps = kinds(&text);
        assert_eq!(
            steps,
            [
                (StatementKind::Dml, "insert into t values (1)".to_owned()),
                (StatementKind::Alone, inner.to_owned()),
                (StatementKind::Dml, "delete from t".to_owned()),
            ]
        );
    }
    for inner in [
        "update t set a = 1",
        "set foreign_key_checks = 0",
        "set @a = 1",
        "savepoint a; delete from u; rollback to a",
        "create temporary table a (b int)",
        "drop temporary table a",
        "show tables",
        "set statement max_statement_time = 1 for delete from t",
        "load data infile 'a' into table t",
    ] {
        let text = format!("begin; insert into t values (1); {inner}; commit");
        assert_eq!(kinds(&text), [(StatementKind::Block, text.clone())]);
    }
    assert_eq!(
        refused(
            MySql,
            Steps,
            "begin; savepoint a; create table b (c int); rollback to a; commit"
        ),
        [
            "1:8 `savepoint a` stands in a transaction that MySQL commits at a statement within",
            "1:45 `rollback to a` stands in a transaction that MySQL commits at a statement within",
        ]
    );
    // The others' blocks may hold DDL.
    let text = "begin; create table a (b int); commit";
    assert_eq!(admitted(Postgres, Steps, text), Ok(vec![text]));
}

#[test]
fn what_a_mysql_setting_runs_is_judged_like_any_other() {
    assert_eq!(
        refused(
            MySql,
            Steps,
            "set statement lock_wait_timeout = 1 for lock tables a write;\nload data local infile 'a' into table t"
        ),
        [
            "1:1 `lock tables` would lock the migration's own tables out",
            "2:1 LOAD DATA LOCAL needs a client that sends the file",
        ]
    );
}

#[test]
fn what_has_no_end_is_refused_with_what_stands_before() {
    assert_eq!(
        refused(Postgres, Transaction, "commit; select 'a"),
        [
            "1:1 `commit` would take the transaction out of the migration's hands",
            "1:16 unterminated string"
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![4 => hostile_text(), 1 => any::<String>()]) {
        for dialect in Dialect::ALL {
            for mode in [Transaction, Steps] {
                match Script::admit(&text, dialect, mode) {
                    Ok(script) => prop_assert!(script.body.end <= text.len()),
                    Err(refusals) => {
                        prop_assert!(!refusals.is_empty());
                        prop_assert!(refusals.iter().all(|refusal| !refusal.help().is_empty()));
                    }
                }
            }
        }
    }
}

#[test]
fn a_temporary_table_that_hides_ours_is_refused_on_mysql_alone() {
    for hides in [
        "CREATE TEMPORARY TABLE __migrate_journal (id INT)",
        "create or replace temporary table if not exists shop.`__Diesel_schema_migrations` (n INT)",
        "CREATE PROCEDURE p() BEGIN CREATE TEMPORARY TABLE __migrate_steps (n INT); END",
        "EXECUTE IMMEDIATE 'CREATE TEMPORARY TABLE __migrate_steps (n INT)'",
    ] {
        let refused = Script::admit(hides, Dialect::MySql, RunMode::Steps).unwrap_err();
        assert!(
            matches!(refused[0].kind, RefusalKind::HidesOurs { .. }),
            "{hides}: {refused:?}"
        );
    }
    for fine in [
        "CREATE TEMPORARY TABLE mine (id INT)",
        "INSERT INTO texts VALUES ('CREATE TEMPORARY TABLE __migrate_journal (n INT)')",
    ] {
        assert!(
            Script::admit(fine, Dialect::MySql, RunMode::Steps).is_ok(),
            "{fine}"
        );
    }
    let elsewhere = "CREATE TEMPORARY TABLE __migrate_journal (id INT)";
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        assert!(Script::admit(elsewhere, dialect, RunMode::Transaction).is_ok());
    }
}
