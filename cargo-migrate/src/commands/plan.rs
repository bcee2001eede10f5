//! `plan`, and every `--dry-run`: the SQL that would run, and nothing runs.

use migrate_core::{Catalog, Direction, Goal, Plan};
use migrate_runtime::{Access, Database, Migrator};

use super::Context;
use super::goal::Lookup;
use super::over::{Finished, LOOK};
use crate::cli::GoalArgs;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::{Did, Message, Ran};
use crate::target::Target;

/// A plan and the SQL of each of its steps.
pub(super) struct Planned {
    plan: Plan,
    sql: Vec<String>,
}

pub(super) fn run(context: &Context, args: &GoalArgs) -> Result<Exit, Problem> {
    let wanted = args.goal()?;
    context.over_targets(
        LOOK,
        |target| {
            planned(context, target, |lookup, database| {
                lookup.run(database, &wanted)
            })
        },
        |target, planned| show(context, target, &planned),
    )
}

pub(super) fn planned(
    context: &Context,
    target: &Target,
    goal: impl Fn(&Lookup<'_>, &mut Database) -> Result<Goal, Problem>,
) -> Result<Planned, Problem> {
    let catalog = context.catalog(target)?;
    let mut database = context.open(target, Access::Read)?;
    let migrator = Migrator::new(&catalog).with_options(context.options(target));
    let goal = goal(
        &Lookup {
            target,
            catalog: &catalog,
            migrator: &migrator,
        },
        &mut database,
    )?;
    let plan = migrator
        .plan(&mut database, &goal)
        .map_err(|error| Problem::of_run(target, &error, None))?;
    migrator
        .admit(&mut database, &plan)
        .map_err(|error| Problem::of_run(target, &error, None))?;
    let sql = sql(&catalog, &plan).map_err(|error| Problem::of_run(target, &error.into(), None))?;
    Ok(Planned { plan, sql })
}

fn sql(catalog: &Catalog, plan: &Plan) -> Result<Vec<String>, migrate_core::ReadError> {
    let text = |step: &migrate_core::Step| match (catalog.get(&step.version), step.direction) {
        (Some(migration), Direction::Up) => migration.up(),
        (Some(migration), Direction::Down) => migration.down().map(Option::unwrap_or_default),
        (None, _) => Ok(String::new()),
    };
    plan.steps.iter().map(text).collect()
}

pub(super) fn show(context: &Context, target: &Target, planned: &Planned) -> Finished {
    for note in &planned.plan.notes {
        context.report.tell(Message::Note {
            target,
            text: &note.to_string(),
        });
    }
    let total = planned.plan.steps.len();
    for (n, (step, sql)) in planned.plan.steps.iter().zip(&planned.sql).enumerate() {
        let version = step.version.as_str();
        let migration = Ran {
            name: &step.name,
            version,
            direction: step.direction,
            number: n + 1,
            total,
        };
        context.report.tell(Message::WouldRun {
            target,
            migration,
            sql,
        });
    }
    if total == 0 {
        context.report.tell(Message::Note {
            target,
            text: "nothing to do",
        });
    }
    Finished {
        did: Did {
            pending: total,
            ..Did::default()
        },
        ..Finished::default()
    }
}
