//! Where statements begin and end, and what kinds they are.

mod mysql;

use proptest::prelude::*;

use super::*;
use crate::token::tests::hostile_text;
use Dialect::{MySql, Postgres, Sqlite};

fn parts(dialect: Dialect, text: &str) -> Vec<&str> {
    match split(text, dialect) {
        Ok(statements) => statements
            .into_iter()
            .map(|statement| &text[statement.range])
            .collect(),
        Err(error) => panic!("{dialect}: {error}: {text}"),
    }
}

/// Each text, written with `¦` where one statement follows another.
fn pieces_table(dialect: Dialect, cases: &[&str]) {
    for case in cases {
        let text = case.replace('¦', "");
        let expected: Vec<&str> = case
            .split('¦')
            .map(|part| part.trim().trim_end_matches(';').trim_end())
            .filter(|p| !p.is_empty())
            .collect();
        assert_eq!(parts(dialect, &text), expected, "{dialect}");
    }
}

#[test]
fn semicolons_end_statements_but_not_in_quotes_and_comments() {
    for dialect in Dialect::ALL {
        pieces_table(
            dialect,
            &[
                "select 1;¦ select 2",
                "select ';';¦ select '/* ; */';",
                "select /* ; */ 1;¦ select 2;",
            ],
        );
        assert_eq!(
            parts(dialect, ";; select 1 ;;\n; -- x\n/* y */ select 2 -- z ;\n"),
            ["select 1", "select 2"]
        );
        assert_eq!(
            parts(dialect, " -- only\n /* comments */ ;"),
            [] as [&str; 0]
        );
        assert_eq!(
            parts(dialect, "\nselect 1\n-- a\n, 2 -- b\n"),
            ["select 1\n-- a\n, 2"]
        );
    }
}

#[test]
fn places_count_lines_and_characters() {
    let text = "-- é\nselect 'é'; select 2;\n\n  select 3";
    let places: Vec<String> = split(text, Postgres)
        .unwrap()
        .iter()
        .map(|statement| statement.place.to_string())
        .collect();
    assert_eq!(places, ["2:1", "2:13", "4:3"]);
}

#[test]
fn postgres_bodies_and_rules_keep_their_semicolons() {
    pieces_table(
        Postgres,
        &[
            "create function f() returns int as $$ begin; end; $$ language plpgsql;¦ select 1",
            "do $body$ begin perform 1; end $body$;¦ select 1",
            "create or replace function f() returns int begin atomic select 1; select case when true then 2 end; end;¦ \
             select 1;",
            "create procedure p() language sql BEGIN ATOMIC insert into t values (1); END;¦ select 1",
            "create procedure p() begin atomic end;¦ select 1",
            "create rule r as on insert to t do also (insert into u values (1); delete from v);¦ select 1",
            "begin;¦ select 1;¦ end;¦",
            "select a as \"begin\" from t;¦ select b",
            "create table atomic (begin int);¦ select 1",
            "create function f(begin int) returns int language sql return 1;¦ select 2",
            "/*+ SeqScan(t) */ select * from t;¦ select 1",
        ],
    );
    assert_eq!(parts(Postgres, "/*+ nothing to plan */;"), [] as [&str; 0]);
}

#[test]
fn rows_after_a_copy_belong_to_it() {
    let text = "COPY t (a) FROM STDIN WITH (FORMAT csv);\nit's\n;\n\\.\nselect 1;";
    assert_eq!(
        parts(Postgres, text),
        [&text[..text.len() - 10], "select 1"]
    );
    assert_eq!(
        parts(Postgres, "copy t from '/stdin';\nselect 1"),
        ["copy t from '/stdin'", "select 1"]
    );
}

