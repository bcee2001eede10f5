//! What is told of a half-applied migration: that its file was edited, and
//! what a person settles of it.

use tests::workspace::eventually;

use tests::service::{ALL, Engine, Shop};

/// Three statements, of which the last fails.
fn stopped_at_three(engine: Engine) -> Shop {
    let shop = Shop::new(engine);
    shop.steps("1_a", &three(1, "wrong"), "DROP TABLE marks;");
    shop.run(&["run"]).exits(1).says(&["statement 3 of 3"]);
    shop
}

fn three(second: u32, third: &str) -> String {
    format!(
        "CREATE TABLE marks (n INTEGER NOT NULL);\nINSERT INTO marks VALUES ({second});\nINSERT INTO {third} VALUES (3);\n"
    )
}

#[test]
fn an_edit_of_what_is_half_applied_is_told_before_anything_runs() {
    for engine in ALL {
        let shop = stopped_at_three(engine);
        shop.file("1_a", "up.sql", &three(2, "marks"));
        assert_eq!(shop.state("1_a"), "edited", "{engine}");
        shop.run(&["status", "--exit-code"])
            .exits(4)
            .prints(&["edited while half-applied, statement 2 of 3"]);
        for args in [&["plan"][..], &["run", "--dry-run"], &["run"]] {
            shop.run(args).exits(4).says(&[
                "1_a (up) was edited while half applied: statement 2 of 3",
                "up.sql:2:1",
                "put statement 2 back as it was",
            ]);
        }
        shop.run(&["revert"]).exits(4);
        // A statement less is an edit, too.
        shop.file("1_a", "up.sql", "CREATE TABLE marks (n INTEGER NOT NULL);");
        shop.run(&["plan"]).exits(4).says(&["statement 2 of 3"]);
        // What has not run yet may change.
        shop.file("1_a", "up.sql", &three(1, "marks"));
        assert_eq!(shop.state("1_a"), "half-applied", "{engine}");
        shop.run(&["run"]).ok();
        shop.run(&["status", "--exit-code"]).ok();
    }
}

#[test]
fn so_is_one_of_what_is_half_reverted() {
    for engine in ALL {
        let shop = Shop::new(engine);
        let down = |first: u32, second: &str| {
            format!("INSERT INTO marks VALUES ({first});\nDELETE FROM {second};\n")
        };
        shop.steps(
            "1_a",
            "CREATE TABLE marks (n INTEGER NOT NULL);",
            &down(1, "wrong"),
        );
        shop.run(&["run"]).ok();
        shop.run(&["revert"]).exits(1);
        shop.file("1_a", "down.sql", &down(2, "marks"));
        shop.run(&["revert", "--dry-run"])
            .exits(4)
            .says(&["1_a (down) was edited while half applied: statement 1 of 2"]);
        shop.run(&["status", "--exit-code"])
            .exits(4)
            .prints(&["edited while half-applied, statement 1 of 2"]);
        shop.file("1_a", "down.sql", &down(1, "marks"));
        shop.run(&["revert"]).ok();
    }
}

/// A runner that was killed while its last statement, which nobody can look
/// up, ran.
fn last_in_doubt() -> Shop {
    let shop = shop_of_a_block();
    super::killed_while_it_runs(&shop, "DO ", "SELECT * FROM marks");
    shop
}

fn shop_of_a_block() -> Shop {
    let shop = Shop::new(Engine::Postgres);
    shop.migration(
        "1_a",
        "CREATE TABLE marks (n INTEGER NOT NULL);",
        "SELECT 1;",
    );
    shop.run(&["run"]).ok();
    shop.steps(
        "2_b",
        "INSERT INTO marks VALUES (1);\nDO $$ BEGIN COMMIT; SET LOCAL lock_timeout = 0; LOCK TABLE marks; INSERT INTO marks VALUES (2); END $$;\n",
        "SELECT 1;",
    );
    shop
}

