//! SQLite's files: one that is not there is not made by looking, nor before
//! the first write.

pub(crate) mod cancel;

use std::path::{Path, PathBuf};

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;

use crate::error::{OpenError, OpenReason};
use crate::open::Access;
use crate::url::{DatabaseUrl, canonical, uri};

/// How long SQLite waits for others that write.
pub(crate) const BUSY_TIMEOUT: &str = "PRAGMA busy_timeout = 10000";

/// An open file, or memory in the place of one.
pub(crate) struct Opened {
    pub(crate) connection: SqliteConnection,
    /// The database's file; none in memory.
    pub(crate) path: Option<PathBuf>,
    /// What to open for the first write, where the file is not there and the
    /// connection is to memory.
    pub(crate) later: Option<String>,
}

/// Opens the URL's file.
///
/// # Errors
/// When SQLite cannot.
pub(crate) fn connect(url: &DatabaseUrl, access: Access) -> Result<Opened, OpenError> {
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
    let mut connection = cancel::opened(|| SqliteConnection::establish(&text))
        .map_err(|error| failed(error.to_string()))?;
    connection
        .batch_execute(BUSY_TIMEOUT)
        .map_err(|error| failed(error.to_string()))?;
    Ok(Opened {
        connection,
        path,
        later,
    })
}

/// Whether the file is to be made by the first write. A directory that is not
/// there, and what a URI says of the file, are for SQLite to judge at once.
fn is_made_later(url: &DatabaseUrl, path: &Path) -> bool {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    !url.expose().starts_with("file:") && !path.exists() && parent.is_dir()
}
