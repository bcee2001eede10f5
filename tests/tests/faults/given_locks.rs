//! Row 8: a migration whose own SQL gives the session's lock away, where the
//! splitter cannot see it, and another runner that takes the lock meanwhile.

use tests::service::{Engine, Shop};
use tests::tally::Tally;
use tests::workspace::eventually;

/// The marks, and a function that frees every lock of the session.
fn freeing(engine: Engine) -> Shop {
    let shop = Shop::with(engine, "lock-timeout = \"0\"");
    let (frees, function) = match engine {
        Engine::Mariadb => (
            "SELECT frees();\n",
            "CREATE FUNCTION frees() RETURNS INT RETURN RELEASE_ALL_LOCKS();\n",
        ),
        Engine::Sqlite | Engine::Postgres => (
            "SELECT frees();\n",
            "CREATE FUNCTION frees() RETURNS void LANGUAGE plpgsql AS $$ BEGIN\n\
             EXECUTE 'SELECT pg_advisory_' || 'unlock_all()'; END $$;\n",
        ),
    };
    shop.migration(
        "0_marks",
        &format!(
            "CREATE TABLE marks (n INTEGER NOT NULL);\nCREATE TABLE gate (n INTEGER);\n{function}"
        ),
        "SELECT 1;\n",
    );
    shop.steps(
        "1_frees",
        &format!(
            "INSERT INTO marks VALUES (1);\n{frees}\
             INSERT INTO marks SELECT 2 FROM (SELECT count(*) FROM gate) waits;\n\
             CREATE TABLE after_it (n INTEGER);\nINSERT INTO marks VALUES (3);\n"
        ),
        "SELECT 1;\n",
    );
    shop.run(&["run", "--to", "0"]).ok();
    shop
}

fn marks(shop: &Shop) -> Vec<String> {
    shop.texts("SELECT concat(n, '') AS text FROM marks ORDER BY n")
}

fn a_lock_given_away(engine: Engine) {
    let mut tally = Tally::new(8, format_args!("{engine}, locks given away"));
    for runners in [1, 2, 4] {
        let shop = freeing(engine);
        let mut gate = shop.connect();
        gate.execute(match engine {
            Engine::Mariadb => "LOCK TABLES gate WRITE",
            Engine::Sqlite | Engine::Postgres => "BEGIN; LOCK TABLE gate IN ACCESS EXCLUSIVE MODE",
        });
        let mut children: Vec<_> = (0..runners).map(|_| shop.start(&["run"])).collect();
        let mut watch = shop.connect();
        // Either somebody waits at the gate, or all have noticed before.
        eventually("the lock is given away, and that is noticed", || {
            let over = children
                .iter_mut()
                .all(|child| child.try_wait().is_ok_and(|ended| ended.is_some()));
            let waiting = watch.texts(match engine {
                Engine::Mariadb => {
                    "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST \
                     WHERE DB = DATABASE() AND STATE LIKE '%metadata lock%'"
                }
                Engine::Sqlite | Engine::Postgres => {
                    "SELECT pid::text AS text FROM pg_locks WHERE NOT granted AND relation = 'gate'::regclass"
                }
            });
            over || !waiting.is_empty()
        });
        tally.add("locks given away");
        gate.execute(match engine {
            Engine::Mariadb => "UNLOCK TABLES",
            Engine::Sqlite | Engine::Postgres => "ROLLBACK",
        });
        for child in children {
            let run = shop.finish(child);
            match run.code {
                Some(0) => tally.add("runners that completed"),
                Some(1) => {
                    let noticed = run.stderr.contains("lock") && run.stderr.contains("help");
                    assert!(noticed, "{}", run.stderr);
                    tally.add("runners that noticed");
                }
                _ => panic!("{run:?}"),
            }
        }
        shop.run(&["run"]).ok();
        assert_eq!(marks(&shop), ["1", "2", "3"], "{engine}, {runners} runners");
        assert_eq!(shop.history(), ["0", "1"]);
    }
    assert!(tally.count("runners that noticed") >= 3);
    tally.finish("locks given away", 3);
}

#[test]
fn a_lock_that_the_file_gave_away_is_missed_before_the_next_statement_on_postgresql() {
    a_lock_given_away(Engine::Postgres);
}

#[test]
fn a_lock_that_the_file_gave_away_is_missed_before_the_next_statement_on_mariadb() {
    a_lock_given_away(Engine::Mariadb);
}
