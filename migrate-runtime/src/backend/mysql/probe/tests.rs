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
    let table = "_utf8mb3 X'74'";
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
    ] {
        let expression = expression(statement);
        assert!(expression.contains(table), "{statement}");
        let qualified = expression.contains("_utf8mb3 X'64'");
        assert_eq!(
            qualified,
            statement.contains("d.") || statement.contains("d . "),
            "{statement}"
        );
        for doubtful in ["GROUP_CONCAT", "\"", "||"] {
            assert!(!expression.contains(doubtful), "{statement}");
        }
    }
    let odd = expression("create table `a``'b` (c int)");
    assert!(odd.contains("_utf8mb3 X'61602762'"));
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
        ("alter table t add a int", "7:+00", "7:+01", Done),
        ("alter table t add a int", "7:+00", "7:+00", Repeat),
        ("alter table t add a int", "7:+00", "8:+01", Unknown),
        ("alter table t add a int", "7:+00", "7:?01", Unknown),
        ("alter table t add a int", "7:?01", "7:+00", Unknown),
        ("alter table t rename to u", "7:+00", "7:-11", Done),
        ("alter table t add a int", "", "7:+00", Unknown),
    ] {
        let found = super::settled(statement, Some(before), Some(now));
        assert_eq!(found, settled, "{statement}: {before} {now}");
        assert_eq!(super::settled(statement, None, Some(now)), Unknown);
        assert_eq!(super::settled(statement, Some(before), None), Unknown);
    }
}
