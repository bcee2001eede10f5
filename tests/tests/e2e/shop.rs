//! The sample fleet on a real PostgreSQL server: what only its PostgreSQL
//! variants have, applied, reverted and applied again.

use std::path::Path;
use std::process::Command;

use tests::env::{PostgresDatabase, postgres_program};
use tests::workspace::{Workspace, copy};

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
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/shop");
    for (service, variable, migrations) in SERVICES {
        let workspace = Workspace::new();
        copy(&shop, workspace.root());
        let database = PostgresDatabase::create();
        let empty = dump(&database);
        let run = |args: &[&str]| {
            let mut command = workspace.command(args);
            command.args(["-p", service]).env(variable, database.url());
            workspace.finish(command)
        };
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
    use diesel::RunQueryDsl;

    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }

    let rows: Vec<Count> = diesel::sql_query(sql)
        .load(&mut database.connect())
        .expect("a count");
    rows[0].n
}
