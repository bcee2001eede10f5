//! An applied migration whose file says something else now.

use super::{applied, command_in, commit, typed};
use tests::service::{ALL, Engine, Shop};

const EDITED: &str = "CREATE TABLE b (id BIGINT);\n";

fn edit(shop: &Shop) {
    shop.file("2_b", "up.sql", EDITED);
}

#[test]
fn an_edit_is_shown_beside_what_was_applied() {
    for engine in ALL {
        let shop = applied(engine);
        edit(&shop);
        for command in ["run", "plan"] {
            shop.run(&[command]).exits(4).says(&[
                "2_b was edited after it was applied",
                "--- as it was applied\n+++ services/shop/migrations/2_b/up.sql\n@@ -1 +1 @@\n\
                 -CREATE TABLE b (id INTEGER);\n+CREATE TABLE b (id BIGINT);",
            ]);
        }
        let json = shop.run(&["run", "--message-format", "json"]).exits(4);
        let failed = json.json();
        let failed = failed
            .iter()
            .find(|line| line["reason"] == "migration-failed")
            .expect("a failure");
        assert_eq!(
            failed["diff"],
            "@@ -1 +1 @@\n-CREATE TABLE b (id INTEGER);\n+CREATE TABLE b (id BIGINT);\n"
        );
        assert_eq!(shop.state("2_b"), "edited");
        assert_eq!(shop.history(), ["1", "2", "3"]);
    }
}

#[test]
fn a_long_edit_is_cut_on_a_terminal_and_whole_in_json() {
    let shop = applied(Engine::Sqlite);
    let long: String = (0..60)
        .map(|n| format!("INSERT INTO b VALUES ({n});\n"))
        .collect();
    shop.file("2_b", "up.sql", &long);
    shop.run(&["run"]).exits(4).says(&["… 22 more lines"]);
    let json = shop.run(&["run", "--message-format", "json"]).exits(4);
    assert!(json.stdout.contains("VALUES (59)"), "{}", json.stdout);
}

#[test]
fn of_many_edits_the_first_few_are_shown() {
    for engine in ALL {
        let shop = Shop::new(engine);
        for n in 1..=5 {
            let up = format!("CREATE TABLE t{n} (id INTEGER);\n");
            shop.migration(&format!("{n}_t"), &up, "SELECT 1;");
        }
        shop.run(&["run"]).ok();
        for n in 1..=5 {
            let up = format!("CREATE TABLE t{n} (id BIGINT);\n");
            shop.file(&format!("{n}_t"), "up.sql", &up);
        }
        let run = shop.run(&["run"]).exits(4);
        assert_eq!(run.stderr.matches("--- as it was applied").count(), 3);
        assert_eq!(run.stderr.matches("--accept-edit").count(), 1);
    }
}

#[test]
fn a_text_that_the_journal_does_not_keep_is_said_to_be_unknown() {
    for engine in ALL {
        let shop = Shop::new(engine);
        let filler = format!("-- {}\n", "x".repeat(70_000));
        let large = format!("{filler}CREATE TABLE a (id INTEGER);\n");
        shop.migration("1_a", &large, "DROP TABLE a;");
        shop.run(&["run"]).ok();
        shop.file("1_a", "up.sql", EDITED);
        let run = shop
            .run(&["run"])
            .exits(4)
            .says(&["note: the text as it was applied is not known"]);
        assert!(!run.stderr.contains("+++"), "{}", run.stderr);
    }
}

#[test]
fn the_git_command_of_the_help_puts_an_uncommitted_edit_back() {
    for engine in ALL {
        let shop = applied(engine);
        commit(&shop, "All three");
        edit(&shop);
        let run = shop.run(&["run"]).exits(4);
        let command = command_in(&run, "git ");
        assert_eq!(
            command,
            "git checkout HEAD -- services/shop/migrations/2_b/up.sql"
        );
        typed(&shop, &command).ok();
        shop.run(&["run"]).ok();
        assert_eq!(shop.state("2_b"), "applied");
    }
}

