//! Where a database and a catalog contradict each other. Each way has a name,
//! and whoever tells it a remedy; nothing is guessed and nothing is skipped in
//! silence.

use crate::checksum::Checksum;
use crate::history::{AttemptState, Direction, History, Unfinished};
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
        /// Whether the journal keeps down SQL of it, as far as it was asked.
        stored_down: bool,
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
        /// The text that was run, where the journal has kept it.
        text: Option<String>,
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
    /// Of a version that is applied and not on disk.
    #[must_use]
    pub fn of_missing(version: &Version, history: &History) -> Self {
        let recorded = history
            .applied
            .get(version)
            .and_then(|row| row.recorded.as_ref());
        // What is half reverted goes on with what was begun.
        let begun = history
            .unfinished
            .get(version)
            .filter(|unfinished| unfinished.direction == Direction::Down);
        let attempt = begun
            .map(|unfinished| unfinished.attempt)
            .or(recorded.map(|recorded| recorded.attempt));
        Self::Missing {
            version: version.clone(),
            name: recorded.map_or_else(|| version.to_string(), |recorded| recorded.name.clone()),
            raw: recorded.map(|recorded| recorded.raw),
            stored_down: attempt
                .is_some_and(|attempt| !history.without_way_back.contains(&attempt)),
        }
    }

    /// Of a migration that is somewhere in the middle.
    #[must_use]
    pub fn of_unfinished(version: &Version, unfinished: &Unfinished) -> Self {
        let (version, name, direction, total) = (
            version.clone(),
            unfinished.name.clone(),
            unfinished.direction,
            unfinished.total,
        );
        match (unfinished.state, unfinished.edited) {
            (AttemptState::InDoubt { statement }, _) => Self::InDoubt {
                version,
                name,
                direction,
                statement,
                total,
            },
            (_, Some(statement)) => Self::EditedHalfApplied {
                version,
                name,
                direction,
                statement,
                total,
                text: unfinished.text.clone(),
            },
            (AttemptState::Failed | AttemptState::Running, None) => Self::HalfApplied {
                version,
                name,
                direction,
                done: unfinished.done,
                total,
            },
        }
    }

    /// Of the way up of a migration that is not on disk any more.
    #[must_use]
    pub fn of_missing_half(version: &Version, unfinished: &Unfinished) -> Self {
        Self::Missing {
            version: version.clone(),
            name: unfinished.name.clone(),
            raw: None,
            stored_down: false,
        }
    }
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
}
