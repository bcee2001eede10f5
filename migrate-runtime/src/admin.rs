//! The database itself: create it, drop it, see whether its server answers.

#[cfg(any(feature = "mysql", feature = "postgres"))]
mod denied;

#[cfg(any(feature = "mysql", feature = "postgres"))]
use diesel::connection::SimpleConnection;
use migrate_core::Dialect;

#[cfg(any(feature = "mysql", feature = "postgres"))]
use crate::client;
use crate::error::{DatabaseError, OpenError, OpenReason};
use crate::open::{Access, Database, Session};
use crate::quote::identifier;
use crate::url::DatabaseUrl;

/// What `create` found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It was not there.
    New,
    /// It was there already.
    Existing,
}

/// What `drop` found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// It was there and is gone.
    Gone,
    /// It was not there.
    Absent,
}

/// Why a database could not be created or dropped.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The URL names no database to create or drop.
    #[error("the URL names no database")]
    NoName,
    /// The server's own: dropping it breaks the server, for everybody.
    #[error("database {0} is the server's own")]
    OfTheServer(String),
    /// In memory there is nothing to create or drop.
    #[error("a database in memory is neither created nor dropped")]
    InMemory,
    /// A file of the database, or its directory.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which file.
        path: std::path::PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// The URL names some other file.
    #[error("{} is no SQLite database", .0.display())]
    NotADatabase(std::path::PathBuf),
    /// Migrations are running on it.
    #[error("another runner is at work on {}", .0.display())]
    InUse(std::path::PathBuf),
    /// The server could not be asked.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The server refused.
    #[error("cannot {doing} database {name}: {source}")]
    Database {
        /// `create` or `drop`.
        doing: &'static str,
        /// The database.
        name: String,
        /// The server's words.
        source: DatabaseError,
    },
}

/// Creates the database that the URL names, with the directories above a file.
///
/// # Errors
/// When the role may not, or the server does not answer.
pub fn create_database(url: &DatabaseUrl) -> Result<Created, AdminError> {
    match url.dialect() {
        Dialect::Sqlite => create_file(url),
        _ => {
            let probe = Database::open(url, &Session::new("create", Access::Read));
            match probe {
                Ok(_) => Ok(Created::Existing),
                Err(OpenError::Connect {
                    reason: OpenReason::MissingDatabase,
                    ..
                }) => {
                    match on_server(url, "create", |name| format!("CREATE DATABASE {name}")) {
                        Ok(()) => Ok(Created::New),
                        // Another runner may have been faster.
                        Err(error) => {
                            match Database::open(url, &Session::new("create", Access::Read)) {
                                Ok(_) => Ok(Created::Existing),
                                Err(_) => Err(error),
                            }
                        }
                    }
                }
                Err(error) => Err(error.into()),
            }
        }
    }
}

/// Whether the database that the URL names may be dropped at all, by its name
/// alone: [`drop_database`] asks it, too. A PostgreSQL database `postgres` may be
/// somebody's own.
///
/// # Errors
/// [`AdminError::OfTheServer`] for a database without which the server cannot
/// be.
pub fn may_be_dropped(url: &DatabaseUrl) -> Result<(), AdminError> {
    let Some(name) = name_of(url) else {
        return Ok(());
    };
    let is_the_servers = match url.dialect() {
        Dialect::Postgres => ["template0", "template1"].contains(&&*name),
        // Where file names have no case, neither have these.
        Dialect::MySql => ["mysql", "sys", "information_schema", "performance_schema"]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own)),
        Dialect::Sqlite => false,
    };
    if is_the_servers {
        return Err(AdminError::OfTheServer(name));
    }
    Ok(())
}

/// Drops the database that the URL names, whoever is connected to it.
///
/// # Errors
/// As [`create_database`], and as [`may_be_dropped`].
pub fn drop_database(url: &DatabaseUrl) -> Result<Dropped, AdminError> {
    may_be_dropped(url)?;
    match url.dialect() {
        Dialect::Sqlite => drop_file(url),
        dialect => match Database::open(url, &Session::new("drop", Access::Read)) {
            Err(OpenError::Connect {
                reason: OpenReason::MissingDatabase,
                ..
            }) => Ok(Dropped::Absent),
            Err(error) => Err(error.into()),
            Ok(_) => on_server(url, "drop", |name| match dialect {
                Dialect::Postgres => format!("DROP DATABASE {name} WITH (FORCE)"),
                // Nobody's connection keeps a database there.
                _ => format!("DROP DATABASE {name}"),
            })
            .map(|()| Dropped::Gone),
        },
    }
}

/// Whether the server answers for this database; the error says why not.
///
/// # Errors
/// Why there is no connection.
pub fn is_reachable(url: &DatabaseUrl) -> Result<(), OpenError> {
    Database::open(url, &Session::new("wait", Access::Read)).map(|_| ())
}

