//! Row 8: a runner that is stopped for a while, and one whose session the
//! server ends or whose lock its own file gives away, while another one goes
//! on. The first notices, and nothing is done twice.

use std::process::Stdio;
use std::thread;

use tests::chance::Chance;
use tests::service::{Engine, Shop};
use tests::tally::{Tally, scaled};
use tests::workspace::eventually;

use crate::gates::{Oracles, somewhere};
use crate::process::send;
use crate::scenario::{Outcome, Scenario, all, gaps, some};
use crate::tracer::{Call, calls, signalled_at, stopped};

/// Stops between round trips in one scenario.
const GAPS: usize = 12;

/// Stops, and ends, inside of batches on one server.
const INSIDE: usize = 14;

/// Stopped at a gap, overtaken, and woken.
fn stopped_and_overtaken(scenario: &Scenario) {
    let mut tally = Tally::new(8, format_args!("{scenario}, overtaken"));
    let (trips, oracle) = (scenario.trips(), scenario.oracle());
    let mut chance = Chance::of("overtaken");
    let all = gaps(trips, &mut chance);
    for gap in some(&all, scaled(GAPS), &mut chance) {
        let at = format!("{scenario}, stopped at {gap:?}");
        let shop = scenario.shop();
        let held = scenario.start_until(&shop, gap);
        send("STOP", held.child.id());
        end_all_sessions(&shop);
        tally.add("sessions ended");
        scenario.complete(&shop, &mut tally, &at);
        assert_eq!(Outcome::of(&shop), oracle, "{at}, before it woke");
        held.relay.resume();
        send("CONT", held.child.id());
        let run = shop.finish(held.child);
        assert!(matches!(run.code, Some(0 | 1)), "{at}: {run:?}");
        if run.code == Some(1) {
            assert!(run.stderr.contains("help"), "{at}: {}", run.stderr);
        }
        assert_eq!(Outcome::of(&shop), oracle, "{at}, after it woke");
    }
    tally.finish("sessions ended", 10);
}

/// As an administrator would.
fn end_all_sessions(shop: &Shop) {
    let mut link = shop.connect();
    if shop.engine == Engine::Mariadb {
        let sessions = link.texts(
            "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST \
             WHERE DB = DATABASE() AND ID <> CONNECTION_ID()",
        );
        for session in sessions {
            link.execute(&format!("KILL {session}"));
        }
        return;
    }
    link.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
}

#[test]
fn a_runner_on_postgresql_that_slept_and_lost_its_session_does_nothing_twice() {
    all(Engine::Postgres).iter().for_each(stopped_and_overtaken);
}

#[test]
fn a_runner_on_mariadb_that_slept_and_lost_its_session_does_nothing_twice() {
    all(Engine::Mariadb).iter().for_each(stopped_and_overtaken);
}

/// Stopped inside of a statement: its lock keeps others out until it wakes.
fn stopped_inside(engine: Engine) {
    let mut tally = Tally::new(8, format_args!("{engine}, stopped inside of batches"));
    let (mut chance, mut oracles) = (Chance::of("stopped inside"), Oracles::default());
    for inside in somewhere(engine, scaled(INSIDE), &mut chance) {
        let mut gated = inside.closed();
        let (child, _) = gated.start(&inside);
        send("STOP", child.id());
        tally.add("stops");
        let other = [inside.scenario.args, &["--lock-wait", "0s"]].concat();
        let other = gated.shop.run(&other);
        assert_eq!(other.code, Some(6), "{inside}: {}", other.stderr);
        gated.open();
        send("CONT", child.id());
        gated.shop.finish(child).ok();
        assert_eq!(Outcome::of(&gated.shop), *oracles.of(&inside), "{inside}");
    }
    tally.finish("stops", 10);
}

#[test]
fn a_runner_on_postgresql_that_sleeps_inside_of_a_batch_keeps_others_out() {
    stopped_inside(Engine::Postgres);
}

#[test]
fn a_runner_on_mariadb_that_sleeps_inside_of_a_statement_keeps_others_out() {
    stopped_inside(Engine::Mariadb);
}

