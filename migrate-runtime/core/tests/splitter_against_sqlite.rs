//! The SQLite splitter against `sqlite3_complete`, SQLite's own judge of
//! whether a text ends with a whole statement. Where we find a terminator the
//! text up to it must be complete, and nowhere inside a statement may it be.

use std::cell::Cell;

use migrate_core::{Dialect, split};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// The one call into SQLite.
mod sqlite {
    use std::ffi::CString;

    /// Whether the text ends with a whole statement.
    #[expect(
        unsafe_code,
        reason = "libsqlite3-sys has no safe wrapper, and the oracle is a C function"
    )]
    pub(crate) fn complete(text: &str) -> bool {
        let text = CString::new(text).expect("no NUL");
        // SAFETY: the pointer is to a NUL-terminated string that outlives the
        // call; the function keeps nothing and needs no open database.
        unsafe { libsqlite3_sys::sqlite3_complete(text.as_ptr()) == 1 }
    }
}

const STATEMENTS: [&str; 26] = [
    "select 1",
    "select 'a;b', \"c;d\", [e;f], `g;h` from t",
    "select 'it''s', \"a\"\"b\", `c``d` from t",
    "select 'a\\'",
    "select case when a then 'end;' else 'b' end from t",
    "select 1 /* a; */ + 1 -- b;\n + 1",
    "select ?1, :a, @b, $c",
    "insert into t values (1, x'00', ';')",
    "with a as (select 1) delete from t where b in a",
    "replace into t values (1)",
    "create table t (a integer primary key, b text default ';' check (b <> ''''))",
    "create table trigger_log (\"trigger\" text, [end] text)",
    "create temp table t (a)",
    "create unique index i on t (a) where b is not null",
    "create view v as select ';' as a",
    "create trigger g after insert on t begin insert into l values (new.a); end",
    "create temp trigger if not exists g before update of a on t when new.a > 1 begin select 1; delete from l; end",
    "CREATE TEMPORARY TRIGGER g INSTEAD OF DELETE ON v BEGIN SELECT CASE WHEN 1 THEN 2 END; UPDATE t SET a = CASE b \
     WHEN 1 THEN 'end;' END; END",
    "create trigger [g;] after insert on t begin\n  -- it's; end;\n  select raise(abort, 'x;'); /* end; */ end",
    "explain create trigger g delete on t begin select 1; end",
    "explain query plan select 1",
    "begin immediate",
    "end",
    "commit",
    "pragma foreign_keys = off",
    "vacuum",
];

const GAPS: [&str; 8] = [
    "\n",
    " ",
    "\n\n\t",
    "-- a; 'b\n",
    "/* a; ' \" */",
    ";\n",
    "\r\n-- é\r\n",
    "/* /* */",
];

#[test]
fn a_text_is_complete_right_after_our_terminators_and_nowhere_else() {
    let gap = || {
        prop::collection::vec(prop::sample::select(GAPS.to_vec()), 0..3)
            .prop_map(|gaps| gaps.concat())
    };
    let file = prop::collection::vec(
        (gap(), prop::sample::select(STATEMENTS.to_vec()), gap()),
        1..6,
    );
    let ends = Cell::new(0_usize);
    let insides = Cell::new(0_usize);
    let cases = 400;
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
            let statements = split(&text, Dialect::Sqlite).expect("valid SQL");
            let found: Vec<&str> = statements
                .iter()
                .map(|statement| &text[statement.range.clone()])
                .collect();
            let expected: Vec<&str> = parts.iter().map(|(_, statement, _)| *statement).collect();
            prop_assert_eq!(found, expected);
            for (statement, (_, _, after)) in statements.iter().zip(&parts) {
                // The first semicolon of the gap that isn't in a comment.
                let gap = format!("{after};");
                let terminator = (1..=gap.len())
                    .filter(|&end| gap.is_char_boundary(end))
                    .find(|&end| {
                        gap[..end].ends_with(';')
                            && split(&gap[..end], Dialect::Sqlite).is_ok_and(|s| s.is_empty())
                            && !in_comment(&gap[..end])
                    })
                    .expect("a semicolon");
                prop_assert!(sqlite::complete(&text[..statement.range.end + terminator]));
                ends.set(ends.get() + 1);
                for at in statement
                    .range
                    .clone()
                    .skip(1)
                    .filter(|&at| text.is_char_boundary(at))
                {
                    prop_assert!(
                        !sqlite::complete(&text[statement.range.start..at]),
                        "{}",
                        &text[statement.range.start..at]
                    );
                    insides.set(insides.get() + 1);
                }
                prop_assert!(!sqlite::complete(&text[statement.range.clone()]));
            }
            Ok(())
        })
        .unwrap();
    assert!(ends.get() >= cases as usize, "only {} ends", ends.get());
    assert!(
        insides.get() >= 20 * ends.get(),
        "only {} prefixes",
        insides.get()
    );
}

/// Whether the last byte stands in a comment.
fn in_comment(text: &str) -> bool {
    migrate_core::tokenize(text, Dialect::Sqlite)
        .last()
        .is_some_and(|token| token.is_blank())
}
