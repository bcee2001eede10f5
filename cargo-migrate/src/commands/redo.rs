//! `redo`: reverts migrations and applies the same ones again.

use std::collections::BTreeSet;

use migrate_core::{Goal, Up, Version, plan};
use migrate_runtime::{Access, Migrator};

use super::Context;
use super::goal::Lookup;
use super::over::{Finished, WORK};
use super::running::{Asked, Running};
use crate::cli::{RedoArgs, RedoGoal};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::target::Target;

pub(super) fn run(context: &Context, args: &RedoArgs) -> Result<Exit, Problem> {
    let wanted = args.goal(&context.selection)?;
    context.heed_signals();
    context.over_targets(
        WORK,
        |target| redo_target(context, args, &wanted, target),
        |_, finished| finished,
    )
}

fn redo_target(
    context: &Context,
    args: &RedoArgs,
    wanted: &RedoGoal,
    target: &Target,
) -> Result<Finished, Problem> {
    let catalog = context.catalog(target)?;
    let mut database = context.open(target, Access::Write)?;
    let mut options = context.options(target);
    options.lock_wait = args.lock.lock_wait;
    let migrator = Migrator::new(&catalog).with_options(options.clone());
    let goal = Lookup {
        target,
        catalog: &catalog,
        migrator: &migrator,
    }
    .redo(&mut database, wanted)?;
    let failed = |error| Problem::of_run(target, &error, None);
    let history = migrator.history(&mut database).map_err(failed)?;
    let down = migrator.plan(&mut database, &goal).map_err(failed)?;
    // The very same ones: what else is pending was not asked for.
    let reverted: BTreeSet<Version> = down.steps.into_iter().map(|step| step.version).collect();
    if reverted.is_empty() {
        return Ok(Finished::default());
    }
    let up = Goal::Up(Up::Only(reverted.clone()));
    // Whatever would stop the way up has to stop it before the way down.
    let mut between = history;
    between
        .applied
        .retain(|version, _| !reverted.contains(version));
    plan(&catalog, &between, &up, options.policy).map_err(|error| failed(error.into()))?;
    let running = Running {
        context,
        target,
        catalog: &catalog,
        options,
        asked: Asked::Other,
    };
    let down = running.reach(&mut database, &goal)?;
    let up = running.reach(&mut database, &up).map_err(|mut problem| {
        problem.did = problem.did.and(down.did);
        problem
    })?;
    Ok(Finished {
        did: down.did.and(up.did),
        ..up
    })
}
