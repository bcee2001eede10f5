//! Row 15: every way in which files and database can come to differ, on every
//! engine: what `run` and `status --exit-code` exit with, what is said, what
//! state the migration is in, and that nothing was run that should not be.

use tests::service::{ALL, Engine, Shop};
use tests::tally::Tally;

/// One change of the files after `1_a`, `2_b` and `3_c` were applied, with
/// `4_d` pending unless it says otherwise.
struct Case {
    name: &'static str,
    change: fn(&Shop),
    metadata: &'static str,
    run: i32,
    status: i32,
    /// Migrations and their states; the others are as they were.
    states: &'static [(&'static str, &'static str)],
    says: &'static [&'static str],
    /// The history after `run`.
    after: &'static [&'static str],
}

const DEFAULT: Case = Case {
    name: "",
    change: |_| {},
    metadata: "",
    run: 0,
    status: 3,
    states: &[("4_d", "pending")],
    says: &[],
    after: &["1", "2", "3", "4"],
};

const REFUSED: Case = Case {
    run: 4,
    status: 4,
    after: &["1", "2", "3"],
    ..DEFAULT
};

const UP: &str = "-- The second one.\nCREATE TABLE b (\n  id INTEGER,\n  note VARCHAR(20) DEFAULT 'x; -- y'\n);\nINSERT INTO b (id) VALUES (2);\n";
const DOWN: &str = "DROP TABLE b;\n";

fn rewrite(shop: &Shop, up: &str) {
    shop.migration("2_b", up, DOWN);
}

fn rename(shop: &Shop, from: &str, to: &str) {
    let directory = shop.migrations();
    std::fs::rename(directory.join(from), directory.join(to)).expect("renamed");
}

fn remove(shop: &Shop, name: &str) {
    std::fs::remove_dir_all(shop.migrations().join(name)).expect("removed");
}

