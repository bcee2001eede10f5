//! One service on a database of its own, SQLite, PostgreSQL or MariaDB, and
//! what a test asks that database directly, past the command that it tests.

use std::fmt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::env::{MariadbDatabase, PostgresDatabase, postgres_program};
use crate::workspace::{Run, Workspace};
use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{
    Connection, MysqlConnection, PgConnection, QueryResult, QueryableByName, RunQueryDsl,
    SqliteConnection, sql_query,
};

/// The engines that a test goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// A database of the shared server.
    Postgres,
    /// A database of the shared server.
    Mariadb,
}

/// For tests whose promise is the same on each.
pub const ALL: [Engine; 3] = [Engine::Sqlite, Engine::Postgres, Engine::Mariadb];

/// Those that take DDL back with its transaction, for tests of promises that
/// nobody can give without.
pub const TRANSACTIONAL: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

/// A workspace with the one service `shop`.
#[derive(Debug)]
pub struct Shop {
    /// Where the service lies.
    pub workspace: Workspace,
    /// What its database is.
    pub engine: Engine,
    database: Database,
}

/// Where its tables are.
#[derive(Debug)]
enum Database {
    /// `shop.db` in the workspace's root.
    Sqlite,
    Postgres(PostgresDatabase),
    Mariadb(MariadbDatabase),
}

/// A connection of the test's own.
pub enum Link {
    /// To the file.
    Sqlite(SqliteConnection),
    /// As the superuser.
    Postgres(PgConnection),
    /// As root.
    Mariadb(MysqlConnection),
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    text: String,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mariadb => "MariaDB",
        })
    }
}

impl Shop {
    /// The service on an empty database of its own.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self::with(engine, "")
    }

    /// The same with `metadata` under [package.metadata.migrate].
    ///
    /// # Panics
    /// When the database or the directory cannot be made.
    #[must_use]
    pub fn with(engine: Engine, metadata: &str) -> Self {
        let database = match engine {
            Engine::Sqlite => Database::Sqlite,
            Engine::Postgres => Database::Postgres(PostgresDatabase::create()),
            Engine::Mariadb => Database::Mariadb(MariadbDatabase::create()),
        };
        Self::over(engine, database, metadata)
    }

    /// The same on another server than the tests' own, by its superuser's URL.
    ///
    /// # Panics
    /// When the database or the directory cannot be made; SQLite has no server.
    #[must_use]
    pub fn at(engine: Engine, server: &str, metadata: &str) -> Self {
        let database = match engine {
            Engine::Sqlite => panic!("SQLite has no server"),
            Engine::Postgres => Database::Postgres(PostgresDatabase::create_at(server)),
            Engine::Mariadb => Database::Mariadb(MariadbDatabase::create_at(server)),
        };
        Self::over(engine, database, metadata)
    }

    fn over(engine: Engine, database: Database, metadata: &str) -> Self {
        let workspace = Workspace::new();
        let url = match engine {
            Engine::Sqlite => "default-url = \"sqlite:shop.db\"\n",
            Engine::Postgres | Engine::Mariadb => "",
        };
        workspace.service("shop", &format!("{url}{metadata}"));
        let shop = Self {
            workspace,
            engine,
            database,
        };
        std::fs::create_dir_all(shop.migrations()).expect("directories");
        shop
    }

    /// The directory of its migrations.
    #[must_use]
    pub fn migrations(&self) -> PathBuf {
        self.workspace.path("services/shop/migrations")
    }

    /// Writes a migration.
    pub fn migration(&self, name: &str, up: &str, down: &str) {
        self.workspace.migration("shop", name, up, down);
    }

    /// Writes another file of a migration.
    pub fn file(&self, migration: &str, file: &str, text: &str) {
        self.workspace.write(
            &format!("services/shop/migrations/{migration}/{file}"),
            text,
        );
    }

    /// A migration outside a transaction.
    pub fn steps(&self, name: &str, up: &str, down: &str) {
        self.migration(name, up, down);
        self.file(name, "metadata.toml", "run_in_transaction = false\n");
    }

    /// The PostgreSQL database.
    ///
    /// # Panics
    /// On another engine.
    #[must_use]
    pub fn postgres(&self) -> &PostgresDatabase {
        match &self.database {
            Database::Postgres(database) => database,
            Database::Sqlite | Database::Mariadb(_) => panic!("no shop on PostgreSQL"),
        }
    }

    /// The MariaDB database.
    ///
    /// # Panics
    /// On another engine.
    #[must_use]
    pub fn mariadb(&self) -> &MariadbDatabase {
        match &self.database {
            Database::Mariadb(database) => database,
            Database::Sqlite | Database::Postgres(_) => panic!("no shop on MariaDB"),
        }
    }

    /// The command, told where the database is.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.workspace.command(args);
        match &self.database {
            Database::Sqlite => &mut command,
            Database::Postgres(database) => command.env("SHOP_DATABASE_URL", database.url()),
            Database::Mariadb(database) => command.env("SHOP_DATABASE_URL", database.url()),
        };
        command
    }

    /// Runs the command to its end.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Run {
        self.workspace.finish(self.command(args))
    }

    /// Starts the command and leaves it running, with its output piped.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts")
    }

    /// What a started command said, once it has ended.
    ///
    /// # Panics
    /// When a password shows up in it.
    #[must_use]
    pub fn finish(&self, child: Child) -> Run {
        let output = child.wait_with_output().expect("the command ends");
        self.workspace.result(&output)
    }

    /// A new connection of the test's own.
    ///
    /// # Panics
    /// When the database refuses.
    #[must_use]
    pub fn connect(&self) -> Link {
        match &self.database {
            Database::Postgres(database) => Link::Postgres(database.connect()),
            Database::Mariadb(database) => Link::Mariadb(database.connect()),
            Database::Sqlite => {
                let path = self.workspace.path("shop.db");
                let mut connection =
                    SqliteConnection::establish(&path.to_string_lossy()).expect("a database");
                connection
                    .batch_execute("PRAGMA busy_timeout = 30000")
                    .expect("a pragma");
                Link::Sqlite(connection)
            }
        }
    }

    /// The rows of a query with one column `text`.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        self.connect().texts(sql)
    }

    /// The applied versions, in order of bytes.
    #[must_use]
    pub fn history(&self) -> Vec<String> {
        let mut versions = self.texts(
            "SELECT version AS text FROM __diesel_schema_migrations WHERE run_on IS NOT NULL",
        );
        versions.sort();
        versions
    }

    /// `state` of each migration, as `status` has it, by directory's name.
    #[must_use]
    pub fn states(&self) -> Vec<(String, String)> {
        let run = self.run(&["status", "--message-format", "json"]).ok();
        let of = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        run.json()
            .iter()
            .filter(|line| line["reason"] == "migration-status")
            .map(|line| (of(&line["migration"]), of(&line["state"])))
            .collect()
    }

    /// The state of one migration.
    ///
    /// # Panics
    /// When there is none of that name.
    #[track_caller]
    #[must_use]
    pub fn state(&self, name: &str) -> String {
        let states = self.states();
        let found = states.iter().find(|(migration, _)| migration == name);
        found
            .unwrap_or_else(|| panic!("{name} is not among {states:?}"))
            .1
            .clone()
    }

    /// The schema as SQL, without the tables that only we have.
    ///
    /// # Panics
    /// When the client's dump fails.
    #[must_use]
    pub fn schema(&self) -> String {
        match &self.database {
            Database::Sqlite => self.connect().sqlite_schema(),
            Database::Postgres(database) => {
                let output = Command::new(postgres_program("pg_dump"))
                    .args(["-s", "--no-owner", "--exclude-table=*.__migrate_*"])
                    .args(["--dbname", database.url()])
                    .output();
                lines_that_say_something(&output.expect("pg_dump starts"))
            }
            Database::Mariadb(database) => self.mariadb_schema(database),
        }
    }

    fn mariadb_schema(&self, database: &MariadbDatabase) -> String {
        let mut dump = database.program("mariadb-dump");
        dump.args(["--no-data", "--routines", "--triggers", "--events"])
            .args(["--skip-comments", "--skip-dump-date", "--skip-lock-tables"]);
        // It takes no patterns.
        for table in self.texts(
            "SELECT TABLE_NAME AS text FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND LEFT(TABLE_NAME, 10) = '__migrate_'",
        ) {
            dump.arg(format!("--ignore-table={}.{table}", database.name()));
        }
        let output = dump.arg(database.name()).output();
        let text = lines_that_say_something(&output.expect("mariadb-dump starts"));
        // What rows have been there is no matter of the schema.
        let mut parts = text.split(" AUTO_INCREMENT=");
        let mut schema = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            schema.push_str(part.trim_start_matches(|digit: char| digit.is_ascii_digit()));
        }
        schema
    }
}

