//! What `new` writes, and that it writes nothing where it refuses.

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use migrate_core::{Dialect, Metadata, Transaction};

use super::*;
use crate::config::sample::{Shop, shop};
use crate::scaffold::Numbering;

fn request(name: &str) -> NewMigration {
    NewMigration {
        name: name.to_owned(),
        numbering: Numbering::Kept,
        transaction: InTransaction::Yes,
        way_back: WayBack::Down,
        backend: None,
        now: "2026-03-01T12:00:00Z".parse().unwrap(),
    }
}

fn write(shop: &Shop, request: &NewMigration) -> Result<Written, ScaffoldError> {
    let services = shop.services().unwrap();
    new_migration(&services[0], &services[0].databases[0], request)
}

/// All files and directories below the service, in order.
fn tree(shop: &Shop) -> Vec<String> {
    fn walk(path: &Path, base: &Path, out: &mut Vec<String>) {
        let mut entries: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for entry in entries {
            if entry.is_dir() {
                walk(&entry, base, out);
            }
            out.push(entry.strip_prefix(base).unwrap().display().to_string());
        }
    }
    let mut out = Vec::new();
    let base = shop.workspace.root.join("cart");
    walk(&base, &base, &mut out);
    out
}

const UP: &str = "SELECT 1;";

#[test]
fn a_new_migration_has_both_files_and_head_names_it() {
    let shop = shop(&[
        ("cart/Cargo.toml", ""),
        ("cart/migrations/2026-02-01-000000_a/up.sql", UP),
        ("cart/migrations/HEAD", "2026-02-01-000000_a\n"),
    ]);
    let written = write(&shop, &request("Add user roles")).unwrap();
    assert_eq!(written.name, "2026-03-01-120000_add_user_roles");
    assert_eq!(written.version.as_str(), "20260301120000");
    assert_eq!(
        (written.files.len(), written.heads.len(), &written.newer),
        (2, 1, &None)
    );
    assert_eq!(
        tree(&shop),
        [
            "Cargo.toml",
            "migrations/2026-02-01-000000_a/up.sql",
            "migrations/2026-02-01-000000_a",
            "migrations/2026-03-01-120000_add_user_roles/down.sql",
            "migrations/2026-03-01-120000_add_user_roles/up.sql",
            "migrations/2026-03-01-120000_add_user_roles",
            "migrations/HEAD",
            "migrations",
        ]
    );
    let head = fs::read_to_string(shop.workspace.root.join("cart/migrations/HEAD")).unwrap();
    assert_eq!(head, "2026-03-01-120000_add_user_roles\n");
}

#[test]
fn a_taken_second_gives_the_next_and_a_later_migration_is_told() {
    let shop = shop(&[
        ("cart/Cargo.toml", ""),
        ("cart/migrations/20260301120000_a/up.sql", UP),
        ("cart/migrations/2027-01-01-000000_z/up.sql", UP),
    ]);
    let written = write(&shop, &request("b")).unwrap();
    assert_eq!(written.name, "2026-03-01-120001_b");
    assert_eq!(written.newer.as_deref(), Some("2027-01-01-000000_z"));
    assert_eq!(
        write(&shop, &request("b")).unwrap().name,
        "2026-03-01-120002_b"
    );
}

#[test]
fn metadata_is_written_only_where_it_says_something() {
    let shop = shop(&[
        ("cart/Cargo.toml", ""),
        ("cart/migrations/001_a/up.sql", UP),
    ]);
    let text = |written: &Written, file: &str| {
        let path = written.files.iter().find(|path| path.ends_with(file))?;
        Some(fs::read_to_string(path).unwrap())
    };
    let outside = write(
        &shop,
        &NewMigration {
            transaction: InTransaction::No,
            ..request("b")
        },
    )
    .unwrap();
    assert_eq!(outside.name, "002_b");
    assert_eq!(
        text(&outside, "metadata.toml").unwrap(),
        "run_in_transaction = false\n"
    );
    let why = "the \"old\" ids\nare gone";
    let irreversible = NewMigration {
        way_back: WayBack::Irreversible(why.to_owned()),
        ..request("c")
    };
    let written = write(&shop, &irreversible).unwrap();
    assert_eq!(text(&written, "down.sql"), None);
    let metadata = Metadata::parse(&text(&written, "metadata.toml").unwrap()).unwrap();
    assert_eq!(
        (metadata.transaction, metadata.irreversible.as_deref()),
        (Transaction::Stated(true), Some(why))
    );
}

