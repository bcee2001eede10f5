//! Many runners at once on one database: each migration runs once, nobody
//! fails, and the server has seen no deadlock.

use std::fs;
use std::process::{Child, Command, Stdio};

use tests::env::{mariadb_log, postgres_log};
use tests::service::{Engine, Shop};
use tests::tally::{Tally, scaled};
use tests::workspace::{Run, eventually};

const RUNNERS: usize = 64;
const MIGRATIONS: usize = 20;

/// Twenty migrations that each leave one mark, without any key, so that a
/// second run of one would show.
pub(crate) fn marking(shop: &Shop) {
    shop.migration(
        "00_marks",
        "CREATE TABLE marks (n INTEGER NOT NULL);\nINSERT INTO marks VALUES (0);",
        "DROP TABLE marks;",
    );
    for n in 1..MIGRATIONS {
        let up = match n % 3 {
            0 => format!("CREATE INDEX marks_{n} ON marks (n);"),
            1 => format!("CREATE TABLE t{n} (id INTEGER PRIMARY KEY);"),
            _ => format!("ALTER TABLE marks ADD COLUMN c{n} INTEGER;"),
        };
        shop.migration(
            &format!("{n:02}_mark"),
            &format!("INSERT INTO marks (n) VALUES ({n});\n{up}"),
            &format!("DELETE FROM marks WHERE n = {n};"),
        );
    }
}

/// Indexes that PostgreSQL builds while others write: outside a transaction,
/// in the middle of the set and at its end.
pub(crate) fn concurrent_indexes(shop: &Shop) {
    for (name, index) in [
        ("055_first", "first"),
        ("12x_middle", "middle"),
        ("99_last", "last"),
    ] {
        shop.steps(
            name,
            &format!(
                "CREATE INDEX CONCURRENTLY marks_{index} ON marks (n);\n\
                 INSERT INTO marks (n) VALUES (100);\n\
                 DELETE FROM marks WHERE n = 100;\n\
                 CREATE INDEX CONCURRENTLY marks_{index}_desc ON marks (n DESC);"
            ),
            &format!("DROP INDEX CONCURRENTLY marks_{index};\nDROP INDEX CONCURRENTLY marks_{index}_desc;"),
        );
    }
}

