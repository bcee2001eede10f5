//! Where a test finds the built command and the servers. `cargo xtask test`
//! builds and starts them and says so by environment variables; without them
//! a test fails and names that command, so that none is skipped in silence.

mod mariadb;
mod postgres;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, process};

pub use self::mariadb::MariadbDatabase;
pub use self::postgres::PostgresDatabase;

static BINARY: LazyLock<PathBuf> = LazyLock::new(|| variable("MIGRATE_TEST_BIN").into());
static POSTGRES_URL: LazyLock<String> = LazyLock::new(|| variable("MIGRATE_TEST_POSTGRES"));
static POSTGRES_PROGRAMS: LazyLock<PathBuf> =
    LazyLock::new(|| variable("MIGRATE_TEST_POSTGRES_BIN").into());
static POSTGRES_LOG: LazyLock<PathBuf> =
    LazyLock::new(|| variable("MIGRATE_TEST_POSTGRES_LOG").into());
static MARIADB_LOG: LazyLock<PathBuf> =
    LazyLock::new(|| variable("MIGRATE_TEST_MARIADB_LOG").into());
static MARIADB_URL: LazyLock<String> = LazyLock::new(|| variable("MIGRATE_TEST_MARIADB"));
static MARIADB_SOCKET: LazyLock<PathBuf> =
    LazyLock::new(|| variable("MIGRATE_TEST_MARIADB_SOCKET").into());
static MARIADB_AUTHORITY: LazyLock<PathBuf> =
    LazyLock::new(|| variable("MIGRATE_TEST_MARIADB_CA").into());

/// The built `cargo-migrate`, by its absolute path.
///
/// # Panics
/// Outside of `cargo xtask test`.
#[must_use]
pub fn binary() -> &'static Path {
    &BINARY
}

/// The URL of the superuser's own database on the tests' PostgreSQL.
///
/// # Panics
/// Outside of `cargo xtask test`.
#[must_use]
pub fn postgres_url() -> &'static str {
    &POSTGRES_URL
}

/// One of PostgreSQL's programs, such as `psql` or `pg_dump`, by its absolute
/// path.
///
/// # Panics
/// Outside of `cargo xtask test`.
#[must_use]
pub fn postgres_program(name: &str) -> PathBuf {
    POSTGRES_PROGRAMS.join(name)
}

/// The log of the tests' PostgreSQL; each line has the database's name and the
/// SQLSTATE.
///
/// # Panics
/// Outside of `cargo xtask test`.
#[must_use]
pub fn postgres_log() -> &'static Path {
    &POSTGRES_LOG
}

/// The log of the tests' MariaDB, with every deadlock of InnoDB's.
///
/// # Panics
/// Outside of `cargo xtask test`.
#[must_use]
pub fn mariadb_log() -> &'static Path {
    &MARIADB_LOG
}

/// root's URL on the tests' MariaDB, with the server's own database.
///
/// # Panics
/// Outside of `cargo xtask test`.
#[must_use]
pub fn mariadb_url() -> &'static str {
    &MARIADB_URL
}

/// The socket of the tests' MariaDB, where root has the same password.
///
/// # Panics
/// Outside of `cargo xtask test`.
#[must_use]
pub fn mariadb_socket() -> &'static Path {
    &MARIADB_SOCKET
}

/// The certificate of the authority that signed the one of the tests' MariaDB
/// for 127.0.0.1 and localhost.
///
/// # Panics
/// Outside of `cargo xtask test`.
#[must_use]
pub fn mariadb_authority() -> &'static Path {
    &MARIADB_AUTHORITY
}

/// A name that no other test has.
fn a_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Test binaries are processes of their own on one server.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test_{}_{count}", process::id())
}

/// The URL of another database on the same server.
fn beside(url: &str, name: &str) -> String {
    let (server, _) = url
        .rsplit_once('/')
        .expect("the server's URL ends in a database");
    format!("{server}/{name}")
}

/// The same database for another user.
fn for_another(url: &str, user: &str, password: &str) -> String {
    let (before, place) = url.rsplit_once('@').expect("the URL names a user");
    let (scheme, _) = before.split_once("://").expect("a scheme");
    format!("{scheme}://{user}:{password}@{place}")
}

fn variable(name: &str) -> String {
    env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set; run the tests with `cargo xtask test`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_command_is_where_it_is_said_to_be() {
        assert!(binary().is_absolute() && binary().is_file());
        assert!(postgres_program("pg_dump").is_file());
    }
}
