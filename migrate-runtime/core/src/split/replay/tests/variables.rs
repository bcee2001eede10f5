//! MySQL's user variables: made again, lost, and known again.

use super::*;

const USES: &[&str] = &["alter table t add a int", "insert into t values (@Base)"];

#[test]
fn a_variable_is_made_again_only_where_it_is_certain_to_be_the_same() {
    for (value, again) in [
        ("1", true),
        ("-1.5e3", true),
        ("'a'", true),
        ("_utf8mb4'a' collate utf8mb4_bin", true),
        ("0x41", true),
        ("@@session.sql_mode", true),
        ("concat_ws(',', 'a', database())", true),
        (
            "if(@@version like '10%' and not 1 in (2, 3), lower('A'), null)",
            true,
        ),
        (
            "case when 1 then cast('1' as signed) else coalesce(null, true) end",
            true,
        ),
        ("@known + 1", true),
        ("unix_timestamp('2026-01-01')", true),
        ("unix_timestamp()", false),
        ("now()", false),
        ("current_timestamp", false),
        ("uuid()", false),
        ("rand()", false),
        ("last_insert_id()", false),
        ("row_count()", false),
        ("user()", false),
        ("f()", false),
        ("a.lower('A')", false),
        ("`lower`('A')", false),
        ("\"f\"(1)", false),
        ("(select 1)", false),
        ("@never", false),
        ("@lost", false),
        ("@known := 2", false),
        ("@@identity", false),
        ("@@last_insert_id", false),
        ("@@timestamp", false),
        ("@@gtid_slave_pos", false),
        ("next value for s", false),
        ("?", false),
    ] {
        let set = format!("set @base = {value}");
        let finished = ["set @known = 7", "select 1 into @lost", &set];
        let expected = if again {
            "again 0 2"
        } else {
            "@base lost 2 for 1"
        };
        assert_eq!(told(MySql, &finished, USES), expected, "{value}");
    }
}

#[test]
fn a_variable_that_was_written_in_another_way_is_lost() {
    for (lost, statement) in [
        (true, "select max(id) into @base from t"),
        (true, "select 1, 2 into @a, @base"),
        (true, "(select 1) into @`Base`"),
        (true, "select @base := 1"),
        (true, "update t set a = (@base := @base + 1)"),
        (true, "call p(@base)"),
        (true, "execute s using @base"),
        (true, "execute immediate 'call p(?)' using @base"),
        (true, "fetch c into @base"),
        (
            true,
            "load data infile 'a' into table t character set utf8 (a, @base) set b = @base",
        ),
        (true, "get diagnostics condition 1 @base = message_text"),
        (true, "begin not atomic set @base = 1; end"),
        (true, "if 1 then set @base = 1; end if"),
        (true, "set @base = f()"),
        (true, "set @other = 1, @base = now()"),
        (
            true,
            "set statement max_statement_time = 1 for select 1 into @base",
        ),
        (
            true,
            "begin; insert into t values (1); select 1 into @base; commit",
        ),
        (false, "insert into t select @base"),
        (false, "select @base = 1, @@base"),
        (false, "select 'into @base'"),
        (false, "create procedure p() set @base = 1"),
        (false, "load data infile 'a' into table t (a) set b = @base"),
    ] {
        let expected = if lost {
            "@base lost 1 for 1"
        } else {
            "again 0"
        };
        let expected = expected.replace(
            "@base",
            if statement.contains("`") {
                "@Base"
            } else {
                "@base"
            },
        );
        assert_eq!(
            told(MySql, &["set @base = 1", statement], USES),
            expected,
            "{statement}"
        );
    }
    check(
        MySql,
        &[
            // A value again.
            (&["select 1 into @base", "set @base = 7"], USES, "again 1"),
            (
                &["select 1 into @base"],
                &["set @base = 7", USES[1]],
                "again",
            ),
            (
                &["select 1 into @base"],
                &["select 2 into @base", USES[1]],
                "again",
            ),
            (
                &["select 1 into @base"],
                &["select @base := 2", USES[1]],
                "again",
            ),
            (
                &["select 1 into @base"],
                &["begin; set @base = 1; insert into t values (@base); commit"],
                "again",
            ),
            (
                &["select 1 into @base"],
                &["set @base = @base + 1"],
                "@base lost 0 for 0",
            ),
            (
                &["select 1 into @base"],
                &["set @base = 1, @a = @base"],
                "@base lost 0 for 0",
            ),
            (
                &["select 1 into @base"],
                &["select @base := @base + 1"],
                "@base lost 0 for 0",
            ),
            (
                &["select 1 into @base"],
                &["select a into @base from t where a > @base"],
                "@base lost 0 for 0",
            ),
            (
                &["select 1 into @base"],
                &["set @s = 'insert into t values (@base)'"],
                "@base lost 0 for 0",
            ),
            (
                &["select 1 into @base"],
                &["insert into t values ('@base')"],
                "again",
            ),
            (
                &["select 1 into @base"],
                &[
                    "create trigger a before insert on t for each row set @base = 1",
                    USES[1],
                ],
                "@base lost 0 for 1",
            ),
            (
                &["select 1 into @base"],
                &[
                    "begin not atomic if f() then set @base = 1; end if; end",
                    USES[1],
                ],
                "@base lost 0 for 1",
            ),
            (
                &["select 1 into @base"],
                &["load data infile 'a' into table t (a, @base) set b = @base"],
                "again",
            ),
        ],
    );
}

