//! What a database says was done to it: the rows of the history table, joined
//! with what our journal knows of them. A value; reading it is the engine's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::checksum::Checksum;
use crate::version::Version;

/// Which way a migration is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// up.sql.
    Up,
    /// down.sql.
    Down,
}

impl Direction {
    /// The word in the journal and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }

    /// The file that holds this direction's SQL.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Up => "up.sql",
            Self::Down => "down.sql",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a database says of one service's migrations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The rows of the history table.
    pub applied: BTreeMap<Version, Applied>,
    /// Attempts outside a transaction that did not come to their end.
    pub unfinished: BTreeMap<Version, Unfinished>,
    /// The journal's rows that keep no down SQL, of those that were looked at:
    /// of applied versions that an older build would have, but has no file for.
    pub without_way_back: BTreeSet<i64>,
}

/// One row of the history table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// When, as the database wrote it.
    pub run_on: String,
    /// What our journal knows; nothing if another tool applied it.
    pub recorded: Option<Recorded>,
}

/// What the journal holds of an applied migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The directory's name then.
    pub name: String,
    /// Checksum of up.sql as it was applied.
    pub raw: Checksum,
    /// Checksum of its meaning: without comments and white space.
    pub semantic: Checksum,
    /// Whether the file still says the same.
    pub edit: Edit,
    /// The journal's id of the row that says so.
    pub attempt: i64,
    /// The text of up.sql as it was applied: read only where the file means
    /// something else now, and only if the journal has kept it.
    pub up: Option<String>,
}

/// What became of an applied migration's file since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Not compared, or equal.
    None,
    /// Only comments or white space differ.
    Cosmetic,
}

/// A migration outside a transaction that is somewhere in the middle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The journal's id of the attempt.
    pub attempt: i64,
    /// The directory's name then.
    pub name: String,
    /// Which way it was going.
    pub direction: Direction,
    /// How it was left.
    pub state: AttemptState,
    /// Statements that are applied and recorded.
    pub done: usize,
    /// Statements in the file then.
    pub total: usize,
    /// The error that stopped it, if it was one.
    pub error: Option<String>,
    /// The first finished statement (from 1) that the file has no more as it
    /// was run: nobody can go on in it.
    pub edited: Option<usize>,
    /// The text of the file as it was run: read only where that is edited, and
    /// only if the journal has kept it.
    pub text: Option<String>,
}

/// How an attempt that did not come to its end was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptState {
    /// A statement failed; nothing of it remains.
    Failed,
    /// The runner went away between two statements, or is still running.
    Running,
    /// Statement n (from 1) was begun, and its end is not recorded: whether it took
    /// effect is not known.
    InDoubt {
        /// The statement, from 1.
        statement: usize,
    },
}

impl History {
    /// The newest applied version.
    #[must_use]
    pub fn newest(&self) -> Option<&Version> {
        self.applied.last_key_value().map(|(version, _)| version)
    }

    /// Keeps the text of up.sql as the journal's row `attempt` has it.
    pub fn keep_text(&mut self, attempt: i64, up: Option<String>) {
        let mut recorded = self
            .applied
            .values_mut()
            .filter_map(|row| row.recorded.as_mut());
        if let Some(recorded) = recorded.find(|recorded| recorded.attempt == attempt) {
            recorded.up = up;
        }
    }

    /// Notes that only comments or white space of an applied file changed.
    pub fn mark_cosmetic(&mut self, version: &Version) {
        if let Some(recorded) = self
            .applied
            .get_mut(version)
            .and_then(|row| row.recorded.as_mut())
        {
            recorded.edit = Edit::Cosmetic;
        }
    }
}
