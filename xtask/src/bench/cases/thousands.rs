//! One service of 5,000 migrations: what is quadratic, or kept in memory,
//! shows here.

use anyhow::Result;

use super::Course;
use crate::bench::binaries::Binaries;
use crate::bench::database::Engine;
use crate::bench::figures::{Budget, Figure, Quantity, Row};
use crate::bench::race::{Contender, Start, race};
use crate::bench::sets::{Fleet, Transactions};

const MIGRATIONS: usize = 5_000;
const PEAK: Budget = Budget::ValueAtMost(Figure::Bytes(32 << 20));
const QUERY: &str = "SELECT version FROM __diesel_schema_migrations ORDER BY version";

pub(super) fn run(course: &Course, engine: &Engine) -> Result<Vec<Row>> {
    let directory = course.directory_of("thousands");
    let fleet = Fleet::write(&directory, 1, MIGRATIONS)?;
    let mut rows = applied(course, engine, &fleet)?;
    rows.extend(looked_at(course, engine, &fleet)?);
    rows.extend(peaks(course, engine, &fleet)?);
    Ok(rows)
}

/// A few rounds only, because each takes half a minute.
fn applied(course: &Course, engine: &Engine, fleet: &Fleet) -> Result<Vec<Row>> {
    let script = course.directory_of("thousands").join("each.sql");
    fleet.set().script(&script, Transactions::Each)?;
    let binaries = &course.binaries;
    let contenders = [
        Contender::new("ours", || {
            let database = engine.fresh()?;
            let invocation = binaries.ours_on(fleet, &database, &["run"]);
            Ok(Start::that_applies(invocation, database, MIGRATIONS))
        }),
        Contender::new("diesel", || {
            let database = engine.fresh()?;
            let invocation = binaries.diesel(fleet.set(), &database, "run");
            Ok(Start::that_applies(invocation, database, MIGRATIONS))
        }),
        Contender::new(engine.client(), || {
            let database = engine.fresh()?;
            let invocation = database.script(&script);
            Ok(Start::that_applies(invocation, database, MIGRATIONS))
        }),
    ];
    let series = race(
        course.rounds / 2,
        &contenders,
        &course.directory.join("talk"),
    )?;
    let case = |what: &str| format!("{}: apply {MIGRATIONS}, {what}", engine.name());
    let mut rows = Vec::new();
    for reference in &series[1..] {
        let ours = &series[0];
        let budget = if reference.name == "diesel" {
            Budget::RatioAtMost(1.0)
        } else {
            // No peer: it keeps no journal. The floor, for information.
            Budget::None
        };
        rows.push(Row::compare(
            case("CPU"),
            Quantity::Cpu,
            ours,
            reference,
            budget,
        ));
        rows.push(Row::compare(
            case("time"),
            Quantity::Wall,
            ours,
            reference,
            Budget::None,
        ));
    }
    Ok(rows)
}

fn looked_at(course: &Course, engine: &Engine, fleet: &Fleet) -> Result<Vec<Row>> {
    let database = engine.fresh()?;
    let binaries = &course.binaries;
    course.once(&binaries.ours_on(fleet, &database, &["run", "--single-transaction"]))?;
    database.expect_applied(MIGRATIONS)?;
    let mut contenders = vec![
        Contender::that_looks("ours", binaries.ours_on(fleet, &database, &["run"])),
        Contender::that_looks("ours", binaries.ours_on(fleet, &database, &["status"])),
        Contender::that_looks("diesel", binaries.diesel(fleet.set(), &database, "pending")),
        Contender::that_looks(engine.client(), database.query(QUERY)),
    ];
    if let Some(invocation) = binaries.diesel_cli(fleet.set(), &database) {
        contenders.push(Contender::that_looks("diesel_cli", invocation));
    }
    let series = course.race(&contenders)?;
    // Diesel's own tool is the peer; its harness alone is faster than any.
    let peer = series.get(4).unwrap_or(&series[2]);
    let mut rows = Vec::new();
    for (what, ours) in [("nothing to do", &series[0]), ("status", &series[1])] {
        let case = format!("{}, 1 × {MIGRATIONS}: {what}, CPU", engine.name());
        let budget = Budget::RatioAtMost(1.0);
        rows.push(Row::compare(&case, Quantity::Cpu, ours, peer, budget));
        for reference in &series[2..4] {
            if reference.name != peer.name {
                rows.push(Row::compare(
                    &case,
                    Quantity::Cpu,
                    ours,
                    reference,
                    Budget::None,
                ));
            }
        }
    }
    Ok(rows)
}

/// Of our process: Cargo's own 20 MiB, which is gone before the work begins,
/// would hide it.
fn peaks(course: &Course, engine: &Engine, fleet: &Fleet) -> Result<Vec<Row>> {
    let cargo = Binaries::silent_cargo(fleet)?;
    let database = engine.fresh()?;
    let mut rows = Vec::new();
    for (what, verb) in [
        ("apply", &["run", "--single-transaction"][..]),
        ("nothing to do", &["run"]),
        ("status", &["status"]),
    ] {
        let invocation = course.binaries.ours_on(fleet, &database, verb);
        let sample = course.once(&invocation.env("CARGO", &cargo))?;
        database.expect_applied(MIGRATIONS)?;
        let case = format!("{}, 1 × {MIGRATIONS}: {what}, peak memory", engine.name());
        rows.push(Row::alone(case, Figure::Bytes(sample.peak), PEAK));
    }
    Ok(rows)
}
