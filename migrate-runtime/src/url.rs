//! Database URLs: which database, which dialect, and never a password on a
//! screen. Opens nothing.

mod file;
mod foreign;
mod identity;
mod server;
mod show;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use migrate_core::Dialect;

use self::server::Parts;

pub(crate) use self::file::canonical;
#[cfg(feature = "sqlite")]
pub(crate) use self::file::uri;
#[cfg(feature = "mysql")]
pub(crate) use self::identity::MYSQL_SOCKETS;

/// Everything in a path that ends a parameter, or reads as something else.
const QUERY_PATH: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// The URL of one database. `Debug` and `Display` leave the password out.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    dialect: Dialect,
    /// What the client is given: for SQLite a path or a `file:` URI, else a
    /// URL whose scheme the client knows.
    text: String,
    /// The file of a SQLite database; none in memory or for a server.
    path: Option<PathBuf>,
}

/// Why a text is no database URL. Never holds the text: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Nothing there.
    #[error("the database URL is empty")]
    Empty,
    /// A scheme that no backend of ours speaks.
    #[error("no backend speaks `{0}://`, expected postgres://, mysql://, sqlite: or a path")]
    Scheme(String),
    /// Something like `user:password@host`, which would pass for a path.
    #[error("the database URL has no scheme, or not one that ends in `://`")]
    NoScheme,
    /// libpq's `host=… dbname=…` form or ADO's `Server=…;Pwd=…`, which would
    /// pass for a path.
    #[error("the database URL is a key=value connection string")]
    KeyValue,
    /// `mysql -u root -p… db`, which would pass for a path.
    #[error("the database URL is a client's command line")]
    CommandLine,
    /// A raw `/`, `?`, `#` or `@` where a user or a password is or may be.
    #[error("the password in the database URL has to be percent-encoded")]
    Password,
    /// Something else than a port after a host.
    #[error("a host or port in the database URL cannot be read")]
    Port,
    /// A query parameter that is none.
    #[error("a parameter in the database URL has no `=`")]
    Parameter,
    /// A `%` on its own, or `%00`.
    #[error("the database URL holds a `%` that begins no percent-encoded character")]
    Percent,
    /// A NUL, which would end the text for the client.
    #[error("the database URL holds a NUL byte")]
    Nul,
}

impl UrlError {
    /// What to write instead.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Empty | Self::Scheme(_) | Self::Nul => {
                "expected postgres://user@host/database, mysql://user@host/database or sqlite:path"
            }
            Self::NoScheme | Self::KeyValue | Self::CommandLine => {
                "expected postgres://user@host/database or mysql://user@host/database; sqlite:path for a file of such a name"
            }
            Self::Port => "expected host or host:port, and an IPv6 address in brackets",
            Self::Password => {
                "in user and password write %40 for @, %3A for :, %2F for /, %3F for ?, %23 for # and %25 for %"
            }
            Self::Parameter => "write ?name=value&name=value, and %26 for a & in a value",
            Self::Percent => "write %25 for %",
        }
    }
}