const CASES: &[Case] = &[
    Case {
        name: "nothing changed",
        ..DEFAULT
    },
    Case {
        name: "a type edited",
        change: |shop| rewrite(shop, &UP.replace("INTEGER", "BIGINT")),
        states: &[("2_b", "edited"), ("4_d", "pending")],
        says: &["2_b", "edited after it was applied", "up.sql", "help: "],
        ..REFUSED
    },
    Case {
        name: "a string edited",
        change: |shop| rewrite(shop, &UP.replace("x; -- y", "x; --  y")),
        states: &[("2_b", "edited"), ("4_d", "pending")],
        says: &["2_b", "edited after it was applied"],
        ..REFUSED
    },
    Case {
        name: "a statement added",
        change: |shop| rewrite(shop, &format!("{UP}INSERT INTO b (id) VALUES (3);\n")),
        states: &[("2_b", "edited"), ("4_d", "pending")],
        says: &["2_b", "edited after it was applied"],
        ..REFUSED
    },
    Case {
        name: "emptied",
        change: |shop| rewrite(shop, "-- Nothing is left.\n"),
        states: &[("2_b", "edited"), ("4_d", "pending")],
        says: &["2_b", "edited after it was applied"],
        ..REFUSED
    },
    Case {
        name: "two swapped",
        change: |shop| {
            rename(shop, "2_b", "x");
            rename(shop, "3_c", "2_b");
            rename(shop, "x", "3_c");
        },
        states: &[("2_b", "edited"), ("3_c", "edited"), ("4_d", "pending")],
        says: &["2_b", "3_c", "edited after"],
        ..REFUSED
    },
    Case {
        name: "a comment added",
        change: |shop| rewrite(shop, &format!("/* Looked at. */\n{UP}")),
        says: &["2_b", "only comments or white space"],
        ..DEFAULT
    },
    Case {
        name: "formatted",
        change: |shop| {
            let formatted = "CREATE TABLE b ( id INTEGER, note VARCHAR(20)\n    DEFAULT 'x; -- y' );\n\n\nINSERT INTO b (id)\n\tVALUES (2) ;\n";
            rewrite(shop, formatted);
        },
        says: &["2_b", "only comments or white space"],
        ..DEFAULT
    },
    Case {
        name: "CRLF",
        change: |shop| rewrite(shop, &UP.replace('\n', "\r\n")),
        ..DEFAULT
    },
    Case {
        name: "a byte order mark",
        change: |shop| rewrite(shop, &format!("\u{feff}{UP}")),
        ..DEFAULT
    },
    Case {
        name: "the text after the underscore renamed",
        change: |shop| rename(shop, "2_b", "2_renamed"),
        states: &[("2_renamed", "applied"), ("4_d", "pending")],
        ..DEFAULT
    },
    Case {
        name: "dashes put into the version",
        change: |shop| rename(shop, "2_b", "-2-_b"),
        states: &[("-2-_b", "applied"), ("4_d", "pending")],
        ..DEFAULT
    },
    Case {
        name: "renamed to an older version",
        change: |shop| rename(shop, "2_b", "15_b"),
        states: &[("2_b", "missing"), ("15_b", "out-of-order")],
        says: &["2_b", "15_b", "help: "],
        ..REFUSED
    },
    Case {
        name: "renamed to a newer version",
        change: |shop| rename(shop, "2_b", "5_b"),
        states: &[("2_b", "missing"), ("5_b", "pending")],
        says: &["2_b", "not in the catalog"],
        ..REFUSED
    },
    Case {
        name: "missing in the middle",
        change: |shop| remove(shop, "2_b"),
        states: &[("2_b", "missing"), ("4_d", "pending")],
        says: &["2_b", "not in the catalog", "help: ", "nothing was run"],
        ..REFUSED
    },
    Case {
        name: "missing at the beginning",
        change: |shop| remove(shop, "1_a"),
        states: &[("1_a", "missing"), ("4_d", "pending")],
        says: &["1_a", "not in the catalog"],
        ..REFUSED
    },
    Case {
        name: "a late arrival",
        change: |shop| shop.migration("25_late", "CREATE TABLE late (id INTEGER);", ""),
        states: &[("25_late", "out-of-order"), ("4_d", "pending")],
        says: &["25_late", "sorts before 3", "help: ", "nothing was run"],
        ..REFUSED
    },
    Case {
        name: "a late arrival that is allowed",
        change: |shop| shop.migration("25_late", "CREATE TABLE late (id INTEGER);", ""),
        metadata: "out-of-order = \"allow\"",
        after: &["1", "2", "25", "3", "4"],
        states: &[("4_d", "pending")],
        ..DEFAULT
    },
    Case {
        name: "a late arrival that is told",
        change: |shop| shop.migration("25_late", "CREATE TABLE late (id INTEGER);", ""),
        metadata: "out-of-order = \"warn\"",
        says: &["25_late", "late"],
        after: &["1", "2", "25", "3", "4"],
        states: &[("4_d", "pending")],
        ..DEFAULT
    },
    Case {
        name: "edited, and a late arrival is allowed",
        change: |shop| {
            shop.migration("25_late", "CREATE TABLE late (id INTEGER);", "");
            rewrite(shop, "CREATE TABLE b (id BIGINT);");
        },
        metadata: "out-of-order = \"allow\"",
        states: &[("2_b", "edited")],
        says: &["2_b", "edited after"],
        ..REFUSED
    },
    Case {
        name: "edited, missing and late at once",
        change: |shop| {
            remove(shop, "1_a");
            rewrite(shop, "CREATE TABLE b (id BIGINT);");
            shop.migration("25_late", "CREATE TABLE late (id INTEGER);", "");
        },
        states: &[
            ("1_a", "missing"),
            ("2_b", "edited"),
            ("25_late", "out-of-order"),
        ],
        says: &["1_a", "2_b", "25_late"],
        ..REFUSED
    },
    Case {
        name: "the down edited",
        change: |shop| shop.migration("2_b", UP, "DROP TABLE b; SELECT 1;"),
        ..DEFAULT
    },
    Case {
        name: "the down removed",
        change: |shop| {
            std::fs::remove_file(shop.migrations().join("2_b/down.sql")).expect("removed");
        },
        ..DEFAULT
    },
    Case {
        name: "an old build on a newer schema",
        change: |shop| {
            remove(shop, "3_c");
            remove(shop, "4_d");
        },
        status: 0,
        states: &[("3_c", "ahead")],
        says: &["ahead", "3"],
        after: &["1", "2", "3"],
        ..DEFAULT
    },
    Case {
        name: "an old build that is itself edited",
        change: |shop| {
            remove(shop, "3_c");
            remove(shop, "4_d");
            rewrite(shop, "CREATE TABLE b (id BIGINT);");
        },
        states: &[("2_b", "edited")],
        says: &["2_b", "edited after"],
        ..REFUSED
    },
    Case {
        name: "a version that another tool applied",
        change: |shop| {
            shop.migration(
                "3_c",
                "CREATE TABLE c (id BIGINT, x INTEGER);",
                "DROP TABLE c;",
            );
            shop.connect()
                .execute("DELETE FROM __migrate_journal WHERE version = '3'");
        },
        states: &[("3_c", "adopted"), ("4_d", "pending")],
        ..DEFAULT
    },
];

