//! Several runners at once that do more than run everything, which the fault
//! suite has: each migration runs once, and nobody fails.

use std::process::Child;

use tests::workspace::eventually;

use tests::service::{ALL, Engine, Shop, TRANSACTIONAL};

const RUNNERS: usize = 16;
const MIGRATIONS: usize = 12;

/// Migrations that each leave one mark; without any key, so that a second run
/// of one would show.
fn marking(shop: &Shop) {
    shop.migration(
        "00_marks",
        "CREATE TABLE marks (n INTEGER NOT NULL);\nINSERT INTO marks VALUES (0);",
        "DROP TABLE marks;",
    );
    for n in 1..MIGRATIONS {
        shop.migration(
            &format!("{n:02}_mark"),
            &format!(
                "INSERT INTO marks VALUES ({n});\nCREATE TABLE t{n} (id INTEGER PRIMARY KEY);"
            ),
            &format!("DROP TABLE t{n};\nDELETE FROM marks WHERE n = {n};"),
        );
    }
}

/// Starts all before it waits for any.
fn race(shop: &Shop, runners: usize, args: &[&str]) -> Vec<String> {
    let children: Vec<Child> = (0..runners).map(|_| shop.start(args)).collect();
    children
        .into_iter()
        .map(|child| shop.finish(child).ok().stderr)
        .collect()
}

#[track_caller]
fn each_ran_once(shop: &Shop) {
    let marks = shop.texts("SELECT concat(n, '') AS text FROM marks ORDER BY n");
    let expected: Vec<String> = (0..MIGRATIONS).map(|n| n.to_string()).collect();
    assert_eq!(marks, expected);
    assert_eq!(shop.history().len(), MIGRATIONS);
    let done = shop.texts("SELECT version AS text FROM __migrate_journal WHERE state = 'done' AND direction = 'up' ORDER BY version");
    assert_eq!(done, shop.history());
    let others = shop.texts("SELECT version AS text FROM __migrate_journal WHERE state <> 'done'");
    assert!(others.is_empty(), "{others:?}");
    shop.run(&["status", "--exit-code"]).ok();
}

#[test]
fn sixteen_runners_in_single_transactions_apply_each_migration_once() {
    for engine in TRANSACTIONAL {
        let shop = Shop::new(engine);
        marking(&shop);
        race(&shop, RUNNERS, &["run", "--single-transaction"]);
        each_ran_once(&shop);
    }
}

#[test]
fn eight_runners_revert_everything_once() {
    for engine in ALL {
        let shop = Shop::new(engine);
        marking(&shop);
        shop.run(&["run"]).ok();
        let said = race(&shop, 8, &["revert", "--to", "zero"]);
        assert!(shop.history().is_empty());
        let reverted: usize = said
            .iter()
            .map(|said| said.matches("Reverted shop").count())
            .sum();
        assert_eq!(reverted, MIGRATIONS);
        assert!(!shop.schema().contains("marks"));
    }
}

#[test]
fn a_count_means_the_same_migrations_whoever_runs_them() {
    for engine in ALL {
        let shop = Shop::new(engine);
        marking(&shop);
        race(&shop, 8, &["run", "--to", "05"]);
        assert_eq!(shop.history().len(), 6);
    }
}

#[test]
fn a_runner_that_waited_long_enough_says_for_whom() {
    for engine in ALL {
        let shop = Shop::with(engine, "lock-timeout = \"0\"");
        marking(&shop);
        shop.run(&["run", "--to", "03"]).ok();
        // The next migration waits for the test's own transaction.
        let mut gate = shop.connect();
        gate.execute(match engine {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN; LOCK TABLE marks IN EXCLUSIVE MODE",
            Engine::Mariadb => "BEGIN; SELECT n FROM marks FOR UPDATE",
        });
        let first = shop.start(&["run"]);
        let at_work = |shop: &Shop| {
            match engine {
            Engine::Sqlite => std::fs::read_to_string(shop.workspace.path("shop.db.migrate-lock"))
                .is_ok_and(|text| text.contains(&first.id().to_string())),
            Engine::Postgres => !shop
                .texts("SELECT pid::text AS text FROM pg_locks WHERE NOT granted AND relation = 'marks'::regclass")
                .is_empty(),
            Engine::Mariadb => !shop
                .texts(
                    "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST \
                     WHERE DB = DATABASE() AND INFO LIKE 'INSERT INTO marks%'",
                )
                .is_empty(),
        }
        };
        eventually("the first is at work", || at_work(&shop));
        shop.run(&["run", "--lock-wait", "1s"]).exits(6).says(&[
            "another runner holds the migration lock",
            match engine {
                Engine::Sqlite | Engine::Postgres => "pid",
                Engine::Mariadb => "connection",
            },
            "--lock-wait",
        ]);
        shop.run(&["status"]).ok();
        gate.execute("COMMIT");
        shop.finish(first).ok();
        each_ran_once(&shop);
    }
}

#[test]
fn runners_of_two_services_do_not_wait_for_each_other() {
    // The key covers the history table: another one's holder is no matter.
    let shop = Shop::new(Engine::Postgres);
    marking(&shop);
    let mut other = shop.connect();
    other.execute("SELECT pg_advisory_lock(42)");
    shop.run(&["run", "--lock-wait", "0"]).ok();
    each_ran_once(&shop);
}
