//! The state of each migration, of disk and database together: what `status`
//! shows. Pure.

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::history::{Applied, AttemptState, Direction, Edit, History, Unfinished};
use crate::version::Version;

/// What a migration is, seen from disk and database at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Applied, and the file still says the same.
    Applied,
    /// Applied by another tool: no checksum to compare.
    Adopted,
    /// Applied; only comments or white space changed since.
    Cosmetic,
    /// Not applied.
    Pending,
    /// Applied, and the file says something else now.
    Edited,
    /// Applied, and not on disk.
    Missing,
    /// Applied, and newer than all on disk: an older set on a newer schema.
    Ahead,
    /// Not applied, but older than one that is.
    OutOfOrder,
    /// Outside a transaction, stopped between two statements.
    HalfApplied {
        /// Which way it was going.
        direction: Direction,
        /// Statements applied and recorded.
        done: usize,
        /// Statements in all.
        total: usize,
    },
    /// The same, and the finished part of the file says something else now.
    EditedHalfApplied {
        /// The first statement that differs, from 1.
        statement: usize,
        /// Statements in all, in the file that was run.
        total: usize,
    },
    /// Outside a transaction, the runner went away during a statement.
    InDoubt {
        /// The statement, from 1.
        statement: usize,
        /// Statements in all.
        total: usize,
    },
}

impl State {
    /// The word in tables and in JSON.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Applied | Self::Cosmetic => "applied",
            Self::Adopted => "adopted",
            Self::Pending => "pending",
            Self::Edited | Self::EditedHalfApplied { .. } => "edited",
            Self::Missing => "missing",
            Self::Ahead => "ahead",
            Self::OutOfOrder => "out-of-order",
            Self::HalfApplied { .. } => "half-applied",
            Self::InDoubt { .. } => "in-doubt",
        }
    }
}

/// One line of a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The version.
    pub version: Version,
    /// The directory's name; for a missing one what is known of it.
    pub name: String,
    /// What it is.
    pub state: State,
    /// When it was applied, as the database writes it.
    pub run_on: Option<String>,
}

/// Every migration that is on disk or in the database, in order.
#[must_use]
pub fn inspect(catalog: &Catalog, history: &History) -> Vec<Entry> {
    let mut entries: BTreeMap<&Version, Entry> = BTreeMap::new();
    let newest = history.newest();
    let last = catalog.newest().map(|migration| &migration.version);
    for migration in catalog.iter() {
        let row = history.applied.get(&migration.version);
        let state = match row {
            Some(row) => of_applied(row, &migration.raw),
            None if newest.is_some_and(|newest| migration.version < *newest) => State::OutOfOrder,
            None => State::Pending,
        };
        let entry = Entry {
            version: migration.version.clone(),
            name: migration.name.clone(),
            state,
            run_on: row.map(|row| row.run_on.clone()),
        };
        entries.insert(&migration.version, entry);
    }
    for (version, row) in &history.applied {
        entries.entry(version).or_insert_with(|| Entry {
            version: version.clone(),
            name: row
                .recorded
                .as_ref()
                .map_or_else(|| version.to_string(), |recorded| recorded.name.clone()),
            state: if last.is_some_and(|last| version > last) {
                State::Ahead
            } else {
                State::Missing
            },
            run_on: Some(row.run_on.clone()),
        });
    }
    for (version, unfinished) in &history.unfinished {
        let entry = entries.entry(version).or_insert_with(|| Entry {
            version: version.clone(),
            name: unfinished.name.clone(),
            state: State::Missing,
            run_on: None,
        });
        entry.state = of_unfinished(unfinished);
    }
    entries.into_values().collect()
}

fn of_applied(row: &Applied, now: &crate::checksum::Checksum) -> State {
    match &row.recorded {
        None => State::Adopted,
        Some(recorded) if recorded.raw == *now => State::Applied,
        Some(recorded) => match recorded.edit {
            Edit::Cosmetic => State::Cosmetic,
            Edit::None => State::Edited,
        },
    }
}

fn of_unfinished(unfinished: &Unfinished) -> State {
    let total = unfinished.total;
    match (unfinished.state, unfinished.edited) {
        (AttemptState::InDoubt { statement }, _) => State::InDoubt { statement, total },
        (_, Some(statement)) => State::EditedHalfApplied { statement, total },
        (AttemptState::Failed | AttemptState::Running, None) => State::HalfApplied {
            direction: unfinished.direction,
            done: unfinished.done,
            total,
        },
    }
}
