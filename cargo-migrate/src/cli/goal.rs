//! What the flags of `run`, `revert` and `redo` mean together. Clap knows which
//! of them exclude each other; here they become one value.

use migrate_core::Selector;

use super::command::{RedoArgs, RevertArgs};
use super::global::SelectionArgs;

/// How far `run` goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunGoal {
    /// Up to this migration; [`Selector::Latest`] where nothing was said.
    Target(Selector),
    /// The next so many.
    Count(usize),
    /// This migration alone: a version, a prefix or a directory's name.
    Only(String),
}

/// How far `revert` goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevertGoal {
    /// Back to this migration, which stays; [`Selector::Zero`] for everything.
    /// Never relative: that is a count.
    Target(Selector),
    /// The newest so many; one where nothing was said.
    Count(usize),
    /// This migration alone: a version, a prefix or a directory's name.
    Only(String),
}

/// What `redo` reverts and applies again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedoGoal {
    /// Whatever is newer than this migration.
    Target(Selector),
    /// The newest so many; one where nothing was said.
    Count(usize),
}

impl RunGoal {
    /// The flags that ask for what is left of it after `done` migrations, with a
    /// space before them; nothing where `run` alone does.
    #[must_use]
    pub fn rest(&self, done: usize) -> String {
        match self {
            Self::Target(Selector::Latest) => String::new(),
            Self::Target(target) => format!(" --to {}", typed(target)),
            Self::Count(count) => format!(" --count {}", left(*count, done)),
            Self::Only(name) => format!(" --only {name}"),
        }
    }
}

impl RevertGoal {
    /// The flags that ask for what is left of it after `done` migrations, with a
    /// space before them; nothing where `revert` alone does.
    #[must_use]
    pub fn rest(&self, done: usize) -> String {
        match self {
            Self::Count(count) => match left(*count, done) {
                1 => String::new(),
                left => format!(" -n {left}"),
            },
            Self::Target(target) => format!(" --to {}", typed(target)),
            Self::Only(name) => format!(" --only {name}"),
        }
    }
}

/// Whoever stopped short has at least one before him.
fn left(count: usize, done: usize) -> usize {
    count.saturating_sub(done).max(1)
}

/// A target as it is typed.
pub(crate) fn typed(target: &Selector) -> String {
    match target {
        Selector::Latest => "latest".into(),
        Selector::Zero => "zero".into(),
        Selector::Relative(distance) => format!("{distance:+}"),
        Selector::Named(name) => name.clone(),
    }
}

/// A combination of flags that says nothing, or two things.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// `--all` selects services, and everything else is missing.
    #[error("`{command} {flag}` selects all services, but does not say how far to {command}")]
    RevertAll {
        /// The command.
        command: &'static str,
        /// `--all`, or `--workspace`.
        flag: &'static str,
    },
    /// `revert +1`.
    #[error("`{command}` goes back, and +{distance} is ahead")]
    Ahead {
        /// The command.
        command: &'static str,
        /// How far ahead.
        distance: u64,
    },
    /// `run -1 --count`, or a distance of zero.
    #[error("a distance of 0 selects no migration")]
    NoDistance,
    /// `--only` wants a migration.
    #[error("`--only {0}` names no migration")]
    OnlyNoMigration(String),
}

impl UsageError {
    /// What to type instead.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::RevertAll {
                command: "redo", ..
            } => Some(
                "redo every migration of every service with `redo --all --to zero`, \
                 the newest one of each with `redo --all -n 1`"
                    .into(),
            ),
            Self::RevertAll { .. } => Some(
                "revert every migration of every service with `revert --all --to zero`, \
                 the newest one of each with `revert --all -n 1`; \
                 every migration of one service with `revert -p <service> --to zero`"
                    .into(),
            ),
            Self::Ahead { distance, .. } => {
                Some(format!("`run +{distance}` applies the next {distance}"))
            }
            Self::NoDistance => None,
            Self::OnlyNoMigration(_) => Some("name it by its version or its directory".into()),
        }
    }
}

