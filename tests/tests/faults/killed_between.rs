//! Row 4: kill -9 between all round trips of a command, before the server
//! hears of one and before the command hears the answer.

use tests::chance::Chance;
use tests::relay::Stop;
use tests::service::{Engine, Shop};
use tests::tally::{Tally, scaled};

use crate::scenario::{At, Outcome, Scenario, all, gaps};

/// Kills the command when the conversation stops.
fn kill(scenario: &Scenario, shop: &Shop, stop: Stop) {
    let mut held = scenario.start_until(shop, stop);
    held.child.kill().expect("killed");
    held.child.wait().expect("gone");
    held.relay.release();
}

/// Kills the scenario's command at every gap and lets the next one finish.
fn killed_at_every_gap(scenario: &Scenario) {
    let mut tally = Tally::new(4, scenario);
    let (trips, oracle) = (scenario.trips(), scenario.oracle());
    let mut chance = Chance::of(scenario.name);
    for _ in 0..scaled(1) {
        for gap in gaps(trips, &mut chance) {
            let shop = scenario.shop();
            kill(scenario, &shop, gap);
            tally.add("kills between round trips");
            scenario.complete(&shop, &mut tally, &At("killed", gap));
            assert_eq!(Outcome::of(&shop), oracle, "{scenario}, {gap:?}");
        }
    }
    // The connection alone takes some, and then there is the work.
    tally.finish("kills between round trips", 10);
}

#[test]
fn a_command_on_postgresql_killed_at_any_gap_is_completed_by_the_next() {
    let scenarios = all(Engine::Postgres);
    assert!(scenarios.len() >= 5);
    scenarios.iter().for_each(killed_at_every_gap);
}

#[test]
fn a_command_on_mariadb_killed_at_any_gap_is_completed_by_the_next_or_refused_by_name() {
    let scenarios = all(Engine::Mariadb);
    assert!(scenarios.len() >= 2);
    scenarios.iter().for_each(killed_at_every_gap);
}
