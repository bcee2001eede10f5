//! `cargo xtask test`: builds the binary once, starts the servers once and
//! runs the workspace's tests over both. The runner's output and exit code
//! are passed through untouched.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::cargo;
use crate::servers::{Durability, Servers};

/// The absolute path of the built command, for the tests.
const BINARY_VARIABLE: &str = "MIGRATE_TEST_BIN";

/// Options of `test`.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Arguments of `cargo test`, such as `-p tests --test fleet -- name`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Options {
    /// The fault suite, which nobody runs without naming it.
    pub(crate) fn faults() -> Self {
        Self {
            arguments: ["-p", "tests", "--test", "faults"]
                .map(str::to_owned)
                .into(),
        }
    }
}

/// Runs the tests and ends with the runner's own exit code.
pub(crate) fn main(options: &Options) -> ExitCode {
    match execute(options) {
        Ok(status) => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the tests; a failed one is an error.
pub(crate) fn run(options: &Options) -> Result<()> {
    let status = execute(options)?;
    if !status.success() {
        bail!("cargo test ended with {status}");
    }
    Ok(())
}

fn execute(options: &Options) -> Result<ExitStatus> {
    let root = cargo::workspace_root()?;
    let binary = build_binary(&root)?;
    let servers = Servers::start(Durability::Throwaway)?;
    let mut command = cargo::command(&root);
    command.arg("test");
    if !selects_packages(&options.arguments) {
        command.arg("--workspace");
    }
    command.args(&options.arguments);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if would_mislead(&name) {
            command.env_remove(name.as_ref());
        }
    }
    command
        .envs(servers.variables())
        .env(BINARY_VARIABLE, binary)
        .status()
        .context("failed to start cargo test")
}

/// Builds `cargo-migrate` and returns where Cargo has put it.
fn build_binary(root: &Path) -> Result<PathBuf> {
    let mut command = cargo::command(root);
    // The tests' build resolves features over the whole workspace and its
    // dev-dependencies. `--examples` (there are none) makes this build do the
    // same, or the vendored C libraries would be compiled a second time.
    command.args(["build", "--workspace", "--bin", "cargo-migrate"]);
    command.args(["--examples", "--message-format=json-render-diagnostics"]);
    let mut build = command
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start cargo build")?;
    let messages = build.stdout.take().context("cargo build has no output")?;
    let mut binary = None;
    for line in BufReader::new(messages).lines() {
        if let Some(path) = executable(&line?) {
            binary = Some(path);
        }
    }
    let status = build.wait()?;
    if !status.success() {
        bail!("cargo build ended with {status}");
    }
    binary.context("cargo build has not named the cargo-migrate executable")
}

/// The executable that one of Cargo's messages announces, if it is ours.
fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["target"]["name"] != "cargo-migrate" {
        return None;
    }
    message["executable"].as_str().map(PathBuf::from)
}

fn selects_packages(arguments: &[String]) -> bool {
    arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| {
            argument == "--package"
                || argument.starts_with("--package=")
                || (argument.starts_with("-p") && !argument.starts_with("--"))
        })
}

/// A developer's own databases must not be what the tests run against.
fn would_mislead(variable: &str) -> bool {
    // What the build of Diesel's MySQL connection reads begins with MYSQLCLIENT.
    variable.starts_with("PG")
        || variable.starts_with("MYSQL_")
        || variable.ends_with("DATABASE_URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn naming_a_package_narrows_the_run_to_it() {
        assert!(selects_packages(&arguments("-p tests")));
        assert!(selects_packages(&arguments("--package=tests")));
        assert!(!selects_packages(&arguments("--test fleet")));
        assert!(!selects_packages(&arguments("-- -p")));
    }

    #[test]
    fn the_built_executable_is_read_from_cargos_message() {
        let artifact = r#"{"reason":"compiler-artifact","target":{"name":"cargo-migrate"},"executable":"/t/cargo-migrate"}"#;
        assert_eq!(executable(artifact), Some("/t/cargo-migrate".into()));
        let library = r#"{"target":{"name":"cargo_migrate"},"executable":null}"#;
        assert_eq!(executable(library), None);
        assert_eq!(executable("not json"), None);
    }

    #[test]
    fn a_developers_own_database_stays_out_of_the_tests() {
        assert!(would_mislead("PGHOST"));
        assert!(would_mislead("MYSQL_PWD"));
        assert!(would_mislead("CART_DATABASE_URL"));
        assert!(!would_mislead("MYSQLCLIENT_LIB_DIR"));
        assert!(!would_mislead("PATH"));
    }
}
