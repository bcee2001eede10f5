//! The commands and the flags that each has for itself.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use clap_complete::Shell;
use migrate_core::Selector;

use super::goal::{GoalArgs, count, selector};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a package a service with migrations.
    #[command(visible_alias = "setup")]
    Init(InitArgs),
    /// Write a new migration.
    #[command(visible_aliases = ["add", "generate", "make", "revision", "makemigrations"])]
    New(NewArgs),
    /// Apply pending migrations.
    #[command(visible_aliases = ["up", "migrate", "apply", "upgrade"])]
    Run(RunArgs),
    /// Revert applied migrations, the newest one by default.
    #[command(visible_aliases = ["down", "rollback", "undo", "downgrade"])]
    Revert(RevertArgs),
    /// Revert migrations and apply them again, the newest one by default.
    Redo(RedoArgs),
    /// Drop the database, create it and apply everything.
    Reset(ResetArgs),
    /// Create the database and its history table.
    Create(CreateArgs),
    /// Drop the database.
    Drop(DropArgs),
    /// Show every migration of every service and its state.
    #[command(visible_aliases = ["list", "info", "showmigrations"])]
    Status(StatusArgs),
    /// Show who applied what, when, and how long it took.
    #[command(visible_alias = "log")]
    History(HistoryArgs),
    /// Show the newest applied migration.
    Current(CurrentArgs),
    /// Show one migration: its SQL and its state.
    Show(ShowArgs),
    /// Show the SQL that `run` would run.
    Plan(PlanArgs),
    /// Bring what is recorded of applied migrations in line with the files.
    Repair(RepairArgs),
    /// Settle a statement in doubt, once you know whether it took effect.
    Resolve(ResolveArgs),
    /// Wait until the servers answer.
    Wait(WaitArgs),
    /// Print a completion script.
    Completions(CompletionsArgs),
}

/// Flags of `init`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct InitArgs {
    /// Directory of migrate-runtime, for a dependency by path.
    #[arg(long, value_name = "PATH")]
    pub runtime: Option<PathBuf>,
}

/// Flags of `new`.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(group(clap::ArgGroup::new("named").required(true)))]
pub struct NewArgs {
    /// What the migration does, as `add_user_roles` or "add user roles".
    #[arg(value_name = "NAME", group = "named")]
    name: Option<String>,
    /// The same as NAME.
    #[arg(short, long, value_name = "NAME", group = "named")]
    message: Option<String>,
    /// Run it outside a transaction.
    #[arg(long)]
    pub no_transaction: bool,
    /// Number it, whatever the style of the set.
    #[arg(long)]
    pub sequential: bool,
    /// Write no down.sql, and say why there is no way back.
    #[arg(long, value_name = "WHY", value_parser = reason)]
    pub irreversible: Option<String>,
}

impl NewArgs {
    /// The name as it was typed.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
            .as_deref()
            .or(self.message.as_deref())
            .unwrap_or_default()
    }
}

/// Flags of the commands that write to a database.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct LockArgs {
    /// How long to wait for another runner; 0 tries once.
    #[arg(long, value_name = "DURATION", default_value = "10min", value_parser = duration)]
    pub lock_wait: Duration,
}

/// Flags of `run`.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// How far.
    #[command(flatten)]
    pub goal: GoalArgs,
    /// Show the plan, change nothing.
    #[arg(long, alias = "plan")]
    pub dry_run: bool,
    /// All or nothing: one transaction for the whole run.
    #[arg(long)]
    pub single_transaction: bool,
    /// Create the database if it is missing.
    #[arg(long)]
    pub create_database: bool,
    /// Waiting.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Flags of `revert`.
#[derive(Debug, Clone, clap::Args)]
pub struct RevertArgs {
    /// Version that stays the newest, its beginning, directory's name, `zero` for everything, or `-N`.
    #[arg(value_name = "TARGET", value_parser = selector, allow_negative_numbers = true)]
    pub(super) target: Option<Selector>,
    /// The same as TARGET.
    #[arg(long, value_name = "TARGET", alias = "target", value_parser = selector, allow_negative_numbers = true, conflicts_with = "target")]
    pub(super) to: Option<Selector>,
    /// Revert the newest N.
    #[arg(short = 'n', short_alias = 's', long = "steps", alias = "number", value_name = "N", value_parser = count, conflicts_with_all = ["target", "to"])]
    pub(super) count: Option<usize>,
    /// Revert this migration alone, wherever it stands.
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["target", "to", "count"])]
    pub(super) only: Option<String>,
    /// Revert what is not on disk by the down SQL that the journal keeps.
    #[arg(long)]
    pub stored_down: bool,
    /// Show the plan, change nothing.
    #[arg(long, alias = "plan")]
    pub dry_run: bool,
    /// All or nothing: one transaction for the whole run.
    #[arg(long)]
    pub single_transaction: bool,
    /// Waiting.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Flags of `redo`.
