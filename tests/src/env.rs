//! Where a test finds the built command and the servers. `cargo xtask test`
//! builds and starts them and says so by environment variables; without them
//! a test fails and names that command, so that none is skipped in silence.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, process, thread};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

static BINARY: LazyLock<PathBuf> = LazyLock::new(|| variable("MIGRATE_TEST_BIN").into());
static POSTGRES_URL: LazyLock<String> = LazyLock::new(|| variable("MIGRATE_TEST_POSTGRES"));
static POSTGRES_PROGRAMS: LazyLock<PathBuf> =
    LazyLock::new(|| variable("MIGRATE_TEST_POSTGRES_BIN").into());

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

/// An empty PostgreSQL database of one test's own, dropped with this value
/// whoever is still connected.
#[derive(Debug)]
pub struct PostgresDatabase {
    name: String,
    url: String,
}

impl PostgresDatabase {
    /// Creates a database with a name that no other test has.
    ///
    /// # Panics
    /// Outside of `cargo xtask test`, or if the server refuses.
    #[must_use]
    pub fn create() -> Self {
        let database = Self::reserve();
        execute(&format!("CREATE DATABASE {}", database.name))
            .unwrap_or_else(|error| panic!("failed to create {}: {error}", database.name));
        database
    }

    /// Chooses a name without creating the database, for what creates its
    /// own; it is dropped all the same.
    ///
    /// # Panics
    /// Outside of `cargo xtask test`.
    #[must_use]
    pub fn reserve() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // Test binaries are processes of their own on one server.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{count}", process::id());
        let (server, _) = postgres_url()
            .rsplit_once('/')
            .expect("the server's URL ends in a database");
        let url = format!("{server}/{name}");
        Self { name, url }
    }

    /// The database's name, which needs no quoting.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The superuser's URL of this database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same database for another role.
    #[must_use]
    pub fn url_as(&self, role: &str, password: &str) -> String {
        let (_, place) = self
            .url
            .rsplit_once('@')
            .expect("the server's URL names a user");
        format!("postgres://{role}:{password}@{place}")
    }

    /// A new connection of the superuser to this database.
    ///
    /// # Panics
    /// If the server refuses.
    #[must_use]
    pub fn connect(&self) -> PgConnection {
        connect(&self.url)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let outcome = execute(&format!(
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            self.name
        ));
        // A second panic would abort and hide the first.
        if let Err(error) = outcome
            && !thread::panicking()
        {
            panic!("failed to drop database {}: {error}", self.name);
        }
    }
}

/// Executes a statement as the superuser, outside of any test's database.
fn execute(sql: &str) -> Result<(), Box<dyn Error>> {
    PgConnection::establish(postgres_url())?.batch_execute(sql)?;
    Ok(())
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap_or_else(|error| panic!("no connection: {error}"))
}

fn variable(name: &str) -> String {
    env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set; run the tests with `cargo xtask test`"))
}

#[cfg(test)]
mod tests {
    use diesel::sql_types::Text;
    use diesel::{QueryableByName, RunQueryDsl, sql_query};

    use super::*;

    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        name: String,
    }

    fn databases_like(name: &str) -> usize {
        sql_query("SELECT datname::text AS name FROM pg_database WHERE datname = $1")
            .bind::<Text, _>(name)
            .load::<Row>(&mut connect(postgres_url()))
            .expect("the catalogue answers")
            .len()
    }

    #[test]
    fn the_built_command_is_where_it_is_said_to_be() {
        assert!(binary().is_absolute() && binary().is_file());
        assert!(postgres_program("pg_dump").is_file());
    }

    #[test]
    fn a_database_is_the_tests_own_and_goes_with_it() {
        let database = PostgresDatabase::create();
        let other = PostgresDatabase::create();
        assert_ne!(database.name(), other.name());
        let mut still_connected = database.connect();
        let row: Row = sql_query("SELECT current_database()::text AS name")
            .get_result(&mut still_connected)
            .expect("a row");
        assert_eq!(row.name, database.name());

        let name = database.name().to_owned();
        drop(database);
        assert_eq!(databases_like(&name), 0);
        assert_eq!(databases_like(other.name()), 1);
    }

    #[test]
    fn a_reserved_name_is_not_created() {
        let database = PostgresDatabase::reserve();
        assert_eq!(databases_like(database.name()), 0);
    }
}