#[test]
fn mysql_bodies_need_no_delimiter() {
    pieces_table(
        MySql,
        &[
            "create procedure p() begin select 1; select 2; end;¦ select 3",
            "create procedure p() begin end;¦ select 3",
            "create procedure p() select 1;¦ select 2",
            "create procedure p() drop table if exists t;¦ select 2",
            "create procedure p() comment 'x' reads sql data lbl: begin leave lbl; end lbl;¦ select 1",
            "create function f(a set('x','y')) returns set('x') deterministic begin return a; end;¦ select 1",
            "create function f() returns varchar(9) character set utf8 return if(1, 2, 3);¦ select 1",
            "create function f() returns string soname 'f.so';¦ select 1",
            "create definer = `root`@`%` procedure if not exists p(in a int) begin if a > 0 then select 1; elseif a then \
             select 2; else select if(a, 1, 2); end if; end;¦ select 1",
            "create definer=begin@localhost trigger t before insert on u for each row follows v set new.a = 1;¦ select 1",
            "create trigger t after update on u for each row precedes v begin set @a = 1; end;¦ select 1",
            "create trigger t after update on u for each row begin if new.a <> old.a then insert into l values (1); \
             end if; end;¦ select 1",
            "create trigger t before insert on u for each row if new.a then set new.b = 1; end if;¦ select 1",
            "create event e on schedule every 1 day starts now() comment 'begin' do begin delete from t; end;¦ select 1",
            "create event e on schedule every 1 day do delete from t;¦ select 1",
            "alter event e do begin delete from t; end;¦ select 1",
            "create procedure p() begin declare exit handler for sqlexception begin rollback; end; start transaction; \
             commit; end;¦ select 1",
            "create procedure p() begin declare continue handler for not found, 1062, sqlstate value '23000', c set d = \
             if(1, 2, 3); select 1; end;¦ select 1",
            "create procedure p() begin declare continue handler for 1051 if true then select 1; end if; end;¦ select 1",
            "create procedure p() begin declare c cursor for select 1; declare x int default case when 1 then 2 end; \
             open c; l: loop fetch c into x; if x then iterate l; end if; leave l; end loop l; end;¦ select 1",
            "create procedure p() begin while a < 10 do set a = a + 1; end while; repeat set a = 1; until a = 1 end \
             repeat; end;¦ select 1",
            "create procedure p() begin case a when 1 then select 1; when 2 then begin end; else if b then select 2; \
             end if; end case; end;¦ select 1",
            "create procedure p() begin select case a when 1 then if(b, 1, 2) else repeat('x', 3) end from t; end;¦ \
             select 1",
            "create procedure p() begin if case when a then b else c end then select 1; end if; end;¦ select 1",
            "create procedure p() begin select t.begin, end, `end` from t where end > 1; end;¦ select 1",
            "create procedure p() begin select case when end > 1 then t.end else end end from t; end;¦ select 1",
            "create procedure p(end int) begin if case when end > 1 then if(@a, 1, 2) else 3 end then select 1; end if; \
             end;¦ select 1",
            "create procedure p() begin declare continue handler for not found if true then select 1; end if; while @a do \
             if @b then select 1; end if; end while; end;¦ select 1",
            "create procedure p() begin update t set a = replace(b, 'x', 'y'); do sleep(1); end;¦ select 1",
            "begin not atomic select 1; select 2; end;¦ select 1",
            "begin;¦ insert into t values (1);¦ commit;¦",
            "if @a then select 1; end if;¦ select 2",
            "/*!40101 SET NAMES utf8 */;¦ /*!50003 CREATE TRIGGER t AFTER INSERT ON u FOR EACH ROW BEGIN SET @a = 1; END */;¦",
            "alter table t add column event int;¦ create table trigger_log (a int);¦ create view v as select 1;¦",
        ],
    );
    assert_eq!(
        parts(MySql, "/* nothing */; /*+ no hint */;"),
        [] as [&str; 0]
    );
}

#[test]
fn mysql_delimiters_end_statements_as_in_its_client() {
    let text = "select 1;\nDELIMITER //\ncreate procedure p()\nbegin\n  select ';'; -- //\nend;\n//\n\
                create procedure q() begin if 1 then oops; end//\nselect 2; select 3//\ndelimiter ;\nselect 4;\n";
    assert_eq!(
        parts(MySql, text),
        [
            "select 1",
            "create procedure p()\nbegin\n  select ';'; -- //\nend",
            "create procedure q() begin if 1 then oops; end",
            "select 2",
            "select 3",
            "select 4",
        ]
    );
    assert_eq!(
        parts(
            MySql,
            "drop procedure p;\ndelimiter $$\ncreate trigger t before insert on u for each row begin end$$"
        ),
        [
            "drop procedure p",
            "create trigger t before insert on u for each row begin end"
        ]
    );
}

