//! MariaDB 10.11's own messages, and where they point.

use super::*;

const SYNTAX: &str = "You have an error in your SQL syntax; check the manual that corresponds to your MariaDB server \
                      version for the right syntax to use ";

/// The statement has `¦` where the message points, if it does.
fn table(cases: &[(&str, &str)]) {
    for (case, message) in cases {
        let statement = case.replace('¦', "");
        let message = message.replace("near '", &format!("{SYNTAX}near '"));
        assert_eq!(
            offset(&statement, &message),
            case.find('¦'),
            "{case}: {message}"
        );
    }
}

#[test]
fn a_syntax_error_is_where_the_quoted_text_begins() {
    table(&[
        ("select\n\n1 frm ¦t where x", "near 't where x' at line 3"),
        ("¦selct 1", "near 'selct 1' at line 1"),
        // An error at the end.
        ("create table x (\n a int¦", "near '' at line 2"),
        ("create table x (\n a int¦\n", "near '' at line 2"),
        // Text that holds quotes and lines.
        (
            "select 'it''s' ¦5 \"x\" 'y'",
            "near '5 \"x\" 'y'' at line 1",
        ),
        (
            "select 1 from t\n where 5 ¦5 'multi\nline\nx' from",
            "near '5 'multi\nline\nx' from' at line 2",
        ),
        (
            "create procedure p() begin\n declare a int;\n set a = ¦;\n end",
            "near ';\n end' at line 3",
        ),
        (
            "create table x (a int) /*!50100 partitoin ¦by x */",
            "near 'by x */' at line 1",
        ),
        ("select ¦'unterminated", "near ''unterminated' at line 1"),
        // What the server's character set lacks.
        ("select 1 frm ¦t 😀😀", "near 't ??' at line 1"),
        ("select 'é' frm ¦tä", "near 'tä' at line 1"),
        // Of a text that only the server has: EXECUTE IMMEDIATE.
        ("execute immediate @a", "near 'frm t' at line 1"),
    ]);
}

#[test]
fn a_statement_among_others_is_told_from_what_follows() {
    table(&[
        (
            "select 1 frm ¦t where x",
            "near 't where x;\nSET @a = 0;\nINSERT INTO b VALUES (1)' at line 1",
        ),
        (
            "create table x (\n a int¦",
            "near ';\nSET @a = 0;\nINSERT INTO b VALUES (1)' at line 2",
        ),
        (
            "create table x (\n a int¦",
            "near ';\nSET @a = 0;\nINSERT INTO b VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (1...' at line 2",
        ),
    ]);
}

#[test]
fn of_a_text_that_is_cut_the_line_tells_the_place() {
    let rows = "(1, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')";
    let near = format!("near '{}...' at line ", &rows[..77]);
    let statement = format!("insert into t values\n{rows}\n{rows}\n{rows}");
    let place = |line: usize| {
        let message = format!("{SYNTAX}{near}{line}");
        offset(&statement, &message)
    };
    assert_eq!(place(2), Some(21));
    assert_eq!(place(3), Some(22 + rows.len()));
    assert_eq!(place(4), Some(23 + 2 * rows.len()));
    assert_eq!(place(5), None);
    // Newlines in strings are not counted.
    let statement = format!("insert into t values ('a\nb')\n{rows}\n{rows}");
    let message = format!("{SYNTAX}{near}2");
    assert_eq!(offset(&statement, &message), Some(29));
    // Without the dots, as MySQL cuts.
    let message = format!("{SYNTAX}near '{}' at line 3", &rows[..80]);
    assert_eq!(offset(&statement, &message), Some(30 + rows.len()));
}

#[test]
fn a_name_is_found_where_it_stands_once() {
    table(&[
        (
            "insert into t (¦nope) values (1)",
            "Unknown column 'nope' in 'INSERT INTO'",
        ),
        (
            "select e1.¦nope from e1",
            "Unknown column 'e1.nope' in 'SELECT'",
        ),
        (
            "select a.x, b.¦x from a, b",
            "Unknown column 'b.x' in 'SELECT'",
        ),
        ("select x, x from a", "Unknown column 'x' in 'SELECT'"),
        (
            "select * from ¦nowhere",
            "Table 'shop.nowhere' doesn't exist",
        ),
        (
            "select * from shop.¦`nowhere` -- nowhere",
            "Table 'shop.nowhere' doesn't exist",
        ),
        ("create table ¦e1 (a int)", "Table 'e1' already exists"),
        ("rename table e1 to ¦e2", "Table 'e2' already exists"),
        (
            "create table zz (a int, a int)",
            "Duplicate column name 'a'",
        ),
        (
            "alter table t add column ¦n int",
            "Duplicate column name 'n'",
        ),
        ("alter table t add index ¦u (n)", "Duplicate key name 'u'"),
        (
            "alter table t add index (¦nope)",
            "Key column 'nope' doesn't exist in table",
        ),
        (
            "alter table t drop column ¦nope",
            "Can't DROP COLUMN `nope`; check that it exists",
        ),
        (
            "alter table t add unique key ¦uk (s)",
            "Duplicate entry 's' for key 'uk'",
        ),
        (
            "alter table t add unique key ¦uk (s)",
            "Duplicate entry 'it's' for key 't.uk'",
        ),
        (
            "insert into t values (1)",
            "Duplicate entry '1' for key 'PRIMARY'",
        ),
        (
            "insert into t (id, ¦a) values (1, 'abc')",
            "Incorrect integer value: 'abc' for column `shop`.`t`.`a` at row 1",
        ),
        (
            "alter table t add constraint ¦f foreign key (n) references u (a)",
            "Cannot add or update a child row: a foreign key constraint fails (`shop`.`#sql-alter-1`, CONSTRAINT `f` \
             FOREIGN KEY (`n`) REFERENCES `u` (`a`))",
        ),
        (
            "update t set a = 1",
            "CONSTRAINT `ck` failed for `shop`.`t`",
        ),
        (
            "drop table ¦nowhere, e1",
            "Unknown table 'shop.nowhere,shop.e2'",
        ),
        ("drop view ¦e1", "Unknown VIEW: 'shop.e1'"),
        ("drop procedure ¦nope", "PROCEDURE shop.nope does not exist"),
        (
            "create function ¦f() returns int return 1",
            "FUNCTION f already exists",
        ),
        (
            "create database ¦b_q",
            "Can't create database 'b_q'; database exists",
        ),
        (
            "create procedure p() begin leave ¦nope; end",
            "LEAVE with no matching label: nope",
        ),
        (
            "create table ¦zz (a int, foreign key (a) references nowhere (id))",
            "Can't create table `shop`.`zz` (errno: 150 \"Foreign key constraint is incorrectly formed\")",
        ),
        ("drop trigger nope", "Trigger does not exist"),
        (
            "call p()",
            "Column count doesn't match value count at row 1",
        ),
        ("select 1", "Got an error: 'x"),
        ("select 1", ""),
        ("select 1", "'"),
        ("select 1", "`.`"),
    ]);
}
