//! `cargo xtask bench`: holds the command against the budget of the design,
//! beside the database's own client and Diesel's harness in the same run. It
//! reports and never fails for being slow: a machine's mood is no bug.

mod binaries;
mod cases;
mod database;
mod figures;
mod process;
mod proxy;
mod race;
mod report;
mod sets;
mod usage;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

pub(crate) use self::process::{MeasureOptions, measure};

use self::binaries::Binaries;
use self::cases::{Case, Course};
use crate::cargo;

/// The results, beside this crate's manifest.
const RESULTS: &str = "xtask/bench-results.md";
const ROUNDS: usize = 5;
const QUICK_ROUNDS: usize = 2;

/// Options of `bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Fewer rounds: enough to see a budget missed by far.
    #[arg(long)]
    quick: bool,
    /// Only this case; repeatable. The results file is left as it is.
    #[arg(long, value_enum, value_name = "CASE")]
    only: Vec<Case>,
    /// Measure this cargo-migrate instead of building one.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Builds, measures, prints and writes the results.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = cargo::workspace_root()?;
    let binaries = Binaries::build(&root, options.binary.as_deref())?;
    let parent = cargo::members(&root)?
        .target_directory
        .into_std_path_buf()
        .join("bench");
    fs::create_dir_all(&parent)?;
    // Gone at the end, also after an error.
    let directory = tempfile::tempdir_in(&parent).context("failed to create a directory")?;
    let rounds = if options.quick { QUICK_ROUNDS } else { ROUNDS };
    let course = Course::new(binaries, directory.path(), rounds)?;

    let began = Instant::now();
    let mut rows = Vec::new();
    for case in Case::value_variants() {
        if !options.only.is_empty() && !options.only.contains(case) {
            continue;
        }
        let case_began = Instant::now();
        let measured = course.run(*case)?;
        eprintln!("{case:?}: {:.0} s", case_began.elapsed().as_secs_f64());
        rows.extend(measured);
    }
    print!("{}", report::table(&rows));
    println!("{}", report::summary(&rows));
    if options.only.is_empty() {
        write(&root, &rows, &course, began.elapsed())?;
    }
    Ok(())
}

fn write(root: &Path, rows: &[figures::Row], course: &Course, took: Duration) -> Result<()> {
    let mut notes = report::machine(&course.directory);
    notes.push(format!(
        "{} rounds of what takes long, {} of the rest, in {:.0} s",
        course.rounds,
        course.rounds * 3,
        took.as_secs_f64()
    ));
    fs::write(root.join(RESULTS), report::document(rows, &notes))
        .with_context(|| format!("failed to write {RESULTS}"))?;
    eprintln!("written to {RESULTS}");
    Ok(())
}
