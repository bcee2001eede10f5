//! Row 9: a disk that is full, at any point of a run. The run says so and stops
//! in good order; looking still works; and with space again the next run ends
//! where an undisturbed one does.

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use tests::env::{PostgresDatabase, postgres_program, postgres_url};
use tests::tally::{Tally, scaled};
use tests::workspace::{Run, Workspace};

use crate::volume::Volume;

/// What a server or SQLite says, and nothing else may.
const FULL: [&str; 3] = [
    "database or disk is full",
    "No space left on device",
    "could not extend file",
];

/// A set that writes some hundred KiB, in transactions and outside.
struct Set<'a> {
    blob: &'a str,
    many: &'a str,
}

const SQLITE: Set<'_> = Set {
    blob: "zeroblob(3000)",
    many: "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 30) SELECT n FROM g",
};

const POSTGRES: Set<'_> = Set {
    // It is not compressed away.
    blob: "(SELECT string_agg(md5(n::text || i::text), '') FROM generate_series(1, 90) i)::bytea",
    many: "SELECT n FROM generate_series(1, 60) n",
};

impl Set<'_> {
    fn write(&self, workspace: &Workspace) {
        let Self { blob, many } = self;
        let fill = |table: &str| format!("INSERT INTO {table} SELECT n, {blob} FROM ({many}) g;");
        let bytes = if blob.contains("zeroblob") {
            "BLOB"
        } else {
            "BYTEA"
        };
        let table = |name: &str| format!("CREATE TABLE {name} (n INTEGER, data {bytes});");
        workspace.migration(
            "shop",
            "1_marks",
            "CREATE TABLE marks (n INTEGER);\nINSERT INTO marks VALUES (1);",
            "DROP TABLE marks;",
        );
        workspace.migration(
            "shop",
            "2_whole",
            &format!(
                "INSERT INTO marks VALUES (2);\n{}\n{}",
                table("a"),
                fill("a")
            ),
            "DROP TABLE a;\nDELETE FROM marks WHERE n = 2;",
        );
        workspace.migration(
            "shop",
            "3_steps",
            &format!(
                "INSERT INTO marks VALUES (3);\n{}\n{}\nCREATE INDEX b_n ON b (n);\nINSERT INTO marks VALUES (4);",
                table("b"),
                fill("b")
            ),
            "DROP TABLE b;\nDELETE FROM marks WHERE n IN (3, 4);",
        );
        workspace.write(
            "services/shop/migrations/3_steps/metadata.toml",
            "run_in_transaction = false\n",
        );
        workspace.migration(
            "shop",
            "4_last",
            "INSERT INTO marks VALUES (5);",
            "DELETE FROM marks WHERE n = 5;",
        );
    }
}

const MARKS: [&str; 5] = ["1", "2", "3", "4", "5"];

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    text: String,
}

/// A run that met a full disk: it says so, and what to type next.
#[track_caller]
fn told(run: Run) -> Run {
    let run = run.exits(1);
    assert!(
        FULL.iter().any(|words| run.stderr.contains(words)),
        "{}",
        run.stderr
    );
    run.says(&["help: make room on the disk"])
}

#[test]
fn a_disk_that_is_full_at_any_point_costs_sqlite_nothing() {
    let mut tally = Tally::new(9, "SQLite");
    let undisturbed = OnSqlite::new(16384);
    undisturbed.run(&["run"]).ok();
    let (schema, used) = (undisturbed.schema(), undisturbed.used());
    let points = u64::try_from(scaled(24)).expect("a small number");
    for n in 0..points {
        // The smallest holds a page, the largest all but the last of them.
        let size = 4 + (used.saturating_sub(4)) * n / points;
        let shop = OnSqlite::new(size);
        let first = shop.run(&["run"]);
        if first.code == Some(0) {
            tally.add("disks large enough");
        } else {
            told(first);
            tally.add("disks full");
            // Looking writes nothing, and so wants no space.
            if shop.is_there() {
                shop.run(&["status"]).ok();
            }
            let before = shop.marks();
            told(shop.run(&["run"]));
            assert_eq!(shop.marks(), before, "a second try changed something");
        }
        shop.volume.resize(16384);
        shop.run(&["run"]).ok();
        assert_eq!(shop.schema(), schema, "at {size} KiB");
        assert_eq!(shop.marks(), MARKS, "at {size} KiB");
        shop.run(&["status", "--exit-code"]).ok();
        shop.run(&["revert", "--to", "zero"]).ok();
    }
    tally.finish("disks full", 16);
}

