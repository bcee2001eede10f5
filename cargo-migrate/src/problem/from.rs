//! From each error to the problem that a person is shown.

use std::path::Path;

use migrate_core::{CatalogError, Dialect, Refusal, SelectorError};
use migrate_runtime::{
    AdminError, DatabaseErrorKind, Error, OpenError, OpenReason, RefusedFile, Remains, RepairError,
};

use super::remedy::{is_denied, is_full};
use super::{Excerpt, Problem, Stopped, Subject, catalog, failure, plan};
use crate::config::{ConfigError, ConfigFinding};
use crate::exit::Exit;
use crate::target::{Target, TargetError, Unresolved, UrlOrigin};
use crate::workspace::{DiscoveryError, SelectionError};

impl From<DiscoveryError> for Problem {
    fn from(error: DiscoveryError) -> Self {
        let mut problem = Self::new(Exit::Usage, error.to_string());
        problem.help.extend(error.help());
        problem
    }
}

impl Problem {
    /// A selection that selects nothing; `services` are the members with
    /// migrations.
    #[must_use]
    pub fn of_selection(error: &SelectionError, services: &[String]) -> Self {
        Self::new(Exit::Usage, error.to_string()).with_help(error.help(services))
    }

    /// A set of migrations that cannot be used, told to somebody in the
    /// directory `here`.
    #[must_use]
    pub fn of_catalog(target: &Target, error: &CatalogError, here: &Path) -> Self {
        let mut problems = error
            .findings
            .iter()
            .map(|finding| catalog::problem(target, finding, here));
        let mut first = problems
            .next()
            .unwrap_or_else(|| Self::new(Exit::Failed, error.to_string()));
        first.others = problems.collect();
        first.notes.push("nothing was run".into());
        first
    }

    /// A name that selects no migration.
    #[must_use]
    pub fn of_selector(target: &Target, error: &SelectorError) -> Self {
        Self::new(Exit::Usage, error.to_string())
            .with_help(error.help())
            .of(&target.label())
    }

    /// A database that cannot be reached.
    #[must_use]
    pub fn of_open(target: &Target, error: &OpenError) -> Self {
        let mut problem = Self::new(Exit::Failed, one_line(&error.to_string())).of(&target.label());
        problem
            .notes
            .push(format!("the URL comes from {}", target.url_origin));
        let help = match error {
            OpenError::Connect {
                reason: OpenReason::MissingDatabase,
                ..
            } => {
                format!(
                    "create it with `cargo migrate create{0}`, or run with `cargo migrate run{0} --create-database`",
                    target.package_flag()
                )
            }
            OpenError::Connect {
                reason: OpenReason::Unreachable,
                ..
            } => {
                format!(
                    "start the server and wait for it with `cargo migrate wait{}`, or correct the URL",
                    target.package_flag()
                )
            }
            OpenError::Connect {
                reason: OpenReason::Refused,
                ..
            } => "see to the file, role or password that the URL names".into(),
            OpenError::Connect {
                reason: OpenReason::RefusedPlainText,
                ..
            } => {
                "see to the role or password that the URL names; where the account requires TLS, add `?ssl-mode=REQUIRED` to the URL".into()
            }
            OpenError::SessionSetup { .. } => {
                "correct `session-setup` in [package.metadata.migrate]".into()
            }
            OpenError::Url { help, .. } => help.clone(),
            OpenError::NoBackend(_) => "use a URL of another backend".into(),
        };
        problem.with_help(help)
    }

    /// A database that cannot be created or dropped.
    #[must_use]
    pub fn of_admin(target: &Target, error: &AdminError) -> Self {
        match error {
            AdminError::Open(error) => Self::of_open(target, error),
            AdminError::InUse(_) => Self::new(Exit::LockBusy, error.to_string())
                .of(&target.label())
                .with_help("wait for the other runner, then try again"),
            AdminError::NoName
            | AdminError::InMemory
            | AdminError::OfTheServer(_)
            | AdminError::NotADatabase(_)
            | AdminError::File { .. }
            | AdminError::Database { .. } => {
                let mut problem =
                    Self::new(Exit::Failed, one_line(&error.to_string())).of(&target.label());
                problem.help.extend(admin_help(target, error));
                problem
            }
        }
    }

