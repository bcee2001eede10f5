//! Runs that end too early: by Ctrl-C, by kill -9, by a lost connection. The
//! next run understands what they left, and every mark is made once.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};

use tests::workspace::eventually;

use tests::service::{ALL, Engine, Link, Shop};

const GATE: &str = "SELECT pg_advisory_xact_lock(42);";
const WAITING: &str = "SELECT pid::text AS text FROM pg_stat_activity \
                       WHERE wait_event = 'advisory' AND datname = current_database()";

/// What a run that stopped in good order says; one that was only ended does not.
const TOLD: &str = "interrupted; what is applied is recorded";

/// Four migrations with a mark each; the third waits at the test's gate.
fn gated() -> (Shop, Link) {
    // With a timeout it would give way at the gate, and knock again.
    let shop = Shop::with(Engine::Postgres, "lock-timeout = \"0\"");
    shop.migration(
        "1_a",
        "CREATE TABLE marks (n int);\nINSERT INTO marks VALUES (1);",
        "DROP TABLE marks;",
    );
    shop.migration(
        "2_b",
        "INSERT INTO marks VALUES (2);",
        "DELETE FROM marks WHERE n = 2;",
    );
    shop.migration(
        "3_c",
        &format!("INSERT INTO marks VALUES (3);\n{GATE}\nCREATE TABLE c (id int);"),
        "DROP TABLE c; DELETE FROM marks WHERE n = 3;",
    );
    shop.migration(
        "4_d",
        "INSERT INTO marks VALUES (4);",
        "DELETE FROM marks WHERE n = 4;",
    );
    let mut gate = shop.connect();
    gate.execute("SELECT pg_advisory_lock(42)");
    (shop, gate)
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status()
        .expect("kill starts");
    assert!(sent.success());
}

fn at_the_gate(gate: &mut Link, child: &mut Child) {
    eventually("the migration waits at the gate", || {
        let ended = child.try_wait().expect("a child");
        assert!(ended.is_none(), "it ended before the gate: {ended:?}");
        !gate.texts(WAITING).is_empty()
    });
}

/// Opens the gate, runs to the end, and expects each mark once.
#[track_caller]
fn the_next_run_completes(shop: &Shop, gate: &mut Link) {
    gate.execute("SELECT pg_advisory_unlock(42)");
    shop.run(&["run"]).ok();
    assert_eq!(shop.history(), ["1", "2", "3", "4"]);
    assert_eq!(
        shop.texts("SELECT n::text AS text FROM marks ORDER BY n"),
        ["1", "2", "3", "4"]
    );
    shop.run(&["status", "--exit-code"]).ok();
    shop.run(&["revert", "--to", "zero"]).ok();
    assert!(shop.history().is_empty());
}

#[test]
fn ctrl_c_cancels_the_statement_and_says_what_is_applied() {
    for name in ["INT", "TERM"] {
        let (shop, mut gate) = gated();
        let mut child = shop.start(&["run"]);
        at_the_gate(&mut gate, &mut child);
        signal(&child, name);
        let run = shop.finish(child).exits(1);
        run.says(&[TOLD, "Applied shop 1_a", "Applied shop 2_b", "help"]);
        assert!(
            gate.texts(WAITING).is_empty(),
            "cancelled on the server, too"
        );
        assert_eq!(shop.history(), ["1", "2"]);
        assert_eq!(shop.state("3_c"), "pending");
        the_next_run_completes(&shop, &mut gate);
    }
}

#[test]
fn ctrl_c_takes_all_of_a_single_transaction_back() {
    let (shop, mut gate) = gated();
    let mut child = shop.start(&["run", "--single-transaction"]);
    at_the_gate(&mut gate, &mut child);
    signal(&child, "INT");
    shop.finish(child).exits(1).says(&[TOLD]);
    assert!(
        gate.texts(WAITING).is_empty(),
        "cancelled on the server, too"
    );
    assert!(shop.history().is_empty());
    the_next_run_completes(&shop, &mut gate);
}

#[test]
fn ctrl_c_outside_a_transaction_leaves_no_statement_in_doubt() {
    let (shop, mut gate) = gated();
    shop.steps(
        "3_c",
        &format!("INSERT INTO marks VALUES (3);\n{GATE}\nCREATE TABLE c (id int);"),
        "DROP TABLE c; DELETE FROM marks WHERE n = 3;",
    );
    let mut child = shop.start(&["run"]);
    at_the_gate(&mut gate, &mut child);
    signal(&child, "INT");
    shop.finish(child).exits(1).says(&[TOLD]);
    assert_eq!(shop.state("3_c"), "half-applied");
    the_next_run_completes(&shop, &mut gate);
}

