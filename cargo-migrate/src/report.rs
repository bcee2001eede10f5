//! What a command tells, as values; each form of output is a module. Only
//! commands see this one.

mod json;
mod text;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use migrate_core::{Direction, State};

use crate::cli::MessageFormat;
use crate::exit::Exit;
use crate::problem::Problem;
pub use crate::problem::{Did, Diff};
use crate::target::Target;
use crate::term::{Bar, Term, Verbosity};

/// Something that a command tells.
#[expect(
    missing_docs,
    reason = "each variant's own line says what its fields are"
)]
#[derive(Debug, Clone, Copy)]
pub enum Message<'a> {
    /// The command begins.
    Started { command: &'a str },
    /// A file or directory was written.
    FileCreated { service: &'a str, path: &'a str },
    /// Something else was done to a service's files.
    Edited {
        service: &'a str,
        path: &'a str,
        what: &'a str,
    },
    /// A database was created, or was there already.
    DatabaseCreated { target: &'a Target, existed: bool },
    /// A database was dropped, or was not there.
    DatabaseDropped { target: &'a Target, existed: bool },
    /// A target's list of migrations begins.
    Listing { target: &'a Target },
    /// One migration and its state.
    Status {
        target: &'a Target,
        migration: &'a Listed<'a>,
    },
    /// What a target is about to do.
    Planned { target: &'a Target, steps: usize },
    /// One migration begins.
    Running {
        target: &'a Target,
        migration: Ran<'a>,
    },
    /// One migration is applied or reverted.
    Ran {
        target: &'a Target,
        migration: Ran<'a>,
        duration: Duration,
        statements: usize,
    },
    /// The SQL of one step that would run.
    WouldRun {
        target: &'a Target,
        migration: Ran<'a>,
        sql: &'a str,
    },
    /// The SQL of one step that is about to run, and stands in no file.
    WillRun {
        target: &'a Target,
        migration: Ran<'a>,
        sql: &'a str,
    },
    /// What was edited of a migration's file.
    Diff { target: &'a Target, diff: &'a Diff },
    /// What the journal says of a migration was written anew.
    Repaired {
        target: &'a Target,
        migration: &'a str,
        version: &'a str,
        how: How,
        why: Option<&'a str>,
    },
    /// The newest applied migration, if any.
    Current {
        target: &'a Target,
        migration: Option<(&'a str, &'a str)>,
    },
    /// One attempt of the journal.
    Attempt {
        target: &'a Target,
        attempt: &'a Attempted<'a>,
    },
    /// One file of a migration that is shown.
    Source {
        target: &'a Target,
        file: &'a str,
        sql: Option<&'a str>,
    },
    /// A statement in doubt was settled by a person.
    Resolved {
        target: &'a Target,
        name: &'a str,
        version: &'a str,
        statement: usize,
        resolution: &'a str,
        why: Option<&'a str>,
    },
    /// Another runner has the lock.
    Waiting {
        target: &'a Target,
        holder: Option<&'a str>,
        waited: Duration,
    },
    /// A target's server answers.
    Reachable { target: &'a Target },
    /// Worth knowing, stops nothing.
    Note { target: &'a Target, text: &'a str },
    /// Odd, stops nothing.
    Warning {
        text: &'a str,
        help: Option<&'a str>,
    },
    /// Targets that were not begun.
    Skipped {
        targets: &'a [&'a Target],
        because: Because,
    },
    /// It went wrong.
    Problem {
        target: Option<&'a Target>,
        problem: &'a Problem,
    },
    /// A target is finished.
    TargetFinished {
        target: &'a Target,
        exit: Exit,
        did: Did,
        at: Option<&'a str>,
    },
    /// The command is finished.
    Finished {
        exit: Exit,
        targets: usize,
        did: Did,
        elapsed: Duration,
    },
}

/// How a migration was repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Its edit was accepted.
    AcceptedEdit,
    /// Its checksums were recorded.
    Recorded,
}

/// Why a target was not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// Another one failed.
    Failure,
    /// Somebody asked to stop.
    Interrupt,
}

/// One migration of a listing.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// Its directory's name, or what the journal remembers of it.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// What it is.
    pub state: &'a State,
    /// When it was applied.
    pub run_on: Option<&'a str>,
    /// How wide the names of its listing are.
    pub width: NameWidth,
}

/// One migration of a run.
#[derive(Debug, Clone, Copy)]
pub struct Ran<'a> {
    /// Its directory's name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Which way.
    pub direction: Direction,
    /// Its number in the plan, from 1.
    pub number: usize,
    /// Migrations in the plan.
    pub total: usize,
}

