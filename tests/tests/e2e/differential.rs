//! Diesel's own harness is the oracle: it and the command take turns on one
//! database, and nobody can tell afterwards who did what.

use std::collections::BTreeMap;
use std::path::Path;

use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use migrate_core::Catalog;

use tests::service::{ALL, Engine, Link, Shop, TRANSACTIONAL};

/// A set with all spellings of versions; each is applied and reverted by both.
const NAMES: [&str; 8] = [
    "00000000000001_users",
    "00000000000002_orders",
    "2023-01-01-000000_index",
    "2023-06-01_120000_data",
    "20230701000000_view",
    "2024-01-01-000000-0000_trigger",
    "2024-02-01-000000_outside",
    "20240301000000_last",
];

/// Up and down of each of [`NAMES`].
fn scripts(engine: Engine) -> [(&'static str, &'static str); 8] {
    match engine {
        Engine::Sqlite => standard(
            (
                "CREATE TRIGGER stamp AFTER INSERT ON orders BEGIN UPDATE orders SET note = 'new' WHERE id = NEW.id; SELECT 1; END;",
                "DROP TRIGGER stamp;",
            ),
            ("VACUUM;", "PRAGMA foreign_keys = ON;"),
        ),
        Engine::Postgres => standard(
            (
                "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'new;'; RETURN NEW; END $$;\n\
                 CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stamp();",
                "DROP TRIGGER stamp ON orders;\nDROP FUNCTION stamp();",
            ),
            (
                "CREATE INDEX CONCURRENTLY orders_total ON orders (total);",
                "DROP INDEX CONCURRENTLY orders_total;",
            ),
        ),
        Engine::Mariadb => MARIADB,
    }
}

/// What SQLite and PostgreSQL read alike, with a trigger and what runs outside a
/// transaction of their own.
fn standard(
    trigger: (&'static str, &'static str),
    outside: (&'static str, &'static str),
) -> [(&'static str, &'static str); 8] {
    [
        (
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, UNIQUE (name, id));",
            "DROP TABLE users;",
        ),
        (
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id),\n\
             total INTEGER NOT NULL CHECK (total >= 0));\n-- Größe: 1\nALTER TABLE orders ADD COLUMN note TEXT;",
            "DROP TABLE orders;",
        ),
        (
            "CREATE INDEX orders_user ON orders (user_id);",
            "DROP INDEX orders_user;",
        ),
        (
            "INSERT INTO users (id, name) VALUES (1, 'a;b'), (2, 'c');\nUPDATE users SET name = name || '!';",
            "DELETE FROM users WHERE id IN (1, 2);",
        ),
        (
            "CREATE VIEW totals AS SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id;",
            "DROP VIEW totals;",
        ),
        trigger,
        outside,
        (
            "CREATE TABLE tags (tag TEXT NOT NULL PRIMARY KEY);\nINSERT INTO tags VALUES ('x');\n",
            "DROP TABLE tags;\n",
        ),
    ]
}

