//! Where a server of our own lives, and as whom: a directory that holds
//! everything about it, an account that may not be root, a port and a
//! password. Knows no server by name.

use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, io};

use anyhow::{Context, Result, anyhow, bail};

use crate::account::{self, Account};

const READY_WITHIN: Duration = Duration::from_secs(60);
/// Another process may take the free port before the server does.
const ATTEMPTS: usize = 3;

/// A directory of one server's own, and the account that owns it.
#[derive(Debug, Clone)]
pub(super) struct Home {
    /// As people call it.
    server: &'static str,
    directory: PathBuf,
    account: Option<Account>,
    /// What the environment's variables that its programs read begin with.
    prefixes: &'static [&'static str],
}

impl Home {
    /// Creates the directory for the first of `accounts` that there is.
    ///
    /// # Errors
    /// It exists, or we are root and there is no such account.
    pub(super) fn create(
        server: &'static str,
        directory: &Path,
        accounts: &[&str],
        prefixes: &'static [&'static str],
    ) -> Result<Self> {
        let account = if account::is_root() {
            let account = account::first_of(accounts)?;
            Some(account.with_context(|| {
                format!("{server} refuses root, and there is no other account to use")
            })?)
        } else {
            None
        };
        fs::create_dir(directory)?;
        let home = Self {
            server,
            directory: directory.to_owned(),
            account,
            prefixes,
        };
        home.give(directory)?;
        Ok(home)
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.directory.join(below)
    }

    /// Writes a file that the server's account owns.
    pub(super) fn write(&self, below: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(below);
        fs::write(&path, text)?;
        self.give(&path)?;
        Ok(path)
    }

    fn give(&self, path: &Path) -> io::Result<()> {
        match &self.account {
            Some(account) => account::give(path, account),
            None => Ok(()),
        }
    }

    /// A program as the right user and in a directory that this user may
    /// enter, undisturbed by the caller's own settings.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.directory);
        // Ours may be a place where this user can't write.
        command.env("TMPDIR", &self.directory);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if self.prefixes.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        if let Some(account) = &self.account {
            account::switch(&mut command, account);
        }
        command
    }

    /// Runs one of the programs that make the server's files.
    pub(super) fn prepare(&self, command: &mut Command) -> Result<()> {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| anyhow!("failed to start {name}: {error}{}", self.reach()))?;
        if !output.status.success() {
            bail!(
                "{name} ended with {}: {}{}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end(),
                self.reach()
            );
        }
        Ok(())
    }

    /// The usual reason why a server's account can't begin.
    fn reach(&self) -> String {
        format!(
            "\nhelp: the server's account must be able to reach {}; TMPDIR chooses another place",
            self.directory.display()
        )
    }

    /// Starts the server on a free port and waits until it lets us in.
    ///
    /// `launch` says how it is started, `ask` how one looks whether it answers.
    ///
    /// # Errors
    /// It didn't come up within a minute; the text then ends in its log.
    pub(super) fn launch(
        &self,
        launch: impl Fn(u16) -> Command,
        ask: impl Fn(u16) -> Command,
    ) -> Result<(Child, u16)> {
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            let port = free_port().context("failed to find a free port")?;
            let mut command = launch(port);
            let log = File::options().create(true).append(true).open(self.log())?;
            let mut server = command
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()
                .with_context(|| format!("failed to start {}", self.server))?;
            match wait_until_ready(&mut server, || ask(port)) {
                Ok(()) => return Ok((server, port)),
                Err(error) => {
                    // It is of no use, and may be gone already.
                    server.kill().ok();
                    server.wait().ok();
                    failure = Some(error);
                }
            }
        }
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        Err(failure.context("the server was never started")?).context(format!(
            "{} did not start; its log:\n{}",
            self.server,
            log.trim_end()
        ))
    }

    /// What the server says while it runs.
    pub(super) fn log(&self) -> PathBuf {
        self.path("log")
    }
}

/// 128 bits that the operating system seeded; enough for a server that lives
/// for minutes and listens on this machine only.
pub(super) fn random_word() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

fn wait_until_ready(server: &mut Child, ask: impl Fn() -> Command) -> Result<()> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if let Some(status) = server.try_wait()? {
            bail!("the server ended with {status}");
        }
        let Output { status, stderr, .. } = ask()
            .stdin(Stdio::null())
            .output()
            .context("failed to start the client")?;
        if status.success() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let said = String::from_utf8_lossy(&stderr).into_owned();
            bail!("no connection within {READY_WITHIN:?}: {}", said.trim_end());
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_passwords_differ() {
        assert_ne!(random_word(), random_word());
    }
}
