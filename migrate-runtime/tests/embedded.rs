//! `embed_migrations!` on the sets beside this file, compared with what the
//! catalog's loader makes of the same directories.

use std::path::{Path, PathBuf};

use migrate_runtime::core::{Catalog, Migration};
use migrate_runtime::{EmbeddedError, EmbeddedMigration, Migrations, embed_migrations};

static CART: Migrations = embed_migrations!("tests/sets/cart");
static MERGED: Migrations = embed_migrations!("tests/sets/base", "tests/sets/cart");
static VARIANT: Migrations = embed_migrations!("tests/sets/variants/sqlite",);

fn load(names: &[&str]) -> Catalog {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directories: Vec<PathBuf> = names.iter().map(|name| root.join(name)).collect();
    Catalog::load(&directories).expect("a good set")
}

/// Everything that a migration says of itself.
fn facts(migration: &Migration) -> impl PartialEq + std::fmt::Debug {
    (
        migration.version.clone(),
        migration.name.clone(),
        migration.metadata.clone(),
        (migration.raw, migration.down),
        migration.up().expect("a text"),
        migration.down().expect("a text or none"),
    )
}

fn assert_same(embedded: &Catalog, loaded: &Catalog) {
    assert!(!loaded.is_empty());
    let embedded: Vec<_> = embedded.iter().map(facts).collect();
    let loaded: Vec<_> = loaded.iter().map(facts).collect();
    assert_eq!(embedded, loaded);
}

#[test]
fn an_embedded_set_is_what_the_loader_reads() {
    assert_same(&CART.catalog().unwrap(), &load(&["tests/sets/cart"]));
    assert_same(
        &VARIANT.catalog().unwrap(),
        &load(&["tests/sets/variants/sqlite"]),
    );
}

#[test]
fn merged_directories_are_one_embedded_set() {
    assert_same(
        &MERGED.catalog().unwrap(),
        &load(&["tests/sets/base", "tests/sets/cart"]),
    );
}

#[test]
fn a_literal_may_come_through_another_macro() {
    macro_rules! through {
        ($directory:literal) => {
            embed_migrations!($directory)
        };
    }
    static THROUGH: Migrations = through!("tests/sets/cart");
    assert_eq!(THROUGH.catalog().unwrap().len(), 3);
}

#[test]
fn a_set_put_together_by_hand_is_checked() {
    const fn migration(
        name: &'static str,
        metadata: Option<&'static str>,
    ) -> [EmbeddedMigration; 1] {
        [EmbeddedMigration {
            name,
            up: "SELECT 1",
            down: None,
            metadata,
        }]
    }
    static NAMELESS: [EmbeddedMigration; 1] = migration("_a", None);
    static WRONG: [EmbeddedMigration; 1] = migration("1_a", Some("run_in_transaction = 1"));
    static TWICE: [EmbeddedMigration; 2] = [migration("1_a", None)[0], migration("1_b", None)[0]];
    let error = |set| Migrations::new(set).catalog().unwrap_err();
    assert!(matches!(
        error(&NAMELESS),
        EmbeddedError::Version { name: "_a", .. }
    ));
    assert!(
        error(&WRONG)
            .to_string()
            .starts_with("embedded migration `1_a`, metadata.toml:1:22: ")
    );
    assert_eq!(
        error(&TWICE).to_string(),
        "two embedded migrations have version 1"
    );
}