#[test]
fn ctrl_c_during_an_index_build_leaves_what_the_next_run_builds_again() {
    let shop = Shop::new(Engine::Postgres);
    shop.migration("1_a", "CREATE TABLE marks (n int);", "DROP TABLE marks;");
    shop.run(&["run"]).ok();
    shop.steps(
        "2_b",
        "CREATE INDEX CONCURRENTLY marks_n ON marks (n);\nINSERT INTO marks VALUES (2);",
        "DROP INDEX marks_n;",
    );
    let mut writer = shop.connect();
    writer.execute("BEGIN; INSERT INTO marks VALUES (1)");
    let mut watch = shop.connect();
    let child = shop.start(&["run"]);
    eventually("the build waits for the writer", || {
        !watch
            .texts("SELECT pid::text AS text FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock' AND datname = current_database()")
            .is_empty()
    });
    signal(&child, "INT");
    shop.finish(child).exits(1).says(&[TOLD]);
    assert_eq!(shop.state("2_b"), "pending");
    writer.execute("COMMIT");
    shop.run(&["run"]).ok();
    assert!(
        shop.texts("SELECT 'x' AS text FROM pg_index WHERE NOT indisvalid")
            .is_empty()
    );
    assert_eq!(
        shop.texts("SELECT n::text AS text FROM marks ORDER BY n"),
        ["1", "2"]
    );
    assert_eq!(shop.history(), ["1", "2"]);
}

#[test]
fn ctrl_c_on_mariadb_cancels_the_statement_or_the_waiting_and_the_next_run_goes_on() {
    let shop = Shop::with(Engine::Mariadb, "lock-timeout = \"0\"");
    shop.migration(
        "1_a",
        "CREATE TABLE marks (n int);\nINSERT INTO marks VALUES (1);",
        "DROP TABLE marks;",
    );
    shop.run(&["run"]).ok();
    shop.migration(
        "2_b",
        "INSERT INTO marks VALUES (2);\nALTER TABLE marks ADD COLUMN note TEXT;\nINSERT INTO marks (n) VALUES (3);",
        "ALTER TABLE marks DROP COLUMN note;\nDELETE FROM marks WHERE n > 1;",
    );
    // Who has read a table in a transaction keeps it from being altered.
    let mut gate = shop.connect();
    gate.execute("BEGIN; SELECT n FROM marks");
    let at_work = |what: &str| {
        shop.texts(&format!(
            "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST \
             WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND INFO LIKE '{what}'"
        ))
    };
    let (alters, waits) = ("ALTER TABLE%", "%GET_LOCK%");
    let first = shop.start(&["run"]);
    eventually("the statement waits", || !at_work(alters).is_empty());
    let second = shop.start(&["run"]);
    eventually("the other waits for it", || !at_work(waits).is_empty());
    signal(&second, "INT");
    shop.finish(second).exits(1).says(&[TOLD]);
    assert_eq!(at_work(alters).len(), 1, "the first is still at it");

    signal(&first, "INT");
    shop.finish(first).exits(1).says(&[TOLD, "help"]);
    assert!(at_work(alters).is_empty(), "cancelled on the server, too");
    assert_eq!(shop.history(), ["1"]);
    // The server's cancelling may come when the statement is done: the next run
    // looks.
    assert_eq!(shop.state("2_b"), "in-doubt");
    gate.execute("COMMIT");
    shop.run(&["run"]).ok();
    let marks = "SELECT concat(n, '') AS text FROM marks ORDER BY n";
    assert_eq!(shop.texts(marks), ["1", "2", "3"]);
    shop.run(&["status", "--exit-code"]).ok();
    shop.run(&["revert"]).ok();
    assert_eq!(shop.texts(marks), ["1"]);
}

#[test]
fn ctrl_c_while_waiting_for_another_runner_ends_the_waiting() {
    let (shop, mut gate) = gated();
    let mut first = shop.start(&["run"]);
    at_the_gate(&mut gate, &mut first);
    let second = shop.start(&["run", "-v"]);
    let mut watch = shop.connect();
    // It has read and found the lock taken once it is idle after its batch.
    eventually("a second runner is there", || {
        watch
            .texts("SELECT pid::text AS text FROM pg_stat_activity WHERE application_name LIKE 'cargo-migrate%' AND datname = current_database()")
            .len()
            == 2
    });
    signal(&second, "INT");
    shop.finish(second).exits(1).says(&[TOLD]);
    gate.execute("SELECT pg_advisory_unlock(42)");
    shop.finish(first).ok();
    gate.execute("SELECT pg_advisory_lock(42)");
    the_next_run_completes(&shop, &mut gate);
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let (shop, mut gate) = gated();
    // Nobody can cancel a statement that does not let itself be cancelled.
    shop.migration(
        "3_c",
        "INSERT INTO marks VALUES (3);\nDO $$ BEGIN LOOP BEGIN PERFORM pg_advisory_xact_lock(42); EXIT; EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;\nCREATE TABLE c (id int);",
        "DROP TABLE c; DELETE FROM marks WHERE n = 3;",
    );
    let mut child = shop.start(&["run"]);
    at_the_gate(&mut gate, &mut child);
    signal(&child, "INT");
    signal(&child, "INT");
    let output = child.wait_with_output().expect("it ends");
    assert_ne!(output.status.code(), Some(0));
    // Its backend goes on until it notices; only then is the lock free.
    gate.texts(&WAITING.replace("pid::text", "pg_terminate_backend(pid)::text"));
    eventually("its backend is gone", || gate.texts(WAITING).is_empty());
    the_next_run_completes(&shop, &mut gate);
}

