//! A connection that is cut at each round trip of a run that lives on: before
//! the server hears of it, or after it has done all of it and nobody heard the
//! answer, COMMIT's among them. Each migration is applied and told once.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tests::workspace::{Run, eventually};

use tests::relay::{Relay, Stop};
use tests::service::{Engine, Shop};

const MARKS: &str = "SELECT concat(n, '') AS text FROM marks ORDER BY n";

/// A mark for each way that a statement can be recorded.
fn shop(engine: Engine) -> Shop {
    let shop = Shop::new(engine);
    shop.migration(
        "1_a",
        "CREATE TABLE marks (n INT NOT NULL);\nINSERT INTO marks VALUES (1);",
        "DELETE FROM marks WHERE n = 1;\nDROP TABLE marks;",
    );
    shop.migration(
        "2_b",
        "INSERT INTO marks VALUES (2);\nINSERT INTO marks VALUES (3);\nCREATE TABLE other (n INT);",
        "DROP TABLE other;\nDELETE FROM marks WHERE n IN (2, 3);",
    );
    shop.migration(
        "3_c",
        "ALTER TABLE other ADD COLUMN m INT;\nINSERT INTO marks VALUES (4);",
        "DELETE FROM marks WHERE n = 4;\nALTER TABLE other DROP COLUMN m;",
    );
    shop
}

/// The same with a migration outside transactions, also where they would do.
fn shop_with_steps() -> Shop {
    let shop = shop(Engine::Postgres);
    shop.steps(
        "4_d",
        "CREATE INDEX CONCURRENTLY marks_n ON marks (n);\nINSERT INTO marks VALUES (5);\nCREATE INDEX CONCURRENTLY marks_m ON marks (n);",
        "DROP INDEX marks_m;\nDELETE FROM marks WHERE n = 5;\nDROP INDEX marks_n;",
    );
    shop
}

/// In clear, so that the relay sees whose turn it is.
fn through(shop: &Shop) -> (Relay, String) {
    let (url, clear) = match shop.engine {
        Engine::Mariadb => (shop.mariadb().url(), "ssl-mode=disabled"),
        Engine::Sqlite | Engine::Postgres => (shop.postgres().url(), "sslmode=disable"),
    };
    let relay = Relay::before(url);
    let url = format!("{}?{clear}", relay.url());
    (relay, url)
}

fn command(shop: &Shop, url: &str, args: &[&str]) -> Command {
    let mut command = shop.command(args);
    command
        .args(["--message-format", "json"])
        .env("SHOP_DATABASE_URL", url);
    command
}