    /// A run that ended early.
    #[must_use]
    pub fn of_run(target: &Target, error: &Error, stopped: Option<&Stopped>) -> Self {
        let again = stopped.and_then(|stopped| stopped.again.as_deref());
        let at = stopped.and_then(|stopped| stopped.at.as_deref());
        let mut problem = run_problem(target, error, again);
        problem.exit = Exit::of(error);
        problem.label = Some(target.label());
        for other in &mut problem.others {
            other.exit = problem.exit;
            other.label.clone_from(&problem.label);
        }
        if let (Error::Failed(failure), Some(at)) = (error, at)
            && matches!(
                failure.remains,
                Remains::RolledBack | Remains::RunRolledBack
            )
        {
            problem.notes.push(format!("the database is at {at}"));
        }
        problem
    }
}

const PRIMARY: &str = "point the URL at the primary";

/// A URL without the pooler, for this command and for good.
fn pooled_help(target: &Target) -> String {
    let variable = match &target.url_origin {
        UrlOrigin::Environment { variable } | UrlOrigin::EnvFile { variable, .. } => {
            format!("the variable {variable}")
        }
        UrlOrigin::Flag | UrlOrigin::Command | UrlOrigin::Default => "the service's URL".to_owned(),
    };
    format!(
        "give the database's own address, without the pooler: in {variable}, or once with `--database-url`"
    )
}

fn admin_help(target: &Target, error: &AdminError) -> Option<String> {
    match error {
        AdminError::NoName => Some("end the URL in the database's name".into()),
        AdminError::OfTheServer(_) => Some(
            "end the URL in the name of the service's own database; nothing was changed".into(),
        ),
        AdminError::NotADatabase(_) => {
            Some("correct the URL, or remove the file yourself; nothing was changed".into())
        }
        AdminError::File { .. } => Some("see to its owner and permissions".into()),
        AdminError::Database { source, .. }
            if target.dialect == Dialect::Sqlite && is_denied(target.dialect, source) =>
        {
            Some("see to its owner and permissions, and its directory's".into())
        }
        AdminError::Database { source, .. } if source.kind == DatabaseErrorKind::ReadOnly => {
            Some(PRIMARY.into())
        }
        AdminError::Database { source, doing, .. } if is_denied(target.dialect, source) => {
            Some(format!(
                "the role in the URL may not {doing} it: let one that may, for example with --database-url"
            ))
        }
        AdminError::InMemory
        | AdminError::InUse(_)
        | AdminError::Open(_)
        | AdminError::Database { .. } => None,
    }
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        let ConfigError::Invalid(findings) = &error else {
            let mut problem = Self::new(Exit::Usage, error.to_string());
            problem.help.extend(error.help());
            return problem;
        };
        let mut problems = findings.iter().map(config_problem);
        let mut first = problems
            .next()
            .unwrap_or_else(|| Self::new(Exit::Usage, error.to_string()));
        first.others = problems.collect();
        first
    }
}

fn config_problem(finding: &ConfigFinding) -> Problem {
    let mut problem = Problem::new(Exit::Usage, finding.message.clone());
    problem.help.extend(finding.help.clone());
    let mut excerpt = Excerpt::path(&finding.file);
    if let Some(shown) = &finding.excerpt {
        let byte = |chars: usize| {
            shown
                .line
                .char_indices()
                .nth(chars)
                .map_or(shown.line.len(), |(byte, _)| byte)
        };
        let start = shown.place.column.saturating_sub(1);
        excerpt.text.clone_from(&shown.line);
        excerpt.first_line = shown.place.line;
        excerpt.range = Some(byte(start)..byte(start + shown.width));
    }
    problem.excerpts.push(excerpt);
    problem
}

impl From<TargetError> for Problem {
    fn from(error: TargetError) -> Self {
        let mut problem = Self::new(Exit::Usage, error.to_string()).with_help(error.help());
        problem.help.extend(error.other_help());
        problem
    }
}

