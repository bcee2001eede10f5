//! `cargo xtask soak`: the fault suite again, larger and for as long as it
//! takes, what needs root beside it, and PostgreSQL's other versions. Every row
//! says how many faults it injected; the lines become a results file.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{cargo, program, servers};

const RESULTS: &str = "xtask/soak-results.md";

/// What the tests need beside what ci-check's do.
const NEEDS: [(&str, &str); 2] = [("ip", "iproute2"), ("prlimit", "util-linux")];

/// What every row's line begins with.
const ROW: &str = "faults: row ";

/// Options of `soak`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many times as many rounds and faults as in ci-check.
    #[arg(long, value_name = "N", default_value_t = 10)]
    scale: u32,
    /// Repeat the run that had this seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// A directory of another PostgreSQL's programs; Debian's are found.
    #[arg(long, value_name = "DIR")]
    postgres: Vec<PathBuf>,
    /// Only tests whose names contain one of these.
    filters: Vec<String>,
}

/// One call of the tests.
struct Pass {
    name: String,
    binary: &'static str,
    scale: u32,
    filters: Vec<String>,
    /// PostgreSQL's programs, if not those that are found first.
    postgres: Option<PathBuf>,
}

/// Runs every pass, and fails if one has.
pub(crate) fn run(options: &Options) -> Result<()> {
    for (needed, package) in NEEDS {
        if program::find_daemon(needed).is_none() {
            bail!("{needed} is missing; on Debian: apt-get install {package}");
        }
    }
    let root = cargo::workspace_root()?;
    let seed = options.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |now| now.as_secs())
    });
    let started = Instant::now();
    let mut report = format!(
        "# Results of `cargo xtask soak`\n\nWritten by the command, `cargo xtask soak --scale {} --seed {seed}`: the fault suite's rows, each with what it injected, and how long it took.\n",
        options.scale
    );
    let (mut failed, mut injected) = (Vec::new(), false);
    for pass in passes(options) {
        println!("\n==> {}", pass.name);
        let (rows, passed) = pass.run(&root, seed)?;
        // What has injected nothing has proved nothing; of what was picked by
        // hand one pass may have none.
        let idle = rows.is_empty() && options.filters.is_empty();
        injected |= !rows.is_empty();
        write!(report, "\n## {}\n\n", pass.name)?;
        for row in rows {
            writeln!(report, "- {row}")?;
        }
        if !passed || idle {
            failed.push(pass.name);
        }
    }
    if !injected {
        bail!("no test of that name injects anything");
    }
    let minutes = started.elapsed().as_secs() / 60;
    let verdict = if failed.is_empty() {
        format!("All passed, in {minutes} minutes.")
    } else {
        format!("Failed: {}.", failed.join(", "))
    };
    write!(report, "\n{verdict}\n")?;
    println!("\n{report}");
    // A part of it is nobody's result.
    if options.filters.is_empty() {
        fs::write(root.join(RESULTS), report).context("failed to write the results")?;
    }
    if !failed.is_empty() {
        bail!("{} failed; repeat with --seed {seed}", failed.join(", "));
    }
    Ok(())
}

fn passes(options: &Options) -> Vec<Pass> {
    let pass = |name: String, binary, scale, filters: &[String], postgres| Pass {
        name,
        binary,
        scale,
        filters: filters.to_vec(),
        postgres,
    };
    let Options { scale, filters, .. } = options;
    let mut passes = vec![
        pass(
            "Rows of the table".to_owned(),
            "faults",
            *scale,
            filters,
            None,
        ),
        // Servers start anew for each of these: they are long by themselves.
        pass(
            "Networks, promotion and limits".to_owned(),
            "soak",
            scale.div_ceil(5),
            filters,
            None,
        ),
    ];
    if !filters.is_empty() {
        return passes;
    }
    // Killed inside of a statement, a runner before PostgreSQL 14 holds the lock
    // for as long as the statement runs.
    let of_postgres = [
        "once_on_postgresql",
        "concurrently_without",
        "postgresql_killed_at_any_gap",
        "killed_postgresql",
    ]
    .map(str::to_owned);
    let mut others = options.postgres.clone();
    others.extend(servers::postgres::all_programs().into_iter().skip(1));
    passes.extend(others.into_iter().map(|programs| {
        let name = format!("PostgreSQL of {}", version(&programs));
        pass(name, "faults", 1, &of_postgres, Some(programs))
    }));
    passes
}

/// What the programs say that they are.
fn version(programs: &Path) -> String {
    let output = Command::new(programs.join("postgres"))
        .arg("--version")
        .output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.unwrap_or_else(|_| programs.display().to_string())
}

impl Pass {
    /// The rows' lines, and whether all have passed.
    fn run(&self, root: &Path, seed: u64) -> Result<(Vec<String>, bool)> {
        let mut command = Command::new(program::ourselves()?);
        command
            .current_dir(root)
            .args(["test", "-p", "tests", "--test", self.binary, "--"])
            .args(&self.filters)
            // Each has the machine to itself, so that a seed tells more.
            .arg("--test-threads=1")
            .env("FAULTS_SCALE", self.scale.to_string())
            .env("FAULTS_SEED", seed.to_string());
        if let Some(programs) = &self.postgres {
            command.env("PATH", before_path(programs)?);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start the tests")?;
        let said = child.stdout.take().context("the tests have no output")?;
        let mut rows = Vec::new();
        for line in BufReader::new(said).lines() {
            let line = line?;
            println!("{line}");
            if let Some(at) = line.find(ROW) {
                rows.push(line[at + ROW.len()..].to_owned());
            }
        }
        Ok((rows, child.wait()?.success()))
    }
}

/// PATH with a directory that comes first.
fn before_path(directory: &Path) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(directory.to_owned()).chain(env::split_paths(&path));
    Ok(env::join_paths(all)?)
}
