//! What is told of a half-applied migration: that its file was edited.

use crate::service::{ALL, Engine, Shop};

/// Three statements, of which the last fails.
fn stopped_at_three(engine: Engine) -> Shop {
    let shop = Shop::new(engine);
    shop.steps("1_a", &three(1, "wrong"), "DROP TABLE marks;");
    shop.run(&["run"]).exits(1).says(&["statement 3 of 3"]);
    shop
}

fn three(second: u32, third: &str) -> String {
    format!(
        "CREATE TABLE marks (n INTEGER NOT NULL);\nINSERT INTO marks VALUES ({second});\nINSERT INTO {third} VALUES (3);\n"
    )
}

#[test]
fn an_edit_of_what_is_half_applied_is_told_before_anything_runs() {
    for engine in ALL {
        let shop = stopped_at_three(engine);
        shop.file("1_a", "up.sql", &three(2, "marks"));
        assert_eq!(shop.state("1_a"), "edited", "{engine}");
        shop.run(&["status", "--exit-code"])
            .exits(4)
            .prints(&["edited while half-applied, statement 2 of 3"]);
        for args in [&["plan"][..], &["run", "--dry-run"], &["run"]] {
            shop.run(args).exits(4).says(&[
                "1_a (up) was edited while half applied: statement 2 of 3",
                "up.sql:2:1",
                "put statement 2 back as it was",
            ]);
        }
        shop.run(&["revert"]).exits(4);
        // A statement less is an edit, too.
        shop.file("1_a", "up.sql", "CREATE TABLE marks (n INTEGER NOT NULL);");
        shop.run(&["plan"]).exits(4).says(&["statement 2 of 3"]);
        // What has not run yet may change.
        shop.file("1_a", "up.sql", &three(1, "marks"));
        assert_eq!(shop.state("1_a"), "half-applied", "{engine}");
        shop.run(&["run"]).ok();
        shop.run(&["status", "--exit-code"]).ok();
    }
}

#[test]
fn so_is_one_of_what_is_half_reverted() {
    for engine in ALL {
        let shop = Shop::new(engine);
        let down = |first: u32, second: &str| {
            format!("INSERT INTO marks VALUES ({first});\nDELETE FROM {second};\n")
        };
        shop.steps(
            "1_a",
            "CREATE TABLE marks (n INTEGER NOT NULL);",
            &down(1, "wrong"),
        );
        shop.run(&["run"]).ok();
        shop.run(&["revert"]).exits(1);
        shop.file("1_a", "down.sql", &down(2, "marks"));
        shop.run(&["revert", "--dry-run"])
            .exits(4)
            .says(&["1_a (down) was edited while half applied: statement 1 of 2"]);
        shop.run(&["status", "--exit-code"])
            .exits(4)
            .prints(&["edited while half-applied, statement 1 of 2"]);
        shop.file("1_a", "down.sql", &down(1, "marks"));
        shop.run(&["revert"]).ok();
    }
}
