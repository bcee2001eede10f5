//! What only servers show: how often we talk to them; and PostgreSQL's locks
//! and positions.

use tests::workspace::{Run, eventually};

use tests::relay::Relay;
use tests::service::{Engine, Shop};

/// Counts how often the client stops talking and waits for an answer.
struct Counter {
    relay: Relay,
    url: String,
}

impl Counter {
    fn before(shop: &Shop) -> Self {
        let relay = Relay::before(match shop.engine {
            Engine::Mariadb => shop.mariadb().url(),
            Engine::Sqlite | Engine::Postgres => shop.postgres().url(),
        });
        // In clear, so that the relay sees whose turn it is.
        let url = match shop.engine {
            Engine::Mariadb => format!("{}?ssl-mode=disabled", relay.url()),
            Engine::Sqlite | Engine::Postgres => format!("{}?sslmode=disable", relay.url()),
        };
        Self { relay, url }
    }

    /// Round trips of a whole command, its connection included.
    fn trips(&self, shop: &Shop, args: &[&str]) -> usize {
        self.relay.begin(None);
        self.run(shop, args).ok();
        self.relay.trips()
    }

    fn run(&self, shop: &Shop, args: &[&str]) -> Run {
        let mut command = shop.command(args);
        command.env("SHOP_DATABASE_URL", &self.url);
        shop.workspace.finish(command)
    }
}

fn tables(shop: &Shop, from: usize, to: usize) {
    for n in from..to {
        shop.migration(
            &format!("{n:03}_t"),
            &format!("CREATE TABLE t{n} (id int PRIMARY KEY);\nINSERT INTO t{n} VALUES ({n});\nCREATE INDEX t{n}_id ON t{n} (id);"),
            &format!("DROP TABLE t{n};"),
        );
    }
}

#[test]
fn a_migration_costs_one_round_trip_and_nothing_to_do_one_query() {
    let shop = Shop::new(Engine::Postgres);
    let counter = Counter::before(&shop);
    tables(&shop, 0, 1);
    counter.trips(&shop, &["run"]);
    let idle = counter.trips(&shop, &["run"]);
    // The connection: start-up, three of SCRAM, and Diesel's own settings.
    let connection = counter.trips(&shop, &["wait"]);
    let query = idle - connection;
    assert_eq!(
        query, 1,
        "nothing to do: {idle} with {connection} for the connection"
    );
    assert_eq!(counter.trips(&shop, &["status"]), idle);

    tables(&shop, 1, 3);
    let two = counter.trips(&shop, &["run"]);
    tables(&shop, 3, 23);
    let twenty = counter.trips(&shop, &["run"]);
    assert_eq!(twenty - two, 18, "18 more migrations: {two} and {twenty}");
    assert!(
        two - idle <= 2 + 1,
        "two migrations: {two}, nothing to do: {idle}"
    );

    let two = counter.trips(&shop, &["revert", "--steps", "2"]);
    let twenty = counter.trips(&shop, &["revert", "--steps", "20"]);
    assert_eq!(twenty - two, 18, "reverting 18 more: {two} and {twenty}");
}

#[test]
fn a_statement_outside_a_transaction_costs_one_round_trip() {
    let shop = Shop::new(Engine::Postgres);
    let counter = Counter::before(&shop);
    shop.migration("000_a", "CREATE TABLE marks (n int);", "DROP TABLE marks;");
    counter.trips(&shop, &["run"]);
    let statements = |count: usize| "INSERT INTO marks VALUES (1);\n".repeat(count);
    shop.steps("001_a", &statements(2), "SELECT 1;");
    let two = counter.trips(&shop, &["run"]);
    shop.steps("002_a", &statements(12), "SELECT 1;");
    let twelve = counter.trips(&shop, &["run"]);
    assert_eq!(twelve - two, 10, "{two} and {twelve}");
}

#[test]
fn an_index_that_is_built_concurrently_costs_its_record_and_its_build() {
    let shop = Shop::new(Engine::Postgres);
    let counter = Counter::before(&shop);
    shop.migration("000_a", "CREATE TABLE marks (n int);", "DROP TABLE marks;");
    counter.trips(&shop, &["run"]);
    let mut number = 0;
    let mut builds = |count: usize, tolerant: &str| -> usize {
        number += 1;
        let build =
            |n| format!("CREATE INDEX CONCURRENTLY {tolerant}i{number}_{n} ON marks (n);\n");
        let up: String = (0..count).map(build).collect();
        shop.steps(&format!("{number:03}_b"), &up, "SELECT 1;");
        counter.trips(&shop, &["run"])
    };
    assert_eq!(builds(7, "") - builds(2, ""), 2 * 5);
    // And a look at what stands under the name.
    let tolerant = "IF NOT EXISTS ";
    assert_eq!(builds(7, tolerant) - builds(2, tolerant), 3 * 5);
}