#[test]
fn reverting_on_a_full_disk_costs_sqlite_nothing() {
    let mut tally = Tally::new(9, "SQLite, reverting");
    for spare in 0..u64::try_from(scaled(8)).expect("a small number") {
        let shop = OnSqlite::new(16384);
        shop.run(&["run"]).ok();
        let schema = shop.schema();
        shop.volume.resize(shop.used() + 4 * spare);
        let run = shop.run(&["revert", "--to", "zero"]);
        if run.code == Some(0) {
            tally.add("disks large enough");
            continue;
        }
        told(run);
        tally.add("disks full");
        shop.volume.resize(16384);
        shop.run(&["revert", "--to", "zero"]).ok();
        shop.run(&["run"]).ok();
        assert_eq!(
            (shop.schema(), shop.marks()),
            (schema, MARKS.map(String::from).to_vec())
        );
    }
    tally.finish("disks full", 2);
}

struct OnSqlite {
    workspace: Workspace,
    volume: Volume,
}

impl OnSqlite {
    fn new(kib: u64) -> Self {
        let workspace = Workspace::new();
        workspace.service("shop", "");
        SQLITE.write(&workspace);
        Self {
            workspace,
            volume: Volume::new(kib),
        }
    }

    fn run(&self, args: &[&str]) -> Run {
        let mut command = self.workspace.command(args);
        let url = format!("sqlite:{}", self.volume.path("shop.db").display());
        command.env("SHOP_DATABASE_URL", url);
        self.workspace.finish(command)
    }

    fn is_there(&self) -> bool {
        std::fs::metadata(self.volume.path("shop.db")).is_ok_and(|file| file.len() > 0)
    }

    /// KiB that its files take.
    fn used(&self) -> u64 {
        let files = std::fs::read_dir(self.volume.path("")).expect("a directory");
        let sizes = files.map(|file| file.expect("a file").metadata().expect("a size").len());
        sizes.map(|bytes| bytes.div_ceil(4096) * 4).sum()
    }

    fn texts(&self, sql: &str) -> Vec<String> {
        let path = self.volume.path("shop.db");
        let mut connection =
            SqliteConnection::establish(&path.to_string_lossy()).expect("a database");
        let rows: Vec<Row> = sql_query(sql)
            .load(&mut connection)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.into_iter().map(|row| row.text).collect()
    }

    fn schema(&self) -> Vec<String> {
        self.texts(
            "SELECT type || ' ' || name || ' ' || coalesce(sql, '') AS text FROM sqlite_master ORDER BY 1",
        )
    }

    fn marks(&self) -> Vec<String> {
        let there = "SELECT name AS text FROM sqlite_master WHERE name = 'marks'";
        if !self.is_there() || self.texts(there).is_empty() {
            return Vec::new();
        }
        self.texts("SELECT concat(n, '') AS text FROM marks ORDER BY n")
    }
}

/// The service on a database whose files all lie on the volume.
struct OnPostgres {
    workspace: Workspace,
    database: PostgresDatabase,
    tablespace: String,
    volume: Volume,
}

/// Room for an empty database and for all that the set writes.
const ROOMY: u64 = 65536;

impl OnPostgres {
    fn new() -> Self {
        let mut superuser = superuser();
        let rows: Vec<Row> = sql_query("SELECT current_setting('data_directory') AS text")
            .load(&mut superuser)
            .expect("the server says where it is");
        let volume = Volume::of_the_owner_of(rows[0].text.as_ref(), ROOMY);
        let database = PostgresDatabase::reserve();
        let tablespace = format!("{}_small", database.name());
        let workspace = Workspace::new();
        workspace.service("shop", "");
        POSTGRES.write(&workspace);
        let location = volume.path("");
        let location = location.to_string_lossy();
        execute(
            &mut superuser,
            &format!(
                "CREATE TABLESPACE {tablespace} LOCATION '{}'",
                location.trim_end_matches('/')
            ),
        );
        let shop = Self {
            workspace,
            database,
            tablespace,
            volume,
        };
        shop.begin_again();
        shop
    }

