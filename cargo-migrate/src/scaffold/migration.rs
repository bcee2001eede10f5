//! `new`: one directory for a migration, in each variant of the set.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use migrate_core::{Version, head};

use super::naming::{self, Existing};
use super::staging::{Claim, Staging, write_new};
use super::{InTransaction, NewMigration, ScaffoldError, WayBack, Written};
use crate::config::{Database, Layout, Service};

const UP: &str = "-- Write the change here.\n";
const UP_OUTSIDE: &str = "\
-- Write the change here. It runs outside a transaction: each statement is
-- committed by itself, and recorded as it is finished.
";
const DOWN: &str = "-- Undo here what up.sql does.\n";

/// Writes a new migration for `database` of `service`.
///
/// Of several directories it goes into the first that lies within the service;
/// of a set with variants, into each one, under one version.
///
/// # Errors
/// When the name is none, no version sorts, or the file system refuses; then
/// nothing has been written.
pub fn new_migration(
    service: &Service,
    database: &Database,
    request: &NewMigration,
) -> Result<Written, ScaffoldError> {
    let name = naming::snake_name(&request.name)?;
    let sets = sets(service, database, request);
    let every_set = every_set(database, &sets);
    let mut staging = Staging::default();
    for set in &sets {
        staging.make_directory(set)?;
    }
    let existing = existing(&every_set)?;
    let prefixes = naming::prefixes(&existing, request.numbering, request.now)?;
    let longest = prefixes.iter().map(String::len).max().unwrap_or(0) + 1 + name.len();
    if longest > naming::MAX_NAME_BYTES {
        return Err(ScaffoldError::LongName { bytes: longest });
    }
    let Some((version, prefix)) = claim(&prefixes, &sets, &every_set, &mut staging)? else {
        return Err(ScaffoldError::NoFreeVersion(
            prefixes.into_iter().next().unwrap_or_default(),
        ));
    };
    let name = format!("{prefix}_{name}");
    let mut written = Written {
        version,
        name,
        files: Vec::new(),
        heads: Vec::new(),
        newer: None,
    };
    let newest = existing
        .last_key_value()
        .filter(|(newest, _)| **newest > written.version);
    written.newer = newest.map(|(_, name)| name.clone());
    publish(&sets, request, &mut written, &mut staging)?;
    staging.commit();
    Ok(written)
}

/// The directories to write into.
fn sets(service: &Service, database: &Database, request: &NewMigration) -> Vec<PathBuf> {
    let own = database
        .directories
        .iter()
        .find(|directory| directory.path.starts_with(&service.root));
    let Some(directory) = own.or(database.directories.first()) else {
        return Vec::new();
    };
    match (&directory.layout, request.backend) {
        (Layout::Missing | Layout::Single, _) => vec![directory.path.clone()],
        (Layout::Variants(variants), None) => variants.values().cloned().collect(),
        (Layout::Variants(variants), Some(dialect)) => {
            vec![
                variants
                    .get(&dialect)
                    .cloned()
                    .unwrap_or_else(|| directory.path.join(dialect.as_str())),
            ]
        }
    }
}

/// All directories whose versions must not be taken again. The variants of one
/// version belong together, so those of the other backends count, too.
fn every_set(database: &Database, sets: &[PathBuf]) -> Vec<PathBuf> {
    let mut all = sets.to_vec();
    for directory in &database.directories {
        match &directory.layout {
            Layout::Missing => {}
            Layout::Single => all.push(directory.path.clone()),
            Layout::Variants(variants) => all.extend(variants.values().cloned()),
        }
    }
    all.sort();
    all.dedup();
    all
}

fn existing(sets: &[PathBuf]) -> Result<Existing, ScaffoldError> {
    let mut existing = Existing::new();
    for set in sets {
        existing.extend(existing_in(set)?);
    }
    Ok(existing)
}

/// The migrations in one directory, by Diesel's rules of what is one.
pub(super) fn existing_in(set: &Path) -> Result<Existing, ScaffoldError> {
    let entries = match fs::read_dir(set) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Existing::new()),
        Err(error) => return Err(ScaffoldError::io("read", set)(error)),
    };
    let mut existing = Existing::new();
    for entry in entries {
        let entry = entry.map_err(ScaffoldError::io("read", set))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        // What is no version is no rival; reading the set complains of it.
        if let Ok(version) = Version::of_directory(&name) {
            existing.insert(version, name);
        }
    }
    Ok(existing)
}

/// Takes the first free version, in all sets at once.
fn claim(
    prefixes: &[String],
    sets: &[PathBuf],
    every_set: &[PathBuf],
    staging: &mut Staging,
) -> Result<Option<(Version, String)>, ScaffoldError> {
    'versions: for prefix in prefixes {
        let Ok(version) = Version::of_directory(prefix) else {
            continue;
        };
        if existing(every_set)?.contains_key(&version) {
            continue;
        }
        // Claims of a version that somebody else takes meanwhile are dropped,
        // and with them the directories.
        let mut claims = Staging::default();
        for set in sets {
            if claims.claim(staged(set, &version))? == Claim::Taken {
                continue 'versions;
            }
        }
        // Whoever held the claim before us may have finished since we looked.
        if existing(every_set)?.contains_key(&version) {
            continue;
        }
        staging.take_over(claims);
        return Ok(Some((version, prefix.clone())));
    }
    Ok(None)
}

fn staged(set: &Path, version: &Version) -> PathBuf {
    set.join(format!(".new-{version}"))
}

fn publish(
    sets: &[PathBuf],
    request: &NewMigration,
    written: &mut Written,
    staging: &mut Staging,
) -> Result<(), ScaffoldError> {
    let files = files(request);
    for set in sets {
        let directory = staged(set, &written.version);
        for (file, text) in &files {
            let path = directory.join(file);
            write_new(&path, text.as_bytes()).map_err(ScaffoldError::io("write", path))?;
        }
    }
    for set in sets {
        let place = set.join(&written.name);
        staging.publish(&staged(set, &written.version), place.clone())?;
        written
            .files
            .extend(files.iter().map(|(file, _)| place.join(file)));
    }
    for set in sets {
        let head = set.join(head::FILE_NAME);
        if !head.exists() {
            continue;
        }
        // Another `new` may land between our look and our write: whoever writes
        // last looks once more, so that the newest name stays.
        let mut named = None;
        loop {
            let newest = existing_in(set)?.pop_last().map(|(_, name)| name);
            if newest == named {
                break;
            }
            let name = newest.as_ref().unwrap_or(&written.name);
            staging.replace_file(&head, &head::render(name))?;
            named = newest;
        }
        written.heads.push(head);
    }
    Ok(())
}

fn files(request: &NewMigration) -> Vec<(&'static str, String)> {
    let (up, in_transaction) = match request.transaction {
        InTransaction::Yes => (UP, true),
        InTransaction::No => (UP_OUTSIDE, false),
    };
    let mut files = vec![("up.sql", up.to_owned())];
    // Diesel takes a metadata.toml without `run_in_transaction` for false, so
    // whoever writes the file writes the key.
    let mut metadata = toml_edit::DocumentMut::new();
    metadata.insert("run_in_transaction", toml_edit::value(in_transaction));
    match &request.way_back {
        WayBack::Down => files.push(("down.sql", DOWN.to_owned())),
        WayBack::Irreversible(reason) => {
            metadata.insert("irreversible", toml_edit::value(reason.as_str()));
        }
    }
    if metadata.len() > 1 || !in_transaction {
        files.push(("metadata.toml", metadata.to_string()));
    }
    files
}

#[cfg(test)]
mod tests;
