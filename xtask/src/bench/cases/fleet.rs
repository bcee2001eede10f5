//! A fleet of 50 services of which nothing is pending: one process of ours
//! against one process of another tool for each service.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Course;
use crate::bench::database::{Database, Engine};
use crate::bench::figures::{Budget, Quantity, Row, Series};
use crate::bench::process::Invocation;
use crate::bench::race::Contender;
use crate::bench::sets::{Fleet, Service};

const SERVICES: usize = 50;
const MIGRATIONS: usize = 20;
const QUERY: &str = "SELECT version FROM __diesel_schema_migrations ORDER BY version";

pub(super) fn run(course: &Course, engine: &Engine) -> Result<Vec<Row>> {
    let directory = course.directory_of(&format!("fleet-{}", engine.name()));
    let fleet = Fleet::write(&directory, SERVICES, MIGRATIONS)?;
    let databases = fleet
        .services
        .iter()
        .map(|service| database(engine, &fleet, service))
        .collect::<Result<Vec<_>>>()?;
    let each: Vec<_> = fleet.services.iter().zip(&databases).collect();
    let known = |invocation: Invocation| match engine {
        // Its file is the embedded default.
        Engine::Sqlite(_) => invocation,
        Engine::Postgres(_) | Engine::Mariadb(_) => {
            each.iter()
                .fold(invocation, |invocation, (service, database)| {
                    let variable = format!("{}_DATABASE_URL", service.name.to_uppercase());
                    invocation.env(variable, database.our_url())
                })
        }
    };
    let binaries = &course.binaries;
    course.once(&known(binaries.ours(&fleet, &["run"])))?;
    for database in &databases {
        database.expect_applied(MIGRATIONS)?;
    }

    let looped = |name: &str, of: &dyn Fn(&Service, &Database) -> Invocation| {
        let lines = each.iter().map(|(service, database)| of(service, database));
        script(&directory.join(name), lines)
    };
    let client = looped("client.sh", &|_, database| database.query(QUERY))?;
    let diesel = looped("diesel.sh", &|service, database| {
        binaries.diesel(&service.set, database, "pending")
    })?;
    let mut contenders = vec![
        Contender::that_looks("ours", known(binaries.ours(&fleet, &["run"]))),
        Contender::that_looks(
            "ours",
            known(binaries.ours_through_cargo(&fleet, &["run"])?),
        ),
        Contender::that_looks("ours", known(binaries.ours(&fleet, &["status"]))),
        Contender::that_looks("diesel, looped", shell(&diesel)),
        Contender::that_looks(looped_name(engine), shell(&client)),
    ];
    let lines: Option<Vec<_>> = each
        .iter()
        .map(|(service, database)| binaries.diesel_cli(&service.set, database))
        .collect();
    if let Some(lines) = lines {
        let path = script(&directory.join("diesel_cli.sh"), lines.into_iter())?;
        contenders.push(Contender::that_looks("diesel_cli, looped", shell(&path)));
    }
    let series = course.race(&contenders)?;
    let least = match engine {
        Engine::Sqlite(_) => 8.0,
        Engine::Postgres(_) | Engine::Mariadb(_) => 2.0,
    };
    // The design's peer is diesel_cli; without it, its harness is the stricter.
    let peer = series.get(5).unwrap_or(&series[3]).clone();
    let idle = &series[0];
    let looked = Series {
        name: "nothing to do",
        ..idle.clone()
    };
    let title = format!("{}, {SERVICES} × {MIGRATIONS}", engine.name());
    let compare = |what: &str, ours, reference, budget| {
        Row::compare(
            format!("{title}: {what}"),
            Quantity::Wall,
            ours,
            reference,
            budget,
        )
    };
    Ok(vec![
        compare("nothing to do", idle, &peer, Budget::FasterAtLeast(least)),
        compare("nothing to do", idle, &series[4], Budget::None),
        compare(
            "nothing to do, as `cargo migrate`",
            &series[1],
            &peer,
            Budget::FasterAtLeast(least),
        ),
        compare("status", &series[2], &peer, Budget::FasterAtLeast(least)),
        // "Give or take printing" has no number; a quarter is our reading.
        compare("status", &series[2], &looked, Budget::RatioAtMost(1.25)),
    ])
}

fn database(engine: &Engine, fleet: &Fleet, service: &Service) -> Result<Database> {
    match engine {
        Engine::Sqlite(_) => Ok(engine.file(&fleet.file(service))),
        Engine::Postgres(_) | Engine::Mariadb(_) => engine.fresh(),
    }
}

fn looped_name(engine: &Engine) -> &'static str {
    match engine {
        Engine::Sqlite(_) => "sqlite3, looped",
        Engine::Postgres(_) => "psql, looped",
        Engine::Mariadb(_) => "mariadb, looped",
    }
}

fn script(path: &Path, lines: impl Iterator<Item = Invocation>) -> Result<PathBuf> {
    let text: String = lines.map(|invocation| invocation.shell_line()).collect();
    fs::write(path, text)?;
    Ok(path.to_owned())
}

fn shell(script: &Path) -> Invocation {
    Invocation::new(Path::new("sh")).arg(script)
}
