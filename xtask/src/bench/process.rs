//! One process from its start to its end: how long, how much CPU, how much
//! memory. Each runs below a parent of its own (`cargo xtask measure`), so
//! that the kernel's account of that parent's children is the process's alone,
//! a shell's own children included.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::usage;

/// A program with its arguments and environment.
#[derive(Debug, Clone)]
pub(super) struct Invocation {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    stdin: Option<PathBuf>,
}

/// What one run of an invocation took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    pub(super) peak: u64,
}

impl Invocation {
    pub(super) fn new(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            stdin: None,
        }
    }

    pub(super) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(super) fn args<A: Into<OsString>>(
        mut self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub(super) fn env(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub(super) fn stdin(mut self, file: &Path) -> Self {
        self.stdin = Some(file.to_owned());
        self
    }

    /// As a line of a shell script.
    pub(super) fn shell_line(&self) -> String {
        let quote =
            |word: &OsString| format!("'{}'", word.to_string_lossy().replace('\'', "'\\''"));
        let mut words: Vec<String> = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={}", quote(value)))
            .collect();
        words.push(quote(&self.program.clone().into_os_string()));
        words.extend(self.arguments.iter().map(quote));
        format!("{} || exit 1\n", words.join(" "))
    }

    /// Runs it and returns what it prints.
    pub(super) fn output(&self) -> Result<String> {
        let mut command = Command::new(&self.program);
        let output = command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("failed to start {}", self.program.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!(
                "{} ended with {}: {}",
                self.program.display(),
                output.status,
                said.trim_end()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it and measures. What it says on standard error goes to `talk`.
    pub(super) fn measure(&self, talk: &Path) -> Result<Sample> {
        let executable =
            crate::program::ourselves().context("failed to find our own executable")?;
        let mut command = Command::new(executable);
        command.arg("measure").arg("--stderr").arg(talk);
        if let Some(file) = &self.stdin {
            command.arg("--stdin").arg(file);
        }
        let output = command
            .arg("--")
            .arg(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("failed to start the measuring parent")?;
        if !output.status.success() {
            let said = fs::read_to_string(talk).unwrap_or_default();
            bail!("{} failed:\n{}", self.program.display(), last_lines(&said));
        }
        let report: Value = serde_json::from_slice(&output.stdout)
            .context("failed to parse what the measuring parent says")?;
        let number = |key: &str| {
            report[key]
                .as_u64()
                .with_context(|| format!("the measuring parent says no `{key}`"))
        };
        Ok(Sample {
            wall: Duration::from_micros(number("wall_us")?),
            cpu: Duration::from_micros(number("cpu_us")?),
            peak: number("peak")?,
        })
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Options of the hidden `measure`.
#[derive(Debug, Args)]
pub(crate) struct MeasureOptions {
    /// Where the program's standard input comes from.
    #[arg(long)]
    stdin: Option<PathBuf>,
    /// Where the program's standard error goes.
    #[arg(long)]
    stderr: PathBuf,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// The measuring parent: one child, then one line of JSON.
pub(crate) fn measure(options: &MeasureOptions) -> Result<()> {
    let (program, arguments) = options.command.split_first().context("no program")?;
    let stdin = match &options.stdin {
        Some(file) => File::open(file)?.into(),
        None => Stdio::null(),
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(File::create(&options.stderr)?);
    let began = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("failed to start {}", Path::new(program).display()))?;
    let wall = began.elapsed();
    let usage = usage::of_children()?;
    if !status.success() {
        bail!("{} ended with {status}", Path::new(program).display());
    }
    let report = json!({
        "wall_us": u64::try_from(wall.as_micros())?,
        "cpu_us": u64::try_from(usage.cpu.as_micros())?,
        "peak": usage.peak,
    });
    println!("{report}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gets_every_word_as_it_is() {
        let line = Invocation::new(Path::new("/bin/a b"))
            .arg("it's")
            .env("X", "1 2")
            .shell_line();
        assert_eq!(line, "X='1 2' '/bin/a b' 'it'\\''s' || exit 1\n");
    }

    #[test]
    fn only_the_end_of_a_long_talk_is_shown() {
        let talk: String = (0..100).map(|n| format!("{n}\n")).collect();
        assert!(last_lines(&talk).starts_with("80\n"));
        assert_eq!(last_lines("a\nb\n"), "a\nb");
    }
}
