//! From what was typed to where a run ends: names are looked up in the catalog
//! and the history, the rest is the core's.

use migrate_core::{Catalog, Down, Goal, History, Selector, Up, Version, find};
use migrate_runtime::{Database, Migrator};

use crate::cli::{RedoGoal, RevertGoal, RunGoal};
use crate::problem::Problem;
use crate::target::Target;

/// Looks names up, and reads the history only if there is one to look up.
pub(super) struct Lookup<'l> {
    pub(super) target: &'l Target,
    pub(super) catalog: &'l Catalog,
    pub(super) migrator: &'l Migrator<'l>,
}

impl Lookup<'_> {
    pub(super) fn run(&self, database: &mut Database, goal: &RunGoal) -> Result<Goal, Problem> {
        Ok(match goal {
            RunGoal::Count(count) => Goal::Up(Up::Count(*count)),
            RunGoal::Only(name) => Goal::Up(Up::Only([self.named(database, name)?].into())),
            RunGoal::Target(Selector::Latest) => Goal::Up(Up::Latest),
            // What lies ahead is a count already.
            RunGoal::Target(Selector::Relative(distance)) => Goal::Down(Down::Count(
                usize::try_from(distance.unsigned_abs()).unwrap_or(usize::MAX),
            )),
            RunGoal::Target(Selector::Zero) => Goal::Down(Down::Zero),
            RunGoal::Target(Selector::Named(name)) => {
                Goal::Up(Up::Through(self.named(database, name)?))
            }
        })
    }

    pub(super) fn revert(
        &self,
        database: &mut Database,
        goal: &RevertGoal,
    ) -> Result<Goal, Problem> {
        Ok(Goal::Down(match goal {
            RevertGoal::Count(count) => Down::Count(*count),
            RevertGoal::Only(name) => Down::Only(self.named(database, name)?),
            RevertGoal::Target(target) => self.back_to(database, target)?,
        }))
    }

    pub(super) fn redo(&self, database: &mut Database, goal: &RedoGoal) -> Result<Goal, Problem> {
        Ok(Goal::Down(match goal {
            RedoGoal::Count(count) => Down::Count(*count),
            RedoGoal::Target(target) => self.back_to(database, target)?,
        }))
    }

    fn back_to(&self, database: &mut Database, target: &Selector) -> Result<Down, Problem> {
        Ok(match target {
            Selector::Zero => Down::Zero,
            Selector::Named(name) => Down::To(self.named(database, name)?),
            // Back to the newest is nowhere.
            Selector::Latest | Selector::Relative(_) => Down::Count(0),
        })
    }

    fn named(&self, database: &mut Database, name: &str) -> Result<Version, Problem> {
        let history = self.history(database)?;
        find(name, self.catalog, &history)
            .map_err(|error| Problem::of_selector(self.target, &error))
    }

    fn history(&self, database: &mut Database) -> Result<History, Problem> {
        self.migrator
            .history(database)
            .map_err(|error| Problem::of_run(self.target, &error, None))
    }
}
