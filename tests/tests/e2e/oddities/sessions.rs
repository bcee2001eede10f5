//! What a session brings with it, what a file does to it, and what a role may.

use tests::workspace::CANARY;

use tests::service::{Engine, Shop};

#[test]
fn a_set_that_wants_a_session_lock_gets_it_from_session_setup() {
    let metadata = "session-setup = [\"SELECT pg_advisory_lock(7)\", \"SET my.app = 'yes'\"]";
    let shop = Shop::with(Engine::Postgres, metadata);
    let guarded = "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\n\
                   IF NOT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND pid = pg_backend_pid()) THEN\n\
                   RAISE EXCEPTION 'take the lock first'; END IF; RETURN NULL; END $$;\n\
                   CREATE TRIGGER guard BEFORE INSERT OR DELETE ON __diesel_schema_migrations EXECUTE FUNCTION guard();\n";
    shop.migration(
        "1_guard",
        guarded,
        "DROP TRIGGER guard ON __diesel_schema_migrations; DROP FUNCTION guard();",
    );
    shop.migration(
        "2_b",
        "CREATE TABLE b AS SELECT current_setting('my.app') AS app;",
        "DROP TABLE b;",
    );
    shop.run(&["run"]).ok();
    assert_eq!(shop.texts("SELECT app AS text FROM b"), ["yes"]);
    shop.run(&["revert", "--to", "zero"]).ok();
    assert!(shop.history().is_empty());
}

#[test]
fn foreign_keys_hold_as_session_setup_has_them() {
    for (value, code) in [("OFF", 0), ("ON", 1)] {
        let setup = format!("session-setup = [\"PRAGMA foreign_keys = {value}\"]");
        let shop = Shop::with(Engine::Sqlite, &setup);
        let up = "CREATE TABLE a (id INTEGER PRIMARY KEY);\n\
                  CREATE TABLE b (a INTEGER REFERENCES a (id));\nINSERT INTO b VALUES (7);\n";
        shop.migration("1_a", up, "DROP TABLE b; DROP TABLE a;");
        shop.run(&["run"]).exits(code);
        assert_eq!(shop.history().is_empty(), code == 1);
    }
}

#[test]
fn a_failing_session_setup_names_its_statement() {
    for engine in tests::service::ALL {
        let shop = Shop::with(engine, "session-setup = [\"SELECT 1\", \"nonsense\"]");
        shop.migration("1_a", "SELECT 1;", "SELECT 1;");
        shop.run(&["run"])
            .exits(1)
            .says(&["session-setup statement 2", "help"]);
    }
}

#[test]
fn what_a_file_sets_does_not_leak_into_the_next() {
    let shop = Shop::new(Engine::Postgres);
    let database = shop.postgres();
    let role = format!("{}_other", database.name());
    let mut link = shop.connect();
    link.execute(&format!(
        "CREATE ROLE {role}; CREATE SCHEMA elsewhere AUTHORIZATION {role}"
    ));
    let seen = "CREATE TABLE {} AS SELECT current_setting('search_path') AS path, current_user::text AS who, \
                current_setting('statement_timeout') AS timeout, current_setting('lock_timeout') AS lock;";
    for (n, sets) in [
        String::new(),
        "SET search_path TO elsewhere;".to_owned(),
        "SELECT set_config('search_path', '', false);".to_owned(),
        format!("SET ROLE {role};"),
        format!("SET SESSION AUTHORIZATION {role};"),
        "SET statement_timeout = '1h'; SET lock_timeout = '1h';".to_owned(),
        format!("SET LOCAL search_path TO elsewhere; SET LOCAL ROLE {role};"),
    ]
    .iter()
    .enumerate()
    {
        let seen = seen.replace("{}", &format!("public.seen_{n}"));
        shop.migration(
            &format!("{n}_a"),
            &format!("{seen}\n{sets}\n"),
            &format!("DROP TABLE public.seen_{n};\n{sets}"),
        );
        // And the same outside a transaction.
        shop.steps(
            &format!("{n}b_steps"),
            &format!(
                "SELECT 1;\n{}\nSELECT 1;\n",
                sets.replace("SET LOCAL", "SET")
            ),
            "SELECT 1;",
        );
    }
    shop.run(&["run"]).ok();
    let union: Vec<String> = (0..7).map(|n| format!("SELECT * FROM seen_{n}")).collect();
    let seen = link.texts(&format!(
        "SELECT DISTINCT concat_ws('|', path, who, timeout, lock) AS text FROM ({}) u",
        union.join(" UNION ALL ")
    ));
    assert_eq!(seen, ["\"$user\", public|postgres|0|200ms"]);
    assert_eq!(shop.history().len(), 14);
    shop.run(&["revert", "--to", "zero"]).ok();
    shop.run(&["run", "--only", "0"]).ok();
    shop.run(&["run", "--only", "1"]).ok();
    shop.run(&["revert", "--to", "zero"]).ok();
    link.execute(&format!("DROP SCHEMA elsewhere; DROP ROLE {role}"));
}

