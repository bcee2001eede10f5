//! One service of which nothing is pending: what start-up costs every day.

use anyhow::Result;

use super::Course;
use crate::bench::database::Engine;
use crate::bench::figures::{Budget, Quantity, Row};
use crate::bench::race::Contender;
use crate::bench::sets::Fleet;

const MIGRATIONS: usize = 200;
/// What the client's user asks instead.
const QUERY: &str = "SELECT version FROM __diesel_schema_migrations ORDER BY version";

pub(super) fn run(course: &Course, engine: &Engine) -> Result<Vec<Row>> {
    let directory = course.directory_of(&format!("one-{}", engine.name()));
    let fleet = Fleet::write(&directory, 1, MIGRATIONS)?;
    let database = engine.fresh()?;
    let binaries = &course.binaries;
    course.once(&binaries.ours_on(&fleet, &database, &["run"]))?;
    database.expect_applied(MIGRATIONS)?;
    let mut contenders = vec![
        Contender::that_looks("ours", binaries.ours_on(&fleet, &database, &["run"])),
        Contender::that_looks("ours", binaries.ours_on(&fleet, &database, &["status"])),
        Contender::that_looks(engine.client(), database.query(QUERY)),
        Contender::that_looks("diesel", binaries.diesel(fleet.set(), &database, "pending")),
    ];
    // diesel_cli is mostly built without MySQL.
    if !matches!(engine, Engine::Mariadb(_))
        && let Some(invocation) = binaries.diesel_cli(fleet.set(), &database)
    {
        contenders.push(Contender::that_looks("diesel_cli", invocation));
    }
    let series = course.sprint(&contenders)?;
    let name = engine.name();
    let mut rows = Vec::new();
    for (what, ours) in [("nothing to do", &series[0]), ("status", &series[1])] {
        for reference in &series[2..] {
            let case = format!("{name}, 1 × {MIGRATIONS}: {what}");
            rows.push(Row::compare(
                case,
                Quantity::Wall,
                ours,
                reference,
                Budget::None,
            ));
        }
    }
    Ok(rows)
}
