//! What a migration makes of its PostgreSQL session, and what its session makes
//! of it: settings end with the file that set them, and locks are waited for.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use tests::workspace::eventually;

use tests::service::{Engine, Shop};

/// A migration with savepoints that needs a table which the test has locked.
#[track_caller]
fn goes_through_with_savepoints(up: &str, steps: bool, args: &[&str]) {
    let shop = Shop::new(Engine::Postgres);
    shop.migration("1_a", "CREATE TABLE busy (n int);", "DROP TABLE busy;");
    shop.run(&["run"]).ok();
    shop.migration("2_b", up, "SELECT 1;");
    if steps {
        shop.file("2_b", "metadata.toml", "run_in_transaction = false\n");
    }
    let (mut application, mut watch) = (shop.connect(), shop.connect());
    application
        .execute("BEGIN; LOCK TABLE busy IN ACCESS EXCLUSIVE MODE; INSERT INTO busy VALUES (1)");
    let mut child = shop.start(&["-v"].iter().chain(args).copied().collect::<Vec<_>>());
    let (mut waits, mut waiting) = (0, false);
    let ended = |child: &mut std::process::Child| child.try_wait().expect("asked").is_some();
    // Waited, asked again what for, gave way, and waits once more.
    eventually("it has given way and tried again, or has failed", || {
        let blocked = !watch
            .texts("SELECT pid::text AS text FROM pg_locks WHERE NOT granted AND relation = 'busy'::regclass")
            .is_empty();
        waits += usize::from(blocked && !waiting);
        waiting = blocked;
        waits >= 3 || ended(&mut child)
    });
    application.execute("COMMIT");
    shop.finish(child).ok().says(&["2_b", "holds a lock"]);
    assert_eq!(shop.history(), ["1", "2"]);
    let found = shop.texts("SELECT n::text AS text FROM busy ORDER BY n");
    assert_eq!(found, ["1", "3"], "once, and after the application");
}

const SAVEPOINTS: &str = "SAVEPOINT one;\nINSERT INTO busy VALUES (2);\nROLLBACK TO one;\nRELEASE one;\n\
                          SAVEPOINT two;\nINSERT INTO busy VALUES (3);\nRELEASE SAVEPOINT two;\n";

#[test]
fn a_file_with_savepoints_lets_the_application_go_first() {
    goes_through_with_savepoints(SAVEPOINTS, false, &["run"]);
}

#[test]
fn so_it_does_with_savepoints_in_a_single_transaction() {
    goes_through_with_savepoints(SAVEPOINTS, false, &["run", "--single-transaction"]);
}

#[test]
fn so_it_does_with_savepoints_in_a_block_outside_a_transaction() {
    let block = format!("BEGIN;\n{SAVEPOINTS}COMMIT;\n");
    goes_through_with_savepoints(&block, true, &["run"]);
}

const LEFT_BEHIND: &str = "SET default_transaction_read_only = on;\nSET session_replication_role = replica;\n\
                           SET check_function_bodies = off;\nSET work_mem = '6MB';\n";

/// Leaves what it finds in a table of the given name.
fn look(table: &str) -> String {
    format!(
        "CREATE TABLE {table} AS SELECT concat_ws(' ', current_setting('default_transaction_read_only'), \
         current_setting('session_replication_role'), current_setting('check_function_bodies'), current_setting('work_mem')) AS text;"
    )
}

/// Migrations that leave settings behind, before others of either mode, which
/// find the session as it came.
#[track_caller]
fn settings_end_with_their_file(metadata: &str, steps: bool, work_mem: &str) {
    let shop = Shop::with(Engine::Postgres, metadata);
    for name in ["1_a", "3_c"] {
        shop.migration(name, LEFT_BEHIND, "SELECT 1;");
        if steps {
            shop.file(name, "metadata.toml", "run_in_transaction = false\n");
        }
    }
    shop.migration("2_b", &look("b"), "SELECT 1;");
    shop.steps("4_d", &look("d"), "SELECT 1;");
    shop.run(&["run"]).ok();
    for table in ["b", "d"] {
        let found = shop.texts(&format!("SELECT text FROM {table}"));
        assert_eq!(found, [format!("off origin on {work_mem}")], "{table}");
    }
    assert_eq!(shop.history(), ["1", "2", "3", "4"]);
}

#[test]
fn settings_that_a_file_leaves_behind_do_not_reach_the_next_migration() {
    settings_end_with_their_file("", false, "4MB");
}

#[test]
fn nor_do_those_of_a_file_outside_a_transaction() {
    settings_end_with_their_file("", true, "4MB");
}

#[test]
fn nor_do_they_where_the_configuration_sets_up_the_session() {
    let setup = "session-setup = [\"SET work_mem = '5MB'\"]";
    settings_end_with_their_file(setup, false, "5MB");
    settings_end_with_their_file(setup, true, "5MB");
}

