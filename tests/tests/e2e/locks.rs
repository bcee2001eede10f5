//! The lock while it is held: noticed when it is lost, told to those who wait,
//! and what a run's sessions tell the server so that it is freed in time.

use std::process::Child;

use serde_json::Value;
use tests::workspace::eventually;

use tests::service::{ALL, Engine, Shop};

/// A shop whose first migration outside a transaction loses its session's lock
/// after its first statement.
fn losing(second: &str) -> Shop {
    let shop = Shop::new(Engine::Postgres);
    shop.connect().execute(
        "CREATE TABLE marks (n int);\n\
         CREATE FUNCTION let_go() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_unlock_all()'",
    );
    shop.steps("1_a", &format!("SELECT let_go();\n{second}"), "SELECT 1;");
    shop
}

#[test]
fn a_lock_that_is_lost_while_nobody_takes_it_is_noticed_before_the_next_statement() {
    for (second, effect) in [
        (
            "INSERT INTO marks VALUES (2);",
            "SELECT n::text AS text FROM marks",
        ),
        (
            "CREATE INDEX CONCURRENTLY marks_n ON marks (n);",
            "SELECT relname::text AS text FROM pg_class WHERE relname = 'marks_n'",
        ),
    ] {
        let shop = losing(second);
        shop.run(&["run"])
            .exits(1)
            .says(&["the migration lock was lost", "cargo migrate status"]);
        assert!(shop.texts(effect).is_empty(), "{second}");
        assert!(shop.history().is_empty());
        // The rest, with a lock of its own.
        shop.run(&["run"]).ok();
        assert_eq!(shop.texts(effect).len(), 1, "{second}");
        assert_eq!(shop.history(), ["1"]);
    }
}

#[test]
fn so_it_is_before_a_setting_and_before_the_end() {
    let shop = losing("SET work_mem = '5MB';\nSELECT let_go();");
    for _ in 0..2 {
        shop.run(&["run"]).exits(1).says(&["lock was lost"]);
        assert!(shop.history().is_empty());
    }
    shop.run(&["run"]).ok();
    assert_eq!(shop.history(), ["1"]);
}

/// What a session at work has set, as a migration sees it.
const SEEN: &str = "CREATE TABLE seen AS SELECT name || ' ' || setting AS text FROM pg_settings WHERE name IN \
    ('tcp_user_timeout', 'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count', \
    'client_connection_check_interval', 'idle_in_transaction_session_timeout') \
    UNION ALL SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid();";

#[test]
fn the_servers_sessions_are_named_after_the_run_and_freed_when_it_vanishes() {
    for steps in [false, true] {
        let shop = Shop::new(Engine::Postgres);
        shop.migration("1_a", SEEN, "DROP TABLE seen;");
        if steps {
            shop.file("1_a", "metadata.toml", "run_in_transaction = false\n");
        }
        shop.run(&["run"]).ok();
        let run = shop
            .texts("SELECT run_id AS text FROM __migrate_journal")
            .remove(0);
        assert_eq!(
            shop.texts("SELECT text FROM seen ORDER BY text"),
            [
                &*format!("cargo-migrate shop {run}"),
                "client_connection_check_interval 2000",
                "idle_in_transaction_session_timeout 60000",
                "tcp_keepalives_count 3",
                "tcp_keepalives_idle 10",
                "tcp_keepalives_interval 5",
                "tcp_user_timeout 30000",
            ],
            "steps: {steps}"
        );
    }
    let shop = Shop::new(Engine::Mariadb);
    let seen = "CREATE TABLE seen AS SELECT CAST(@@SESSION.wait_timeout AS CHAR) AS text;";
    shop.migration("1_a", seen, "DROP TABLE seen;");
    shop.run(&["run"]).ok();
    assert_eq!(shop.texts("SELECT text FROM seen"), ["30"]);
}

#[test]
fn a_database_for_reading_only_is_told_on_every_way_to_write() {
    let shop = Shop::new(Engine::Postgres);
    shop.steps(
        "1_a",
        "SELECT 1;\nSELECT 1 / count(*) FROM pg_class WHERE relname = 'door';",
        "SELECT 1;",
    );
    let name = shop.postgres().name().to_owned();
    let read_only = |on: &str| {
        let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}");
        let mut link = shop.connect();
        link.execute("SET default_transaction_read_only = off");
        link.execute(&sql);
    };
    let refused = |args: &[&str]| {
        shop.run(args).exits(1).says(&[
            "the server is read-only",
            "primary",
            "default_transaction_read_only",
        ]);
    };
    read_only("on");
    refused(&["run"]);
    refused(&["create"]);
    read_only("off");
    shop.run(&["run"]).exits(1);
    read_only("on");
    refused(&["run"]);
    refused(&["resolve", "1", "--step", "2", "--retry"]);
    shop.run(&["status"]).ok();
    read_only("off");
    shop.connect().execute("CREATE TABLE door ()");
    shop.run(&["run"]).ok();
    read_only("on");
    refused(&["revert"]);
    assert_eq!(shop.history(), ["1"]);
}

