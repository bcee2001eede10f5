//! PostgreSQL by libpq, with what the bundled one lacks: the distribution's
//! socket directory, and a limit to the waiting.

mod libpq;

use diesel::Connection;
use diesel::connection::CacheSize;
use diesel::pg::PgConnection;

use super::redact;
use crate::error::{OpenError, OpenReason};
use crate::url::DatabaseUrl;

/// Connects to PostgreSQL as libpq does.
///
/// # Errors
/// When there is no connection to be had.
pub(crate) fn connect(url: &DatabaseUrl) -> Result<PgConnection, OpenError> {
    let client = as_client(url);
    let mut connection = PgConnection::establish(client.expose()).map_err(|error| {
        let message = redact(&error.to_string(), &url.secrets());
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

/// Whether there is a pooler between us and the server, by a connection of its
/// own: the one at work is Diesel's, which tells nothing of itself.
///
/// A pooler that gives a client one session for as long as it stays cannot be
/// told from one that gives each transaction another. To take the second for
/// the first leaves a lock with a stranger, for as long as the pooler lives; to
/// take the first for the second costs a URL without the pooler. So all of them
/// are poolers.
///
/// # Errors
/// In the client's words, redacted, where there is no connection to ask by:
/// that says nothing of the one at work.
pub(crate) fn is_pooled(url: &DatabaseUrl) -> Result<bool, String> {
    libpq::is_pooled(as_client(url).expose()).map_err(|message| redact(&message, &url.secrets()))
}

/// Why there is no connection. The server's words are in its language, so they
/// are not read: the server itself is asked whether it has the database.
fn reason(message: &str, url: &DatabaseUrl) -> OpenReason {
    if !libpq::answers(as_client(url).expose()) {
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

/// The URL with what the bundled libpq lacks.
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
