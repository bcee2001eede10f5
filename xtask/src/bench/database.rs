//! The databases to measure on, and their own clients: SQLite files and a
//! PostgreSQL server, both on disk and durable.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::process::Invocation;
use crate::program;
use crate::servers::{Durability, Servers};

/// Where databases are made.
#[derive(Debug)]
pub(super) enum Engine {
    Sqlite(Files),
    Postgres(Server),
}

/// SQLite files in a directory.
#[derive(Debug)]
pub(super) struct Files {
    shell: PathBuf,
    directory: PathBuf,
    made: Cell<usize>,
}

/// A PostgreSQL server of our own.
#[derive(Debug)]
pub(super) struct Server {
    psql: PathBuf,
    /// Of the superuser's database.
    url: String,
    made: Cell<usize>,
    _servers: Servers,
}

/// One database, with the client that reads it.
#[derive(Debug, Clone)]
pub(super) enum Database {
    Sqlite { shell: PathBuf, path: PathBuf },
    Postgres { psql: PathBuf, url: String },
}

impl Engine {
    pub(super) fn sqlite(directory: &Path) -> Result<Self> {
        let shell = program::find("sqlite3")
            .context("the sqlite3 shell is missing; run `cargo xtask install`")?;
        Ok(Self::Sqlite(Files {
            shell,
            directory: directory.to_owned(),
            made: Cell::new(0),
        }))
    }

    /// Starts a server that writes through to the disk.
    pub(super) fn postgres() -> Result<Self> {
        let servers = Servers::start(Durability::Durable)?;
        let variable = |name: &str| {
            let value = servers.variables().get(name).cloned();
            value.with_context(|| format!("the supervisor says no {name}"))
        };
        let psql = Path::new(&variable("MIGRATE_TEST_POSTGRES_BIN")?).join("psql");
        let url = variable("MIGRATE_TEST_POSTGRES")?;
        Ok(Self::Postgres(Server {
            psql,
            url,
            made: Cell::new(0),
            _servers: servers,
        }))
    }

    /// How the rows of this engine's cases begin.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// The name of the engine's own client.
    pub(super) fn client(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite3",
            Self::Postgres(_) => "psql",
        }
    }

    /// An empty database, and nothing left to write of those before.
    pub(super) fn fresh(&self) -> Result<Database> {
        match self {
            Self::Sqlite(files) => {
                let n = next(&files.made);
                Ok(self.file(&files.directory.join(format!("fresh-{n}.db"))))
            }
            Self::Postgres(server) => {
                let name = format!("bench_{}", next(&server.made));
                let superuser = Database::Postgres {
                    psql: server.psql.clone(),
                    url: server.url.clone(),
                };
                superuser
                    .query(&format!("CREATE DATABASE {name}"))
                    .output()?;
                // The first change of a page after a checkpoint writes all of
                // it to the log: everybody begins there.
                superuser.query("CHECKPOINT").output()?;
                let (server_url, _) = server
                    .url
                    .rsplit_once('/')
                    .context("a URL without a database")?;
                Ok(Database::Postgres {
                    psql: server.psql.clone(),
                    url: format!("{server_url}/{name}"),
                })
            }
        }
    }

    /// A database in this very file; the server has none, and makes a fresh one
    /// by [`Self::fresh`].
    pub(super) fn file(&self, path: &Path) -> Database {
        let shell = match self {
            Self::Sqlite(files) => files.shell.clone(),
            Self::Postgres(_) => PathBuf::from("sqlite3"),
        };
        Database::Sqlite {
            shell,
            path: path.to_owned(),
        }
    }
}

fn next(made: &Cell<usize>) -> usize {
    made.set(made.get() + 1);
    made.get()
}

impl Database {
    /// For our command.
    pub(super) fn our_url(&self) -> String {
        match self {
            Self::Sqlite { path, .. } => format!("sqlite:{}", path.display()),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    /// For Diesel, which takes a SQLite file's bare path.
    pub(super) fn diesel_url(&self) -> String {
        match self {
            Self::Sqlite { path, .. } => path.display().to_string(),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    /// The client with a script, which stops at the first error.
    pub(super) fn script(&self, script: &Path) -> Invocation {
        match self {
            Self::Sqlite { shell, path } => Invocation::new(shell)
                .args(["-batch", "-bail"])
                .arg(path)
                .stdin(script),
            Self::Postgres { .. } => self.psql().arg("-f").arg(script),
        }
    }

    /// The client with one statement.
    pub(super) fn query(&self, sql: &str) -> Invocation {
        match self {
            Self::Sqlite { shell, path } => Invocation::new(shell)
                .args(["-batch", "-bail"])
                .arg(path)
                .arg(sql),
            Self::Postgres { .. } => self.psql().args(["-A", "-t", "-c", sql]),
        }
    }

    fn psql(&self) -> Invocation {
        let Self::Postgres { psql, url } = self else {
            return Invocation::new(Path::new("psql"));
        };
        Invocation::new(psql)
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(url)
    }

    /// The same database by another address.
    pub(super) fn through(&self, address: SocketAddr) -> Result<Self> {
        let Self::Postgres { psql, url } = self else {
            bail!("a file has no address");
        };
        let (before, after) = url.split_once('@').context("a URL without a user")?;
        let (_, database) = after.split_once('/').context("a URL without a database")?;
        Ok(Self::Postgres {
            psql: psql.clone(),
            url: format!("{before}@{address}/{database}"),
        })
    }

    /// Where its server listens.
    pub(super) fn address(&self) -> Result<SocketAddr> {
        let Self::Postgres { url, .. } = self else {
            bail!("a file has no address");
        };
        let (_, after) = url.split_once('@').context("a URL without a user")?;
        let (address, _) = after.split_once('/').context("a URL without a database")?;
        address.parse().context("a URL without a numeric address")
    }

    /// That this many migrations are recorded as applied: a contender that did
    /// not do the work is not measured.
    pub(super) fn expect_applied(&self, count: usize) -> Result<()> {
        let answer = self
            .query("SELECT count(*) FROM __diesel_schema_migrations")
            .output()?;
        if answer.trim() != count.to_string() {
            bail!("{} migrations are recorded, not {count}", answer.trim());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_changes_on_the_way_through_a_proxy() {
        let direct = Database::Postgres {
            psql: "psql".into(),
            url: "postgres://u:p@127.0.0.1:5432/a".into(),
        };
        assert_eq!(direct.address().expect("an address").port(), 5432);
        let address = "127.0.0.1:9".parse().expect("an address");
        let through = direct.through(address).expect("a URL");
        assert_eq!(through.our_url(), "postgres://u:p@127.0.0.1:9/a");
    }
}
