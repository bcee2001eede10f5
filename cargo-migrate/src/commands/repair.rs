//! `repair`: what the journal says of applied migrations is brought in line with
//! the files, for a reason. Never touches a schema.

use migrate_core::{Catalog, Edit, History, Version, find};
use migrate_runtime::{Access, Database, Event, Migrator, Repair, Repaired};

use super::Context;
use super::over::{Finished, MAKE};
use super::running::Teller;
use crate::cli::RepairArgs;
use crate::exit::Exit;
use crate::problem::{Edited, Problem};
use crate::report::{How, Message};
use crate::target::Target;

/// Of what is left out so many are named.
const MOST_NAMED: usize = 5;

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
) -> Result<(Vec<Repaired>, LeftOut), Problem> {
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
    let failed = |error| Problem::of_run(target, &error, None);
    let repaired = migrator
        .repair(&mut database, &repair, args.why.as_deref())
        .map_err(failed)?;
    let left = match repair {
        Repair::Record(None) => {
            let history = migrator.history(&mut database).map_err(failed)?;
            LeftOut::of(&catalog, &history)
        }
        Repair::Record(Some(_)) | Repair::AcceptEdit(_) => LeftOut::default(),
    };
    Ok((repaired, left))
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
        let Some(recorded) = recorded else { continue };
        let note = |text: &str| {
            context.report.tell(Message::Note {
                target,
                text: &format!("{name}: {text}"),
            });
        };
        let kept = recorded.up.as_deref();
        let wanted = kept.is_none().then_some(&recorded.raw);
        match recorded.edit {
            Edit::Cosmetic => note("only comments or white space changed"),
            Edit::None => match Edited::look(target, name, kept, wanted).diff {
                Ok(diff) => context.report.tell(Message::Diff {
                    target,
                    diff: &diff,
                }),
                Err(why) => note(why),
            },
        }
        let question = format!("take this for what was applied as {name}?");
        context.confirm_of(Some(&target.label()), &question)?;
    }
    Ok(())
}

/// What `--record` has left as it is.
#[derive(Debug, Default)]
struct LeftOut {
    /// There is no file to take anything from.
    without_file: Vec<String>,
    /// Somewhere in the middle.
    unfinished: Vec<String>,
}

impl LeftOut {
    fn of(catalog: &Catalog, history: &History) -> Self {
        let mut left = Self::default();
        for (version, row) in &history.applied {
            if row.recorded.is_some() {
                continue;
            }
            let list = match catalog.get(version) {
                Some(_) => &mut left.unfinished,
                None => &mut left.without_file,
            };
            list.push(version.to_string());
        }
        left
    }

    fn told(&self) -> Vec<String> {
        let told = |why: &str, versions: &[String]| {
            let (named, more) = versions.split_at(versions.len().min(MOST_NAMED));
            let more = match more.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("left out, {why}: {}{more}", named.join(", "))
        };
        let lists = [
            ("applied, but without a file here", &self.without_file),
            ("half reverted", &self.unfinished),
        ];
        let told = lists
            .iter()
            .filter(|(_, versions)| !versions.is_empty())
            .map(|(why, versions)| told(why, versions));
        told.collect()
    }
}

fn show(
    context: &Context,
    args: &RepairArgs,
    target: &Target,
    (repaired, left): &(Vec<Repaired>, LeftOut),
) -> Finished {
    let how = match args.accept_edit {
        Some(_) => How::AcceptedEdit,
        None => How::Recorded,
    };
    let left = left.told();
    let nothing = match left.is_empty() {
        true => "nothing to record: the checksum of every applied migration is known",
        false => "nothing to record of the files that are here",
    };
    let nothing = repaired.is_empty().then_some(nothing);
    for text in nothing.into_iter().chain(left.iter().map(String::as_str)) {
        context.report.tell(Message::Note { target, text });
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
