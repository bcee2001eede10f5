//! The databases to measure on, and their own clients: SQLite files, a
//! PostgreSQL and a MariaDB server, all on disk and durable.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::process::Invocation;
use crate::program;
use crate::servers::Servers;

/// Where databases are made.
#[derive(Debug)]
pub(super) enum Engine {
    Sqlite(Files),
    Postgres(Server),
    Mariadb(Server),
}

/// SQLite files in a directory.
#[derive(Debug)]
pub(super) struct Files {
    shell: PathBuf,
    directory: PathBuf,
    made: Cell<usize>,
}

/// A server of our own.
#[derive(Debug)]
pub(super) struct Server {
    client: PathBuf,
    /// Of the superuser's database.
    url: String,
    made: Cell<usize>,
}

/// One database, with the client that reads it.
#[derive(Debug, Clone)]
pub(super) enum Database {
    Sqlite { shell: PathBuf, path: PathBuf },
    Postgres { psql: PathBuf, url: String },
    Mariadb { client: PathBuf, url: String },
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

    /// The PostgreSQL among the servers.
    pub(super) fn postgres(servers: &Servers) -> Result<Self> {
        let programs = variable(servers, "MIGRATE_TEST_POSTGRES_BIN")?;
        Ok(Self::Postgres(Server {
            client: Path::new(&programs).join("psql"),
            url: variable(servers, "MIGRATE_TEST_POSTGRES")?,
            made: Cell::new(0),
        }))
    }

    /// The MariaDB among the servers.
    pub(super) fn mariadb(servers: &Servers) -> Result<Self> {
        let client = program::find("mariadb")
            .context("MariaDB's client is missing; run `cargo xtask install`")?;
        Ok(Self::Mariadb(Server {
            client,
            url: variable(servers, "MIGRATE_TEST_MARIADB")?,
            made: Cell::new(0),
        }))
    }

    /// Whether DDL can be taken back, so that a whole run can be one
    /// transaction.
    pub(super) fn is_transactional(&self) -> bool {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) => true,
            Self::Mariadb(_) => false,
        }
    }

    /// How the rows of this engine's cases begin.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
            Self::Mariadb(_) => "MariaDB",
        }
    }

    /// The name of the engine's own client.
    pub(super) fn client(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite3",
            Self::Postgres(_) => "psql",
            Self::Mariadb(_) => "mariadb",
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
                let postgres = |url| Database::Postgres {
                    psql: server.client.clone(),
                    url,
                };
                let superuser = postgres(server.url.clone());
                superuser
                    .query(&format!("CREATE DATABASE {name}"))
                    .output()?;
                // The first change of a page after a checkpoint writes all of
                // it to the log: everybody begins there.
                superuser.query("CHECKPOINT").output()?;
                Ok(postgres(beside(&server.url, &name)?))
            }
            Self::Mariadb(server) => {
                let name = format!("bench_{}", next(&server.made));
                let mariadb = |url| Database::Mariadb {
                    client: server.client.clone(),
                    url,
                };
                mariadb(server.url.clone())
                    .query(&format!("CREATE DATABASE {name}"))
                    .output()?;
                Ok(mariadb(beside(&server.url, &name)?))
            }
        }
    }

    /// A database in this very file; a server has none, and makes a fresh one
    /// by [`Self::fresh`].
    pub(super) fn file(&self, path: &Path) -> Database {
        let shell = match self {
            Self::Sqlite(files) => files.shell.clone(),
            Self::Postgres(_) | Self::Mariadb(_) => PathBuf::from("sqlite3"),
        };
        Database::Sqlite {
            shell,
            path: path.to_owned(),
        }
    }
}

fn variable(servers: &Servers, name: &str) -> Result<String> {
    let value = servers.variables().get(name).cloned();
    value.with_context(|| format!("the supervisor says no {name}"))
}

/// The URL of another database on the same server.
fn beside(url: &str, name: &str) -> Result<String> {
    let (server, _) = url.rsplit_once('/').context("a URL without a database")?;
    Ok(format!("{server}/{name}"))
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
            Self::Postgres { url, .. } | Self::Mariadb { url, .. } => url.clone(),
        }
    }

    /// For Diesel, which takes a SQLite file's bare path.
    pub(super) fn diesel_url(&self) -> String {
        match self {
            Self::Sqlite { path, .. } => path.display().to_string(),
            Self::Postgres { url, .. } | Self::Mariadb { url, .. } => url.clone(),
        }
    }

    /// The client with a script, which stops at the first error.
    pub(super) fn script(&self, script: &Path) -> Invocation {
        match self {
            Self::Sqlite { shell, path } => Invocation::new(shell)
                .args(["-batch", "-bail"])
                .arg(path)
                .stdin(script),
            Self::Postgres { psql, url } => self::psql(psql, url).arg("-f").arg(script),
            Self::Mariadb { client, url } => mariadb(client, url).stdin(script),
        }
    }

    /// The client with one statement.
    pub(super) fn query(&self, sql: &str) -> Invocation {
        match self {
            Self::Sqlite { shell, path } => Invocation::new(shell)
                .args(["-batch", "-bail"])
                .arg(path)
                .arg(sql),
            Self::Postgres { psql, url } => self::psql(psql, url).args(["-A", "-t", "-c", sql]),
            Self::Mariadb { client, url } => {
                mariadb(client, url).args(["--skip-column-names", "--execute", sql])
            }
        }
    }

    /// The same database by another address.
    pub(super) fn through(&self, address: SocketAddr) -> Result<Self> {
        let Self::Postgres { psql, url } = self else {
            bail!("only PostgreSQL is measured from afar");
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
            bail!("only PostgreSQL is measured from afar");
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

fn psql(psql: &Path, url: &str) -> Invocation {
    Invocation::new(psql)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d"])
        .arg(url)
}

/// This client takes no URL. Of what is missing in one nothing is lost but a
/// connection, which the client then says.
fn mariadb(client: &Path, url: &str) -> Invocation {
    let (before, place) = url.split_once('@').unwrap_or_default();
    let (_, password) = before.rsplit_once(':').unwrap_or_default();
    let (address, database) = place.split_once('/').unwrap_or_default();
    let (host, port) = address.split_once(':').unwrap_or_default();
    Invocation::new(client)
        .args(["--no-defaults", "--batch", "--protocol=tcp", "--user=root"])
        .arg(format!("--host={host}"))
        .arg(format!("--port={port}"))
        .arg(format!("--database={database}"))
        .env("MYSQL_PWD", password)
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
