//! The plan: what has to be done to bring a database from its history to a
//! goal. A pure function of values; a dry run is the plan, printed.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::catalog::{Catalog, DownScript, Migration};
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

/// What a plan may do without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Late arrivals.
    pub out_of_order: OutOfOrder,
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
    },
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
        Goal::Down(down) => plan_down(catalog, history, down),
    }
}

fn plan_up(
    catalog: &Catalog,
    history: &History,
    up: &Up,
    policy: Policy,
) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    let mut divergences = contradictions(catalog, history, &mut plan.notes);
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
            history.unfinished.get(&migration.version),
            Direction::Up,
            &mut divergences,
            migration,
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
        plan.steps.push(step(migration, Direction::Up, resume));
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

fn plan_down(catalog: &Catalog, history: &History, down: &Down) -> Result<Plan, PlanError> {
    let applied = history.applied.keys().rev();
    let chosen: Vec<&Version> = match down {
        Down::Zero => applied.collect(),
        Down::Count(count) => applied.take(*count).collect(),
        Down::To(version) => {
            if !history.applied.contains_key(version) {
                return Err(PlanError::NotApplied(version.clone()));
            }
            applied.take_while(|applied| *applied > version).collect()
        }
        Down::Only(version) => match history.applied.get_key_value(version) {
            None => return Err(PlanError::NotApplied(version.clone())),
            Some((version, _)) => vec![version],
        },
    };
    let mut plan = Plan::default();
    // What is half done is finished first, in its own direction: nothing under
    // it is taken away, and no other migration instead of it.
    let mut divergences: Vec<Divergence> = history
        .unfinished
        .iter()
        .filter(|(version, unfinished)| match unfinished.direction {
            Direction::Up => true,
            Direction::Down => !chosen.contains(version),
        })
        .map(|(version, unfinished)| half(version, unfinished))
        .collect();
    for version in chosen {
        let Some(migration) = catalog.get(version) else {
            divergences.push(missing(version, history));
            continue;
        };
        if let Some(reason) = irreversible(migration) {
            if !divergences.is_empty() {
                continue;
            }
            return Err(PlanError::Irreversible {
                version: version.clone(),
                name: migration.name.clone(),
                reason,
            });
        }
        let resume = resume(
            history.unfinished.get(version),
            Direction::Down,
            &mut divergences,
            migration,
        );
        plan.steps.push(step(migration, Direction::Down, resume));
    }
    if divergences.is_empty() {
        Ok(plan)
    } else {
        Err(PlanError::Diverged(divergences))
    }
}

/// Why a migration has no way back.
fn irreversible(migration: &Migration) -> Option<String> {
    match (&migration.metadata.irreversible, migration.down) {
        (Some(reason), _) => Some(reason.clone()),
        (None, DownScript::Absent) => Some("it has no down.sql".to_owned()),
        (None, DownScript::Present) => None,
    }
}

/// What contradicts the catalog, whatever the goal is.
fn contradictions(catalog: &Catalog, history: &History, notes: &mut Vec<Note>) -> Vec<Divergence> {
    let mut divergences = Vec::new();
    let last = catalog.newest().map(|migration| &migration.version);
    let mut ahead = 0;
    for (version, row) in &history.applied {
        let Some(migration) = catalog.get(version) else {
            if last.is_some_and(|last| version > last) {
                ahead += 1;
            } else {
                divergences.push(missing(version, history));
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
            }),
        }
    }
    if let (Some(newest), true) = (history.newest(), ahead > 0) {
        notes.push(Note::Ahead {
            count: ahead,
            newest: newest.clone(),
        });
    }
    let known: BTreeSet<&Version> = catalog.iter().map(|migration| &migration.version).collect();
    for (version, unfinished) in &history.unfinished {
        // A half-done up of a migration that is on disk is resumed by its step.
        match (unfinished.direction, known.contains(version)) {
            (Direction::Up, true) => {}
            (Direction::Down, _) => divergences.push(half(version, unfinished)),
            (Direction::Up, false) => divergences.push(Divergence::Missing {
                version: version.clone(),
                name: unfinished.name.clone(),
            }),
        }
    }
    divergences
}

fn missing(version: &Version, history: &History) -> Divergence {
    let recorded = history
        .applied
        .get(version)
        .and_then(|row| row.recorded.as_ref());
    let name = recorded.map_or_else(|| version.to_string(), |recorded| recorded.name.clone());
    Divergence::Missing {
        version: version.clone(),
        name,
    }
}

fn half(version: &Version, unfinished: &Unfinished) -> Divergence {
    let (version, name, direction, total) = (
        version.clone(),
        unfinished.name.clone(),
        unfinished.direction,
        unfinished.total,
    );
    match (unfinished.state, unfinished.edited) {
        (AttemptState::InDoubt { statement }, _) => Divergence::InDoubt {
            version,
            name,
            direction,
            statement,
            total,
        },
        (_, Some(statement)) => Divergence::EditedHalfApplied {
            version,
            name,
            direction,
            statement,
            total,
        },
        (AttemptState::Failed | AttemptState::Running, None) => Divergence::HalfApplied {
            version,
            name,
            direction,
            done: unfinished.done,
            total,
        },
    }
}

/// Where to go on with a migration, or why that cannot be known.
fn resume(
    unfinished: Option<&Unfinished>,
    direction: Direction,
    divergences: &mut Vec<Divergence>,
    migration: &Migration,
) -> Option<Resume> {
    let unfinished = unfinished.filter(|unfinished| unfinished.direction == direction)?;
    let in_doubt = matches!(unfinished.state, AttemptState::InDoubt { .. });
    if in_doubt || unfinished.edited.is_some() {
        divergences.push(half(&migration.version, unfinished));
    }
    Some(Resume {
        attempt: unfinished.attempt,
        done: unfinished.done,
    })
}

fn step(migration: &Migration, direction: Direction, resume: Option<Resume>) -> Step {
    Step {
        direction,
        version: migration.version.clone(),
        name: migration.name.clone(),
        resume,
    }
}
