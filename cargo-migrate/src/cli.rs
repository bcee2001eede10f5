//! The command line: clap types, one struct per command, and what their flags
//! mean together. Reads no file and no environment, and prints nothing.

mod command;
mod global;
mod goal;

#[cfg(test)]
mod tests;

use std::ffi::OsString;

use clap::{CommandFactory, Parser};
use clap_complete::Shell;

pub use command::{
    Command, CompletionsArgs, CreateArgs, CurrentArgs, DropArgs, HistoryArgs, InitArgs, NewArgs,
    PlanArgs, RedoArgs, ResetArgs, ResolveArgs, RevertArgs, RunArgs, ShowArgs, StatusArgs,
    WaitArgs,
};
pub use global::{GlobalArgs, MessageFormat, SelectionArgs};
pub use goal::{GoalArgs, RedoGoal, RevertGoal, RunGoal, UsageError};

/// The shape that Cargo gives a plugin: `cargo migrate …` starts
/// `cargo-migrate migrate …`.
#[derive(Debug, Parser)]
#[command(name = "cargo", bin_name = "cargo", styles = clap_cargo::style::CLAP_STYLING)]
enum Cargo {
    Migrate(Cli),
}

/// Database migrations for a Cargo workspace of services.
#[derive(Debug, clap::Args)]
#[command(name = "migrate", version, long_about = None, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// For which services.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// How.
    #[command(flatten)]
    pub global: GlobalArgs,
}

impl Cli {
    /// Reads the arguments of the process, its own name first.
    ///
    /// Cargo passes `migrate` as the first of them; without it, as when the
    /// binary is started by hand, all of them are taken for ours.
    ///
    /// # Errors
    /// Clap's own, which also carries help and version texts; it knows its
    /// stream and its exit code.
    pub fn parse_from(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut arguments: Vec<OsString> = arguments.into_iter().collect();
        if arguments.get(1).is_none_or(|first| first != "migrate") {
            arguments.insert(1.min(arguments.len()), "migrate".into());
        }
        let Cargo::Migrate(cli) = Cargo::try_parse_from(arguments)?;
        Ok(cli)
    }
}

/// A usage error in clap's own form, for what clap cannot know: prints and
/// exits as the others do.
#[must_use]
pub fn usage_error(error: &UsageError) -> clap::Error {
    let text = match error.help() {
        Some(help) => format!("{error}\n\n  help: {help}"),
        None => error.to_string(),
    };
    Cargo::command().error(clap::error::ErrorKind::ArgumentConflict, text)
}

/// The completion script for `shell`.
///
/// It completes `cargo-migrate`: one for `cargo` would take the place of the
/// script that completes Cargo itself.
#[must_use]
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut cargo = Cargo::command();
    let mut script = Vec::new();
    if let Some(migrate) = cargo.find_subcommand_mut("migrate") {
        clap_complete::generate(shell, migrate, "cargo-migrate", &mut script);
    }
    script
}
