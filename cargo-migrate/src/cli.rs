//! The command line: clap types, one struct per command, and what their flags
//! mean together. Reads no file and no environment, and prints nothing.

mod command;
mod global;
mod goal;

#[cfg(test)]
mod tests;

use std::ffi::OsString;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, ValueEnum};
use clap_complete::Shell;

pub use command::{
    Command, CompletionsArgs, CreateArgs, CurrentArgs, DropArgs, HistoryArgs, InitArgs, LockArgs,
    NewArgs, PlanArgs, RedoArgs, RepairArgs, ResetArgs, ResolveArgs, RevertArgs, RunArgs, ShowArgs,
    StatusArgs, WaitArgs,
};
pub use global::{GlobalArgs, MessageFormat, SelectionArgs};
pub(crate) use goal::typed;
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
        let mut command = Cargo::command().color(color(&arguments));
        let matches = command.try_get_matches_from_mut(arguments)?;
        let Cargo::Migrate(cli) =
            Cargo::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        Ok(cli)
    }
}

/// What `--color` says, before clap has read it: its own errors heed it, too.
fn color(arguments: &[OsString]) -> ColorChoice {
    let texts: Vec<&str> = arguments.iter().filter_map(|text| text.to_str()).collect();
    let after = |pair: &[&str]| (pair[0] == "--color").then(|| pair[1].to_owned());
    let inline = texts.iter().find_map(|text| text.strip_prefix("--color="));
    let said = inline
        .map(str::to_owned)
        .or_else(|| texts.windows(2).find_map(after));
    said.and_then(|said| ColorChoice::from_str(&said, true).ok())
        .unwrap_or_default()
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
    if shell == Shell::Bash {
        script = with_one_name(script);
    }
    script
}

/// The words of a bash script lead to states, and the states of a command with
/// a hyphen in its name are spelled in two ways, so that none is ever reached:
/// <https://github.com/clap-rs/clap/issues/6421>.
fn with_one_name(script: Vec<u8>) -> Vec<u8> {
    match String::from_utf8(script) {
        Ok(text) => text
            .replace("cargo__migrate", "cargo__subcmd__migrate")
            .into_bytes(),
        Err(error) => error.into_bytes(),
    }
}
