//! The application holds what a migration needs: how long it is tried, whom the
//! error names, and what sort of error a server's code makes it, whatever
//! language the server speaks.

use std::thread;

use tests::workspace::eventually;

use tests::service::{Engine, Shop};

/// Few and short tries, so that a test need not wait for seven minutes.
const IMPATIENT: &str = "lock-timeout = \"300ms\"\nlock-tries = 2";

/// A shop whose table `busy` a session of the application holds, and that
/// session's number.
fn busy(engine: Engine, up: &str, steps: bool) -> (Shop, tests::service::Link, String) {
    let shop = Shop::with(engine, IMPATIENT);
    shop.migration("1_a", "CREATE TABLE busy (n int);", "DROP TABLE busy;");
    shop.run(&["run"]).ok();
    shop.migration("2_b", up, "SELECT 1;");
    if steps {
        shop.file("2_b", "metadata.toml", "run_in_transaction = false\n");
    }
    let mut till = shop.connect();
    let session = match engine {
        Engine::Mariadb => {
            till.execute("BEGIN; INSERT INTO busy VALUES (1)");
            till.texts("SELECT concat(CONNECTION_ID(), '') AS text")
        }
        Engine::Postgres | Engine::Sqlite => {
            till.execute(
                "SET application_name = 'till'; BEGIN; LOCK TABLE busy IN ACCESS SHARE MODE",
            );
            till.texts("SELECT pg_backend_pid()::text AS text")
        }
    };
    (shop, till, session.concat())
}

#[test]
fn on_giving_up_whoever_is_in_the_way_is_named() {
    for (up, steps, args) in [
        ("ALTER TABLE busy ADD COLUMN a int;", false, &["run"][..]),
        (
            "ALTER TABLE busy ADD COLUMN a int;",
            false,
            &["run", "--single-transaction"],
        ),
        ("ALTER TABLE busy ADD COLUMN a int;", true, &["run"]),
        ("VACUUM FULL busy;", true, &["run"]),
    ] {
        let (shop, mut till, pid) = busy(Engine::Postgres, up, steps);
        shop.run(args).exits(1).says(&[
            "migration 2_b stopped at statement 1 of 1",
            "gave up after 2 tries in ",
            &format!("in the way: pid {pid}, till, user "),
            "idle in transaction holds AccessShareLock on busy",
            "in a transaction since ",
            &format!("SELECT pg_terminate_backend({pid})"),
            "lock-tries",
        ]);
        let failed = shop.texts(
            "SELECT state || ' ' || error AS text FROM __migrate_journal WHERE version = '2'",
        );
        assert_eq!(failed.len(), 1, "{up}");
        assert!(
            failed[0].starts_with("failed gave up after 2 tries"),
            "{failed:?}"
        );
        till.execute("COMMIT");
        shop.run(args).ok();
        assert_eq!(shop.history(), ["1", "2"], "{up}");
    }
}

#[test]
fn so_it_is_on_mariadb() {
    let (shop, mut till, id) = busy(Engine::Mariadb, "ALTER TABLE busy ADD COLUMN a int;", false);
    shop.run(&["run"]).exits(1).says(&[
        "gave up after 2 tries in ",
        &format!(
            "may be in the way (the server does not show its metadata locks): connection {id}, "
        ),
        "in a transaction since ",
        "`INSTALL SONAME 'metadata_lock_info'` makes the server show who holds what",
    ]);
    let failed = shop.texts(
        "SELECT concat(state, ' ', error) AS text FROM __migrate_journal WHERE version = '2'",
    );
    assert!(
        failed[0].starts_with("failed gave up after 2 tries"),
        "{failed:?}"
    );
    till.execute("COMMIT");
    shop.run(&["run"]).ok();
    assert_eq!(shop.history(), ["1", "2"]);
}

#[test]
fn on_mariadb_nobody_is_to_be_ended_on_a_guess_and_locked_tables_are_told_of() {
    let (shop, mut till, _) = busy(Engine::Mariadb, "ALTER TABLE busy ADD COLUMN a int;", false);
    till.execute("COMMIT; CREATE TABLE elsewhere (n int); BEGIN; INSERT INTO elsewhere VALUES (1)");
    let mut locker = shop.connect();
    let id = locker
        .texts("SELECT concat(CONNECTION_ID(), '') AS text")
        .concat();
    locker.execute("LOCK TABLES busy READ");
    shop.run(&["run"])
        .exits(1)
        .says(&[&format!("metadata locks): connection {id}, ")])
        .never_says(&["KILL"]);
    locker.execute("UNLOCK TABLES");
    shop.run(&["run"]).ok();
}