#[derive(Debug, Clone, clap::Args)]
pub struct RedoArgs {
    /// Redo what is newer than TARGET; `zero` for everything, or `-N`.
    #[arg(value_name = "TARGET", value_parser = selector, allow_negative_numbers = true)]
    pub(super) target: Option<Selector>,
    /// The same as TARGET.
    #[arg(long, value_name = "TARGET", alias = "target", value_parser = selector, allow_negative_numbers = true, conflicts_with = "target")]
    pub(super) to: Option<Selector>,
    /// Redo the newest N.
    #[arg(short = 'n', short_alias = 's', long = "steps", alias = "number", value_name = "N", value_parser = count, conflicts_with_all = ["target", "to"])]
    pub(super) count: Option<usize>,
    /// Waiting.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Flags of `reset`.
#[derive(Debug, Clone, clap::Args)]
pub struct ResetArgs {
    /// Waiting.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Flags of `create`.
#[derive(Debug, Clone, clap::Args)]
pub struct CreateArgs {
    /// Waiting.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Flags of `drop`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DropArgs {}

/// Flags of `status`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StatusArgs {
    /// Only what is not applied.
    #[arg(long)]
    pub pending: bool,
    /// Exit with 3 if something is pending, with 4 if something diverged.
    #[arg(long)]
    pub exit_code: bool,
}

/// Flags of `history`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct HistoryArgs {
    /// Only the newest N attempts.
    #[arg(short, long, value_name = "N", value_parser = count)]
    pub limit: Option<usize>,
}

/// Flags of `current`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct CurrentArgs {}

/// Flags of `show`.
#[derive(Debug, Clone, clap::Args)]
pub struct ShowArgs {
    /// Version, its beginning, directory's name, or `latest`.
    #[arg(value_name = "VERSION", value_parser = selector, allow_negative_numbers = true)]
    pub migration: Selector,
}

/// Flags of `plan`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PlanArgs {
    /// How far.
    #[command(flatten)]
    pub goal: GoalArgs,
}

/// Flags of `repair`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("repaired").required(true)))]
pub struct RepairArgs {
    /// The database is as this edited migration says now: take that for what was applied.
    #[arg(long, value_name = "VERSION", group = "repaired", requires = "why")]
    pub accept_edit: Option<String>,
    /// Another tool applied VERSION, or all that have no checksum: take the files for what was applied.
    #[arg(long, value_name = "VERSION", group = "repaired", num_args = 0..=1)]
    pub record: Option<Option<String>>,
    /// The reason, for `history`.
    #[arg(long, value_name = "WHY", value_parser = why)]
    pub why: Option<String>,
    /// Waiting.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Flags of `resolve`.
#[derive(Debug, Clone, clap::Args)]
#[command(group(clap::ArgGroup::new("found").required(true)))]
pub struct ResolveArgs {
    /// Version, its beginning, or directory's name.
    #[arg(value_name = "VERSION")]
    pub version: String,
    /// The statement, as `status` shows it.
    #[arg(long, value_name = "N", value_parser = count)]
    pub step: usize,
    /// It took effect: go on after it.
    #[arg(long, group = "found")]
    pub done: bool,
    /// It did not: run it again.
    #[arg(long, group = "found")]
    pub retry: bool,
    /// How you know, for the journal.
    #[arg(long, value_name = "TEXT", value_parser = why)]
    pub why: Option<String>,
    /// Waiting.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Flags of `wait`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct WaitArgs {
    /// How long to wait for all of them.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
}

/// Flags of `completions`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

fn duration(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text)
        .map_err(|_| "expected a duration such as 500ms, 2s or 10min".to_owned())
}

fn why(text: &str) -> Result<String, String> {
    said(text).ok_or_else(|| "whoever reads the history wants the reason, in words".to_owned())
}

fn reason(text: &str) -> Result<String, String> {
    said(text).ok_or_else(|| "whoever must revert wants the reason, in words".to_owned())
}

/// A text that says something, unlike the `…` of a help that was typed as it
/// is shown.
fn said(text: &str) -> Option<String> {
    let says = text.contains(char::is_alphanumeric);
    says.then(|| text.trim().to_owned())
}
