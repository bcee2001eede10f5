//! Migrations that land late, and files that change after they landed.

use tests::service::{ALL, Engine, Shop};

/// 1 and 3 are applied, then 2 lands.
fn late(engine: Engine, metadata: &str) -> Shop {
    let shop = Shop::with(engine, metadata);
    shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
    shop.migration("3_c", "CREATE TABLE c (id INTEGER);", "DROP TABLE c;");
    shop.run(&["run"]).ok();
    shop.migration("2_b", "CREATE TABLE b (id INTEGER);", "DROP TABLE b;");
    shop
}

#[test]
fn a_late_landing_is_refused_by_default() {
    for engine in ALL {
        let shop = late(engine, "");
        shop.run(&["run"]).exits(4).says(&[
            "2_b",
            "sorts before 3",
            "help",
            "out-of-order",
            "nothing was run",
        ]);
        assert_eq!(shop.history(), ["1", "3"]);
        assert_eq!(shop.state("2_b"), "out-of-order");
        shop.run(&["status", "--exit-code"]).exits(4);
        // Named, it is meant.
        shop.run(&["run", "--only", "2"]).ok();
        assert_eq!(shop.history(), ["1", "2", "3"]);
        shop.run(&["status", "--exit-code"]).ok();
    }
}

#[test]
fn a_late_landing_is_applied_and_said_where_that_is_configured() {
    for engine in ALL {
        let shop = late(engine, "out-of-order = \"warn\"");
        shop.run(&["run"]).ok().says(&["2_b", "late"]);
        assert_eq!(shop.history(), ["1", "2", "3"]);
    }
}

#[test]
fn a_late_landing_is_applied_in_silence_where_that_is_configured() {
    for engine in ALL {
        let shop = late(engine, "out-of-order = \"allow\"");
        let run = shop.run(&["run"]).ok();
        assert!(!run.stderr.contains("late"), "{}", run.stderr);
        assert_eq!(shop.history(), ["1", "2", "3"]);
        // Reverting goes by version, as Diesel's does, not by time.
        shop.run(&["revert", "--steps", "2"]).ok();
        assert_eq!(shop.history(), ["1"]);
    }
}

#[test]
fn an_edit_after_landing_is_refused() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        shop.run(&["run"]).ok();
        shop.migration("1_a", "CREATE TABLE a (id BIGINT);", "DROP TABLE a;");
        shop.migration("2_b", "CREATE TABLE b (id INTEGER);", "DROP TABLE b;");
        shop.run(&["run"]).exits(4).says(&[
            "1_a",
            "edited after it was applied",
            "up.sql",
            "help",
            "nothing was run",
        ]);
        assert_eq!(shop.history(), ["1"]);
        assert_eq!(shop.state("1_a"), "edited");
        shop.run(&["status", "--exit-code"]).exits(4);
    }
}

#[test]
fn an_edit_of_comments_or_spaces_is_only_a_note() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        shop.run(&["run"]).ok();
        let up = "-- Formatted since.\nCREATE TABLE a\n(\n    id INTEGER\n);\n";
        shop.migration("1_a", up, "DROP TABLE a;");
        shop.migration("2_b", "CREATE TABLE b (id INTEGER);", "DROP TABLE b;");
        shop.run(&["run"])
            .ok()
            .says(&["1_a", "only comments or white space"]);
        assert_eq!(shop.history(), ["1", "2"]);
        assert_eq!(shop.state("1_a"), "applied");
        shop.run(&["status", "--exit-code"]).ok();
    }
}

#[test]
fn a_checkout_with_crlf_and_a_bom_is_no_change() {
    for engine in ALL {
        let shop = Shop::new(engine);
        let up = "CREATE TABLE a (\n  id INTEGER,\n  t TEXT DEFAULT 'x\ny'\n);\n";
        shop.migration("1_a", up, "DROP TABLE a;\n");
        shop.run(&["run"]).ok();
        let windows = format!("\u{feff}{}", up.replace('\n', "\r\n"));
        shop.migration("1_a", &windows, "DROP TABLE a;\r\n");
        let run = shop.run(&["run"]).ok();
        assert!(!run.stderr.contains("1_a"), "{}", run.stderr);
        assert_eq!(shop.state("1_a"), "applied");
        // And what is written so runs so.
        shop.run(&["redo"]).ok();
        let unix = shop.migrations().join("1_a/up.sql");
        std::fs::write(unix, up).expect("written");
        assert_eq!(shop.state("1_a"), "applied");
    }
}

#[test]
fn an_edited_down_is_what_runs() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE nowhere;");
        shop.run(&["run"]).ok();
        let run = shop.run(&["revert"]).exits(1).says(&["nowhere"]);
        if engine != Engine::Mariadb {
            run.says(&["rolled back"]);
        }
        assert_eq!(shop.history(), ["1"]);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        shop.run(&["status", "--exit-code"]).ok();
        shop.run(&["revert"]).ok();
        assert!(shop.history().is_empty());
    }
}

#[test]
fn an_applied_migration_that_is_gone_from_disk_is_refused() {
    for engine in ALL {
        let shop = late(engine, "out-of-order = \"allow\"");
        std::fs::remove_dir_all(shop.migrations().join("1_a")).expect("removed");
        shop.run(&["run"])
            .exits(4)
            .says(&["1_a", "not in the catalog", "help"]);
        assert_eq!(shop.history(), ["1", "3"]);
        assert_eq!(shop.state("1_a"), "missing");
        shop.run(&["revert", "--to", "zero"]).exits(4);
        assert_eq!(shop.history(), ["1", "3"]);
    }
}

#[test]
fn an_old_build_on_a_newer_schema_has_nothing_to_do_and_says_why() {
    for engine in ALL {
        let shop = late(engine, "out-of-order = \"allow\"");
        shop.run(&["run"]).ok();
        std::fs::remove_dir_all(shop.migrations().join("3_c")).expect("removed");
        shop.run(&["run"]).ok().says(&["ahead", "3"]);
        assert_eq!(shop.history(), ["1", "2", "3"]);
        shop.run(&["revert"])
            .exits(4)
            .says(&["3_c", "not in the catalog"]);
        assert_eq!(shop.history(), ["1", "2", "3"]);
    }
}