/// `command`, held until its standard input is closed.
fn held(command: &Command) -> Command {
    let mut held = Command::new("sh");
    held.args(["-c", "read _; exec \"$0\" \"$@\" </dev/null"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => held.env(name, value),
            None => held.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        held.current_dir(directory);
    }
    held.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    held
}

/// Starts the command `runners` times, lets all begin at once, and expects
/// success of each.
pub(crate) fn race(shop: &Shop, runners: usize, command: &Command) -> Vec<Run> {
    let mut children: Vec<Child> = (0..runners)
        .map(|_| held(command).spawn().expect("a shell starts"))
        .collect();
    for child in &mut children {
        drop(child.stdin.take());
    }
    // Whoever fills its pipe while we wait for another one has said too much.
    children
        .into_iter()
        .map(|child| shop.finish(child).ok())
        .collect()
}

/// What there is to compare with: an undisturbed run's schema.
fn oracle(shop: &Shop, undisturbed: &Shop) {
    assert_eq!(shop.history(), undisturbed.history());
    let name = |shop: &Shop| match shop.engine {
        Engine::Sqlite => String::new(),
        Engine::Postgres => shop.postgres().name().to_owned(),
        Engine::Mariadb => shop.mariadb().name().to_owned(),
    };
    let schema = |shop: &Shop| match name(shop) {
        name if name.is_empty() => shop.schema(),
        name => shop.schema().replace(&name, "the_database"),
    };
    assert_eq!(schema(shop), schema(undisturbed));
}

/// Each mark once, each migration recorded once, and nothing left over.
#[track_caller]
pub(crate) fn each_ran_once(shop: &Shop) {
    let mut marks: Vec<usize> = shop
        .texts("SELECT concat(n, '') AS text FROM marks")
        .iter()
        .map(|mark| mark.parse().expect("a number"))
        .collect();
    marks.sort_unstable();
    assert_eq!(marks, (0..MIGRATIONS).collect::<Vec<_>>());
    let done = shop.texts(
        "SELECT version AS text FROM __migrate_journal WHERE state = 'done' AND direction = 'up' ORDER BY version",
    );
    assert_eq!(done, shop.history());
    let others = shop.texts("SELECT version AS text FROM __migrate_journal WHERE state <> 'done'");
    assert!(others.is_empty(), "{others:?}");
    shop.run(&["status", "--exit-code"]).ok();
}

/// The lines of the server's log that tell of a deadlock in this database.
fn deadlocks(shop: &Shop) -> Vec<String> {
    let (log, of_ours): (_, fn(&str, &str) -> bool) = match shop.engine {
        Engine::Sqlite => return Vec::new(),
        Engine::Postgres => (postgres_log(), |line, name| {
            line.contains(&format!(" {name} 40P01 "))
        }),
        // It names the table whose row or lock is waited for.
        Engine::Mariadb => (mariadb_log(), |line, name| {
            line.contains(&format!("`{name}`.`"))
        }),
    };
    let name = match shop.engine {
        Engine::Mariadb => shop.mariadb().name(),
        Engine::Sqlite | Engine::Postgres => shop.postgres().name(),
    };
    let text = fs::read(log).expect("the server's log");
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .filter(|line| of_ours(line, name))
        .map(str::to_owned)
        .collect()
}

/// Expects that nobody holds a lock of ours, and that no index is half built.
#[track_caller]
pub(crate) fn nothing_is_left(shop: &Shop) {
    if shop.engine == Engine::Postgres {
        let invalid = shop
            .texts("SELECT indexrelid::regclass::text AS text FROM pg_index WHERE NOT indisvalid");
        assert!(invalid.is_empty(), "{invalid:?}");
        let locks = shop.texts(
            "SELECT pid::text AS text FROM pg_locks WHERE locktype = 'advisory' \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
        assert!(locks.is_empty(), "a lock was left behind: {locks:?}");
    }
}

/// Rounds of a race on databases of their own; `prepare` writes the set.
fn rounds(row: u8, engine: Engine, rounds: usize, prepare: fn(&Shop)) {
    let mut tally = Tally::new(row, engine);
    let undisturbed = Shop::new(engine);
    prepare(&undisturbed);
    undisturbed.run(&["run"]).ok();
    for _ in 0..scaled(rounds) {
        let shop = Shop::new(engine);
        prepare(&shop);
        let runs = race(&shop, RUNNERS, &shop.command(&["run"]));
        each_ran_once(&shop);
        oracle(&shop, &undisturbed);
        assert_eq!(deadlocks(&shop), [""; 0]);
        nothing_is_left(&shop);
        let applied: Vec<usize> = runs
            .iter()
            .map(|run| run.stderr.matches("Applied shop").count())
            .collect();
        assert_eq!(
            applied.iter().sum::<usize>(),
            shop.history().len(),
            "what runners say they did adds up"
        );
        tally.add("rounds");
        tally.add_many("runners", runs.len());
        tally.add_many(
            "runners that applied something",
            applied.iter().filter(|n| **n > 0).count(),
        );
    }
    tally.finish("runners", scaled(rounds) * RUNNERS);
}

#[test]
fn sixty_four_runners_apply_each_of_twenty_migrations_once_on_postgresql() {
    rounds(1, Engine::Postgres, 5, marking);
}

#[test]
fn sixty_four_runners_apply_each_of_twenty_migrations_once_on_mariadb() {
    rounds(1, Engine::Mariadb, 3, marking);
}

#[test]
fn sixty_four_runners_apply_each_of_twenty_migrations_once_on_sqlite() {
    rounds(1, Engine::Sqlite, 3, marking);
}

#[test]
fn sixty_four_runners_build_indexes_concurrently_without_a_deadlock() {
    rounds(2, Engine::Postgres, 5, |shop| {
        marking(shop);
        concurrent_indexes(shop);
    });
}

#[test]
fn a_deadlock_would_be_found_in_the_servers_log() {
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let shop = Shop::new(engine);
        let mut one = shop.connect();
        one.execute("CREATE TABLE a (n INTEGER PRIMARY KEY)");
        one.execute("INSERT INTO a VALUES (1), (2)");
        let mut other = shop.connect();
        one.execute("BEGIN; UPDATE a SET n = 11 WHERE n = 1");
        other.execute("BEGIN; UPDATE a SET n = 22 WHERE n = 2");
        assert_eq!(deadlocks(&shop), [""; 0]);
        // Whichever the server chooses, one of both fails.
        let crossing =
            std::thread::spawn(move || other.try_execute("UPDATE a SET n = 12 WHERE n = 1"));
        let mine = one.try_execute("UPDATE a SET n = 21 WHERE n = 2");
        drop(one);
        let theirs = crossing.join().expect("no panic");
        assert!(mine.is_err() != theirs.is_err(), "{mine:?} {theirs:?}");
        eventually("the deadlock is in the log", || {
            !deadlocks(&shop).is_empty()
        });
    }
}
