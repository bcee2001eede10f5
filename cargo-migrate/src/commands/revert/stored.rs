//! `revert --stored-down`: what no file of this build says is shown before it
//! runs, and somebody has to say yes to it. One question for all targets.

use std::collections::BTreeSet;

use migrate_core::StepSource;

use super::super::Context;
use super::super::over::{Tally, WORK};
use super::super::plan::{self, Planned};
use super::super::running::Asked;
use super::{options, revert_target};
use crate::cli::{RevertArgs, RevertGoal};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::{Message, Ran};
use crate::target::Target;

/// The journal's attempts whose down SQL a target is to run.
struct Agreed<'t> {
    target: &'t Target,
    attempts: BTreeSet<i64>,
}

pub(super) fn run(
    context: &Context,
    args: &RevertArgs,
    wanted: &RevertGoal,
) -> Result<Exit, Problem> {
    let resolution = context.targets()?;
    let mut tally = Tally::of(&resolution);
    let targets: Vec<&Target> = resolution.targets.iter().collect();
    let mut agreed: Vec<Agreed<'_>> = Vec::new();
    context.fan_out(
        &targets,
        WORK,
        &mut tally,
        |target| {
            let options = options(context, args, target);
            plan::planned(context, target, options, |lookup, database| {
                lookup.revert(database, wanted)
            })
        },
        |target, planned| {
            agreed.push(Agreed {
                target,
                attempts: show(context, target, &planned),
            });
            None
        },
    );
    let stored: usize = agreed.iter().map(|agreed| agreed.attempts.len()).sum();
    if stored > 0 && !context.interrupt.is_asked() {
        let what = match stored {
            1 => "the migration above".to_owned(),
            n => format!("the {n} migrations above"),
        };
        context.confirm(&format!("revert {what} with the SQL that was recorded?"))?;
    }
    let targets: Vec<&Target> = agreed.iter().map(|agreed| agreed.target).collect();
    let revert = |target: &Target| {
        let mut options = options(context, args, target);
        let of_this = agreed
            .iter()
            .find(|agreed| std::ptr::eq(agreed.target, target));
        options.agreed = Some(of_this.map_or_else(BTreeSet::new, |of| of.attempts.clone()));
        revert_target(
            context,
            wanted,
            target,
            options,
            Asked::RevertStored(wanted),
        )
    };
    context.fan_out(&targets, WORK, &mut tally, revert, |_, finished| {
        Some(finished)
    });
    Ok(context.conclude(&resolution, WORK, &tally))
}

/// Shows the SQL that stands in no file; gives the attempts that keep it.
fn show(context: &Context, target: &Target, planned: &Planned) -> BTreeSet<i64> {
    let steps = &planned.plan.steps;
    let mut attempts = BTreeSet::new();
    for (n, (step, sql)) in steps.iter().zip(&planned.sql).enumerate() {
        let StepSource::Journal { attempt } = step.source else {
            continue;
        };
        attempts.insert(attempt);
        let migration = Ran {
            name: &step.name,
            version: step.version.as_str(),
            direction: step.direction,
            number: n + 1,
            total: steps.len(),
        };
        context.report.tell(Message::WillRun {
            target,
            migration,
            sql,
        });
    }
    attempts
}
