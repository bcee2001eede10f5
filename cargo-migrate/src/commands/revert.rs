//! `revert`: takes applied migrations back, newest first.

mod stored;

use migrate_core::{Goal, StoredDown};
use migrate_runtime::{Access, Migrator, Options, Scope};

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
                let options = options(context, args, target);
                plan::planned(context, target, options, |lookup, database| {
                    lookup.revert(database, &wanted)
                })
            },
            |target, planned| plan::show(context, target, &planned),
        );
    }
    context.heed_signals();
    if args.stored_down {
        return stored::run(context, args, &wanted);
    }
    context.over_targets(
        WORK,
        |target| {
            let options = options(context, args, target);
            revert_target(context, &wanted, target, options, Asked::Revert(&wanted))
        },
        |_, finished| finished,
    )
}

fn revert_target(
    context: &Context,
    wanted: &RevertGoal,
    target: &Target,
    options: Options,
    asked: Asked<'_>,
) -> Result<Finished, Problem> {
    let catalog = context.catalog(target)?;
    let mut database = context.open(target, Access::Write)?;
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
        asked,
    }
    .reach(&mut database, &goal)
}

fn options(context: &Context, args: &RevertArgs, target: &Target) -> Options {
    let mut options = context.options(target);
    options.lock_wait = args.lock.lock_wait;
    if args.single_transaction {
        options.scope = Scope::WholeRun;
    }
    if args.stored_down {
        options.policy.stored_down = StoredDown::Use;
    }
    options
}