#[test]
fn what_a_file_sets_does_not_leak_within_a_single_transaction() {
    let shop = Shop::new(Engine::Postgres);
    shop.migration(
        "1_a",
        "CREATE SCHEMA elsewhere;\nSET search_path TO elsewhere;",
        "DROP SCHEMA elsewhere;",
    );
    shop.migration("2_b", "CREATE TABLE b (id int);", "DROP TABLE b;");
    shop.run(&["run", "--single-transaction"]).ok();
    assert_eq!(shop.history(), ["1", "2"]);
    assert!(
        shop.schema().contains("CREATE TABLE public.b"),
        "{}",
        shop.schema()
    );
}

/// A role that may read, and nothing else.
fn reader(shop: &Shop) -> (String, String) {
    let database = shop.postgres();
    let role = format!("{}_reader", database.name());
    shop.connect().execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD '{CANARY}'; REVOKE CREATE ON SCHEMA public FROM PUBLIC; \
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    ));
    let url = database.url_as(&role, CANARY);
    (role, url)
}

fn objects(shop: &Shop) -> Vec<String> {
    shop.texts(
        "SELECT concat(c.oid, ' ', relname, ' ', relfilenode, ' ', xmin) AS text FROM pg_class c ORDER BY c.oid",
    )
}

#[test]
fn looking_writes_nothing_and_needs_select_alone() {
    let shop = Shop::new(Engine::Postgres);
    shop.migration("1_a", "CREATE TABLE a (id int);", "DROP TABLE a;");
    shop.run(&["run"]).ok();
    shop.migration("2_b", "CREATE TABLE b (id int);", "DROP TABLE b;");
    let (role, url) = reader(&shop);
    let as_reader = |args: &[&str]| {
        let mut command = shop.command(args);
        command.env("SHOP_DATABASE_URL", &url);
        shop.workspace.finish(command)
    };
    let before = objects(&shop);
    as_reader(&["status"]).ok().prints(&["1_a", "2_b"]);
    as_reader(&["status", "--exit-code"]).exits(3);
    as_reader(&["plan"]).ok().prints(&["CREATE TABLE b"]);
    as_reader(&["run", "--dry-run"]).ok();
    as_reader(&["history"]).ok().prints(&["1_a"]);
    as_reader(&["current"]).ok().prints(&["1_a"]);
    as_reader(&["show", "1"]).ok();
    as_reader(&["run", "--to", "1"]).ok();
    // Writing says what is missing, and writes nothing either.
    as_reader(&["run"])
        .exits(1)
        .says(&["permission denied", "help"]);
    assert_eq!(objects(&shop), before);
    assert_eq!(shop.history(), ["1"]);
    shop.connect()
        .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn looking_writes_nothing_and_needs_select_alone_on_mariadb() {
    let shop = Shop::new(Engine::Mariadb);
    shop.migration("1_a", "CREATE TABLE a (id int);", "DROP TABLE a;");
    shop.run(&["run"]).ok();
    shop.migration("2_b", "CREATE TABLE b (id int);", "DROP TABLE b;");
    let database = shop.mariadb();
    let reader = format!("{}_reader", database.name());
    let mut root = shop.connect();
    root.execute(&format!(
        "CREATE USER {reader} IDENTIFIED BY '{CANARY}'; GRANT SELECT ON {}.* TO {reader}",
        database.name()
    ));
    let url = database.url_as(&reader, CANARY);
    let as_reader = |args: &[&str]| {
        let mut command = shop.command(args);
        command.env("SHOP_DATABASE_URL", &url);
        shop.workspace.finish(command)
    };
    let before = shop.schema();
    as_reader(&["status"]).ok().prints(&["1_a", "2_b"]);
    as_reader(&["status", "--exit-code"]).exits(3);
    as_reader(&["plan"]).ok().prints(&["CREATE TABLE b"]);
    as_reader(&["run", "--dry-run"]).ok();
    as_reader(&["history"]).ok().prints(&["1_a"]);
    as_reader(&["current"]).ok().prints(&["1_a"]);
    as_reader(&["show", "1"]).ok();
    as_reader(&["run", "--to", "1"]).ok();
    // Writing says what is missing, and writes nothing either.
    as_reader(&["run"]).exits(1).says(&["denied", "help"]);
    assert_eq!(shop.schema(), before);
    assert_eq!(shop.history(), ["1"]);
    root.execute(&format!("DROP USER {reader}"));
}

#[test]
fn a_role_that_may_read_only_the_history_sees_what_is_applied() {
    let shop = Shop::new(Engine::Postgres);
    shop.migration("1_a", "CREATE TABLE a (id int);", "DROP TABLE a;");
    shop.run(&["run"]).ok();
    let (role, url) = reader(&shop);
    shop.connect().execute(&format!(
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}; GRANT SELECT ON __diesel_schema_migrations TO {role}"
    ));
    let mut command = shop.command(&["status", "--message-format", "json"]);
    command.env("SHOP_DATABASE_URL", &url);
    let run = shop.workspace.finish(command).ok();
    let states: Vec<_> = run
        .json()
        .iter()
        .filter_map(|line| line["state"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(states, ["adopted"]);
    shop.connect()
        .execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn looking_at_an_untouched_database_leaves_it_untouched() {
    for engine in tests::service::ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        for args in [
            &["status"][..],
            &["plan"],
            &["history"],
            &["current"],
            &["show", "1"],
            &["run", "--dry-run"],
        ] {
            shop.run(args).ok();
        }
        match engine {
            Engine::Sqlite => {
                let mut names: Vec<_> = std::fs::read_dir(shop.workspace.root())
                    .expect("a directory")
                    .map(|entry| entry.expect("an entry").file_name())
                    .collect();
                names.sort();
                assert_eq!(names, ["Cargo.toml", "services"]);
            }
            Engine::Postgres => assert!(
                shop.texts(
                    "SELECT relname::text AS text FROM pg_class WHERE relname LIKE '\\_\\_%'"
                )
                .is_empty()
            ),
            Engine::Mariadb => assert!(
                shop.texts(
                    "SELECT TABLE_NAME AS text FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
                )
                .is_empty()
            ),
        }
    }
}

#[test]
fn what_is_temporary_ends_with_the_file_that_made_it() {
    for engine in [Engine::Sqlite, Engine::Mariadb] {
        for steps in [false, true] {
            let shop = Shop::new(engine);
            shop.migration(
                "1_a",
                "CREATE TEMPORARY TABLE u (x INTEGER);\nINSERT INTO u VALUES (7);\n\
                 CREATE TABLE kept AS SELECT x FROM u;\nCREATE TEMPORARY TABLE `o``dd` (x INTEGER);",
                "DROP TABLE kept;",
            );
            shop.migration(
                "2_b",
                "CREATE TABLE IF NOT EXISTS u (x INTEGER);\nINSERT INTO u VALUES (1);",
                "DROP TABLE u;",
            );
            if steps {
                for name in ["1_a", "2_b"] {
                    shop.file(name, "metadata.toml", "run_in_transaction = false\n");
                }
            }
            shop.run(&["run"]).ok();
            let text = "concat(x, '') AS text";
            let text = if engine == Engine::Sqlite {
                "CAST(x AS TEXT) AS text"
            } else {
                text
            };
            assert_eq!(
                shop.texts(&format!("SELECT {text} FROM u")),
                ["1"],
                "{engine}"
            );
            assert_eq!(shop.texts(&format!("SELECT {text} FROM kept")), ["7"]);
        }
    }
}

#[test]
fn temporary_things_of_every_kind_end_and_those_of_session_setup_stay() {
    let setup = "session-setup = [\"CREATE TEMP TABLE mine (x)\"]";
    let shop = Shop::with(Engine::Sqlite, setup);
    shop.migration(
        "1_a",
        "CREATE TABLE t (x INTEGER);\nCREATE TEMP TABLE log (x INTEGER PRIMARY KEY AUTOINCREMENT);\n\
         CREATE INDEX temp.i ON log (x);\nCREATE TEMP VIEW v AS SELECT x FROM t;\n\
         CREATE TEMP TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.x); END;\n\
         CREATE TEMP TABLE child (x REFERENCES log (x));\nINSERT INTO t VALUES (1);\nINSERT INTO child VALUES (1);",
        "DROP TABLE t;",
    );
    shop.migration(
        "2_b",
        "INSERT INTO t VALUES (2);\nINSERT INTO mine VALUES (1);\n\
         CREATE TABLE seen AS SELECT group_concat(name) AS text FROM sqlite_temp_master;",
        "SELECT 1;",
    );
    shop.run(&["run"]).ok();
    assert_eq!(
        shop.texts("SELECT replace(text, ',sqlite_sequence', '') AS text FROM seen"),
        ["mine"]
    );
}

#[test]
fn pragmas_that_change_what_statements_mean_end_with_their_file() {
    for steps in [false, true] {
        let shop = Shop::new(Engine::Sqlite);
        shop.migration(
            "1_a",
            "CREATE TABLE t (x TEXT);\nINSERT INTO t VALUES ('a'), ('A');\n\
             PRAGMA case_sensitive_like = ON;\nPRAGMA writable_schema = ON;",
            "DROP TABLE t;",
        );
        shop.migration(
            "2_b",
            "DELETE FROM t WHERE x LIKE 'a';\n\
             CREATE TABLE seen AS SELECT CAST(writable_schema AS TEXT) AS text FROM pragma_writable_schema;",
            "SELECT 1;",
        );
        if steps {
            shop.file("1_a", "metadata.toml", "run_in_transaction = false\n");
        }
        shop.run(&["run"]).ok();
        assert!(shop.texts("SELECT x AS text FROM t").is_empty());
        assert_eq!(shop.texts("SELECT text FROM seen"), ["0"]);
    }
}

#[test]
fn a_file_that_lets_itself_only_read_is_recorded_all_the_same() {
    let shop = Shop::new(Engine::Sqlite);
    shop.steps(
        "1_a",
        "CREATE TABLE t (x INTEGER);\nPRAGMA query_only = ON;\nSELECT 1;\nSELECT 2;\nPRAGMA query_only = OFF;\n\
         INSERT INTO t VALUES (1);\nPRAGMA query_only = ON;",
        "DROP TABLE t;",
    );
    shop.steps(
        "2_b",
        "INSERT INTO t VALUES (2);\nPRAGMA query_only = 1;\nINSERT INTO t VALUES (3);",
        "SELECT 1;",
    );
    shop.run(&["run"])
        .exits(1)
        .says(&["2_b stopped at statement 3 of 3", "readonly"]);
    assert_eq!(shop.history(), ["1"]);
    shop.file(
        "2_b",
        "up.sql",
        "INSERT INTO t VALUES (2);\nPRAGMA query_only = 1;\nSELECT 3;",
    );
    shop.run(&["run"]).ok();
    assert_eq!(
        shop.texts("SELECT CAST(x AS TEXT) AS text FROM t"),
        ["1", "2"]
    );
}
