//! A PostgreSQL database of one test's own.

use std::error::Error;
use std::thread;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

use super::{a_name, beside, for_another, postgres_url};

/// An empty PostgreSQL database of one test's own, dropped with this value
/// whoever is still connected.
#[derive(Debug)]
pub struct PostgresDatabase {
    name: String,
    url: String,
    /// The superuser's own database there.
    server: String,
}

impl PostgresDatabase {
    /// Creates a database with a name that no other test has.
    ///
    /// # Panics
    /// Outside of `cargo xtask test`, or if the server refuses.
    #[must_use]
    pub fn create() -> Self {
        Self::create_at(postgres_url())
    }

    /// The same on another server than the tests' own, by the superuser's URL
    /// there.
    ///
    /// # Panics
    /// If the server refuses.
    #[must_use]
    pub fn create_at(server: &str) -> Self {
        let database = Self::reserve_at(server);
        database
            .execute(&format!("CREATE DATABASE {}", database.name))
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
        Self::reserve_at(postgres_url())
    }

    fn reserve_at(server: &str) -> Self {
        let name = a_name();
        let url = beside(server, &name);
        Self {
            name,
            url,
            server: server.to_owned(),
        }
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
        for_another(&self.url, role, password)
    }

    /// A new connection of the superuser to this database.
    ///
    /// # Panics
    /// If the server refuses.
    #[must_use]
    pub fn connect(&self) -> PgConnection {
        connect(&self.url)
    }

    /// Executes a statement as the superuser, outside of any test's database.
    fn execute(&self, sql: &str) -> Result<(), Box<dyn Error>> {
        PgConnection::establish(&self.server)?.batch_execute(sql)?;
        Ok(())
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let name = &self.name;
        let outcome = self
            .execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            // PostgreSQL 12 knows no FORCE.
            .or_else(|_| {
                self.execute(&format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
                ))?;
                self.execute(&format!("DROP DATABASE IF EXISTS {name}"))
            });
        // A second panic would abort and hide the first.
        if let Err(error) = outcome
            && !thread::panicking()
        {
            panic!("failed to drop database {}: {error}", self.name);
        }
    }
}

fn connect(url: &str) -> PgConnection {
    PgConnection::establish(url).unwrap_or_else(|error| panic!("no connection: {error}"))
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