fn marks(shop: &Shop) -> Vec<String> {
    shop.texts("SELECT n::text AS text FROM marks ORDER BY n")
}

#[test]
fn who_settled_a_statement_and_why_is_in_the_journal() {
    for (how, expected) in [("done", &["1"][..]), ("retry", &["1", "2"])] {
        let shop = last_in_doubt();
        shop.run(&["run"]).exits(7);
        shop.run(&["resolve", "2", "--step", "2", "--done", "--why", " "])
            .exits(2);
        let flag = format!("--{how}");
        let resolve = ["resolve", "2", "--step", "2", &flag, "--why", "I've looked"];
        let run = shop.run(&[&resolve[..], &["--message-format", "json"]].concat());
        let lines = run.ok().json();
        let line = lines
            .iter()
            .find(|line| line["reason"] == "statement-resolved")
            .unwrap_or_else(|| panic!("{lines:?}"));
        assert_eq!(line["service"], "shop");
        assert_eq!(line["migration"], "2_b");
        assert_eq!(line["version"], "2");
        assert_eq!(line["statement"], 2);
        assert_eq!(line["resolution"], how);
        assert_eq!(line["why"], "I've looked");
        // What is settled is settled.
        shop.run(&resolve)
            .exits(1)
            .says(&["statement 2 is not in doubt", "none is in doubt"]);
        // Of the last statement only the end is left to record.
        shop.run(&["run"]).ok();
        assert_eq!(marks(&shop), expected, "{how}");
        assert_eq!(shop.history(), ["1", "2"]);
        assert_eq!(shop.state("2_b"), "applied");
        let settled = format!("statement 2 settled as {how} by ");
        shop.run(&["history"])
            .ok()
            .prints(&[&settled, ": I've looked"]);
        let history = shop.run(&["history", "--message-format", "json"]).ok();
        let why = history.json().iter().find_map(|line| {
            let why = line["why"].as_str()?;
            (line["version"] == "2").then(|| why.to_owned())
        });
        assert!(why.is_some_and(|why| why.starts_with(&settled)));
    }
}

#[test]
fn resolving_what_is_not_in_doubt_says_what_is() {
    let shop = last_in_doubt();
    let resolve = |version: &str, step: &str| {
        shop.run(&["resolve", version, "--step", step, "--done"])
            .exits(1)
    };
    resolve("2", "1").says(&["statement 1 is not in doubt, but statement 2 of 2 is"]);
    resolve("2", "9").says(&["statement 9 is not in doubt, but statement 2 of 2 is"]);
    resolve("1", "1").says(&["migration 1: statement 1 is not in doubt: it is applied"]);
    shop.run(&["resolve", "7", "--step", "1", "--done"])
        .exits(2)
        .says(&["no migration `7`"]);
    assert_eq!(shop.state("2_b"), "in-doubt");
}

#[test]
#[cfg(unix)]
fn resolving_heeds_a_signal() {
    let shop = shop_of_a_block();
    let (mut holder, mut watch) = (shop.connect(), shop.connect());
    holder.execute("BEGIN; SELECT * FROM marks");
    let runner = shop.start(&["run"]);
    let doing = |what: &str| {
        format!(
            "SELECT pid::text AS text FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
             AND query LIKE '{what}' AND datname = current_database()"
        )
    };
    let blocked = format!("{} AND wait_event_type = 'Lock'", doing("DO %"));
    eventually("the block waits", || !watch.texts(&blocked).is_empty());
    // It looks in doubt, and is at work: the lock is its runner's.
    let child = shop.start(&["resolve", "2", "--step", "2", "--done"]);
    let tries = doing("%pg_try_advisory_lock%");
    eventually("resolve asks for the lock", || {
        !watch.texts(&tries).is_empty()
    });
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(killed.expect("a signal").success());
    shop.finish(child).exits(1).says(&["nothing was settled"]);
    holder.execute("COMMIT");
    shop.finish(runner).ok();
    assert_eq!(marks(&shop), ["1", "2"]);
}
