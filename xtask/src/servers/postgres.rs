//! A PostgreSQL server of our own: found, initialised, started, awaited and
//! stopped. Everything about it lies in one directory, which its caller owns
//! and removes.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, io};

use anyhow::{Context, Result, anyhow, bail};

use super::Durability;
use crate::account::{self, Account};

/// The superuser's URL, for the tests.
const URL_VARIABLE: &str = "MIGRATE_TEST_POSTGRES";
/// The directory of psql, `pg_dump` and the others, for the tests.
const PROGRAMS_VARIABLE: &str = "MIGRATE_TEST_POSTGRES_BIN";

const PROGRAMS: [&str; 5] = ["initdb", "postgres", "pg_ctl", "psql", "pg_dump"];
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Another process may take the free port before the server does.
const ATTEMPTS: usize = 3;

/// The directory of PostgreSQL's programs: on PATH, or where Debian keeps
/// them, the newest version first.
pub(crate) fn find_programs() -> Option<PathBuf> {
    let on_path = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default();
    on_path
        .into_iter()
        .chain(debian_versions(Path::new("/usr/lib/postgresql")))
        .find(|directory| has_all_programs(directory))
}

/// A running server, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    server: Child,
    site: Site,
    port: u16,
}

/// Where a server lives, and as whom.
#[derive(Debug, Clone)]
struct Site {
    programs: PathBuf,
    directory: PathBuf,
    account: Option<Account>,
    password: String,
}

impl Postgres {
    /// Starts a server in a directory that doesn't exist yet and waits until
    /// it lets the superuser in.
    ///
    /// # Errors
    /// The programs are missing, or the server didn't come up within a minute;
    /// the text then ends in its log.
    pub(crate) fn start(directory: &Path, durability: Durability) -> Result<Self> {
        let site = Site::create(directory)?;
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            let mut postgres = site.clone().launch(durability)?;
            match postgres.wait_until_ready() {
                Ok(()) => return Ok(postgres),
                Err(error) => failure = Some(error),
            }
        }
        let log = fs::read_to_string(site.log()).unwrap_or_default();
        Err(failure.context("the server was never started")?).context(format!(
            "PostgreSQL did not start; its log:\n{}",
            log.trim_end()
        ))
    }

    /// What the tests have to be told.
    pub(crate) fn variables(&self) -> [(String, String); 2] {
        let url = format!(
            "postgres://postgres:{}@127.0.0.1:{}/postgres",
            self.site.password, self.port
        );
        let programs = self.site.programs.display().to_string();
        [
            (URL_VARIABLE.to_owned(), url),
            (PROGRAMS_VARIABLE.to_owned(), programs),
        ]
    }

    /// Tries to connect, with the password, until it succeeds.
    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = self.server.try_wait()? {
                bail!("the server ended with {status}");
            }
            let output = self
                .site
                .command("psql")
                .args(["-X", "-q", "-h", "127.0.0.1", "-U", "postgres"])
                .args(["-p", &self.port.to_string(), "-c", "SELECT 1", "postgres"])
                .env("PGPASSWORD", &self.site.password)
                .env("PGCONNECT_TIMEOUT", "5")
                .output()
                .context("failed to start psql")?;
            if output.status.success() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                bail!("no connection within {READY_WITHIN:?}: {}", said.trim_end());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if matches!(self.server.try_wait(), Ok(Some(_))) {
            return;
        }
        // The data is thrown away, so nothing is gained by a checkpoint; but
        // killing the postmaster would leave its children and shared memory.
        let stopped = self
            .site
            .command("pg_ctl")
            .args(["stop", "--silent", "--mode=immediate", "--pgdata"])
            .arg(self.site.data())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !stopped {
            // Both can only fail because it is gone, which is what we want.
            self.server.kill().ok();
        }
        self.server.wait().ok();
    }
}

impl Site {
    fn create(directory: &Path) -> Result<Self> {
        let programs = find_programs()
            .context("PostgreSQL's server programs are missing; run `cargo xtask install`")?;
        let account = if account::is_root() {
            let account = account::first_of(&["postgres", "nobody"])?;
            Some(account.context("PostgreSQL refuses root, and there is no other account to use")?)
        } else {
            None
        };
        fs::create_dir(directory)?;
        let site = Self {
            programs,
            directory: directory.to_owned(),
            account,
            password: random_word(),
        };
        if let Some(account) = &site.account {
            account::give(&site.directory, account)?;
        }
        site.initialise()?;
        Ok(site)
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn initialise(&self) -> Result<()> {
        let password_file = self.directory.join("password");
        fs::write(&password_file, &self.password)?;
        if let Some(account) = &self.account {
            account::give(&password_file, account)?;
        }
        let output = self
            .command("initdb")
            .args(["--no-sync", "--username=postgres", "--locale=C"])
            .args(["--encoding=UTF8", "--auth=scram-sha-256"])
            .arg("--pwfile")
            .arg(&password_file)
            .arg("--pgdata")
            .arg(self.data())
            .output()
            .map_err(|error| anyhow!("failed to start initdb: {error}{}", self.reach()))?;
        fs::remove_file(&password_file)?;
        if !output.status.success() {
            bail!(
                "initdb ended with {}: {}{}",
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

    fn launch(self, durability: Durability) -> Result<Postgres> {
        let port = free_port().context("failed to find a free port")?;
        let log = File::options().create(true).append(true).open(self.log())?;
        let sockets = self.directory.display().to_string();
        let durable = match durability {
            Durability::Throwaway => "off",
            Durability::Durable => "on",
        };
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        for (name, value) in [
            ("listen_addresses", "127.0.0.1"),
            ("port", &port.to_string()),
            ("unix_socket_directories", &sockets),
            ("max_connections", "300"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("fsync", durable),
            ("full_page_writes", durable),
            ("synchronous_commit", durable),
        ] {
            command.args(["-c", &format!("{name}={value}")]);
        }
        let server = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("failed to start postgres")?;
        Ok(Postgres {
            server,
            site: self,
            port,
        })
    }

    /// A program of PostgreSQL's, as the right user and in a directory that
    /// this user may enter, undisturbed by the caller's own settings.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(&self.directory);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        if let Some(account) = &self.account {
            account::switch(&mut command, account);
        }
        command
    }
}

fn has_all_programs(directory: &Path) -> bool {
    PROGRAMS.iter().all(|name| {
        directory
            .join(format!("{name}{}", env::consts::EXE_SUFFIX))
            .is_file()
    })
}

fn debian_versions(parent: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, path)| path).collect()
}

fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// 128 bits that the operating system seeded; enough for a server that lives
/// for minutes and listens on this machine only.
fn random_word() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first_by_number() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for name in ["9", "17", "15", "common"] {
            fs::create_dir(directory.path().join(name)).expect("a directory");
        }
        let found = debian_versions(directory.path());
        let expected = ["17/bin", "15/bin", "9/bin"].map(|name| directory.path().join(name));
        assert_eq!(found, expected);
    }

    #[test]
    fn two_passwords_differ() {
        assert_ne!(random_word(), random_word());
    }
}