#[test]
fn what_a_routine_or_a_string_of_the_file_does_is_seen() {
    check(
        MySql,
        &[
            (
                &[
                    "set @base = 1",
                    "create procedure p() begin select 1 into @base; end",
                    "call p()",
                ],
                USES,
                "@base lost 2 for 1",
            ),
            (
                &[
                    "select 1 into @base",
                    "create procedure p() insert into t values (@base)",
                ],
                &["call P()"],
                "@base lost 0 for 0",
            ),
            (
                &[
                    "select 1 into @base",
                    "create procedure p() insert into t values (@base)",
                ],
                &["drop procedure p"],
                "again",
            ),
            (
                &[
                    "set @base = 1",
                    "prepare s from 'select 2 into @base'",
                    "execute s",
                    "deallocate prepare s",
                ],
                USES,
                "@base lost 2 for 1",
            ),
            (
                &[
                    "set @q = if(@@version, 'select 2 into @base', 'x')",
                    "set @base = 1",
                    "prepare s from @q",
                    "execute s",
                    "drop prepare s",
                ],
                USES,
                "@base lost 3 for 1",
            ),
            (
                &[
                    "prepare s from 'insert into t values (?)'",
                    "set @base = 1",
                    "execute s using @base",
                    "drop prepare s",
                ],
                USES,
                "again 1",
            ),
            (
                &["execute immediate 'create temporary table users (a int)'"],
                &["delete from users"],
                "temporary table `users` lost 0 for 0",
            ),
            (
                &["execute immediate 'set sql_mode = 1'"],
                &["delete from users"],
                "the setting sql_mode lost 0 for 0",
            ),
            // How a column is added unless it is there, twice.
            (
                &[
                    "select count(*) into @there from information_schema.columns",
                    "set @sql = if(@there, 'select 1', 'alter table t add a int')",
                    "prepare s from @sql",
                    "execute s",
                    "deallocate prepare s",
                ],
                &[
                    "select count(*) into @there from information_schema.columns",
                    "set @sql = if(@there, 'select 1', 'alter table t add b int')",
                    "prepare s from @sql",
                    "execute s",
                    "deallocate prepare s",
                ],
                "again",
            ),
        ],
    );
}

#[test]
fn a_text_that_begins_with_other_variables_when_it_is_run_twice_is_known() {
    for (text, assigns) in [
        ("insert into t values (@n)", false),
        ("insert into t select @n := @n + 1", true),
        ("update t set a = (@n := @n + 1)", true),
        ("select max(id) into @n from t", true),
        ("select 'a' into outfile 'b'", false),
        ("select @n = 1", false),
        // What is run before it reads another value the second time.
        ("set @n = 1", true),
        ("set sql_mode = @n", false),
        ("set @n = 1; insert into t values (@n)", false),
        ("insert into t values (@n); set @n = 1", true),
        ("set @n = @n + 1; insert into t values (@n)", true),
        ("set @n = 1; insert into t select @n := @n + 1", true),
    ] {
        assert_eq!(assigns_variables(text, MySql), assigns, "{text}");
    }
    assert!(!assigns_variables("select @n := 1", Sqlite));
}