/// One row of the history of attempts.
#[derive(Debug, Clone, Copy)]
pub struct Attempted<'a> {
    /// Its directory's name then.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// `up`, `down`, `baseline`, `repair`; nothing if another tool did it.
    pub direction: Option<&'a str>,
    /// `done`, `failed`, `running`.
    pub state: &'a str,
    /// When.
    pub started_at: &'a str,
    /// How long, in microseconds.
    pub duration_us: Option<i64>,
    /// user@host.
    pub applied_by: Option<&'a str>,
    /// The tool's name and version.
    pub tool: Option<&'a str>,
    /// The error that stopped it.
    pub error: Option<&'a str>,
    /// Why it was asked for, or who settled what of it.
    pub why: Option<&'a str>,
    /// How wide the names of its listing are.
    pub width: NameWidth,
}

/// How wide the column of names is in a target's listing, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameWidth(usize);

impl NameWidth {
    /// Usual names all get the same, so that one target's columns stand under
    /// another's.
    const LEAST: usize = 48;
    /// One that is longer pushes its own line aside, and no other.
    const MOST: usize = 80;

    /// As wide as the longest of `names`, within reason.
    #[must_use]
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let longest = names.into_iter().map(|name| name.chars().count()).max();
        Self(longest.unwrap_or(0).clamp(Self::LEAST, Self::MOST))
    }
}

/// Where messages go.
#[derive(Debug)]
pub struct Report {
    term: Term,
    format: MessageFormat,
    /// Paths below it are shown from there.
    here: PathBuf,
    bars: Mutex<Vec<(String, Bar)>>,
}

impl Report {
    /// A report in `format` on `term`, for somebody in the directory `here`.
    #[must_use]
    pub fn new(term: Term, format: MessageFormat, here: PathBuf) -> Self {
        Self {
            term,
            format,
            here,
            bars: Mutex::new(Vec::new()),
        }
    }

    /// Tells something, from whatever thread.
    pub fn tell(&self, message: Message<'_>) {
        self.draw(&message);
        match self.format {
            MessageFormat::Human => text::tell(&self.term, &self.here, &message),
            MessageFormat::Json => {
                if let Some(line) = json::line(&message) {
                    self.term.line(&line);
                }
                // A person may sit before the machine: problems are talk, too.
                let talk = matches!(
                    message,
                    Message::Problem { .. } | Message::Warning { .. } | Message::Skipped { .. }
                );
                if talk {
                    text::tell(&self.term, &self.here, &message);
                }
            }
        }
    }

    /// Keeps the bars of the running targets.
    fn draw(&self, message: &Message<'_>) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = |bars: &[(String, Bar)], target: &Target| {
            let label = target.label();
            bars.iter()
                .find(|(of, _)| *of == label)
                .map(|(_, bar)| bar.clone())
        };
        match message {
            Message::Planned { target, steps } => {
                if bar(&bars, target).is_none()
                    && let Some(bar) = self.term.bar(&target.label(), *steps)
                {
                    bars.push((target.label(), bar));
                }
            }
            Message::Running { target, migration } => {
                if let Some(bar) = bar(&bars, target) {
                    bar.on(migration.name);
                }
            }
            Message::Ran { target, .. } => {
                if let Some(bar) = bar(&bars, target) {
                    bar.advance();
                }
            }
            Message::TargetFinished { target, .. } => {
                if let Some(bar) = bar(&bars, target) {
                    bar.finish();
                    bars.retain(|(of, _)| *of != target.label());
                }
            }
            _ => {}
        }
    }

    /// Where whoever reads it stands.
    #[must_use]
    pub fn here(&self) -> &Path {
        &self.here
    }

    /// A completion script, or the like: bytes without any form of ours.
    pub fn raw(&self, bytes: &[u8]) {
        self.term.raw(bytes);
    }

    /// Whether to say from where things come.
    #[must_use]
    pub fn is_verbose(&self) -> bool {
        self.term.verbosity() >= Verbosity::Verbose
    }

    /// Why a result could not be written, if one could not.
    #[must_use]
    pub fn broken(&self) -> Option<String> {
        self.term.broken()
    }

    /// Whether a question can be asked at all.
    #[must_use]
    pub fn may_ask(&self) -> bool {
        self.format == MessageFormat::Human && Term::is_interactive()
    }

    /// Asks for a yes.
    #[must_use]
    pub fn ask(&self, question: &str) -> bool {
        self.term.ask(question)
    }

    /// Asks for a line.
    #[must_use]
    pub fn ask_text(&self, question: &str) -> Option<String> {
        self.term.ask_text(question)
    }
}
