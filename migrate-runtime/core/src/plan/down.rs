//! The way back: which applied versions a goal takes back, in descending order,
//! and where the SQL of each stands.

use super::{Down, Plan, PlanError, Policy, Step, StepSource, StoredDown, resume};
use crate::catalog::{Catalog, DownScript, Migration};
use crate::divergence::Divergence;
use crate::history::{Direction, History};
use crate::version::Version;

pub(super) fn plan_down(
    catalog: &Catalog,
    history: &History,
    down: &Down,
    policy: Policy,
) -> Result<Plan, PlanError> {
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
        .map(|(version, unfinished)| Divergence::of_unfinished(version, unfinished))
        .collect();
    for version in chosen {
        let unfinished = history.unfinished.get(version);
        let way = match (catalog.get(version), policy.stored_down) {
            (Some(migration), _) => way_back(migration),
            (None, StoredDown::Use) => stored_way_back(version, history),
            (None, StoredDown::Refuse) => {
                divergences.push(Divergence::of_missing(version, history));
                continue;
            }
        };
        let (name, source) = match way {
            Ok(way) => way,
            Err(_) if !divergences.is_empty() => continue,
            Err(error) => return Err(error),
        };
        plan.steps.push(Step {
            direction: Direction::Down,
            version: version.clone(),
            name,
            resume: resume(version, unfinished, Direction::Down, &mut divergences),
            source,
        });
    }
    if divergences.is_empty() {
        Ok(plan)
    } else {
        Err(PlanError::Diverged(divergences))
    }
}

/// The name of what a step down reverts, and where its SQL stands.
type WayBack = Result<(String, StepSource), PlanError>;

/// Back by the catalog's own file.
fn way_back(migration: &Migration) -> WayBack {
    let reason = match (&migration.metadata.irreversible, migration.down) {
        (Some(reason), _) => reason.clone(),
        (None, DownScript::Absent) => "it has no down.sql".to_owned(),
        (None, DownScript::Present) => return Ok((migration.name.clone(), StepSource::Catalog)),
    };
    Err(PlanError::Irreversible {
        version: migration.version.clone(),
        name: migration.name.clone(),
        reason,
    })
}

/// Back by what the journal keeps; whether it has kept anything is seen when
/// it is read.
fn stored_way_back(version: &Version, history: &History) -> WayBack {
    // What is half reverted goes on with what was begun.
    let begun = history
        .unfinished
        .get(version)
        .filter(|unfinished| unfinished.direction == Direction::Down)
        .map(|unfinished| (&unfinished.name, unfinished.attempt));
    let applied = history.applied.get(version);
    let recorded = applied
        .and_then(|row| row.recorded.as_ref())
        .map(|recorded| (&recorded.name, recorded.attempt));
    match begun.or(recorded) {
        Some((name, attempt)) => Ok((name.clone(), StepSource::Journal { attempt })),
        None => Err(PlanError::Irreversible {
            version: version.clone(),
            name: version.to_string(),
            reason: "another tool applied it, so that the journal keeps no down SQL".to_owned(),
        }),
    }
}
