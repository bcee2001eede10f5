//! The plan: what has to be done to bring a database from its history to a
//! goal. A pure function of values; a dry run is the plan, printed.

mod down;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::down::plan_down;
use crate::catalog::{Catalog, Migration};
use crate::divergence::Divergence;
use crate::history::{AttemptState, Direction, Edit, History, Unfinished};
use crate::version::Version;

/// Where a run is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// Apply.
    Up(Up),
    /// Revert.
    Down(Down),
}

/// How far to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Up {
    /// Everything pending.
    Latest,
    /// What is pending up to and with this version.
    Through(Version),
    /// The next so many.
    Count(usize),
    /// These alone, wherever they stand.
    Only(BTreeSet<Version>),
}

/// How far to revert, newest version first, as Diesel does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Down {
    /// Everything.
    Zero,
    /// Whatever is newer than this version, which stays.
    To(Version),
    /// The newest so many.
    Count(usize),
    /// This one alone.
    Only(Version),
}

/// What to do with a pending migration older than an applied one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutOfOrder {
    /// Refuse the plan.
    #[default]
    Refuse,
    /// Apply it and say so.
    Warn,
    /// Apply it.
    Allow,
}

/// What to do where the database has versions newer than any in the catalog:
/// an old build on a newer schema, as in each rolling deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ahead {
    /// Go on, and note it.
    #[default]
    Ok,
    /// Go on, and warn.
    Warn,
    /// Refuse the plan.
    Fail,
}

/// What to do where a version that is to be reverted is not in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoredDown {
    /// Refuse the plan.
    #[default]
    Refuse,
    /// Revert it with the down SQL that the journal keeps.
    Use,
}

/// What a plan may do without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Late arrivals.
    pub out_of_order: OutOfOrder,
    /// A database that is ahead.
    pub ahead: Ahead,
    /// Reverting what is not in the catalog.
    pub stored_down: StoredDown,
}

/// What has to be done, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// One step a migration.
    pub steps: Vec<Step>,
    /// What is worth saying, but stops nothing.
    pub notes: Vec<Note>,
}

/// One migration, one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which way.
    pub direction: Direction,
    /// Its version.
    pub version: Version,
    /// Its directory's name.
    pub name: String,
    /// Where to go on, if an earlier attempt stopped in the middle.
    pub resume: Option<Resume>,
    /// Where its SQL stands.
    pub source: StepSource,
}

/// Where the SQL of a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepSource {
    /// In the catalog's file.
    #[default]
    Catalog,
    /// In the journal: the down SQL in the row of this attempt.
    Journal {
        /// The journal's id.
        attempt: i64,
    },
}

/// An attempt to go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The journal's id of it.
    pub attempt: i64,
    /// Statements that are done.
    pub done: usize,
}

/// Something that a plan says beside its steps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// A late arrival that the policy lets through.
    #[error("migration {name} is applied late: {newest} is applied already")]
    Late {
        /// Its directory.
        name: String,
        /// The newest applied version.
        newest: Version,
    },
    /// An applied file of which only comments or white space changed.
    #[error("migration {name}: only comments or white space changed since it was applied")]
    Cosmetic {
        /// Its directory.
        name: String,
    },
    /// The database has versions newer than any on disk.
    #[error("the database is ahead of this catalog: {count} newer, up to {newest}")]
    Ahead {
        /// How many.
        count: usize,
        /// The newest applied version.
        newest: Version,
        /// What was to be done about it.
        policy: Ahead,
    },
}

impl Note {
    /// Whether the policy was to warn of it.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        match self {
            Self::Ahead { policy, .. } => *policy == Ahead::Warn,
            Self::Late { .. } | Self::Cosmetic { .. } => false,
        }
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Database and catalog contradict each other.
    #[error("the database and the catalog disagree: {}", list(.0))]
    Diverged(Vec<Divergence>),
    /// The goal of a run lies behind where the database is.
    #[error("{version} lies behind the database, which is at {newest}")]
    Behind {
        /// The goal.
        version: Version,
        /// Where the database is.
        newest: Version,
    },
    /// A version that is to be reverted, or reverted to, is not applied.
    #[error("migration {0} is not applied")]
    NotApplied(Version),
    /// A version that is to be applied is not in the catalog.
    #[error("migration {0} is not in the catalog")]
    NotInCatalog(Version),
    /// A migration on the way has no way back.
    #[error("migration {name} cannot be reverted: {reason}")]
    Irreversible {
        /// Its version.
        version: Version,
        /// Its directory.
        name: String,
        /// Its own words, or that there is no down.sql.
        reason: String,
    },
}

