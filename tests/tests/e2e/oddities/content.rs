//! Odd contents of migrations: downs that do nothing, transactions of their
//! own, metadata that means what Diesel makes of it.

use tests::service::{ALL, Engine, Shop, TRANSACTIONAL};

const A: &str = "CREATE TABLE a (id INTEGER);";

#[test]
fn a_down_with_only_a_comment_works() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", A, "-- Nothing to undo.\n/* really */\n");
        shop.run(&["run"]).ok();
        shop.run(&["revert"]).ok();
        assert!(shop.history().is_empty());
    }
}

#[test]
fn an_up_with_only_a_comment_works() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", "-- Your SQL goes here\n", "-- Undo\n");
        shop.steps("2_b", "-- Your SQL goes here\n;\n", "-- Undo\n");
        shop.run(&["run"]).ok();
        assert_eq!(shop.history(), ["1", "2"]);
        shop.run(&["revert", "--to", "zero"]).ok();
        assert!(shop.history().is_empty());
        if TRANSACTIONAL.contains(&engine) {
            shop.run(&["run", "--single-transaction", "--to", "1"]).ok();
            assert_eq!(shop.history(), ["1"]);
        }
    }
}

#[test]
fn a_down_that_selects_one_works() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", A, "SELECT 1");
        shop.run(&["run"]).ok();
        shop.run(&["revert"]).ok();
        assert!(shop.history().is_empty());
    }
}

#[test]
fn an_empty_down_is_irreversible() {
    for engine in ALL {
        for empty in ["", " \n\t\n"] {
            let shop = Shop::new(engine);
            shop.migration("1_a", A, empty);
            shop.migration("2_b", "CREATE TABLE b (id INTEGER);", "DROP TABLE b;");
            shop.run(&["run"]).ok();
            shop.run(&["revert", "--to", "zero"]).exits(1).says(&[
                "1_a",
                "cannot be reverted",
                "down.sql is empty",
                "help",
            ]);
            assert_eq!(
                shop.history(),
                ["1", "2"],
                "refused before anything was reverted"
            );
        }
    }
}

#[test]
fn a_missing_down_is_irreversible_and_so_is_what_says_why() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.file("1_a", "up.sql", A);
        shop.migration("2_b", "CREATE TABLE b (id INTEGER);", "DROP TABLE b;");
        let why = "run_in_transaction = true\nirreversible = \"drops the mail\"\n";
        shop.file("2_b", "metadata.toml", why);
        shop.run(&["run"]).ok();
        shop.run(&["revert"])
            .exits(1)
            .says(&["2_b", "drops the mail"]);
        shop.run(&["revert", "--only", "1"])
            .exits(1)
            .says(&["no down.sql"]);
        assert_eq!(shop.history(), ["1", "2"]);
    }
}

#[test]
fn begin_and_commit_around_an_up_are_taken_for_ours() {
    for engine in TRANSACTIONAL {
        let shop = Shop::new(engine);
        shop.migration(
            "1_a",
            "-- By hand.\nBEGIN;\nCREATE TABLE a (id INTEGER);\nINSERT INTO a VALUES (1);\nCOMMIT;\n",
            "BEGIN; DROP TABLE a; COMMIT;",
        );
        let broken =
            "BEGIN;\nCREATE TABLE b (id INTEGER);\nINSERT INTO nowhere VALUES (1);\nCOMMIT;\n";
        shop.migration("2_b", broken, "DROP TABLE b;");
        shop.run(&["run"])
            .exits(1)
            .says(&["2_b", "up.sql:3", "rolled back"]);
        assert_eq!(shop.history(), ["1"]);
        assert!(!shop.schema().contains(" b "), "{}", shop.schema());
        shop.run(&["revert"]).ok();
        assert!(shop.history().is_empty());
    }
}

#[test]
fn begin_and_commit_around_ddl_are_no_promise_on_mariadb_and_each_statement_is_a_step() {
    let shop = Shop::new(Engine::Mariadb);
    let up = |table: &str| {
        format!(
            "BEGIN;\n{A}\nINSERT INTO a VALUES (1);\nINSERT INTO {table} VALUES (2);\nCOMMIT;\n"
        )
    };
    shop.migration("1_a", &up("nowhere"), "BEGIN; DROP TABLE a; COMMIT;");
    shop.run(&["run"])
        .exits(1)
        .says(&["1_a", "up.sql:4", "statement 3 of 3"]);
    assert_eq!(shop.state("1_a"), "half-applied");
    shop.file("1_a", "up.sql", &up("a"));
    shop.run(&["run"]).ok();
    assert_eq!(
        shop.texts("SELECT concat(id, '') AS text FROM a ORDER BY id"),
        ["1", "2"]
    );
    shop.run(&["revert"]).ok();
    assert!(shop.history().is_empty());
}

#[test]
fn a_commit_in_the_middle_is_refused_before_anything_is_sent() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", A, "DROP TABLE a;");
        shop.migration(
            "2_b",
            "CREATE TABLE b (id INTEGER);\nCOMMIT;\nSELECT 1;\n",
            "DROP TABLE b;",
        );
        shop.run(&["run"])
            .exits(1)
            .says(&["2_b", "up.sql:2:1", "`COMMIT`"]);
        assert!(
            shop.texts("SELECT 'x' AS text WHERE 1 = 0").is_empty()
                && !shop.schema().contains("CREATE TABLE"),
            "the first one was run: {}",
            shop.schema()
        );
    }
}

