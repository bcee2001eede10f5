//! Where a database and a catalog contradict each other. Each way has a name
//! and a remedy; nothing is guessed and nothing is skipped in silence.

use crate::checksum::Checksum;
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
        /// Checksum of up.sql as it was applied.
        raw: Checksum,
        /// The text as it was applied, where the journal has kept it.
        up: Option<String>,
    },
    /// Applied or half applied, not on disk, and not newer than the newest on disk.
    #[error("migration {name} is in the database, but not in the catalog")]
    Missing {
        /// Its version.
        version: Version,
        /// Its directory's name when it was applied, else its version.
        name: String,
        /// Checksum of up.sql as it was applied, where it is known.
        raw: Option<Checksum>,
    },
    /// Newer versions than any on disk, where the policy is to stop then.
    #[error("the database is ahead of this catalog: {count} newer, up to {name}")]
    Ahead {
        /// The newest of them.
        version: Version,
        /// Its directory's name when it was applied, else its version.
        name: String,
        /// How many.
        count: usize,
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
        "migration {name} ({direction}): statement {statement} of {total} is in doubt: it was begun, and its end is not recorded"
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
            | Self::Ahead { version, .. }
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
            | Self::Ahead { name, .. }
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
            Self::Edited { .. }
            | Self::Missing { .. }
            | Self::Ahead { .. }
            | Self::OutOfOrder { .. } => Direction::Up,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Edited { version, .. } => format!(
                "put the file back as it was applied and write a new migration for the change; if the database is as the file says now, `cargo migrate repair --accept-edit {version} --why \"…\"`"
            ),
            Self::Missing { version, .. } => format!(
                "restore the directory from version control, or take the migration back with `cargo migrate revert --only {version} --stored-down`"
            ),
            Self::Ahead { .. } => {
                "run the newer build, or let an older one go on with `ahead = \"ok\"` (or \"warn\") in [package.metadata.migrate]".to_owned()
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
