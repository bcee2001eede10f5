//! A PostgreSQL server of our own: found, initialised, started, awaited and
//! stopped. Everything about it lies in one directory, which its caller owns
//! and removes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result};

use super::Durability;
use super::home::{Home, random_word};

/// The superuser's URL, for the tests.
const URL_VARIABLE: &str = "MIGRATE_TEST_POSTGRES";
/// The directory of psql, `pg_dump` and the others, for the tests.
const PROGRAMS_VARIABLE: &str = "MIGRATE_TEST_POSTGRES_BIN";

/// The path of the server's log, for the tests.
const LOG_VARIABLE: &str = "MIGRATE_TEST_POSTGRES_LOG";

const PROGRAMS: [&str; 5] = ["initdb", "postgres", "pg_ctl", "psql", "pg_dump"];

/// The directory of PostgreSQL's programs: on PATH, or where Debian keeps
/// them, the newest version first.
pub(crate) fn find_programs() -> Option<PathBuf> {
    all_programs().into_iter().next()
}

/// Those directories, one for each version that is here.
pub(crate) fn all_programs() -> Vec<PathBuf> {
    let on_path = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default();
    on_path
        .into_iter()
        .chain(debian_versions(Path::new("/usr/lib/postgresql")))
        .filter(|directory| has_all_programs(directory))
        .collect()
}

/// A running server, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    server: Child,
    site: Site,
    port: u16,
}

/// Where a server lives, and what runs there.
#[derive(Debug)]
struct Site {
    programs: PathBuf,
    home: Home,
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
        let (server, port) = site.home.launch(
            |port| site.server(port, durability),
            |port| site.knock(port),
        )?;
        Ok(Self { server, site, port })
    }

    /// What the tests have to be told.
    pub(crate) fn variables(&self) -> [(String, String); 3] {
        let url = format!(
            "postgres://postgres:{}@127.0.0.1:{}/postgres",
            self.site.password, self.port
        );
        let programs = self.site.programs.display().to_string();
        [
            (URL_VARIABLE.to_owned(), url),
            (PROGRAMS_VARIABLE.to_owned(), programs),
            (
                LOG_VARIABLE.to_owned(),
                self.site.home.log().display().to_string(),
            ),
        ]
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
        let site = Self {
            programs,
            home: Home::create("PostgreSQL", directory, &["postgres", "nobody"], &["PG"])?,
            password: random_word(),
        };
        site.initialise()?;
        Ok(site)
    }

    fn data(&self) -> PathBuf {
        self.home.path("data")
    }

    fn command(&self, program: &str) -> Command {
        self.home.command(self.programs.join(program))
    }

    fn initialise(&self) -> Result<()> {
        let password_file = self.home.write("password", &self.password)?;
        let done = self.home.prepare(
            self.command("initdb")
                .args(["--no-sync", "--username=postgres", "--locale=C"])
                .args(["--encoding=UTF8", "--auth=scram-sha-256"])
                .arg("--pwfile")
                .arg(&password_file)
                .arg("--pgdata")
                .arg(self.data()),
        );
        fs::remove_file(&password_file)?;
        done
    }

    fn server(&self, port: u16, durability: Durability) -> Command {
        let sockets = self.home.directory().display().to_string();
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
            ("max_connections", "500"),
            // The fault suite looks for its own databases, and for a deadlock
            // by its SQLSTATE, whatever language the text has.
            ("log_line_prefix", "%m [%p] %d %e "),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("fsync", durable),
            ("full_page_writes", durable),
            ("synchronous_commit", durable),
        ] {
            command.args(["-c", &format!("{name}={value}")]);
        }
        command
    }

    /// Connects with the password.
    fn knock(&self, port: u16) -> Command {
        let mut command = self.command("psql");
        command
            .args(["-X", "-q", "-h", "127.0.0.1", "-U", "postgres"])
            .args(["-p", &port.to_string(), "-c", "SELECT 1", "postgres"])
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "5");
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
}