/// The same on MariaDB, with bodies of which Diesel sends all in one packet and
/// we each by itself.
const MARIADB: [(&str, &str); 8] = [
    (
        "CREATE TABLE users (id INTEGER PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100) NOT NULL, UNIQUE (name, id));",
        "DROP TABLE users;",
    ),
    (
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id),\n\
         total INTEGER NOT NULL CHECK (total >= 0)) COMMENT 'it''s; \"all\"';\n-- Größe: 1\n\
         ALTER TABLE orders ADD COLUMN note TEXT, ALGORITHM=INSTANT;",
        "DROP TABLE orders;",
    ),
    (
        "CREATE INDEX orders_total ON orders (total);\n# And words.\nCREATE FULLTEXT INDEX orders_note ON orders (note);",
        "DROP INDEX orders_note ON orders;\nDROP INDEX orders_total ON orders;",
    ),
    (
        "INSERT INTO users (id, name) VALUES (1, 'a;b'), (2, 'it\\'s; c');\nUPDATE users SET name = CONCAT(name, '!');",
        "DELETE FROM users WHERE id IN (1, 2);",
    ),
    (
        "CREATE VIEW totals AS SELECT user_id, sum(total) AS total FROM orders GROUP BY user_id;",
        "DROP VIEW totals;",
    ),
    (
        "CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW BEGIN\n  IF NEW.note IS NULL THEN\n    SET NEW.note = 'new;';\n  END IF;\nEND;\n\
         CREATE PROCEDURE stamp_all(IN word TEXT)\nBEGIN\n  DECLARE done INT DEFAULT FALSE;\n  REPEAT\n    UPDATE orders SET note = CASE word WHEN '' THEN NULL ELSE word END;\n\
         \x20   SET done = TRUE;\n  UNTIL done END REPEAT;\nEND;\n\
         CALL stamp_all('old');",
        "DROP PROCEDURE stamp_all;\nDROP TRIGGER stamp;",
    ),
    (
        "ALTER TABLE orders ADD INDEX orders_id (total, id), ALGORITHM=INPLACE, LOCK=NONE;\nANALYZE TABLE orders;",
        "/*!50000 ALTER TABLE orders */ /*M!100000 DROP INDEX orders_id */;",
    ),
    (
        "CREATE TABLE tags (tag VARCHAR(50) NOT NULL PRIMARY KEY) /*!50100 PARTITION BY KEY (tag) PARTITIONS 2 */;\nINSERT INTO tags VALUES ('x');\n",
        "DROP TABLE tags;\n",
    ),
];

fn shop(engine: Engine) -> Shop {
    let shop = Shop::new(engine);
    for (name, (up, down)) in NAMES.iter().zip(scripts(engine)) {
        shop.migration(name, up, down);
    }
    shop.file(
        "2024-02-01-000000_outside",
        "metadata.toml",
        "run_in_transaction = false\n",
    );
    shop
}

fn source(shop: &Shop) -> FileBasedMigrations {
    FileBasedMigrations::from_path(shop.migrations()).expect("Diesel accepts the set")
}

/// One verb of Diesel's harness, over whichever connection it is.
macro_rules! diesel {
    ($shop:expr, $verb:ident) => {
        match $shop.connect() {
            Link::Sqlite(mut connection) => {
                connection.$verb(source($shop)).expect(stringify!($verb));
            }
            Link::Postgres(mut connection) => {
                connection.$verb(source($shop)).expect(stringify!($verb));
            }
            Link::Mariadb(mut connection) => {
                connection.$verb(source($shop)).expect(stringify!($verb));
            }
        }
    };
}

fn diesel_applies(shop: &Shop, count: usize) {
    for _ in 0..count {
        diesel!(shop, run_next_migration);
    }
}

fn diesel_applies_all(shop: &Shop) {
    diesel!(shop, run_pending_migrations);
}

fn diesel_reverts_all(shop: &Shop) {
    diesel!(shop, revert_all_migrations);
}

fn data(shop: &Shop) -> Vec<String> {
    shop.texts("SELECT name AS text FROM users UNION ALL SELECT tag FROM tags ORDER BY 1")
}

/// What an undisturbed run of Diesel's leaves: applied, then all reverted.
struct Oracle {
    history: Vec<String>,
    schema: String,
    data: Vec<String>,
    reverted: String,
}

fn oracle(engine: Engine) -> Oracle {
    let shop = shop(engine);
    diesel_applies_all(&shop);
    let (history, schema, data) = (shop.history(), shop.schema(), data(&shop));
    assert_eq!(history.len(), NAMES.len());
    assert!(
        schema.contains("totals") && schema.contains("stamp"),
        "{schema}"
    );
    diesel_reverts_all(&shop);
    assert!(shop.history().is_empty());
    let reverted = shop.schema();
    assert!(!reverted.contains("users"), "{reverted}");
    Oracle {
        history,
        schema,
        data,
        reverted,
    }
}

#[track_caller]
fn is_as_diesel_leaves_it(shop: &Shop, oracle: &Oracle) {
    assert_eq!(shop.history(), oracle.history);
    assert_eq!(shop.schema(), oracle.schema);
    assert_eq!(data(shop), oracle.data);
}

#[track_caller]
fn is_as_diesel_reverted_it(shop: &Shop, oracle: &Oracle) {
    assert!(shop.history().is_empty());
    assert_eq!(shop.schema(), oracle.reverted);
}

