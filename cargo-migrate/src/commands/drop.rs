//! `drop`: the database itself, after a question.

use migrate_runtime::{Dropped, drop_database};

use super::Context;
use super::over::{Finished, MAKE};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::Message;
use crate::target::{Resolution, Target};

pub(super) fn run(context: &Context) -> Result<Exit, Problem> {
    let resolution = context.targets()?;
    context.confirm(&question(&resolution))?;
    context.over(
        &resolution,
        MAKE,
        |target| drop_target(context, target),
        |_, finished| finished,
    )
}

/// What would be lost, by name.
pub(super) fn question(resolution: &Resolution) -> String {
    let names = |target: &Target| format!("{} ({})", target.label(), target.url);
    let all: Vec<String> = resolution.targets.iter().map(names).collect();
    format!(
        "drop the database of {}, with everything in it?",
        all.join(", ")
    )
}

pub(super) fn drop_target(context: &Context, target: &Target) -> Result<Finished, Problem> {
    let dropped = drop_database(&target.url).map_err(|error| Problem::of_admin(target, &error))?;
    context.report.tell(Message::DatabaseDropped {
        target,
        existed: dropped == Dropped::Gone,
    });
    Ok(Finished::default())
}
