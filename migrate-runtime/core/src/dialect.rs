//! The SQL dialects that we split, plan and run. Knows nothing of connections.

use std::fmt;
use std::str::FromStr;

/// A family of databases that share syntax and transaction rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// PostgreSQL and the engines that speak its protocol.
    Postgres,
    /// MySQL, MariaDB and the engines that speak their protocol.
    MySql,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// Every dialect, in the order in which we list them.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::MySql, Self::Sqlite];

    /// The directory names that mark a set of migrations as this dialect's.
    #[must_use]
    pub fn directory_names(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["postgres", "postgresql"],
            Self::MySql => &["mysql"],
            Self::Sqlite => &["sqlite"],
        }
    }

    /// The name in configuration, output and the `--backend` flag.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::Sqlite => "sqlite",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A backend's name that we do not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown backend `{0}`, expected postgres, mysql or sqlite")]
pub struct UnknownDialect(pub String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "postgres" | "postgresql" => Ok(Self::Postgres),
            "mysql" | "mariadb" => Ok(Self::MySql),
            "sqlite" => Ok(Self::Sqlite),
            other => Err(UnknownDialect(other.to_owned())),
        }
    }
}
