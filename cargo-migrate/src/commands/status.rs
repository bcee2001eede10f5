//! `status`: every migration of every target, and what it is.

use migrate_core::{Entry, OutOfOrder, State, inspect};
use migrate_runtime::{Access, Migrator};

use super::Context;
use super::over::{Finished, LOOK};
use crate::cli::StatusArgs;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::{Did, Listed, Message, NameWidth};
use crate::target::Target;

pub(super) fn run(context: &Context, args: &StatusArgs) -> Result<Exit, Problem> {
    let look = |target: &Target| {
        let catalog = context.catalog(target)?;
        let mut database = context.open(target, Access::Read)?;
        let migrator = Migrator::new(&catalog);
        let history = migrator
            .history(&mut database)
            .map_err(|error| Problem::of_run(target, &error, None))?;
        // What is unfinished may be under way at this very moment.
        let at_work = match history.unfinished.is_empty() {
            true => None,
            false => migrator.holder(&mut database).ok().flatten(),
        };
        Ok((inspect(&catalog, &history), at_work))
    };
    context.over_targets(LOOK, look, |target, (entries, at_work)| {
        let finished = show(context, args, target, &entries);
        if let Some(holder) = at_work {
            let text = format!("a runner is at work on it: {holder}");
            context.report.tell(Message::Note {
                target,
                text: &text,
            });
        }
        finished
    })
}

fn show(context: &Context, args: &StatusArgs, target: &Target, entries: &[Entry]) -> Finished {
    context.report.tell(Message::Listing { target });
    let mut finished = Finished::default();
    if entries.is_empty() {
        let text = format!(
            "no migrations yet; `cargo migrate new <name>{}` writes the first",
            target.package_flag()
        );
        context.report.tell(Message::Note {
            target,
            text: &text,
        });
    }
    let width = NameWidth::of(entries.iter().map(|entry| entry.name.as_str()));
    for entry in entries {
        let exit = match exit_of(&entry.state) {
            // What `run` would apply is no contradiction.
            Exit::Diverged
                if entry.state == State::OutOfOrder
                    && target.settings.out_of_order != OutOfOrder::Refuse =>
            {
                Exit::Pending
            }
            exit => exit,
        };
        if args.exit_code {
            finished.exit = finished.exit.and(exit);
        }
        let to_be_applied = matches!(entry.state, State::Pending | State::OutOfOrder);
        finished.did = finished.did.and(Did {
            pending: usize::from(to_be_applied),
            ..Did::default()
        });
        if !to_be_applied && entry.run_on.is_some() {
            finished.at = Some(entry.version.to_string());
        }
        if args.pending && exit == Exit::Fine {
            continue;
        }
        let version = entry.version.as_str();
        let migration = Listed {
            name: &entry.name,
            version,
            state: &entry.state,
            run_on: entry.run_on.as_deref(),
            width,
        };
        context.report.tell(Message::Status {
            target,
            migration: &migration,
        });
    }
    finished
}

fn exit_of(state: &State) -> Exit {
    match state {
        State::Applied | State::Adopted | State::Cosmetic => Exit::Fine,
        State::Pending => Exit::Pending,
        State::Edited | State::Missing | State::OutOfOrder | State::HalfApplied { .. } => {
            Exit::Diverged
        }
        State::InDoubt { .. } => Exit::InDoubt,
    }
}
