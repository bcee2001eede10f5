//! Opening a database by its URL, for one service: read-only where nothing
//! will be written, so that looking creates nothing.

use std::path::PathBuf;

use diesel::Connection;
use diesel::connection::SimpleConnection;
#[cfg(feature = "postgres")]
use diesel::pg::PgConnection;
#[cfg(feature = "sqlite")]
use diesel::sqlite::SqliteConnection;
use migrate_core::Dialect;

use crate::backend::Backend;
use crate::error::{DatabaseError, OpenError, OpenReason};
use crate::interrupt::{CancelGuard, Interrupt};
use crate::store::DEFAULT_HISTORY_TABLE;
use crate::url::DatabaseUrl;
#[cfg(feature = "sqlite")]
use crate::url::{canonical, uri};

/// What to know of a service to open its database.
#[derive(Debug, Clone)]
pub struct Session {
    /// The service's name, shown to those who look at the server's sessions.
    pub service: String,
    /// PostgreSQL: the schema of history and migrations.
    pub schema: Option<String>,
    /// The history's name.
    pub history_table: String,
    /// Statements to run before anything else.
    pub setup: Vec<String>,
    /// What the connection is for.
    pub access: Access,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Looking: a SQLite database that is not there is not created.
    Read,
    /// Running migrations.
    Write,
}

impl Session {
    /// A session of `service` with Diesel's history table and nothing special.
    #[must_use]
    pub fn new(service: &str, access: Access) -> Self {
        Self {
            service: service.to_owned(),
            schema: None,
            history_table: DEFAULT_HISTORY_TABLE.to_owned(),
            setup: Vec::new(),
            access,
        }
    }
}

/// An open database of one service.
pub struct Database {
    backend: Box<dyn Backend>,
    url: DatabaseUrl,
}

impl Database {
    /// Connects.
    ///
    /// # Errors
    /// When the server, the database or its password is not to be had, or the
    /// session's set-up fails. No error holds a password.
    pub fn open(url: &DatabaseUrl, session: &Session) -> Result<Self, OpenError> {
        let backend: Box<dyn Backend> = match url.dialect() {
            #[cfg(feature = "postgres")]
            Dialect::Postgres => {
                let mut connection = connect_postgres(url)?;
                set_up(&mut connection, &session.setup)?;
                let names = crate::backend::postgres::Names {
                    schema: session.schema.clone(),
                    history_table: session.history_table.clone(),
                    application: crate::backend::postgres::application(&session.service),
                    setup: crate::backend::postgres::SessionSetup::of(&session.setup),
                };
                Box::new(crate::backend::postgres::Postgres::new(connection, names))
            }
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => {
                let Opened {
                    mut connection,
                    path,
                    later,
                } = connect_sqlite(url, session.access)?;
                set_up(&mut connection, &session.setup)?;
                let mut setup = vec![BUSY_TIMEOUT.to_owned()];
                setup.extend_from_slice(&session.setup);
                let later = later.map(|url| crate::backend::sqlite::Later { url, setup });
                Box::new(
                    crate::backend::sqlite::Sqlite::new(connection, path, &session.history_table)
                        .opened_later(later),
                )
            }
            other => return Err(OpenError::NoBackend(other)),
        };
        Ok(Self {
            backend,
            url: url.clone(),
        })
    }

    pub(crate) fn backend(&mut self) -> &mut dyn Backend {
        &mut *self.backend
    }

    /// The dialect that it speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.backend.dialect()
    }

    /// Cancels the running statement when `interrupt` is triggered.
    pub(crate) fn cancel_on(&mut self, interrupt: &Interrupt) -> Option<CancelGuard> {
        #[cfg(feature = "postgres")]
        if let Some(cancellation) = self.backend.cancellation() {
            let url = self.url.clone();
            let cancel = move || {
                // The server alone can stop a statement; best effort, because
                // the signal's second arrival ends the process anyway.
                if let Ok(mut connection) = connect_postgres(&url) {
                    let _ = connection.batch_execute(&cancellation);
                }
            };
            return Some(interrupt.on_trigger(Box::new(cancel)));
        }
        let _ = (&self.url, interrupt);
        None
    }
}

fn set_up(connection: &mut impl SimpleConnection, setup: &[String]) -> Result<(), OpenError> {
    for (n, statement) in setup.iter().enumerate() {
        connection
            .batch_execute(statement)
            .map_err(|error| OpenError::SessionSetup {
                number: n + 1,
                source: DatabaseError::from(error),
            })?;
    }
    Ok(())
}

