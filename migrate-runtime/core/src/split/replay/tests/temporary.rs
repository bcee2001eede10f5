//! Temporary tables, which are never taken for permanent ones.

use super::*;

#[test]
fn a_temporary_table_is_not_mistaken_for_a_permanent_one() {
    let lost = "temporary table `users` lost 0 for 0";
    let rest: &[&str] = &["delete from Users"];
    check(
        MySql,
        &[
            (&["create temporary table users (a int)"], rest, lost),
            (
                &["create or replace temporary table if not exists `users` (a int)"],
                rest,
                lost,
            ),
            (
                &["/*!50001 create temporary table users (a int) */"],
                rest,
                lost,
            ),
            (
                &["create temporary table users (a int)"],
                &["insert into a select * from `users`"],
                lost,
            ),
            (
                &["create temporary table users (a int)"],
                &["drop table users"],
                lost,
            ),
            (
                &["create temporary table users (a int)"],
                &["select 'users'"],
                "again",
            ),
            (
                &["create temporary table users (a int)"],
                &["drop temporary table if exists users", "delete from users"],
                "again",
            ),
            (
                &["create temporary table users (a int)"],
                &[
                    "create or replace temporary table users (a int)",
                    "delete from users",
                ],
                "again",
            ),
            (
                &["create temporary table users (a int)"],
                &["create or replace temporary table users select * from users"],
                lost,
            ),
            (
                &["create temporary table users (a int)", "drop table users"],
                rest,
                "again",
            ),
            (
                &[
                    "create temporary table users (a int)",
                    "drop temporary table if exists a, users",
                ],
                rest,
                "again",
            ),
            (
                &[
                    "create temporary table users (a int)",
                    "drop table other.users",
                ],
                rest,
                lost,
            ),
            (
                &[
                    "use a",
                    "create temporary table users (a int)",
                    "use b",
                    "drop table users",
                ],
                rest,
                "temporary table `users` lost 1 for 0",
            ),
            (
                &[
                    "use a",
                    "create temporary table users (a int)",
                    "use b",
                    "drop table a.users",
                ],
                rest,
                "again 0 2",
            ),
            (
                &[
                    "create temporary table b (a int)",
                    "alter table b add c int, rename to users",
                ],
                rest,
                lost,
            ),
            (
                &[
                    "create temporary table b (a int)",
                    "alter table b rename column users to c",
                ],
                rest,
                "again",
            ),
            (
                &[
                    "create temporary table b (a int)",
                    "rename table c to d, b to users",
                ],
                rest,
                lost,
            ),
            (
                &[
                    "create temporary table users (a int)",
                    "alter table users rename b",
                ],
                rest,
                "again",
            ),
            (
                &["begin not atomic create temporary table users (a int); end"],
                rest,
                lost,
            ),
            (
                &["create temporary sequence users"],
                rest,
                "temporary sequence `users` lost 0 for 0",
            ),
            (&["create table users (a int)"], rest, "again"),
        ],
    );
    check(
        Postgres,
        &[
            (&["create temp table users (a int)"], rest, lost),
            (
                &["create local temporary table if not exists users as select 1"],
                rest,
                lost,
            ),
            (
                &["create or replace temp view users as select 1"],
                rest,
                "temporary view `users` lost 0 for 0",
            ),
            (&["create table pg_temp.users (a int)"], rest, lost),
            (&["select 1 as a into temp users"], rest, lost),
            (
                &["create temp table users (a int) on commit drop"],
                rest,
                "again",
            ),
            (
                &["begin; create temp table users (a int); commit"],
                rest,
                lost,
            ),
            (
                &["create temp table users (a int)"],
                &["delete from public.users"],
                "again",
            ),
            (
                &["create temp table users (a int)"],
                &["delete from pg_temp.users"],
                lost,
            ),
            (
                &["create temp table users (a int)", "drop table \"users\""],
                rest,
                "again",
            ),
            (
                &["create temp table users (a int)", "drop table public.users"],
                rest,
                lost,
            ),
            (
                &["create temp table users (a int)", "discard all"],
                rest,
                "again",
            ),
            (
                &[
                    "create temp table b (a int)",
                    "alter table b rename to users",
                ],
                rest,
                lost,
            ),
            (
                &[
                    "create temp table b (a int)",
                    "alter table b rename c to users",
                ],
                rest,
                "again",
            ),
        ],
    );
    check(
        Sqlite,
        &[
            (
                &["create temp table if not exists users (a int)"],
                rest,
                lost,
            ),
            (&["create table temp.users (a int)"], rest, lost),
            (
                &["create virtual table temp.users using fts5(a)"],
                rest,
                lost,
            ),
            (
                &["create temp table users (a int)"],
                &["delete from main.users"],
                "again",
            ),
            (
                &["create temp table users (a int)", "drop table Users"],
                rest,
                "again",
            ),
            (
                &["create temp table users (a int)", "drop table main.users"],
                rest,
                lost,
            ),
            (
                &[
                    "create temp table b (a int)",
                    "alter table b rename to [users]",
                ],
                rest,
                lost,
            ),
            (&["create table temp (users int)"], rest, "again"),
        ],
    );
}
