//! `show`: one migration, its SQL and its state.

use migrate_core::{Entry, Selector, find, inspect};
use migrate_runtime::{Access, Migrator};

use super::Context;
use super::over::{Finished, LOOK};
use crate::cli::{ShowArgs, typed};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::{Listed, Message, NameWidth};
use crate::target::Target;

struct Shown {
    entry: Entry,
    up: Option<String>,
    down: Option<String>,
}

pub(super) fn run(context: &Context, args: &ShowArgs) -> Result<Exit, Problem> {
    let resolution = context.targets()?;
    let several = resolution.targets.len() > 1;
    let mut found = 0usize;
    let look = |target: &Target| match shown(context, args, target) {
        // In a fleet a version is mostly one service's.
        Err(problem) if several && problem.exit == Exit::Usage => Ok(None),
        other => other.map(Some),
    };
    let exit = context.over(&resolution, LOOK, look, |target, shown| {
        if let Some(shown) = shown {
            found += 1;
            tell(context, target, &shown);
        }
        Finished::default()
    })?;
    if found == 0 && exit == Exit::Fine {
        let text = format!(
            "no selected service has the migration `{}`",
            typed(&args.migration)
        );
        return Err(Problem::new(Exit::Usage, text).with_help("`cargo migrate status` lists them"));
    }
    Ok(exit)
}

fn shown(context: &Context, args: &ShowArgs, target: &Target) -> Result<Shown, Problem> {
    let catalog = context.catalog(target)?;
    let mut database = context.open(target, Access::Read)?;
    let history = Migrator::new(&catalog)
        .history(&mut database)
        .map_err(|error| Problem::of_run(target, &error, None))?;
    let version = match &args.migration {
        Selector::Named(name) => {
            find(name, &catalog, &history).map_err(|error| Problem::of_selector(target, &error))?
        }
        Selector::Latest => catalog
            .newest()
            .map(|newest| newest.version.clone())
            .ok_or_else(|| Problem::new(Exit::Usage, "the set is empty").of(&target.label()))?,
        other @ (Selector::Zero | Selector::Relative(_)) => {
            let text = format!("`{}` is no migration to show", typed(other));
            return Err(Problem::new(Exit::Usage, text)
                .with_help("name it by its version or its directory"));
        }
    };
    let read = |error: migrate_core::ReadError| Problem::of_run(target, &error.into(), None);
    let migration = catalog.get(&version);
    let up = migration
        .map(migrate_core::Migration::up)
        .transpose()
        .map_err(read)?;
    let down = migration
        .map(migrate_core::Migration::down)
        .transpose()
        .map_err(read)?
        .flatten();
    let entry = inspect(&catalog, &history)
        .into_iter()
        .find(|entry| entry.version == version);
    let entry =
        entry.ok_or_else(|| Problem::new(Exit::Failed, format!("no migration {version}")))?;
    Ok(Shown { entry, up, down })
}

fn tell(context: &Context, target: &Target, shown: &Shown) {
    let entry = &shown.entry;
    context.report.tell(Message::Listing { target });
    let version = entry.version.as_str();
    let migration = Listed {
        name: &entry.name,
        version,
        state: &entry.state,
        run_on: entry.run_on.as_deref(),
        width: NameWidth::of([entry.name.as_str()]),
    };
    context.report.tell(Message::Status {
        target,
        migration: &migration,
    });
    context.report.tell(Message::Source {
        target,
        file: "up.sql",
        sql: shown.up.as_deref(),
    });
    context.report.tell(Message::Source {
        target,
        file: "down.sql",
        sql: shown.down.as_deref(),
    });
}