#[test]
fn kill_9_inside_a_batch_leaves_nothing_of_it() {
    let (shop, mut gate) = gated();
    let mut child = shop.start(&["run"]);
    at_the_gate(&mut gate, &mut child);
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert_eq!(shop.history(), ["1", "2"]);
    // Whether the orphaned backend commits or gives up, the next run's marks
    // are the only ones: nobody ends it here.
    the_next_run_completes(&shop, &mut gate);
}

/// Ends the session that waits at the gate, and waits for the next one there.
fn ended_at_the_gate(gate: &mut Link, child: &mut Child) {
    let ended = gate.texts(WAITING);
    gate.texts(&WAITING.replace("pid::text", "pg_terminate_backend(pid)::text"));
    eventually("its next connection waits at the gate", || {
        let gone = child.try_wait().expect("a child");
        assert!(gone.is_none(), "it ended: {gone:?}");
        gate.texts(WAITING).iter().any(|pid| !ended.contains(pid))
    });
}

#[test]
fn a_run_goes_on_over_another_connection_when_its_own_is_ended() {
    let (shop, mut gate) = gated();
    let mut child = shop.start(&["run"]);
    at_the_gate(&mut gate, &mut child);
    ended_at_the_gate(&mut gate, &mut child);
    gate.execute("SELECT pg_advisory_unlock(42)");
    let run = shop.finish(child).ok();
    run.says(&["connection lost", "reading the history again", "4 applied"]);
    gate.execute("SELECT pg_advisory_lock(42)");
    the_next_run_completes(&shop, &mut gate);
}

#[test]
fn a_migration_that_loses_its_connection_twice_is_not_begun_again() {
    for options in [&["run"][..], &["run", "--single-transaction"]] {
        let (shop, mut gate) = gated();
        let mut child = shop.start(options);
        at_the_gate(&mut gate, &mut child);
        ended_at_the_gate(&mut gate, &mut child);
        gate.texts(&WAITING.replace("pid::text", "pg_terminate_backend(pid)::text"));
        let run = shop.finish(child).exits(1);
        let lost = "migration 3_c has lost the connection twice";
        if options.len() == 1 {
            run.says(&[lost, "the history does not have it", "help", "2 applied"]);
            assert_eq!(shop.history(), ["1", "2"]);
        } else {
            run.says(&[lost, "all of it is rolled back", "help"]);
            assert!(shop.history().is_empty());
        }
        the_next_run_completes(&shop, &mut gate);
    }
}

#[test]
fn so_is_one_outside_a_transaction_and_what_is_recorded_is_told() {
    let (shop, mut gate) = gated();
    shop.steps(
        "3_c",
        &format!("INSERT INTO marks VALUES (3);\n{GATE}\nCREATE TABLE c (id int);"),
        "DROP TABLE c; DELETE FROM marks WHERE n = 3;",
    );
    let mut child = shop.start(&["run"]);
    at_the_gate(&mut gate, &mut child);
    ended_at_the_gate(&mut gate, &mut child);
    gate.texts(&WAITING.replace("pid::text", "pg_terminate_backend(pid)::text"));
    shop.finish(child).exits(1).says(&[
        "migration 3_c has lost the connection twice",
        "statement 1 is applied and recorded",
    ]);
    // The SELECT shared a transaction with its record: nothing is in doubt.
    assert_eq!(shop.state("3_c"), "half-applied");
    the_next_run_completes(&shop, &mut gate);
}

/// Many migrations with a mark each, without any key.
fn long(engine: Engine, count: usize) -> Shop {
    let shop = Shop::new(engine);
    shop.migration(
        "000_a",
        "CREATE TABLE marks (n INTEGER NOT NULL);",
        "DROP TABLE marks;",
    );
    for n in 1..count {
        shop.migration(
            &format!("{n:03}_m"),
            &format!("INSERT INTO marks VALUES ({n});"),
            &format!("DELETE FROM marks WHERE n = {n};"),
        );
    }
    shop
}

