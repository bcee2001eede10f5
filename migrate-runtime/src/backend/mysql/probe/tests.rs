//! Which statements have a probe, and how its answers are read.

use super::*;

fn expression(statement: &str) -> String {
    match of(statement) {
        Probe::Compare(expression) => expression,
        probe => panic!("{statement}: {probe:?}"),
    }
}

#[test]
fn what_may_be_run_twice_is_repeated() {
    for statement in [
        "CREATE TABLE IF NOT EXISTS t (a int)",
        "create table if not exists t as select 1 as a",
        "create temporary table t (a int)",
        "create or replace view v as select 1",
        "create or replace definer = `a`@`b` procedure p() begin end",
        "create or replace trigger t before insert on u for each row set new.a = 1",
        "create index if not exists i on t (a)",
        "create or replace index i on t (a)",
        "create user if not exists a",
        "drop table if exists t, u",
        "drop temporary table if exists t",
        "drop trigger if exists t",
        "drop prepare s",
        "alter view v as select 1",
        "alter algorithm = merge view v as select 1",
        "alter procedure p comment 'x'",
        "alter event e do begin rename_it: begin end; end",
        "alter event e disable",
        "alter database d character set utf8mb4",
        "alter sequence s increment 5",
        "grant select on t to a",
        "analyze table t",
        "optimize local table t, u",
        "check table t",
        "flush tables",
        "set global x = 1",
        "/*!40101 SET NAMES utf8 */",
        "unlock tables",
        "show tables",
        "explain select 1",
        "use a",
        "prepare s from 'x'",
        "/*!50001 CREATE OR REPLACE VIEW `v` AS SELECT 1 */",
        "set statement lock_wait_timeout = 1 for drop table if exists t",
        "alter table t add column if not exists a int, drop index if exists i",
        "alter table t add if not exists (a int, b int), algorithm=inplace, lock = none",
    ] {
        assert_eq!(of(statement), Probe::Repeat, "{statement}");
    }
}

#[test]
fn what_the_catalogue_does_not_show_is_unknown() {
    for statement in [
        "truncate t",
        "call p()",
        "execute s",
        "execute immediate 'x'",
        "load data infile 'x' into table t",
        "begin not atomic select 1; end",
        "frobnicate",
        "",
        "insert into t values (1)",
        "revoke select on t from a",
        "create or replace table t (a int)",
        "create or replace sequence s",
        "create or replace database d",
        "create function f returns string soname 'f.so'",
        "create user a",
        "drop user a",
        "drop temporary table t",
        "rename user a to b",
        "rename table a to tmp, b to a, tmp to b",
        "alter table t discard tablespace",
        "alter table t import tablespace",
        "alter table t exchange partition p with table u",
        "alter table t add column a int, truncate partition p",
        "alter table t drop column a, add column a int",
        "alter table t drop a, add (b int, a int)",
        "alter table t drop `a`, change b A int",
        "alter table t add period for p (a, b)",
        "alter sequence s restart 1",
        "alter user a identified by 'b' retain current password",
        "alter tablespace t add datafile 'x'",
        "analyze update t set a = 1",
        "analyze format=json select 1",
        "explain analyze select 1",
        "drop table 1.5",
        "install soname 'x'",
        "create table",
    ] {
        assert_eq!(of(statement), Probe::Unknown, "{statement}");
    }
    let many: Vec<String> = (0..40).map(|n| format!("t{n}")).collect();
    assert_eq!(
        of(&format!("drop table {}", many.join(","))),
        Probe::Unknown
    );
}

#[test]
fn names_are_found_wherever_they_stand() {
    let table = "'t'";
    for statement in [
        "create table t (a int)",
        "create /* x */ table `t` (a int) -- y",
        "create table \"t\" select 1",
        "create table d.t like u",
        "drop table t",
        "drop table t restrict",
        "drop view d . t",
        "create view t as select 1",
        "create definer=trigger@table sql security invoker view t as select 1",
        "create sequence t start 5",
        "create procedure t() begin end",
        "create definer = current_user() procedure t() begin end",
        "/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER t BEFORE INSERT ON u FOR EACH ROW BEGIN END */",
        "create aggregate function t(a int) returns int return 1",
        "drop function t",
        "create event t on schedule every 1 day do select 1",
        "alter event u rename to t",
        "create database t",
        "create schema t",
        "drop schema t",
        "create unique index t on u (a)",
        "create fulltext index i using btree on t (a)",
        "drop index t on d.u",
        "drop trigger d.t",
        "rename table a to t",
        "rename tables if exists a nowait to b, c to t",
        "alter table t add b int",
        "alter online ignore table if exists d.t wait 5 add b int",
        "/*!40000 ALTER TABLE `t` DISABLE KEYS */",
        "set statement lock_wait_timeout = 1 for alter table t force",
        "alter table t drop column a, add column b int, drop index a",
        "alter table t modify a bigint",
        "alter table d.t modify a bigint",
        "alter table u rename t",
    ] {
        let expression = expression(statement);
        assert!(expression.contains(table), "{statement}");
        let qualified = expression.contains("'d'");
        assert_eq!(
            qualified,
            statement.contains("d.") || statement.contains("d . "),
            "{statement}"
        );
        for doubtful in ["GROUP_CONCAT", "\"", "||", " NOT ", "!="] {
            assert!(!expression.contains(doubtful), "{statement}");
        }
    }
    let odd = expression("create table `a``'b` (c int)");
    assert!(odd.contains("_utf8mb3 X'61602762'"));
}

