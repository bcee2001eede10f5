//! Row 11: an ALTER that has to wait for a long reader, while the application
//! reads and writes the same table. The application waits no longer than the
//! lock timeout; without our timeout it waits as long as the reader takes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tests::service::{Engine, Link, Shop};
use tests::tally::Tally;
use tests::workspace::eventually;

/// How long the reader keeps its transaction open.
const READER: Duration = Duration::from_secs(6);
/// Between two statements of the application, as its own work would be.
const PACE: Duration = Duration::from_millis(2);
/// What the promise grants beyond the timeout.
const GRACE: Duration = Duration::from_millis(100);

/// The application's worst waits during one ALTER.
#[derive(Debug, Clone, Copy)]
struct Waits {
    /// On the table that is altered.
    altered: Duration,
    /// On another one, in the same seconds: what the machine makes wait.
    machine: Duration,
    statements: usize,
    /// Of the whole run.
    run: Duration,
}

/// A session of the application's, at one statement again and again.
struct Client<'a> {
    sql: &'a str,
    link: Link,
}

impl Client<'_> {
    /// Works until `stop`; the worst wait.
    fn work(mut self, stop: &AtomicBool, statements: &AtomicUsize) -> Duration {
        let mut worst = Duration::ZERO;
        while !stop.load(Ordering::Relaxed) {
            let began = Instant::now();
            self.link.execute(self.sql);
            worst = worst.max(began.elapsed());
            statements.fetch_add(1, Ordering::Relaxed);
            thread::sleep(PACE);
        }
        worst
    }
}

fn reading(engine: Engine) -> (String, &'static str) {
    let seconds = READER.as_secs();
    match engine {
        Engine::Mariadb => (
            format!("BEGIN; SELECT count(*) FROM items; DO SLEEP({seconds}); COMMIT"),
            "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE = 'User sleep'",
        ),
        Engine::Postgres | Engine::Sqlite => (
            format!("BEGIN; SELECT count(*) FROM items; SELECT pg_sleep({seconds}); COMMIT"),
            "SELECT pid::text AS text FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
        ),
    }
}

/// Has `lock_timeout` configured, and measures one ALTER under it.
fn alter(engine: Engine, lock_timeout: &str) -> Waits {
    let shop = Shop::with(engine, lock_timeout);
    shop.migration(
        "1_items",
        "CREATE TABLE items (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);\n\
         INSERT INTO items VALUES (1, 0), (2, 0);\n\
         CREATE TABLE others (id INTEGER PRIMARY KEY, n INTEGER NOT NULL);\n\
         INSERT INTO others VALUES (1, 0), (2, 0);",
        "DROP TABLE items; DROP TABLE others;",
    );
    shop.run(&["run"]).ok();
    shop.migration(
        "2_note",
        "ALTER TABLE items ADD COLUMN note TEXT;",
        "ALTER TABLE items DROP COLUMN note;",
    );
    let (reading, is_reading) = reading(engine);
    let client = |sql| Client {
        sql,
        link: shop.connect(),
    };
    let (stop, statements) = (AtomicBool::new(false), AtomicUsize::new(0));
    let waits = thread::scope(|scope| {
        let mut reader = shop.connect();
        let reader = scope.spawn(move || reader.execute(&reading));
        eventually("the reader reads", || !shop.texts(is_reading).is_empty());
        let (stop, statements) = (&stop, &statements);
        let at_work = |sql| {
            let client = client(sql);
            scope.spawn(move || client.work(stop, statements))
        };
        let altered = [
            at_work("SELECT n FROM items WHERE id = 1"),
            at_work("UPDATE items SET n = n + 1 WHERE id = 2"),
        ];
        let machine = [
            at_work("SELECT n FROM others WHERE id = 1"),
            at_work("UPDATE others SET n = n + 1 WHERE id = 2"),
        ];
        let began = Instant::now();
        let run = shop.finish(shop.start(&["run"]));
        let took = began.elapsed();
        stop.store(true, Ordering::Relaxed);
        reader.join().expect("the reader reads to its end");
        let worst = |clients: [thread::ScopedJoinHandle<'_, Duration>; 2]| {
            let waits = clients.map(|client| client.join().expect("no statement fails"));
            waits[0].max(waits[1])
        };
        let waits = Waits {
            altered: worst(altered),
            machine: worst(machine),
            statements: statements.load(Ordering::Relaxed),
            run: took,
        };
        run.ok();
        waits
    });
    assert_eq!(shop.history(), ["1", "2"]);
    assert!(
        waits.run >= Duration::from_secs(3),
        "the reader was not in the way: {waits:?}"
    );
    waits
}

/// What is configured, and how long that lets the application wait.
fn timeouts(engine: Engine) -> [(&'static str, Duration); 2] {
    match engine {
        // It knows whole seconds.
        Engine::Mariadb => [
            ("lock-timeout = \"1s\"", Duration::from_secs(1)),
            ("", Duration::from_secs(2)),
        ],
        Engine::Postgres | Engine::Sqlite => [
            ("lock-timeout = \"250ms\"", Duration::from_millis(250)),
            ("", Duration::from_secs(2)),
        ],
    }
}

/// What was measured, in words, and how many statements the application ran.
fn compare(engine: Engine) -> (Vec<String>, usize) {
    let without = alter(engine, "lock-timeout = \"0\"");
    assert!(
        without.altered >= Duration::from_secs(4),
        "without a timeout the application waits for the reader: {without:?}"
    );
    let mut notes = Vec::new();
    let mut statements = without.statements;
    for (configured, timeout) in timeouts(engine) {
        let with = alter(engine, configured);
        notes.push(format!(
            "{engine}: worst wait {} ms at a lock timeout of {} ms, {} ms without one (the machine's own: {} ms)",
            with.altered.as_millis(),
            timeout.as_millis(),
            without.altered.as_millis(),
            with.machine.as_millis()
        ));
        statements += with.statements;
        // A machine that is not quiet makes the table next to it wait, too.
        assert!(
            with.altered <= timeout + GRACE + with.machine,
            "the application waited too long: {with:?}"
        );
    }
    (notes, statements)
}

#[test]
fn an_alter_that_waits_for_a_reader_lets_the_application_go_first() {
    let mut tally = Tally::alone(11, "PostgreSQL and MariaDB");
    // They hardly do anything but wait: each is quiet enough for the other.
    let compared = thread::scope(|scope| {
        let both = [Engine::Postgres, Engine::Mariadb];
        let compared = both.map(|engine| scope.spawn(move || compare(engine)));
        compared.map(|engine| engine.join().expect("the application goes first"))
    });
    for (notes, statements) in compared {
        tally.add_many("statements of the application", statements);
        notes.into_iter().for_each(|note| tally.note(note));
    }
    tally.finish("statements of the application", 2000);
}
