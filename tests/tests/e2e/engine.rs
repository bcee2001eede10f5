//! Promises of the engine that a fix once had to restore: what is half done is
//! gone on with, what is another's is left alone, and one database has one lock.

mod session;

use std::fs::File;
use std::time::{Duration, Instant};

use tests::env::PostgresDatabase;
use tests::workspace::{Workspace, eventually};

use tests::service::{ALL, Engine, Shop, TRANSACTIONAL};

const MARKS: &str = "CREATE TABLE marks (n INTEGER NOT NULL);";

fn marks(shop: &Shop) -> Vec<String> {
    shop.texts("SELECT concat(n, '') AS text FROM marks ORDER BY n")
}

/// Three applied, of which the second's down.sql stopped at its second statement.
fn half_reverted_in_the_middle(engine: Engine) -> Shop {
    let shop = Shop::new(engine);
    shop.migration("001_a", MARKS, "DROP TABLE marks;");
    shop.steps(
        "002_b",
        "INSERT INTO marks VALUES (2);",
        "INSERT INTO marks VALUES (20);\nDELETE FROM wrong;\n",
    );
    shop.migration(
        "003_c",
        "CREATE TABLE third (n INTEGER);",
        "DROP TABLE third;",
    );
    shop.run(&["run"]).ok();
    shop.run(&["revert", "--only", "002"]).exits(1).says(&[
        "002_b",
        "statement 2 of 2",
        "statement 1 is applied",
    ]);
    assert_eq!(shop.state("002_b"), "half-applied");
    shop
}

#[test]
fn what_is_half_reverted_is_finished_before_anything_else_is_run_or_reverted() {
    for engine in ALL {
        let shop = half_reverted_in_the_middle(engine);
        let help = "`cargo migrate revert -p shop --only 002` resumes at the next statement";
        shop.migration(
            "004_d",
            "CREATE TABLE fourth (n INTEGER);",
            "DROP TABLE fourth;",
        );
        shop.run(&["run"])
            .exits(4)
            .says(&["002_b (down) is half applied: 1 of 2", help]);
        shop.run(&["revert"])
            .exits(4)
            .says(&["002_b (down) is half applied: 1 of 2", help]);
        shop.run(&["revert", "--only", "003"])
            .exits(4)
            .says(&[help]);
        assert_eq!(shop.history(), ["001", "002", "003"]);
        let schema = shop.schema();
        assert!(schema.contains("third"), "{engine}: {schema}");
        assert!(!schema.contains("fourth"), "{engine}: {schema}");

        shop.file(
            "002_b",
            "down.sql",
            "INSERT INTO marks VALUES (20);\nDELETE FROM marks WHERE n = 2;\n",
        );
        shop.run(&["revert", "--only", "002"]).ok();
        assert_eq!(marks(&shop), ["20"], "{engine}: each statement ran once");
        assert_eq!(shop.history(), ["001", "003"]);
        assert_eq!(shop.state("003_c"), "applied");
        shop.run(&["run", "--only", "002"]).ok();
        shop.run(&["run"]).ok();
        assert_eq!(shop.history(), ["001", "002", "003", "004"]);
        shop.run(&["status", "--exit-code"]).ok();
    }
}

#[test]
fn finished_statements_do_not_run_again_when_the_migration_is_moved_into_a_transaction() {
    for engine in ALL {
        for metadata in [Some("run_in_transaction = true\n"), None] {
            let shop = Shop::new(engine);
            let up = |third: &str| {
                format!(
                    "{MARKS}\nINSERT INTO marks VALUES (1);\nINSERT INTO {third} VALUES (2);\nINSERT INTO marks VALUES (3);\n"
                )
            };
            shop.steps("1_a", &up("wrong"), "DROP TABLE marks;");
            shop.migration("2_b", "INSERT INTO marks VALUES (4);", "SELECT 1;");
            shop.run(&["run"]).exits(1).says(&["statement 3 of 4"]);
            match metadata {
                Some(text) => shop.file("1_a", "metadata.toml", text),
                None => std::fs::remove_file(shop.migrations().join("1_a/metadata.toml"))
                    .expect("removed"),
            }
            // Still wrong: it stops at the same place, and keeps what it has.
            shop.run(&["run"]).exits(1).says(&["statement 3 of 4"]);
            assert_eq!(marks(&shop), ["1"], "{engine}, {metadata:?}");
            shop.file("1_a", "up.sql", &up("marks"));
            shop.run(&["run"]).ok();
            assert_eq!(marks(&shop), ["1", "2", "3", "4"], "{engine}, {metadata:?}");
            assert_eq!(shop.history(), ["1", "2"]);
            shop.run(&["status", "--exit-code"]).ok();
        }
    }
}

