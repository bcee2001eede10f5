//! A MariaDB database of one test's own.

use std::error::Error;
use std::process::Command;
use std::thread;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, MysqlConnection, QueryableByName, RunQueryDsl, sql_query};

use super::{a_name, beside, for_another, mariadb_url};

/// An empty MariaDB database of one test's own, dropped with this value
/// whoever is still connected.
#[derive(Debug)]
pub struct MariadbDatabase {
    name: String,
    url: String,
    /// The server's own database there.
    server: String,
}

#[derive(QueryableByName)]
struct Session {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

impl MariadbDatabase {
    /// Creates a database with a name that no other test has.
    ///
    /// # Panics
    /// Outside of `cargo xtask test`, or if the server refuses.
    #[must_use]
    pub fn create() -> Self {
        Self::create_at(mariadb_url())
    }

    /// The same on another server than the tests' own, by root's URL there.
    ///
    /// # Panics
    /// If the server refuses.
    #[must_use]
    pub fn create_at(server: &str) -> Self {
        let database = Self::reserve_at(server);
        connect(server)
            .batch_execute(&format!("CREATE DATABASE {}", database.name))
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
        Self::reserve_at(mariadb_url())
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

    /// root's URL of this database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same database for another account.
    #[must_use]
    pub fn url_as(&self, account: &str, password: &str) -> String {
        for_another(&self.url, account, password)
    }

    /// A new connection of root's to this database.
    ///
    /// # Panics
    /// If the server refuses.
    #[must_use]
    pub fn connect(&self) -> MysqlConnection {
        connect(&self.url)
    }

    /// One of MariaDB's client programs, told all about root's connection but
    /// the database's name.
    ///
    /// # Panics
    /// Outside of `cargo xtask test`.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        let (before, place) = self.url.split_once('@').expect("a host");
        let (_, password) = before.rsplit_once(':').expect("a password");
        let (address, _) = place.split_once('/').expect("a database");
        let (host, port) = address.split_once(':').expect("a port");
        let mut command = Command::new(name);
        command
            .args(["--no-defaults", "--protocol=tcp", "--user=root"])
            .arg(format!("--host={host}"))
            .arg(format!("--port={port}"))
            .env("MYSQL_PWD", password);
        command
    }

    /// Ends whoever works there: an open transaction would keep its tables
    /// from being dropped.
    fn remove(&self) -> Result<(), Box<dyn Error>> {
        let mut root = MysqlConnection::establish(&self.server)?;
        let sessions: Vec<Session> =
            sql_query("SELECT ID AS id FROM information_schema.PROCESSLIST WHERE DB = ?")
                .bind::<Text, _>(&self.name)
                .load(&mut root)?;
        for Session { id } in sessions {
            // It may have gone by itself meanwhile.
            root.batch_execute(&format!("KILL {id}")).ok();
        }
        root.batch_execute(&format!("DROP DATABASE IF EXISTS {}", self.name))?;
        Ok(())
    }
}

impl Drop for MariadbDatabase {
    fn drop(&mut self) {
        // A second panic would abort and hide the first.
        if let Err(error) = self.remove()
            && !thread::panicking()
        {
            panic!("failed to drop database {}: {error}", self.name);
        }
    }
}

fn connect(url: &str) -> MysqlConnection {
    MysqlConnection::establish(url).unwrap_or_else(|error| panic!("no connection: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{mariadb_authority, mariadb_socket};

    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        name: String,
    }

    fn databases_like(name: &str) -> usize {
        sql_query(
            "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?",
        )
        .bind::<Text, _>(name)
        .load::<Row>(&mut connect(mariadb_url()))
        .expect("the catalogue answers")
        .len()
    }

    #[test]
    fn the_server_is_where_it_is_said_to_be() {
        assert!(mariadb_socket().exists());
        assert!(mariadb_authority().is_file());
    }

    #[test]
    fn a_database_is_the_tests_own_and_goes_with_it() {
        let database = MariadbDatabase::create();
        let other = MariadbDatabase::create();
        assert_ne!(database.name(), other.name());
        let mut still_connected = database.connect();
        let row: Row = sql_query("SELECT DATABASE() AS name")
            .get_result(&mut still_connected)
            .expect("a row");
        assert_eq!(row.name, database.name());
        still_connected
            .batch_execute("CREATE TABLE a (id INTEGER); BEGIN; INSERT INTO a VALUES (1)")
            .expect("an open transaction");

        let name = database.name().to_owned();
        drop(database);
        assert_eq!(databases_like(&name), 0);
        assert_eq!(databases_like(other.name()), 1);
    }

    #[test]
    fn a_reserved_name_is_not_created() {
        let database = MariadbDatabase::reserve();
        assert_eq!(databases_like(database.name()), 0);
    }

    #[test]
    fn all_rows_of_a_text_column_are_read() {
        // Some releases of MariaDB's client library lose the first one's text,
        // which would make every comparison with Diesel worthless.
        let rows: Vec<Row> = sql_query("SELECT 'first' AS name UNION ALL SELECT 'second'")
            .load(&mut connect(mariadb_url()))
            .expect("rows");
        let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["first", "second"]);
    }
}