#[test]
fn sqlite_triggers_keep_their_semicolons() {
    pieces_table(
        Sqlite,
        &[
            "create trigger t after insert on u begin insert into l values (1); delete from m; end;¦ select 1",
            "CREATE TEMP TRIGGER IF NOT EXISTS t AFTER UPDATE OF a ON u WHEN new.begin > 1 BEGIN SELECT CASE WHEN a \
             THEN 1 ELSE 2 END; UPDATE u SET b = CASE a WHEN 1 THEN 2 END; END;¦ select 1",
            "explain create temporary trigger t delete on u begin select 1; end;¦ select 1",
            "create trigger [a;b] insert on \"c;\" begin select `d;`; end ;¦ select 1",
            "create table trigger_x (a);¦ create view v as select 1;¦ begin;¦ end;¦",
        ],
    );
    assert_eq!(parts(Sqlite, "select 1; /* runs to the end"), ["select 1"]);
}

#[test]
fn what_has_no_end_is_named_with_its_place() {
    let error = |dialect, text| {
        split(text, dialect).map_err(|e| format!("{} {} {e}", e.place, e.range.start))
    };
    let cases = [
        (
            Postgres,
            "select 1;\n select 'a",
            "2:9 18 unterminated string",
        ),
        (Postgres, "select E'a\\'", "1:8 7 unterminated string"),
        (
            Postgres,
            "do $a$ $b$",
            "1:4 3 unterminated dollar-quoted string",
        ),
        (Postgres, "select 1 /* /* */", "1:10 9 unterminated comment"),
        (
            Postgres,
            "select \"a",
            "1:8 7 unterminated quoted identifier",
        ),
        (
            Postgres,
            "select 1;\ncreate procedure p() begin atomic select 1;",
            "2:1 10 the body of this statement has no END",
        ),
        (MySql, "select `a", "1:8 7 unterminated quoted identifier"),
        (MySql, "/*!40101 select 'a' ", "1:1 0 unterminated comment"),
        (
            MySql,
            "create procedure p() begin if a then b; end;",
            "1:1 0 the body of this statement has no END",
        ),
        (
            MySql,
            "create procedure p() begin select 1;\nDELIMITER //\nselect 1//",
            "1:1 0 the body of this statement has no END",
        ),
        (Sqlite, "select [a", "1:8 7 unterminated quoted identifier"),
        (
            Sqlite,
            "create trigger t insert on u begin select 1;",
            "1:1 0 the body of this statement has no END",
        ),
    ];
    for (dialect, text, message) in cases {
        assert_eq!(error(dialect, text), Err(message.to_owned()), "{text}");
    }
}

