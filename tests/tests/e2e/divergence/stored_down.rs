//! Reverting what is not on disk, by the down SQL that the journal keeps.

use tests::workspace::eventually;

use super::{applied, command_in, commit, remove, typed};
use tests::service::{ALL, Engine, Shop};

#[test]
fn the_commands_of_the_help_bring_a_missing_migration_back_or_take_it_back() {
    for engine in ALL {
        let shop = applied(engine);
        commit(&shop, "All three");
        remove(&shop, "2_b");
        let run = shop.run(&["run"]).exits(4);
        let restore = command_in(&run, "git ");
        assert_eq!(restore, "git checkout HEAD -- services/shop/migrations/2_b");
        typed(&shop, &restore).ok();
        shop.run(&["run"]).ok();

        remove(&shop, "2_b");
        commit(&shop, "Without the second");
        let run = shop.run(&["run"]).exits(4);
        let revert = command_in(&run, "cargo migrate revert");
        assert_eq!(
            revert,
            "cargo migrate revert -p shop --only 2 --stored-down"
        );
        // Nobody is there to be asked.
        typed(&shop, &revert)
            .exits(2)
            .says(&["DROP TABLE b;", "`--yes`", "nothing was changed"]);
        assert_eq!(shop.history(), ["1", "2", "3"]);
        typed(&shop, &format!("{revert} --yes")).ok().says(&[
            "-- shop: 2_b/down.sql (1/1)\nDROP TABLE b;",
            "Reverted shop 2_b",
        ]);
        assert_eq!(shop.history(), ["1", "3"]);
        shop.run(&["run"]).ok();
        // It is in the history of version control, too.
        typed(
            &shop,
            "git checkout -q HEAD^ -- services/shop/migrations/2_b",
        )
        .ok();
        shop.run(&["run", "--only", "2"]).ok();
    }
}

#[test]
fn without_being_told_nothing_of_the_journal_runs() {
    for engine in ALL {
        let shop = applied(engine);
        remove(&shop, "3_c");
        for line in [
            &["revert"][..],
            &["revert", "--yes"],
            &["revert", "--to", "zero", "--yes"],
            &["revert", "--only", "3", "--yes"],
            &["redo", "--yes"],
        ] {
            shop.run(line).exits(4).says(&["3_c", "not in the catalog"]);
        }
        assert_eq!(shop.history(), ["1", "2", "3"]);
    }
}

#[test]
fn files_and_the_journal_are_reverted_in_descending_order() {
    for engine in ALL {
        let shop = applied(engine);
        remove(&shop, "1_a");
        remove(&shop, "3_c");
        let plan = shop
            .run(&["revert", "--to", "zero", "--stored-down", "--dry-run"])
            .ok();
        let at = |text: &str| plan.stdout.find(text).unwrap_or_else(|| panic!("{text}"));
        assert!(at("DROP TABLE c") < at("DROP TABLE b") && at("DROP TABLE b") < at("DROP TABLE a"));
        assert_eq!(shop.history(), ["1", "2", "3"]);

        let run = shop
            .run(&["revert", "-n", "2", "--stored-down", "--yes"])
            .ok();
        // What a file of ours says is not shown.
        assert!(!run.stderr.contains("DROP TABLE b"), "{}", run.stderr);
        assert_eq!(shop.history(), ["1"]);
        shop.run(&["revert", "--to", "zero", "--stored-down", "--yes"])
            .ok();
        assert!(shop.history().is_empty());
        let tables = shop.schema();
        for table in ["a", "b", "c"] {
            let line = format!("CREATE TABLE {table} ");
            assert!(!tables.contains(&line), "{tables}");
        }
    }
}

#[test]
fn what_the_journal_keeps_no_way_back_for_is_refused() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.run(&["create"]).ok();
        let mut link = shop.connect();
        link.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('1')");
        shop.migration("2_b", "CREATE TABLE b (id INTEGER);", "DROP TABLE b;");
        shop.file(
            "2_b",
            "metadata.toml",
            "run_in_transaction = true\nirreversible = \"mail is gone\"\n",
        );
        shop.migration("3_c", "CREATE TABLE c (id INTEGER);", "");
        shop.migration("4_d", "CREATE TABLE d (id INTEGER);", "DROP TABLE d;");
        link.execute("DELETE FROM __diesel_schema_migrations WHERE version = '1'");
        shop.run(&["run"]).ok();
        link.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('1')");
        for migration in ["2_b", "3_c", "4_d"] {
            remove(&shop, migration);
        }
        let only = |version| ["revert", "--only", version, "--stored-down", "--yes"];
        shop.run(&only("1"))
            .exits(1)
            .says(&["1 cannot be reverted: another tool applied it"]);
        for (version, name) in [("2", "2_b"), ("3", "3_c")] {
            let reason = format!("{name} cannot be reverted: the journal keeps no down SQL of it");
            shop.run(&only(version)).exits(1).says(&[&reason]);
        }
        // Nor does anything before it run.
        shop.run(&["revert", "--to", "zero", "--stored-down", "--yes"])
            .exits(1);
        assert_eq!(shop.history(), ["1", "2", "3", "4"]);
    }
}