#[track_caller]
fn states_are(shop: &Shop, of: impl Fn(usize) -> &'static str) {
    let states: Vec<String> = shop.states().into_iter().map(|(_, state)| state).collect();
    let expected: Vec<&str> = (0..NAMES.len()).map(of).collect();
    assert_eq!(states, expected);
}

#[test]
fn diesel_applies_some_we_the_rest_and_diesel_reverts_all() {
    for engine in ALL {
        let oracle = oracle(engine);
        for n in [1, 3, 6, 7] {
            let shop = shop(engine);
            diesel_applies(&shop, n);
            states_are(&shop, |at| if at < n { "adopted" } else { "pending" });
            shop.run(&["run"]).ok();
            states_are(&shop, |at| if at < n { "adopted" } else { "applied" });
            is_as_diesel_leaves_it(&shop, &oracle);
            diesel_reverts_all(&shop);
            is_as_diesel_reverted_it(&shop, &oracle);
            states_are(&shop, |_| "pending");
            // And once more from the start, over a journal of what is gone.
            shop.run(&["run"]).ok();
            is_as_diesel_leaves_it(&shop, &oracle);
        }
    }
}

#[test]
fn we_apply_some_diesel_the_rest_and_we_revert_all() {
    for engine in ALL {
        let oracle = oracle(engine);
        for n in [1, 4, 7] {
            let shop = shop(engine);
            shop.run(&["run", "--count", &n.to_string()]).ok();
            assert_eq!(shop.history().len(), n);
            diesel_applies_all(&shop);
            states_are(&shop, |at| if at < n { "applied" } else { "adopted" });
            is_as_diesel_leaves_it(&shop, &oracle);
            shop.run(&["run"]).ok();
            shop.run(&["revert", "--to", "zero"]).ok();
            is_as_diesel_reverted_it(&shop, &oracle);
            diesel_applies_all(&shop);
            is_as_diesel_leaves_it(&shop, &oracle);
        }
    }
}

#[test]
fn turns_taken_migration_by_migration_end_as_diesel_alone() {
    for engine in ALL {
        let oracle = oracle(engine);
        let shop = shop(engine);
        for n in 0..NAMES.len() {
            if n % 2 == 0 {
                diesel_applies(&shop, 1);
            } else {
                shop.run(&["run", "--count", "1"]).ok();
            }
        }
        is_as_diesel_leaves_it(&shop, &oracle);
        for n in 0..NAMES.len() {
            if n % 2 == 0 {
                shop.run(&["revert"]).ok();
                continue;
            }
            diesel!(&shop, revert_last_migration);
        }
        is_as_diesel_reverted_it(&shop, &oracle);
    }
}

#[test]
fn an_untouched_run_of_ours_leaves_what_diesel_leaves() {
    for engine in ALL {
        let oracle = oracle(engine);
        for extra in [None, Some("--single-transaction")] {
            if extra.is_some() && !TRANSACTIONAL.contains(&engine) {
                continue;
            }
            let shop = shop(engine);
            if extra.is_some() {
                std::fs::remove_file(
                    shop.migrations()
                        .join("2024-02-01-000000_outside/metadata.toml"),
                )
                .expect("removed");
                let (up, down) = match engine {
                    Engine::Sqlite | Engine::Mariadb => ("SELECT 1;", "SELECT 1;"),
                    Engine::Postgres => (
                        "CREATE INDEX orders_total ON orders (total);",
                        "DROP INDEX orders_total;",
                    ),
                };
                shop.migration("2024-02-01-000000_outside", up, down);
            }
            let args: Vec<&str> = ["run"].into_iter().chain(extra).collect();
            shop.run(&args).ok();
            is_as_diesel_leaves_it(&shop, &oracle);
            shop.run(&["revert", "--to", "zero"]).ok();
            is_as_diesel_reverted_it(&shop, &oracle);
        }
    }
}

