//! Applying 200 migrations to an empty database that is near.

use anyhow::Result;

use super::Course;
use crate::bench::database::Engine;
use crate::bench::figures::{Budget, Quantity, Row};
use crate::bench::race::{Contender, Start};
use crate::bench::sets::{Fleet, Transactions};

const MIGRATIONS: usize = 200;

pub(super) fn run(course: &Course, engine: &Engine) -> Result<Vec<Row>> {
    let directory = course.directory_of(&format!("apply-{}", engine.name()));
    let fleet = Fleet::write(&directory, 1, MIGRATIONS)?;
    let (each, one) = (directory.join("each.sql"), directory.join("one.sql"));
    fleet.set().script(&each, Transactions::Each)?;
    fleet.set().script(&one, Transactions::One)?;
    let ours = |verb: &'static [&'static str]| {
        let fleet = &fleet;
        move || {
            let database = engine.fresh()?;
            let invocation = course.binaries.ours_on(fleet, &database, verb);
            Ok(Start::that_applies(invocation, database, MIGRATIONS))
        }
    };
    let client = |script| {
        move || {
            let database = engine.fresh()?;
            let invocation = database.script(script);
            Ok(Start::that_applies(invocation, database, MIGRATIONS))
        }
    };
    let diesel = || {
        let database = engine.fresh()?;
        let invocation = course.binaries.diesel(fleet.set(), &database, "run");
        Ok(Start::that_applies(invocation, database, MIGRATIONS))
    };
    let mut contenders = vec![
        Contender::new("ours", ours(&["run"])),
        Contender::new(engine.client(), client(&each)),
        Contender::new("diesel", diesel),
    ];
    if engine.is_transactional() {
        contenders.extend([
            Contender::new("ours", ours(&["run", "--single-transaction"])),
            Contender::new(engine.client(), client(&one)),
        ]);
    }
    let series = course.race(&contenders)?;
    let [ours, client, diesel, at_once @ ..] = &series[..] else {
        return Ok(Vec::new());
    };
    let name = engine.name();
    let compare = |what: &str, quantity, ours, reference, budget| {
        Row::compare(
            format!("{name}: apply {MIGRATIONS}{what}"),
            quantity,
            ours,
            reference,
            budget,
        )
    };
    // Where DDL commits by itself every statement is written down before and
    // after it.
    let most = if engine.is_transactional() {
        1.05
    } else {
        1.25
    };
    let mut rows = vec![
        compare("", Quantity::Wall, ours, client, Budget::RatioAtMost(most)),
        compare("", Quantity::Wall, ours, diesel, Budget::None),
        compare(", CPU", Quantity::Cpu, ours, diesel, Budget::None),
    ];
    if let [ours, client] = at_once {
        rows.push(compare(
            ", --single-transaction",
            Quantity::Wall,
            ours,
            client,
            Budget::RatioAtMost(1.1),
        ));
    }
    Ok(rows)
}
