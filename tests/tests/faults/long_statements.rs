//! Runners killed during a long statement, which the server may go on with:
//! nobody starts it a second time while the first one still runs. The
//! statement itself tells, outside of any transaction, that it has been
//! started and whether another one was at it.

use tests::service::{Engine, Link, Shop};
use tests::tally::{Tally, scaled};
use tests::workspace::eventually;

use crate::racing::race;

/// How many runners find the killed one's orphan at work.
const SUCCESSORS: usize = 3;
const ROUNDS: usize = 2;

/// In seconds: shorter and longer than a server needs to notice that nobody
/// waits for the answer.
const LENGTHS: [u32; 2] = [1, 3];

/// A way to run the long statement.
struct Way {
    name: &'static str,
    args: &'static [&'static str],
    set: fn(&Shop, &str),
}

/// A set whose second migration holds the long statement.
fn prepare(shop: &Shop) {
    shop.migration(
        "1_marks",
        match shop.engine {
            Engine::Sqlite => panic!("its statements end with the runner"),
            Engine::Postgres => {
                "CREATE TABLE marks (n INTEGER NOT NULL);\n\
                 CREATE SEQUENCE starts;\nCREATE SEQUENCE crossings;\n\
                 CREATE FUNCTION long(seconds INTEGER) RETURNS INTEGER LANGUAGE plpgsql AS $$\n\
                 BEGIN\n  PERFORM nextval('starts');\n\
                 IF NOT pg_try_advisory_xact_lock(5) THEN PERFORM nextval('crossings'); END IF;\n\
                 PERFORM pg_sleep(seconds);\n  RETURN 1;\nEND $$;\n"
            }
            // Its locks are the whole server's.
            Engine::Mariadb => {
                "CREATE TABLE marks (n INTEGER NOT NULL);\n\
                 CREATE TABLE starts (overlapped INTEGER) ENGINE = MyISAM;\n\
                 DELIMITER //\n\
                 CREATE FUNCTION begun() RETURNS INTEGER\nBEGIN\n\
                   DECLARE name VARCHAR(64) DEFAULT CONCAT('long ', DATABASE());\n\
                   INSERT INTO starts VALUES (COALESCE(IS_USED_LOCK(name) <> CONNECTION_ID(), 0));\n\
                   RETURN GET_LOCK(name, 0);\nEND //\n\
                 CREATE PROCEDURE lasting(IN mark INTEGER, IN seconds INTEGER)\nBEGIN\n\
                   DO begun();\n  DO SLEEP(seconds);\n  INSERT INTO marks VALUES (mark);\nEND //\n\
                 DELIMITER ;\n"
            }
        },
        "",
    );
    shop.run(&["run"]).ok();
}

fn starts(link: &mut Link) -> usize {
    let sql = match link {
        Link::Mariadb(_) => "SELECT CAST(COUNT(*) AS CHAR) AS text FROM starts",
        Link::Postgres(_) | Link::Sqlite(_) => {
            "SELECT CASE WHEN is_called THEN last_value ELSE 0 END::text AS text FROM starts"
        }
    };
    link.texts(sql)[0].parse().expect("a number")
}

fn overlaps(link: &mut Link) -> usize {
    let sql = match link {
        Link::Mariadb(_) => "SELECT CAST(COALESCE(SUM(overlapped), 0) AS CHAR) AS text FROM starts",
        Link::Postgres(_) | Link::Sqlite(_) => {
            "SELECT CASE WHEN is_called THEN last_value ELSE 0 END::text AS text FROM crossings"
        }
    };
    link.texts(sql)[0].parse().expect("a number")
}

fn marks(link: &mut Link) -> Vec<String> {
    link.texts("SELECT concat(n, '') AS text FROM marks ORDER BY n")
}

/// Kills a runner at the long statement; its successors begin at once.
fn killed(engine: Engine, ways: &[Way]) {
    let mut tally = Tally::new(5, engine);
    let rounds = scaled(ROUNDS);
    for way in ways {
        for round in 0..rounds {
            let length = LENGTHS[round % LENGTHS.len()];
            let shop = Shop::with(engine, "lock-timeout = \"0\"");
            prepare(&shop);
            (way.set)(&shop, &length.to_string());
            let mut link = shop.connect();
            let mut child = shop.start(way.args);
            eventually("the long statement has begun", || starts(&mut link) == 1);
            child.kill().expect("killed");
            child.wait().expect("gone");
            tally.add("kills");
            let runs = race(&shop, SUCCESSORS, &shop.command(way.args));
            tally.add_many("successors", runs.len());
            let context = format!("{engine}, {}, {length} s", way.name);
            assert_eq!(overlaps(&mut link), 0, "{context}");
            assert_eq!(marks(&mut link), ["1", "2", "3"], "{context}");
            assert_eq!(shop.history(), ["1", "2", "3"], "{context}");
            match starts(&mut link) {
                1 => tally.add("orphans that finished"),
                2 => tally.add("statements begun again"),
                n => panic!("{context}: begun {n} times"),
            }
        }
    }
    tally.finish("kills", ways.len() * rounds);
}

