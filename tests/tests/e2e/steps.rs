//! Migrations outside a transaction: every statement is recorded, a failure is
//! resumed where it stopped, and what is in doubt is never guessed.

use tests::workspace::eventually;

use tests::service::{ALL, Engine, Link, Shop};

const MARKS: &str = "CREATE TABLE marks (n INTEGER NOT NULL);";

fn steps_of(shop: &Shop) -> Vec<String> {
    shop.texts("SELECT concat(n, ' ', state) AS text FROM __migrate_steps ORDER BY attempt, n")
}

fn marks(shop: &Shop) -> Vec<String> {
    shop.texts("SELECT concat(n, '') AS text FROM marks ORDER BY n")
}

#[test]
fn every_statement_is_recorded() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.steps(
            "1_a",
            &format!("{MARKS}\nINSERT INTO marks VALUES (1);\nINSERT INTO marks VALUES (2);\n"),
            "DELETE FROM marks;\nDROP TABLE marks;\n",
        );
        shop.run(&["run"]).ok();
        assert_eq!(steps_of(&shop), ["1 done", "2 done", "3 done"]);
        let journal = "SELECT concat(direction, ' ', state, ' ', statements_done, '/', statements_total) AS text FROM __migrate_journal ORDER BY id";
        assert_eq!(shop.texts(journal), ["up done 3/3"]);
        shop.run(&["revert"]).ok();
        assert_eq!(shop.texts(journal), ["up done 3/3", "down done 2/2"]);
        assert!(shop.history().is_empty());
    }
}

/// Five statements, of which the third fails.
fn stopped_at_three(engine: Engine) -> Shop {
    let shop = Shop::new(engine);
    shop.steps(
        "1_a",
        &format!(
            "{MARKS}\nINSERT INTO marks VALUES (1);\n\nINSERT INTO wrong VALUES (2);\nINSERT INTO marks VALUES (3);\nINSERT INTO marks VALUES (4);\n"
        ),
        "DROP TABLE marks;\n",
    );
    shop.migration(
        "2_b",
        "INSERT INTO marks VALUES (5);",
        "DELETE FROM marks WHERE n = 5;",
    );
    shop.run(&["run"]).exits(1).says(&[
        "1_a stopped at statement 3 of 5",
        "up.sql:4:13",
        "wrong",
        "statements 1–2 are applied and recorded",
        "resume at statement 3",
    ]);
    shop
}

/// The file with its third statement put right.
const PUT_RIGHT: &str = "-- Corrected.\nCREATE TABLE marks (n INTEGER NOT NULL);\nINSERT INTO marks VALUES (1);\n\n\
                         INSERT INTO marks VALUES (2);\nINSERT INTO marks VALUES (3);\nINSERT INTO marks VALUES (4);\n";

#[test]
fn a_failed_statement_leaves_those_before_it_and_is_where_the_next_run_goes_on() {
    for engine in ALL {
        let shop = stopped_at_three(engine);
        assert_eq!(marks(&shop), ["1"]);
        assert!(shop.history().is_empty());
        assert_eq!(steps_of(&shop), ["1 done", "2 done"]);
        assert_eq!(shop.state("1_a"), "half-applied");
        shop.run(&["status", "--exit-code"])
            .exits(4)
            .prints(&["half"]);
        shop.run(&["run", "--dry-run"]).ok();
        // Uncorrected, it stops there again.
        shop.run(&["run"]).exits(1).says(&["statement 3 of 5"]);
        assert_eq!(marks(&shop), ["1"]);
        shop.file("1_a", "up.sql", PUT_RIGHT);
        shop.run(&["run"]).ok();
        assert_eq!(marks(&shop), ["1", "2", "3", "4", "5"]);
        assert_eq!(shop.history(), ["1", "2"]);
        shop.run(&["status", "--exit-code"]).ok();
        assert_eq!(shop.state("1_a"), "applied");
    }
}

