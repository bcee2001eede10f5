//! The tests' servers, seen from the process that uses them: it starts the
//! supervisor, which owns them, and learns from it where they are. Closing
//! the supervisor's standard input stops them; the kernel does that for a
//! process that was killed, so nothing outlives a run.

mod home;
pub(crate) mod mariadb;
pub(crate) mod postgres;

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{account, program};

/// What the tests are told, by the names of environment variables.
pub(crate) type Variables = BTreeMap<String, String>;

/// What the servers' data is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// It doesn't outlive the run: nothing waits for the disk.
    Throwaway,
    /// As in production, because time is measured.
    Durable,
}

/// Servers that run for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Servers {
    supervisor: Child,
    /// Never written to; the supervisor waits for its end.
    lifeline: Option<ChildStdin>,
    variables: Variables,
}

impl Durability {
    /// As on the supervisor's command line.
    fn name(self) -> &'static str {
        match self {
            Self::Throwaway => "throwaway",
            Self::Durable => "durable",
        }
    }
}

impl Servers {
    /// Starts the servers and waits until they take connections.
    ///
    /// # Errors
    /// A server's programs are missing, or it didn't come up; the supervisor
    /// has then said why on standard error and removed everything.
    pub(crate) fn start(durability: Durability) -> Result<Self> {
        let executable = program::ourselves().context("failed to find our own executable")?;
        let mut command = Command::new(executable);
        command
            .args(["supervise", "--durability", durability.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // A Ctrl-C in the terminal is for the tests; the supervisor follows
        // when we are gone, instead of leaving first and orderless.
        account::detach(&mut command);
        let mut supervisor = command.spawn().context("failed to start the supervisor")?;
        let lifeline = supervisor.stdin.take();
        let answer = supervisor
            .stdout
            .take()
            .context("the supervisor has no standard output")?;
        let mut servers = Self {
            supervisor,
            lifeline,
            variables: Variables::new(),
        };
        let mut line = String::new();
        BufReader::new(answer)
            .read_line(&mut line)
            .context("failed to read what the supervisor says")?;
        if line.is_empty() {
            bail!("the servers did not start");
        }
        servers.variables =
            serde_json::from_str(&line).context("failed to parse what the supervisor says")?;
        Ok(servers)
    }

    /// What the tests have to be told.
    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        if let Err(error) = self.supervisor.wait() {
            eprintln!("warning: lost the servers' supervisor: {error}");
        }
    }
}

/// Starts the servers, says where they are and waits for Enter or Ctrl-C.
pub(crate) fn run() -> Result<()> {
    let servers = Servers::start(Durability::Throwaway)?;
    for (name, value) in servers.variables() {
        println!("export {name}='{value}'");
    }
    eprintln!("the servers run until you press Enter or Ctrl-C");
    io::stdin()
        .lock()
        .read_line(&mut String::new())
        .context("failed to wait for Enter")?;
    Ok(())
}
