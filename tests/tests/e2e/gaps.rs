//! kill -9 at each gap between two round trips of a run on MariaDB, where no
//! transaction protects: the next run completes what was begun, or stops and
//! names the statement in doubt. The oracle is an undisturbed run.

use std::collections::BTreeMap;

use tests::workspace::eventually;

use tests::relay::{Relay, Stop};
use tests::service::{Engine, Shop};

/// What the statements leave behind, each exactly once.
const MARKS: &str = "SELECT CAST(n AS CHAR) AS text FROM marks ORDER BY n";

/// A statement of every sort: DDL of each kind that is looked up, rows that
/// share a transaction with their record, and a call that nobody can look up.
fn shop() -> Shop {
    let shop = Shop::new(Engine::Mariadb);
    shop.migration(
        "1_marks",
        "CREATE TABLE marks (n INT NOT NULL, note VARCHAR(20));\nINSERT INTO marks (n) VALUES (1);\n",
        "DELETE FROM marks WHERE n = 1;\nDROP TABLE marks;\n",
    );
    shop.migration(
        "2_mixed",
        "ALTER TABLE marks ADD COLUMN kind VARCHAR(20) NOT NULL DEFAULT 'plain';\n\
         INSERT INTO marks (n) VALUES (2);\n\
         INSERT INTO marks (n) VALUES (3);\n\
         CREATE INDEX marks_kind ON marks (kind);\n\
         DELIMITER //\n\
         CREATE PROCEDURE mark(IN number INT)\nBEGIN\n  INSERT INTO marks (n) VALUES (number);\nEND //\n\
         DELIMITER ;\n\
         CREATE TRIGGER noted BEFORE INSERT ON marks FOR EACH ROW SET NEW.note = 'seen';\n\
         CREATE VIEW all_marks AS SELECT n FROM marks;\n",
        "DROP VIEW all_marks;\nDROP TRIGGER noted;\nDROP PROCEDURE mark;\nDROP INDEX marks_kind ON marks;\n\
         DELETE FROM marks WHERE n IN (2, 3);\nALTER TABLE marks DROP COLUMN kind;\n",
    );
    shop.migration(
        "3_call",
        "CALL mark(4);\nINSERT INTO marks (n) VALUES (5);\n",
        "DELETE FROM marks WHERE n IN (4, 5);\n",
    );
    shop
}

/// What an undisturbed command leaves.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    schema: String,
    history: Vec<String>,
    marks: Vec<String>,
}

fn outcome(shop: &Shop) -> Outcome {
    let history = shop.history();
    Outcome {
        schema: shop.schema(),
        marks: if history.is_empty() {
            Vec::new()
        } else {
            shop.texts(MARKS)
        },
        history,
    }
}

/// Kills the command when the conversation stops.
fn kill(shop: &Shop, relay: &Relay, args: &[&str], stop: Stop) {
    relay.begin(Some(stop));
    let mut command = shop.command(args);
    command.env("SHOP_DATABASE_URL", relay.url());
    let mut child = command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the command starts");
    eventually("the conversation stops", || relay.holds());
    child.kill().expect("killed");
    child.wait().expect("gone");
    relay.release();
}

/// Kills `args` at every gap and lets the next one finish; how often it had to
/// be told what became of which statement.
fn killed_everywhere(args: &[&str], prepare: &[&[&str]]) -> (usize, BTreeMap<String, usize>) {
    let undisturbed = shop();
    for before in prepare {
        undisturbed.run(before).ok();
    }
    let relay = Relay::before(undisturbed.mariadb().url());
    relay.begin(None);
    let mut command = undisturbed.command(args);
    command.env("SHOP_DATABASE_URL", relay.url());
    undisturbed.workspace.finish(command).ok();
    let trips = relay.trips();
    let oracle = outcome(&undisturbed);

    let mut kills = 0;
    let mut in_doubt = BTreeMap::new();
    for trip in 1..=trips {
        for stop in [Stop::Unsent(trip), Stop::Unanswered(trip)] {
            let shop = shop();
            for before in prepare {
                shop.run(before).ok();
            }
            let relay = Relay::before(shop.mariadb().url());
            kill(&shop, &relay, args, stop);
            kills += 1;
            let next = shop.run(args);
            if next.code == Some(7) {
                let called = shop.texts(MARKS).contains(&"4".to_owned());
                next.says(&[
                    "3_call",
                    "statement 1 of 2 is in doubt",
                    "cargo migrate resolve 3",
                ]);
                let how = if called { "--done" } else { "--retry" };
                shop.run(&["resolve", "3", "--step", "1", how]).ok();
                shop.run(args).ok();
                *in_doubt.entry(how.to_owned()).or_insert(0) += 1;
            } else {
                assert_eq!(next.code, Some(0), "{stop:?}: {next:?}");
            }
            assert_eq!(outcome(&shop), oracle, "{stop:?}");
        }
    }
    (kills, in_doubt)
}

#[test]
fn a_run_killed_at_any_gap_is_completed_by_the_next_or_refused_by_name() {
    let (kills, in_doubt) = killed_everywhere(&["run"], &[]);
    // Round trips of the connection, of reading and the lock, and of eleven
    // statements with what surrounds three migrations.
    assert!(kills >= 2 * 30, "{kills} kills");
    // The call alone cannot be looked up: sent or not, answered or not.
    assert!(in_doubt.contains_key("--done"), "{in_doubt:?}");
    println!("killed a run {kills} times, {in_doubt:?} statements in doubt");
}

#[test]
fn so_is_a_revert() {
    let (kills, in_doubt) = killed_everywhere(&["revert", "--to", "zero"], &[&["run"]]);
    assert!(kills >= 2 * 30, "{kills} kills");
    assert!(in_doubt.is_empty(), "{in_doubt:?}");
    println!("killed a revert {kills} times");
}
