//! What the manifests say about each service's migrations: raw tables are
//! validated once, workspace defaults and package overrides are merged, and
//! nothing after that sees a key that was left out. Opens no database.

mod blot;
mod diesel;
mod directory;
mod finding;
mod layer;
mod merge;
mod secret;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use migrate_core::{Ahead, Dialect, OutOfOrder, SameVersion};
use migrate_runtime::DatabaseUrl;

use crate::workspace::{Chosen, Member, Workspace};

pub(crate) use blot::blot_passwords;
pub use directory::{DirectoryError, Layout, MigrationsDirectory};
pub use finding::{ConfigError, ConfigFinding, Excerpt};
pub use secret::Secret;

/// Diesel's name for the table of what is applied.
pub const DEFAULT_HISTORY_TABLE: &str = "__diesel_schema_migrations";

/// How `--database` names the database that has no name.
pub const UNNAMED_DATABASE: &str = "default";

/// A member of the workspace that has migrations.
#[derive(Debug, Clone)]
pub struct Service {
    /// The package's name.
    pub name: String,
    /// The package's directory.
    pub root: PathBuf,
    /// The package's Cargo.toml.
    pub manifest: PathBuf,
    /// At least one; the unnamed one first.
    pub databases: Vec<Database>,
}

/// A database of a service, as it is configured.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its name under `[package.metadata.migrate.database]`; none for the
    /// service's main one.
    pub name: Option<String>,
    /// Where its migrations are; merged into one set.
    pub directories: Vec<MigrationsDirectory>,
    /// The backend, where the URL's scheme is not to decide.
    pub backend: Option<Dialect>,
    /// Where its URL is to be found.
    pub url: UrlSources,
    /// How it is to be migrated.
    pub settings: Settings,
}

/// Where a URL may come from, besides the command line.
#[derive(Debug, Clone)]
pub struct UrlSources {
    /// Variables of the environment or of a `.env` file; the first that is set
    /// anywhere counts.
    pub variables: Vec<String>,
    /// A shell command that prints the URL.
    pub command: Option<Secret>,
    /// The URL to use when there is no other.
    pub default: Option<DatabaseUrl>,
}

/// How a database is to be migrated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// PostgreSQL: the schema of the history and of the migrations; none for
    /// the connection's own search path.
    pub schema: Option<String>,
    /// What to do with a late arrival.
    pub out_of_order: OutOfOrder,
    /// What to do where the database has versions newer than any on disk.
    pub ahead: Ahead,
    /// What becomes of different migrations under one version in two of its
    /// directories.
    pub same_version: SameVersion,
    /// Longest wait for a lock of the database; none to wait without end.
    pub lock_timeout: Option<Duration>,
    /// How often a migration tries to get such a lock.
    pub lock_tries: u32,
    /// Longest run of a statement; none for any length.
    pub statement_timeout: Option<Duration>,
    /// The table of what is applied, without schema.
    pub history_table: String,
    /// Statements for each connection, before anything else.
    pub session_setup: Vec<String>,
    /// The desired schema: a schema.rs or schema.sql, in full.
    pub schema_file: Option<PathBuf>,
    /// The variable with the URL of a server for shadow databases.
    pub shadow_url_env: Option<String>,
    /// The service's binary, for code migrations.
    pub bin: Option<String>,
    /// Which lint rules count how.
    pub lint: Lint,
}

/// Which lint rules count how; by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lint {
    /// Rules that fail.
    pub deny: Vec<String>,
    /// Rules that are off.
    pub allow: Vec<String>,
}

/// The longest wait for a lock where nothing is configured.
pub const DEFAULT_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

impl Default for Settings {
    fn default() -> Self {
        Self {
            schema: None,
            out_of_order: OutOfOrder::Refuse,
            ahead: Ahead::Ok,
            same_version: SameVersion::Refuse,
            lock_timeout: Some(DEFAULT_LOCK_TIMEOUT),
            lock_tries: migrate_runtime::DEFAULT_LOCK_TRIES,
            statement_timeout: None,
            history_table: DEFAULT_HISTORY_TABLE.to_owned(),
            session_setup: Vec::new(),
            schema_file: None,
            shadow_url_env: None,
            bin: None,
            lint: Lint::default(),
        }
    }
}

/// What the services are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Their databases: a member with `service = false` has none.
    Databases,
    /// The files of their sets: such a member's are its own all the same, if it
    /// was named.
    Files,
}

/// Reads the configuration of the chosen members.
///
/// Members without migrations, and those with `service = false`, are passed
/// over, unless they were named.
///
/// # Errors
/// All mistakes in the manifests at once, and members that were named and say
/// `service = false`; else when a member that was named has no migrations, or
/// no member at all has.
pub fn services(
    workspace: &Workspace,
    chosen: &Chosen<'_>,
    purpose: Purpose,
) -> Result<Vec<Service>, ConfigError> {
    merge::services(workspace, chosen, purpose)
}

/// The names of the members that have migrations and are services, whatever
/// their configuration says otherwise.
#[must_use]
pub fn names_of_services(workspace: &Workspace) -> Vec<String> {
    merge::names_of_services(workspace)
}

/// The service that one member is; none if it has no migrations, or says that
/// it is none.
///
/// # Errors
/// All mistakes in its manifest and the workspace's.
pub fn service_of(workspace: &Workspace, member: &Member) -> Result<Option<Service>, ConfigError> {
    merge::service_of(workspace, member)
}

/// Where the keys of a service's database stand in its manifest.
#[must_use]
pub fn section(database: Option<&str>) -> String {
    match database {
        Some(name) => format!("[package.metadata.migrate.database.{name}]"),
        None => "[package.metadata.migrate]".to_owned(),
    }
}

/// The variable in which a service's URL is looked for first, by default.
#[must_use]
pub fn default_variable(package: &str) -> String {
    merge::default_variable(package, None)
}

impl Database {
    /// The directories of its set of migrations for `dialect`.
    ///
    /// # Errors
    /// When one is missing, or has variants, but none for `dialect`.
    pub fn directories_for(&self, dialect: Dialect) -> Result<Vec<PathBuf>, DirectoryError> {
        self.directories
            .iter()
            .map(|directory| directory.for_dialect(dialect))
            .collect()
    }
}