#[test]
fn kinds_say_what_may_share_a_transaction_with_its_checkpoint() {
    use StatementKind::{Alone, Ddl, Dml};
    let cases = [
        (Postgres, Dml, "insert into t values (1)"),
        (Postgres, Dml, "with a as (select 1) delete from t"),
        (Postgres, Dml, "(select 1)"),
        (
            Postgres,
            Dml,
            "merge into t using u on true when matched then delete",
        ),
        (Postgres, Ddl, "create table t (concurrently int)"),
        (Postgres, Ddl, "create unique index i on t (a)"),
        (Postgres, Ddl, "comment on table t is 'CONCURRENTLY'"),
        (Postgres, Ddl, "refresh materialized view concurrently v"),
        (Postgres, Ddl, "alter table t detach partition u"),
        (Postgres, Ddl, "set lock_timeout = 1"),
        (
            Postgres,
            Alone,
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)",
        ),
        (
            Postgres,
            Alone,
            "create index /* c */ concurrently i on t (a)",
        ),
        (Postgres, Alone, "drop index concurrently i"),
        (Postgres, Alone, "reindex index concurrently i"),
        (
            Postgres,
            Alone,
            "alter table only s.t detach partition u concurrently",
        ),
        (Postgres, Alone, "alter type e add value 'x'"),
        (Postgres, Alone, "vacuum (full) t"),
        (Postgres, Alone, "create database d"),
        (Postgres, Alone, "alter system set a = 1"),
        (Postgres, Alone, "call p()"),
        (Postgres, Alone, "do $$ begin end $$"),
        (
            Postgres,
            Alone,
            "select pg_create_logical_replication_slot('a', 'b')",
        ),
        (Postgres, Alone, "frobnicate"),
        (MySql, Dml, "replace into t values (1)"),
        (MySql, Dml, "set @a = 1, @b = if(1, 2, 3)"),
        (MySql, Dml, "/*!40000 insert into t values (1) */"),
        (MySql, Alone, "set @a = 1, autocommit = 0"),
        (MySql, Alone, "create table t (a int)"),
        (MySql, Alone, "call p()"),
        (MySql, Alone, "truncate t"),
        (Sqlite, Dml, "replace into t values (1)"),
        (Sqlite, Ddl, "create table t (a)"),
        (
            Sqlite,
            Ddl,
            "create trigger t insert on u begin select 1; end",
        ),
        (Sqlite, Alone, "vacuum"),
        (Sqlite, Alone, "pragma foreign_keys = off"),
    ];
    for (dialect, kind, text) in cases {
        let kinds: Vec<_> = split(text, dialect)
            .unwrap()
            .iter()
            .map(|statement| statement.kind)
            .collect();
        assert_eq!(kinds, [kind], "{dialect}: {text}");
    }
}

#[test]
fn a_hundred_thousand_statements_and_a_line_of_a_megabyte_take_linear_time() {
    for dialect in Dialect::ALL {
        let many = "insert into t values (1, 'a');\n".repeat(100_000);
        assert_eq!(parts(dialect, &many).len(), 100_000);
        let long = format!(
            "insert into t values {}(1); select 1",
            "(1,'d',delimiter,$$a$$),".repeat(40_000)
        );
        assert_eq!(parts(dialect, &long).len(), 2);
        let one_line = "delete from t;".repeat(70_000);
        assert_eq!(parts(dialect, &one_line).len(), 70_000);
    }
    // Each of these would look through the rest of the text again.
    assert_eq!(
        parts(Postgres, &"copy t from stdin;\n".repeat(50_000)).len(),
        50_000
    );
    assert_eq!(
        parts(MySql, &"source a b c;d e\n".repeat(50_000)).len(),
        50_000
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn pieces_and_gaps_rejoin_to_the_text(text in prop_oneof![4 => hostile_text(), 1 => any::<String>()]) {
        for dialect in Dialect::ALL {
            let Ok(statements) = split(&text, dialect) else { continue };
            let mut at = 0;
            let all: Vec<_> = tokenize(&text, dialect).collect();
            let end = std::iter::once(text.len()..text.len());
            for range in statements.iter().map(|s| s.range.clone()).chain(end) {
                prop_assert!(at <= range.start && range.start <= range.end);
                let gap = at..range.start;
                // What a token is depends on the text before only where there
                // are delimiters; and the rows of a COPY are no tokens.
                let tokens: Vec<_> = if dialect == MySql {
                    let inside = |token: &&Token| gap.start <= token.range.start && token.range.start < gap.end;
                    all.iter().filter(inside).cloned().collect()
                } else {
                    let moved = |token: Token| Token {
                        range: gap.start + token.range.start..gap.start + token.range.end,
                        ..token
                    };
                    tokenize(&text[gap.clone()], dialect).map(moved).collect()
                };
                for token in tokens {
                    prop_assert!(token.range.end <= gap.end, "a gap cuts a token");
                    prop_assert!(
                        token.is_blank()
                            || matches!(token.kind, TokenKind::Terminator | TokenKind::Directive | TokenKind::Hint)
                            || &text[token.range.clone()] == ";",
                        "{} {:?}: a gap holds {:?}", dialect, text, &text[token.range.clone()]
                    );
                }
                at = range.end;
            }
            for statement in &statements {
                prop_assert_eq!(statement.place, Place::of(&text, statement.range.start));
                prop_assert!(!statement.range.is_empty());
            }
        }
    }
}
