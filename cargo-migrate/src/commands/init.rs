//! `init`: a member of the workspace becomes a service with migrations.

use std::path::{Path, PathBuf};

use migrate_core::Dialect;

use super::Context;
use super::new::{finish, scaffold};
use crate::cli::InitArgs;
use crate::config::{self, Purpose, Service};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::Message;
use crate::scaffold::{Change, NewService, RuntimeDependency, RuntimeSource, init_service};
use crate::workspace::{Choice, Chosen, Member, Workspace, from_to, relative};

pub(super) fn run(context: &Context, args: &InitArgs) -> Result<Exit, Problem> {
    let workspace = context.workspace()?;
    let member = one_member(context, &workspace)?;
    let service = service_of(&workspace, member)?;
    let mut runtime = dependency(&workspace, context.selection.backend);
    if let Some(path) = &args.runtime {
        runtime.source = RuntimeSource::Path(runtime_path(path, member)?);
    }
    let request = NewService {
        runtime,
        backend: context.selection.backend,
    };
    let changes =
        init_service(member, service.as_ref(), &request).map_err(|error| scaffold(&error))?;
    let here = std::env::current_dir().unwrap_or_default();
    for change in &changes {
        let path = relative(change.path(), &here).display().to_string();
        let edited = match change {
            Change::DirectoryCreated(_) | Change::HeadCreated(_) => {
                context.report.tell(Message::FileCreated {
                    service: &member.name,
                    path: &path,
                });
                continue;
            }
            Change::DependencyAdded { package, .. } => format!("dependency {package}"),
            Change::MetadataAdded { .. } => "[package.metadata.migrate]".to_owned(),
        };
        context.report.tell(Message::Edited {
            service: &member.name,
            path: &path,
            what: &edited,
        });
    }
    if changes.is_empty() {
        let text = format!(
            "{} is a service with migrations already; nothing was changed",
            member.name
        );
        context.report.tell(Message::Warning {
            text: &text,
            help: None,
        });
    }
    finish(context);
    Ok(Exit::Fine)
}

fn one_member<'w>(context: &Context, workspace: &'w Workspace) -> Result<&'w Member, Problem> {
    let chosen: Chosen<'_> = workspace
        .select(&context.selection.packages())
        .map_err(|error| Problem::of_selection(&error, &config::names_of_services(workspace)))?;
    if let [(member, _)] = &chosen.members[..] {
        return Ok(member);
    }
    let names: Vec<&str> = chosen
        .members
        .iter()
        .map(|(member, _)| member.name.as_str())
        .collect();
    Err(
        Problem::new(Exit::Usage, "`init` is for one package").with_help(format!(
            "say which: `cargo migrate init -p <package>`, one of {}",
            names.join(", ")
        )),
    )
}

/// What the configuration makes of the member already, if anything.
fn service_of(workspace: &Workspace, member: &Member) -> Result<Option<Service>, Problem> {
    let chosen = Chosen {
        members: vec![(member, Choice::Named)],
        unmatched_excludes: Vec::new(),
    };
    match config::services(workspace, &chosen, Purpose::Files) {
        Ok(services) => Ok(services.into_iter().next()),
        Err(config::ConfigError::NoService { .. } | config::ConfigError::NoMigrations { .. }) => {
            Ok(None)
        }
        Err(error @ config::ConfigError::Invalid(_)) => Err(error.into()),
    }
}

/// The library's directory as the manifest of `member` has to name it.
fn runtime_path(path: &Path, member: &Member) -> Result<PathBuf, Problem> {
    let directory = std::fs::canonicalize(path)
        .ok()
        .filter(|directory| directory.join("Cargo.toml").is_file());
    let Some(directory) = directory else {
        let text = format!("there is no package in {}", path.display());
        return Err(Problem::new(Exit::Usage, text)
            .with_help("`--runtime` wants the directory migrate-runtime of a clone"));
    };
    let root = std::fs::canonicalize(&member.root).unwrap_or_else(|_| member.root.clone());
    Ok(from_to(&root, &directory))
}

/// The library: the workspace's own entry where it has one.
fn dependency(workspace: &Workspace, backend: Option<Dialect>) -> RuntimeDependency {
    let manifest = std::fs::read_to_string(workspace.manifest()).unwrap_or_default();
    let shared = manifest
        .parse::<toml_edit::DocumentMut>()
        .is_ok_and(|document| {
            document
                .get("workspace")
                .and_then(|workspace| workspace.get("dependencies")?.get("migrate-runtime"))
                .is_some()
        });
    let source = if shared {
        RuntimeSource::Workspace
    } else {
        RuntimeSource::Version(env!("CARGO_PKG_VERSION").to_owned())
    };
    let features = backend
        .map(|backend| backend.as_str().to_owned())
        .into_iter()
        .collect();
    RuntimeDependency { source, features }
}
