//! Odd names of migrations, and what lies beside them.

use tests::service::{ALL, Engine, Shop};

/// Applies a set of `names`, each leaving a mark, and reverts it; both in the
/// order of `names`.
#[track_caller]
fn runs_in_order(engine: Engine, names: &[(&str, &str)]) {
    let shop = Shop::new(engine);
    shop.migration(
        "0_marks",
        "CREATE TABLE marks (n INTEGER NOT NULL, name TEXT NOT NULL);",
        "DROP TABLE marks;",
    );
    for (name, _) in names {
        let quoted = name.replace('\'', "''");
        shop.migration(
            name,
            &format!("INSERT INTO marks SELECT count(*), '{quoted}' FROM marks;"),
            &format!(
                "DELETE FROM marks WHERE name = '{quoted}' AND n = (SELECT max(n) FROM marks);"
            ),
        );
    }
    shop.run(&["run"]).ok();
    let expected: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        shop.texts("SELECT name AS text FROM marks ORDER BY n"),
        expected
    );
    let mut versions: Vec<&str> = std::iter::once("0")
        .chain(names.iter().map(|(_, version)| *version))
        .collect();
    versions.sort_unstable();
    assert_eq!(shop.history(), versions);
    shop.run(&["status", "--exit-code"]).ok();
    let newest = names.last().expect("a name").0;
    shop.run(&["show", newest])
        .ok()
        .prints(&["INSERT INTO marks"]);
    shop.run(&["revert", "--to", "0_marks"]).ok();
    assert!(shop.texts("SELECT name AS text FROM marks").is_empty());
    shop.run(&["revert", "--to", "zero"]).ok();
    assert!(shop.history().is_empty());
}

#[test]
fn three_spellings_in_one_set_go_by_versions_not_by_names() {
    for engine in ALL {
        // By name the dashed ones would come first, by number the short ones.
        runs_in_order(
            engine,
            &[
                ("00000000000000_diesel_initial_setup", "00000000000000"),
                ("10_ten", "10"),
                ("20230102000000_plain", "20230102000000"),
                ("2023-01-03-000000_dashed", "20230103000000"),
                ("20230104000000_plain", "20230104000000"),
                ("2023-01-05-000000-0000_salted", "202301050000000000"),
                ("9_nine", "9"),
            ],
        );
    }
}

#[test]
fn a_name_with_words_in_its_version_is_taken_as_diesel_takes_it() {
    for engine in ALL {
        runs_in_order(
            engine,
            &[
                ("2024-03-13_170000_half_dashed", "20240313"),
                ("2025-07-14-add_x", "20250714add"),
            ],
        );
    }
}

#[test]
fn a_name_without_underscore_or_without_text_is_a_version() {
    for engine in ALL {
        runs_in_order(
            engine,
            &[
                ("20240101000000", "20240101000000"),
                ("20240102000000_", "20240102000000"),
                ("nounderscore", "nounderscore"),
            ],
        );
    }
}

#[test]
fn a_forgotten_template_is_a_version_and_stays_the_newest() {
    for engine in ALL {
        runs_in_order(
            engine,
            &[
                ("2024-01-01-000000_a", "20240101000000"),
                ("YYYY-MM-DD-HHMMSS_add_y", "YYYYMMDDHHMMSS"),
            ],
        );
    }
}

#[test]
fn spaces_capitals_and_other_letters_are_fine() {
    for engine in ALL {
        runs_in_order(
            engine,
            &[
                ("2024-01-01-000000_Add User  Roles", "20240101000000"),
                ("2024-01-02-000000_it's größer; %s 日本", "20240102000000"),
                ("Zed 1_x", "Zed 1"),
                ("abc_x", "abc"),
            ],
        );
    }
}

#[test]
fn fifty_characters_are_a_version_and_fifty_one_are_refused() {
    for engine in ALL {
        let fifty = "1".repeat(50);
        runs_in_order(engine, &[(&format!("{fifty}_x"), &fifty)]);
        let shop = Shop::new(engine);
        shop.migration(&format!("{fifty}1_x"), "SELECT 1;", "SELECT 1;");
        shop.run(&["run"]).exits(1).says(&["51 characters", "50"]);
    }
}

#[test]
fn what_lies_beside_the_migrations_is_passed_over() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        for name in [
            "README.md",
            "generate.sh",
            ".keep",
            ".diesel_lock",
            "schema.rs",
        ] {
            shop.workspace
                .write(&format!("services/shop/migrations/{name}"), "DROP TABLE a;");
        }
        shop.file(".hidden_migration", "up.sql", "this is no SQL");
        shop.file("1_a", "notes.txt", "this is no SQL");
        shop.run(&["run"]).ok();
        assert_eq!(shop.states(), [("1_a".to_owned(), "applied".to_owned())]);
    }
}

#[test]
fn an_empty_directory_is_passed_over_with_a_warning() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        std::fs::create_dir(shop.migrations().join("2_left_by_git")).expect("a directory");
        shop.run(&["run"])
            .ok()
            .says(&["warning", "2_left_by_git", "empty"]);
        assert_eq!(shop.history(), ["1"]);
    }
}

#[test]
fn two_names_of_one_version_are_refused_where_diesel_drops_one() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration(
            "20240101000000_a",
            "CREATE TABLE a (id INTEGER);",
            "DROP TABLE a;",
        );
        shop.migration(
            "2024-01-01-000000_b",
            "CREATE TABLE b (id INTEGER);",
            "DROP TABLE b;",
        );
        shop.run(&["run"]).exits(1).says(&[
            "20240101000000",
            "20240101000000_a",
            "2024-01-01-000000_b",
        ]);
    }
}