/// Why there is no connection. The server's words are in its language, so they
/// are not read: the server itself is asked whether it has the database.
#[cfg(feature = "postgres")]
fn reason(message: &str, url: &DatabaseUrl) -> OpenReason {
    if !message.contains("FATAL") {
        return OpenReason::Unreachable;
    }
    let Some(name) = url.database_name().or_else(|| url.user()) else {
        return OpenReason::Refused;
    };
    // Asking costs another login or two; a server that misses a database says
    // which. It cuts long names, and writes others in an encoding of its own.
    let is_said_as_it_is = name.is_ascii() && name.len() < 64;
    if is_said_as_it_is && !message.contains(&name) {
        return OpenReason::Refused;
    }
    let asked = ["postgres", "template1"].into_iter().find_map(|other| {
        let client = as_client(&url.with_database(other));
        let mut connection = PgConnection::establish(client.expose()).ok()?;
        let found = diesel::sql_query("SELECT 1 FROM pg_database WHERE datname = $1::name")
            .bind::<diesel::sql_types::Text, _>(&name);
        diesel::RunQueryDsl::execute(found, &mut connection).ok()
    });
    match asked {
        Some(0) => OpenReason::MissingDatabase,
        Some(_) | None => OpenReason::Refused,
    }
}

/// The URL with what the bundled libpq lacks: the distribution's socket
/// directory, and a limit to the waiting.
#[cfg(feature = "postgres")]
fn as_client(url: &DatabaseUrl) -> DatabaseUrl {
    let mut client = url.clone();
    let elsewhere = ["PGHOST", "PGHOSTADDR", "PGSERVICE"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if !url.names_host() && !elsewhere && url.parameter("service").is_none() {
        let socket = std::path::Path::new("/var/run/postgresql");
        client = client.with_parameter(
            "host",
            if socket.is_dir() {
                "/var/run/postgresql"
            } else {
                "localhost"
            },
        );
    }
    if url.parameter("connect_timeout").is_none() && std::env::var_os("PGCONNECT_TIMEOUT").is_none()
    {
        client = client.with_parameter("connect_timeout", "10");
    }
    client
}

/// Connects to PostgreSQL as libpq does, with what the bundled one lacks: the
/// distribution's socket directory and its certificates.
///
/// # Errors
/// When there is no connection to be had.
#[cfg(feature = "postgres")]
pub(crate) fn connect_postgres(url: &DatabaseUrl) -> Result<PgConnection, OpenError> {
    use diesel::connection::CacheSize;

    let client = as_client(url);
    let mut connection = PgConnection::establish(client.expose()).map_err(|error| {
        let message = redact(&error.to_string(), url);
        let reason = reason(&message, url);
        OpenError::Connect {
            url: url.to_string(),
            message,
            reason,
        }
    })?;
    // A pooler may give each statement another server connection.
    connection.set_prepared_statement_cache_size(CacheSize::Disabled);
    Ok(connection)
}

#[cfg(feature = "sqlite")]
struct Opened {
    connection: SqliteConnection,
    /// The database's file; none in memory.
    path: Option<PathBuf>,
    /// What to open for the first write, where the file is not there and the
    /// connection is to memory.
    later: Option<String>,
}

#[cfg(feature = "sqlite")]
fn connect_sqlite(url: &DatabaseUrl, access: Access) -> Result<Opened, OpenError> {
    // The real one: links to one file are one database, with one lock.
    let path = url.sqlite_path().map(canonical);
    let mut later = None;
    let text = match (&path, access) {
        // A database that is not there is empty; looking must not create it.
        (Some(path), Access::Read) if !path.exists() => ":memory:".to_owned(),
        (Some(path), Access::Write) if is_made_later(url, path) => {
            later = Some(url.expose().to_owned());
            ":memory:".to_owned()
        }
        (Some(path), Access::Read) if !url.expose().starts_with("file:") => {
            format!("{}?mode=rw", uri(path))
        }
        _ => url.expose().to_owned(),
    };
    let failed = |message: String| OpenError::Connect {
        url: url.to_string(),
        message,
        reason: OpenReason::Refused,
    };
    let mut connection =
        SqliteConnection::establish(&text).map_err(|error| failed(error.to_string()))?;
    connection
        .batch_execute(BUSY_TIMEOUT)
        .map_err(|error| failed(error.to_string()))?;
    Ok(Opened {
        connection,
        path,
        later,
    })
}

/// How long SQLite waits for others that write.
#[cfg(feature = "sqlite")]
const BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 10000";

/// Whether the file is to be made by the first write. A directory that is not
/// there, and what a URI says of the file, are for SQLite to judge at once.
#[cfg(feature = "sqlite")]
fn is_made_later(url: &DatabaseUrl, path: &std::path::Path) -> bool {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| std::path::Path::new("."));
    !url.expose().starts_with("file:") && !path.exists() && parent.is_dir()
}

/// The client's message without the password, should it ever repeat it.
fn redact(message: &str, url: &DatabaseUrl) -> String {
    let secrets = url.secrets();
    secrets
        .iter()
        .fold(message.trim_end().to_owned(), |message, secret| {
            message.replace(secret.as_str(), "***")
        })
}