impl DatabaseUrl {
    /// Reads `postgres://`, `postgresql://`, `mysql://`, `mariadb://`,
    /// `sqlite:path`, `sqlite://path`, `file:path` or a bare path. A driver in
    /// the scheme (`postgresql+asyncpg`) is dropped.
    ///
    /// # Errors
    /// When it is empty, of another scheme, or no URL at all; and when others
    /// could read it differently, so that a password would pass for a host.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(UrlError::Empty);
        }
        if text.contains('\0') {
            return Err(UrlError::Nul);
        }
        for scheme in ["sqlite:", "sqlite3:"] {
            if let Some(path) = strip_prefix_ignore_case(text, scheme) {
                return Self::sqlite(path.strip_prefix("//").unwrap_or(path));
            }
        }
        if text.starts_with("file:") {
            if !server::is_encoded(text) {
                return Err(UrlError::Percent);
            }
            return Ok(Self::of_file(text.to_owned()));
        }
        if foreign::is_key_value(text) {
            return Err(UrlError::KeyValue);
        }
        if foreign::is_command_line(text) {
            return Err(UrlError::CommandLine);
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return Self::server(scheme, rest);
        }
        if foreign::is_like_a_server(text) {
            return Err(UrlError::NoScheme);
        }
        Self::sqlite(text)
    }

    fn server(scheme: &str, rest: &str) -> Result<Self, UrlError> {
        let is_scheme = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
        };
        if !is_scheme(scheme.strip_prefix("jdbc:").unwrap_or(scheme)) {
            return Err(UrlError::NoScheme);
        }
        let family = scheme.split('+').next().unwrap_or_default();
        let family = family.to_ascii_lowercase();
        let (dialect, scheme) = match family.as_str() {
            "postgres" | "postgresql" => (Dialect::Postgres, "postgresql"),
            "mysql" | "mariadb" => (Dialect::MySql, "mysql"),
            // A driver in SQLAlchemy's manner: `sqlite+pysqlite:///x.db`.
            "sqlite" | "sqlite3" => return Self::sqlite(rest),
            _ => return Err(UrlError::Scheme(family)),
        };
        let text = format!("{scheme}://{rest}");
        Parts::of(&text).check()?;
        Ok(Self {
            dialect,
            text,
            path: None,
        })
    }

    fn sqlite(path: &str) -> Result<Self, UrlError> {
        // sqlx writes `sqlite://db?mode=rwc`; our open creates where asked to.
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        if path.is_empty() {
            return Err(UrlError::Empty);
        }
        Ok(Self::of_file(file::one_slash(path).to_owned()))
    }

    fn of_file(text: String) -> Self {
        Self {
            dialect: Dialect::Sqlite,
            path: file::path_of(&text),
            text,
        }
    }

    /// The dialect that the scheme names.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The text for the client, password and all. Never print it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The file of a SQLite database; none in memory or for a server.
    #[must_use]
    pub fn sqlite_path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The same database with relative paths joined to `root`: SQLite's, and
    /// those of a MySQL URL's certificates.
    #[must_use]
    pub fn resolve_from(self, root: &Path) -> Self {
        if self.dialect == Dialect::MySql {
            return self.with_certificates_from(root);
        }
        let Some(path) = self.sqlite_path().filter(|path| path.is_relative()) else {
            return self;
        };
        let full = root.join(path);
        Self::of_file(match self.text.strip_prefix("file:") {
            Some(given) => file::uri(&full) + file::split_uri(given).1,
            None => full.to_string_lossy().into_owned(),
        })
    }

    fn with_certificates_from(mut self, root: &Path) -> Self {
        let Some(query) = self.parts().query else {
            return self;
        };
        let resolved = |pair: &str| {
            let (key, value) = pair.split_once('=')?;
            let name = decode(key).to_ascii_lowercase().replace(['-', '_'], "");
            let path = PathBuf::from(decode(value));
            let is_meant = ["sslca", "sslcert", "sslkey"].contains(&&*name)
                && path.is_relative()
                && !value.is_empty();
            is_meant.then(|| {
                let full = root.join(path);
                let full = full.to_string_lossy();
                let encoded = percent_encoding::utf8_percent_encode(&full, QUERY_PATH);
                format!("{key}={encoded}")
            })
        };
        let pairs: Vec<String> = query
            .split('&')
            .map(|pair| resolved(pair).unwrap_or_else(|| pair.to_owned()))
            .collect();
        let base = self.text.len() - query.len();
        self.text = format!("{}{}", &self.text[..base], pairs.join("&"));
        self
    }

    /// The same server with another database: for `create` and `drop`, which
    /// cannot be connected to the database that they name.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let encoded =
            percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        let parts = self.parts();
        let user = parts
            .userinfo
            .map_or_else(String::new, |userinfo| format!("{userinfo}@"));
        let kept: Vec<&str> = parts
            .query
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("dbname="))
            .collect();
        let sign = if kept.is_empty() { "" } else { "?" };
        let text = format!(
            "{}://{user}{}/{encoded}{sign}{}",
            parts.scheme,
            parts.hosts,
            kept.join("&")
        );
        Self {
            dialect: self.dialect,
            text,
            path: None,
        }
    }

    /// The database's name on its server, decoded; none where the URL leaves
    /// it to the client's default, and for SQLite.
    #[must_use]
    pub fn database_name(&self) -> Option<String> {
        if self.dialect == Dialect::Sqlite {
            return None;
        }
        let name = self.parts().path.filter(|name| !name.is_empty());
        self.libpq("dbname").or_else(|| name.map(decode))
    }

    /// The user that the URL names, decoded.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        if self.dialect == Dialect::Sqlite {
            return None;
        }
        let user = self.parts().credentials().0;
        user.map(decode).or_else(|| self.libpq("user"))
    }

    /// The password that the URL names in its authority, decoded.
    pub(crate) fn password(&self) -> Option<String> {
        self.parts().credentials().1.map(decode)
    }

    /// The hosts of a server's URL, with their ports, as they stand.
    pub(crate) fn hosts(&self) -> &str {
        self.parts().hosts
    }

    /// All query parameters, decoded.
    pub(crate) fn options(&self) -> Vec<(String, String)> {
        let pairs = self.parts().pairs();
        pairs
            .map(|(key, value)| (decode(key), decode(value)))
            .collect()
    }

    /// A parameter that only libpq reads for a part of the URL.
    fn libpq(&self, name: &str) -> Option<String> {
        (self.dialect == Dialect::Postgres)
            .then(|| self.parameter(name))
            .flatten()
    }

    /// A query parameter's value, decoded.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = self.parts().pairs();
        pairs
            .find(|(key, _)| decode(key) == name)
            .map(|(_, value)| decode(value))
    }

    /// Whether the URL names a host, in its authority or as a parameter.
    #[must_use]
    pub fn names_host(&self) -> bool {
        !self.parts().hosts.is_empty()
            || self.libpq("host").is_some()
            || self.libpq("hostaddr").is_some()
    }

    /// The same URL with one more query parameter.
    #[must_use]
    pub fn with_parameter(mut self, key: &str, value: &str) -> Self {
        let encoded =
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        let sign = match self.parts().query {
            None => "?",
            Some(query) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        self.text = format!("{}{sign}{key}={encoded}", self.text);
        self
    }

    /// The secrets that the URL holds, as they stand and decoded.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let parts = self.parts();
        let parameters = parts
            .pairs()
            .filter(|(key, _)| ["password", "sslpassword"].contains(&&*decode(key)))
            .map(|(_, value)| value);
        let mut secrets: Vec<String> = parts
            .credentials()
            .1
            .into_iter()
            .chain(parameters)
            .flat_map(|secret| [secret.to_owned(), decode(secret)])
            .filter(|secret| !secret.is_empty())
            .collect();
        // The longer first: one may be a part of the other.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }

    fn parts(&self) -> Parts<'_> {
        Parts::of(&self.text)
    }
}

fn strip_prefix_ignore_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix)
        .then(|| &text[prefix.len()..])
}

fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}
