//! `reset`: start afresh. Drops the database, creates it, applies everything.

use std::collections::HashMap;

use migrate_core::{Catalog, Goal, History, Up, plan};
use migrate_runtime::{Access, Migrator, OpenError};

use super::Context;
use super::create::{create, create_tables};
use super::doomed::Doomed;
use super::over::{Finished, WORK};
use super::running::{Asked, Running};
use crate::cli::ResetArgs;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::target::Target;

pub(super) fn run(context: &Context, args: &ResetArgs) -> Result<Exit, Problem> {
    let doomed = context.doomed()?;
    let catalogs = admitted(context, &doomed)?;
    context.confirm(&doomed.question())?;
    context.heed_signals();
    context.over(
        &doomed.resolution,
        WORK,
        |target| {
            let catalog = &catalogs[&target.label()];
            reset_target(context, args, &doomed, target, catalog)
        },
        |_, finished| finished,
    )
}

/// Every set, provided all of them can be run: one that cannot is no reason to
/// lose a database.
fn admitted(context: &Context, doomed: &Doomed) -> Result<HashMap<String, Catalog>, Problem> {
    let mut catalogs = HashMap::new();
    let mut problems = Vec::new();
    for target in &doomed.resolution.targets {
        match admit(context, target) {
            Ok(catalog) => drop(catalogs.insert(target.label(), catalog)),
            Err(mut problem) => {
                problems.append(&mut problem.others);
                problems.push(problem);
            }
        }
    }
    if problems.is_empty() {
        return Ok(catalogs);
    }
    let mut first = problems.remove(0);
    first.notes.push("no database was dropped".into());
    first.others = problems;
    Err(first)
}

fn admit(context: &Context, target: &Target) -> Result<Catalog, Problem> {
    let catalog = context.catalog(target)?;
    let failed = |error| Problem::of_run(target, &error, None);
    let latest = Goal::Up(Up::Latest);
    let options = context.options(target);
    let afresh = plan(&catalog, &History::default(), &latest, options.policy)
        .map_err(|e| failed(e.into()))?;
    match context.try_open(target, Access::Read) {
        Ok(mut database) => Migrator::new(&catalog)
            .with_options(options)
            .admit(&mut database, &afresh)
            .map_err(failed)?,
        Err(error @ (OpenError::SessionSetup { .. } | OpenError::Url { .. })) => {
            return Err(Problem::of_open(target, &error));
        }
        // What is not there cannot be lost, and the rest is for the dropping
        // to tell.
        Err(OpenError::Connect { .. } | OpenError::NoBackend(_)) => {}
    }
    Ok(catalog)
}

fn reset_target(
    context: &Context,
    args: &ResetArgs,
    doomed: &Doomed,
    target: &Target,
    catalog: &Catalog,
) -> Result<Finished, Problem> {
    doomed.once(target, || {
        doomed.drop(context, target)?;
        create(context, target)
    })?;
    create_tables(context, target, catalog, args.lock)?;
    let mut database = context.open(target, Access::Write)?;
    let mut options = context.options(target);
    options.lock_wait = args.lock.lock_wait;
    Running {
        context,
        target,
        catalog,
        options,
        asked: Asked::Other,
    }
    .reach(&mut database, &Goal::Up(Up::Latest))
}
