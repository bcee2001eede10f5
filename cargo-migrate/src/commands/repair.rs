//! `repair`: what the journal says of applied migrations is brought in line with
//! the files, for a reason. Never touches a schema.

use migrate_core::{Catalog, Edit, Version, find};
use migrate_runtime::{Access, Database, Event, Migrator, Repair, Repaired};

use super::Context;
use super::over::{Finished, MAKE};
use super::running::Teller;
use crate::cli::RepairArgs;
use crate::exit::Exit;
use crate::problem::{Diff, Problem};
use crate::report::{How, Message};
use crate::target::Target;

pub(super) fn run(context: &Context, args: &RepairArgs) -> Result<Exit, Problem> {
    let resolution = context.targets()?;
    if let (Some(_), [first, second, ..]) = (&args.accept_edit, &resolution.targets[..]) {
        let text = format!(
            "`repair --accept-edit` is for one target, but {} and {} are selected",
            first.label(),
            second.label()
        );
        return Err(Problem::new(Exit::Usage, text).with_help("select it with `-p <service>`"));
    }
    context.heed_signals();
    context.over(
        &resolution,
        MAKE,
        |target| repair_target(context, args, target),
        |target, repaired| show(context, args, target, &repaired),
    )
}

fn repair_target(
    context: &Context,
    args: &RepairArgs,
    target: &Target,
) -> Result<Vec<Repaired>, Problem> {
    let catalog = context.catalog(target)?;
    let mut database = context.open(target, Access::Write)?;
    let mut options = context.options(target);
    options.lock_wait = args.lock.lock_wait;
    let teller = Teller::new(context, target);
    let observer = |event: Event<'_>| teller.tell(&event);
    let migrator = Migrator::new(&catalog)
        .with_options(options)
        .with_observer(&observer);
    let repair = match (&args.accept_edit, &args.record) {
        (Some(name), _) => {
            let version = named(&migrator, &mut database, &catalog, target, name)?;
            show_edit(context, &migrator, &mut database, target, &version)?;
            Repair::AcceptEdit(version)
        }
        (None, Some(Some(name))) => {
            let version = named(&migrator, &mut database, &catalog, target, name)?;
            Repair::Record(Some(version))
        }
        (None, _) => Repair::Record(None),
    };
    migrator
        .repair(&mut database, &repair, args.why.as_deref())
        .map_err(|error| Problem::of_run(target, &error, None))
}

fn named(
    migrator: &Migrator<'_>,
    database: &mut Database,
    catalog: &Catalog,
    target: &Target,
    name: &str,
) -> Result<Version, Problem> {
    let history = migrator
        .history(database)
        .map_err(|error| Problem::of_run(target, &error, None))?;
    find(name, catalog, &history).map_err(|error| Problem::of_selector(target, &error))
}

/// Shows what is about to be accepted, and asks.
fn show_edit(
    context: &Context,
    migrator: &Migrator<'_>,
    database: &mut Database,
    target: &Target,
    version: &Version,
) -> Result<(), Problem> {
    let failed = |error| Problem::of_run(target, &error, None);
    let repair = Repair::AcceptEdit(version.clone());
    let due = migrator.repairable(database, &repair).map_err(failed)?;
    let history = migrator.history(database).map_err(failed)?;
    let recorded = history
        .applied
        .get(version)
        .and_then(|row| row.recorded.as_ref());
    for Repaired { name, .. } in &due {
        let file = target.migration(name).map(|path| path.join("up.sql"));
        let applied = recorded.and_then(|recorded| recorded.up.as_deref());
        let diff = file
            .zip(applied)
            .and_then(|(file, applied)| Diff::of(&file, applied));
        match (diff, recorded.map(|recorded| recorded.edit)) {
            (Some(diff), _) => context.report.tell(Message::Diff {
                target,
                diff: &diff,
            }),
            (None, Some(Edit::Cosmetic)) => context.report.tell(Message::Note {
                target,
                text: &format!("{name}: only comments or white space changed"),
            }),
            (None, _) => context.report.tell(Message::Note {
                target,
                text: &format!("{name}: the text as it was applied is not known"),
            }),
        }
        context
            .confirm(&format!(
                "{}: take this for what was applied as {name}?",
                target.label()
            ))
            .map_err(|problem| problem.of(&target.label()))?;
    }
    Ok(())
}

fn show(context: &Context, args: &RepairArgs, target: &Target, repaired: &[Repaired]) -> Finished {
    let how = match args.accept_edit {
        Some(_) => How::AcceptedEdit,
        None => How::Recorded,
    };
    if repaired.is_empty() {
        context.report.tell(Message::Note {
            target,
            text: "nothing to record: the checksum of every applied migration is known",
        });
    }
    for Repaired { version, name } in repaired {
        context.report.tell(Message::Repaired {
            target,
            migration: name,
            version: version.as_str(),
            how,
            why: args.why.as_deref(),
        });
    }
    Finished::default()
}
