//! The sample fleet on real servers: what only its PostgreSQL and its MySQL
//! variants have, applied, reverted and applied again.

use std::path::Path;
use std::process::Command;

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use tests::env::{MariadbDatabase, PostgresDatabase, postgres_program};
use tests::workspace::{Run, Workspace, copy};

/// A copy of the fleet.
fn shop() -> Workspace {
    let workspace = Workspace::new();
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/shop");
    copy(&shop, workspace.root());
    workspace
}

/// Runs the command for one of its services, whose database is at `url`.
fn run(workspace: &Workspace, service: &str, variable: &str, url: &str, args: &[&str]) -> Run {
    let mut command = workspace.command(args);
    command.args(["-p", service]).env(variable, url);
    workspace.finish(command)
}

const SERVICES: [(&str, &str, usize); 2] = [
    ("orders", "ORDERS_DATABASE_URL", 11),
    ("billing", "BILLING_DATABASE_URL", 12),
];

/// The schema without our own tables and the history.
fn dump(database: &PostgresDatabase) -> String {
    let output = Command::new(postgres_program("pg_dump"))
        .args(["--schema-only", "--no-owner", "--exclude-table=__*"])
        .arg(database.url())
        .output()
        .expect("pg_dump");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    // pg_dump guards its output with a random word.
    let kept = text.lines().filter(|line| !line.starts_with("\\"));
    kept.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shops_postgres_variants_go_up_and_down_and_up_again() {
    for (service, variable, migrations) in SERVICES {
        let workspace = shop();
        let database = PostgresDatabase::create();
        let empty = dump(&database);
        let run = |args: &[&str]| run(&workspace, service, variable, database.url(), args);
        let applied = format!("{migrations} applied");
        run(&["run"]).ok().says(&[&applied]);
        let full = dump(&database);
        assert!(full.contains("CREATE TYPE") && full.contains("CREATE VIEW"));
        run(&["run"]).ok().says(&["nothing to do"]);
        run(&["revert", "--to", "zero"])
            .ok()
            .says(&[&format!("{migrations} reverted")]);
        assert_eq!(dump(&database), empty, "{service}");
        run(&["run"]).ok().says(&[&applied]);
        assert_eq!(dump(&database), full, "{service}");
        let invalid = "SELECT count(*) AS n FROM pg_index WHERE NOT indisvalid";
        assert_eq!(count(&database, invalid), 0, "{service}");
    }
}

fn count(database: &PostgresDatabase, sql: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }

    let rows: Vec<Count> = sql_query(sql)
        .load(&mut database.connect())
        .expect("a count");
    rows[0].n
}