#[test]
fn a_plan_of_what_is_half_applied_shows_what_is_left() {
    for engine in ALL {
        let shop = stopped_at_three(engine);
        let left = "-- resumes at statement 3 of 5\nINSERT INTO wrong VALUES (2);\nINSERT INTO marks VALUES (3);\n\
                    INSERT INTO marks VALUES (4);\n";
        for args in [&["plan"][..], &["run", "--dry-run"]] {
            let said = shop.run(args).ok().prints(&[left, "VALUES (5)"]);
            for done in [MARKS, "VALUES (1)"] {
                assert!(!said.stdout.contains(done), "{}", said.stdout);
            }
        }
    }
}

#[test]
fn a_half_applied_migration_is_in_the_way_of_reverting() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", MARKS, "DROP TABLE marks;");
        shop.run(&["run"]).ok();
        shop.steps(
            "2_b",
            "INSERT INTO marks VALUES (1);\nINSERT INTO wrong VALUES (2);",
            "DELETE FROM marks;",
        );
        shop.run(&["run"]).exits(1);
        shop.run(&["revert"])
            .exits(4)
            .says(&["2_b", "half applied", "1 of 2"]);
        assert_eq!(shop.history(), ["1"]);
        shop.file(
            "2_b",
            "up.sql",
            "INSERT INTO marks VALUES (1);\nINSERT INTO marks VALUES (2);",
        );
        shop.run(&["run"]).ok();
        shop.run(&["revert", "--to", "zero"]).ok();
        assert!(shop.history().is_empty());
    }
}

#[test]
fn an_edit_of_a_finished_statement_is_refused_on_resuming() {
    for engine in ALL {
        let shop = stopped_at_three(engine);
        shop.file(
            "1_a",
            "up.sql",
            &PUT_RIGHT.replace("VALUES (1)", "VALUES (100)"),
        );
        shop.run(&["run"])
            .exits(4)
            .says(&["edited while half applied", "statement 2", "help"]);
        assert_eq!(marks(&shop), ["1"]);
        shop.file("1_a", "up.sql", PUT_RIGHT);
        shop.run(&["run"]).ok();
        assert_eq!(marks(&shop), ["1", "2", "3", "4", "5"]);
    }
}

#[test]
fn a_down_that_stops_is_resumed_by_reverting() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.steps(
            "1_a",
            &format!("{MARKS}\nINSERT INTO marks VALUES (1);"),
            "INSERT INTO marks VALUES (7);\nDROP TABLE wrong;\nDROP TABLE marks;\n",
        );
        shop.run(&["run"]).ok();
        shop.run(&["revert"])
            .exits(1)
            .says(&["statement 2 of 3", "statement 1 is applied"]);
        assert_eq!(shop.history(), ["1"]);
        assert_eq!(shop.state("1_a"), "half-applied");
        shop.run(&["run"])
            .exits(4)
            .says(&["half applied", "revert"]);
        shop.file("1_a", "down.sql", "INSERT INTO marks VALUES (7);\nDELETE FROM marks WHERE n = 1;\nINSERT INTO marks VALUES (8);\n");
        shop.run(&["revert"]).ok();
        assert!(shop.history().is_empty());
        assert_eq!(
            marks(&shop),
            ["7", "8"],
            "the first statement was not run again"
        );
    }
}

