//! Row 12: the connection is lost at a round trip, before the server has heard
//! of it or before the command hears the answer, that of a COMMIT among them.
//! The runner lives, and finds out by reading what became of it.

use tests::chance::Chance;
use tests::relay::Stop;
use tests::service::{Engine, Shop};
use tests::tally::{Tally, scaled};
use tests::workspace::Run;

use crate::scenario::{Outcome, Scenario, all, gaps, some};

/// Cuts in one scenario.
const GAPS: usize = 20;

/// The round trips of connecting and of the first look: whoever loses these has
/// begun nothing, and may as well say so.
fn before_the_work(scenario: &Scenario) -> usize {
    let shop = scenario.shop();
    let (relay, url) = Scenario::relay(&shop);
    let mut command = shop.command(&["status"]);
    command.env("SHOP_DATABASE_URL", &url);
    shop.workspace.finish(command).ok();
    relay.trips()
}

fn cut_at(scenario: &Scenario, shop: &Shop, stop: Stop) -> Run {
    let held = scenario.start_until(shop, stop);
    held.relay.release();
    shop.finish(held.child)
}

/// Each migration is told once, whoever heard of its end.
#[track_caller]
fn told_once(run: &Run, oracle: &Run, at: &str) {
    let told = |run: &Run| {
        let says = |line: &&str| line.contains("Applied shop") || line.contains("Reverted shop");
        let name = |line: &str| line.split_whitespace().nth(2).map(str::to_owned);
        run.stderr
            .lines()
            .filter(says)
            .map(name)
            .collect::<Vec<_>>()
    };
    assert_eq!(told(run), told(oracle), "{at}: {}", run.stderr);
}

fn cut_at_every_gap(scenario: &Scenario) {
    let mut tally = Tally::new(12, scenario);
    let undisturbed = scenario.shop();
    let ran = undisturbed.run(scenario.args).ok();
    let oracle = Outcome::of(&undisturbed);
    let (first, trips) = (before_the_work(scenario), scenario.trips());
    let mut chance = Chance::of("cut connections");
    let all = gaps(trips, &mut chance);
    for stop in some(&all, scaled(GAPS), &mut chance) {
        let at = format!("{scenario}, cut at {stop:?}");
        let shop = scenario.shop();
        let run = cut_at(scenario, &shop, stop);
        let trip = match stop {
            Stop::Unsent(trip) => {
                tally.add("questions lost");
                trip
            }
            Stop::Unanswered(trip) => {
                tally.add("answers lost");
                trip
            }
        };
        tally.add("cuts");
        if trip <= first && run.code == Some(1) {
            assert!(run.stderr.contains("help"), "{at}: {}", run.stderr);
            scenario.complete(&shop, &mut tally, &at);
        } else if run.code == Some(7) {
            // Nobody can read what became of a call.
            scenario.complete_after(&shop, run, &mut tally, &at);
        } else {
            assert_eq!(run.code, Some(0), "{at}: {}", run.stderr);
            told_once(&run, &ran, &at);
        }
        assert_eq!(Outcome::of(&shop), oracle, "{at}");
    }
    tally.finish("cuts", 10);
}

#[test]
fn what_became_of_a_lost_answer_of_postgresql_is_found_by_reading() {
    all(Engine::Postgres).iter().for_each(cut_at_every_gap);
}

#[test]
fn what_became_of_a_lost_answer_of_mariadb_is_found_by_reading() {
    all(Engine::Mariadb).iter().for_each(cut_at_every_gap);
}
