//! Opening a database by its URL, for one service: read-only where nothing
//! will be written, so that looking creates nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[cfg(feature = "mysql-backend")]
use diesel::connection::LoadConnection;
use diesel::connection::SimpleConnection;
use migrate_core::Dialect;

use crate::backend::Backend;
#[cfg(feature = "mysql-backend")]
use crate::backend::mysql::{Held, MySql};
use crate::cancelling::Cancelling;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
use crate::client;
use crate::error::{DatabaseError, OpenError};
use crate::interrupt::{CancelGuard, Interrupt};
use crate::store::DEFAULT_HISTORY_TABLE;
use crate::url::DatabaseUrl;

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
    /// Where another connection is to be had; none for one that was lent.
    origin: Option<Reopen>,
}

/// How a database was opened, and can be once more.
#[derive(Debug, Clone)]
pub(crate) struct Reopen {
    url: DatabaseUrl,
    session: Session,
}

impl Reopen {
    /// Connects again.
    pub(crate) fn open(&self) -> Result<Database, OpenError> {
        Database::open(&self.url, &self.session)
    }
}

impl Database {
    /// Connects.
    ///
    /// # Errors
    /// When the server, the database or its password is not to be had, the URL
    /// asks for what cannot be done, or the session's set-up fails. No error
    /// holds a password.
    pub fn open(url: &DatabaseUrl, session: &Session) -> Result<Self, OpenError> {
        let backend: Box<dyn Backend> = match url.dialect() {
            #[cfg(feature = "postgres")]
            Dialect::Postgres => {
                let mut connection = client::postgres::connect(url)?;
                set_up(&mut connection, &session.setup)?;
                let names = crate::backend::postgres::Names {
                    schema: session.schema.clone(),
                    history_table: session.history_table.clone(),
                    service: session.service.clone(),
                    setup: crate::backend::postgres::SessionSetup::of(&session.setup),
                };
                let direct = url.clone();
                let is_pooled = Box::new(move || client::postgres::is_pooled(&direct));
                let second = url.clone();
                let watcher = Box::new(move |application: &str| {
                    let url = second.clone();
                    let connect = move || client::postgres::connect(&url).ok();
                    crate::backend::postgres::begin_watching(connect, application)
                });
                Box::new(crate::backend::postgres::Postgres::new(
                    connection, names, is_pooled, watcher,
                ))
            }
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => {
                let client::sqlite::Opened {
                    mut connection,
                    path,
                    later,
                } = client::sqlite::connect(url, session.access)?;
                set_up(&mut connection, &session.setup)?;
                let mut setup = vec![client::sqlite::BUSY_TIMEOUT.to_owned()];
                setup.extend_from_slice(&session.setup);
                let later = later.map(|url| crate::backend::sqlite::Later { url, setup });
                Box::new(
                    crate::backend::sqlite::Sqlite::new(connection, path, &session.history_table)
                        .opened_later(later)
                        .of(&session.service),
                )
            }
            #[cfg(feature = "mysql")]
            Dialect::MySql => over(client::mysql::connect(url)?, session)?,
            #[cfg(not(all(feature = "mysql", feature = "postgres", feature = "sqlite")))]
            other => return Err(OpenError::NoBackend(other)),
        };
        Ok(Self {
            backend,
            origin: Some(Reopen {
                url: url.clone(),
                session: session.clone(),
            }),
        })
    }

    /// Takes a MySQL or MariaDB connection of the service's own: Diesel's
    /// `MysqlConnection` over the system's client library, or an asynchronous
    /// one in a wrapper that blocks. It has to have a database selected; it is
    /// given back to nobody, and closed with this value. As it tells no
    /// address, a statement that is running cannot be cancelled: whoever asks
    /// the run to stop waits until the statement ends.
    ///
    /// # Errors
    /// When the session's set-up fails.
    #[cfg(feature = "mysql-backend")]
    pub fn over_mysql<C>(connection: C, session: &Session) -> Result<Self, OpenError>
    where
        C: diesel::Connection<Backend = diesel::mysql::Mysql> + LoadConnection + 'static,
    {
        Ok(Self {
            backend: over(Held::new(connection), session)?,
            origin: None,
        })
    }

    pub(crate) fn backend(&mut self) -> &mut dyn Backend {
        &mut *self.backend
    }

    /// How to connect again; nothing for a connection that was lent.
    pub(crate) fn reopen(&self) -> Option<Reopen> {
        self.origin.clone()
    }

    /// The dialect that it speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.backend.dialect()
    }

    /// Cancels the running statement when `interrupt` is triggered.
    pub(crate) fn cancel_on(&mut self, interrupt: &Interrupt) -> Option<CancelGuard> {
        let cancellation = self.backend.cancellation()?;
        let url = self.origin.as_ref()?.url.clone();
        let cancelling = Cancelling::default();
        let cancel = move || {
            let (url, cancellation) = (url.clone(), Arc::clone(&cancellation));
            cancelling.begin(CANCELS, BETWEEN_CANCELS, move |again| {
                let at_work = cancellation.at_work.load(Ordering::SeqCst);
                let gently = cancellation.sql.get();
                let sql = if again < CANCELS / 2 {
                    gently
                } else {
                    cancellation.last_resort.get().or(gently)
                };
                // Nothing has begun before it is known.
                if let Some(sql) = sql.filter(|_| at_work || again == 0) {
                    cancel(&url, sql);
                }
            });
        };
        Some(interrupt.on_trigger(Box::new(cancel)))
    }
}

/// As long as the process lets a run end in good order.
const CANCELS: u32 = 16;
const BETWEEN_CANCELS: Duration = Duration::from_millis(250);

/// Sends `sql` on a connection of its own. The server alone can stop a
/// statement; best effort, because the signal's second arrival ends the
/// process anyway.
fn cancel(url: &DatabaseUrl, sql: &str) {
    match url.dialect() {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => {
            if let Ok(mut connection) = client::postgres::connect(url) {
                let _ = connection.batch_execute(sql);
            }
        }
        #[cfg(feature = "mysql")]
        Dialect::MySql => {
            if let Ok(mut connection) = client::mysql::connect_to_server(url) {
                let _ = connection.batch_execute(sql);
            }
        }
        // A statement of SQLite's runs in this process, which it asks itself.
        _ => {}
    }
}

#[cfg(feature = "mysql-backend")]
fn over<C>(mut connection: Held<C>, session: &Session) -> Result<Box<dyn Backend>, OpenError>
where
    C: diesel::Connection<Backend = diesel::mysql::Mysql> + LoadConnection + 'static,
{
    set_up(&mut *connection, &session.setup)?;
    Ok(Box::new(MySql::new(connection, &session.history_table)))
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
