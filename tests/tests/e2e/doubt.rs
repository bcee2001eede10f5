//! What becomes of a statement whose runner went away, on PostgreSQL: the
//! catalogue is asked, what was begun is brought to its end or taken back, and
//! only what nobody can tell is left to a person.

mod killed;
mod told;

use diesel::connection::SimpleConnection;
use tests::workspace::eventually;

use tests::service::{Engine, Link, Shop};

/// A table, a partitioned one and a type for statements that run alone.
const SCENE: &str = "CREATE TABLE marks (n INTEGER NOT NULL, word TEXT, old INTEGER);\n\
    INSERT INTO marks VALUES (1, 'a', 1), (2, 'b', 2);\n\
    CREATE INDEX marks_old ON marks (old);\n\
    CREATE TABLE parts (n INTEGER) PARTITION BY RANGE (n);\n\
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);\n\
    CREATE TYPE mood AS ENUM ('a', 'z');\n";

const INVALID: &str =
    "SELECT indexrelid::regclass::text AS text FROM pg_index WHERE NOT indisvalid ORDER BY 1";

/// What an interrupted rebuild of the marks' indexes leaves, and any at all.
const CCNEW: &str =
    "SELECT relname::text AS text FROM pg_class WHERE relname LIKE 'marks%\\_ccnew'";
const CC: &str = "SELECT count(*)::text AS text FROM pg_class WHERE relname ~ '_cc(new|old)'";

/// A shop whose first migration is the scene, and applied.
fn scene() -> Shop {
    let shop = Shop::new(Engine::Postgres);
    shop.migration("1_scene", SCENE, "DROP TABLE marks, parts; DROP TYPE mood;");
    shop.run(&["run"]).ok();
    shop
}

/// Sends what may fail.
fn attempt(link: &mut Link, sql: &str) -> Result<(), String> {
    match link {
        Link::Postgres(connection) => connection
            .batch_execute(sql)
            .map_err(|error| error.to_string()),
        Link::Sqlite(_) | Link::Mariadb(_) => panic!("no shop on PostgreSQL"),
    }
}

/// Kills the runner and its backend while its statement that begins with
/// `statement` waits for what `gate` holds, and opens the gate.
fn killed_while_it_runs(shop: &Shop, statement: &str, gate: &str) {
    killed_once(shop, statement, gate, |_| true);
}

/// The same once the statement has got so far: it may wait for others before.
fn killed_once(
    shop: &Shop,
    statement: &str,
    gate: &str,
    mut is_so_far: impl FnMut(&mut Link) -> bool,
) {
    let (mut holder, mut watch) = (shop.connect(), shop.connect());
    holder.execute(&format!("BEGIN; {gate}"));
    let mut child = shop.start(&["run"]);
    let waits = |what: &str| {
        format!(
            "SELECT {what} AS text FROM pg_stat_activity WHERE starts_with(query, '{statement}') \
             AND wait_event_type = 'Lock' AND datname = current_database()"
        )
    };
    let waiting = waits("pid::text");
    eventually("the statement waits", || {
        !watch.texts(&waiting).is_empty() && is_so_far(&mut watch)
    });
    child.kill().expect("killed");
    child.wait().expect("gone");
    watch.texts(&waits("pg_terminate_backend(pid)::text"));
    let ours = "SELECT pid::text AS text FROM pg_stat_activity \
                WHERE application_name LIKE 'cargo-migrate%' AND datname = current_database()";
    eventually("its backend is gone", || watch.texts(ours).is_empty());
    holder.execute("COMMIT");
}

/// The number of the index, to tell it from one that is built anew.
fn identity(shop: &Shop, index: &str) -> Vec<String> {
    shop.texts(&format!(
        "SELECT oid::text AS text FROM pg_class WHERE relname = '{index}'"
    ))
}

