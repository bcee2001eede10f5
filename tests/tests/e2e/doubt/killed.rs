//! kill -9 at each gap between two round trips of statements that run alone:
//! the next run completes what was begun, and each took effect once.

use std::process::Stdio;

use tests::workspace::eventually;

use super::SCENE;
use tests::relay::{Relay, Stop};
use tests::service::{Engine, Shop};

/// One statement of each sort that the catalogue is asked about.
fn shop() -> Shop {
    let shop = Shop::new(Engine::Postgres);
    shop.migration(
        "1_scene",
        &format!(
            "{SCENE}CREATE SCHEMA other;\nCREATE TABLE other.marks (n INTEGER);\n\
             CREATE FUNCTION note() RETURNS VOID LANGUAGE sql AS 'INSERT INTO marks VALUES (100)';\n"
        ),
        "SELECT 1;",
    );
    shop.steps(
        "2_alone",
        "CREATE INDEX CONCURRENTLY marks_n ON marks (n);\n\
         CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS marks_word ON marks (lower(word)) WHERE marks.n > 0;\n\
         CREATE INDEX CONCURRENTLY ON marks (word);\n\
         INSERT INTO marks VALUES (9);\n\
         DROP INDEX CONCURRENTLY marks_old;\n\
         REINDEX TABLE CONCURRENTLY marks;\n\
         ALTER TABLE parts DETACH PARTITION parts_1 CONCURRENTLY;\n\
         ALTER TYPE mood ADD VALUE 'b' BEFORE 'z';\n\
         VACUUM marks;\n",
        "SELECT 1;",
    );
    // The same names mean another table in this session.
    shop.steps(
        "3_elsewhere",
        "SET search_path TO other;\nCREATE INDEX CONCURRENTLY marks_n ON marks (n);\nINSERT INTO marks VALUES (1);\n",
        "SELECT 1;",
    );
    shop
}

/// Objects beside the database's own, which all databases share.
fn shop_of_objects() -> Shop {
    let shop = Shop::new(Engine::Postgres);
    let url = shop.postgres().url();
    let name = url.rsplit('/').next().unwrap_or_default();
    let name = name.split('?').next().unwrap_or_default();
    shop.migration("1_scene", SCENE, "SELECT 1;");
    shop.steps(
        "2_objects",
        &format!(
            "SET allow_in_place_tablespaces = on;\n\
             CREATE TABLESPACE \"{name}_t\" LOCATION '';\n\
             DROP TABLESPACE \"{name}_t\";\n\
             CREATE SUBSCRIPTION s CONNECTION 'host=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE);\n\
             DROP SUBSCRIPTION s;\n\
             CREATE DATABASE \"{name}_d\";\n\
             ALTER DATABASE \"{name}_d\" RENAME TO \"{name}_e\";\n\
             DROP DATABASE \"{name}_e\";\n\
             ALTER SYSTEM RESET work_mem;\n"
        ),
        "SELECT 1;",
    );
    shop
}

/// What an undisturbed run leaves.
fn outcome(shop: &Shop) -> (String, Vec<String>, Vec<String>) {
    // The scene is one row older than its end where it was run later.
    let marks = "SELECT concat(n, ' ', word) AS text FROM marks ORDER BY 1";
    (shop.schema(), shop.history(), shop.texts(marks))
}

fn kill(shop: &Shop, relay: &Relay, stop: Stop) {
    relay.begin(Some(stop));
    let mut command = shop.command(&["run"]);
    command.env("SHOP_DATABASE_URL", in_clear(relay));
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts");
    eventually("the conversation stops", || relay.holds());
    child.kill().expect("killed");
    child.wait().expect("gone");
    relay.release();
}

/// So that the relay sees whose turn it is.
fn in_clear(relay: &Relay) -> String {
    format!("{}?sslmode=disable", relay.url())
}

fn killed_everywhere(shop: fn() -> Shop) -> usize {
    let undisturbed = shop();
    let relay = Relay::before(undisturbed.postgres().url());
    relay.begin(None);
    let mut command = undisturbed.command(&["run"]);
    command.env("SHOP_DATABASE_URL", in_clear(&relay));
    undisturbed.workspace.finish(command).ok();
    let trips = relay.trips();
    let oracle = outcome(&undisturbed);
    let mut kills = 0;
    for trip in 1..=trips {
        for stop in [Stop::Unsent(trip), Stop::Unanswered(trip)] {
            let shop = shop();
            let relay = Relay::before(shop.postgres().url());
            kill(&shop, &relay, stop);
            kills += 1;
            let next = shop.run(&["run"]);
            assert_eq!(next.code, Some(0), "{stop:?}: {next:?}");
            assert_eq!(outcome(&shop), oracle, "{stop:?}");
            assert!(shop.texts(super::INVALID).is_empty(), "{stop:?}");
        }
    }
    kills
}

#[test]
fn a_run_of_statements_that_run_alone_is_completed_by_the_next_wherever_it_is_killed() {
    let kills = killed_everywhere(shop);
    assert!(kills >= 2 * 30, "{kills} kills");
    println!("killed a run {kills} times, nothing was left in doubt");
}

#[test]
fn so_is_one_of_objects_that_all_databases_share() {
    let kills = killed_everywhere(shop_of_objects);
    assert!(kills >= 2 * 20, "{kills} kills");
    println!("killed a run {kills} times, nothing was left in doubt");
}
