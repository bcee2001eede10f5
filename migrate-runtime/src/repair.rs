//! Repairs: what the journal says of applied migrations is brought in line with
//! the files, for a person who knows why. Never touches the schema. Pure; the
//! writing is the engine's.

use migrate_core::{Catalog, Direction, Divergence, History, Migration, Version};

/// What to write anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// The database is as this edited migration says now: its checksums and
    /// texts of today are those as applied from now on.
    AcceptEdit(Version),
    /// Another tool applied it, and its file of today is what was applied: its
    /// checksums and texts are recorded. Without a version all such ones of the
    /// catalog.
    Record(Option<Version>),
}

/// A migration of which the journal says something else now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Its version.
    pub version: Version,
    /// Its directory's name.
    pub name: String,
}

/// Why there is nothing to repair where something was to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepairError {
    /// Neither on disk nor in the database.
    #[error("no migration {0}")]
    Unknown(Version),
    /// On disk only.
    #[error("migration {name} is not applied")]
    NotApplied {
        /// Its version.
        version: Version,
        /// Its directory's name.
        name: String,
    },
    /// In the database only, or somewhere in the middle: that is put right
    /// first.
    #[error(transparent)]
    Diverged(Divergence),
    /// The file says what was applied.
    #[error("migration {name} was not edited since it was applied")]
    NotEdited {
        /// Its version.
        version: Version,
        /// Its directory's name.
        name: String,
    },
    /// Its checksum is not known, so that nobody can tell whether it was edited.
    #[error("migration {name} was applied by another tool, so that no edit of it is known")]
    Adopted {
        /// Its version.
        version: Version,
        /// Its directory's name.
        name: String,
    },
    /// Its checksum is recorded already.
    #[error("migration {name} is recorded already")]
    Recorded {
        /// Its version.
        version: Version,
        /// Its directory's name.
        name: String,
    },
    /// An edit is accepted for a reason.
    #[error("accepting an edit wants a reason")]
    NoReason,
}

impl Repair {
    /// The migrations that a repair is about, in order.
    pub(crate) fn due<'c>(
        &self,
        catalog: &'c Catalog,
        history: &History,
    ) -> Result<Vec<&'c Migration>, RepairError> {
        match self {
            Self::AcceptEdit(version) => {
                let migration = applied(version, catalog, history)?;
                let recorded = history.applied[version].recorded.as_ref();
                let (version, name) = (version.clone(), migration.name.clone());
                match recorded {
                    None => Err(RepairError::Adopted { version, name }),
                    Some(recorded) if recorded.raw == migration.raw => {
                        Err(RepairError::NotEdited { version, name })
                    }
                    Some(_) => Ok(vec![migration]),
                }
            }
            Self::Record(Some(version)) => {
                let migration = applied(version, catalog, history)?;
                if history.applied[version].recorded.is_some() {
                    let (version, name) = (version.clone(), migration.name.clone());
                    return Err(RepairError::Recorded { version, name });
                }
                Ok(vec![migration])
            }
            Self::Record(None) => Ok(catalog
                .iter()
                .filter(|migration| {
                    let row = history.applied.get(&migration.version);
                    row.is_some_and(|row| row.recorded.is_none())
                        && !history.unfinished.contains_key(&migration.version)
                })
                .collect()),
        }
    }
}

/// The migration of a version that is applied and on disk.
fn applied<'c>(
    version: &Version,
    catalog: &'c Catalog,
    history: &History,
) -> Result<&'c Migration, RepairError> {
    let (migration, row) = (catalog.get(version), history.applied.get(version));
    if let Some(unfinished) = history.unfinished.get(version) {
        return Err(RepairError::Diverged(
            match (migration, unfinished.direction) {
                (None, Direction::Up) => Divergence::of_missing_half(version, unfinished),
                _ => Divergence::of_unfinished(version, unfinished),
            },
        ));
    }
    match (migration, row) {
        (Some(migration), Some(_)) => Ok(migration),
        (Some(migration), None) => Err(RepairError::NotApplied {
            version: version.clone(),
            name: migration.name.clone(),
        }),
        (None, Some(_)) => Err(RepairError::Diverged(Divergence::of_missing(
            version, history,
        ))),
        (None, None) => Err(RepairError::Unknown(version.clone())),
    }
}
