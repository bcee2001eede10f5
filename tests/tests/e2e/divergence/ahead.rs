//! An old build on a newer schema, as in each rolling deploy.

use super::{applied, remove};
use tests::service::{ALL, Engine, Shop};

/// Three are applied, and this build has the first two.
fn old_build(engine: Engine) -> Shop {
    let shop = applied(engine);
    remove(&shop, "3_c");
    shop
}

fn configure(shop: &Shop, ahead: &str) {
    let manifest = "services/shop/Cargo.toml";
    let text = std::fs::read_to_string(shop.workspace.path(manifest)).expect("a manifest");
    let (text, _) = text.split_once("ahead").unwrap_or((&text, ""));
    shop.workspace
        .write(manifest, format!("{text}ahead = \"{ahead}\"\n"));
}

#[test]
fn being_ahead_is_a_note_and_no_failure() {
    for engine in ALL {
        let shop = old_build(engine);
        for command in ["run", "plan", "status"] {
            shop.run(&[command])
                .ok()
                .says(&["Note", "ahead of this catalog: 1 newer, up to 3"]);
        }
        assert_eq!(shop.state("3_c"), "ahead");
        shop.run(&["status", "--exit-code"]).ok();
        assert_eq!(shop.history(), ["1", "2", "3"]);
    }
}

#[test]
fn being_ahead_warns_or_fails_where_that_is_configured() {
    for engine in ALL {
        let shop = old_build(engine);
        configure(&shop, "warn");
        shop.run(&["run"])
            .ok()
            .says(&["warning: shop: the database is ahead of this catalog"]);
        shop.run(&["status", "--exit-code"]).ok();
        configure(&shop, "fail");
        shop.run(&["run"]).exits(4).says(&[
            "the database is ahead of this catalog: 1 newer, up to 3_c",
            "ahead = \"ok\"",
            "nothing was run",
        ]);
        shop.run(&["status", "--exit-code"]).exits(4);
        shop.run(&["status"]).ok();
        configure(&shop, "ok");
        shop.run(&["run"]).ok();
        assert_eq!(shop.history(), ["1", "2", "3"]);
    }
}

#[test]
fn a_gap_in_the_middle_is_missing_whatever_else_is_ahead() {
    for engine in ALL {
        let shop = applied(engine);
        shop.migration("4_d", "CREATE TABLE d (id INTEGER);", "DROP TABLE d;");
        shop.run(&["run"]).ok();
        remove(&shop, "2_b");
        remove(&shop, "4_d");
        configure(&shop, "ok");
        let run = shop.run(&["run"]).exits(4).says(&["2_b"]);
        assert!(!run.stderr.contains("4_d"), "{}", run.stderr);
        assert_eq!(shop.state("2_b"), "missing");
        assert_eq!(shop.state("4_d"), "ahead");
    }
}

#[test]
fn a_migration_that_a_newer_build_is_in_the_middle_of_stops_no_old_one() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        let up = "CREATE TABLE b (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n";
        shop.steps("2_b", up, "DROP TABLE b;");
        shop.run(&["run"]).exits(1);
        remove(&shop, "2_b");
        shop.run(&["run"]).ok().says(&["ahead of this catalog"]);
        assert_eq!(shop.state("2_b"), "half-applied");
    }
}