#[test]
fn what_a_killed_statement_has_left_is_brought_to_its_end() {
    let write = "INSERT INTO marks VALUES (3, 'c', 3)";
    let read = "SELECT * FROM parts";
    // The statement, what holds it up, what it leaves, and its effect.
    let cases = [
        (
            "CREATE INDEX CONCURRENTLY marks_n ON marks (n)",
            write,
            INVALID,
            &["marks_n"][..],
            "SELECT indexdef AS text FROM pg_indexes WHERE indexname = 'marks_n'",
            "CREATE INDEX marks_n ON public.marks USING btree (n)",
        ),
        (
            "CREATE INDEX CONCURRENTLY ON marks (lower(word)) WHERE marks.n > 0",
            write,
            INVALID,
            &["marks_lower_idx"],
            "SELECT indexdef AS text FROM pg_indexes WHERE indexname LIKE 'marks_lower%'",
            "CREATE INDEX marks_lower_idx ON public.marks USING btree (lower(word)) WHERE (n > 0)",
        ),
        (
            "DROP INDEX CONCURRENTLY marks_old",
            write,
            INVALID,
            &["marks_old"],
            "SELECT count(*)::text AS text FROM pg_indexes WHERE indexname = 'marks_old'",
            "0",
        ),
        (
            "REINDEX TABLE CONCURRENTLY marks",
            write,
            CCNEW,
            &["marks_old_ccnew"],
            CC,
            "0",
        ),
        (
            "REINDEX INDEX CONCURRENTLY marks_old",
            write,
            CCNEW,
            &["marks_old_ccnew"],
            CC,
            "0",
        ),
        (
            "REINDEX (CONCURRENTLY) SCHEMA public",
            write,
            CCNEW,
            &["marks_old_ccnew"],
            CC,
            "0",
        ),
        (
            "ALTER TABLE parts DETACH PARTITION parts_1 CONCURRENTLY",
            read,
            "SELECT inhdetachpending::text AS text FROM pg_inherits WHERE inhrelid = 'parts_1'::regclass",
            &["true"],
            "SELECT count(*)::text AS text FROM pg_inherits WHERE inhrelid = 'parts_1'::regclass",
            "0",
        ),
    ];
    for (statement, gate, remains, left, effect, expected) in cases {
        let shop = scene();
        shop.steps(
            "2_b",
            &format!("{statement};\nINSERT INTO marks VALUES (9, 'z', 9);\n"),
            "SELECT 1;",
        );
        killed_once(&shop, statement, gate, |watch| watch.texts(remains) == left);
        assert_eq!(shop.texts(remains), left, "{statement}");
        assert_eq!(shop.state("2_b"), "in-doubt", "{statement}");
        shop.run(&["run"]).ok();
        assert_eq!(shop.texts(effect), [expected], "{statement}");
        assert!(shop.texts(INVALID).is_empty(), "{statement}");
        assert_eq!(shop.history(), ["1", "2"]);
        let nines = "SELECT n::text AS text FROM marks WHERE n = 9";
        assert_eq!(shop.texts(nines), ["9"], "{statement}");
    }
}

#[test]
fn an_index_that_somebody_has_finished_is_not_built_again() {
    let shop = scene();
    let statement = "CREATE INDEX CONCURRENTLY marks_n ON marks (n)";
    shop.steps("2_b", &format!("{statement};"), "DROP INDEX marks_n;");
    killed_while_it_runs(&shop, statement, "INSERT INTO marks VALUES (3)");
    shop.connect()
        .execute("DROP INDEX marks_n; CREATE INDEX marks_n ON marks (n)");
    let theirs = identity(&shop, "marks_n");
    shop.run(&["run"]).ok();
    assert_eq!(identity(&shop, "marks_n"), theirs);
    assert_eq!(shop.history(), ["1", "2"]);
}

#[test]
fn an_index_of_that_name_with_another_definition_is_for_a_person_to_judge() {
    let shop = scene();
    let statement = "CREATE INDEX CONCURRENTLY marks_n ON marks (n)";
    shop.steps("2_b", &format!("{statement};"), "DROP INDEX marks_n;");
    killed_while_it_runs(&shop, statement, "INSERT INTO marks VALUES (3)");
    for other in [
        "CREATE INDEX marks_n ON marks (n DESC)",
        "CREATE INDEX marks_n ON marks (n) WHERE n > 0",
    ] {
        shop.connect()
            .execute(&format!("DROP INDEX marks_n; {other}"));
        let theirs = identity(&shop, "marks_n");
        shop.run(&["run"])
            .exits(7)
            .says(&["2_b", "statement 1 of 1 is in doubt"]);
        assert_eq!(identity(&shop, "marks_n"), theirs, "{other}");
    }
    // What it found is out of the way: the same run goes on.
    shop.connect().execute("DROP INDEX marks_n");
    shop.run(&["run"]).ok();
    assert_eq!(shop.history(), ["1", "2"]);
}