impl From<&Unresolved> for Problem {
    fn from(unresolved: &Unresolved) -> Self {
        let label = match &unresolved.database {
            Some(database) => format!("{}/{database}", unresolved.service),
            None => unresolved.service.clone(),
        };
        let mut problem = Self::new(Exit::Failed, unresolved.problem.to_string()).of(&label);
        problem.help.extend(unresolved.help());
        problem
    }
}

fn run_problem(target: &Target, error: &Error, again: Option<&str>) -> Problem {
    let problem = Problem::new(Exit::Failed, error.to_string());
    let flag = target.package_flag();
    let run = again.map_or_else(|| format!("cargo migrate run{flag}"), str::to_owned);
    match error {
        Error::Plan(plan) => plan::problem(target, plan),
        Error::Failed(failure) => failure::problem(target, failure, again),
        Error::Refused(files) => refused_problem(files),
        Error::Read(read) => {
            let mut problem = Problem::new(Exit::Failed, format!("{read}: {}", read.source));
            problem.excerpts.push(Excerpt::path(&read.path));
            problem.with_help("see to its owner and permissions")
        }
        Error::Changed(_) => problem.with_help(format!("run again: `{run}`")),
        Error::LostWithSession { statement, what, .. } => problem.with_help(format!(
            "make {what} anew in what has not run yet, or write the value itself; statement {statement} is applied and stays as it is"
        )),
        Error::LockHeld { .. } => problem.with_help("wait for the other runner, or give `--lock-wait` more time"),
        Error::StillAtWork { .. } => problem.with_help("wait for the other session, or end it"),
        Error::LockLost => problem.with_help(format!(
            "the session is another one than took it (a pooler in between?), or something gave the lock back; `cargo migrate status{flag}` says what is applied"
        )),
        Error::SingleTransaction(_) => problem.with_help("run without `--single-transaction`"),
        Error::ReadOnlyServer => match target.dialect {
            Dialect::Postgres => problem.with_help(PRIMARY).with_help(
                "where it is the primary, `default_transaction_read_only` is on: for the role, the database or by the URL",
            ),
            Dialect::MySql | Dialect::Sqlite => problem.with_help(PRIMARY),
        },
        Error::Pooled => problem
            .with_note("nothing was sent")
            .with_help(format!(
                "{}; migrations in transactions run through the pooler",
                pooled_help(target)
            )),
        Error::PooledByHand { .. } => problem
            .with_note("nothing was changed")
            .with_help(pooled_help(target)),
        Error::PooledOrNot(_) => Problem { title: one_line(&problem.title), ..problem }
            .with_note("nothing was sent")
            .with_help(
                "migrations outside a transaction need a second connection for a moment: leave room for it (the role's CONNECTION LIMIT, the server's max_connections, a pooler's max_client_conn)",
            ),
        Error::LostAgain { .. } => lost_again(error, &run),
        Error::ConnectionLost(_) | Error::LentConnectionLost(_) | Error::NotReconnected { .. } => {
            let problem = Problem { title: one_line(&problem.title), ..problem };
            problem.with_help(format!("`cargo migrate status{flag}` says what is applied; running again goes on from there"))
        }
        Error::Database { source, doing } => {
            let mut problem = problem;
            if is_denied(target.dialect, source) {
                problem.help.push(match target.dialect {
                    Dialect::Sqlite => "the file and its directory have to be writable: a lock file and SQLite's journal lie beside it".into(),
                    Dialect::Postgres | Dialect::MySql if doing.starts_with("cannot read") => {
                        "the role needs SELECT on the history table and on ours beside it (__migrate_journal, __migrate_steps)".into()
                    }
                    Dialect::MySql => "the account needs CREATE, SELECT, INSERT, UPDATE and DELETE on the database, for our tables".into(),
                    Dialect::Postgres => "the role needs USAGE and CREATE on the schema (for our tables), and SELECT, INSERT, UPDATE and DELETE on them".into(),
                });
            }
            if source.message.contains("database is locked") {
                problem.help.push("another process keeps writing to the database; run again when it is done".into());
            }
            if is_full(target.dialect, source) {
                problem.help.push(format!("make room on the disk, then `{run}`"));
            }
            if source.message.contains("not a database") {
                problem.help.push("the URL names a file that is no SQLite database; nothing was written to it".into());
            }
            match *doing {
                doing if doing.starts_with("cannot read") => {}
                "cannot record the migration's statements" => problem.notes.push(format!(
                    "its finished statements stay; `cargo migrate status{flag}` says what is recorded"
                )),
                _ => problem.notes.push("nothing of the migration remains".into()),
            }
            problem
        }
        Error::Repair(error) => repair_problem(target, problem, error),
        Error::Interrupted => problem.with_help(format!("`{run}` goes on from there")),
    }
}

