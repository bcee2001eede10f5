//! Any bytes as a migration's files, its metadata.toml, HEAD and directory's
//! name: what is loaded is what lies there, in the order of versions, and the
//! rest is refused; nothing panics.
#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use migrate_core::{Catalog, Metadata, Version, decode, head};

/// One entry of a migrations directory.
#[derive(Debug, Arbitrary)]
struct Directory<'a> {
    name: &'a str,
    up: Option<&'a [u8]>,
    down: Option<&'a [u8]>,
    metadata: Option<&'a [u8]>,
}

/// As many as say something about a set.
const DIRECTORIES: usize = 6;

fuzz_target!(|set: Vec<Directory<'_>>| {
    let root = tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() {
        Path::new("/dev/shm")
    } else {
        Path::new(".")
    })
    .expect("a directory");
    let mut written = BTreeMap::new();
    for directory in set.into_iter().take(DIRECTORIES) {
        texts(&directory);
        let path = root.path().join(directory.name);
        let is_one_name = !directory.name.is_empty()
            && !directory.name.contains(['/', '\0'])
            && ![".", ".."].contains(&directory.name)
            && directory.name.len() < 200;
        if !is_one_name || fs::create_dir(&path).is_err() {
            continue;
        }
        for (file, bytes) in [
            ("up.sql", directory.up),
            ("down.sql", directory.down),
            ("metadata.toml", directory.metadata),
        ] {
            if let Some(bytes) = bytes {
                fs::write(path.join(file), bytes).expect("a file");
            }
        }
        written.insert(directory.name.to_owned(), directory);
    }
    let Ok(catalog) = Catalog::load(&[root.path().to_owned()]) else {
        return;
    };
    let mut last = None;
    for migration in catalog.iter() {
        assert!(last.as_ref().is_none_or(|last| *last < migration.version));
        last = Some(migration.version.clone());
        let directory = &written[&migration.name];
        let up = decode(directory.up.unwrap_or_default().to_vec());
        assert_eq!(migration.up().ok(), up.ok());
    }
});

fn texts(directory: &Directory<'_>) {
    let version = Version::of_directory(directory.name);
    assert!(version.is_err() || !directory.name.is_empty());
    for bytes in [directory.up, directory.down, directory.metadata]
        .into_iter()
        .flatten()
    {
        let Ok(text) = decode(bytes.to_vec()) else {
            continue;
        };
        let _ = Metadata::parse(&text);
        if let Some(name) = head::parse(&text) {
            assert_eq!(head::parse(&head::render(name)), Some(name));
        }
    }
}