#[test]
fn nor_when_a_half_reverted_one_is() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", MARKS, "DROP TABLE marks;");
        let down = |second: &str| {
            format!("INSERT INTO marks VALUES (1);\nINSERT INTO {second} VALUES (2);\n")
        };
        shop.steps("2_b", "SELECT 1;", &down("wrong"));
        shop.run(&["run"]).ok();
        shop.run(&["revert"]).exits(1).says(&["statement 2 of 2"]);
        shop.file("2_b", "metadata.toml", "run_in_transaction = true\n");
        shop.file("2_b", "down.sql", &down("marks"));
        shop.run(&["revert"]).ok();
        assert_eq!(marks(&shop), ["1", "2"], "{engine}");
        assert_eq!(shop.history(), ["1"]);
    }
}

#[test]
fn an_exclusive_block_is_recorded_and_not_run_twice() {
    let shop = Shop::new(Engine::Sqlite);
    let up = |last: &str| {
        format!(
            "{MARKS}\nBEGIN EXCLUSIVE;\nINSERT INTO marks VALUES (1);\nINSERT INTO marks VALUES (2);\nCOMMIT;\n\
             INSERT INTO {last} VALUES (3);\n"
        )
    };
    shop.steps("1_a", &up("wrong"), "DROP TABLE marks;");
    shop.run(&["run"]).exits(1).says(&["statement 3 of 3"]);
    let steps = "SELECT n || ' ' || state AS text FROM __migrate_steps ORDER BY n";
    assert_eq!(shop.texts(steps), ["1 done", "2 done"]);
    assert_eq!(marks(&shop), ["1", "2"]);
    shop.file("1_a", "up.sql", &up("marks"));
    shop.run(&["run"]).ok();
    assert_eq!(marks(&shop), ["1", "2", "3"]);
    assert_eq!(shop.texts(steps), ["1 done", "2 done", "3 done"]);
}

#[test]
fn what_another_tool_has_finished_is_adopted() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", MARKS, "DROP TABLE marks;");
        shop.steps(
            "2_b",
            "INSERT INTO marks VALUES (1);\nINSERT INTO wrong VALUES (2);\n",
            "DELETE FROM marks WHERE n = 1;\nDELETE FROM marks WHERE n = 2;\n",
        );
        shop.run(&["run"]).exits(1).says(&["statement 2 of 2"]);
        assert_eq!(shop.state("2_b"), "half-applied");
        shop.connect().execute(
            "INSERT INTO marks VALUES (2); INSERT INTO __diesel_schema_migrations (version) VALUES ('2')",
        );
        assert_eq!(shop.state("2_b"), "adopted", "{engine}");
        shop.run(&["status", "--exit-code"]).ok();
        shop.migration(
            "3_c",
            "INSERT INTO marks VALUES (3);",
            "DELETE FROM marks WHERE n = 3;",
        );
        shop.run(&["run"]).ok();
        assert_eq!(marks(&shop), ["1", "2", "3"], "{engine}");
        assert_eq!(shop.history(), ["1", "2", "3"]);
        shop.run(&["revert", "-n", "2"]).ok();
        assert!(marks(&shop).is_empty());
        assert_eq!(shop.history(), ["1"]);
        // From its beginning, not from where the first attempt stopped.
        shop.file(
            "2_b",
            "up.sql",
            "INSERT INTO marks VALUES (1);\nINSERT INTO marks VALUES (2);\n",
        );
        shop.run(&["run"]).ok();
        assert_eq!(marks(&shop), ["1", "2", "3"], "{engine}");
        assert_eq!(shop.state("2_b"), "applied");
    }
}