    /// Has an empty database in place of what there is.
    fn begin_again(&self) {
        let name = self.database.name();
        let mut superuser = superuser();
        execute(
            &mut superuser,
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        );
        execute(
            &mut superuser,
            &format!("CREATE DATABASE {name} TABLESPACE {}", self.tablespace),
        );
        // The first session of all writes a file for those that follow.
        drop(self.database.connect());
    }

    fn run(&self, args: &[&str]) -> Run {
        let mut command = self.workspace.command(args);
        command.env("SHOP_DATABASE_URL", self.database.url());
        self.workspace.finish(command)
    }

    /// KiB that the volume's files take.
    fn used(&self) -> u64 {
        let output = std::process::Command::new("df")
            .args(["--output=used", "-k"])
            .arg(self.volume.path(""))
            .output()
            .expect("df starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let used = text.split_whitespace().last().map(str::parse);
        used.expect("a figure").expect("a number")
    }

    fn texts(&self, sql: &str) -> Vec<String> {
        let rows: Vec<Row> = sql_query(sql)
            .load(&mut self.database.connect())
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.into_iter().map(|row| row.text).collect()
    }

    fn marks(&self) -> Vec<String> {
        if self
            .texts("SELECT 'x' AS text FROM pg_class WHERE relname = 'marks'")
            .is_empty()
        {
            return Vec::new();
        }
        self.texts("SELECT n::text AS text FROM marks ORDER BY n")
    }

    fn schema(&self) -> String {
        let output = std::process::Command::new(postgres_program("pg_dump"))
            .args(["-s", "--no-owner", "--dbname", self.database.url()])
            .output()
            .expect("pg_dump starts");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8_lossy(&output.stdout);
        let lines = text.lines().filter(|line| !line.starts_with('\\'));
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for OnPostgres {
    fn drop(&mut self) {
        self.volume.resize(ROOMY);
        let mut superuser = superuser();
        for sql in [
            format!(
                "DROP DATABASE IF EXISTS {} WITH (FORCE)",
                self.database.name()
            ),
            format!("DROP TABLESPACE {}", self.tablespace),
        ] {
            if let Err(error) = superuser.batch_execute(&sql)
                && !std::thread::panicking()
            {
                panic!("{sql}: {error}");
            }
        }
    }
}

fn superuser() -> PgConnection {
    PgConnection::establish(postgres_url()).expect("a connection")
}

fn execute(connection: &mut PgConnection, sql: &str) {
    let done = connection.batch_execute(sql);
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

#[test]
fn a_tablespace_that_is_full_at_any_point_costs_postgresql_nothing() {
    let mut tally = Tally::new(9, "PostgreSQL");
    let shop = OnPostgres::new();
    let empty = shop.used();
    shop.run(&["run"]).ok();
    let (schema, most) = (shop.schema(), shop.used());
    let points = u64::try_from(scaled(12)).expect("a small number");
    for n in 0..points {
        shop.volume.resize(ROOMY);
        shop.begin_again();
        let size = empty + most.saturating_sub(empty) * n / points;
        shop.volume.resize(size);
        let first = shop.run(&["run"]);
        if first.code == Some(0) {
            tally.add("disks large enough");
        } else {
            told(first);
            tally.add("disks full");
            shop.run(&["status"]).ok();
        }
        shop.volume.resize(ROOMY);
        shop.run(&["run"]).ok();
        assert_eq!(shop.schema(), schema, "at {size} KiB");
        assert_eq!(shop.marks(), MARKS, "at {size} KiB");
        shop.run(&["status", "--exit-code"]).ok();
    }
    tally.finish("disks full", 6);
}