fn in_a_transaction(shop: &Shop, seconds: &str) {
    shop.migration(
        "2_long",
        &format!("INSERT INTO marks VALUES (1);\nINSERT INTO marks SELECT long({seconds}) + 1;\n"),
        "",
    );
    shop.migration("3_last", "INSERT INTO marks VALUES (3);", "");
}

fn by_steps(shop: &Shop, seconds: &str) {
    shop.steps(
        "2_long",
        &format!("INSERT INTO marks VALUES (1);\nINSERT INTO marks SELECT long({seconds}) + 1;\n"),
        "",
    );
    shop.migration("3_last", "INSERT INTO marks VALUES (3);", "");
}

/// A statement that has no transaction of ours around it.
fn alone(shop: &Shop, seconds: &str) {
    shop.steps(
        "2_long",
        &format!(
            "INSERT INTO marks VALUES (1);\nVACUUM marks;\n\
             CREATE TABLE slow AS SELECT long({seconds}) AS n;\nINSERT INTO marks VALUES (2);\n"
        ),
        "",
    );
    shop.migration("3_last", "INSERT INTO marks VALUES (3);", "");
}

#[test]
fn no_statement_is_begun_again_while_a_killed_runners_is_at_work_on_postgresql() {
    killed(
        Engine::Postgres,
        &[
            Way {
                name: "in a transaction",
                args: &["run"],
                set: in_a_transaction,
            },
            Way {
                name: "in a single transaction",
                args: &["run", "--single-transaction"],
                set: in_a_transaction,
            },
            Way {
                name: "by steps",
                args: &["run"],
                set: by_steps,
            },
            Way {
                name: "alone",
                args: &["run"],
                set: alone,
            },
        ],
    );
}

#[test]
fn no_statement_is_begun_again_while_a_killed_runners_is_at_work_on_mariadb() {
    killed(
        Engine::Mariadb,
        &[
            Way {
                name: "rows",
                args: &["run"],
                set: |shop, seconds| {
                    shop.migration(
                        "2_long",
                        &format!(
                            "INSERT INTO marks VALUES (1);\n\
                             INSERT INTO marks SELECT 2 FROM (SELECT begun() AS a, SLEEP({seconds}) AS b) AS long_one;\n"
                        ),
                        "",
                    );
                    shop.migration("3_last", "INSERT INTO marks VALUES (3);", "");
                },
            },
            Way {
                name: "a table",
                args: &["run"],
                set: |shop, seconds| {
                    shop.migration(
                        "2_long",
                        &format!(
                            "INSERT INTO marks VALUES (1);\n\
                             CREATE TABLE slow AS SELECT 2 AS n FROM (SELECT begun() AS a, SLEEP({seconds}) AS b) AS long_one;\n\
                             INSERT INTO marks SELECT n FROM slow;\n"
                        ),
                        "",
                    );
                    shop.migration("3_last", "INSERT INTO marks VALUES (3);", "");
                },
            },
        ],
    );
}

#[test]
fn a_call_that_a_killed_runner_began_has_ended_before_anybody_asks_about_it() {
    let mut tally = Tally::new(5, "MariaDB, a call");
    for round in 0..scaled(ROUNDS) {
        let shop = Shop::new(Engine::Mariadb);
        prepare(&shop);
        let length = LENGTHS[round % LENGTHS.len()];
        shop.migration("2_long", &format!("CALL lasting(1, {length});"), "");
        let mut link = shop.connect();
        let mut child = shop.start(&["run"]);
        eventually("the call has begun", || starts(&mut link) == 1);
        child.kill().expect("killed");
        child.wait().expect("gone");
        tally.add("kills");
        let next = shop.run(&["run"]);
        // Whoever looks now looks at what has come of it.
        assert_eq!(marks(&mut link), ["1"]);
        if next.code == Some(7) {
            next.says(&["in doubt", "cargo migrate resolve 2"]);
            shop.run(&["resolve", "2", "--step", "1", "--done"]).ok();
            shop.run(&["run"]).ok();
            tally.add("resolves");
        } else {
            // The orphan had been given what records the call, too.
            next.ok();
            tally.add("orphans that finished");
        }
        assert_eq!((starts(&mut link), overlaps(&mut link)), (1, 0));
        assert_eq!(marks(&mut link), ["1"]);
        assert_eq!(shop.history(), ["1", "2"]);
    }
    tally.finish("kills", scaled(ROUNDS));
}