fn create_file(url: &DatabaseUrl) -> Result<Created, AdminError> {
    let path = url.sqlite_path().ok_or(AdminError::InMemory)?;
    let failed = |path: &std::path::Path| {
        let path = path.to_owned();
        move |source| AdminError::File { path, source }
    };
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        std::fs::create_dir_all(parent).map_err(failed(parent))?;
    }
    match std::fs::File::create_new(path) {
        // An empty file is an empty database.
        Ok(_) => Ok(Created::New),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(Created::Existing),
        Err(source) => Err(AdminError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

fn drop_file(url: &DatabaseUrl) -> Result<Dropped, AdminError> {
    let named = url.sqlite_path().ok_or(AdminError::InMemory)?;
    if !named.exists() {
        return Ok(Dropped::Absent);
    }
    let failed = |source| AdminError::File {
        path: named.to_owned(),
        source,
    };
    // The file itself, also by a link: the link names a database, empty or not.
    let path = &*std::fs::canonicalize(named).map_err(failed)?;
    if !is_database(path).map_err(failed)? {
        return Err(AdminError::NotADatabase(named.to_owned()));
    }
    // A runner at work would go on writing to a file that has no name any more.
    #[cfg(feature = "sqlite")]
    let _sentinel = crate::backend::sqlite::Sentinel::acquire(
        path,
        &format!("drop, pid {}", std::process::id()),
    )
    .map_err(|source| AdminError::Database {
        doing: "drop",
        name: path.display().to_string(),
        source,
    })?
    .ok_or_else(|| AdminError::InUse(path.to_owned()))?;
    // The journals first: alone they would be taken for those of a new file.
    for suffix in ["-journal", "-wal", "-shm", ""] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match std::fs::remove_file(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(AdminError::File {
                    path: file.into(),
                    source,
                });
            }
        }
    }
    Ok(Dropped::Gone)
}

/// Whether a file begins as SQLite's do; an empty one is an empty database.
fn is_database(path: &std::path::Path) -> std::io::Result<bool> {
    use std::io::Read;

    const MAGIC: &[u8] = b"SQLite format 3\0";
    if !path.is_file() {
        return Ok(false);
    }
    let mut head = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok(head.is_empty() || head == MAGIC)
}

/// The name of a server's database; only libpq has a default.
fn name_of(url: &DatabaseUrl) -> Option<String> {
    let default = || url.user().filter(|_| url.dialect() == Dialect::Postgres);
    url.database_name().or_else(default)
}

/// Sends one statement on a database to its server.
fn on_server(
    url: &DatabaseUrl,
    doing: &'static str,
    sql: impl Fn(&str) -> String,
) -> Result<(), AdminError> {
    let dialect = url.dialect();
    let name = name_of(url).ok_or(AdminError::NoName)?;
    let sql = sql(&identifier(dialect, &name));
    let sent: Result<(), DatabaseError> = match dialect {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => {
            // Some servers have no `postgres`; `template1` is always there.
            let mut connection = client::postgres::connect(&url.with_database("postgres"))
                .or_else(|_| client::postgres::connect(&url.with_database("template1")))?;
            let sent = connection.batch_execute(&sql).map_err(DatabaseError::from);
            sent.map_err(|error| denied::by_postgres(&mut connection, &name, error))
        }
        #[cfg(feature = "mysql")]
        Dialect::MySql => {
            let mut connection = client::mysql::connect_to_server(url)?;
            let sent = connection.batch_execute(&sql).map_err(DatabaseError::from);
            sent.map_err(|error| denied::by_mysql(&mut connection, error))
        }
        other => return Err(OpenError::NoBackend(other).into()),
    };
    sent.map_err(|source| AdminError::Database {
        doing,
        name,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_without_which_the_server_cannot_be_is_not_to_be_dropped() {
        let may_be = |text: &str| may_be_dropped(&DatabaseUrl::parse(text).unwrap()).is_ok();
        for text in [
            "mysql://root@h/mysql",
            "mariadb://root@h/MySQL",
            "mysql://root@h/%73ys?ssl-mode=REQUIRED",
            "mysql://root@h/information_schema",
            "mysql://root@h/PERFORMANCE_SCHEMA",
            "postgres://u@h/template0",
            "postgres://u@h/x?dbname=template1",
            "postgres://template1@h",
        ] {
            assert!(!may_be(text), "{text}");
        }
        for text in [
            "mysql://mysql@h/shop",
            "mysql://u@h/mysql_shop",
            "mysql://u@h/postgres",
            "postgres://u@h/postgres",
            "postgres://u@h/mysql",
            "postgres://u@h",
            "sqlite:mysql",
        ] {
            assert!(may_be(text), "{text}");
        }
    }
}