#[test]
fn on_postgres_a_table_of_a_columns_name_makes_nobody_a_blocker() {
    for steps in [false, true] {
        let up = "ALTER TABLE busy ADD COLUMN innocent int;";
        let (shop, mut till, pid) = busy(Engine::Postgres, up, steps);
        let mut other = shop.connect();
        other.execute("CREATE TABLE innocent ()");
        other.execute("SET application_name = 'bystander'; BEGIN; LOCK TABLE innocent");
        shop.run(&["run"])
            .exits(1)
            .says(&[
                &format!("in the way: pid {pid}, till, "),
                &format!("SELECT pg_terminate_backend({pid})"),
            ])
            .never_says(&["bystander", "may be in the way"]);

        // One try alone nobody has watched.
        let manifest = shop.workspace.path("services/shop/Cargo.toml");
        let text = std::fs::read_to_string(&manifest).expect("a manifest");
        std::fs::write(&manifest, text.replace("lock-tries = 2", "lock-tries = 1"))
            .expect("written");
        shop.run(&["run"])
            .exits(1)
            .says(&[
                &format!("may be in the way: pid {pid}, till, "),
                "bystander",
            ])
            .never_says(&["pg_terminate_backend"]);
        till.execute("COMMIT");
        shop.run(&["run"]).ok();
    }
}

#[test]
fn of_the_query_of_whoever_is_in_the_way_no_value_is_told() {
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let (shop, mut till, _) = busy(engine, "ALTER TABLE busy ADD COLUMN a int;", false);
        till.execute("COMMIT");
        let nap = match engine {
            Engine::Mariadb => "SELECT SLEEP(60), 'hunter2', n FROM busy /* hunter2 */",
            Engine::Postgres | Engine::Sqlite => {
                "SELECT pg_sleep(60), 'hunter2', n FROM busy -- hunter2"
            }
        };
        till.execute("INSERT INTO busy VALUES (1)");
        let told = thread::scope(|scope| {
            scope.spawn(|| till.try_execute(nap));
            let (sql, end) = match engine {
                Engine::Mariadb => (
                    "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST \
                     WHERE INFO LIKE 'SELECT SLEEP(60)%' AND DB = DATABASE()",
                    "KILL",
                ),
                Engine::Postgres | Engine::Sqlite => (
                    "SELECT '(' || pid || ')' AS text FROM pg_stat_activity \
                     WHERE query LIKE 'SELECT pg_sleep(60)%' AND datname = current_database()",
                    "SELECT pg_terminate_backend",
                ),
            };
            eventually("the application is at it", || !shop.texts(sql).is_empty());
            let told = shop.run(&["run"]);
            shop.connect()
                .execute(&format!("{end} {}", shop.texts(sql).concat()));
            told
        });
        told.exits(1)
            .says(&["in the way", "its query: SELECT ", "(…), …, n FROM busy"])
            .never_says(&["hunter2"]);
    }
}

#[test]
fn a_migrations_own_timeouts_come_before_the_configured_ones() {
    for engine in [Engine::Postgres, Engine::Mariadb] {
        // Without its own, this would wait for ever.
        let (shop, mut till, _) = busy(engine, "ALTER TABLE busy ADD COLUMN a int;", false);
        let manifest = shop.workspace.path("services/shop/Cargo.toml");
        let text = std::fs::read_to_string(&manifest).expect("a manifest");
        std::fs::write(&manifest, text.replace("300ms", "0")).expect("written");
        shop.file(
            "2_b",
            "metadata.toml",
            "run_in_transaction = true\nlock_timeout = \"250ms\"\n",
        );
        shop.run(&["run"]).exits(1).says(&["gave up after 2 tries"]);
        till.execute("COMMIT");
        shop.run(&["run"]).ok();

        let nap = match engine {
            Engine::Mariadb => "INSERT INTO busy (n) SELECT SLEEP(30);",
            Engine::Postgres | Engine::Sqlite => "INSERT INTO busy (n) SELECT 1 FROM pg_sleep(30);",
        };
        shop.migration("3_c", nap, "SELECT 1;");
        shop.file(
            "3_c",
            "metadata.toml",
            "run_in_transaction = true\nstatement_timeout = \"300ms\"\n",
        );
        shop.run(&["run"]).exits(1).says(&[
            "migration 3_c stopped at statement 1",
            "raise `statement-timeout`",
        ]);
        assert_eq!(shop.history(), ["1", "2"], "{engine}");
    }
}