#[test]
fn every_variant_gets_the_migration_under_one_version() {
    let shop = shop(&[
        ("cart/Cargo.toml", ""),
        ("cart/migrations/sqlite/001_a/up.sql", UP),
        ("cart/migrations/sqlite/HEAD", "001_a"),
        ("cart/migrations/postgres/001_a/up.sql", UP),
        ("cart/migrations/postgres/002_b/up.sql", UP),
    ]);
    let written = write(&shop, &request("c")).unwrap();
    assert_eq!(
        (
            written.name.as_str(),
            written.files.len(),
            written.heads.len()
        ),
        ("003_c", 4, 1)
    );
    let only = write(
        &shop,
        &NewMigration {
            backend: Some(Dialect::Sqlite),
            ..request("d")
        },
    )
    .unwrap();
    assert_eq!((only.name.as_str(), only.files.len()), ("004_d", 2));
    let new = write(
        &shop,
        &NewMigration {
            backend: Some(Dialect::MySql),
            ..request("e")
        },
    )
    .unwrap();
    assert!(
        new.files[0].ends_with("migrations/mysql/005_e/up.sql"),
        "{new:?}"
    );
}

#[test]
fn of_several_directories_the_services_own_gets_it() {
    let shop = shop(&[
        (
            "cart/Cargo.toml",
            "[package.metadata.migrate]\ndirectory = ['../base/migrations', 'migrations']",
        ),
        ("base/migrations/007_a/up.sql", UP),
    ]);
    let written = write(&shop, &request("b")).unwrap();
    assert!(
        written.files[0].ends_with("cart/migrations/008_b/up.sql"),
        "{written:?}"
    );
}

#[test]
fn a_refused_migration_leaves_nothing_behind() {
    let shop = shop(&[(
        "cart/Cargo.toml",
        "[package.metadata.migrate]\ndirectory = 'db/migrations'",
    )]);
    let before = tree(&shop);
    for name in ["../../x", "a/b", "", "--", &"x".repeat(240)] {
        assert!(write(&shop, &request(name)).is_err(), "{name}");
        assert_eq!(tree(&shop), before, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn when_a_later_step_fails_what_was_written_is_taken_back() {
    let shop = shop(&[
        ("cart/Cargo.toml", ""),
        ("cart/migrations/postgres/001_a/up.sql", UP),
        ("cart/migrations/sqlite/001_a/up.sql", UP),
        ("cart/migrations/postgres/HEAD", "001_a\n"),
        // A HEAD that cannot be read: the very last step fails.
        ("cart/migrations/sqlite/HEAD/x", ""),
    ]);
    let before = tree(&shop);
    let error = write(&shop, &request("b")).unwrap_err();
    assert!(matches!(error, ScaffoldError::Io { .. }), "{error}");
    assert_eq!(tree(&shop), before);
    let head =
        fs::read_to_string(shop.workspace.root.join("cart/migrations/postgres/HEAD")).unwrap();
    assert_eq!(head, "001_a\n");
}

#[test]
fn two_commands_at_once_never_take_one_version() {
    const WRITERS: usize = 8;
    let shop = shop(&[("cart/Cargo.toml", ""), ("cart/migrations/HEAD", "")]);
    let services = shop.services().unwrap();
    let barrier = Barrier::new(WRITERS);
    let mut versions: Vec<String> = thread::scope(|scope| {
        let writer = |n: usize| {
            let (barrier, service) = (&barrier, &services[0]);
            scope.spawn(move || {
                barrier.wait();
                let written =
                    new_migration(service, &service.databases[0], &request(&format!("m{n}")))
                        .unwrap();
                written.version.as_str().to_owned()
            })
        };
        let handles: Vec<_> = (0..WRITERS).map(writer).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap())
            .collect()
    });
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), WRITERS);
    let set = shop.workspace.root.join("cart/migrations");
    let newest = existing_in(&set).unwrap().pop_last().unwrap().1;
    assert_eq!(
        fs::read_to_string(set.join("HEAD")).unwrap(),
        head::render(&newest)
    );
}