#[test]
fn a_pragma_is_set_again_on_resuming() {
    let shop = Shop::with(
        Engine::Sqlite,
        "session-setup = [\"PRAGMA foreign_keys = ON\"]",
    );
    shop.migration(
        "1_a",
        "CREATE TABLE parents (id INTEGER PRIMARY KEY);\n\
         CREATE TABLE children (parent INTEGER REFERENCES parents (id) ON DELETE CASCADE);\n\
         INSERT INTO parents VALUES (1);\nINSERT INTO children VALUES (1);",
        "DROP TABLE children; DROP TABLE parents;",
    );
    let rebuild = |third: &str| {
        format!(
            "PRAGMA foreign_keys = OFF;\nCREATE TABLE new_parents (id INTEGER PRIMARY KEY, name TEXT);\n\
             {third};\nDROP TABLE parents;\nALTER TABLE new_parents RENAME TO parents;\nPRAGMA foreign_keys = ON;\n"
        )
    };
    shop.steps("2_b", &rebuild("INSERT INTO wrong SELECT 1"), "SELECT 1;");
    shop.migration(
        "3_c",
        "CREATE TABLE c (parent INTEGER REFERENCES parents (id));\nINSERT INTO c VALUES (1);",
        "DROP TABLE c;",
    );
    shop.run(&["run"]).exits(1).says(&["statement 3 of 6"]);
    shop.file(
        "2_b",
        "up.sql",
        &rebuild("INSERT INTO new_parents (id) SELECT id FROM parents"),
    );
    shop.run(&["run"]).ok();
    // With the pragma forgotten, DROP TABLE would have deleted the children.
    assert_eq!(
        shop.texts("SELECT CAST(parent AS TEXT) AS text FROM children"),
        ["1"]
    );
    assert_eq!(shop.history(), ["1", "2", "3"]);
}

#[test]
fn a_pragma_does_not_leak_into_the_next_migration() {
    let shop = Shop::with(
        Engine::Sqlite,
        "session-setup = [\"PRAGMA foreign_keys = ON\"]",
    );
    shop.migration(
        "1_a",
        "CREATE TABLE a (id INTEGER PRIMARY KEY);\nCREATE TABLE b (a INTEGER REFERENCES a (id));",
        "DROP TABLE b; DROP TABLE a;",
    );
    shop.steps(
        "2_b",
        "PRAGMA foreign_keys = OFF;\nINSERT INTO b VALUES (1);",
        "SELECT 1;",
    );
    shop.migration("3_c", "INSERT INTO b VALUES (2);", "SELECT 1;");
    shop.run(&["run"]).exits(1).says(&["3_c", "FOREIGN KEY"]);
    assert_eq!(shop.history(), ["1", "2"]);
}

#[test]
fn a_balanced_transaction_is_one_step() {
    for engine in ALL {
        let shop = Shop::new(engine);
        let up = |table: &str| {
            format!(
                "{MARKS}\nBEGIN;\nINSERT INTO marks VALUES (1);\nINSERT INTO {table} VALUES (2);\nCOMMIT;\nINSERT INTO marks VALUES (3);\n"
            )
        };
        shop.steps("1_a", &up("wrong"), "DROP TABLE marks;");
        shop.run(&["run"]).exits(1).says(&["statement 2 of 3"]);
        assert!(marks(&shop).is_empty(), "the block is all or nothing");
        assert_eq!(shop.state("1_a"), "half-applied");
        shop.file("1_a", "up.sql", &up("marks"));
        shop.run(&["run"]).ok();
        assert_eq!(marks(&shop), ["1", "2", "3"]);
        assert_eq!(steps_of(&shop), ["1 done", "2 done", "3 done"]);
    }
}

#[test]
fn what_no_transaction_may_hold_runs() {
    for engine in ALL {
        let shop = Shop::new(engine);
        let (up, down) = match engine {
            Engine::Sqlite => (
                "VACUUM;\nINSERT INTO marks VALUES (1);\nVACUUM;\n",
                "VACUUM;\nDELETE FROM marks;",
            ),
            Engine::Postgres => (
                "VACUUM marks;\nCREATE INDEX CONCURRENTLY marks_n ON marks (n);\nINSERT INTO marks VALUES (1);\nREINDEX INDEX CONCURRENTLY marks_n;\n",
                "DROP INDEX CONCURRENTLY marks_n;\nDELETE FROM marks;",
            ),
            Engine::Mariadb => (
                "OPTIMIZE TABLE marks;\nINSERT INTO marks VALUES (1);\nFLUSH TABLES marks;\nANALYZE TABLE marks;\n",
                "ANALYZE TABLE marks;\nDELETE FROM marks;",
            ),
        };
        shop.migration("1_a", MARKS, "DROP TABLE marks;");
        shop.steps("2_b", up, down);
        shop.run(&["run"]).ok();
        assert_eq!(marks(&shop), ["1"]);
        shop.run(&["revert", "--to", "zero"]).ok();
        assert!(shop.history().is_empty());
    }
}

