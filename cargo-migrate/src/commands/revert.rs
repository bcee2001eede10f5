//! `revert`: takes applied migrations back, newest first.

use migrate_core::Goal;
use migrate_runtime::{Access, Migrator, Scope};

use super::Context;
use super::goal::Lookup;
use super::over::{Finished, LOOK, WORK};
use super::plan;
use super::running::{Asked, Running};
use crate::cli::{RevertArgs, RevertGoal};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::target::Target;

pub(super) fn run(context: &Context, args: &RevertArgs) -> Result<Exit, Problem> {
    let wanted = args.goal(&context.selection)?;
    if args.dry_run {
        return context.over_targets(
            LOOK,
            |target| {
                plan::planned(context, target, |lookup, database| {
                    lookup.revert(database, &wanted)
                })
            },
            |target, planned| plan::show(context, target, &planned),
        );
    }
    context.heed_signals();
    context.over_targets(
        WORK,
        |target| revert_target(context, args, &wanted, target),
        |_, finished| finished,
    )
}

fn revert_target(
    context: &Context,
    args: &RevertArgs,
    wanted: &RevertGoal,
    target: &Target,
) -> Result<Finished, Problem> {
    let catalog = context.catalog(target)?;
    let mut database = context.open(target, Access::Write)?;
    let mut options = context.options(target);
    options.lock_wait = args.lock.lock_wait;
    if args.single_transaction {
        options.scope = Scope::WholeRun;
    }
    let migrator = Migrator::new(&catalog).with_options(options.clone());
    let goal: Goal = Lookup {
        target,
        catalog: &catalog,
        migrator: &migrator,
    }
    .revert(&mut database, wanted)?;
    Running {
        context,
        target,
        catalog: &catalog,
        options,
        asked: Asked::Revert(wanted),
    }
    .reach(&mut database, &goal)
}
