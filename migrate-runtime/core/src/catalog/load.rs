//! The loader: directories to a catalog. The one place of this crate that
//! touches the file system.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::{
    Catalog, CatalogError, CatalogFinding, CatalogProblem, CatalogWarning, DownScript, Migration,
    ReadError, ReadProblem, SameVersion, Source,
};
use crate::checksum::Checksum;
use crate::legible::is_invisible;
use crate::metadata::{Metadata, Transaction};
use crate::place::Place;
use crate::text;
use crate::version::Version;

/// What the loader has found so far.
struct Loading {
    catalog: Catalog,
    same_version: SameVersion,
    findings: Vec<CatalogFinding>,
}

/// A migration's directory and what lies in it.
struct Candidate {
    path: PathBuf,
    files: Vec<DirEntry>,
}

pub(super) fn load(
    directories: &[PathBuf],
    same_version: SameVersion,
) -> Result<Catalog, CatalogError> {
    let mut loading = Loading {
        catalog: Catalog::default(),
        same_version,
        findings: Vec::new(),
    };
    for directory in directories {
        if directory.is_dir() {
            loading.read_directory(directory);
        } else {
            loading.found(directory, None, CatalogProblem::NoDirectory);
        }
    }
    if loading.findings.is_empty() {
        return Ok(loading.catalog);
    }
    loading.findings.sort_by(|a, b| a.path.cmp(&b.path));
    Err(CatalogError {
        directories: directories.to_vec(),
        findings: loading.findings,
    })
}

/// Reads a file as SQL text.
pub(super) fn read_sql(path: &Path) -> Result<String, ReadError> {
    let read = || -> Result<String, ReadProblem> { Ok(text::decode(std::fs::read(path)?)?) };
    read().map_err(|source| ReadError {
        path: path.to_owned(),
        source,
    })
}

/// The file system's own words, without walkdir's, which repeat the path.
fn io_error(error: walkdir::Error) -> std::io::Error {
    let text = error.to_string();
    error
        .into_io_error()
        .unwrap_or_else(|| std::io::Error::other(text))
}

impl Loading {
    fn found(&mut self, path: &Path, place: Option<Place>, problem: impl Into<CatalogProblem>) {
        self.findings.push(CatalogFinding {
            path: path.to_owned(),
            place,
            problem: problem.into(),
        });
    }

    fn read_directory(&mut self, directory: &Path) {
        let candidates = self.candidates(directory);
        let mut here = BTreeMap::new();
        for candidate in candidates {
            let Some(migration) = self.read_migration(&candidate) else {
                continue;
            };
            let path = candidate.path;
            if let Some(other) = here.insert(migration.version.clone(), path.clone()) {
                let version = migration.version.clone();
                self.found(&path, None, CatalogProblem::Duplicate { version, other });
                continue;
            }
            self.merge(migration, &path);
        }
    }

