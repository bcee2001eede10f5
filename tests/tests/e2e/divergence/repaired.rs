//! `repair`: what it records, and what it refuses.

use tests::workspace::eventually;

use super::{applied, remove};
use tests::service::{ALL, Engine, Shop};

/// One migration that another tool has applied, and one of ours.
fn adopted(engine: Engine) -> Shop {
    let shop = Shop::new(engine);
    shop.run(&["create"]).ok();
    shop.migration("1_a", "CREATE TABLE a (id INTEGER);\n", "DROP TABLE a;\n");
    let mut link = shop.connect();
    link.execute("CREATE TABLE a (id INTEGER)");
    link.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('1')");
    drop(link);
    shop.migration("2_b", "CREATE TABLE b (id INTEGER);\n", "DROP TABLE b;\n");
    shop.run(&["run"]).ok();
    assert_eq!(shop.state("1_a"), "adopted");
    shop
}

#[test]
fn what_another_tool_applied_is_recorded_as_the_file_says() {
    for engine in ALL {
        let shop = adopted(engine);
        let schema = shop.schema();
        shop.run(&["repair", "--record"])
            .ok()
            .says(&["Recorded shop 1_a"]);
        assert_eq!(shop.schema(), schema);
        assert_eq!(shop.state("1_a"), "applied");
        shop.run(&["repair", "--record"])
            .ok()
            .says(&["nothing to record"]);
        shop.run(&["repair", "--record", "1"])
            .exits(1)
            .says(&["1_a is recorded already"]);
        // An edit is seen from now on, and the way back is known.
        shop.file("1_a", "up.sql", "CREATE TABLE a (id BIGINT);\n");
        shop.run(&["run"])
            .exits(4)
            .says(&["-CREATE TABLE a (id INTEGER);"]);
        remove(&shop, "1_a");
        shop.run(&["revert", "--only", "1", "--stored-down", "--yes"])
            .ok()
            .says(&["DROP TABLE a;"]);
        assert_eq!(shop.history(), ["2"]);
    }
}

#[test]
fn one_version_is_recorded_with_who_and_why() {
    for engine in ALL {
        let shop = adopted(engine);
        let arguments = [
            "repair",
            "--record",
            "1",
            "--why",
            "came from 'diesel' \\ 1",
        ];
        let mut json = arguments.to_vec();
        json.extend(["--message-format", "json"]);
        let run = shop.run(&json).ok();
        let repaired = &run.json()[1];
        assert_eq!(repaired["reason"], "migration-repaired");
        assert_eq!(repaired["repair"], "record");
        assert_eq!(repaired["migration"], "1_a");
        shop.run(&["history"])
            .ok()
            .prints(&["repair 1_a", "why: came from 'diesel' \\ 1"]);
    }
}

#[test]
fn what_another_tool_applies_anew_is_not_what_was_recorded() {
    for engine in ALL {
        let shop = adopted(engine);
        shop.run(&["repair", "--record"]).ok();
        let mut link = shop.connect();
        link.execute("DELETE FROM __diesel_schema_migrations WHERE version = '1'");
        link.execute(
            "INSERT INTO __diesel_schema_migrations (version, run_on) VALUES ('1', '2020-01-01 00:00:00')",
        );
        assert_eq!(shop.state("1_a"), "adopted");
    }
}

#[test]
fn an_accepted_edit_brings_its_own_way_back() {
    for engine in ALL {
        let shop = applied(engine);
        shop.file("2_b", "up.sql", "CREATE TABLE better (id INTEGER);\n");
        shop.file("2_b", "down.sql", "DROP TABLE better;\n");
        shop.connect().execute("ALTER TABLE b RENAME TO better");
        let accept = [
            "repair",
            "--accept-edit",
            "2_b",
            "--why",
            "renamed by hand",
            "--yes",
        ];
        shop.run(&accept).ok();
        remove(&shop, "2_b");
        shop.run(&["revert", "--only", "2", "--stored-down", "--yes"])
            .ok()
            .says(&["DROP TABLE better;"]);
        assert_eq!(shop.history(), ["1", "3"]);
    }
}