/// What to do instead of the repair that was asked for.
fn repair_problem(target: &Target, problem: Problem, error: &RepairError) -> Problem {
    let flag = target.package_flag();
    let help = match error {
        RepairError::Diverged(divergence) => {
            return plan::divergence_problem(target, 0, divergence).with_note(
                "nothing was changed: that is put right before anything of it is recorded",
            );
        }
        RepairError::Unknown(_) => format!("`cargo migrate status{flag}` lists what there is"),
        RepairError::NotApplied { version, .. } => {
            format!("`cargo migrate run{flag} --to {version}` applies it")
        }
        RepairError::NotEdited { .. } => {
            format!("there is nothing to accept; `cargo migrate status{flag}` says what is edited")
        }
        RepairError::Adopted { version, .. } => format!(
            "record the file as what was applied with `cargo migrate repair --record {version}{flag}`"
        ),
        RepairError::Recorded { version, .. } => format!(
            "if its file was edited since: `cargo migrate repair --accept-edit {version}{flag} --why \"…\"`"
        ),
        RepairError::NoReason => "give it with `--why`, in words".to_owned(),
    };
    problem.with_note("nothing was changed").with_help(help)
}

/// A migration that has taken its connection with it each time.
fn lost_again(error: &Error, run: &str) -> Problem {
    let mut problem = Problem::new(Exit::Failed, one_line(&error.to_string()));
    let Error::LostAgain {
        version,
        name,
        direction,
        remains,
        ..
    } = error
    else {
        return problem;
    };
    problem.migration = Some(Subject {
        name: name.clone(),
        version: version.to_string(),
        direction: *direction,
        statement: None,
    });
    let is_there = match direction {
        migrate_core::Direction::Up => "does not have it",
        migrate_core::Direction::Down => "still has it",
    };
    problem.notes.push(match remains {
        Remains::RunRolledBack => {
            "the history has no change of the run: all of it is rolled back".to_owned()
        }
        Remains::Statements(0) => "no statement of it is recorded".to_owned(),
        Remains::Statements(1) => "statement 1 is applied and recorded".to_owned(),
        Remains::Statements(done) => format!("statements 1–{done} are applied and recorded"),
        Remains::RolledBack | Remains::InDoubt { .. } => {
            format!("the history {is_there}: what it did is rolled back")
        }
    });
    problem.with_help(format!(
        "the server's log says who ended the connection, or whether {version} brings it down; then `{run}`"
    ))
}

/// A client's message of several lines, as a title can hold it.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

fn refused_problem(files: &[RefusedFile]) -> Problem {
    let mut problems = files.iter().flat_map(|file| {
        file.refusals
            .iter()
            .map(move |refusal| refusal_problem(file, refusal))
    });
    let mut first = problems.next().unwrap_or_default();
    first.others = problems.collect();
    first.notes.push("nothing was sent to the database".into());
    first
}

fn refusal_problem(file: &RefusedFile, refusal: &Refusal) -> Problem {
    let mut problem = Problem::new(
        Exit::Failed,
        format!("migration {} cannot be run: {refusal}", file.name),
    );
    problem.migration = Some(Subject {
        name: file.name.clone(),
        version: file.version.to_string(),
        direction: file.direction,
        statement: None,
    });
    let end = file.text[refusal.range.clone()]
        .find('\n')
        .map_or(refusal.range.end, |n| refusal.range.start + n);
    let path = file
        .file
        .clone()
        .unwrap_or_else(|| file.name.clone().into());
    let lines = migrate_core::Excerpt::of(&file.text, &(refusal.range.start..end));
    problem.excerpts.push(Excerpt::of(&path, &lines));
    problem.with_help(refusal.help())
}