#[test]
fn a_file_may_end_without_terminator_or_newline_or_in_a_comment() {
    for engine in ALL {
        for (n, end) in [
            "",
            " -- the end",
            " /* the end */",
            ";;",
            "; -- the end",
            "\n\n;\n;",
        ]
        .iter()
        .enumerate()
        {
            let shop = Shop::new(engine);
            let up = format!("{A}\nINSERT INTO a VALUES ({n}){end}");
            let down = format!("DROP TABLE a{end}");
            shop.migration("1_a", &up, &down);
            shop.run(&["run"]).ok();
            shop.run(&["revert"]).ok();
            if TRANSACTIONAL.contains(&engine) {
                shop.run(&["run", "--single-transaction"]).ok();
                shop.run(&["revert", "--single-transaction"]).ok();
            }
            shop.file("1_a", "metadata.toml", "run_in_transaction = false");
            shop.run(&["run"]).ok();
            shop.run(&["revert"]).ok();
            assert!(shop.history().is_empty());
        }
    }
}

#[test]
fn do_blocks_and_function_bodies_are_single_statements() {
    let shop = Shop::new(Engine::Postgres);
    let up = "DO $$ BEGIN\n  IF NOT EXISTS (SELECT 1 FROM pg_type WHERE typname = 'mood') THEN\n    \
              CREATE TYPE mood AS ENUM ('sad; or', 'ok');\n  END IF;\nEND $$;\n\
              CREATE FUNCTION one() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END;\n\
              CREATE FUNCTION two() RETURNS int LANGUAGE plpgsql AS $body$ BEGIN /* $$ */ RETURN 2; END $body$;\n";
    shop.migration(
        "1_a",
        up,
        "DROP FUNCTION two(); DROP FUNCTION one(); DROP TYPE mood;",
    );
    shop.steps(
        "2_b",
        "DO $$ BEGIN PERFORM one(); END $$;\nSELECT two();\n",
        "SELECT 1;",
    );
    shop.run(&["run"]).ok();
    assert_eq!(
        shop.texts("SELECT concat(version, ':', statements_total) AS text FROM __migrate_journal ORDER BY id"),
        ["1:3", "2:2"]
    );
    shop.run(&["revert", "--to", "zero"]).ok();
    assert!(!shop.schema().contains("mood"));
}

#[test]
fn metadata_without_the_key_means_what_diesel_makes_of_it() {
    for engine in TRANSACTIONAL {
        let shop = Shop::new(engine);
        shop.migration("1_a", A, "DROP TABLE a;");
        let outside = "CREATE TABLE b (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n";
        for (name, text) in [
            ("2_with_false", "run_in_transaction = false\n"),
            ("2_without", "somebody_elses = 1\n"),
            ("2_with_true", "run_in_transaction = true\n"),
        ] {
            let shop = Shop::new(engine);
            shop.migration(name, outside, "DROP TABLE b;");
            shop.file(name, "metadata.toml", text);
            let run = shop.run(&["run"]).exits(1);
            let stays =
                shop.schema().contains("TABLE public.b") || shop.schema().contains("TABLE b");
            assert_eq!(stays, name != "2_with_true", "{name}: {}", run.stderr);
            let warned = run.stderr.contains("run_in_transaction");
            assert_eq!(warned, name == "2_without", "{name}: {}", run.stderr);
        }
    }
}

#[test]
fn malformed_metadata_is_refused_where_diesel_is_silent() {
    for engine in ALL {
        for text in ["run_in_transaction = \"false\"", "run_in_transaction ="] {
            let shop = Shop::new(engine);
            shop.migration("1_a", A, "DROP TABLE a;");
            shop.file("1_a", "metadata.toml", text);
            shop.run(&["run"])
                .exits(1)
                .says(&["1_a", "metadata.toml:1:"]);
        }
    }
}

#[test]
fn extensions_come_and_go() {
    let shop = Shop::new(Engine::Postgres);
    let up = "CREATE EXTENSION IF NOT EXISTS pg_trgm;\nCREATE EXTENSION IF NOT EXISTS citext;\n\
              CREATE TABLE a (name citext NOT NULL);\nCREATE INDEX a_name ON a USING gin ((name::text) gin_trgm_ops);\n";
    let down = "DROP TABLE a;\nDROP EXTENSION citext;\nDROP EXTENSION pg_trgm;\n";
    shop.migration("1_a", up, down);
    shop.run(&["run"]).ok();
    assert!(shop.schema().contains("gin_trgm_ops"));
    shop.run(&["redo"]).ok();
    shop.run(&["revert"]).ok();
    assert!(!shop.schema().contains("pg_trgm"));
}

#[test]
fn deferred_constraints_are_checked_and_their_failure_is_told() {
    let shop = Shop::new(Engine::Postgres);
    let up = "CREATE TABLE a (id int PRIMARY KEY);\n\
              CREATE TABLE b (a int REFERENCES a DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO b VALUES (7);\n";
    shop.migration("1_a", up, "DROP TABLE b; DROP TABLE a;");
    shop.run(&["run"])
        .exits(1)
        .says(&["1_a", "foreign key", "COMMIT failed", "rolled back"]);
    assert!(shop.history().is_empty());
}