#[test]
fn what_no_transaction_may_hold_is_refused_in_one() {
    let shop = Shop::new(Engine::Postgres);
    shop.migration("1_a", MARKS, "DROP TABLE marks;");
    shop.migration(
        "2_b",
        "CREATE INDEX CONCURRENTLY marks_n ON marks (n);",
        "DROP INDEX marks_n;",
    );
    shop.run(&["run"]).exits(1).says(&[
        "2_b",
        "CREATE INDEX CONCURRENTLY cannot run inside a transaction",
        "run_in_transaction = false",
    ]);
    assert!(!shop.schema().contains("marks"), "1_a was run first");
}

#[test]
fn an_invalid_index_is_built_again() {
    let shop = Shop::new(Engine::Postgres);
    shop.migration(
        "1_a",
        &format!("{MARKS}\nINSERT INTO marks VALUES (1), (1);"),
        "DROP TABLE marks;",
    );
    shop.steps(
        "2_b",
        "CREATE UNIQUE INDEX CONCURRENTLY marks_n ON marks (n);",
        "DROP INDEX marks_n;",
    );
    shop.run(&["run"])
        .exits(1)
        .says(&["2_b", "statement 1 of 1", "duplicate"]);
    let invalid = "SELECT indexrelid::regclass::text AS text FROM pg_index WHERE NOT indisvalid";
    shop.connect().execute("DELETE FROM marks");
    shop.run(&["run"]).ok();
    assert!(shop.texts(invalid).is_empty());
    assert_eq!(shop.history(), ["1", "2"]);
    assert!(shop.schema().contains("CREATE UNIQUE INDEX marks_n"));
}

#[test]
fn an_invalid_index_is_dropped_only_once_nobody_works_on_its_table() {
    let shop = Shop::new(Engine::Postgres);
    shop.migration(
        "1_a",
        &format!("{MARKS}\nINSERT INTO marks VALUES (1), (1);"),
        "DROP TABLE marks;",
    );
    shop.steps(
        "2_b",
        "CREATE UNIQUE INDEX CONCURRENTLY marks_n ON marks (n);",
        "DROP INDEX marks_n;",
    );
    shop.run(&["run"]).exits(1).says(&["duplicate"]);
    let index = "SELECT indexrelid::text AS text FROM pg_index WHERE NOT indisvalid";
    let mut watch = shop.connect();
    let left_over = watch.texts(index);
    watch.execute("DELETE FROM marks");
    // The lock that a build holds from its beginning to its end.
    let mut builder = shop.connect();
    builder.execute("BEGIN; LOCK TABLE marks IN SHARE UPDATE EXCLUSIVE MODE");
    shop.run(&["run", "--lock-wait", "300ms"])
        .exits(6)
        .says(&["still at work", "index marks_n"]);
    assert_eq!(
        watch.texts(index),
        left_over,
        "it might have been somebody's"
    );
    let child = shop.start(&["run"]);
    let asks = "SELECT pid::text AS text FROM pg_stat_activity WHERE query LIKE '%at_work%' \
                AND application_name LIKE 'cargo-migrate%' AND datname = current_database()";
    eventually("our run waits for the other", || {
        !watch.texts(asks).is_empty()
    });
    builder.execute("COMMIT");
    shop.finish(child).ok();
    assert!(watch.texts(index).is_empty());
    assert_eq!(shop.history(), ["1", "2"]);
}

