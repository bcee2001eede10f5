//! The catalog: a service's migrations as they are on disk (or embedded), in
//! order. Reads directories exactly as Diesel does, and says what Diesel keeps
//! to itself. The texts are read for their checksums and not kept.

mod load;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::checksum::Checksum;
use crate::metadata::{Metadata, MetadataError};
use crate::place::Place;
use crate::text::TextError;
use crate::version::{Version, VersionError};

/// A service's migrations, ordered by version.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    migrations: BTreeMap<Version, Migration>,
    /// What is odd, but harmless.
    pub warnings: Vec<CatalogWarning>,
}

/// One migration of a catalog.
#[derive(Debug, Clone)]
pub struct Migration {
    /// Its place in the order.
    pub version: Version,
    /// Its directory's name.
    pub name: String,
    /// Its `metadata.toml`.
    pub metadata: Metadata,
    /// Checksum of up.sql.
    pub raw: Checksum,
    /// Whether there is a way back.
    pub down: DownScript,
    source: Source,
}

/// Whether a migration has a `down.sql`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownScript {
    /// There is one; whether it says anything is seen when it is read.
    Present,
    /// There is none.
    Absent,
}

#[derive(Debug, Clone)]
enum Source {
    Directory(PathBuf),
    Embedded {
        up: &'static str,
        down: Option<&'static str>,
    },
}

/// What becomes of different migrations under one version in two directories
/// of a merged set. Two in one directory are refused whatever is said here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SameVersion {
    /// Nobody knows which is meant.
    #[default]
    Refuse,
    /// The one of the directory that is named last.
    Last,
}

/// A file of the catalog that could not be read again.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}", path = path.display())]
pub struct ReadError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: ReadProblem,
}

/// Why a file's text could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadProblem {
    /// The file system says so.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It is no SQL text.
    #[error(transparent)]
    Text(#[from] TextError),
}

/// Everything that is wrong with a set of migrations.
#[derive(Debug, thiserror::Error)]
#[error("{} has {} that must be mended first", join_paths(.directories), count(.findings))]
pub struct CatalogError {
    /// The directories that were read.
    pub directories: Vec<PathBuf>,
    /// All findings, in the order of their paths.
    pub findings: Vec<CatalogFinding>,
}

fn join_paths(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

fn count(findings: &[CatalogFinding]) -> String {
    match findings.len() {
        1 => "a problem".to_owned(),
        n => format!("{n} problems"),
    }
}

/// One thing that is wrong with a set of migrations.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct CatalogFinding {
    /// The file or directory.
    pub path: PathBuf,
    /// Where in it, for files.
    pub place: Option<Place>,
    /// What is wrong.
    pub problem: CatalogProblem,
}

/// What can be wrong with an entry of a migrations directory.
#[derive(Debug, thiserror::Error)]
pub enum CatalogProblem {
    /// The migrations directory itself is not there.
    #[error("no such migrations directory")]
    NoDirectory,
    /// A directory without `up.sql`, in which Diesel fails, too.
    #[error("the migration has no up.sql")]
    NoUp,
    /// Neither file nor directory where one was expected.
    #[error("not a {0}")]
    NotA(&'static str),
    /// The directory's name gives no version.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The directory's name is no UTF-8.
    #[error("the name is not UTF-8")]
    Name,
    /// The directory's name would move a terminal's cursor, or turn the
    /// direction of the text after it: what is shown would not be what is run.
    #[error("the name holds the invisible character U+{:04X}", u32::from(*.0))]
    Invisible(char),
    /// Two migrations under one version: Diesel silently drops one.
    #[error("the same version {version} as {}", other.display())]
    Duplicate {
        /// The version of both.
        version: Version,
        /// The other directory.
        other: PathBuf,
    },
    /// Two directories of a merged set differ in one version.
    #[error("the same version {version} as {}", other.display())]
    Conflict {
        /// The version of both.
        version: Version,
        /// The one in the other directory.
        other: PathBuf,
    },
    /// A symbolic link that leads back to a directory above it.
    #[error("the symbolic link loops back to {}", .0.display())]
    Loop(PathBuf),
    /// A bad `metadata.toml`.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The file system says no.
    #[error("cannot be read: {0}")]
    Io(std::io::Error),
    /// A file that is no SQL text.
    #[error(transparent)]
    Text(#[from] TextError),
}

impl CatalogProblem {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NoDirectory => "`cargo migrate init` makes a member a migrating service".into(),
            Self::NoUp => "write its up.sql, or remove the directory".into(),
            Self::NotA(_) => "replace it by one, or remove it".into(),
            Self::Version(_) | Self::Name => {
                "name the directory <version>_<name>, as `cargo migrate new` does".into()
            }
            Self::Invisible(_) => "rename the directory; the text after the first `_` may be any other".into(),
            Self::Duplicate { .. } => {
                "rename one of them to a later version; a database that has this version may have run either".into()
            }
            Self::Conflict { .. } => "make the two alike, or leave one of them out of the set".into(),
            Self::Loop(_) => "remove the link".into(),
            Self::Metadata(_) => "run_in_transaction = true or false is Diesel's key; see the README for ours".into(),
            Self::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
                "the link leads nowhere: mend it, or remove it".into()
            }
            Self::Io(_) => "see to its owner and permissions, or to where its link leads".into(),
            Self::Text(error) => error.help().into(),
        }
    }
}

