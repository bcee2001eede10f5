//! A server that is far away: a proxy makes the way long, and counts the round
//! trips, which are what matters there.

use std::time::Duration;

use anyhow::Result;

use super::Course;
use crate::bench::database::{Database, Engine};
use crate::bench::figures::{Budget, Figure, Quantity, Row};
use crate::bench::process::Invocation;
use crate::bench::proxy::Proxy;
use crate::bench::race::{Contender, Start};
use crate::bench::sets::{Fleet, Transactions};

/// Fewer than near by: Diesel's harness needs four round trips for each, which
/// takes seconds.
const MIGRATIONS: usize = 100;

pub(super) fn run(course: &Course, engine: &Engine) -> Result<Vec<Row>> {
    let fleet = Fleet::write(&course.directory_of("remote"), 1, MIGRATIONS)?;
    let mut rows = Vec::new();
    for millis in [1, 10] {
        rows.extend(far(course, engine, &fleet, millis)?);
    }
    rows.extend(round_trips(course, engine, &fleet)?);
    Ok(rows)
}

fn far(course: &Course, engine: &Engine, fleet: &Fleet, millis: u64) -> Result<Vec<Row>> {
    let script = course.directory_of("remote").join("each.sql");
    fleet.set().script(&script, Transactions::Each)?;
    let proxy = Proxy::start(engine.fresh()?.address()?, Duration::from_millis(millis))?;
    let start = |invocation: &dyn Fn(&Database) -> Invocation| {
        let near = engine.fresh()?;
        let invocation = invocation(&near.through(proxy.address())?);
        Ok(Start::that_applies(invocation, near, MIGRATIONS))
    };
    let binaries = &course.binaries;
    let series = course.race(&[
        Contender::new("ours", || {
            start(&|database| binaries.ours_on(fleet, database, &["run"]))
        }),
        Contender::new("diesel", || {
            start(&|database| binaries.diesel(fleet.set(), database, "run"))
        }),
        Contender::new("psql", || start(&|database| database.script(&script))),
    ])?;
    let [ours, diesel, psql] = &series[..] else {
        return Ok(Vec::new());
    };
    let budget = match millis {
        10 => Budget::FasterAtLeast(3.0),
        _ => Budget::None,
    };
    let case = format!("PostgreSQL {millis} ms away: apply {MIGRATIONS}");
    Ok(vec![
        Row::compare(&case, Quantity::Wall, ours, diesel, budget),
        Row::compare(&case, Quantity::Wall, ours, psql, Budget::None),
    ])
}

/// Round trips, which are the same in every run.
fn round_trips(course: &Course, engine: &Engine, fleet: &Fleet) -> Result<Vec<Row>> {
    let proxy = Proxy::start(engine.fresh()?.address()?, Duration::ZERO)?;
    let turns = |invocation: Invocation| -> Result<f64> {
        proxy.take_turns();
        course.once(&invocation)?;
        Ok(f64::from(u32::try_from(proxy.take_turns())?))
    };
    let binaries = &course.binaries;
    let apply = |count: usize| -> Result<f64> {
        let far = engine.fresh()?.through(proxy.address())?;
        let count = count.to_string();
        turns(binaries.ours_on(fleet, &far, &["run", "--count", &count]))
    };
    let (half, all) = (apply(MIGRATIONS / 2)?, apply(MIGRATIONS)?);
    let further = f64::from(u32::try_from(MIGRATIONS - MIGRATIONS / 2)?);

    let near = engine.fresh()?;
    let far = near.through(proxy.address())?;
    let diesel = turns(binaries.diesel(fleet.set(), &far, "run"))?;
    let near = engine.fresh()?;
    let far = near.through(proxy.address())?;
    course.once(&binaries.ours_on(fleet, &near, &["run"]))?;
    near.expect_applied(MIGRATIONS)?;
    let idle = turns(binaries.ours_on(fleet, &far, &["run"]))?;
    let status = turns(binaries.ours_on(fleet, &far, &["status"]))?;
    // Diesel's connection sets its encoding and time zone by itself.
    let connection = turns(binaries.diesel(fleet.set(), &far, "connect"))?;
    let more = |what: &str, turns: f64| {
        Row::alone(
            format!("PostgreSQL: round trips after the connection's {connection}, {what}"),
            Figure::Count(turns - connection),
            Budget::ValueAtMost(Figure::Count(1.0)),
        )
    };
    Ok(vec![
        Row::alone(
            "PostgreSQL: round trips for each further migration",
            Figure::Count((all - half) / further),
            Budget::ValueAtMost(Figure::Count(1.0)),
        ),
        Row::counts(
            format!("PostgreSQL: round trips, apply {MIGRATIONS}"),
            all,
            ("diesel", diesel),
            Budget::None,
        ),
        more("nothing to do", idle),
        more("status", status),
    ])
}