#[test]
fn on_mariadb_a_statement_that_commits_costs_one_round_trip_and_rows_share_theirs() {
    let shop = Shop::new(Engine::Mariadb);
    let counter = Counter::before(&shop);
    shop.migration("000_a", "CREATE TABLE marks (n INT);", "DROP TABLE marks;");
    counter.trips(&shop, &["run"]);
    let columns = |from: usize, to: usize| -> String {
        let add = |n| format!("ALTER TABLE marks ADD COLUMN c{n} INT;\n");
        (from..to).map(add).collect()
    };
    shop.migration("001_a", &columns(0, 2), "SELECT 1;");
    let two = counter.trips(&shop, &["run"]);
    shop.migration("002_a", &columns(2, 14), "SELECT 1;");
    let twelve = counter.trips(&shop, &["run"]);
    assert_eq!(twelve - two, 10, "{two} and {twelve}");

    // A migration more of one statement: record, statement and end go together.
    let single = |n: usize| {
        shop.migration(&format!("1{n:02}_a"), &columns(n + 20, n + 21), "SELECT 1;");
    };
    single(0);
    let one = counter.trips(&shop, &["run"]);
    (1..6).for_each(single);
    let five = counter.trips(&shop, &["run"]);
    assert_eq!(five - one, 4, "{one} and {five}");

    let inserts = |count: usize| "INSERT INTO marks (n) VALUES (1);\n".repeat(count);
    shop.migration("201_a", &inserts(2), "SELECT 1;");
    let two = counter.trips(&shop, &["run"]);
    shop.migration("202_a", &inserts(90), "SELECT 1;");
    assert_eq!(counter.trips(&shop, &["run"]), two);
}

#[test]
fn a_single_transaction_is_all_or_nothing() {
    for engine in tests::service::TRANSACTIONAL {
        let shop = Shop::new(engine);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        shop.migration(
            "2_b",
            "INSERT INTO a VALUES (1);\nINSERT INTO nowhere VALUES (1);",
            "SELECT 1;",
        );
        let before = shop.run(&["create"]).ok();
        drop(before);
        let empty = shop.schema();
        shop.run(&["run", "--single-transaction"]).exits(1).says(&[
            "2_b",
            "statement 2 of 2",
            "up.sql:2:13",
            "the whole run was rolled back",
        ]);
        assert_eq!(shop.schema(), empty);
        assert!(shop.history().is_empty());
        // A run-time error, which has no position, names its statement as well.
        shop.migration("2_b", "CREATE TABLE b (id INTEGER PRIMARY KEY);\nINSERT INTO b VALUES (1);\nINSERT INTO b VALUES (1);", "DROP TABLE b;");
        shop.run(&["run", "--single-transaction"]).exits(1).says(&[
            "2_b",
            "statement 3 of 3",
            "up.sql:3:1",
        ]);
        assert!(shop.history().is_empty());
        shop.steps("2_b", "SELECT 1;", "SELECT 1;");
        shop.run(&["run", "--single-transaction"]).exits(1).says(&[
            "single transaction is not possible",
            "2_b",
            "help",
        ]);
        assert!(shop.history().is_empty());
        std::fs::remove_dir_all(shop.migrations().join("2_b")).expect("removed");
        shop.run(&["run", "--single-transaction"]).ok();
        assert_eq!(shop.history(), ["1"]);
    }
}

