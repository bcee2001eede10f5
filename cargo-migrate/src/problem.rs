//! One problem, ready to be shown: what went wrong where, in what state the
//! database is now, and what to type next. Made here from every error that a
//! person can meet; showing it is the report's.

mod catalog;
mod edit;
mod failure;
mod fold;
mod from;
mod plan;
mod remedy;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use migrate_core::{Direction, Place};

pub use self::edit::Diff;
pub(crate) use self::edit::Edited;
use crate::exit::Exit;

/// What went wrong, for a person and for a machine.
#[derive(Debug, Clone, Default)]
pub struct Problem {
    /// How the command exits for it.
    pub exit: Exit,
    /// The service and its database, `cart` or `cart/reporting`.
    pub label: Option<String>,
    /// The migration that it is about.
    pub migration: Option<Subject>,
    /// One sentence, without the label.
    pub title: String,
    /// What several of its kind are, to be told as one: "were edited".
    pub alike: Option<String>,
    /// Where, with the text around it.
    pub excerpts: Vec<Excerpt>,
    /// What was edited, where that is the problem.
    pub diffs: Vec<Diff>,
    /// In what state things are now.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Vec<String>,
    /// More of the same kind that are shown beside it.
    pub others: Vec<Problem>,
    /// What was done before it happened.
    pub did: Did,
    /// Whom it concerns.
    pub reach: Reach,
}

/// Whom a problem concerns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// This target alone: its server, its files.
    #[default]
    Itself,
    /// The others, too: what failed here may fail there.
    Others,
}

/// What was done to a target, or to all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Did {
    /// Migrations applied.
    pub applied: usize,
    /// Migrations reverted.
    pub reverted: usize,
    /// Migrations that are pending.
    pub pending: usize,
}

impl Did {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            applied: self.applied + other.applied,
            reverted: self.reverted + other.reverted,
            pending: self.pending + other.pending,
        }
    }
}

/// How a run stands that ended early.
#[derive(Debug, Clone, Default)]
pub struct Stopped {
    /// The newest version that is applied now, as far as it is known.
    pub at: Option<String>,
    /// The command that does the rest of what was asked for, where that is not
    /// simply `run`.
    pub again: Option<String>,
}

/// The migration that a problem is about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its directory's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Which way it was going.
    pub direction: Direction,
    /// The statement, from 1.
    pub statement: Option<usize>,
}

/// A place in a file, and what to say there.
#[derive(Debug, Clone)]
pub struct Excerpt {
    /// The file.
    pub path: PathBuf,
    /// Some of its text, or nothing if there is nothing to show of it.
    pub text: String,
    /// The line that `text` begins at, from 1.
    pub first_line: usize,
    /// The bytes of `text` that are meant.
    pub range: Option<Range<usize>>,
    /// What to say of them.
    pub label: String,
}

impl Excerpt {
    /// A file or directory without any text of it.
    #[must_use]
    pub fn path(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            text: String::new(),
            first_line: 1,
            range: None,
            label: String::new(),
        }
    }

    /// Some lines of a file, with nothing to say of them.
    #[must_use]
    pub fn of(path: &Path, lines: &migrate_core::Excerpt) -> Self {
        Self {
            path: path.to_owned(),
            text: lines.text.clone(),
            first_line: lines.first_line,
            range: Some(lines.range.clone()),
            label: String::new(),
        }
    }

    /// Line and column in the file.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let start = self.range.as_ref()?.start;
        let within = Place::of(&self.text, start);
        Some(Place {
            line: within.line + self.first_line - 1,
            column: within.column,
        })
    }
}

impl Problem {
    /// A failure that is told in a sentence.
    #[must_use]
    pub fn new(exit: Exit, title: impl Into<String>) -> Self {
        Self {
            exit,
            title: title.into(),
            ..Self::default()
        }
    }

    /// The same, with something to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// The same, with what state things are in.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The same, of a service.
    #[must_use]
    pub fn of(mut self, label: &str) -> Self {
        self.label = Some(label.to_owned());
        self
    }

    /// The sentence with the service before it.
    #[must_use]
    pub fn headline(&self) -> String {
        match &self.label {
            Some(label) => format!("{label}: {}", self.title),
            None => self.title.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())
    }
}
