//! Why a database is no target, and what to do about it. No text here holds a
//! URL, or what a command printed that might be one.

use std::fmt;

use migrate_core::Dialect;
use migrate_runtime::UrlError;

use super::command::CommandError;
use super::dotenv::DotenvError;
use super::{UrlOrigin, label};
use crate::config::{DirectoryError, UNNAMED_DATABASE, section};

/// Why a request makes no sense: a usage error, but for the shared histories.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// `--database-url` names one database, and several are selected.
    #[error("`--database-url` is for one database, but {} are selected: {}", .targets.len(), .targets.join(", "))]
    UrlForSeveral {
        /// What is selected.
        targets: Vec<String>,
    },
    /// `--database` names none.
    #[error("no selected service has a database `{wanted}`")]
    NoSuchDatabase {
        /// As it was typed.
        wanted: String,
        /// Those that there are.
        there: Vec<String>,
    },
    /// Targets that would write into each other's history.
    #[error("{}", first(.0))]
    SharedHistory(Vec<SharedHistory>),
}

fn first(shared: &[SharedHistory]) -> String {
    let more = shared.len().saturating_sub(1);
    match shared.first() {
        Some(first) if more > 0 => format!("{first}; and {more} more"),
        Some(first) => first.to_string(),
        None => String::new(),
    }
}

/// Two targets with one history table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedHistory {
    /// The one.
    pub first: String,
    /// The other.
    pub second: String,
    /// The table.
    pub table: String,
    /// Who gave them their URLs.
    pub origins: [UrlOrigin; 2],
    /// Whether a schema of one's own would part them.
    pub dialect: Dialect,
}

impl fmt::Display for SharedHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first,
            second,
            table,
            origins,
            ..
        } = self;
        write!(
            f,
            "{first} and {second} share the history table {table} of one database "
        )?;
        match origins {
            [one, other] if one == other => write!(f, "(both by {one})"),
            [one, other] => write!(f, "(by {one}, and by {other})"),
        }
    }
}

impl SharedHistory {
    /// Another cure where two packages are in one database: the one may be a
    /// framework, whose migrations the other means to have.
    fn merging(&self) -> Option<String> {
        let package = |label: &str| label.split('/').next().map(str::to_owned);
        (package(&self.first) != package(&self.second)).then(|| {
            format!("if one of them builds on the other's migrations, merge these into its own set: {MERGED}, and `service = false` for the framework")
        })
    }
}

/// How a set takes in another crate's, by example.
pub(crate) const MERGED: &str = "`directory = [\"../framework/migrations\", \"migrations\"]`";

impl TargetError {
    /// A second way out, if there is one.
    #[must_use]
    pub fn other_help(&self) -> Option<String> {
        match self {
            Self::SharedHistory(shared) => shared.first()?.merging(),
            Self::UrlForSeveral { .. } | Self::NoSuchDatabase { .. } => None,
        }
    }

    /// What to type or write instead.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::UrlForSeveral { .. } => {
                format!(
                    "select one with `-p <service>`, and `--database <name>` (`{UNNAMED_DATABASE}` for the main one)"
                )
            }
            Self::NoSuchDatabase { there, .. } if there.is_empty() => {
                "further databases are configured in [package.metadata.migrate.database.<name>]"
                    .into()
            }
            Self::NoSuchDatabase { there, .. } => format!("there are: {}", there.join(", ")),
            Self::SharedHistory(shared) => {
                let own = match shared.first().map(|shared| shared.dialect) {
                    Some(Dialect::Postgres) => "`schema`, or its own `history-table`,",
                    Some(Dialect::MySql | Dialect::Sqlite) | None => "`history-table`",
                };
                let second = shared
                    .first()
                    .and_then(|shared| shared.second.split_once('/'));
                let section = section(second.map(|(_, database)| database));
                format!("give each service a database of its own, or its own {own} in {section}")
            }
        }
    }
}

/// A database that is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", label(.service, .database.as_deref()))]
pub struct Unresolved {
    /// The service's name.
    pub service: String,
    /// The database's name, of a service with several.
    pub database: Option<String>,
    /// Why.
    pub problem: UnresolvedProblem,
}

/// Why a database is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnresolvedProblem {
    /// No source gives a URL.
    #[error("no database URL")]
    NoUrl {
        /// The variables that would.
        variables: Vec<String>,
    },
    /// What a source gives is no URL.
    #[error("the URL from {origin} cannot be used: {reason}")]
    BadUrl {
        /// Which source.
        origin: UrlOrigin,
        /// Why; without the URL.
        reason: UrlError,
    },
    /// A variable that is not UTF-8.
    #[error("the variable {variable} is not UTF-8")]
    NotUtf8 {
        /// Its name.
        variable: String,
    },
    /// A `.env` file that may hold the URL cannot be read; or another mistake
    /// in one, and no other source.
    #[error(transparent)]
    Dotenv(DotenvError),
    /// `database-url-command` failed.
    #[error(transparent)]
    Command(CommandError),
    /// `--backend` or `backend` says one thing, the URL another.
    #[error("the URL from {origin} is for {found}, but the backend is to be {wanted}")]
    OtherBackend {
        /// Which source.
        origin: UrlOrigin,
        /// The URL's.
        found: Dialect,
        /// The configured one.
        wanted: Dialect,
        /// The variables that would give another URL.
        variables: Vec<String>,
    },
    /// There are no migrations for the URL's backend.
    #[error(transparent)]
    Directory(DirectoryError),
}

impl Unresolved {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let first = |variables: &[String]| variables.first().cloned().unwrap_or_default();
        match &self.problem {
            UnresolvedProblem::NoUrl { variables } => Some(format!(
                "set {} in the environment or in a .env file, or `default-url` in {}",
                first(variables),
                section(self.database.as_deref())
            )),
            UnresolvedProblem::BadUrl { reason, .. } => Some(reason.help().to_owned()),
            UnresolvedProblem::OtherBackend {
                origin: UrlOrigin::Flag,
                wanted,
                ..
            } => Some(format!("give `--database-url` a URL of {wanted}")),
            UnresolvedProblem::OtherBackend {
                wanted, variables, ..
            } => Some(format!("set {} to a URL of {wanted}", first(variables))),
            UnresolvedProblem::Directory(error) => Some(error.help(&self.service)),
            UnresolvedProblem::Command(error) => error.help(),
            UnresolvedProblem::Dotenv(error) => Some(error.help().to_owned()),
            UnresolvedProblem::NotUtf8 { .. } => None,
        }
    }
}
