//! Where a set of migrations lies, and whether it has one variant for each
//! backend. Reads directory entries, never a migration.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use migrate_core::Dialect;

/// A directory with migrations, or with a set of them for each backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationsDirectory {
    /// In full.
    pub path: PathBuf,
    /// What is there.
    pub layout: Layout,
}

/// What a migrations directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// It does not exist.
    Missing,
    /// One set, whatever the backend.
    Single,
    /// A set for each of these backends.
    Variants(BTreeMap<Dialect, PathBuf>),
}

/// Why there is no set of migrations for a backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The directory does not exist.
    #[error("the migrations directory `{}` does not exist", .0.display())]
    Missing(PathBuf),
    /// It has sets for other backends.
    #[error("`{}` has no migrations for {dialect}, only for {}", .path.display(), names(.there))]
    NoVariant {
        /// The directory.
        path: PathBuf,
        /// The backend that was wanted.
        dialect: Dialect,
        /// Those that are there.
        there: Vec<Dialect>,
    },
}

impl DirectoryError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self, service: &str) -> String {
        match self {
            Self::Missing(_) => format!(
                "`cargo migrate new <name> -p {service}` writes the first migration; \
                 `directory` in its Cargo.toml names another place"
            ),
            Self::NoVariant { dialect, there, .. } => format!(
                "give a URL of {}, or write the set for {dialect}: `cargo migrate new <name> -p {service} --backend {dialect}`",
                names(there)
            ),
        }
    }
}

fn names(dialects: &[Dialect]) -> String {
    dialects
        .iter()
        .map(|dialect| dialect.as_str())
        .collect::<Vec<_>>()
        .join(" and ")
}

/// Two directories that mean the same backend.
#[derive(Debug)]
pub(super) struct TwoOfOneBackend {
    pub(super) first: PathBuf,
    pub(super) second: PathBuf,
}

impl MigrationsDirectory {
    /// Looks at what is in `path`.
    pub(super) fn look(path: PathBuf) -> Result<Self, TwoOfOneBackend> {
        let layout = layout(&path)?;
        Ok(Self { path, layout })
    }

    pub(super) fn for_dialect(&self, dialect: Dialect) -> Result<PathBuf, DirectoryError> {
        match &self.layout {
            Layout::Missing => Err(DirectoryError::Missing(self.path.clone())),
            Layout::Single => Ok(self.path.clone()),
            Layout::Variants(variants) => {
                variants
                    .get(&dialect)
                    .cloned()
                    .ok_or_else(|| DirectoryError::NoVariant {
                        path: self.path.clone(),
                        dialect,
                        there: variants.keys().copied().collect(),
                    })
            }
        }
    }
}

fn layout(path: &Path) -> Result<Layout, TwoOfOneBackend> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Layout::Missing),
        // Whatever else is the matter, reading the set says it better.
        Err(_) => return Ok(Layout::Single),
    };
    let mut variants = BTreeMap::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Ok(Layout::Single);
        };
        // Diesel passes over plain files and dot entries, and so do we.
        if name.starts_with('.') || entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let dialect = Dialect::ALL
            .into_iter()
            .find(|dialect| dialect.directory_names().contains(&name));
        let Some(dialect) = dialect.filter(|_| !entry.path().join("up.sql").exists()) else {
            return Ok(Layout::Single);
        };
        if let Some(other) = variants.insert(dialect, entry.path()) {
            let (first, second) = (entry.path().min(other.clone()), entry.path().max(other));
            return Err(TwoOfOneBackend { first, second });
        }
    }
    Ok(if variants.is_empty() {
        Layout::Single
    } else {
        Layout::Variants(variants)
    })
}
