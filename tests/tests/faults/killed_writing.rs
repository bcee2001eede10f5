//! Row 4 on SQLite, which has no wire: kill -9 before any of the system calls
//! by which it writes, inside of transactions and between them.

use std::os::unix::process::ExitStatusExt;

use tests::chance::Chance;
use tests::service::{Engine, Shop};
use tests::tally::{Tally, scaled};

use crate::scenario::{Outcome, Scenario, all};
use crate::tracer::{Call, calls, signalled_at, some};

/// Kills in one scenario for one run of the suite.
const KILLS: usize = 24;

fn kill(scenario: &Scenario, shop: &Shop, call: Call) {
    let output = signalled_at(shop, scenario.args, call, "KILL")
        .output()
        .expect("strace starts");
    // strace ends as what it traced has ended.
    assert_eq!(output.status.signal(), Some(9), "{scenario}, {call}");
}

fn killed_at_writes(scenario: &Scenario) {
    let mut tally = Tally::new(4, scenario);
    let points = calls(&scenario.shop(), scenario.args);
    tally.note(format!("{} writes", points.len()));
    let oracle = scenario.oracle();
    let mut chance = Chance::of(scenario.name);
    for call in some(&points, scaled(KILLS), &mut chance) {
        let shop = scenario.shop();
        kill(scenario, &shop, call);
        tally.add("kills before writes");
        scenario.complete(&shop, &mut tally, &format_args!("killed before {call}"));
        assert_eq!(Outcome::of(&shop), oracle, "{scenario}, {call}");
        let sound = "SELECT integrity_check AS text FROM pragma_integrity_check";
        assert_eq!(shop.texts(sound), ["ok"], "{scenario}, {call}");
    }
    tally.finish("kills before writes", KILLS);
}

#[test]
fn a_command_on_sqlite_killed_before_any_write_is_completed_by_the_next() {
    let scenarios = all(Engine::Sqlite);
    assert!(scenarios.len() >= 6);
    scenarios.iter().for_each(killed_at_writes);
}