/// What an ALTER TABLE's question looks for, in the order of its answer.
fn looked_for(clauses: &str) -> Vec<String> {
    let statement = format!("alter table t {clauses}");
    let Probe::Compare(expression) = of(&statement) else {
        return vec![format!("{:?}", of(&statement))];
    };
    if expression.contains("KEY_COLUMN_USAGE") {
        return vec!["definition".to_owned()];
    }
    let found = expression.match_indices("_NAME IN(").map(|(at, _)| {
        let before = &expression[..at];
        let start = before.rfind([' ', '(']).unwrap() + 1;
        let kind = ["'CHECK'", "'FOREIGN KEY'"]
            .into_iter()
            .find(|kind| before.ends_with(&format!("{kind} AND CONSTRAINT")));
        let list = &expression[at + "_NAME IN(".len()..];
        let list = &list[..list.find(')').unwrap()];
        format!("{} {list}", kind.unwrap_or(&before[start..]))
    });
    found.collect()
}

#[test]
fn one_name_decides_for_a_whole_alter_table() {
    for (clauses, names) in [
        ("add a int", &["COLUMN 'a'"][..]),
        ("add column a int first, modify b int", &["COLUMN 'a'"]),
        ("add (a int, `b c` int)", &["COLUMN 'a',_utf8mb3 X'622063'"]),
        (
            "add column (a int, key i (a), key (a))",
            &["COLUMN 'a'", "INDEX 'i'"],
        ),
        (
            "add a int, drop b, drop column c",
            &["COLUMN 'a'", "COLUMN 'b','c'"],
        ),
        ("add column if not exists a int, add b int", &["COLUMN 'b'"]),
        ("add index i (a)", &["INDEX 'i'"]),
        (
            "add unique key if not exists i (a), add fulltext j (a), add spatial key k (a)",
            &["INDEX 'j','k'"],
        ),
        ("add unique i using btree (a)", &["INDEX 'i'"]),
        ("add primary key (a)", &["INDEX 'PRIMARY'"]),
        ("add constraint c primary key (a)", &["INDEX 'PRIMARY'"]),
        ("add constraint c unique (a)", &["INDEX 'c'"]),
        ("add constraint c unique index i (a)", &["INDEX 'i'"]),
        (
            "add constraint c foreign key i (a) references u (b)",
            &["'FOREIGN KEY' 'c'"],
        ),
        ("add constraint c check (a > 1)", &["'CHECK' 'c'"]),
        ("drop index i, drop key j", &["INDEX 'i','j'"]),
        ("drop primary key", &["INDEX 'PRIMARY'"]),
        ("drop foreign key c", &["'FOREIGN KEY' 'c'"]),
        ("drop constraint c", &["CONSTRAINT 'c'"]),
        ("drop check c", &["'CHECK' 'c'"]),
        ("rename column a to b", &["COLUMN 'b'", "COLUMN 'a'"]),
        ("rename index a to b", &["INDEX 'b'", "INDEX 'a'"]),
        ("change column a b int", &["COLUMN 'b'", "COLUMN 'a'"]),
        // Indexes and keys that are there before and after decide nothing.
        ("drop index i, add index i (b), add c int", &["COLUMN 'c'"]),
        ("rename column a to b, add a int", &["COLUMN 'b'"]),
        ("drop index if exists i, add index I (b)", &["definition"]),
        ("drop primary key, add primary key (a, b)", &["definition"]),
        (
            "drop constraint c, add constraint c check (a)",
            &["definition"],
        ),
        ("change a A bigint", &["definition"]),
        (
            "rename column a to b, rename column b to a",
            &["definition"],
        ),
        // The server chooses the name.
        ("add index (a)", &["definition"]),
        ("add unique using btree (a)", &["definition"]),
        ("add key type hash (a)", &["definition"]),
        (
            "add constraint foreign key (a) references u (b)",
            &["definition"],
        ),
        ("add foreign key i (a) references u (b)", &["definition"]),
        ("add check (a > 1)", &["definition"]),
        (
            "add column if not exists a int, modify b int",
            &["definition"],
        ),
        ("modify a int", &["definition"]),
        ("alter a set default 1", &["definition"]),
        ("convert to character set utf8mb4", &["definition"]),
        ("engine = innodb, force", &["definition"]),
        (
            "add partition (partition p values less than (1))",
            &["definition"],
        ),
        ("add system versioning", &["definition"]),
        ("rename t", &["definition"]),
        ("rename to u, add a int", &[]),
        ("drop a, rename column b to a", &["Unknown"]),
    ] {
        assert_eq!(looked_for(clauses), names, "{clauses}");
    }
}

