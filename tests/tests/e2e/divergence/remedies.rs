//! What the help of a contradiction offers: nothing that is refused when it is
//! typed, and no question without what it is about.

use super::{applied, commit, remove};
use tests::service::{ALL, Engine, Shop};

/// Larger than the journal keeps.
fn large(column: &str) -> String {
    let filler = format!("-- {}\n", "x".repeat(70_000));
    format!("{filler}CREATE TABLE a (id {column});\n")
}

const ACCEPT: [&str; 5] = ["repair", "--accept-edit", "1", "--why", "widened by hand"];

#[test]
fn a_repair_shows_the_text_that_only_version_control_has() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", &large("INTEGER"), "DROP TABLE a;");
        shop.run(&["run"]).ok();
        shop.file("1_a", "up.sql", &large("BIGINT"));
        shop.run(&ACCEPT)
            .exits(2)
            .says(&["1_a: the text as it was applied is not known"]);
        shop.file("1_a", "up.sql", &large("INTEGER"));
        commit(&shop, "As applied");
        shop.file("1_a", "up.sql", &large("BIGINT"));
        let asked = shop.run(&ACCEPT).exits(2).says(&[
            "-CREATE TABLE a (id INTEGER);",
            "+CREATE TABLE a (id BIGINT);",
            "error: shop: nobody is there to be asked: take this for what was applied as 1_a?",
        ]);
        assert!(!asked.stderr.contains("not known"), "{}", asked.stderr);
    }
}

#[test]
fn an_edit_that_is_too_large_to_compare_is_said_to_be() {
    let shop = Shop::new(Engine::Sqlite);
    shop.migration("1_a", "CREATE TABLE a (id INTEGER);\n", "DROP TABLE a;");
    shop.run(&["run"]).ok();
    let filler = format!("-- {}\n", "x".repeat(100)).repeat(11_000);
    shop.file(
        "1_a",
        "up.sql",
        &format!("{filler}CREATE TABLE a (id BIGINT);\n"),
    );
    let says = ["the file is too large to compare with what was applied"];
    let run = shop.run(&["run"]).exits(4).says(&says);
    assert!(!run.stderr.contains("+++"), "{}", run.stderr);
    shop.run(&ACCEPT).exits(2).says(&says);
}

#[test]
fn the_way_back_is_offered_only_where_the_journal_keeps_one() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.run(&["create"]).ok();
        // Another tool has applied the first, and the second has no way back.
        let adopted = "INSERT INTO __diesel_schema_migrations (version) VALUES ('1')";
        shop.connect().execute(adopted);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        shop.migration("2_b", "CREATE TABLE b (id INTEGER);", "");
        std::fs::remove_file(shop.migrations().join("2_b/down.sql")).expect("removed");
        shop.file("2_b", "metadata.toml", "irreversible = \"data is gone\"\n");
        shop.migration("3_c", "CREATE TABLE c (id INTEGER);", "DROP TABLE c;");
        shop.migration("4_d", "CREATE TABLE d (id INTEGER);", "DROP TABLE d;");
        shop.run(&["run"]).ok();
        for (migration, version, offered) in
            [("1_a", "1", false), ("2_b", "2", false), ("3_c", "3", true)]
        {
            let directory = shop.migrations().join(migration);
            let aside = shop.workspace.path("aside");
            std::fs::rename(&directory, &aside).expect("moved");
            let accept = ["repair", "--accept-edit", version, "--why", "x", "--yes"];
            for (args, code) in [
                (&["run"][..], 4),
                (&["revert", "--only", version], 4),
                (&accept, 1),
            ] {
                let run = shop
                    .run(args)
                    .exits(code)
                    .says(&["restore the directory from version control"]);
                let offers = run.stderr.contains("--stored-down");
                assert_eq!(offers, offered, "{engine} {args:?}: {}", run.stderr);
            }
            let typed = ["revert", "--only", version, "--stored-down", "--dry-run"];
            shop.run(&typed).exits(if offered { 0 } else { 1 });
            std::fs::rename(&aside, &directory).expect("moved back");
        }
    }
}

#[test]
fn a_repair_of_what_is_half_applied_says_what_a_run_says() {
    for engine in ALL {
        let shop = Shop::new(engine);
        let file = |second: u32| {
            format!(
                "CREATE TABLE a (n INTEGER);\nINSERT INTO a VALUES ({second});\nINSERT INTO wrong VALUES (3);\n"
            )
        };
        shop.steps("1_a", &file(1), "DROP TABLE a;");
        shop.run(&["run"]).exits(1);
        let accept = [&ACCEPT[..], &["--yes"]].concat();
        shop.run(&accept).exits(1).says(&[
            "1_a (up) is half applied",
            "`cargo migrate run -p shop` resumes at the next statement",
            "nothing was changed",
        ]);
        shop.file("1_a", "up.sql", &file(2));
        for (args, code) in [(&["run"][..], 4), (&accept, 1)] {
            let run = shop.run(args).exits(code).says(&[
                "put statement 2 back as it was",
                "-INSERT INTO a VALUES (1);\n+INSERT INTO a VALUES (2);",
            ]);
            assert!(!run.stderr.contains("resumes"), "{}", run.stderr);
        }
        let mut link = shop.connect();
        link.execute("UPDATE __migrate_journal SET state = 'running'");
        link.execute("UPDATE __migrate_steps SET state = 'running' WHERE n = 2");
        drop(link);
        for (args, code) in [(&["run"][..], 7), (&accept, 1)] {
            let run = shop.run(args).exits(code).says(&[
                "statement 2 of 3 is in doubt",
                "cargo migrate resolve 1 --step 2 -p shop --done",
            ]);
            assert!(!run.stderr.contains("resumes"), "{}", run.stderr);
        }
        // Without its directory there is nothing to go on with, nor a way back.
        shop.migration("2_b", "CREATE TABLE b (id INTEGER);", "DROP TABLE b;");
        remove(&shop, "1_a");
        let run = shop.run(&["run"]).exits(4).says(&["restore the directory"]);
        assert!(!run.stderr.contains("--stored-down"), "{}", run.stderr);
    }
}

#[test]
fn what_cannot_be_recorded_is_named() {
    for engine in ALL {
        let shop = applied(engine);
        let adopted = "INSERT INTO __diesel_schema_migrations (version) VALUES ('15'), ('16')";
        shop.connect().execute(adopted);
        let left = "left out, applied, but without a file here: 15, 16";
        let run = shop
            .run(&["repair", "--record"])
            .ok()
            .says(&["nothing to record of the files that are here", left]);
        assert!(!run.stderr.contains("is known"), "{}", run.stderr);
        shop.migration("15_e", "CREATE TABLE e (id INTEGER);", "DROP TABLE e;");
        shop.run(&["repair", "--record"])
            .ok()
            .says(&["Recorded shop 15_e", "without a file here: 16"]);
    }
}
