//! Which statements have a probe, and how its answers are read.

use super::*;

fn question(statement: &str) -> Question {
    match of(statement) {
        Probe::Ask(question) => question,
        probe => panic!("{statement}: {probe:?}"),
    }
}

#[test]
fn what_may_be_run_twice_is_repeated() {
    for statement in [
        "VACUUM (ANALYZE) t",
        "analyze t",
        "CLUSTER t USING i",
        "REINDEX TABLE t",
        "REINDEX (VERBOSE) DATABASE d",
        "ALTER SYSTEM SET work_mem = '5MB'",
        "ALTER DATABASE d SET work_mem = '5MB'",
        "ALTER SUBSCRIPTION s DISABLE",
        "CHECKPOINT",
        "/* why */ VACUUM",
    ] {
        assert_eq!(of(statement), Probe::Repeat, "{statement}");
    }
}

#[test]
fn what_the_catalogue_does_not_show_is_unknown() {
    for statement in [
        "CALL p()",
        "DO $$ BEGIN COMMIT; END $$",
        "INSERT INTO t VALUES (1)",
        "SELECT pg_create_logical_replication_slot('s', 'pgoutput')",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO t VALUES (1); COMMIT",
        "ALTER SUBSCRIPTION s ADD PUBLICATION p",
        "ALTER TABLE t ADD COLUMN a int",
        "ALTER TABLE t DETACH PARTITION p",
        "ALTER TYPE t RENAME TO u",
        "CREATE INDEX i ON t (a)",
        "CREATE INDEX CONCURRENTLY U&\"d\\0061t\" ON t (a)",
        "CREATE INDEX CONCURRENTLY i ON d.s.t (a)",
        "CREATE TABLE t (a int)",
        "EXECUTE s",
        "",
    ] {
        assert_eq!(of(statement), Probe::Unknown, "{statement}");
    }
}

#[test]
fn an_index_is_known_by_its_name_and_its_table() {
    for (statement, name, table, rest) in [
        (
            "CREATE INDEX CONCURRENTLY Ix ON t (a)",
            Some("ix"),
            r#"E'"t"'"#,
            "(a)",
        ),
        (
            "create unique index concurrently if not exists \"I x\" on only s.\"T\" using btree (a)",
            Some("I x"),
            r#"E'"s"."T"'"#,
            "using btree (a)",
        ),
        (
            "CREATE INDEX /* now */ CONCURRENTLY i\n ON t(a)",
            Some("i"),
            r#"E'"t"'"#,
            "(a)",
        ),
        (
            "CREATE INDEX CONCURRENTLY ON t (a) WHERE b",
            None,
            r#"E'"t"'"#,
            "(a) WHERE b",
        ),
    ] {
        let Subject::Build(built) = question(statement).subject else {
            panic!("{statement}");
        };
        assert_eq!(built.name(), name, "{statement}");
        assert_eq!(built.table_as_text(), table, "{statement}");
        assert_eq!(built.rest, rest, "{statement}");
    }
}

#[test]
fn a_corrected_build_of_the_same_index_asks_the_same_question() {
    let mark = |statement: &str| question(statement).expression();
    let unique = mark("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)");
    assert_eq!(
        unique,
        mark("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (b)")
    );
    for other in [
        "CREATE INDEX CONCURRENTLY j ON t (a)",
        "CREATE INDEX CONCURRENTLY i ON u (a)",
        "CREATE INDEX CONCURRENTLY ON t (a)",
    ] {
        assert_ne!(unique, mark(other), "{other}");
    }
    // Without a name it is known by its definition alone.
    assert_ne!(
        mark("CREATE INDEX CONCURRENTLY ON t (a)"),
        mark("CREATE INDEX CONCURRENTLY ON t (b)")
    );
}

#[test]
fn an_answer_to_another_question_is_none() {
    let [first, second] = ["a", "b"].map(|name| question(&format!("DROP DATABASE {name}")));
    let mark = |question: &Question| {
        let expression = question.expression();
        expression.split('\'').nth(1).unwrap().to_owned()
    };
    let kept = format!("{}16384", mark(&first));
    assert_eq!(first.answer(&kept), Some("16384"));
    assert_eq!(second.answer(&kept), None);
    // One that was too long to be kept.
    assert_eq!(first.answer(&format!("{}?", mark(&first))), None);
}

#[test]
fn answers_are_judged_by_what_the_statement_does() {
    use Judgement::{Done, Finish, Repeat, Unknown};
    let detach = "ALTER TABLE p DETACH PARTITION c CONCURRENTLY";
    for (statement, before, now, judgement) in [
        ("CREATE DATABASE d", "", "9", Done),
        ("CREATE DATABASE d", "", "", Repeat),
        ("CREATE DATABASE d", "9", "9", Repeat),
        ("CREATE DATABASE d", "9", "10", Unknown),
        ("DROP TABLESPACE t", "9", "", Done),
        ("DROP TABLESPACE IF EXISTS t", "", "", Repeat),
        ("DROP SUBSCRIPTION s", "1", "1", Repeat),
        ("DROP INDEX CONCURRENTLY s.i", "9", "", Done),
        ("DROP INDEX CONCURRENTLY s.i", "9", "9", Repeat),
        ("DROP INDEX CONCURRENTLY s.i", "9", "10", Unknown),
        ("ALTER TYPE s.t ADD VALUE 'x' AFTER 'w'", "", "9", Done),
        ("ALTER TYPE t ADD VALUE IF NOT EXISTS 'x'", "9", "9", Repeat),
        ("ALTER DATABASE d RENAME TO e", "9", "", Done),
        (detach, "9 false", "", Done),
        (detach, "9 false", "9 false", Repeat),
        (detach, "9 false", "9 true", Finish),
        // Somebody else's, which is for them to finish.
        (detach, "9 true", "9 true", Repeat),
        (detach, "9 false", "8 true", Unknown),
    ] {
        let judged = question(statement).judge(before, now);
        assert_eq!(judged, judgement, "{statement}: {before:?}, {now:?}");
    }
}