#[test]
fn a_statement_timeout_of_the_url_or_the_database_stops_no_longer_statement() {
    let by_url = Shop::new(Engine::Postgres);
    // A procedure that commits cannot share a transaction with its record.
    by_url.connect().execute(
        "CREATE PROCEDURE nap() LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.3); COMMIT; END $$",
    );
    by_url.steps("1_a", "CALL nap();", "SELECT 1;");
    let mut command = by_url.command(&["run"]);
    let url = format!(
        "{}?options=-cstatement_timeout%3D1000",
        by_url.postgres().url()
    );
    command
        .env("SHOP_DATABASE_URL", url)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());

    let by_database = Shop::new(Engine::Postgres);
    by_database.steps("1_a", "SELECT pg_sleep(1.3);", "SELECT 1;");
    let name = by_database.postgres().name().to_owned();
    by_database.connect().execute(&format!(
        "ALTER DATABASE {name} SET statement_timeout = 1000"
    ));

    // Both at once: it is the only wait.
    let children = [
        command.spawn().expect("it starts"),
        by_database.start(&["run"]),
    ];
    for (shop, child) in [&by_url, &by_database].into_iter().zip(children) {
        shop.finish(child).ok();
        assert_eq!(shop.history(), ["1"]);
    }
}

/// A proxy before the server that keeps what the client says.
struct Ear {
    url: String,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Ear {
    fn before(shop: &Shop) -> Self {
        let url = shop.postgres().url();
        let (head, place) = url.rsplit_once('@').expect("a user");
        let (server, database) = place.split_once('/').expect("a database");
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        // It ends with the test's process; nothing else waits for it.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(&server).expect("the server is there");
                let clone = |stream: &TcpStream| stream.try_clone().expect("a second handle");
                let kept = Arc::clone(&kept);
                pass(clone(&client), clone(&server), move |bytes| {
                    kept.lock().expect("unpoisoned").extend_from_slice(bytes);
                });
                pass(server, client, |_| {});
            }
        });
        Self {
            // In clear, so that the proxy can read it.
            url: format!("{head}@127.0.0.1:{port}/{database}?sslmode=disable"),
            heard,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().expect("unpoisoned")).into_owned()
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, hear: impl Fn(&[u8]) + Send + 'static) {
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            hear(&buffer[..n]);
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        // The other side may be gone already.
        to.shutdown(Shutdown::Write).ok();
    });
}

/// Every `set_config` of a text: name, value, and whether it is for the session.
fn settings(text: &str) -> Vec<(String, String, bool)> {
    let parse = |call: &str| {
        let (name, rest) = call.split_once("', ").expect("a name");
        let (value, rest) = rest.split_once("', ").expect("a value");
        let value = value.trim_start_matches('E').trim_start_matches('\'');
        (name.to_owned(), value.to_owned(), rest.starts_with("false"))
    };
    text.split("set_config('").skip(1).map(parse).collect()
}

#[test]
fn nothing_is_left_on_the_connection_for_a_poolers_next_client() {
    let shop = Shop::with(Engine::Postgres, "schema = \"x\"");
    let ear = Ear::before(&shop);
    let run = |args: &[&str]| {
        let mut command = shop.command(args);
        command.env("SHOP_DATABASE_URL", &ear.url);
        shop.workspace.finish(command)
    };
    shop.migration("1_a", "CREATE TABLE one (n int);", "DROP TABLE one;");
    shop.migration("2_b", "CREATE TABLE two (n int);", "DROP TABLE two;");
    run(&["run"]).ok();
    run(&["revert"]).ok();
    run(&["run", "--single-transaction"]).ok();
    shop.migration("3_c", "SELECT 1 / 0;", "SELECT 1;");
    run(&["run"]).exits(1);
    let found =
        shop.texts("SELECT schemaname AS text FROM pg_tables WHERE tablename IN ('one', 'two')");
    assert_eq!(found, ["x", "x"]);

    let text = ear.text();
    let all = settings(&text);
    let ours = all
        .iter()
        .filter(|(name, value, _)| name == "search_path" && value.contains('x'));
    assert!(
        ours.clone().count() >= 5,
        "the proxy has heard it all: {all:?}"
    );
    // The session only ever gets back what it came with.
    let came_with = |name: &str| match name {
        "search_path" => "\"$user\", public",
        "role" => "none",
        "lock_timeout" | "statement_timeout" => "0",
        other => panic!("{other} is set for the session"),
    };
    for (name, value, _) in all.iter().filter(|(_, _, session)| *session) {
        assert_eq!(value, came_with(name), "{name}");
    }
    let plain = |line: &&str| line.starts_with("SET ") && !line.starts_with("SET LOCAL ");
    let others: Vec<&str> = text.lines().filter(plain).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(!text.contains("pg_try_advisory_lock"), "no session's lock");
}