#[test]
fn a_repair_of_what_is_not_edited_says_what_it_is_instead() {
    for engine in ALL {
        let shop = adopted(engine);
        let up = "CREATE TABLE c (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n";
        shop.steps("3_c", up, "DROP TABLE c;");
        shop.run(&["run"]).exits(1);
        shop.migration("4_d", "CREATE TABLE d (id INTEGER);", "DROP TABLE d;");
        let rows = "SELECT CAST(count(*) AS CHAR(9)) AS text FROM __migrate_journal";
        let before = shop.texts(rows);
        for (version, code, says) in [
            (
                "1",
                1,
                &[
                    "1_a was applied by another tool",
                    "repair --record 1 -p shop",
                ][..],
            ),
            ("2", 1, &["2_b was not edited", "status -p shop"]),
            (
                "3",
                1,
                &["3_c (up) is half applied", "cargo migrate run -p shop"],
            ),
            ("4", 1, &["4_d is not applied", "run -p shop --to 4"]),
            ("9", 2, &["no migration `9`", "status"]),
        ] {
            let accept = ["repair", "--accept-edit", version, "--why", "x", "--yes"];
            shop.run(&accept).exits(code).says(says);
        }
        remove(&shop, "2_b");
        let accept = ["repair", "--accept-edit", "2", "--why", "x", "--yes"];
        shop.run(&accept).exits(1).says(&[
            "2_b is in the database, but not in the catalog",
            "revert -p shop --only 2 --stored-down",
        ]);
        assert_eq!(shop.texts(rows), before);
    }
}

#[test]
fn an_edit_of_comments_can_be_accepted_too() {
    for engine in ALL {
        let shop = applied(engine);
        shop.file(
            "2_b",
            "up.sql",
            "-- Formatted.\nCREATE TABLE b (id INTEGER);\n",
        );
        shop.run(&["run"])
            .ok()
            .says(&["only comments or white space"]);
        let accept = [
            "repair",
            "--accept-edit",
            "2",
            "--why",
            "formatted",
            "--yes",
        ];
        shop.run(&accept).ok();
        let run = shop.run(&["run"]).ok();
        assert!(!run.stderr.contains("comments"), "{}", run.stderr);
    }
}

#[test]
fn a_repair_says_what_and_why() {
    let shop = applied(Engine::Sqlite);
    for line in [
        &["repair"][..],
        &["repair", "--accept-edit", "2"],
        &["repair", "--accept-edit", "2", "--why", " "],
        &["repair", "--accept-edit", "2", "--record", "--why", "x"],
    ] {
        shop.run(line).exits(2);
    }
}

#[test]
fn a_repair_waits_for_the_runner_that_is_at_work() {
    let shop = adopted(Engine::Postgres);
    shop.migration("3_c", "ALTER TABLE a ADD n INTEGER;", "");
    shop.file(
        "3_c",
        "metadata.toml",
        "run_in_transaction = true\nlock_timeout = \"0\"\n",
    );
    let mut application = shop.connect();
    application.execute("BEGIN; LOCK TABLE a");
    let runner = shop.start(&["run"]);
    let waits = "SELECT query AS text FROM pg_stat_activity \
                 WHERE wait_event_type = 'Lock' AND datname = current_database()";
    eventually("the wait for the table", || !shop.texts(waits).is_empty());
    shop.run(&["repair", "--record", "--lock-wait", "0"])
        .exits(6);
    assert_eq!(shop.state("1_a"), "adopted");
    application.execute("COMMIT");
    shop.finish(runner).ok();
    shop.run(&["repair", "--record", "--lock-wait", "10s"]).ok();
    assert_eq!(shop.state("1_a"), "applied");
}
