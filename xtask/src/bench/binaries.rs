//! The programs that race: our command as it is installed, and Diesel's own
//! harness, both built in release.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::database::Database;
use super::process::Invocation;
use super::sets::{Fleet, Set};
use crate::{cargo, program};

/// Where they are.
#[derive(Debug)]
pub(super) struct Binaries {
    ours: PathBuf,
    diesel: PathBuf,
    /// diesel_cli, where somebody has installed it.
    diesel_cli: Option<PathBuf>,
    /// None where the command was not built here.
    pub(super) build: Option<Build>,
}

/// How our command's build went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Build {
    pub(super) took: Duration,
    pub(super) compiled: usize,
    pub(super) fresh: usize,
}

impl Binaries {
    /// Builds both, unless our command is `given`.
    pub(super) fn build(root: &Path, given: Option<&Path>) -> Result<Self> {
        let (ours, build) = if let Some(path) = given {
            (
                path.canonicalize().context("there is no such binary")?,
                None,
            )
        } else {
            let (path, build) = build(root, "cargo-migrate", "cargo-migrate")?;
            (path, Some(build))
        };
        let (diesel, _) = self::build(root, "tests", "diesel_harness")?;
        Ok(Self {
            ours,
            diesel,
            diesel_cli: program::find("diesel"),
            build,
        })
    }

    /// Our command over a whole workspace.
    pub(super) fn ours(&self, fleet: &Fleet, verb: &[&str]) -> Invocation {
        Self::in_workspace(Invocation::new(&self.ours).arg("migrate"), fleet, verb)
    }

    /// The same as people type it: Cargo looks for the command and starts it.
    pub(super) fn ours_through_cargo(&self, fleet: &Fleet, verb: &[&str]) -> Result<Invocation> {
        let own = self.ours.parent().context("the command lies nowhere")?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(
            std::iter::once(own.to_owned()).chain(std::env::split_paths(&path)),
        )?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let invocation = Invocation::new(Path::new(&cargo))
            .arg("migrate")
            .env("PATH", path);
        Ok(Self::in_workspace(invocation, fleet, verb))
    }

    fn in_workspace(invocation: Invocation, fleet: &Fleet, verb: &[&str]) -> Invocation {
        invocation
            .args(verb)
            .arg("--all")
            .arg("--manifest-path")
            .arg(fleet.manifest())
    }

    /// Our command over a workspace of one service, on this database.
    pub(super) fn ours_on(&self, fleet: &Fleet, database: &Database, verb: &[&str]) -> Invocation {
        self.ours(fleet, verb)
            .arg("--database-url")
            .arg(database.our_url())
    }

    pub(super) fn ours_version(&self) -> Invocation {
        Invocation::new(&self.ours).arg("--version")
    }

    pub(super) fn diesel(&self, set: &Set, database: &Database, verb: &str) -> Invocation {
        Invocation::new(&self.diesel)
            .arg(database.diesel_url())
            .arg(&set.directory)
            .arg(verb)
    }

    /// diesel_cli's look at what is pending.
    pub(super) fn diesel_cli(&self, set: &Set, database: &Database) -> Option<Invocation> {
        let invocation = Invocation::new(self.diesel_cli.as_deref()?)
            .args(["migration", "list", "--database-url"])
            .arg(database.diesel_url())
            .arg("--migration-dir")
            .arg(&set.directory);
        Some(invocation)
    }

    /// A stand-in for Cargo that answers at once and from a file, for figures
    /// of our process alone.
    pub(super) fn silent_cargo(fleet: &Fleet) -> Result<PathBuf> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let metadata = Invocation::new(Path::new(&cargo))
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .arg("--manifest-path")
            .arg(fleet.manifest())
            .output()?;
        let answer = fleet.root.join("metadata.json");
        fs::write(&answer, metadata)?;
        let script = fleet.root.join("cargo.sh");
        let line = Invocation::new(Path::new("cat")).arg(answer).shell_line();
        fs::write(&script, format!("#!/bin/sh\n{line}"))?;
        Invocation::new(Path::new("chmod"))
            .arg("+x")
            .arg(&script)
            .output()?;
        Ok(script)
    }

    /// Bytes of our command.
    pub(super) fn size(&self) -> Result<u64> {
        Ok(fs::metadata(&self.ours)?.len())
    }
}

fn build(root: &Path, package: &str, name: &str) -> Result<(PathBuf, Build)> {
    eprintln!("building {name} in release");
    let mut command = cargo::command(root);
    command.args(["build", "--release", "-p", package, "--bin", name]);
    command.arg("--message-format=json-render-diagnostics");
    let began = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start cargo build")?;
    let messages = child.stdout.take().context("cargo build has no output")?;
    let (mut path, mut compiled, mut fresh) = (None, 0, 0);
    for line in BufReader::new(messages).lines() {
        let message: Value = serde_json::from_str(&line?).unwrap_or_default();
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        if message["fresh"] == true {
            fresh += 1;
        } else {
            compiled += 1;
        }
        if message["target"]["name"] == name
            && let Some(executable) = message["executable"].as_str()
        {
            path = Some(PathBuf::from(executable));
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo build ended with {status}");
    }
    let took = began.elapsed();
    let path = path.with_context(|| format!("cargo build has not named {name}"))?;
    Ok((
        path,
        Build {
            took,
            compiled,
            fresh,
        },
    ))
}