#[test]
fn the_git_command_of_the_help_finds_the_revision_that_was_applied() {
    let shop = Shop::new(Engine::Sqlite);
    // Larger than the journal keeps: what was applied is known from git alone.
    let filler = format!("-- {}\n", "x".repeat(70_000));
    let up = format!("{filler}CREATE TABLE a (id INTEGER);\n");
    shop.migration("1_a", &up, "DROP TABLE a;");
    shop.run(&["run"]).ok();
    commit(&shop, "As applied");
    for (message, more) in [("Edit", "BIGINT"), ("Edit again", "TEXT")] {
        shop.file("1_a", "up.sql", &up.replace("INTEGER", more));
        commit(&shop, message);
    }
    let run = shop.run(&["run"]).exits(4).says(&[
        "-CREATE TABLE a (id INTEGER);",
        "+CREATE TABLE a (id TEXT);",
    ]);
    typed(&shop, &command_in(&run, "git ")).ok();
    shop.run(&["run"]).ok();
    assert_eq!(shop.state("1_a"), "applied");
}

#[test]
fn the_repair_of_the_help_accepts_the_edit_with_who_and_why() {
    for engine in ALL {
        let shop = applied(engine);
        edit(&shop);
        let schema = shop.schema();
        let refused = shop.run(&["run"]).exits(4);
        let repair = command_in(&refused, "cargo migrate repair");
        assert_eq!(
            repair,
            "cargo migrate repair --accept-edit 2 -p shop --why \"…\""
        );
        // The help's own dots are no reason.
        typed(&shop, &format!("{repair} --yes"))
            .exits(2)
            .says(&["wants the reason, in words"]);
        assert_eq!(shop.state("2_b"), "edited");
        let repair = repair.replace('…', "a wider id");
        // Nobody is there to be asked.
        typed(&shop, &repair).exits(2).says(&[
            "-CREATE TABLE b (id INTEGER);",
            "`--yes`",
            "nothing was changed",
        ]);
        assert_eq!(shop.state("2_b"), "edited");
        typed(&shop, &format!("{repair} --yes"))
            .ok()
            .says(&["Accepted shop the edit of 2_b"]);
        assert_eq!(shop.schema(), schema);
        assert_eq!(shop.state("2_b"), "applied");
        shop.run(&["run"]).ok();
        shop.run(&["history"])
            .ok()
            .prints(&["done    repair 2_b", "why: a wider id", "@"]);
        let json = shop.run(&["history", "--message-format", "json"]).ok();
        let newest = &json.json()[1];
        assert_eq!(
            (&newest["direction"], &newest["why"], &newest["version"]),
            (&"repair".into(), &"a wider id".into(), &"2".into())
        );
        // From now on this is the text that an edit is compared with.
        shop.file("2_b", "up.sql", "CREATE TABLE b (id TEXT);\n");
        shop.run(&["run"])
            .exits(4)
            .says(&["-CREATE TABLE b (id BIGINT);", "+CREATE TABLE b (id TEXT);"]);
    }
}

#[test]
fn a_directory_of_another_name_is_the_same_migration() {
    for engine in ALL {
        let shop = applied(engine);
        let at = |name: &str| shop.migrations().join(name);
        std::fs::rename(at("2_b"), at("2_better_name")).expect("renamed");
        let run = shop.run(&["run"]).ok();
        assert!(!run.stderr.contains("2_b"), "{}", run.stderr);
        assert_eq!(shop.state("2_better_name"), "applied");
        shop.run(&["revert", "--to", "1"]).ok();
        assert_eq!(shop.history(), ["1"]);
    }
}

#[test]
fn a_directory_of_another_version_is_missing_and_pending() {
    for engine in ALL {
        let shop = applied(engine);
        let at = |name: &str| shop.migrations().join(name);
        std::fs::rename(at("1_a"), at("4_a")).expect("renamed");
        shop.run(&["run"])
            .exits(4)
            .says(&["1_a is in the database, but not in the catalog"]);
        assert_eq!(shop.state("1_a"), "missing");
        assert_eq!(shop.state("4_a"), "pending");
        assert_eq!(shop.history(), ["1", "2", "3"]);
        // Between two others it is late, too.
        std::fs::rename(at("4_a"), at("15_a")).expect("renamed");
        assert_eq!(shop.state("15_a"), "out-of-order");
        shop.run(&["run"]).exits(4).says(&[
            "1_a is in the database",
            "15_a is pending, but sorts before 3",
        ]);
    }
}