/// A service's MySQL variant, with rows that its migrations have to carry along.
struct MysqlVariant {
    service: &'static str,
    variable: &'static str,
    migrations: usize,
    /// After so many migrations these statements put rows in.
    rows: (usize, &'static str),
    /// What is asked once all are applied, and the answer.
    applied: (&'static str, &'static [&'static str]),
    /// What is asked of the same rows on the way down, and the answer.
    reverted: (&'static str, &'static [&'static str]),
    /// What its schema has to hold.
    schema: &'static [&'static str],
}

const MYSQL_VARIANTS: [MysqlVariant; 2] = [
    MysqlVariant {
        service: "orders",
        variable: "ORDERS_DATABASE_URL",
        migrations: 12,
        rows: (
            2,
            "INSERT INTO orders (number, customer_id) VALUES ('A1', 7), ('A2', 7);
             INSERT INTO order_lines (order_id, line_no, sku, quantity, unit_price_cents)
             VALUES (1, 1, 'tea', 2, 500), (1, 2, 'cup', 1, 99)",
        ),
        applied: (
            "SELECT CONCAT(number, ' ', total_cents, ' ', `lines`) AS text
             FROM order_overview ORDER BY number",
            &["A1 1099 2", "A2 0 0"],
        ),
        reverted: (
            "SELECT CONCAT(number, ' ', status) AS text FROM orders ORDER BY number",
            &["A1 placed", "A2 placed"],
        ),
        schema: &["TRIGGER", "PARTITION", "VIEW"],
    },
    MysqlVariant {
        service: "users",
        variable: "USERS_DATABASE_URL",
        migrations: 11,
        rows: (
            1,
            "INSERT INTO users (email, full_name, phone)
             VALUES ('Ada@example.com', 'Ada King Lovelace', '06-12 34'), ('bob@example.com', 'Bob', NULL)",
        ),
        applied: (
            "SELECT CONCAT_WS(' ', email, display_name, phone, roles) AS text
             FROM user_directory ORDER BY id",
            &["Ada@example.com Ada 061234 customer", "bob@example.com Bob customer"],
        ),
        reverted: (
            "SELECT CONCAT_WS(' ', email, phone) AS text FROM users ORDER BY id",
            &["Ada@example.com 061234", "bob@example.com"],
        ),
        schema: &["FULLTEXT", "PROCEDURE", "EVENT", "VIEW"],
    },
];

#[test]
fn each_down_of_the_shops_mysql_variants_restores_what_was_before_its_up() {
    for variant in MYSQL_VARIANTS {
        let (service, migrations) = (variant.service, variant.migrations);
        let workspace = shop();
        let database = MariadbDatabase::create();
        let run = |args: &[&str]| run(&workspace, service, variant.variable, database.url(), args);
        let (put_in, rows) = variant.rows;
        let mut before = Vec::new();
        for n in 0..migrations {
            if n == put_in {
                database.connect().batch_execute(rows).expect("rows");
            }
            before.push(mariadb_dump(&database));
            run(&["run", "--count", "1"]).ok().says(&["1 applied"]);
        }
        run(&["run"]).ok().says(&["nothing to do"]);
        let full = mariadb_dump(&database);
        for part in variant.schema {
            assert!(full.contains(part), "{service}: no {part}");
        }
        let (question, answer) = variant.applied;
        assert_eq!(texts(&database, question), answer, "{service}");

        for n in (0..migrations).rev() {
            run(&["revert"]).ok().says(&["1 reverted"]);
            assert_eq!(mariadb_dump(&database), before[n], "{service}: {n}");
            if n == put_in {
                let (question, answer) = variant.reverted;
                assert_eq!(texts(&database, question), answer, "{service}");
            }
        }
        run(&["run"]).ok().says(&[&format!("{migrations} applied")]);
        assert_eq!(mariadb_dump(&database), full, "{service}");
        run(&["revert", "--to", "zero"])
            .ok()
            .says(&[&format!("{migrations} reverted")]);
        assert_eq!(mariadb_dump(&database), before[0], "{service}");
    }
}

/// The schema without our own tables and the history.
fn mariadb_dump(database: &MariadbDatabase) -> String {
    let place = database.url().strip_prefix("mysql://").expect("a URL");
    let (account, place) = place.rsplit_once('@').expect("an account");
    let (user, password) = account.split_once(':').expect("a password");
    let (server, name) = place.split_once('/').expect("a database");
    let (host, port) = server.split_once(':').expect("a port");
    let mut command = Command::new("mariadb-dump");
    command
        .args(["--no-defaults", "--no-data", "--routines", "--triggers"])
        .args(["--events", "--skip-comments"])
        .args(["--host", host, "--port", port, "--user", user])
        .env("MYSQL_PWD", password);
    for table in [
        "diesel_schema_migrations",
        "migrate_journal",
        "migrate_steps",
    ] {
        command.arg(format!("--ignore-table={name}.__{table}"));
    }
    let output = command.arg(name).output().expect("mariadb-dump");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    // The next number of a table is data.
    let words = text
        .split(' ')
        .filter(|word| !word.starts_with("AUTO_INCREMENT="));
    words.collect::<Vec<_>>().join(" ")
}

fn texts(database: &MariadbDatabase, sql: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        text: String,
    }

    let rows: Vec<Row> = sql_query(sql).load(&mut database.connect()).expect("rows");
    rows.into_iter().map(|row| row.text).collect()
}