fn list(divergences: &[Divergence]) -> String {
    divergences
        .iter()
        .map(Divergence::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// What has to be done to bring a database from `history` to `goal`.
///
/// # Errors
/// All divergences at once, or why the goal cannot be reached. Nothing of a
/// plan with an error is ever carried out.
pub fn plan(
    catalog: &Catalog,
    history: &History,
    goal: &Goal,
    policy: Policy,
) -> Result<Plan, PlanError> {
    match goal {
        Goal::Up(up) => plan_up(catalog, history, up, policy),
        Goal::Down(down) => plan_down(catalog, history, down, policy),
    }
}

fn plan_up(
    catalog: &Catalog,
    history: &History,
    up: &Up,
    policy: Policy,
) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    let mut divergences = contradictions(catalog, history, policy.ahead, &mut plan.notes);
    let newest = history.newest();
    let pending = || {
        catalog
            .iter()
            .filter(|migration| !history.applied.contains_key(&migration.version))
    };
    let chosen: Vec<&Migration> = match up {
        Up::Latest => pending().collect(),
        Up::Count(count) => pending().take(*count).collect(),
        Up::Through(version) => pending()
            .filter(|migration| migration.version <= *version)
            .collect(),
        Up::Only(versions) => {
            let unknown = |version: &&Version| {
                catalog.get(version).is_none() && !history.applied.contains_key(*version)
            };
            if let Some(version) = versions.iter().find(unknown) {
                return Err(PlanError::NotInCatalog(version.clone()));
            }
            pending()
                .filter(|migration| versions.contains(&migration.version))
                .collect()
        }
    };
    for migration in chosen {
        let resume = resume(
            &migration.version,
            history.unfinished.get(&migration.version),
            Direction::Up,
            &mut divergences,
        );
        let late = newest.filter(|newest| migration.version < **newest && resume.is_none());
        // Naming a migration says that it is wanted wherever it stands.
        if let (Some(newest), false) = (late, matches!(up, Up::Only(_))) {
            let name = migration.name.clone();
            match policy.out_of_order {
                OutOfOrder::Refuse => divergences.push(Divergence::OutOfOrder {
                    version: migration.version.clone(),
                    name,
                    newest: newest.clone(),
                }),
                OutOfOrder::Warn => plan.notes.push(Note::Late {
                    name,
                    newest: newest.clone(),
                }),
                OutOfOrder::Allow => {}
            }
        }
        plan.steps.push(Step {
            direction: Direction::Up,
            version: migration.version.clone(),
            name: migration.name.clone(),
            resume,
            source: StepSource::Catalog,
        });
    }
    if !divergences.is_empty() {
        return Err(PlanError::Diverged(divergences));
    }
    // Also with late arrivals before it: they would not bring the database
    // there, and the next run would say so.
    if let (Up::Through(version), Some(newest)) = (up, newest)
        && version < newest
    {
        return Err(PlanError::Behind {
            version: version.clone(),
            newest: newest.clone(),
        });
    }
    Ok(plan)
}

/// What contradicts the catalog, whatever the goal is.
fn contradictions(
    catalog: &Catalog,
    history: &History,
    policy: Ahead,
    notes: &mut Vec<Note>,
) -> Vec<Divergence> {
    let mut divergences = Vec::new();
    let last = catalog.newest().map(|migration| &migration.version);
    let is_ahead = |version: &Version| last.is_some_and(|last| version > last);
    let mut ahead = BTreeSet::new();
    for (version, row) in &history.applied {
        let Some(migration) = catalog.get(version) else {
            if is_ahead(version) {
                ahead.insert(version);
            } else {
                divergences.push(Divergence::of_missing(version, history));
            }
            continue;
        };
        let Some(recorded) = row
            .recorded
            .as_ref()
            .filter(|recorded| recorded.raw != migration.raw)
        else {
            continue;
        };
        let name = migration.name.clone();
        match recorded.edit {
            Edit::Cosmetic => notes.push(Note::Cosmetic { name }),
            Edit::None => divergences.push(Divergence::Edited {
                version: version.clone(),
                name,
                raw: recorded.raw,
                up: recorded.up.clone(),
            }),
        }
    }
    let known: BTreeSet<&Version> = catalog.iter().map(|migration| &migration.version).collect();
    for (version, unfinished) in &history.unfinished {
        // A half-done up of a migration that is on disk is resumed by its step.
        match (unfinished.direction, known.contains(version)) {
            (Direction::Up, true) => {}
            (Direction::Down, _) => {
                divergences.push(Divergence::of_unfinished(version, unfinished))
            }
            // The newer build's run is not at its end.
            (Direction::Up, false) if is_ahead(version) => {
                ahead.insert(version);
            }
            (Direction::Up, false) => {
                divergences.push(Divergence::of_missing_half(version, unfinished))
            }
        }
    }
    if let Some(newest) = ahead.last().copied() {
        match policy {
            Ahead::Ok | Ahead::Warn => notes.push(Note::Ahead {
                count: ahead.len(),
                newest: newest.clone(),
                policy,
            }),
            Ahead::Fail => divergences.push(Divergence::Ahead {
                version: newest.clone(),
                name: name_of(newest, history),
                count: ahead.len(),
            }),
        }
    }
    divergences
}

/// The name of an applied migration, as far as it is known.
fn name_of(version: &Version, history: &History) -> String {
    let recorded = history
        .applied
        .get(version)
        .and_then(|row| row.recorded.as_ref());
    recorded.map_or_else(|| version.to_string(), |recorded| recorded.name.clone())
}

/// Where to go on with a migration, or why that cannot be known.
fn resume(
    version: &Version,
    unfinished: Option<&Unfinished>,
    direction: Direction,
    divergences: &mut Vec<Divergence>,
) -> Option<Resume> {
    let unfinished = unfinished.filter(|unfinished| unfinished.direction == direction)?;
    let in_doubt = matches!(unfinished.state, AttemptState::InDoubt { .. });
    if in_doubt || unfinished.edited.is_some() {
        divergences.push(Divergence::of_unfinished(version, unfinished));
    }
    Some(Resume {
        attempt: unfinished.attempt,
        done: unfinished.done,
    })
}
