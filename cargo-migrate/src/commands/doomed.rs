//! What `drop` and `reset` destroy: whole databases. One that several services
//! share goes once, and only if all of them are selected.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use migrate_core::Dialect;
use migrate_runtime::{Access, Dropped, Migrator, drop_database, may_be_dropped};

use super::Context;
use crate::config::{self, Service};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::Message;
use crate::target::{self, Request, Resolution, Surroundings, Target};
use crate::workspace::Workspace;

/// The selected targets, and the databases that they are in.
pub(super) struct Doomed {
    pub(super) resolution: Resolution,
    /// What became of each database, by its identity.
    databases: HashMap<String, Mutex<Fate>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Untouched,
    /// Dropped for the first of its targets, and made again if that is wanted.
    Done,
    /// It failed for the first; the others have nothing to work on.
    Failed,
}

impl Context {
    /// The selected targets, provided nobody else loses anything.
    pub(super) fn doomed(&self) -> Result<Doomed, Problem> {
        let workspace = self.workspace()?;
        let resolution = self.targets_of(&workspace)?;
        for target in &resolution.targets {
            may_be_dropped(&target.url).map_err(|error| {
                let mut problem = Problem::of_admin(target, &error);
                problem.exit = Exit::Usage;
                problem
            })?;
        }
        let databases: HashMap<String, Mutex<Fate>> = resolution
            .targets
            .iter()
            .filter_map(identity)
            .map(|identity| (identity, Mutex::default()))
            .collect();
        for other in others(&workspace, &resolution)? {
            let shares = identity(&other).filter(|identity| databases.contains_key(identity));
            let Some(shared) = shares else { continue };
            let with = resolution
                .targets
                .iter()
                .find(|target| identity(target).as_ref() == Some(&shared));
            return Err(shared_with(with, &other));
        }
        Ok(Doomed {
            resolution,
            databases,
        })
    }
}

impl Doomed {
    /// What would be lost, by name.
    pub(super) fn question(&self) -> String {
        let names = |target: &Target| format!("{} ({})", target.label(), target.url);
        let all: Vec<String> = self.resolution.targets.iter().map(names).collect();
        format!(
            "drop the database of {}, with everything in it?",
            all.join(", ")
        )
    }

    /// Calls `work` for the first target of each database; the others wait for
    /// it and fail with it.
    pub(super) fn once(
        &self,
        target: &Target,
        work: impl FnOnce() -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let fate = identity(target).and_then(|identity| self.databases.get(&identity));
        let Some(fate) = fate else { return work() };
        let mut fate = fate.lock().unwrap_or_else(PoisonError::into_inner);
        match *fate {
            Fate::Done => Ok(()),
            Fate::Failed => Err(Problem::new(
                Exit::Failed,
                "nothing was done, because of the failure of another service in the same database",
            )
            .of(&target.label())),
            Fate::Untouched => {
                *fate = Fate::Failed;
                work()?;
                *fate = Fate::Done;
                Ok(())
            }
        }
    }

    /// Drops the target's database, unless a runner of one of its services is
    /// at work.
    pub(super) fn drop(&self, context: &Context, target: &Target) -> Result<(), Problem> {
        let mine = identity(target);
        let sharing = self
            .resolution
            .targets
            .iter()
            .filter(|other| mine.is_some() && identity(other) == mine);
        for other in sharing {
            is_idle(context, other)?;
        }
        let dropped =
            drop_database(&target.url).map_err(|error| Problem::of_admin(target, &error))?;
        context.report.tell(Message::DatabaseDropped {
            target,
            existed: dropped == Dropped::Gone,
        });
        Ok(())
    }
}

/// The database of a target; each connection in memory has one of its own.
fn identity(target: &Target) -> Option<String> {
    let in_memory = target.dialect == Dialect::Sqlite && target.url.sqlite_path().is_none();
    (!in_memory).then(|| target.url.identity())
}

/// The targets of the workspace that are not selected, as far as they have a
/// URL: what has none here can lose nothing here.
fn others(workspace: &Workspace, selected: &Resolution) -> Result<Vec<Target>, Problem> {
    let around = Surroundings::of_process(&workspace.root).map_err(|error| {
        Problem::new(
            Exit::Usage,
            format!("the current directory cannot be read: {error}"),
        )
    })?;
    let is_selected = |service: &Service, database: &config::Database| {
        let same = |name: &str, of: &Option<String>| *name == service.name && *of == database.name;
        let targets = &selected.targets;
        let unresolved = &selected.unresolved;
        targets.iter().any(|one| same(&one.service, &one.database))
            || unresolved
                .iter()
                .any(|one| same(&one.service, &one.database))
    };
    let mut others = Vec::new();
    for member in &workspace.members {
        let Ok(Some(service)) = config::service_of(workspace, member) else {
            continue;
        };
        for database in &service.databases {
            if is_selected(&service, database) {
                continue;
            }
            // One by one: what two of them share is no matter here.
            let alone = Service {
                databases: vec![database.clone()],
                ..service.clone()
            };
            if let Ok(found) = target::resolve(&[alone], &Request::default(), &around) {
                others.extend(found.targets);
            }
        }
    }
    Ok(others)
}

fn shared_with(target: Option<&Target>, other: &Target) -> Problem {
    let (label, flag) = target.map_or_else(Default::default, |target| {
        (target.label(), target.package_flag())
    });
    Problem::new(
        Exit::Usage,
        format!(
            "the database of {label} is {}'s, too, which is not selected",
            other.label()
        ),
    )
    .with_note("nothing was changed")
    .with_help(format!(
        "select both to lose both; to start afresh with one, `cargo migrate revert{flag} --to zero` and `cargo migrate run{flag}`"
    ))
}

/// A server drops a database under whoever is connected; a runner at work is not
/// to be. On SQLite the file's lock says the same when it is dropped.
fn is_idle(context: &Context, target: &Target) -> Result<(), Problem> {
    if target.dialect == Dialect::Sqlite {
        return Ok(());
    }
    // What cannot be opened is for the dropping to tell.
    let Ok(mut database) = context.open(target, Access::Read) else {
        return Ok(());
    };
    let catalog = migrate_core::Catalog::default();
    let holder = Migrator::new(&catalog)
        .holder(&mut database)
        .map_err(|error| Problem::of_run(target, &error, None))?;
    let Some(holder) = holder else { return Ok(()) };
    Err(Problem::new(
        Exit::LockBusy,
        format!("another runner is at work on the database: {holder}"),
    )
    .of(&target.label())
    .with_note("nothing was changed")
    .with_help("wait for the other runner, then try again"))
}
