//! The PostgreSQL splitter against squawk's parser, which knows the whole
//! grammar: both must find the same statements in generated files of valid
//! SQL. Says nothing about text that isn't valid.

use std::cell::Cell;
use std::ops::Range;

use migrate_core::{Dialect, split};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use squawk_syntax::ast::{AstNode, Stmt};
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxToken};

/// Valid statements that hold something which looks like an end. An escape in
/// the second line of an `E''` string is not among them: squawk doesn't know
/// that it is one.
const STATEMENTS: [&str; 56] = [
    "select 1",
    "select 'a;b', \"c;d\", E'e\\';f', U&'g;h' from t",
    "select 'it''s', 'a\\', b'01', x'0f' from \"t\"\"u\"",
    "select 'a'\n  'b;c'",
    "select $$a;b$$, $t$c;$$;d$t$, $é$;$é$",
    "select $1, a$b$c from t",
    "select a[1:2], a->>'b', a #> '{a,b}', -1 - -1 from t",
    "select 1 /* a; /* b; */ c; */ + 1 -- d;\n + 1",
    "select case when a then 'end;' else 'b' end as \"end\" from t",
    "values (1, ';'), (2, '--')",
    "with a as (select ';') insert into t select * from a returning *",
    "insert into t (a, b) values (1, 'x;y') on conflict (a) do update set b = excluded.b",
    "update t set a = 'b;' where c = $$d;$$",
    "delete from t using u where t.a = u.a",
    "merge into t using u on t.a = u.a when matched then update set b = 1 when not matched then insert values (1)",
    "create table t (a int primary key, b text default ';' check (b <> '''' and length(b) > 0))",
    "create table \"begin\" (\"end\" int, atomic int)",
    "create table größe (straße text, naïve int)",
    "create table p (a int, b date) partition by range (b)",
    "create unique index concurrently if not exists i on t using btree (lower(a)) where b is not null",
    "create view v as select 1 as a, ';' as b",
    "create materialized view m as select 1 with no data",
    "create type e as enum ('a;', 'b''')",
    "alter type e add value if not exists 'c;' after 'a;'",
    "create sequence s start with 10 increment by -1",
    "create extension if not exists \"uuid-ossp\"",
    "create schema a",
    "create function f() returns int as $$ begin return 1; end; $$ language plpgsql",
    "create or replace function f(a int, b text default ';') returns trigger language plpgsql as $body$\nbegin\n  \
     -- it's\n  if a then return new; end if;\n  execute $q$ select ';' $q$;\nend\n$body$",
    "create function f(a int) returns int language sql return a + 1",
    "create function f() returns int language sql begin atomic select 1; select 2; end",
    "create or replace function f(a int) returns text begin atomic select case when a > 1 then 'x;' else case a when 1 \
     then 'y' end end; select 'end;'; end",
    "create procedure p(a int) language sql begin atomic insert into t values (a); delete from t; end",
    "create procedure p() as 'begin; end;' language plpgsql",
    "create rule r as on insert to t do also (insert into u values (1); delete from v where a = ';')",
    "create rule r as on update to t where old.a <> new.a do instead nothing",
    "create trigger g before insert or update of a on t for each row when (new.a is not null) execute function f()",
    "create policy p on t for select to public using (a = current_user)",
    "create domain d as text check (value ~ '^[a-z;]+$')",
    "comment on table t is 'a; -- b /* c'",
    "comment on column t.a is null",
    "grant select, insert on t to public",
    "revoke all on schema a from public",
    "alter table t add column b int not null default 0, drop column c, alter d type bigint using d::bigint",
    "alter table t add constraint k foreign key (a) references u (b) on delete cascade not valid",
    "alter table t detach partition u concurrently",
    "alter index i rename to j",
    "drop table if exists t, u cascade",
    "drop index concurrently i",
    "truncate t restart identity",
    "do $$ begin perform 1; end $$",
    "do language plpgsql $do$ declare a int := 1; begin if a = 1 then raise notice '%;', a; end if; end $do$",
    "set search_path to a, public",
    "begin",
    "commit",
    "refresh materialized view concurrently m",
];

/// What may stand between two statements.
const GAPS: [&str; 10] = [
    "\n",
    " ",
    "\n\n\t",
    "-- a; 'b\n",
    "/* a; ' \" $$ */",
    " /* a /* ; */ */ ",
    ";\n",
    "; ;",
    "\r\n-- é\r\n",
    "\n--\n",
];

/// The statements' ranges, without comments at their ends. An empty statement
/// is one to squawk; it has no range.
fn squawk(text: &str) -> Result<Vec<Range<usize>>, String> {
    let parse = SourceFile::parse(text);
    if let Some(error) = parse.errors().first() {
        return Err(format!("{error:?}"));
    }
    let range_of = |statement: Stmt| {
        let telling = |token: &SyntaxToken| {
            !matches!(
                token.kind(),
                SyntaxKind::COMMENT | SyntaxKind::WHITESPACE | SyntaxKind::SEMICOLON
            )
        };
        let first = statement
            .syntax()
            .descendants_with_tokens()
            .filter_map(|e| e.into_token())
            .find(telling)?;
        let last = statement
            .syntax()
            .descendants_with_tokens()
            .filter_map(|e| e.into_token())
            .filter(telling)
            .last()?;
        Some(usize::from(first.text_range().start())..usize::from(last.text_range().end()))
    };
    Ok(parse.tree().stmts().filter_map(range_of).collect())
}

fn ours(text: &str) -> Vec<Range<usize>> {
    split(text, Dialect::Postgres)
        .expect("valid SQL")
        .into_iter()
        .map(|statement| statement.range)
        .collect()
}

#[test]
fn each_statement_alone_is_one_to_both() {
    for statement in STATEMENTS {
        let whole = Vec::from_iter(std::iter::once(0..statement.len()));
        assert_eq!(ours(statement), whole, "{statement}");
        assert_eq!(squawk(statement), Ok(whole), "{statement}");
    }
}

#[test]
fn files_are_split_where_the_parser_splits_them() {
    let gap = || {
        prop::collection::vec(prop::sample::select(GAPS.to_vec()), 0..3)
            .prop_map(|gaps| gaps.concat())
    };
    let file = prop::collection::vec(
        (gap(), prop::sample::select(STATEMENTS.to_vec()), gap()),
        1..10,
    );
    let compared = Cell::new(0_usize);
    let statements = Cell::new(0_usize);
    let cases = 1500;
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&file, |parts| {
            let text: String = parts
                .iter()
                .map(|(before, statement, after)| format!("{before}{statement}{after};"))
                .collect();
            let expected =
                squawk(&text).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
            prop_assert_eq!(expected.len(), parts.len(), "{}", &text);
            let found = ours(&text);
            let shown = |ranges: &[Range<usize>]| {
                ranges
                    .iter()
                    .map(|r| text[r.clone()].to_owned())
                    .collect::<Vec<_>>()
            };
            prop_assert_eq!(shown(&found), shown(&expected));
            prop_assert_eq!(&found, &expected);
            compared.set(compared.get() + 1);
            statements.set(statements.get() + found.len());
            Ok(())
        })
        .unwrap();
    assert_eq!(compared.get(), cases as usize);
    assert!(
        statements.get() > 5 * compared.get() / 2,
        "only {} statements",
        statements.get()
    );
}