/// The session that has the lock is ended inside of a statement, and its
/// runner is awake.
fn ended_inside(engine: Engine) {
    let mut tally = Tally::new(
        8,
        format_args!("{engine}, sessions ended inside of batches"),
    );
    let (mut chance, mut oracles) = (Chance::of("ended inside"), Oracles::default());
    for inside in somewhere(engine, scaled(INSIDE), &mut chance) {
        let at = inside.to_string();
        let mut gated = inside.closed();
        let (child, session) = gated.start(&inside);
        gated.terminate(&session);
        gated.open();
        tally.add("sessions ended");
        let run = gated.shop.finish(child);
        if run.code == Some(1) {
            assert!(run.stderr.contains("connection was lost"), "{at}: {run:?}");
            inside.scenario.complete(&gated.shop, &mut tally, &at);
        } else {
            inside
                .scenario
                .complete_after(&gated.shop, run, &mut tally, &at);
        }
        assert_eq!(Outcome::of(&gated.shop), *oracles.of(&inside), "{at}");
    }
    tally.finish("sessions ended", 10);
}

#[test]
fn a_session_of_postgresql_ended_inside_of_a_batch_is_noticed() {
    ended_inside(Engine::Postgres);
}

#[test]
fn a_session_of_mariadb_ended_inside_of_a_statement_is_noticed() {
    ended_inside(Engine::Mariadb);
}

/// Stops before writes in one scenario of SQLite.
const WRITES: usize = 6;

/// What another runner found while the first one slept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The first one had no lock yet: all was done in its place.
    Overtaken,
    LockKept,
}

fn stopped_at(scenario: &Scenario, oracle: &Outcome, call: Call) -> Found {
    let at = format!("{scenario}, stopped before {call}");
    let shop = scenario.shop();
    let child = signalled_at(&shop, scenario.args, call, "STOP")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace starts");
    let mut process = None;
    eventually("the runner stops", || {
        process = stopped(&shop);
        process.is_some()
    });
    let other = [scenario.args, &["--lock-wait", "0s"]].concat();
    let other = shop.run(&other);
    let found = match other.code {
        Some(0) => Found::Overtaken,
        Some(6) => Found::LockKept,
        // Whoever sleeps inside of a COMMIT keeps readers out, too, and who
        // sleeps over a write-ahead log that it recovers keeps all out.
        Some(1) if other.stderr.contains("database is locked") => Found::LockKept,
        Some(1) if other.stderr.contains("locking protocol") => Found::LockKept,
        _ => panic!("{at}: {}", other.stderr),
    };
    send("CONT", process.expect("a process"));
    shop.finish(child).ok();
    assert_eq!(Outcome::of(&shop), *oracle, "{at}");
    found
}

#[test]
fn a_runner_on_sqlite_that_sleeps_before_a_write_keeps_others_out() {
    let mut tally = Tally::new(8, Engine::Sqlite);
    let mut chance = Chance::of("sleeping before writes");
    let scenarios: Vec<_> = all(Engine::Sqlite)
        .into_iter()
        .map(|scenario| {
            let writes = calls(&scenario.shop(), scenario.args);
            let points = some(&writes, scaled(WRITES), &mut chance);
            (scenario, scenario.oracle(), points)
        })
        .collect();
    // SQLite has patience with who sleeps inside of a COMMIT: all at once.
    let found: Vec<Found> = thread::scope(|scope| {
        let mut sleepers = Vec::new();
        for (scenario, oracle, points) in &scenarios {
            let sleep = |call: &Call| {
                let call = *call;
                scope.spawn(move || stopped_at(scenario, oracle, call))
            };
            sleepers.extend(points.iter().map(sleep));
        }
        let awake = sleepers.into_iter().map(|one| one.join());
        awake.map(|found| found.expect("it went well")).collect()
    });
    let of = |what| found.iter().filter(|one| **one == what).count();
    tally.add_many("stops before writes", found.len());
    tally.add_many("locks kept", of(Found::LockKept));
    tally.add_many("overtaken", of(Found::Overtaken));
    assert!(tally.count("locks kept") > tally.count("overtaken"));
    tally.finish("stops before writes", WRITES * scenarios.len());
}
