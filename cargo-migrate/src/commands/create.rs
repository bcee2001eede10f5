//! `create`: the database itself, with its history table.

use migrate_core::Catalog;
use migrate_runtime::{Access, Created, Event, Migrator, create_database};

use super::Context;
use super::over::{Finished, MAKE};
use super::running::Teller;
use crate::cli::{CreateArgs, LockArgs};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::Message;
use crate::target::Target;

pub(super) fn run(context: &Context, args: &CreateArgs) -> Result<Exit, Problem> {
    context.heed_signals();
    context.over_targets(
        MAKE,
        |target| {
            let catalog = context.catalog(target)?;
            let created = create_quietly(target)?;
            create_tables(context, target, &catalog, args.lock)?;
            tell(context, target, created);
            Ok(Finished::default())
        },
        |_, finished| finished,
    )
}

/// Makes the database and tells it.
pub(super) fn create(context: &Context, target: &Target) -> Result<(), Problem> {
    tell(context, target, create_quietly(target)?);
    Ok(())
}

fn create_quietly(target: &Target) -> Result<Created, Problem> {
    create_database(&target.url).map_err(|error| Problem::of_admin(target, &error))
}

fn tell(context: &Context, target: &Target, created: Created) {
    context.report.tell(Message::DatabaseCreated {
        target,
        existed: created == Created::Existing,
    });
}

/// Makes our tables in it.
pub(super) fn create_tables(
    context: &Context,
    target: &Target,
    catalog: &Catalog,
    lock: LockArgs,
) -> Result<(), Problem> {
    let mut database = context.open(target, Access::Write)?;
    let mut options = context.options(target);
    options.lock_wait = lock.lock_wait;
    let teller = Teller::new(context, target);
    let observer = |event: Event<'_>| teller.tell(&event);
    Migrator::new(catalog)
        .with_options(options)
        .with_observer(&observer)
        .create_tables(&mut database)
        .map_err(|error| Problem::of_run(target, &error, None))
}