#[test]
fn an_answer_fits_into_its_record_and_names_who_asked() {
    let names: Vec<String> = (0..4000).map(|n| format!("add c{n} int")).collect();
    assert!(expression(&format!("alter table t {}", names.join(","))).contains("'c3999'"));
    let definition = expression("alter table t force");
    for part in ["VERSION()", "CURRENT_USER()", "DATABASE()", "@@sql_mode"] {
        assert!(definition.contains(part), "{part}");
    }
    let unqualified = expression("alter table t add a int");
    assert!(unqualified.contains("CURRENT_USER()") && unqualified.contains("CRC32(DATABASE())"));
    let qualified = expression("alter table d.t add a int");
    assert!(qualified.contains("CURRENT_USER()") && !qualified.contains("DATABASE()"));
}

#[test]
fn only_the_whole_effect_counts_as_done() {
    use Settled::{Done, Repeat, Unknown};
    for (statement, before, now, settled) in [
        ("create table t (a int)", "7:0", "7:1", Done),
        ("create table t (a int)", "7:0", "7:0", Repeat),
        // It was there before: the server says so once more.
        ("create table t (a int)", "7:1", "7:1", Repeat),
        // Another database is current.
        ("create table t (a int)", "7:0", "8:1", Unknown),
        ("drop table t, u", "7:11", "7:00", Done),
        ("drop table t, u", "7:11", "7:11", Repeat),
        ("drop table t, u", "7:11", "7:01", Unknown),
        ("rename table a to b", "7:10", "7:01", Done),
        ("rename table a to b", "7:10", "7:10", Repeat),
        ("rename table a to b", "7:10", "7:11", Unknown),
        // a and b are there, c is new; then a and c.
        ("rename table a to c, b to a", "7:101", "7:110", Done),
        ("rename table a to c, b to a", "7:101", "7:011", Unknown),
        ("alter table t add a int", "7:0", "7:1", Done),
        // Whatever else has been changed by hand.
        ("alter table t add a int", "7:0", "7:0", Repeat),
        ("alter table t add a int", "7:1", "7:1", Repeat),
        ("alter table t add a int", "7:0", "8:1", Unknown),
        ("alter table t add a int", "7:0", "7:?", Unknown),
        ("alter table t add a int", "7:?", "7:1", Unknown),
        ("alter table t add a int", "", "7:1", Unknown),
        ("alter table t add (a int, b int)", "7:0", "7:2", Done),
        ("alter table t add (a int, b int)", "7:0", "7:1", Unknown),
        ("alter table t add a int, drop b", "7:0/1", "7:1/0", Done),
        ("alter table t add a int, drop b", "7:0/1", "7:1/1", Unknown),
        ("create index i on t (a)", "7:1/0", "7:1/1", Done),
        ("drop index i on t", "7:1/1", "7:1/0", Done),
        ("alter table t rename to u", "7:10", "7:01", Done),
        (
            "alter table t rename to u, add a int",
            "7:10",
            "7:11",
            Unknown,
        ),
        // The definition tells only that nothing has happened.
        ("alter table t modify a int", "7:+00", "7:+00", Repeat),
        ("alter table t modify a int", "7:+00", "7:+01", Unknown),
    ] {
        let found = super::settled(statement, Some(before), Some(now));
        assert_eq!(found, settled, "{statement}: {before} {now}");
        assert_eq!(super::settled(statement, None, Some(now)), Unknown);
        assert_eq!(super::settled(statement, Some(before), None), Unknown);
    }
}
