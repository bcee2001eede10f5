//! One service on a database of its own, SQLite or PostgreSQL, and what a test
//! asks that database directly, past the command that it tests.

use std::fmt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use tests::env::{PostgresDatabase, postgres_program};
use tests::workspace::{Run, Workspace};

/// The two engines that a test goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Both, for tests whose promise is the same on each.
pub(crate) const BOTH: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

/// A workspace with the one service `shop`.
pub(crate) struct Shop {
    pub(crate) workspace: Workspace,
    pub(crate) engine: Engine,
    postgres: Option<PostgresDatabase>,
}

/// A connection of the test's own.
pub(crate) enum Link {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    text: String,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Shop {
    pub(crate) fn new(engine: Engine) -> Self {
        Self::with(engine, "")
    }

    /// The same with `metadata` under [package.metadata.migrate].
    pub(crate) fn with(engine: Engine, metadata: &str) -> Self {
        let workspace = Workspace::new();
        let postgres = match engine {
            Engine::Sqlite => {
                workspace.service(
                    "shop",
                    &format!("default-url = \"sqlite:shop.db\"\n{metadata}"),
                );
                None
            }
            Engine::Postgres => {
                workspace.service("shop", metadata);
                Some(PostgresDatabase::create())
            }
        };
        let shop = Self {
            workspace,
            engine,
            postgres,
        };
        std::fs::create_dir_all(shop.migrations()).expect("directories");
        shop
    }

    pub(crate) fn migrations(&self) -> PathBuf {
        self.workspace.path("services/shop/migrations")
    }

    pub(crate) fn migration(&self, name: &str, up: &str, down: &str) {
        self.workspace.migration("shop", name, up, down);
    }

    /// Writes another file of a migration.
    pub(crate) fn file(&self, migration: &str, file: &str, text: &str) {
        self.workspace.write(
            &format!("services/shop/migrations/{migration}/{file}"),
            text,
        );
    }

    /// A migration outside a transaction.
    pub(crate) fn steps(&self, name: &str, up: &str, down: &str) {
        self.migration(name, up, down);
        self.file(name, "metadata.toml", "run_in_transaction = false\n");
    }

    /// The PostgreSQL database.
    pub(crate) fn postgres(&self) -> &PostgresDatabase {
        self.postgres.as_ref().expect("a shop on PostgreSQL")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.workspace.command(args);
        if let Some(database) = &self.postgres {
            command.env("SHOP_DATABASE_URL", database.url());
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.workspace.finish(self.command(args))
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts")
    }

    pub(crate) fn finish(&self, child: Child) -> Run {
        let output = child.wait_with_output().expect("the command ends");
        self.workspace.result(&output)
    }

    pub(crate) fn connect(&self) -> Link {
        match &self.postgres {
            Some(database) => Link::Postgres(database.connect()),
            None => {
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
    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        self.connect().texts(sql)
    }

    /// The applied versions, in order of bytes.
    pub(crate) fn history(&self) -> Vec<String> {
        let mut versions = self.texts(
            "SELECT version AS text FROM __diesel_schema_migrations WHERE run_on IS NOT NULL",
        );
        versions.sort();
        versions
    }

    /// `state` of each migration, as `status` has it, by directory's name.
    pub(crate) fn states(&self) -> Vec<(String, String)> {
        let run = self.run(&["status", "--message-format", "json"]).ok();
        let of = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        run.json()
            .iter()
            .filter(|line| line["reason"] == "migration-status")
            .map(|line| (of(&line["migration"]), of(&line["state"])))
            .collect()
    }

    /// The state of one migration.
    #[track_caller]
    pub(crate) fn state(&self, name: &str) -> String {
        let states = self.states();
        let found = states.iter().find(|(migration, _)| migration == name);
        found
            .unwrap_or_else(|| panic!("{name} is not among {states:?}"))
            .1
            .clone()
    }

    /// The schema as SQL, without the tables that only we have.
    pub(crate) fn schema(&self) -> String {
        match &self.postgres {
            None => self.connect().sqlite_schema(),
            Some(database) => {
                let output = Command::new(postgres_program("pg_dump"))
                    .args(["-s", "--no-owner", "--exclude-table=*.__migrate_*"])
                    .args(["--dbname", database.url()])
                    .output()
                    .expect("pg_dump starts");
                assert!(
                    output.status.success(),
                    "{}",
                    String::from_utf8_lossy(&output.stderr)
                );
                let text = String::from_utf8(output.stdout).expect("UTF-8");
                let says = |line: &&str| {
                    !line.is_empty() && !line.starts_with("--") && !line.starts_with('\\')
                };
                text.lines().filter(says).collect::<Vec<_>>().join("\n")
            }
        }
    }
}

impl Link {
    #[track_caller]
    pub(crate) fn execute(&mut self, sql: &str) {
        let done = match self {
            Self::Sqlite(connection) => connection.batch_execute(sql),
            Self::Postgres(connection) => connection.batch_execute(sql),
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    #[track_caller]
    pub(crate) fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows: Result<Vec<Row>, _> = match self {
            Self::Sqlite(connection) => sql_query(sql).load(connection),
            Self::Postgres(connection) => sql_query(sql).load(connection),
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
        let lines: Vec<String> = rows
            .iter()
            // How Diesel and we space and quote the history's DDL is no matter.
            .map(|row| row.replace('"', "").replace('(', "( ").replace(')', " )"))
            .map(|row| row.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        lines.join("\n")
    }
}