#[test]
fn a_stored_revert_that_stops_half_way_goes_on_with_its_own_text() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        let down = "DROP TABLE b;\nDROP TABLE later;\n";
        shop.steps("2_b", "CREATE TABLE b (id INTEGER);", down);
        shop.run(&["run"]).ok();
        remove(&shop, "2_b");
        let revert = ["revert", "--stored-down", "--yes"];
        let failed = shop.run(&revert).exits(1).says(&[
            "2_b (down) stopped at statement 2 of 2",
            "statement 1 is applied and recorded",
        ]);
        let again = command_in(&failed, "cargo migrate revert");
        assert!(again.ends_with("--stored-down"), "{again}");
        shop.run(&["run"])
            .exits(4)
            .says(&["revert -p shop --only 2 --stored-down` resumes"]);
        shop.connect().execute("CREATE TABLE later (id INTEGER)");
        let done = typed(&shop, &format!("{again} --yes")).ok();
        // The rest alone is shown.
        assert!(
            done.stderr.contains("resumes at statement 2 of 2"),
            "{}",
            done.stderr
        );
        assert_eq!(shop.history(), ["1"]);
        shop.run(&["run"]).ok();
    }
}

#[test]
fn a_failing_stored_revert_in_a_transaction_leaves_everything() {
    for engine in tests::service::TRANSACTIONAL {
        let shop = applied(engine);
        shop.migration(
            "4_d",
            "CREATE TABLE d (id INTEGER);",
            "DROP TABLE d;\nDROP TABLE nowhere;",
        );
        shop.run(&["run"]).ok();
        remove(&shop, "4_d");
        let schema = shop.schema();
        shop.run(&["revert", "--stored-down", "--yes"])
            .exits(1)
            .says(&["nowhere", "rolled back"]);
        assert_eq!(shop.schema(), schema);
        assert_eq!(shop.history(), ["1", "2", "3", "4"]);
    }
}

#[test]
fn what_was_applied_outside_a_transaction_goes_back_outside_one() {
    let shop = Shop::new(Engine::Postgres);
    shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
    shop.steps(
        "2_i",
        "CREATE INDEX CONCURRENTLY i ON a (id);",
        "DROP INDEX CONCURRENTLY i;",
    );
    shop.run(&["run"]).ok();
    remove(&shop, "2_i");
    shop.run(&["revert", "--stored-down", "--yes"]).ok();
    assert_eq!(shop.history(), ["1"]);
    assert!(!shop.schema().contains("INDEX i "));
}

#[test]
fn one_run_reverts_the_journals_and_the_files_as_one_transaction() {
    for engine in tests::service::TRANSACTIONAL {
        let shop = applied(engine);
        remove(&shop, "3_c");
        let all = [
            "revert",
            "--to",
            "zero",
            "--stored-down",
            "--single-transaction",
            "--yes",
        ];
        shop.run(&all).ok();
        assert!(shop.history().is_empty());
    }
}

#[test]
fn a_stored_revert_that_was_killed_is_completed_by_the_next() {
    let shop = Shop::new(Engine::Mariadb);
    shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
    shop.migration(
        "2_b",
        "CREATE TABLE b (id INTEGER);\nCREATE TABLE c (id INTEGER);",
        "DROP TABLE c;\nDROP TABLE b;",
    );
    shop.run(&["run"]).ok();
    remove(&shop, "2_b");
    let mut reader = shop.connect();
    reader.execute("LOCK TABLES b READ");
    // The server may have finished what the killed runner had sent.
    let revert = ["revert", "--to", "1", "--stored-down", "--yes"];
    let mut child = shop.start(&revert);
    let waits = "SELECT INFO AS text FROM information_schema.PROCESSLIST \
                 WHERE STATE LIKE 'Waiting for table%lock' AND DB = DATABASE()";
    eventually("the wait for the table", || !shop.texts(waits).is_empty());
    child.kill().expect("killed");
    child.wait().expect("gone");
    reader.execute("UNLOCK TABLES");
    drop(reader);
    shop.run(&revert).ok();
    assert_eq!(shop.history(), ["1"]);
    let schema = shop.schema();
    assert!(
        !schema.contains("`b`") && !schema.contains("`c`"),
        "{schema}"
    );
}

#[test]
fn a_stored_revert_by_steps_survives_the_loss_of_its_connection() {
    let shop = Shop::new(Engine::Postgres);
    shop.migration(
        "1_a",
        "CREATE TABLE a (id INTEGER);\nCREATE TABLE busy (n INTEGER);",
        "DROP TABLE busy;\nDROP TABLE a;",
    );
    shop.steps(
        "2_i",
        "CREATE INDEX CONCURRENTLY i ON a (id);",
        "VACUUM a;\nINSERT INTO a VALUES (1);\nINSERT INTO busy VALUES (1);\nDROP INDEX CONCURRENTLY i;",
    );
    shop.run(&["run"]).ok();
    remove(&shop, "2_i");
    let (mut application, mut watch) = (shop.connect(), shop.connect());
    application.execute("BEGIN; LOCK TABLE busy IN ACCESS EXCLUSIVE MODE");
    let child = shop.start(&["revert", "--only", "2", "--stored-down", "--yes"]);
    let waits = "SELECT pg_terminate_backend(pid)::text AS text FROM pg_locks \
                 WHERE NOT granted AND relation = 'busy'::regclass";
    eventually("its session is ended", || !watch.texts(waits).is_empty());
    application.execute("COMMIT");
    shop.finish(child)
        .ok()
        .says(&["connection lost", "Reverted shop 2_i"]);
    assert_eq!(shop.history(), ["1"]);
    for table in ["a", "busy"] {
        assert_eq!(
            shop.texts(&format!("SELECT '1' AS text FROM {table}")),
            ["1"],
            "{table}: once"
        );
    }
    assert!(!shop.schema().contains("INDEX i "));
}
