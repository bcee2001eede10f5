//! `new`: writes an empty migration for one service.

use std::path::Path;

use super::Context;
use crate::cli::NewArgs;
use crate::config::{self, Database, Purpose, Service, UNNAMED_DATABASE};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::{Did, Message};
use crate::scaffold::{
    InTransaction, NewMigration, Numbering, ScaffoldError, WayBack, new_migration,
};
use crate::workspace::{Workspace, relative};

pub(super) fn run(context: &Context, args: &NewArgs) -> Result<Exit, Problem> {
    let workspace = context.workspace()?;
    let service = one_service(context, &workspace)?;
    let database = one_database(context, &service)?;
    let request = NewMigration {
        name: args.name().to_owned(),
        numbering: if args.sequential {
            Numbering::Sequential
        } else {
            Numbering::Kept
        },
        transaction: if args.no_transaction {
            InTransaction::No
        } else {
            InTransaction::Yes
        },
        way_back: args
            .irreversible
            .clone()
            .map_or(WayBack::Down, WayBack::Irreversible),
        backend: context.selection.backend,
        now: jiff::Timestamp::now(),
    };
    let written = new_migration(&service, database, &request).map_err(|error| scaffold(&error))?;
    let here = std::env::current_dir().unwrap_or_default();
    let service = service.name.as_str();
    let tell = |path: &Path| {
        let path = relative(path, &here).display().to_string();
        context.report.tell(Message::FileCreated {
            service,
            path: &path,
        });
    };
    written.files.iter().for_each(|path| tell(path));
    if let Some(newer) = &written.newer {
        let text = format!(
            "{} sorts before {newer}, which is there already",
            written.name
        );
        let section = config::section(database.name.as_deref());
        let help = format!(
            "rename {newer} to the time it was written where no database has it yet; \
             else let late ones in with `out-of-order = \"warn\"` in {section}"
        );
        context.report.tell(Message::Warning {
            text: &text,
            help: Some(&help),
        });
    }
    finish(context);
    Ok(Exit::Fine)
}

/// JSON readers wait for the end; people see that there is a prompt again.
pub(super) fn finish(context: &Context) {
    if context.global.message_format == crate::cli::MessageFormat::Json {
        let (exit, did, elapsed) = (Exit::Fine, Did::default(), context.began.elapsed());
        context.report.tell(Message::Finished {
            exit,
            targets: 1,
            did,
            elapsed,
        });
    }
}

pub(super) fn scaffold(error: &ScaffoldError) -> Problem {
    let exit = match error {
        ScaffoldError::NameWithPath(_)
        | ScaffoldError::EmptyName(_)
        | ScaffoldError::LongName { .. } => Exit::Usage,
        ScaffoldError::Unsortable { .. }
        | ScaffoldError::NoFreeVersion(_)
        | ScaffoldError::Manifest { .. }
        | ScaffoldError::Io { .. } => Exit::Failed,
    };
    let text = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let mut problem = Problem::new(exit, text);
    problem.notes.push("nothing was written".into());
    problem.help.extend(error.help());
    problem
}

/// A migration belongs to one service: at a workspace's root it is asked for.
fn one_service(context: &Context, workspace: &Workspace) -> Result<Service, Problem> {
    let by_name = !context.selection.package.is_empty();
    let mut services = context.services(workspace, Purpose::Files)?;
    if services.len() == 1
        && (by_name || workspace.current().is_some() || workspace.members.len() == 1)
    {
        return Ok(services.remove(0));
    }
    let names: Vec<&str> = services
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    let list = names.join(", ");
    if context.report.may_ask()
        && let Some(answer) = context
            .report
            .ask_text(&format!("for which service ({list})?"))
    {
        let position = services.iter().position(|service| service.name == answer);
        return position
            .map(|position| services.swap_remove(position))
            .ok_or_else(|| {
                Problem::new(Exit::Usage, format!("`{answer}` is none of the services"))
                    .with_help(list.clone())
            });
    }
    Err(
        Problem::new(Exit::Usage, "a new migration belongs to one service").with_help(format!(
            "say which: `cargo migrate new <name> -p <service>`, one of {list}"
        )),
    )
}

fn one_database<'s>(context: &Context, service: &'s Service) -> Result<&'s Database, Problem> {
    let name = |database: &Database| {
        database
            .name
            .clone()
            .unwrap_or_else(|| UNNAMED_DATABASE.to_owned())
    };
    let wanted = context
        .selection
        .database
        .as_deref()
        .unwrap_or(UNNAMED_DATABASE);
    let names = || {
        service
            .databases
            .iter()
            .map(name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match &service.databases[..] {
        [only] if context.selection.database.is_none() => Ok(only),
        all => all
            .iter()
            .find(|database| name(database) == wanted)
            .ok_or_else(|| {
                Problem::new(Exit::Usage, format!("no database `{wanted}`"))
                    .of(&service.name)
                    .with_help(format!("there are: {}", names()))
            }),
    }
}
