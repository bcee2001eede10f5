//! Migrations inside the service's binary, as `embed_migrations!` put them
//! there: texts, and the catalog that they make. Reads no file.

use migrate_core::{Catalog, Metadata, MetadataError, Migration, Version, VersionError};

/// The migrations that a binary holds, in order.
#[derive(Debug, Clone, Copy)]
pub struct Migrations {
    set: &'static [EmbeddedMigration],
}

/// One migration in a binary: the files of its directory, as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedMigration {
    /// The directory's name.
    pub name: &'static str,
    /// The text of up.sql.
    pub up: &'static str,
    /// The text of down.sql, if there is one.
    pub down: Option<&'static str>,
    /// The text of metadata.toml, if there is one.
    pub metadata: Option<&'static str>,
}

/// What is wrong with an embedded set. The macro refuses such sets when it is
/// compiled; one that was put together by hand is seen here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddedError {
    /// The name gives no version.
    #[error("embedded migration `{name}`: {problem}")]
    Version {
        /// The migration's name.
        name: &'static str,
        /// Why not.
        problem: VersionError,
    },
    /// A bad metadata.toml.
    #[error("embedded migration `{name}`, metadata.toml:{}: {problem}", .problem.place)]
    Metadata {
        /// The migration's name.
        name: &'static str,
        /// What is wrong with it.
        problem: MetadataError,
    },
    /// Two migrations under one version.
    #[error("two embedded migrations have version {0}")]
    Duplicate(Version),
}

impl Migrations {
    /// The migrations of `set`, in whatever order.
    #[must_use]
    pub const fn new(set: &'static [EmbeddedMigration]) -> Self {
        Self { set }
    }

    /// The catalog that they make: the same as of the directories that they
    /// were read from.
    ///
    /// # Errors
    /// The first thing that is wrong with the set; never for one that
    /// `embed_migrations!` made.
    pub fn catalog(&self) -> Result<Catalog, EmbeddedError> {
        let migrations = self
            .set
            .iter()
            .map(EmbeddedMigration::migration)
            .collect::<Result<Vec<_>, _>>()?;
        Catalog::from_embedded(migrations).map_err(EmbeddedError::Duplicate)
    }
}

impl EmbeddedMigration {
    fn migration(&self) -> Result<Migration, EmbeddedError> {
        let name = self.name;
        let version = Version::of_directory(name)
            .map_err(|problem| EmbeddedError::Version { name, problem })?;
        let metadata = match self.metadata.map(unmarked) {
            None => Metadata::default(),
            Some(text) => Metadata::parse(text)
                .map_err(|problem| EmbeddedError::Metadata { name, problem })?,
        };
        let (up, down) = (unmarked(self.up), self.down.map(unmarked));
        Ok(Migration::embedded(version, name, metadata, up, down))
    }
}

/// The text without the byte order mark that `include_str!` leaves in front,
/// and the reader of files takes away.
fn unmarked(text: &'static str) -> &'static str {
    text.strip_prefix('\u{FEFF}').unwrap_or(text)
}

/// Puts a package's migrations into its binary, as a constant
/// [`Migrations`](crate::Migrations).
///
/// ```
/// use migrate_runtime::{Migrations, embed_migrations};
///
/// // Without a path: migrations/ beside the package's Cargo.toml.
/// static MIGRATIONS: Migrations = embed_migrations!("tests/sets/cart");
/// ```
///
/// Paths start from the package's directory and stay within it. Several paths
/// are merged into one set, as the list under `directory` in the configuration
/// is. A package with a set for each backend names the one that it wants:
/// `embed_migrations!("migrations/postgres")`.
///
/// The directories are read as `cargo migrate` reads them. What it would refuse
/// is a compile error that names the place.
///
/// # Rebuilding
/// An edited or removed file rebuilds the package. A *new* directory does so if
/// the set has a `HEAD` file, which `cargo migrate new` keeps up to date.
/// Without one, have a build.rs say `cargo::rerun-if-changed=migrations`; that
/// also sees a down.sql or metadata.toml that is added to a migration later.
#[macro_export]
macro_rules! embed_migrations {
    ($($directories:tt)*) => {{
        // `$crate`, so that the expansion finds its types also where this
        // package is renamed, or comes by way of another one.
        use $crate::{EmbeddedMigration, Migrations};
        $crate::__embed_migrations!($($directories)*)
    }};
}