/// An error with a code of the server's and words of nobody's.
const RAISES: &str = "CREATE FUNCTION raises(state text) RETURNS void LANGUAGE plpgsql AS \
    $$ BEGIN RAISE EXCEPTION 'xyzzy' USING ERRCODE = state; END $$";

#[test]
fn what_to_do_goes_by_the_code_and_not_by_the_words() {
    for (state, steps, help) in [
        ("42501", false, "grant the right that is missing"),
        ("42501", true, "grant the right that is missing"),
        ("55P03", false, "end the session that holds the lock"),
        ("55P03", true, "end the session that holds the lock"),
        ("40P01", false, "end the session that holds the lock"),
        ("40P01", true, "end the session that holds the lock"),
        ("57014", false, "see who cancelled it"),
        ("P0001", false, "correct the file"),
        ("P0001", true, "correct the file"),
    ] {
        let shop = Shop::with(Engine::Postgres, IMPATIENT);
        shop.connect().execute(RAISES);
        shop.migration(
            "1_a",
            &format!("CREATE TABLE a ();\nSELECT raises('{state}');"),
            "SELECT 1;",
        );
        if steps {
            shop.file("1_a", "metadata.toml", "run_in_transaction = false\n");
        }
        shop.run(&["run"])
            .exits(1)
            .says(&["at statement 2 of 2", help]);
    }
}

#[test]
fn a_right_that_is_missing_is_told_where_the_server_points_and_where_it_does_not() {
    let shop = Shop::new(Engine::Postgres);
    let database = shop.postgres();
    let role = format!("{}_guest", database.name());
    shop.connect().execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'secret'; CREATE SCHEMA closed; CREATE TABLE mine (n int); CREATE TABLE public.door ()"
    ));
    let run = |shop: &Shop| {
        let mut command = shop.command(&["run"]);
        command.env("SHOP_DATABASE_URL", shop.postgres().url_as(&role, "secret"));
        shop.workspace.finish(command)
    };
    // Our own tables first: since PostgreSQL 15 nobody else may make any.
    shop.migration("1_a", "SELECT 1;", "SELECT 1;");
    run(&shop).exits(1).says(&[
        "cannot prepare the migration tables",
        "the role needs USAGE and CREATE on the schema",
    ]);
    shop.connect()
        .execute(&format!("GRANT CREATE ON SCHEMA public TO {role}"));
    run(&shop).ok();
    for up in [
        "CREATE TABLE closed.t ();",
        "ALTER TABLE mine ADD COLUMN a int;",
        "INSERT INTO mine VALUES (1);",
    ] {
        shop.migration("2_b", up, "SELECT 1;");
        run(&shop).exits(1).says(&[
            "migration 2_b stopped at statement 1",
            "grant the right that is missing",
        ]);
    }
    shop.connect().execute(&format!(
        "REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}"
    ));
}

#[test]
fn the_victim_of_a_deadlock_tries_again() {
    let shop = Shop::with(Engine::Postgres, "lock-timeout = \"0\"");
    let name = shop.postgres().name().to_owned();
    shop.connect().execute(&format!(
        "ALTER DATABASE {name} SET deadlock_timeout = '2s'"
    ));
    shop.migration(
        "1_a",
        "CREATE TABLE one (n int);\nCREATE TABLE two (n int);",
        "SELECT 1;",
    );
    shop.run(&["run"]).ok();
    shop.steps(
        "2_b",
        "BEGIN;\nALTER TABLE one ADD COLUMN a int;\nALTER TABLE two ADD COLUMN a int;\nCOMMIT;",
        "SELECT 1;",
    );
    let mut till = shop.connect();
    till.execute("SET deadlock_timeout = '1min'; BEGIN; LOCK TABLE two IN ACCESS SHARE MODE");
    let child = shop.start(&["run"]);
    eventually("the migration has the one and waits for the other", || {
        let waits = "SELECT pid::text AS text FROM pg_locks WHERE NOT granted AND relation = 'two'::regclass";
        !shop.texts(waits).is_empty()
    });
    let till = thread::spawn(move || {
        till.execute("LOCK TABLE one IN ACCESS SHARE MODE; COMMIT");
    });
    till.join().expect("the application goes first");
    shop.finish(child).ok();
    assert_eq!(shop.history(), ["1", "2"]);
    let deadlocks = shop.texts(
        "SELECT (deadlocks >= 1)::text AS text FROM pg_stat_database WHERE datname = current_database()",
    );
    assert_eq!(deadlocks, ["true"]);
}
