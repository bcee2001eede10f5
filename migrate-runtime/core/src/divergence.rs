//! Where a database and a catalog contradict each other. Each way has a name
//! and a remedy; nothing is guessed and nothing is skipped in silence.

use crate::history::Direction;
use crate::version::Version;

/// One contradiction between what is applied and what is on disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Divergence {
    /// The file of an applied migration says something else now.
    #[error("migration {name} was edited after it was applied")]
    Edited {
        /// Its version.
        version: Version,
        /// Its directory.
        name: String,
    },
    /// Applied or half applied, not on disk, and not newer than the newest on disk.
    #[error("migration {name} is in the database, but not in the catalog")]
    Missing {
        /// Its version.
        version: Version,
        /// Its directory's name when it was applied, else its version.
        name: String,
    },
    /// Pending, but older than one that is applied.
    #[error("migration {name} is pending, but sorts before {newest}, which is applied")]
    OutOfOrder {
        /// Its version.
        version: Version,
        /// Its directory.
        name: String,
        /// The newest applied version.
        newest: Version,
    },
    /// Outside a transaction, stopped between two statements.
    #[error("migration {name} ({direction}) is half applied: {done} of {total} statements")]
    HalfApplied {
        /// Its version.
        version: Version,
        /// Its directory.
        name: String,
        /// Which way it was going.
        direction: Direction,
        /// Statements applied and recorded.
        done: usize,
        /// Statements in all.
        total: usize,
    },
    /// Outside a transaction, and the finished part of the file says something
    /// else now.
    #[error(
        "migration {name} ({direction}) was edited while half applied: statement {statement} of {total} is not the one that was run"
    )]
    EditedHalfApplied {
        /// Its version.
        version: Version,
        /// Its directory.
        name: String,
        /// Which way it was going.
        direction: Direction,
        /// The first statement that differs, from 1.
        statement: usize,
        /// Statements in all, in the file that was run.
        total: usize,
    },
    /// Outside a transaction, the runner went away during a statement.
    #[error(
        "migration {name} ({direction}): statement {statement} of {total} is in doubt: its runner went away while it ran"
    )]
    InDoubt {
        /// Its version.
        version: Version,
        /// Its directory.
        name: String,
        /// Which way it was going.
        direction: Direction,
        /// The statement, from 1.
        statement: usize,
        /// Statements in all.
        total: usize,
    },
}

impl Divergence {
    /// The version that it is about.
    #[must_use]
    pub fn version(&self) -> &Version {
        match self {
            Self::Edited { version, .. }
            | Self::Missing { version, .. }
            | Self::OutOfOrder { version, .. }
            | Self::HalfApplied { version, .. }
            | Self::EditedHalfApplied { version, .. }
            | Self::InDoubt { version, .. } => version,
        }
    }

    /// The migration that it is about.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Edited { name, .. }
            | Self::Missing { name, .. }
            | Self::OutOfOrder { name, .. }
            | Self::HalfApplied { name, .. }
            | Self::EditedHalfApplied { name, .. }
            | Self::InDoubt { name, .. } => name,
        }
    }

    /// Which of its files it is about.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match self {
            Self::HalfApplied { direction, .. }
            | Self::EditedHalfApplied { direction, .. }
            | Self::InDoubt { direction, .. } => *direction,
            Self::Edited { .. } | Self::Missing { .. } | Self::OutOfOrder { .. } => Direction::Up,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Edited { .. } => {
                "restore the file as it was applied and write a new migration; on a database of your own, `cargo migrate revert --to` the one before it and run again".to_owned()
            }
            Self::Missing { .. } => {
                "restore the directory from version control; if another service's set shares this history table, give one of them a `schema` or `history-table` of its own".to_owned()
            }
            Self::OutOfOrder { .. } => {
                "rename the directory to a newer version if no other database has it, or allow it with `out-of-order = \"allow\"` (or \"warn\") in [package.metadata.migrate]".to_owned()
            }
            Self::HalfApplied { direction: Direction::Up, .. } => {
                "`cargo migrate run` resumes at the next statement".to_owned()
            }
            Self::HalfApplied { direction: Direction::Down, version, .. } => {
                format!("`cargo migrate revert --only {version}` resumes at the next statement")
            }
            Self::EditedHalfApplied { statement, .. } => format!(
                "put statement {statement} back as it was; only what has not run yet may change before it is resumed"
            ),
            Self::InDoubt { version, statement, .. } => format!(
                "look whether statement {statement} took effect, then `cargo migrate resolve {version} --step {statement} --done` or `--retry`"
            ),
        }
    }
}