/// How far to run.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GoalArgs {
    /// Version, its beginning, directory's name, `latest`, `zero`, or `+N`.
    #[arg(value_name = "TARGET", value_parser = selector, allow_negative_numbers = true)]
    target: Option<Selector>,
    /// The same as TARGET.
    #[arg(long, value_name = "TARGET", alias = "target", value_parser = selector, allow_negative_numbers = true, conflicts_with = "target")]
    to: Option<Selector>,
    /// Apply the next N only.
    #[arg(long, value_name = "N", conflicts_with_all = ["target", "to"], value_parser = count)]
    count: Option<usize>,
    /// Apply this migration alone, wherever it stands.
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["target", "to", "count"])]
    only: Option<String>,
}

impl GoalArgs {
    /// What they say together.
    ///
    /// # Errors
    /// When a distance is zero, or `--only` names none.
    pub fn goal(&self) -> Result<RunGoal, UsageError> {
        if let Some(only) = &self.only {
            return only_migration(only).map(RunGoal::Only);
        }
        if let Some(count) = self.count {
            return Ok(RunGoal::Count(count));
        }
        match self.target.clone().or_else(|| self.to.clone()) {
            None => Ok(RunGoal::Target(Selector::Latest)),
            Some(Selector::Relative(0)) => Err(UsageError::NoDistance),
            Some(Selector::Relative(distance)) if distance > 0 => Ok(RunGoal::Count(
                usize::try_from(distance).unwrap_or(usize::MAX),
            )),
            Some(target) => Ok(RunGoal::Target(target)),
        }
    }
}

impl RevertArgs {
    /// What the flags say together.
    ///
    /// # Errors
    /// When `--all` is all that was said, a distance is zero or ahead, or
    /// `--only` names none.
    pub fn goal(&self, selection: &SelectionArgs) -> Result<RevertGoal, UsageError> {
        if let Some(only) = &self.only {
            return only_migration(only).map(RevertGoal::Only);
        }
        if let Some(count) = self.count {
            return Ok(RevertGoal::Count(count));
        }
        match back(
            "revert",
            self.target.as_ref().or(self.to.as_ref()),
            selection,
        )? {
            RedoGoal::Target(target) => Ok(RevertGoal::Target(target)),
            RedoGoal::Count(count) => Ok(RevertGoal::Count(count)),
        }
    }
}

impl RedoArgs {
    /// What the flags say together.
    ///
    /// # Errors
    /// When `--all` is all that was said, or a distance is zero or ahead.
    pub fn goal(&self, selection: &SelectionArgs) -> Result<RedoGoal, UsageError> {
        match self.count {
            Some(count) => Ok(RedoGoal::Count(count)),
            None => back("redo", self.target.as_ref().or(self.to.as_ref()), selection),
        }
    }
}

fn back(
    command: &'static str,
    target: Option<&Selector>,
    selection: &SelectionArgs,
) -> Result<RedoGoal, UsageError> {
    match target {
        None if selection.all || selection.workspace => Err(UsageError::RevertAll {
            command,
            flag: if selection.all {
                "--all"
            } else {
                "--workspace"
            },
        }),
        None => Ok(RedoGoal::Count(1)),
        Some(Selector::Relative(0)) => Err(UsageError::NoDistance),
        Some(&Selector::Relative(distance)) if distance > 0 => Err(UsageError::Ahead {
            command,
            distance: distance.unsigned_abs(),
        }),
        Some(&Selector::Relative(distance)) => Ok(RedoGoal::Count(
            usize::try_from(distance.unsigned_abs()).unwrap_or(usize::MAX),
        )),
        Some(target) => Ok(RedoGoal::Target(target.clone())),
    }
}

fn only_migration(text: &str) -> Result<String, UsageError> {
    match selector(text) {
        Ok(Selector::Named(name)) if !name.trim().is_empty() => Ok(name),
        Ok(_) => Err(UsageError::OnlyNoMigration(text.to_owned())),
        Err(never) => match never {},
    }
}

pub(super) fn selector(text: &str) -> Result<Selector, std::convert::Infallible> {
    text.parse()
}

/// Reads how many migrations: none would be a typing mistake.
pub(super) fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("at least 1 is needed".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(error.to_string()),
    }
}