#[test]
fn an_invalid_index_that_is_not_ours_is_refused_and_stays() {
    for tolerant in ["", "IF NOT EXISTS "] {
        let shop = scene();
        let mut link = shop.connect();
        link.execute("INSERT INTO marks VALUES (1)");
        let theirs = "CREATE UNIQUE INDEX CONCURRENTLY marks_n ON marks (n)";
        attempt(&mut link, theirs).expect_err("duplicates");
        let before = identity(&shop, "marks_n");
        shop.steps(
            "2_b",
            &format!(
                "INSERT INTO marks VALUES (8);\nVACUUM marks;\nCREATE INDEX CONCURRENTLY {tolerant}marks_n ON marks (n);\n"
            ),
            "DROP INDEX marks_n;",
        );
        for _ in 0..2 {
            shop.run(&["run"]).exits(1).says(&[
                "statement 3 of 3",
                "index marks_n is there already, but invalid",
                "statements 1–2 are applied and recorded",
                "drop the index",
            ]);
            assert_eq!(identity(&shop, "marks_n"), before, "{tolerant}");
            assert_eq!(shop.state("2_b"), "half-applied");
        }
        link.execute("DROP INDEX marks_n");
        shop.run(&["run"]).ok();
        assert!(shop.texts(INVALID).is_empty());
        assert_eq!(shop.history(), ["1", "2"]);
        let eights = "SELECT n::text AS text FROM marks WHERE n = 8";
        assert_eq!(shop.texts(eights), ["8"], "nothing was run twice");
    }
}

#[test]
fn the_index_of_a_failed_try_is_dropped_also_where_the_file_was_corrected() {
    let failing = "CREATE UNIQUE INDEX CONCURRENTLY marks_n ON marks (n);\n";
    for corrected in [
        // Something before it.
        format!("DELETE FROM marks WHERE old IS NULL;\n{failing}"),
        format!("VACUUM marks;\nDELETE FROM marks WHERE old IS NULL;\n{failing}"),
        // Another definition.
        failing.replace("UNIQUE ", ""),
    ] {
        let shop = scene();
        shop.connect().execute("INSERT INTO marks VALUES (1)");
        shop.steps("2_b", failing, "DROP INDEX marks_n;");
        // The leftover of one try is in the way of the next, which is ours, too.
        for _ in 0..2 {
            shop.run(&["run"])
                .exits(1)
                .says(&["statement 1 of 1", "duplicate"]);
            assert_eq!(shop.texts(INVALID), ["marks_n"]);
        }
        shop.file("2_b", "up.sql", &corrected);
        shop.run(&["run"]).ok();
        assert!(shop.texts(INVALID).is_empty(), "{corrected}");
        assert_eq!(identity(&shop, "marks_n").len(), 1, "{corrected}");
        assert_eq!(shop.history(), ["1", "2"]);
    }
}

#[test]
fn while_somebody_is_at_the_statement_nothing_is_decided() {
    let shop = scene();
    let mut gate = shop.connect();
    gate.execute(
        "CREATE PROCEDURE wait_and_mark() LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(42); \
         PERFORM pg_advisory_unlock(42); INSERT INTO marks VALUES (7); END $$; SELECT pg_advisory_lock(42)",
    );
    shop.steps("2_b", "CALL wait_and_mark();\n", "SELECT 1;");
    let waits = |what: &str| {
        format!(
            "SELECT {what} AS text FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
        )
    };
    let waiting = waits("pid::text");
    let mut child = shop.start(&["run"]);
    eventually("the call waits", || !gate.texts(&waiting).is_empty());
    child.kill().expect("killed");
    child.wait().expect("gone");
    gate.texts(&waits("pg_terminate_backend(pid)::text"));
    eventually("its backend is gone", || gate.texts(&waiting).is_empty());
    // Another one is at the very same, as an orphan without our lock would be.
    let mut orphan = shop.connect();
    let at_work = std::thread::spawn(move || orphan.execute("CALL wait_and_mark();"));
    eventually("the orphan waits", || !gate.texts(&waiting).is_empty());
    shop.run(&["run", "--lock-wait", "300ms"])
        .exits(6)
        .says(&["still at work", "pid"]);
    let child = shop.start(&["run"]);
    let asks = "SELECT pid::text AS text FROM pg_stat_activity WHERE application_name LIKE 'cargo-migrate%' \
                AND query LIKE '%pg_stat_activity%' AND datname = current_database()";
    eventually("the run looks who is at it", || {
        !gate.texts(asks).is_empty()
    });
    gate.execute("SELECT pg_advisory_unlock(42)");
    at_work.join().expect("the orphan is done");
    shop.finish(child)
        .exits(7)
        .says(&["statement 1 of 1 is in doubt"]);
    let sevens = "SELECT n::text AS text FROM marks WHERE n = 7";
    assert_eq!(shop.texts(sevens), ["7"]);
}