fn shop(engine: Engine, case: &Case) -> Shop {
    let shop = Shop::with(engine, case.metadata);
    shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
    shop.migration("2_b", UP, DOWN);
    shop.migration("3_c", "CREATE TABLE c (id INTEGER);", "DROP TABLE c;");
    shop.run(&["run"]).ok();
    shop.migration("4_d", "CREATE TABLE d (id INTEGER);", "DROP TABLE d;");
    shop
}

#[test]
fn whatever_became_of_the_files_is_known_by_its_name() {
    for engine in ALL {
        let mut tally = Tally::new(15, engine);
        for case in CASES {
            let name = case.name;
            let shop = shop(engine, case);
            let schema = shop.schema();
            (case.change)(&shop);
            let status = shop.run(&["status", "--exit-code"]);
            assert_eq!(
                status.code,
                Some(case.status),
                "{engine}, {name}: {}",
                status.stdout
            );
            let states = shop.states();
            for (migration, state) in case.states {
                let expected = ((*migration).to_owned(), (*state).to_owned());
                assert!(
                    states.contains(&expected),
                    "{engine}, {name}: {expected:?} is not in {states:?}"
                );
            }
            let run = shop.run(&["run"]);
            assert_eq!(run.code, Some(case.run), "{engine}, {name}: {}", run.stderr);
            for words in case.says {
                assert!(
                    run.stderr.contains(words),
                    "{engine}, {name}: no `{words}` in\n{}",
                    run.stderr
                );
            }
            assert_eq!(shop.history(), case.after, "{engine}, {name}");
            if case.run != 0 {
                assert_eq!(
                    shop.schema(),
                    schema,
                    "{engine}, {name}: refused, and changed"
                );
            }
            tally.add("changes");
        }
        tally.finish("changes", CASES.len());
    }
}

/// What reverting makes of the same: of what is gone there is no way back, and
/// an edit is no matter to it.
#[test]
fn reverting_goes_as_far_as_there_are_files() {
    for engine in ALL {
        let mut tally = Tally::new(15, format!("{engine}, reverting"));
        let edited = shop(engine, &DEFAULT);
        remove(&edited, "1_a");
        edited
            .run(&["revert", "--to", "zero"])
            .exits(4)
            .says(&["1_a", "help: "]);
        assert_eq!(edited.history(), ["1", "2", "3"]);
        tally.add("changes");

        let ahead = shop(engine, &DEFAULT);
        remove(&ahead, "3_c");
        remove(&ahead, "4_d");
        ahead
            .run(&["revert"])
            .exits(4)
            .says(&["3_c", "not in the catalog"]);
        assert_eq!(ahead.history(), ["1", "2", "3"]);
        tally.add("changes");

        let renamed = shop(engine, &DEFAULT);
        rename(&renamed, "3_c", "3_other");
        renamed.run(&["revert"]).ok();
        assert_eq!(renamed.history(), ["1", "2"]);
        tally.add("changes");

        let windows = shop(engine, &DEFAULT);
        rewrite(&windows, &UP.replace('\n', "\r\n"));
        windows.run(&["revert", "--to", "zero"]).ok();
        assert!(windows.history().is_empty());
        windows.run(&["run"]).ok();
        windows.run(&["status", "--exit-code"]).ok();
        rewrite(&windows, UP);
        windows.run(&["status", "--exit-code"]).ok();
        tally.add("changes");
        tally.finish("changes", 4);
    }
}
