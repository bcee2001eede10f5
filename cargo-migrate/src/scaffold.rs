//! Writing what a service needs: a new migration, or the first traces of
//! migrations at all. Everything or nothing: files are written beside their
//! place and renamed into it. The clock is given.

mod manifest;
mod migration;
mod naming;
mod service;
mod staging;

use std::io;
use std::path::PathBuf;

use migrate_core::{Dialect, Place, Version};

pub use migration::new_migration;
pub use service::{Change, NewService, RuntimeDependency, RuntimeSource, init_service};

/// A migration that is to be written.
#[derive(Debug, Clone)]
pub struct NewMigration {
    /// What was typed; heck makes a name of it.
    pub name: String,
    /// How its version comes about.
    pub numbering: Numbering,
    /// Whether it runs in a transaction.
    pub transaction: InTransaction,
    /// Whether there is a way back.
    pub way_back: WayBack,
    /// Of a set with variants the one to write; all where none is named.
    pub backend: Option<Dialect>,
    /// The time.
    pub now: jiff::Timestamp,
}

/// How a new version comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// As the newest migration of the set has it; by the time in a new set.
    Kept,
    /// One more than the highest number.
    Sequential,
}

/// Whether a new migration runs in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InTransaction {
    /// As usual.
    Yes,
    /// As `CREATE INDEX CONCURRENTLY` wants it.
    No,
}

/// Whether a new migration can be reverted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayBack {
    /// By down.sql.
    Down,
    /// Not at all, for this reason.
    Irreversible(String),
}

/// A migration that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its version.
    pub version: Version,
    /// Its directory's name.
    pub name: String,
    /// The new files, in all variants.
    pub files: Vec<PathBuf>,
    /// The HEAD files that name another migration now.
    pub heads: Vec<PathBuf>,
    /// A migration that is there already and comes after it: worth a warning.
    pub newer: Option<String>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// A name that would lead out of the directory.
    #[error("`{0}` is no name for a migration: it holds a path")]
    NameWithPath(String),
    /// A name without a letter or digit.
    #[error("`{0}` is no name for a migration: it holds no letter and no digit")]
    EmptyName(String),
    /// A name that no file system takes.
    #[error("the migration's name is too long: with its version {bytes} bytes, file systems take {max}", max = naming::MAX_NAME_BYTES)]
    LongName {
        /// How long.
        bytes: usize,
    },
    /// The next number would come before the newest migration.
    #[error("the next number is {next}, and as text that comes before {newest}")]
    Unsortable {
        /// The next number.
        next: String,
        /// The newest migration.
        newest: String,
    },
    /// A whole hour's versions are taken.
    #[error("no free version near {0}")]
    NoFreeVersion(String),
    /// A manifest that cannot be edited.
    #[error("{} cannot be parsed: {message}", .path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Where in it.
        place: Option<Place>,
        /// What is wrong.
        message: String,
    },
    /// The file system says no. Whatever was begun has been removed.
    #[error("failed to {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ScaffoldError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NameWithPath(_) => {
                Some("give a bare name, as `add_user_roles`; `-p` selects the service and `directory` in its Cargo.toml the place".into())
            }
            Self::EmptyName(_) => Some("say what the migration does, as `add_user_roles`".into()),
            Self::LongName { .. } => Some("say it shorter".into()),
            Self::Unsortable { next, .. } => Some(format!(
                "versions are compared as text; create a directory by hand whose version comes after, \
                 such as `{}_…`",
                naming::sortable_hint(next)
            )),
            Self::NoFreeVersion(_) | Self::Manifest { .. } | Self::Io { .. } => None,
        }
    }

    fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}