/// Sessions that work on a statement of this beginning.
fn at_work(link: &mut Link, statement: &str) -> usize {
    let sql = match link {
        Link::Mariadb(_) => format!(
            "SELECT CAST(ID AS CHAR) AS text FROM information_schema.PROCESSLIST \
             WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND INFO LIKE '{statement}%'"
        ),
        Link::Postgres(_) | Link::Sqlite(_) => format!(
            "SELECT pid::text AS text FROM pg_stat_activity WHERE datname = current_database() \
             AND state = 'active' AND pid <> pg_backend_pid() AND query LIKE '{statement}%'"
        ),
    };
    link.texts(&sql).len()
}

#[test]
fn an_alter_that_waits_for_a_reader_is_not_begun_again_when_its_runner_is_killed() {
    let mut tally = Tally::new(5, "MariaDB, ALTER TABLE");
    for _ in 0..scaled(ROUNDS) {
        let shop = Shop::with(Engine::Mariadb, "lock-timeout = \"0\"");
        prepare(&shop);
        shop.migration(
            "2_long",
            "INSERT INTO marks VALUES (1);\nALTER TABLE marks ADD COLUMN note TEXT;\nINSERT INTO marks (n) VALUES (2);\n",
            "",
        );
        let mut reader = shop.connect();
        reader.execute("BEGIN; SELECT n FROM marks");
        let mut link = shop.connect();
        let mut child = shop.start(&["run"]);
        eventually("the ALTER waits", || at_work(&mut link, "ALTER") == 1);
        child.kill().expect("killed");
        child.wait().expect("gone");
        tally.add("kills");
        let successors: Vec<_> = (0..SUCCESSORS).map(|_| shop.start(&["run"])).collect();
        // It is the lock that they wait for, and the orphan still has it.
        eventually("its successors wait", || {
            assert!(at_work(&mut link, "ALTER") == 1);
            at_work(&mut link, "%GET_LOCK") == SUCCESSORS
        });
        assert_eq!(at_work(&mut link, "ALTER"), 1);
        reader.execute("COMMIT");
        for successor in successors {
            shop.finish(successor).ok();
        }
        assert_eq!(marks(&mut link), ["1", "2"]);
        assert_eq!(shop.history(), ["1", "2"]);
    }
    tally.finish("kills", scaled(ROUNDS));
}

#[test]
fn an_index_that_a_killed_runner_builds_is_never_built_twice_at_once() {
    let mut tally = Tally::new(5, "PostgreSQL, CREATE INDEX CONCURRENTLY");
    for _ in 0..scaled(ROUNDS) {
        let shop = Shop::new(Engine::Postgres);
        prepare(&shop);
        shop.steps(
            "2_long",
            "CREATE INDEX CONCURRENTLY marks_n ON marks (n);\nINSERT INTO marks VALUES (1);\n",
            "",
        );
        let mut writer = shop.connect();
        writer.execute("BEGIN; INSERT INTO marks VALUES (0)");
        let mut link = shop.connect();
        let mut child = shop.start(&["run"]);
        let build = "CREATE INDEX CONCURRENTLY";
        eventually("the build waits", || at_work(&mut link, build) == 1);
        let orphan = link.texts(&format!(
            "SELECT pid::text AS text FROM pg_stat_activity \
             WHERE datname = current_database() AND query LIKE '{build}%'"
        ));
        child.kill().expect("killed");
        child.wait().expect("gone");
        tally.add("kills");
        let successors: Vec<_> = (0..SUCCESSORS).map(|_| shop.start(&["run"])).collect();
        // The server notices within seconds that nobody waits for the answer.
        eventually("the orphan is gone", || {
            assert!(at_work(&mut link, build) <= 1);
            link.texts(&format!(
                "SELECT pid::text AS text FROM pg_stat_activity WHERE pid = {}",
                orphan[0]
            ))
            .is_empty()
        });
        writer.execute("COMMIT");
        for successor in successors {
            shop.finish(successor).ok();
        }
        let invalid =
            "SELECT indexrelid::regclass::text AS text FROM pg_index WHERE NOT indisvalid";
        assert!(link.texts(invalid).is_empty());
        assert_eq!(marks(&mut link), ["0", "1"]);
        assert_eq!(shop.history(), ["1", "2"]);
    }
    tally.finish("kills", scaled(ROUNDS));
}

#[test]
fn a_second_start_would_be_seen() {
    for (engine, statement) in [
        (Engine::Postgres, "SELECT long(1)"),
        (Engine::Mariadb, "CALL lasting(1, 1)"),
    ] {
        let shop = Shop::new(engine);
        prepare(&shop);
        let mut link = shop.connect();
        let mut first = shop.connect();
        let at_it = std::thread::spawn(move || first.execute(statement));
        eventually("the first has begun", || starts(&mut link) == 1);
        shop.connect().execute(statement);
        at_it.join().expect("no panic");
        assert_eq!((starts(&mut link), overlaps(&mut link)), (2, 1));
    }
}