#[test]
fn what_another_tool_has_finished_reverting_is_pending() {
    for engine in ALL {
        let shop = half_reverted_in_the_middle(engine);
        shop.connect().execute(
            "DELETE FROM marks; DELETE FROM __diesel_schema_migrations WHERE version IN ('002', '003'); DROP TABLE third",
        );
        assert_eq!(shop.state("002_b"), "pending", "{engine}");
        shop.run(&["run"]).ok();
        assert_eq!(marks(&shop), ["2"], "{engine}");
        assert_eq!(shop.history(), ["001", "002", "003"]);
        shop.file(
            "002_b",
            "down.sql",
            "INSERT INTO marks VALUES (20);\nDELETE FROM marks WHERE n = 2;\n",
        );
        shop.run(&["revert", "-n", "2"]).ok();
        // Its first statement ran before, in an attempt that is over.
        assert_eq!(marks(&shop), ["20"], "{engine}");
        assert_eq!(shop.history(), ["001"]);
    }
}

#[test]
fn a_file_that_records_itself_is_refused_at_once() {
    for engine in TRANSACTIONAL {
        for args in [&["run"][..], &["run", "--single-transaction"]] {
            let shop = Shop::new(engine);
            shop.migration(
                "1_a",
                &format!("{MARKS}\nINSERT INTO __diesel_schema_migrations (version) VALUES ('1');"),
                "DROP TABLE marks;",
            );
            let began = Instant::now();
            let run = shop.run(args).exits(1).says(&["1_a"]);
            // The lock is waited for ten minutes.
            assert!(began.elapsed() < Duration::from_secs(60));
            match engine {
                Engine::Postgres => run.says(&["the file writes its own row of the history table"]),
                Engine::Sqlite | Engine::Mariadb => {
                    run.says(&["statement 2 of 2", "__diesel_schema_migrations.version"])
                }
            };
            assert!(shop.history().is_empty());
            assert!(!shop.schema().contains("marks"), "{engine}: rolled back");
        }
    }
}

#[test]
fn a_runner_that_ended_while_it_made_our_tables_is_no_obstacle() {
    // Each CREATE TABLE commits by itself there.
    for missing in [
        &["__migrate_journal"][..],
        &["__migrate_steps"],
        &["__migrate_journal", "__migrate_steps"],
    ] {
        let shop = Shop::new(Engine::Mariadb);
        shop.migration("1_a", MARKS, "DROP TABLE marks;");
        shop.run(&["create"]).ok();
        shop.connect()
            .execute(&format!("DROP TABLE {}", missing.join(", ")));
        assert_eq!(shop.state("1_a"), "pending", "{missing:?}");
        shop.run(&["run"]).ok();
        assert!(marks(&shop).is_empty());
        shop.run(&["status", "--exit-code"]).ok();
        shop.run(&["revert"]).ok();
    }
}

#[test]
#[cfg(unix)]
fn by_a_link_and_by_its_real_name_a_sqlite_database_has_one_lock() {
    let shop = Shop::new(Engine::Sqlite);
    let real = shop.workspace.path("data/real.db");
    std::fs::create_dir_all(shop.workspace.path("data")).expect("a directory");
    std::os::unix::fs::symlink("data/real.db", shop.workspace.path("shop.db")).expect("a link");
    shop.migration("1_a", MARKS, "DROP TABLE marks;");
    shop.run(&["run"]).ok();
    assert!(real.is_file(), "made where the link points");

    let lock = File::options()
        .write(true)
        .open(shop.workspace.path("data/real.db.migrate-lock"))
        .expect("the lock file is beside the real file");
    lock.try_lock().expect("nobody has it");
    shop.migration("2_b", "INSERT INTO marks VALUES (2);", "SELECT 1;");
    let by_its_name = format!("sqlite:{}", real.display());
    shop.run(&["run", "--lock-wait", "100ms"]).exits(6);
    shop.run(&[
        "run",
        "--lock-wait",
        "100ms",
        "--database-url",
        &by_its_name,
    ])
    .exits(6);
    assert_eq!(shop.history(), ["1"]);
    drop(lock);
    shop.run(&["run"]).ok();
    assert_eq!(shop.history(), ["1", "2"]);
    assert!(!shop.workspace.path("shop.db.migrate-lock").exists());
}

/// Two services in two schemas of one database, whose migrations have all names
/// in common.
struct Neighbours {
    workspace: Workspace,
    database: PostgresDatabase,
}

