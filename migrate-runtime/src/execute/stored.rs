//! Where the SQL of a step stands: in the catalog, or for a version that is not
//! there in the journal, which keeps the down SQL of what it has seen applied.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use migrate_core::{Catalog, Direction, Migration, PlanError, RunMode, Step, StepSource};

use crate::backend::{Backend, LARGEST_KEPT};
use crate::error::{DatabaseError, Error};

/// The down SQL of a version that is not in the catalog.
#[derive(Debug)]
pub(super) struct Stored {
    text: String,
    /// Whether the version was applied outside a transaction: what takes it
    /// back (DROP INDEX CONCURRENTLY) goes the same way.
    by_steps: bool,
}

/// What was read of the journal for a plan, by attempts.
#[derive(Debug, Default)]
pub(super) struct StoredDowns(BTreeMap<i64, Stored>);

/// Both places.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'s> {
    pub(super) catalog: &'s Catalog,
    pub(super) stored: &'s StoredDowns,
}

/// Where one step's SQL stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'s> {
    Catalog(&'s Migration),
    Journal(&'s Stored),
}

impl StoredDowns {
    /// Reads what a step needs of the journal.
    ///
    /// # Errors
    /// Where the journal keeps nothing that could be run.
    pub(super) fn load(&mut self, backend: &mut dyn Backend, step: &Step) -> Result<(), Error> {
        let StepSource::Journal { attempt } = step.source else {
            return Ok(());
        };
        if self.0.contains_key(&attempt) {
            return Ok(());
        }
        let reading = Error::database;
        let kept = backend
            .read_texts(&[attempt])
            .map_err(reading("cannot read the journal"))?;
        let kept = kept.into_iter().next();
        let applied_by = kept.as_ref().and_then(|kept| kept.applied_by_attempt);
        let text = kept.and_then(|kept| kept.down_sql).unwrap_or_default();
        if text.trim().is_empty() {
            return Err(PlanError::Irreversible {
                version: step.version.clone(),
                name: step.name.clone(),
                reason: "the journal keeps no down SQL of it".to_owned(),
            }
            .into());
        }
        let steps = match applied_by {
            Some(attempt) => backend
                .read_steps(attempt)
                .map_err(reading("cannot read the migration's steps"))?,
            None => Vec::new(),
        };
        let by_steps = !steps.is_empty();
        self.0.insert(attempt, Stored { text, by_steps });
        Ok(())
    }
}

/// The down SQL that an attempt which is under way was begun with.
pub(super) fn begun(backend: &mut dyn Backend, attempt: i64) -> Result<String, DatabaseError> {
    let kept = backend.read_texts(&[attempt])?.into_iter().next();
    Ok(kept.and_then(|kept| kept.down_sql).unwrap_or_default())
}

impl<'s> Sources<'s> {
    /// Where the SQL of a step stands; what the journal keeps is loaded before.
    ///
    /// # Errors
    /// Where it stands nowhere.
    pub(super) fn of(self, step: &Step) -> Result<Origin<'s>, Error> {
        let origin = match step.source {
            StepSource::Catalog => self.catalog.get(&step.version).map(Origin::Catalog),
            StepSource::Journal { attempt } => self.stored.0.get(&attempt).map(Origin::Journal),
        };
        origin.ok_or_else(|| PlanError::NotInCatalog(step.version.clone()).into())
    }
}

impl Origin<'_> {
    /// The file, unless there is none.
    pub(super) fn file(self, direction: Direction) -> Option<PathBuf> {
        match self {
            Self::Catalog(migration) => migration
                .directory()
                .map(|directory| directory.join(direction.file_name())),
            Self::Journal(_) => None,
        }
    }

    /// The SQL.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn text(self, direction: Direction) -> Result<String, Error> {
        Ok(match (self, direction) {
            (Self::Catalog(migration), Direction::Up) => migration.up()?,
            (Self::Catalog(migration), Direction::Down) => migration.down()?.unwrap_or_default(),
            (Self::Journal(stored), _) => stored.text.clone(),
        })
    }

    /// The down SQL for the journal to keep, of an attempt that runs `text`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn kept_down(
        self,
        direction: Direction,
        mode: RunMode,
        text: &str,
    ) -> Result<Option<String>, Error> {
        Ok(match (self, direction) {
            // What must not be reverted here is not to be elsewhere either.
            (Self::Catalog(migration), Direction::Up) => match migration.metadata.irreversible {
                Some(_) => None,
                None => migration.down()?,
            },
            // Half reverted, it can go on where the directory is gone by then.
            (Self::Catalog(_), Direction::Down) => {
                let keeps = mode == RunMode::Steps && text.len() <= LARGEST_KEPT;
                keeps.then(|| text.to_owned())
            }
            (Self::Journal(_), _) => Some(text.to_owned()),
        })
    }

    /// Whether the migration asks for a transaction.
    pub(super) fn runs_in_transaction(self) -> bool {
        match self {
            Self::Catalog(migration) => migration.metadata.transaction.runs_in_transaction(),
            Self::Journal(stored) => !stored.by_steps,
        }
    }

    /// Its own lock timeout, and its own statement timeout.
    pub(super) fn timeouts(self) -> (Option<Duration>, Option<Duration>) {
        match self {
            Self::Catalog(migration) => (
                migration.metadata.lock_timeout,
                migration.metadata.statement_timeout,
            ),
            Self::Journal(_) => (None, None),
        }
    }
}