#[test]
fn what_diesel_applied_again_is_not_held_against_what_we_applied_before() {
    for engine in ALL {
        let shop = Shop::new(engine);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        shop.run(&["run"]).ok();
        diesel_reverts_all(&shop);
        // Not landed yet, so it may change between two tries.
        shop.migration("1_a", "CREATE TABLE a (id BIGINT);", "DROP TABLE a;");
        diesel_applies_all(&shop);
        // Those clocks count seconds: let some pass between the two.
        let later = match engine {
            Engine::Sqlite => "datetime(run_on, '+5 seconds')",
            Engine::Postgres => "run_on",
            Engine::Mariadb => "run_on + INTERVAL 5 SECOND",
        };
        shop.connect().execute(&format!(
            "UPDATE __diesel_schema_migrations SET run_on = {later}"
        ));
        assert_eq!(shop.state("1_a"), "adopted");
        shop.run(&["run"]).ok();
        shop.run(&["redo"]).ok();
        assert_eq!(shop.state("1_a"), "applied");
        shop.migration("1_a", "CREATE TABLE a (id TEXT);", "DROP TABLE a;");
        assert_eq!(shop.state("1_a"), "edited");
    }
}

/// Versions and names in the order in which Diesel would run them.
fn diesel_reads(directory: &Path) -> Option<Vec<(String, String)>> {
    let source = FileBasedMigrations::from_path(directory).ok()?;
    let migrations: Vec<Box<dyn Migration<Pg>>> = source.migrations().ok()?;
    let read: BTreeMap<_, _> = migrations
        .iter()
        .map(|migration| {
            let name = migration.name();
            (name.version().as_owned(), name.to_string())
        })
        .collect();
    Some(
        read.into_iter()
            .map(|(version, name)| (version.to_string(), name))
            .collect(),
    )
}

fn we_read(directory: &Path) -> Vec<(String, String)> {
    let catalog = Catalog::load(&[directory.to_owned()])
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    catalog
        .iter()
        .map(|migration| (migration.version.to_string(), migration.name.clone()))
        .collect()
}

fn agree(names: &[&str]) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for name in names {
        let path = directory.path().join(name);
        std::fs::create_dir(&path).expect("a directory");
        std::fs::write(path.join("up.sql"), "SELECT 1;").expect("a file");
    }
    std::fs::write(directory.path().join("README.md"), "not a migration").expect("a file");
    let diesel = diesel_reads(directory.path()).expect("Diesel reads the set");
    assert_eq!(diesel.len(), names.len(), "Diesel dropped one of {names:?}");
    assert_eq!(we_read(directory.path()), diesel, "{names:?}");
}

#[test]
fn versions_and_order_are_diesels_for_every_name_that_it_accepts() {
    let names = [
        "001_a",
        "10_b",
        "2_c",
        "20230101000000_d",
        "2023-01-01-000001_e",
        "2023-01-01-000002-00af_f",
        "2024-03-13_170000_g",
        "2025-07-14-add_h",
        "nounderscore",
        "no-underscore-but-dashes",
        "20240101000000",
        "20240102000000_",
        "YYYY-MM-DD-HHMMSS_i",
        "Zed_j",
        "abc_k",
        "with space_and More",
        "Ünicode_l",
        "日本_m",
        "2024-01-05-000000__double",
        "V1__flyway",
        "1.2.3_n",
        "a+b_o",
        "12345678901234567890123456789012345678901234567890_p",
        "2024_r",
        "9223372036854775808_s",
    ];
    agree(&names);
}

#[test]
fn order_is_diesels_for_sets_of_mixed_spellings() {
    // A small generator of its own: every run tries the same names.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("small")
    };
    const LETTERS: [&str; 16] = [
        "0", "1", "2", "9", "20", "2024", "-", "-", "_", "a", "Z", " ", ".", "ä", "+", "00",
    ];
    let mut sets = 0;
    for _ in 0..150 {
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        for _ in 0..=next(6) {
            let name: String = (0..=next(8))
                .map(|_| LETTERS[next(LETTERS.len())])
                .collect();
            let version = name.split('_').next().unwrap_or_default().replace('-', "");
            // Refused by ours on purpose, dropped in silence by Diesel, or no name of a directory.
            if version.is_empty() || name.starts_with('.') || version.trim() != version {
                continue;
            }
            names.entry(version).or_insert(name);
        }
        let names: Vec<&str> = names.values().map(String::as_str).collect();
        if !names.is_empty() {
            agree(&names);
            sets += 1;
        }
    }
    assert!(sets > 100, "only {sets} sets were tried");
}