impl Neighbours {
    fn new() -> Self {
        let workspace = Workspace::new();
        for name in ["left", "right"] {
            workspace.service(name, &format!("schema = \"{name}\""));
            workspace.migration(name, "1_a", MARKS, "DROP TABLE marks;");
        }
        let made = Self {
            workspace,
            database: PostgresDatabase::create(),
        };
        made.run("left").ok();
        made.run("right").ok();
        for name in ["left", "right"] {
            let up = "CREATE UNIQUE INDEX CONCURRENTLY marks_n ON marks (n);";
            made.workspace
                .migration(name, "2_b", up, "DROP INDEX marks_n;");
            made.workspace.write(
                &format!("services/{name}/migrations/2_b/metadata.toml"),
                "run_in_transaction = false\n",
            );
        }
        made
    }

    fn command(&self, service: &str) -> std::process::Command {
        let mut command = self.workspace.command(&["run", "-p", service]);
        command.env("DATABASE_URL", self.database.url());
        command
    }

    fn run(&self, service: &str) -> tests::workspace::Run {
        self.workspace.finish(self.command(service))
    }

    fn link(&self) -> tests::service::Link {
        tests::service::Link::Postgres(self.database.connect())
    }

    /// Every index of that name: its schema, identity and whether it is valid.
    fn indexes(&self) -> Vec<[String; 3]> {
        let sql = "SELECT concat_ws(' ', n.nspname, c.oid, i.indisvalid) AS text FROM pg_class c \
                   JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace \
                   WHERE c.relname = 'marks_n' ORDER BY n.nspname";
        let parts = |row: &String| {
            let mut words = row.split(' ').map(str::to_owned);
            std::array::from_fn(|_| words.next().expect("three words"))
        };
        self.link().texts(sql).iter().map(parts).collect()
    }
}

#[test]
fn an_invalid_index_of_the_same_name_in_another_schema_is_left_alone() {
    let neighbours = Neighbours::new();
    neighbours
        .link()
        .execute("INSERT INTO \"left\".marks VALUES (1), (1)");
    neighbours.run("left").exits(1).says(&["2_b", "duplicate"]);
    let [[schema, left_over, valid]] = &neighbours.indexes()[..] else {
        panic!("{:?}", neighbours.indexes());
    };
    assert_eq!((schema.as_str(), valid.as_str()), ("left", "f"));

    neighbours.run("right").ok();
    let [left, right] = &neighbours.indexes()[..] else {
        panic!("{:?}", neighbours.indexes());
    };
    assert_eq!(left, &["left".to_owned(), left_over.clone(), "f".into()]);
    assert_eq!((right[0].as_str(), right[2].as_str()), ("right", "t"));

    neighbours.link().execute("DELETE FROM \"left\".marks");
    neighbours.run("left").ok();
    let after = neighbours.indexes();
    assert_eq!(after[0][2], "t", "{after:?}");
    assert_ne!(&after[0][1], left_over, "it was built again");
    assert_eq!(&after[1], right, "the neighbour's is the one that it was");
}

#[test]
fn an_index_in_doubt_is_not_taken_for_done_by_another_schemas() {
    let neighbours = Neighbours::new();
    neighbours.run("left").ok();
    let left = neighbours.indexes();
    // An open transaction that has written the table stops the build half way.
    let (mut gate, mut watch) = (neighbours.link(), neighbours.link());
    gate.execute("BEGIN; INSERT INTO \"right\".marks VALUES (1)");
    let mut child = neighbours.command("right").spawn().expect("it starts");
    let building = "SELECT pid::text AS text FROM pg_stat_activity WHERE query LIKE 'CREATE UNIQUE INDEX CONCURRENTLY%' \
                    AND wait_event_type = 'Lock' AND datname = current_database()";
    eventually("the build waits", || !watch.texts(building).is_empty());
    child.kill().expect("killed");
    child.wait().expect("gone");
    watch.texts(&building.replace("pid::text", "pg_terminate_backend(pid)::text"));
    eventually("its backend is gone", || watch.texts(building).is_empty());
    gate.execute("COMMIT");
    // Nothing is left of it, and the neighbour's is valid.
    watch.execute("DROP INDEX IF EXISTS \"right\".marks_n");
    neighbours.run("right").ok();
    let after = neighbours.indexes();
    assert_eq!(after[0], left[0]);
    assert_eq!(after.len(), 2, "its own was built: {after:?}");
    assert_eq!(after[1][2], "t");
}
