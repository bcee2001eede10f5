//! Row 7: SIGINT and SIGTERM wherever a runner may be. It ends within five
//! seconds, what is applied is recorded, and nothing is left in doubt, unless
//! the server could not be asked.

use std::io::Read;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use tests::chance::Chance;
use tests::relay::Stop;
use tests::service::{Engine, Shop};
use tests::tally::{Tally, scaled};

use crate::gates::{Oracles, somewhere};
use crate::process::{ends_in_time, send};
use crate::scenario::{At, Outcome, Scenario, all, gaps, some};
use crate::tracer::{calls, signalled_at};

/// What a run that stopped in good order says.
const TOLD: &str = "interrupted; what is applied is recorded";

/// Signals between round trips in one scenario.
const GAPS: usize = 14;

/// Signals inside of batches on one server.
const INSIDE: usize = 18;

/// Silent servers for one run of the suite: each takes all of the time.
const SILENT: usize = 8;

/// Signals before writes in one scenario of SQLite.
const WRITES: usize = 12;

/// One as often as the other.
fn one_of_both(chance: &mut Chance) -> &'static str {
    ["INT", "TERM"][usize::from(chance.below(2) == 1)]
}

/// Expects the end in time, and that it is told unless all was done already.
#[track_caller]
fn ends_and_tells(mut child: Child, since: Instant, at: &str) -> Duration {
    let (status, took) = ends_in_time(&mut child, since);
    let mut said = String::new();
    let errors = child.stderr.as_mut().expect("piped");
    errors.read_to_string(&mut said).expect("text");
    match status.code() {
        Some(0) => {}
        Some(1) => assert!(said.contains(TOLD), "{at}: {said}"),
        _ => panic!("{at}: {status}: {said}"),
    }
    took
}

/// On MariaDB a cancelled statement may have been done: that is looked up by
/// the next run, and no person is asked.
#[track_caller]
fn nothing_is_in_doubt(shop: &Shop, at: &str) {
    let states = shop.states();
    let recorded = |state: &str| match state {
        "applied" | "pending" | "half-applied" => true,
        "in-doubt" => shop.engine == Engine::Mariadb,
        _ => false,
    };
    assert!(
        states.iter().all(|(_, state)| recorded(state)),
        "{at}: {states:?}"
    );
}

fn worst(tally: &mut Tally, took: &[Duration]) {
    let worst = took.iter().max().copied().unwrap_or_default();
    tally.note(format!("{} ms at worst", worst.as_millis()));
}

/// The server answers as ever; the signal comes at a gap.
fn signalled_at_every_gap(scenario: &Scenario) {
    let mut tally = Tally::new(7, scenario);
    let (trips, oracle) = (scenario.trips(), scenario.oracle());
    let mut chance = Chance::of(scenario.name);
    let mut took = Vec::new();
    let all = gaps(trips, &mut chance);
    for gap in some(&all, scaled(GAPS), &mut chance) {
        let shop = scenario.shop();
        let held = scenario.start_until(&shop, gap);
        let name = one_of_both(&mut chance);
        let since = Instant::now();
        send(name, held.child.id());
        held.relay.resume();
        tally.add("signals between round trips");
        let at = format!("{scenario}, {name} at {gap:?}");
        took.push(ends_and_tells(held.child, since, &at));
        nothing_is_in_doubt(&shop, &at);
        scenario.complete(&shop, &mut tally, &at);
        assert_eq!(Outcome::of(&shop), oracle, "{at}");
    }
    assert_eq!(tally.count("resolves"), 0, "nothing was left in doubt");
    worst(&mut tally, &took);
    tally.finish("signals between round trips", 10);
}

#[test]
fn a_signal_at_any_gap_on_postgresql_ends_a_command_in_good_order() {
    all(Engine::Postgres)
        .iter()
        .for_each(signalled_at_every_gap);
}

#[test]
fn a_signal_at_any_gap_on_mariadb_ends_a_command_in_good_order() {
    all(Engine::Mariadb).iter().for_each(signalled_at_every_gap);
}