fn progress(shop: &Shop) -> usize {
    let made = match shop.engine {
        Engine::Sqlite => "SELECT name AS text FROM sqlite_master WHERE name = 'marks'",
        Engine::Postgres => "SELECT relname::text AS text FROM pg_class WHERE relname = 'marks'",
        Engine::Mariadb => {
            "SELECT TABLE_NAME AS text FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'marks'"
        }
    };
    // A database whose tables nobody has made yet has no progress.
    if !shop.workspace.path("shop.db").exists() && shop.engine == Engine::Sqlite {
        return 0;
    }
    let mut link = shop.connect();
    if link.texts(made).is_empty() {
        return 0;
    }
    link.texts("SELECT version AS text FROM __diesel_schema_migrations")
        .len()
}

#[test]
fn killed_again_and_again_a_run_still_makes_each_mark_once() {
    const COUNT: usize = 800;
    for engine in ALL {
        let shop = long(engine, COUNT);
        let mut killed = 0;
        for share in 1..=6 {
            let mut child = shop.start(&["run"]);
            eventually("it has got further", || {
                progress(&shop) >= share * COUNT / 16
                    || child.try_wait().is_ok_and(|status| status.is_some())
            });
            if child.try_wait().expect("a child").is_none() {
                child.kill().expect("killed");
                killed += 1;
            }
            child.wait().expect("gone");
        }
        assert!(killed >= 3, "only {killed} runs were killed on {engine}");
        shop.run(&["run"]).ok();
        assert_eq!(shop.history().len(), COUNT);
        let marks = shop.texts("SELECT concat(n, '') AS text FROM marks ORDER BY n");
        let expected: Vec<String> = (1..COUNT).map(|n| n.to_string()).collect();
        assert_eq!(marks, expected);
        shop.run(&["status", "--exit-code"]).ok();
    }
}

#[test]
fn ctrl_c_between_migrations_stops_after_the_one_at_work() {
    const COUNT: usize = 60;
    let shop = long(Engine::Sqlite, COUNT);
    shop.run(&["run", "--to", "019"]).ok();
    // Whoever writes stops the run before its next migration.
    let mut gate = shop.connect();
    gate.execute("BEGIN IMMEDIATE");
    let mut child = shop.start(&["run"]);
    let lock = shop.workspace.path("shop.db.migrate-lock");
    let holder = child.id().to_string();
    eventually("it has taken the lock", || {
        std::fs::read_to_string(&lock).is_ok_and(|text| text.contains(&holder))
    });
    signal(&child, "INT");
    let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
    let heard = said.any(|line| line.expect("a line").contains("stopping in good order"));
    assert!(heard, "it ended before the signal");
    gate.execute("COMMIT");
    let rest: Vec<String> = said.map(|line| line.expect("a line")).collect();
    shop.finish(child).exits(1);
    assert!(rest.iter().any(|line| line.contains(TOLD)), "{rest:?}");
    let done = shop.history().len();
    assert!((20..=22).contains(&done), "{done}");
    let states = shop.states();
    assert!(
        states
            .iter()
            .all(|(_, state)| state == "applied" || state == "pending")
    );
    shop.run(&["run"]).ok();
    let marks = shop.texts("SELECT concat(n, '') AS text FROM marks");
    assert_eq!(marks.len(), COUNT - 1);
}

#[test]
fn ctrl_c_during_a_long_sqlite_statement_cancels_it_and_records_that() {
    for outside in [false, true] {
        let shop = Shop::new(Engine::Sqlite);
        shop.migration(
            "1_a",
            "CREATE TABLE marks (n INTEGER);",
            "DROP TABLE marks;",
        );
        let endless = "INSERT INTO marks VALUES (2);\nINSERT INTO marks WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c;";
        shop.migration("2_b", endless, "DELETE FROM marks;");
        if outside {
            shop.file("2_b", "metadata.toml", "run_in_transaction = false\n");
        }
        let child = shop.start(&["run"]);
        eventually("the first is applied", || progress(&shop) >= 1);
        if outside {
            let marks = || shop.texts("SELECT concat(n, '') AS text FROM marks");
            eventually("its first statement is", || marks() == ["2"]);
        }
        signal(&child, "INT");
        shop.finish(child).exits(1).says(&[TOLD]);
        assert_eq!(shop.history(), ["1"]);
        let state = if outside { "half-applied" } else { "pending" };
        assert_eq!(shop.state("2_b"), state);
        let short = endless.replace("FROM c)", "FROM c WHERE x < 3)");
        shop.file("2_b", "up.sql", &short);
        shop.run(&["run"]).ok();
        assert_eq!(shop.history(), ["1", "2"]);
        assert_eq!(
            shop.texts("SELECT concat(n, '') AS text FROM marks"),
            ["2", "3"]
        );
    }
}