/// A run that waits for `gate`, a transaction of the test's own.
fn at_the_gate(shop: &Shop, gate: &mut tests::service::Link) -> Child {
    gate.execute(match shop.engine {
        Engine::Sqlite => "BEGIN IMMEDIATE",
        Engine::Postgres => "BEGIN; LOCK TABLE marks IN EXCLUSIVE MODE",
        Engine::Mariadb => "BEGIN; SELECT n FROM marks FOR UPDATE",
    });
    let child = shop.start(&["run"]);
    eventually("it is at work", || {
        match shop.engine {
        Engine::Sqlite => std::fs::read_to_string(shop.workspace.path("shop.db.migrate-lock"))
            .is_ok_and(|text| text.contains(&child.id().to_string())),
        Engine::Postgres => !shop
            .texts("SELECT pid::text AS text FROM pg_locks WHERE NOT granted AND relation = 'marks'::regclass")
            .is_empty(),
        Engine::Mariadb => !shop
            .texts(
                "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST \
                 WHERE DB = DATABASE() AND INFO LIKE '%INSERT INTO marks%' AND ID <> CONNECTION_ID()",
            )
            .is_empty(),
    }
    });
    child
}

#[test]
fn who_waits_is_told_for_whom_and_since_when() {
    for (engine, steps) in ALL
        .map(|engine| (engine, false))
        .into_iter()
        .chain([(Engine::Postgres, true)])
    {
        let shop = Shop::with(engine, "lock-timeout = \"0\"");
        shop.migration(
            "1_a",
            "CREATE TABLE marks (n INTEGER);\nINSERT INTO marks VALUES (1);",
            "DROP TABLE marks;",
        );
        shop.run(&["run"]).ok();
        shop.migration(
            "2_b",
            "INSERT INTO marks VALUES (2);",
            "DELETE FROM marks WHERE n = 2;",
        );
        if steps {
            shop.file("2_b", "metadata.toml", "run_in_transaction = false\n");
        }
        let mut gate = shop.connect();
        let child = at_the_gate(&shop, &mut gate);
        let told = shop
            .run(&["run", "--lock-wait", "2500ms", "--message-format", "json"])
            .exits(6);
        let lines = told.json();
        let waiting: Vec<&Value> = lines
            .iter()
            .filter(|line| line["reason"] == "waiting")
            .collect();
        assert!(!waiting.is_empty(), "{engine}: {lines:?}");
        let holder = waiting[0]["holder"].as_str().unwrap_or_default();
        assert!(
            waiting[0]["waited_us"].as_u64() >= Some(1_000_000),
            "{waiting:?}"
        );

        let expected: &[&str] = match (engine, steps) {
            (Engine::Sqlite, _) => &["shop, pid ", "@", "since "],
            (Engine::Postgres, false) => &["cargo-migrate shop ", ", pid ", "since "],
            (Engine::Postgres, true) => &["cargo-migrate shop ", ", pid ", "@", "since "],
            (Engine::Mariadb, _) => &["connection ", "@", "since "],
        };
        for text in expected {
            assert!(
                holder.contains(text),
                "{engine} {steps}: {text} in {holder}"
            );
        }
        gate.execute("COMMIT");
        shop.finish(child).ok();
        assert_eq!(shop.history(), ["1", "2"]);
    }
}

#[test]
fn create_and_resolve_wait_as_long_as_they_are_told() {
    for engine in ALL {
        let shop = Shop::with(engine, "lock-timeout = \"0\"");
        shop.migration(
            "1_a",
            "CREATE TABLE marks (n INTEGER);\nINSERT INTO marks VALUES (1);",
            "DROP TABLE marks;",
        );
        shop.run(&["run"]).ok();
        shop.migration(
            "2_b",
            "INSERT INTO marks VALUES (2);",
            "DELETE FROM marks WHERE n = 2;",
        );
        let mut gate = shop.connect();
        let child = at_the_gate(&shop, &mut gate);
        let busy = ["another runner holds the migration lock", "--lock-wait"];
        shop.run(&["resolve", "1", "--step", "1", "--done", "--lock-wait", "0s"])
            .exits(6)
            .says(&busy);
        // On the others the tables are there, and so there is nothing to do.
        if engine == Engine::Sqlite {
            shop.run(&["create", "--lock-wait", "100ms"])
                .exits(6)
                .says(&busy);
        }
        gate.execute("COMMIT");
        shop.finish(child).ok();
    }
}