fn start(shop: &Shop, url: &str, args: &[&str]) -> Child {
    command(shop, url, args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

fn trips(shop: &Shop, args: &[&str]) -> usize {
    let (relay, url) = through(shop);
    relay.begin(None);
    shop.workspace.finish(command(shop, &url, args)).ok();
    relay.trips()
}

/// How often each migration was told to be done.
fn told(run: &Run) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for line in run.json() {
        if line["reason"] == "migration-applied" || line["reason"] == "migration-reverted" {
            let name = line["migration"].as_str().unwrap_or_default().to_owned();
            *told.entry(name).or_insert(0) += 1;
        }
    }
    told
}

struct Cuts {
    made: usize,
    /// Cuts after which the command had to read what became of a migration.
    survived: usize,
}

/// Cuts `args` at each of its round trips, on both sides.
fn cut_everywhere(make: fn() -> Shop, before: &[&[&str]], args: &[&str]) -> Cuts {
    let prepared = || {
        let shop = make();
        for before in before {
            shop.run(before).ok();
        }
        shop
    };
    let undisturbed = prepared();
    let connecting = trips(&undisturbed, &["wait"]);
    let count = trips(&undisturbed, args);
    let schema = undisturbed.schema();
    let history = undisturbed.history();
    let marks = |shop: &Shop| {
        if history.is_empty() {
            Vec::new()
        } else {
            shop.texts(MARKS)
        }
    };
    let expected = marks(&undisturbed);
    let every = prepared().states().len();

    let mut cuts = Cuts {
        made: 0,
        survived: 0,
    };
    for trip in connecting + 1..=count {
        for stop in [Stop::Unsent(trip), Stop::Unanswered(trip)] {
            let shop = prepared();
            let (relay, url) = through(&shop);
            relay.begin(Some(stop));
            let mut child = start(&shop, &url, args);
            eventually("the conversation stops", || {
                let ended = child.try_wait().expect("a child");
                assert!(ended.is_none(), "it ended before {stop:?}: {ended:?}");
                relay.holds()
            });
            relay.release();
            let run = shop.finish(child);
            assert_eq!(run.code, Some(0), "{stop:?}: {run:?}");
            cuts.made += 1;
            cuts.survived += usize::from(run.stdout.contains("connection lost"));
            let told = told(&run);
            assert_eq!(told.len(), every, "{stop:?}: {told:?}");
            assert!(told.values().all(|&times| times == 1), "{stop:?}: {told:?}");
            let lines = run.json();
            let last = lines.last().expect("a last line");
            let done = last["applied"].as_u64().max(last["reverted"].as_u64());
            assert_eq!(done, Some(every as u64), "{stop:?}: {last}");
            assert_eq!(shop.history(), history, "{stop:?}");
            assert_eq!(marks(&shop), expected, "{stop:?}");
            assert_eq!(shop.schema(), schema, "{stop:?}");
        }
    }
    cuts
}

#[test]
fn a_connection_cut_at_any_round_trip_of_a_run_loses_and_repeats_nothing() {
    let cuts = cut_everywhere(shop_with_steps, &[], &["run"]);
    println!(
        "cut a run on PostgreSQL {} times, {} of them seen",
        cuts.made, cuts.survived
    );
    assert!(cuts.made >= 20, "{}", cuts.made);
    // Giving the lock back at the end needs no answer; the look for a pooler has
    // a connection of its own, which is nobody's loss.
    assert!(cuts.survived >= cuts.made - 12, "{}", cuts.survived);
}

#[test]
fn nor_one_of_a_revert() {
    let args = ["revert", "--to", "zero"];
    let cuts = cut_everywhere(shop_with_steps, &[&["run"]], &args);
    println!("cut a revert on PostgreSQL {} times", cuts.made);
    assert!(cuts.made >= 20, "{}", cuts.made);
}

#[test]
fn nor_one_of_a_single_transaction() {
    let args = ["run", "--single-transaction"];
    let cuts = cut_everywhere(|| shop(Engine::Postgres), &[], &args);
    println!("cut a single transaction {} times", cuts.made);
    assert!(cuts.made >= 12, "{}", cuts.made);
}

#[test]
fn nor_one_on_mariadb() {
    for (before, args) in [
        (&[][..], &["run"][..]),
        (&[&["run"][..]], &["revert", "--to", "zero"]),
    ] {
        let cuts = cut_everywhere(|| shop(Engine::Mariadb), before, args);
        println!("cut {args:?} on MariaDB {} times", cuts.made);
        assert!(cuts.made >= 20, "{}", cuts.made);
    }
}

#[test]
fn a_statement_that_nobody_can_look_up_is_in_doubt_after_a_cut() {
    let make = || {
        let shop = Shop::new(Engine::Mariadb);
        shop.migration(
            "1_a",
            "CREATE TABLE marks (n INT);\nCREATE PROCEDURE mark() INSERT INTO marks VALUES (1);",
            "DROP PROCEDURE mark;\nDROP TABLE marks;",
        );
        shop.run(&["run"]).ok();
        shop.migration("2_b", "SELECT 1;\nCALL mark();", "DELETE FROM marks;");
        shop
    };
    let undisturbed = make();
    let connecting = trips(&undisturbed, &["wait"]);
    let count = trips(&undisturbed, &["run"]);
    let (mut in_doubt, mut done) = (0, 0);
    for trip in connecting + 1..=count {
        for stop in [Stop::Unsent(trip), Stop::Unanswered(trip)] {
            let shop = make();
            let (relay, url) = through(&shop);
            relay.begin(Some(stop));
            let child = start(&shop, &url, &["run"]);
            eventually("the conversation stops", || relay.holds());
            relay.release();
            let run = shop.finish(child);
            match run.code {
                Some(0) => {
                    assert_eq!(shop.texts(MARKS), ["1"], "{stop:?}");
                    assert_eq!(told(&run).get("2_b"), Some(&1), "{stop:?}");
                    done += 1;
                }
                Some(7) => {
                    run.says(&["2_b", "statement 2 of 2 is in doubt", "resolve 2"]);
                    assert!(shop.texts(MARKS).len() <= 1, "{stop:?}");
                    in_doubt += 1;
                }
                code => panic!("{stop:?}: {code:?}: {run:?}"),
            }
        }
    }
    println!("{done} runs went on, {in_doubt} stopped in doubt");
    assert!(done >= 4, "{done}");
}

#[test]
fn whoever_interrupts_a_run_that_looks_for_its_server_is_heard() {
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let shop = shop(engine);
        let (relay, url) = through(&shop);
        let connecting = trips(&shop, &["wait"]);
        relay.begin(Some(Stop::Unsent(connecting + 1)));
        let mut command = shop.command(&["run"]);
        command
            .env("SHOP_DATABASE_URL", &url)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().expect("the command starts");
        eventually("the conversation stops", || relay.holds());
        relay.refuse();
        relay.release();
        eventually("it knocks again", || relay.refused() >= 2);
        let asked = Instant::now();
        let sent = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(sent.expect("kill starts").success());
        let run = shop.finish(child).exits(1);
        // The table's limit: row 7.
        assert!(asked.elapsed() <= Duration::from_secs(5));
        run.says(&[
            "connection lost",
            "interrupted; what is applied is recorded",
        ]);
        shop.run(&["run"]).ok();
        assert_eq!(shop.texts(MARKS), ["1", "2", "3", "4"]);
    }
}