/// The statement waits and goes on waiting: it is cancelled.
fn signalled_inside(engine: Engine) {
    let mut tally = Tally::new(7, format_args!("{engine}, inside of batches"));
    let mut chance = Chance::of("signals inside");
    let mut took = Vec::new();
    let mut oracles = Oracles::default();
    for inside in somewhere(engine, scaled(INSIDE), &mut chance) {
        let mut gated = inside.closed();
        let (child, _) = gated.start(&inside);
        let name = one_of_both(&mut chance);
        let since = Instant::now();
        send(name, child.id());
        tally.add("signals inside");
        let at = format!("{inside}, {name}");
        took.push(ends_and_tells(child, since, &at));
        assert!(gated.waiting().is_empty(), "{at}: not cancelled");
        gated.open();
        inside.scenario.complete(&gated.shop, &mut tally, &at);
        assert_eq!(Outcome::of(&gated.shop), *oracles.of(&inside), "{at}");
    }
    worst(&mut tally, &took);
    tally.finish("signals inside", 10);
}

#[test]
fn a_signal_inside_of_a_batch_on_postgresql_cancels_it() {
    signalled_inside(Engine::Postgres);
}

#[test]
fn a_signal_inside_of_a_statement_on_mariadb_cancels_it() {
    signalled_inside(Engine::Mariadb);
}

/// A server that says nothing any more, not even to who wants to cancel.
fn signalled_before_a_silent_server(engine: Engine) {
    let mut tally = Tally::new(7, format_args!("{engine}, of which nothing is heard"));
    let mut chance = Chance::of("silent servers");
    let scenarios = all(engine);
    let mut points: Vec<(Scenario, Stop)> = Vec::new();
    while points.len() < scaled(SILENT) {
        let scenario = scenarios[points.len() % scenarios.len()];
        let gaps = gaps(scenario.trips(), &mut chance);
        let at = usize::try_from(chance.below(gaps.len() as u64)).expect("an index");
        points.push((scenario, gaps[at]));
    }
    // They only wait: all at once.
    let silent = |(scenario, stop): (Scenario, Stop)| {
        let shop = scenario.shop();
        let mut held = scenario.start_until(&shop, stop);
        let since = Instant::now();
        send("TERM", held.child.id());
        let (status, took) = ends_in_time(&mut held.child, since);
        assert_eq!(status.code(), Some(1), "{scenario}, {stop:?}");
        held.relay.release();
        (scenario, stop, shop, took)
    };
    let ended: Vec<_> = thread::scope(|scope| {
        let waiting: Vec<_> = points
            .into_iter()
            .map(|point| scope.spawn(move || silent(point)))
            .collect();
        waiting
            .into_iter()
            .map(|one| one.join().expect("no panic"))
            .collect()
    });
    let mut took = Vec::new();
    for (scenario, stop, shop, time) in ended {
        tally.add("signals");
        took.push(time);
        scenario.complete(&shop, &mut tally, &At("signalled", stop));
        assert_eq!(
            Outcome::of(&shop),
            scenario.oracle(),
            "{scenario}, {stop:?}"
        );
    }
    worst(&mut tally, &took);
    tally.finish("signals", SILENT);
}

#[test]
fn a_signal_ends_a_command_whose_server_is_silent() {
    signalled_before_a_silent_server(Engine::Postgres);
    signalled_before_a_silent_server(Engine::Mariadb);
}

fn signalled_at_writes(scenario: &Scenario) {
    let mut tally = Tally::new(7, scenario);
    let points = calls(&scenario.shop(), scenario.args);
    let oracle = scenario.oracle();
    let mut chance = Chance::of(scenario.name);
    let mut took = Vec::new();
    for call in some(&points, scaled(WRITES), &mut chance) {
        let shop = scenario.shop();
        let name = one_of_both(&mut chance);
        let child = signalled_at(&shop, scenario.args, call, name)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("strace starts");
        tally.add("signals before writes");
        let at = format!("{scenario}, {name} before {call}");
        took.push(ends_and_tells(child, Instant::now(), &at));
        nothing_is_in_doubt(&shop, &at);
        scenario.complete(&shop, &mut tally, &at);
        assert_eq!(Outcome::of(&shop), oracle, "{at}");
    }
    assert_eq!(tally.count("resolves"), 0, "nothing was left in doubt");
    worst(&mut tally, &took);
    tally.finish("signals before writes", WRITES);
}

#[test]
fn a_signal_before_any_write_of_sqlite_ends_a_command_in_good_order() {
    all(Engine::Sqlite).iter().for_each(signalled_at_writes);
}
