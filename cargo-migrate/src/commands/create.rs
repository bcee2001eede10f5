//! `create`: the database itself, with its history table.

use migrate_runtime::{Access, Created, Migrator, create_database};

use super::Context;
use super::over::{Finished, MAKE};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::Message;
use crate::target::Target;

pub(super) fn run(context: &Context) -> Result<Exit, Problem> {
    context.over_targets(
        MAKE,
        |target| create_target(context, target),
        |_, finished| finished,
    )
}

pub(super) fn create_target(context: &Context, target: &Target) -> Result<Finished, Problem> {
    let catalog = context.catalog(target)?;
    let created =
        create_database(&target.url).map_err(|error| Problem::of_admin(target, &error))?;
    let mut database = context.open(target, Access::Write)?;
    let migrator = Migrator::new(&catalog).with_options(context.options(target));
    migrator
        .create_tables(&mut database)
        .map_err(|error| Problem::of_run(target, &error, None))?;
    context.report.tell(Message::DatabaseCreated {
        target,
        existed: created == Created::Existing,
    });
    Ok(Finished::default())
}