/// A runner that was killed while its second statement ran.
fn in_doubt(shop: &Shop, gate: &mut Link) {
    shop.migration("1_a", MARKS, "DROP TABLE marks;");
    shop.steps(
        "2_b",
        "INSERT INTO marks VALUES (1);\nCALL wait_and_mark();\nINSERT INTO marks VALUES (3);\n",
        "DELETE FROM marks;",
    );
    gate.execute(
        "CREATE PROCEDURE wait_and_mark() LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(42); \
         PERFORM pg_advisory_unlock(42); INSERT INTO marks VALUES (2); END $$; SELECT pg_advisory_lock(42)",
    );
    let mut child = shop.start(&["run"]);
    let waiting = "SELECT pid::text AS text FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()";
    eventually("the second statement waits at the gate", || {
        !gate.texts(waiting).is_empty()
    });
    child.kill().expect("killed");
    child.wait().expect("gone");
    // Which way the server decides is up to the test: it ends the backend
    // before the statement has marked anything.
    gate.texts("SELECT pg_terminate_backend(pid)::text AS text FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()");
    eventually("the killed runner's backend is gone", || {
        gate.texts(waiting).is_empty()
    });
    gate.execute("SELECT pg_advisory_unlock(42)");
}

#[test]
fn a_statement_whose_runner_was_killed_is_in_doubt_until_somebody_resolves_it() {
    for (how, expected) in [("--done", &["1", "3"][..]), ("--retry", &["1", "2", "3"])] {
        let shop = Shop::new(Engine::Postgres);
        let mut gate = shop.connect();
        in_doubt(&shop, &mut gate);
        assert_eq!(marks(&shop), ["1"]);
        assert_eq!(shop.state("2_b"), "in-doubt");
        shop.run(&["status", "--exit-code"])
            .exits(7)
            .prints(&["statement 2 of 3"]);
        let help = "cargo migrate resolve 2 --step 2 -p shop --done";
        shop.run(&["run"])
            .exits(7)
            .says(&["2_b", "statement 2 of 3 is in doubt", help]);
        shop.run(&["revert"]).exits(7);
        assert_eq!(marks(&shop), ["1"], "nothing is guessed");
        shop.run(&["resolve", "2", "--step", "1", how])
            .exits(1)
            .says(&["not in doubt"]);
        shop.run(&["resolve", "2", "--step", "2", how])
            .ok()
            .says(&["2_b: statement 2 counts as"]);
        shop.run(&["run"]).ok();
        assert_eq!(marks(&shop), expected, "{how}");
        assert_eq!(shop.history(), ["1", "2"]);
        shop.run(&["status", "--exit-code"]).ok();
    }
}

#[test]
fn an_index_in_doubt_is_looked_up_instead() {
    let shop = Shop::new(Engine::Postgres);
    let mut gate = shop.connect();
    shop.migration("1_a", MARKS, "DROP TABLE marks;");
    shop.run(&["run"]).ok();
    shop.steps(
        "2_b",
        "CREATE INDEX CONCURRENTLY marks_n ON marks (n);\nINSERT INTO marks VALUES (2);",
        "DROP INDEX marks_n;",
    );
    // An open transaction that has written the table stops the build half way.
    gate.execute("BEGIN; INSERT INTO marks VALUES (1)");
    let mut child = shop.start(&["run"]);
    let mut watch = shop.connect();
    let building = "SELECT pid::text AS text FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'";
    let building = format!("{building} AND datname = current_database()");
    eventually("the build waits", || !watch.texts(&building).is_empty());
    child.kill().expect("killed");
    child.wait().expect("gone");
    watch.texts(&building.replace("pid::text", "pg_terminate_backend(pid)::text"));
    eventually("its backend is gone", || watch.texts(&building).is_empty());
    gate.execute("COMMIT");
    assert_eq!(shop.state("2_b"), "in-doubt");
    shop.run(&["run"]).ok();
    assert_eq!(marks(&shop), ["1", "2"]);
    assert!(
        watch
            .texts("SELECT 'x' AS text FROM pg_index WHERE NOT indisvalid")
            .is_empty()
    );
    assert_eq!(shop.history(), ["1", "2"]);
}
