//! `cargo xtask ci-check`: every suite in the order in which it is likely to
//! fail cheaply, stopping at the first failure, with the time that each took
//! beside its budget.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::{cargo, install, licences, package, test, tidy};

/// Options of `ci-check`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only these suites, in their usual order.
    #[arg(long, value_name = "SUITE", num_args = 1..)]
    only: Vec<Suite>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    Install,
    Fmt,
    Clippy,
    ClippyFaults,
    Doc,
    Tidy,
    Licences,
    Shop,
    Test,
    Faults,
    Package,
}

/// What a suite does: a call of Cargo, or one of our own subcommands.
enum Work {
    Cargo {
        environment: &'static [(&'static str, &'static str)],
        arguments: &'static [&'static str],
    },
    Task {
        name: &'static str,
        run: fn() -> Result<()>,
    },
}

/// A suite that has passed.
struct Passed {
    suite: Suite,
    took: Duration,
}

/// Runs the suites.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = cargo::workspace_root()?;
    let mut passed = Vec::new();
    for &suite in Suite::value_variants() {
        if !options.only.is_empty() && !options.only.contains(&suite) {
            continue;
        }
        let work = suite.work();
        println!("\n==> {}: {}", suite.name(), work.shown());
        let start = Instant::now();
        let outcome = work.run(&root);
        let took = start.elapsed();
        if let Err(error) = outcome {
            print_table(&passed);
            eprintln!(
                "\n{} failed after {} s\nrepeat it with: {}",
                suite.name(),
                took.as_secs(),
                work.shown()
            );
            return Err(error);
        }
        passed.push(Passed { suite, took });
    }
    if passed.is_empty() {
        bail!("no suite was selected");
    }
    print_table(&passed);
    println!("\nci-check passed");
    Ok(())
}

impl Suite {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn work(self) -> Work {
        match self {
            Self::Install => Work::Task {
                name: "install",
                run: || install::run(&install::Options::default()),
            },
            Self::Fmt => Work::Cargo {
                environment: &[],
                arguments: &["fmt", "--all", "--check"],
            },
            Self::Clippy => Work::Cargo {
                environment: &[],
                arguments: &[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "-D",
                    "warnings",
                ],
            },
            // Cargo leaves it out of all targets, as it leaves it out of a
            // plain `cargo test`.
            Self::ClippyFaults => Work::Cargo {
                environment: &[],
                arguments: &[
                    "clippy", "-p", "tests", "--test", "faults", "--test", "soak", "--", "-D",
                    "warnings",
                ],
            },
            Self::Doc => Work::Cargo {
                environment: &[("RUSTDOCFLAGS", "-D warnings")],
                arguments: &["doc", "--workspace", "--no-deps"],
            },
            Self::Tidy => Work::Task {
                name: "tidy",
                run: tidy::run,
            },
            Self::Licences => Work::Task {
                name: "licences",
                run: licences::run,
            },
            // A workspace of its own, with the lock file that users would have.
            Self::Shop => Work::Cargo {
                environment: &[("CARGO_TARGET_DIR", "target/shop")],
                arguments: &[
                    "test",
                    "--quiet",
                    "--locked",
                    "--workspace",
                    "--manifest-path",
                    "fixtures/shop/Cargo.toml",
                ],
            },
            Self::Test => Work::Task {
                name: "test",
                run: || test::run(&test::Options::default()),
            },
            Self::Faults => Work::Task {
                name: "test -- -p tests --test faults",
                run: || test::run(&test::Options::faults()),
            },
            Self::Package => Work::Task {
                name: "package",
                run: package::run,
            },
        }
    }

    /// From a cold cache on two cores; together at most 30 minutes.
    fn budget(self) -> Duration {
        Duration::from_secs(match self {
            Self::Install => 120,
            Self::Fmt | Self::Tidy | Self::Licences => 10,
            Self::Clippy => 260,
            Self::ClippyFaults => 60,
            Self::Doc => 90,
            Self::Shop | Self::Package => 120,
            Self::Test => 400,
            Self::Faults => 600,
        })
    }
}

impl Work {
    fn run(&self, root: &Path) -> Result<()> {
        match self {
            Self::Cargo {
                environment,
                arguments,
            } => {
                let mut command = cargo::command(root);
                command.args(*arguments).envs(environment.iter().copied());
                cargo::run(command)
            }
            Self::Task { run, .. } => run(),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Cargo {
                environment,
                arguments,
            } => {
                let variables: String = environment
                    .iter()
                    .map(|(name, value)| format!("{name}='{value}' "))
                    .collect();
                format!("{variables}cargo {}", arguments.join(" "))
            }
            Self::Task { name, .. } => format!("cargo xtask {name}"),
        }
    }
}

fn print_table(passed: &[Passed]) {
    if passed.is_empty() {
        return;
    }
    println!("\n{:<13} {:>8} {:>8}", "suite", "seconds", "budget");
    for Passed { suite, took } in passed {
        let over = if *took > suite.budget() { "  over" } else { "" };
        println!(
            "{:<13} {:>8.1} {:>8}{over}",
            suite.name(),
            took.as_secs_f64(),
            suite.budget().as_secs()
        );
    }
    let total: Duration = passed.iter().map(|passed| passed.took).sum();
    println!("{:<13} {:>8.1}", "total", total.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_suites_together_have_at_most_half_an_hour() {
        let total: Duration = Suite::value_variants()
            .iter()
            .map(|suite| suite.budget())
            .sum();
        assert!(total <= Duration::from_secs(30 * 60), "{total:?}");
    }

    #[test]
    fn a_failed_suite_can_be_repeated_with_the_command_that_is_shown() {
        let shown = Suite::Doc.work().shown();
        assert_eq!(
            shown,
            "RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps"
        );
        assert_eq!(Suite::Tidy.work().shown(), "cargo xtask tidy");
        assert_eq!(
            Suite::Faults.work().shown(),
            "cargo xtask test -- -p tests --test faults"
        );
    }
}