    /// Diesel's candidates: whatever is no plain file and begins with no dot.
    /// A link to a file is one, and fails; so it does in Diesel.
    fn candidates(&mut self, directory: &Path) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::new();
        let walk = WalkDir::new(directory)
            .min_depth(1)
            .max_depth(2)
            .follow_links(true)
            .sort_by_file_name();
        let mut entries = walk.into_iter();
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(directory).to_owned();
                    match error.loop_ancestor().map(Path::to_owned) {
                        Some(ancestor) => self.found(&path, None, CatalogProblem::Loop(ancestor)),
                        None => self.found(&path, None, CatalogProblem::Io(io_error(error))),
                    }
                    continue;
                }
            };
            if entry.depth() == 2 {
                if let Some(candidate) = candidates.last_mut() {
                    candidate.files.push(entry);
                }
                continue;
            }
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if hidden || (entry.file_type().is_file() && !entry.path_is_symlink()) {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
                continue;
            }
            if !entry.file_type().is_dir() {
                self.found(entry.path(), None, CatalogProblem::NotA("directory"));
                continue;
            }
            candidates.push(Candidate {
                path: entry.into_path(),
                files: Vec::new(),
            });
        }
        candidates
    }

    /// One migration's directory; nothing if it is empty or wrong.
    fn read_migration(&mut self, candidate: &Candidate) -> Option<Migration> {
        let path = &candidate.path;
        if candidate.files.is_empty() {
            // An entry that could not be read has been reported in its place.
            if !self
                .findings
                .iter()
                .any(|finding| finding.path.starts_with(path))
            {
                self.catalog
                    .warnings
                    .push(CatalogWarning::EmptyDirectory(path.clone()));
            }
            return None;
        }
        let before = self.findings.len();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(character) =
            name.and_then(|name| name.chars().find(|character| is_invisible(*character)))
        {
            self.found(path, None, CatalogProblem::Invisible(character));
            return None;
        }
        let version = match name.map(Version::of_directory) {
            Some(Ok(version)) => Some(version),
            Some(Err(error)) => {
                self.found(path, None, error);
                None
            }
            None => {
                self.found(path, None, CatalogProblem::Name);
                None
            }
        };
        let file = |wanted: &str| {
            candidate
                .files
                .iter()
                .find(|file| file.file_name() == wanted)
        };
        let up = match file("up.sql") {
            None => {
                if !self
                    .findings
                    .iter()
                    .any(|finding| finding.path == path.join("up.sql"))
                {
                    self.found(path, None, CatalogProblem::NoUp);
                }
                None
            }
            Some(entry) => self.read_text(entry),
        };
        let down = match file("down.sql") {
            None => Some(DownScript::Absent),
            Some(entry) if !entry.file_type().is_file() => {
                self.found(entry.path(), None, CatalogProblem::NotA("plain file"));
                None
            }
            Some(_) => Some(DownScript::Present),
        };
        let metadata = match file("metadata.toml") {
            None => Some(Metadata::default()),
            Some(entry) => self.read_metadata(entry),
        };
        if self.findings.len() > before {
            return None;
        }
        if up.as_deref() == Some("") {
            self.catalog
                .warnings
                .push(CatalogWarning::EmptyUp(path.join("up.sql")));
        }
        let (version, name, up, down, metadata) = (version?, name?, up?, down?, metadata?);
        Some(Migration {
            version,
            name: name.to_owned(),
            metadata,
            raw: Checksum::raw(&up),
            down,
            source: Source::Directory(path.clone()),
        })
    }

    fn read_text(&mut self, entry: &DirEntry) -> Option<String> {
        if !entry.file_type().is_file() {
            self.found(entry.path(), None, CatalogProblem::NotA("plain file"));
            return None;
        }
        match read_sql(entry.path()) {
            Ok(text) => Some(text),
            Err(ReadError {
                source: ReadProblem::Io(error),
                ..
            }) => {
                self.found(entry.path(), None, CatalogProblem::Io(error));
                None
            }
            Err(ReadError {
                source: ReadProblem::Text(error),
                ..
            }) => {
                self.found(entry.path(), error.place(), error);
                None
            }
        }
    }

    fn read_metadata(&mut self, entry: &DirEntry) -> Option<Metadata> {
        let text = self.read_text(entry)?;
        match Metadata::parse(&text) {
            Ok(metadata) => {
                if metadata.transaction == Transaction::Omitted {
                    self.catalog
                        .warnings
                        .push(CatalogWarning::TransactionOmitted(entry.path().to_owned()));
                }
                Some(metadata)
            }
            Err(error) => {
                self.found(entry.path(), Some(error.place), error);
                None
            }
        }
    }

    /// Adds a migration of one directory to those of the directories before.
    fn merge(&mut self, migration: Migration, path: &Path) {
        let present = self.catalog.migrations.get(&migration.version);
        let Some(present) = present.filter(|_| self.same_version == SameVersion::Refuse) else {
            self.catalog
                .migrations
                .insert(migration.version.clone(), migration);
            return;
        };
        let same_down = match (present.down(), migration.down()) {
            (Ok(a), Ok(b)) => a.as_deref().map(Checksum::raw) == b.as_deref().map(Checksum::raw),
            _ => false,
        };
        if present.raw == migration.raw && present.metadata == migration.metadata && same_down {
            return;
        }
        let other = present.directory().unwrap_or(path).to_owned();
        self.found(
            path,
            None,
            CatalogProblem::Conflict {
                version: migration.version,
                other,
            },
        );
    }
}