/// A run whose second migration needs a table that the test has locked; it
/// says so, tries again, and goes through once the table is free.
#[track_caller]
fn lets_the_application_go_first(up: &str, steps: bool, args: &[&str]) {
    let shop = Shop::new(Engine::Postgres);
    shop.migration("1_a", "CREATE TABLE busy (n int);", "DROP TABLE busy;");
    shop.run(&["run"]).ok();
    shop.migration("2_b", "CREATE TABLE b (id int);", "DROP TABLE b;");
    shop.migration("3_c", up, "SELECT 1;");
    if steps {
        shop.file("3_c", "metadata.toml", "run_in_transaction = false\n");
    }
    let mut application = shop.connect();
    application
        .execute("BEGIN; LOCK TABLE busy IN ACCESS EXCLUSIVE MODE; INSERT INTO busy VALUES (1)");
    let mut watch = shop.connect();
    let mut waits = 0;
    let mut waiting = false;
    let child = shop.start(&["-v"].iter().chain(args).copied().collect::<Vec<_>>());
    // Twice seen waiting with a pause between: it gave way and tried again.
    eventually("it has tried, given way and tried again", || {
        let blocked = !watch
            .texts("SELECT pid::text AS text FROM pg_locks WHERE NOT granted AND relation = 'busy'::regclass")
            .is_empty();
        waits += usize::from(blocked && !waiting);
        waiting = blocked;
        waits >= 3
    });
    application.execute("INSERT INTO busy VALUES (2); COMMIT");
    let run = shop.finish(child).ok();
    run.says(&["3_c", "holds a lock"]);
    assert_eq!(shop.history(), ["1", "2", "3"]);
    assert_eq!(
        shop.texts("SELECT n::text AS text FROM busy ORDER BY n")[..2],
        ["1", "2"]
    );
    let failed = shop.texts("SELECT error AS text FROM __migrate_journal WHERE state <> 'done'");
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_migration_that_waits_for_a_table_lets_the_application_go_first() {
    lets_the_application_go_first("ALTER TABLE busy ADD COLUMN note text;", false, &["run"]);
}

#[test]
fn so_it_does_where_the_server_gives_the_lock_timeout_a_position() {
    // Parsing a statement locks its tables, and then there is a position.
    lets_the_application_go_first("SELECT 1;\nUPDATE busy SET n = n;", false, &["run"]);
}

#[test]
fn so_it_does_outside_a_transaction() {
    let up = "ALTER TABLE busy ADD COLUMN note text;\nUPDATE busy SET note = '';";
    lets_the_application_go_first(up, true, &["run"]);
    lets_the_application_go_first("UPDATE busy SET n = n;", true, &["run"]);
}

#[test]
fn so_it_does_in_a_single_transaction() {
    let args = &["run", "--single-transaction"];
    lets_the_application_go_first("ALTER TABLE busy ADD COLUMN note text;", false, args);
    lets_the_application_go_first("UPDATE busy SET n = n;", false, args);
}

#[test]
fn a_slow_error_of_the_files_own_is_not_taken_for_a_lock() {
    let shop = Shop::new(Engine::Postgres);
    let up = "SELECT pg_sleep(0.4);\nSELECT nonsense FROM pg_class;\n";
    shop.migration("1_a", up, "SELECT 1;");
    shop.run(&["run"])
        .exits(1)
        .says(&["statement 2 of 2", "up.sql:2:8", "nonsense"]);
    shop.migration("1_a", "SELECT pg_sleep(0.4);\nSELECT 1 / 0;\n", "SELECT 1;");
    shop.run(&["run"])
        .exits(1)
        .says(&["statement 2 of 2", "up.sql:2:1", "division by zero"]);
    shop.run(&["run", "--single-transaction"])
        .exits(1)
        .says(&["statement 2 of 2", "up.sql:2:1"]);
    assert!(shop.history().is_empty());
}

#[test]
fn errors_point_at_the_character_among_characters_of_any_width() {
    let shop = Shop::new(Engine::Postgres);
    for (up, place, statement) in [
        (
            "-- größer; 日本 🦀\nCREATE TABLE a (\"日本\" int, ü text); SELECT '🦀🦀', nowhere FROM a;\n",
            "up.sql:2:49",
            "2 of 2",
        ),
        (
            "/* 🦀 */ SELECT '日本'; SELCT 1;\n",
            "up.sql:1:22",
            "2 of 2",
        ),
        (
            "CREATE TABLE \"größe\" (x int);\n\tCREATE TABLE b (y wrongtype);",
            "up.sql:2:20",
            "2 of 2",
        ),
        ("SELECT '🦀'", "", ""),
        ("-- 日本\nSELECT '🦀',", "up.sql:2:", "1 of 1"),
        (
            "INSERT INTO \"größe\" VALUES ('日本')",
            "up.sql:1:13",
            "1 of 1",
        ),
    ] {
        shop.migration("1_a", up, "SELECT 1;");
        if place.is_empty() {
            shop.run(&["run"]).ok();
            shop.run(&["revert"]).ok();
            continue;
        }
        shop.run(&["run"])
            .exits(1)
            .says(&[place, &format!("statement {statement}")]);
        // The same place outside a transaction.
        shop.file("1_a", "metadata.toml", "run_in_transaction = false\n");
        let count: usize = statement[..1].parse().expect("a number");
        if count == 1 {
            shop.run(&["run"]).exits(1).says(&[place]);
        }
        std::fs::remove_file(shop.migrations().join("1_a/metadata.toml")).expect("removed");
    }
    assert!(shop.history().is_empty());
}

#[test]
fn a_run_behind_other_isolation_defaults_sees_what_was_committed_before_it() {
    let shop = Shop::new(Engine::Postgres);
    let name = shop.postgres().name().to_owned();
    shop.connect().execute(&format!(
        "ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'"
    ));
    tables(&shop, 0, 6);
    let children: Vec<_> = (0..6).map(|_| shop.start(&["run"])).collect();
    for child in children {
        shop.finish(child).ok();
    }
    assert_eq!(shop.history().len(), 6);
    // Read-only by default is somebody's wish, and told as such.
    shop.connect().execute(&format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = on"
    ));
    tables(&shop, 6, 7);
    shop.run(&["status"]).ok();
    shop.run(&["run"]).exits(1).says(&["read-only"]);
    assert_eq!(shop.history().len(), 6);
}
