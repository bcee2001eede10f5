//! `cargo xtask`: the checks, tests and servers of this workspace, one file
//! per subcommand. It knows nothing of our crates but their paths, so that it
//! builds in seconds and also where they don't compile.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's tool that talks to a terminal; nothing links it"
)]

mod account;
mod bench;
mod cargo;
mod ci_check;
mod install;
mod licences;
mod package;
mod program;
mod servers;
mod soak;
mod supervise;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks, tests and servers of this workspace.
#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything that has to pass before a change is merged.
    CiCheck(ci_check::Options),
    /// Install what the build and the tests need, or say what is missing.
    Install(install::Options),
    /// Run the tests against servers of their own.
    Test(test::Options),
    /// Start the tests' servers for work by hand.
    Servers,
    /// Measure the command against its budget, beside others in the same run.
    Bench(bench::Options),
    /// Run the fault suite larger, and what of it needs root, for hours if asked.
    Soak(soak::Options),
    /// Check the rules of this code base that the compiler doesn't know.
    Tidy,
    /// Check the licences of all dependencies against deny.toml.
    Licences,
    /// Package and build what goes to the registry, as it will be there.
    Package,
    /// Own the servers until standard input closes.
    #[command(hide = true)]
    Supervise(supervise::Options),
    /// Run one program and say what it took.
    #[command(hide = true)]
    Measure(bench::MeasureOptions),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::CiCheck(options) => ci_check::run(&options),
        Task::Install(options) => install::run(&options),
        Task::Test(options) => return test::main(&options),
        Task::Servers => servers::run(),
        Task::Bench(options) => bench::run(&options),
        Task::Soak(options) => soak::run(&options),
        Task::Tidy => tidy::run(),
        Task::Licences => licences::run(),
        Task::Package => package::run(),
        Task::Supervise(options) => supervise::run(&options),
        Task::Measure(options) => bench::measure(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
