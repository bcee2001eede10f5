//! `reset`: start afresh. Drops the database, creates it, applies everything.

use migrate_core::{Goal, Up};
use migrate_runtime::Access;

use super::Context;
use super::over::{Finished, WORK};
use super::running::Running;
use crate::cli::ResetArgs;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::target::Target;

pub(super) fn run(context: &Context, args: &ResetArgs) -> Result<Exit, Problem> {
    let resolution = context.targets()?;
    context.confirm(&super::drop::question(&resolution))?;
    context.heed_signals();
    context.over(
        &resolution,
        WORK,
        |target| reset_target(context, args, target),
        |_, finished| finished,
    )
}

fn reset_target(context: &Context, args: &ResetArgs, target: &Target) -> Result<Finished, Problem> {
    // A set that cannot be read is no reason to lose a database.
    let catalog = context.catalog(target)?;
    super::drop::drop_target(context, target)?;
    super::create::create_target(context, target)?;
    let mut database = context.open(target, Access::Write)?;
    let mut options = context.options(target);
    options.lock_wait = args.lock.lock_wait;
    Running {
        context,
        target,
        catalog: &catalog,
        options,
    }
    .reach(&mut database, &Goal::Up(Up::Latest))
}