/// What is odd in a migrations directory, but harmless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogWarning {
    /// An empty directory; Diesel 2.3 fails on it, its next version ignores it.
    #[error("{} is empty and was ignored", .0.display())]
    EmptyDirectory(PathBuf),
    /// An up.sql of no bytes; Diesel's command refuses to run it.
    #[error("{} is empty: there is nothing to apply, and Diesel's command refuses it", .0.display())]
    EmptyUp(PathBuf),
    /// `metadata.toml` without `run_in_transaction`.
    #[error("{} has no `run_in_transaction`, which means false, as in Diesel", .0.display())]
    TransactionOmitted(PathBuf),
}

impl Catalog {
    /// Reads the set of migrations that the directories hold together.
    ///
    /// Identical migrations in two directories count once, different ones under
    /// one version are refused. Every up.sql is read for its checksum.
    ///
    /// # Errors
    /// All findings at once; a set with any is not used.
    pub fn load(directories: &[PathBuf]) -> Result<Self, CatalogError> {
        load::load(directories, SameVersion::Refuse)
    }

    /// The same, with a word on what becomes of different migrations under one
    /// version in two directories.
    ///
    /// # Errors
    /// All findings at once, those of migrations that another directory's
    /// replace among them.
    pub fn merge(directories: &[PathBuf], same_version: SameVersion) -> Result<Self, CatalogError> {
        load::load(directories, same_version)
    }

    /// A catalog of migrations that a program holds in itself.
    ///
    /// # Errors
    /// The first version that stands twice.
    pub fn from_embedded(migrations: impl IntoIterator<Item = Migration>) -> Result<Self, Version> {
        let mut catalog = Self::default();
        for migration in migrations {
            let version = migration.version.clone();
            if catalog
                .migrations
                .insert(version.clone(), migration)
                .is_some()
            {
                return Err(version);
            }
        }
        Ok(catalog)
    }

    /// The migrations in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Migration> + ExactSizeIterator {
        self.migrations.values()
    }

    /// The migration of a version.
    #[must_use]
    pub fn get(&self, version: &Version) -> Option<&Migration> {
        self.migrations.get(version)
    }

    /// The newest migration.
    #[must_use]
    pub fn newest(&self) -> Option<&Migration> {
        self.migrations
            .last_key_value()
            .map(|(_, migration)| migration)
    }

    /// How many migrations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.migrations.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.migrations.is_empty()
    }
}

impl Migration {
    /// A migration that a program holds in itself.
    #[must_use]
    pub fn embedded(
        version: Version,
        name: &str,
        metadata: Metadata,
        up: &'static str,
        down: Option<&'static str>,
    ) -> Self {
        Self {
            version,
            name: name.to_owned(),
            metadata,
            raw: Checksum::raw(up),
            down: down.map_or(DownScript::Absent, |_| DownScript::Present),
            source: Source::Embedded { up, down },
        }
    }

    /// The directory, unless the migration is embedded.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match &self.source {
            Source::Directory(path) => Some(path),
            Source::Embedded { .. } => None,
        }
    }

    /// The text of up.sql.
    ///
    /// # Errors
    /// When the file cannot be read again.
    pub fn up(&self) -> Result<String, ReadError> {
        match &self.source {
            Source::Directory(path) => load::read_sql(&path.join("up.sql")),
            Source::Embedded { up, .. } => Ok((*up).to_owned()),
        }
    }

    /// The text of down.sql, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn down(&self) -> Result<Option<String>, ReadError> {
        match &self.source {
            Source::Directory(_) if self.down == DownScript::Absent => Ok(None),
            Source::Directory(path) => load::read_sql(&path.join("down.sql")).map(Some),
            Source::Embedded { down, .. } => Ok(down.map(str::to_owned)),
        }
    }
}
