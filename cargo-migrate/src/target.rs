//! The targets of a command: each database of each selected service with its
//! URL, and where that came from. Looks into the environment and `.env` files,
//! runs `database-url-command`, and opens no database.

mod command;
mod dotenv;
mod problem;
mod resolve;

#[cfg(test)]
mod tests;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use migrate_core::{Dialect, SameVersion};
use migrate_runtime::DatabaseUrl;

use crate::config::{Secret, Service, Settings, section};

pub use command::CommandError;
pub use dotenv::DotenvError;
pub(crate) use problem::MERGED;
pub use problem::{SharedHistory, TargetError, Unresolved, UnresolvedProblem};

/// One database of one service: what a command works on.
#[derive(Debug, Clone)]
pub struct Target {
    /// The service's name.
    pub service: String,
    /// The database's name, of a service with several.
    pub database: Option<String>,
    /// The service's directory.
    pub root: PathBuf,
    /// The backend; always the URL's.
    pub dialect: Dialect,
    /// Where the migrations for that backend are.
    pub directories: Vec<PathBuf>,
    /// Its URL.
    pub url: DatabaseUrl,
    /// Who gave the URL.
    pub url_origin: UrlOrigin,
    /// How it is to be migrated. The schema is PostgreSQL's: none elsewhere.
    pub settings: Settings,
}

impl Target {
    /// `cart`, or `cart/reporting`.
    #[must_use]
    pub fn label(&self) -> String {
        label(&self.service, self.database.as_deref())
    }
}

impl Target {
    /// The flags that select it, with a space before them: ` -p cart`.
    #[must_use]
    pub fn package_flag(&self) -> String {
        match &self.database {
            Some(database) => format!(" -p {} --database {database}", self.service),
            None => format!(" -p {}", self.service),
        }
    }

    /// Where its keys stand in the manifest.
    #[must_use]
    pub fn section(&self) -> String {
        section(self.database.as_deref())
    }

    /// The directory of a migration of its set; none if it is not on disk.
    #[must_use]
    pub fn migration(&self, name: &str) -> Option<PathBuf> {
        let paths = self.directories.iter().map(|set| set.join(name));
        let mut there = paths.filter(|path| path.is_dir());
        match self.settings.same_version {
            SameVersion::Refuse => there.next(),
            SameVersion::Last => there.next_back(),
        }
    }
}

/// Who gave a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlOrigin {
    /// `--database-url`.
    Flag,
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A `.env` file.
    EnvFile {
        /// The variable's name.
        variable: String,
        /// The package's file, or the workspace's.
        path: PathBuf,
    },
    /// `database-url-command`.
    Command,
    /// `default-url`: the one whose missing directories may be made.
    Default,
}

impl fmt::Display for UrlOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("--database-url"),
            Self::Environment { variable } => write!(f, "the variable {variable}"),
            Self::EnvFile { variable, path } => write!(f, "{variable} in {}", path.display()),
            Self::Command => f.write_str("database-url-command"),
            Self::Default => f.write_str("default-url"),
        }
    }
}

/// What the command line says about targets.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--database-url`.
    pub database_url: Option<Secret>,
    /// `--database`.
    pub database: Option<String>,
    /// `--backend`.
    pub backend: Option<Dialect>,
}

/// What lies around the process, so that tests can have another.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The workspace's root.
    pub workspace_root: PathBuf,
    /// Where relative paths on the command line and in variables start.
    pub directory: PathBuf,
    /// Looks up a variable of the environment.
    pub variable: fn(&str) -> Option<OsString>,
}

impl Surroundings {
    /// Those of this process.
    ///
    /// # Errors
    /// When the current directory is gone.
    pub fn of_process(workspace_root: &Path) -> io::Result<Self> {
        Ok(Self {
            workspace_root: workspace_root.to_owned(),
            directory: env::current_dir()?,
            variable: |name| env::var_os(name),
        })
    }
}

/// The targets, and what could not become one.
#[derive(Debug, Clone, Default)]
pub struct Resolution {
    /// In the order of the services.
    pub targets: Vec<Target>,
    /// Databases without URL or migrations: the others go on, the exit is 1.
    pub unresolved: Vec<Unresolved>,
}

/// Finds the URL of every database that `request` means.
///
/// The order of the sources: `--database-url`; then each variable that the
/// configuration names, in the environment, in the package's `.env`, in the
/// workspace's `.env`; then `database-url-command`; then `default-url`. A
/// variable that is empty is not set. A relative path starts from the current
/// directory, from the `.env` file's, or else from the workspace's root.
///
/// # Errors
/// When the request itself makes no sense, or two targets would share a history
/// table. What concerns one database only is in [`Resolution::unresolved`].
pub fn resolve(
    services: &[Service],
    request: &Request,
    around: &Surroundings,
) -> Result<Resolution, TargetError> {
    resolve::resolve(services, request, around)
}

fn label(service: &str, database: Option<&str>) -> String {
    database.map_or_else(
        || service.to_owned(),
        |database| format!("{service}/{database}"),
    )
}
