//! A primary that is lost under a runner, and its standby that takes over: the
//! standby refuses to be migrated until it is the primary, and then goes on
//! where its data says.

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{PgConnection, QueryableByName, RunQueryDsl, sql_query};
use tests::chance::Chance;
use tests::tally::{Tally, scaled};
use tests::workspace::{Workspace, eventually};

use crate::server::Postgres;
use crate::started;

const MIGRATIONS: u64 = 8;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    text: String,
}

fn texts(connection: &mut PgConnection, sql: &str) -> Vec<String> {
    let rows: Vec<Row> = sql_query(sql).load(connection).expect("rows");
    rows.into_iter().map(|row| row.text).collect()
}

/// Migrations that each leave one mark; the one at `gate` waits for the test.
fn marking(gate: u64) -> Workspace {
    let workspace = Workspace::new();
    workspace.service("shop", "");
    for n in 0..MIGRATIONS {
        let create = if n == 0 {
            "CREATE TABLE marks (n INTEGER);\n"
        } else {
            ""
        };
        let wait = if n == gate {
            "SELECT pg_advisory_lock_shared(77);\n"
        } else {
            ""
        };
        workspace.migration(
            "shop",
            &format!("{n}_mark"),
            &format!(
                "{create}INSERT INTO marks VALUES ({n});\n{wait}CREATE TABLE t{n} (id INTEGER);"
            ),
            &format!("DROP TABLE t{n};\nDELETE FROM marks WHERE n = {n};"),
        );
    }
    workspace
}

#[test]
fn a_standby_is_refused_and_as_the_new_primary_completes_the_run() {
    let mut tally = Tally::new(6, "promotion, PostgreSQL");
    let mut chance = Chance::of("promotion");
    for _ in 0..scaled(4) {
        let gate = chance.below(MIGRATIONS);
        let workspace = marking(gate);
        let mut primary = Postgres::primary();
        let standby = primary.standby();
        let mut holder = primary.connect();
        holder
            .batch_execute("SELECT pg_advisory_lock(77)")
            .expect("the gate");
        let run = |server: &Postgres, args: &[&str]| {
            let mut command = workspace.command(args);
            command.env("SHOP_DATABASE_URL", server.url("127.0.0.1"));
            command
        };
        let child = started::start(run(&primary, &["run"]));
        eventually("the runner is at the gate", || {
            let waiting = "SELECT pid::text AS text FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
            !texts(&mut holder, waiting).is_empty()
        });
        workspace
            .finish(run(&standby, &["run"]))
            .exits(1)
            .says(&["read-only", "help: "]);
        tally.add("standbys refused");
        primary.kill();
        let ended = workspace.result(&child.wait_with_output().expect("the runner ends"));
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        standby.promote();
        workspace.finish(run(&standby, &["run"])).ok();
        let mut connection = standby.connect();
        let marks = texts(
            &mut connection,
            "SELECT n::text AS text FROM marks ORDER BY n",
        );
        let expected: Vec<String> = (0..MIGRATIONS).map(|n| n.to_string()).collect();
        assert_eq!(marks, expected);
        workspace
            .finish(run(&standby, &["status", "--exit-code"]))
            .ok();
        tally.add("promotions");
    }
    tally.finish("promotions", 4);
}
