//! The server killed while a command talks to it, and started again on what
//! its disk holds: the command goes on by itself or gives up, and the next one
//! completes, or stops with `resolve`.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Stdio;

use tests::chance::Chance;
use tests::relay::Stop;
use tests::service::{Engine, Shop};
use tests::tally::{Tally, scaled};
use tests::workspace::eventually;

use crate::own_server::OwnServer;
use crate::scenario::{Held, Outcome, Scenario, all};

const POINTS: usize = 36;

/// When the server is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Before a request, or after all of it and before its answer.
    At(Stop),
    /// Somewhere within the server's work for this round trip.
    Within(usize),
}

/// Who is left of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The command has lost its server.
    Command,
    /// The machine with both was lost.
    Nobody,
}

struct Point {
    scenario: Scenario,
    moment: Moment,
    left: Left,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, left: {:?}", self.moment, self.left)
    }
}

/// Some points of each scenario, at random among all that there are.
fn points(engine: Engine) -> Vec<Point> {
    let mut chance = Chance::of(&format!("kill {engine}"));
    let scenarios: Vec<(Scenario, usize)> = all(engine)
        .into_iter()
        .map(|scenario| (scenario, scenario.trips()))
        .collect();
    (0..scaled(POINTS))
        .map(|n| {
            // Each in its turn, so that none is left out.
            let (scenario, trips) = scenarios[n % scenarios.len()];
            let trip = 1 + usize::try_from(chance.below(trips as u64)).expect("a small number");
            let moment = match chance.below(3) {
                0 => Moment::At(Stop::Unsent(trip)),
                1 => Moment::At(Stop::Unanswered(trip)),
                _ => Moment::Within(trip),
            };
            let left = match chance.below(2) {
                0 => Left::Command,
                _ => Left::Nobody,
            };
            Point {
                scenario,
                moment,
                left,
            }
        })
        .collect()
}

/// The scenario's database on our own server.
fn shop(scenario: &Scenario, server: &OwnServer) -> Shop {
    let shop = Shop::at(scenario.engine, &server.url(), scenario.metadata);
    (scenario.set)(&shop);
    if !scenario.before.is_empty() {
        shop.run(scenario.before).ok();
    }
    shop
}

/// Starts the command and comes back at the moment.
fn start(point: &Point, shop: &Shop) -> Held {
    let trip = match point.moment {
        Moment::At(stop) => return point.scenario.start_until(shop, stop),
        Moment::Within(trip) => trip,
    };
    let (relay, url) = Scenario::relay(shop);
    relay.begin(None);
    let child = shop
        .command(point.scenario.args)
        .env("SHOP_DATABASE_URL", &url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    eventually("the command has got that far", || relay.trips() + 1 >= trip);
    Held { child, relay }
}

fn killed(engine: Engine) {
    let mut tally = Tally::new(6, engine);
    let mut server = OwnServer::start(engine);
    let mut oracles = BTreeMap::new();
    for point in points(engine) {
        let scenario = point.scenario;
        let oracle = oracles
            .entry(scenario.name)
            .or_insert_with(|| scenario.oracle());
        let shop = shop(&scenario, &server);
        let mut held = start(&point, &shop);
        if point.left == Left::Nobody {
            held.child.kill().expect("killed");
        }
        server.kill();
        tally.add("kills");
        held.relay.release();
        server.restart();
        let run = shop.finish(held.child);
        match run.code {
            Some(0 | 7) => {
                tally.add("commands that went on by themselves");
                scenario.complete_after(&shop, run, &mut tally, &point);
            }
            Some(1) => {
                tally.add("commands that gave up");
                run.says(&["help: "]);
                scenario.complete(&shop, &mut tally, &point);
            }
            None => {
                assert_eq!(point.left, Left::Nobody, "{scenario}, {point}");
                tally.add("commands lost with it");
                scenario.complete(&shop, &mut tally, &point);
            }
            Some(code) => panic!("{scenario}, {point}: {code}\n{}", run.stderr),
        }
        assert_eq!(&Outcome::of(&shop), oracle, "{scenario}, {point}");
    }
    tally.finish("kills", scaled(POINTS));
}

#[test]
fn a_killed_postgresql_loses_nothing_and_repeats_nothing() {
    killed(Engine::Postgres);
}

#[test]
fn a_killed_mariadb_loses_nothing_and_repeats_nothing() {
    killed(Engine::Mariadb);
}