/// A dump without comments and blank lines.
#[track_caller]
fn lines_that_say_something(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let says = |line: &&str| !line.is_empty() && !line.starts_with("--") && !line.starts_with('\\');
    text.lines().filter(says).collect::<Vec<_>>().join("\n")
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite(_) => "Link to SQLite",
            Self::Postgres(_) => "Link to PostgreSQL",
            Self::Mariadb(_) => "Link to MariaDB",
        })
    }
}

impl Link {
    /// Executes statements.
    ///
    /// # Panics
    /// When the database refuses.
    #[track_caller]
    pub fn execute(&mut self, sql: &str) {
        self.try_execute(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Executes statements that the database may refuse.
    ///
    /// # Errors
    /// What Diesel says.
    pub fn try_execute(&mut self, sql: &str) -> QueryResult<()> {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(sql),
            Self::Postgres(connection) => connection.batch_execute(sql),
            Self::Mariadb(connection) => connection.batch_execute(sql),
        }
    }

    /// The rows of a query with one column `text`.
    ///
    /// # Panics
    /// When the database refuses.
    #[track_caller]
    pub fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows: Result<Vec<Row>, _> = match self {
            Self::Sqlite(connection) => sql_query(sql).load(connection),
            Self::Postgres(connection) => sql_query(sql).load(connection),
            Self::Mariadb(connection) => sql_query(sql).load(connection),
        };
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
            .into_iter()
            .map(|row| row.text)
            .collect()
    }

    fn sqlite_schema(&mut self) -> String {
        let rows = self.texts(
            "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS text FROM sqlite_master \
             WHERE tbl_name NOT GLOB '__migrate_*' AND name NOT GLOB 'sqlite_sequence' ORDER BY type, name",
        );
        rows.join("\n")
    }
}
