//! Database URLs: which database, which dialect, and never a password on a
//! screen. Opens nothing.

use std::fmt;
use std::path::{Path, PathBuf};

use migrate_core::Dialect;

/// The URL of one database. `Debug` and `Display` leave the password out.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    dialect: Dialect,
    /// What the client is given: for SQLite a path or a `file:` URI, else a
    /// URL whose scheme the client knows.
    text: String,
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
    /// libpq's `host=… dbname=…` form, which would pass for a path.
    #[error(
        "the database URL is a key=value connection string, expected postgres://user@host/database"
    )]
    KeyValue,
    /// Not UTF-8 after resolving, or with a NUL.
    #[error("the database URL holds a NUL byte")]
    Nul,
}

impl DatabaseUrl {
    /// Reads `postgres://`, `postgresql://`, `mysql://`, `mariadb://`,
    /// `sqlite:path`, `sqlite://path`, `file:path` or a bare path. A driver in
    /// the scheme (`postgresql+asyncpg`) is dropped.
    ///
    /// # Errors
    /// When it is empty, of another scheme, or no URL at all.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(UrlError::Empty);
        }
        if text.contains('\0') {
            return Err(UrlError::Nul);
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let family = scheme
                .split_once('+')
                .map_or(scheme, |(family, _)| family)
                .to_ascii_lowercase();
            return match family.as_str() {
                "postgres" | "postgresql" => Ok(Self {
                    dialect: Dialect::Postgres,
                    text: format!("postgresql://{rest}"),
                }),
                "mysql" | "mariadb" => Ok(Self {
                    dialect: Dialect::MySql,
                    text: format!("mysql://{rest}"),
                }),
                "sqlite" | "sqlite3" => Self::sqlite(rest),
                "file" => Ok(Self {
                    dialect: Dialect::Sqlite,
                    text: text.to_owned(),
                }),
                _ => Err(UrlError::Scheme(family)),
            };
        }
        for scheme in ["sqlite:", "sqlite3:"] {
            if let Some(path) = strip_prefix_ignore_case(text, scheme) {
                return Self::sqlite(path);
            }
        }
        if text.starts_with("file:") {
            return Ok(Self {
                dialect: Dialect::Sqlite,
                text: text.to_owned(),
            });
        }
        let word = text.split('=').next().unwrap_or_default();
        if [
            "host", "hostaddr", "port", "user", "password", "dbname", "service",
        ]
        .contains(&word.trim())
        {
            return Err(UrlError::KeyValue);
        }
        for scheme in ["postgres:", "postgresql:", "mysql:", "mariadb:"] {
            if let Some(family) =
                strip_prefix_ignore_case(text, scheme).and(scheme.strip_suffix(':'))
            {
                return Err(UrlError::Scheme(family.to_owned()));
            }
        }
        Self::sqlite(text)
    }

    fn sqlite(path: &str) -> Result<Self, UrlError> {
        // sqlx writes `sqlite://db?mode=rwc`; our open creates where asked to.
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        if path.is_empty() {
            return Err(UrlError::Empty);
        }
        Ok(Self {
            dialect: Dialect::Sqlite,
            text: path.to_owned(),
        })
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
        if self.dialect != Dialect::Sqlite || self.text == ":memory:" {
            return None;
        }
        let Some(uri) = self.text.strip_prefix("file:") else {
            return Some(Path::new(&self.text));
        };
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        if path == ":memory:" || query.split('&').any(|pair| pair == "mode=memory") {
            return None;
        }
        let path = path
            .strip_prefix("//localhost")
            .or_else(|| path.strip_prefix("//"))
            .unwrap_or(path);
        Some(Path::new(path))
    }

    /// The same database with a relative SQLite path joined to `root`.
    #[must_use]
    pub fn resolve_from(self, root: &Path) -> Self {
        let Some(path) = self.sqlite_path() else {
            return self;
        };
        if path.is_absolute() || self.text.starts_with("file:") {
            return self;
        }
        let text = root.join(path).to_string_lossy().into_owned();
        Self { text, ..self }
    }

    /// The same server with another database: for `create` and `drop`, which
    /// cannot be connected to the database that they name.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let encoded =
            percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC)
                .to_string();
        let (scheme, rest) = self.text.split_once("://").unwrap_or(("", &self.text));
        let (base, query) = rest
            .split_once('?')
            .map_or((rest, None), |(base, query)| (base, Some(query)));
        let authority = base
            .split_once('/')
            .map_or(base, |(authority, _)| authority);
        let query = query.map(|query| {
            let kept: Vec<&str> = query
                .split('&')
                .filter(|pair| !pair.starts_with("dbname="))
                .collect();
            format!("?{}", kept.join("&"))
        });
        let text = format!(
            "{scheme}://{authority}/{encoded}{}",
            query.unwrap_or_default()
        );
        Self {
            dialect: self.dialect,
            text,
        }
    }

    /// The database's name on its server, decoded; none where the URL leaves
    /// it to the client's default, and for SQLite.
    #[must_use]
    pub fn database_name(&self) -> Option<String> {
        if self.dialect == Dialect::Sqlite {
            return None;
        }
        let (_, rest) = self.text.split_once("://")?;
        if let Some(name) = self.parameter("dbname") {
            return Some(name);
        }
        let (base, _) = rest.split_once('?').unwrap_or((rest, ""));
        let (_, name) = base.split_once('/')?;
        (!name.is_empty()).then(|| decode(name))
    }

    /// The user that the URL names, decoded.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        if self.dialect == Dialect::Sqlite {
            return None;
        }
        let (_, rest) = self.text.split_once("://")?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (userinfo, _) = authority.rsplit_once('@')?;
        let user = userinfo.split(':').next().unwrap_or_default();
        (!user.is_empty())
            .then(|| decode(user))
            .or_else(|| self.parameter("user"))
    }

    /// A query parameter's value, decoded.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.text.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, v)| decode(v))
    }

    /// Whether the URL names a host, in its authority or as a parameter.
    #[must_use]
    pub fn names_host(&self) -> bool {
        !self.hosts().is_empty()
            || self.parameter("host").is_some()
            || self.parameter("hostaddr").is_some()
    }

    /// The same URL with one more query parameter.
    #[must_use]
    pub fn with_parameter(mut self, key: &str, value: &str) -> Self {
        let encoded =
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        let sign = if self.text.contains('?') { '&' } else { '?' };
        self.text = format!("{}{sign}{key}={encoded}", self.text);
        self
    }

    /// The secrets that the URL holds, as they stand and decoded.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let userinfo = self.text.split_once("://").and_then(|(_, rest)| {
            let base = rest.split('?').next().unwrap_or_default();
            base.rsplit_once('@').map(|(userinfo, _)| userinfo)
        });
        let password = userinfo
            .and_then(|userinfo| userinfo.split_once(':'))
            .map(|(_, password)| password.to_owned());
        let parameters = ["password", "sslpassword"]
            .iter()
            .filter_map(|name| self.parameter(name));
        let mut secrets: Vec<String> = password.into_iter().chain(parameters).collect();
        secrets.extend(secrets.clone().iter().map(|secret| decode(secret)));
        secrets.retain(|secret| !secret.is_empty());
        secrets
    }

    fn hosts(&self) -> &str {
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .map_or(authority, |(_, hosts)| hosts)
    }

    /// A text that is equal for equal databases: host, port and name, or the
    /// file; without user, password and options.
    #[must_use]
    pub fn identity(&self) -> String {
        if self.dialect == Dialect::Sqlite {
            let Some(path) = self.sqlite_path() else {
                return format!("sqlite:{}", self.text);
            };
            return format!("sqlite:{}", canonical(path).display());
        }
        let default_port = if self.dialect == Dialect::Postgres {
            "5432"
        } else {
            "3306"
        };
        let given = self
            .parameter("host")
            .unwrap_or_else(|| self.hosts().to_owned());
        let hosts: Vec<String> = given
            .split(',')
            .map(|host| {
                let host = host.to_ascii_lowercase();
                let (name, port) = match host.rsplit_once(':') {
                    Some((name, port)) if !port.contains(']') => (name.to_owned(), port.to_owned()),
                    _ => (
                        host.clone(),
                        self.parameter("port")
                            .unwrap_or_else(|| default_port.to_owned()),
                    ),
                };
                let name = if name == "localhost" {
                    "127.0.0.1".to_owned()
                } else {
                    name
                };
                format!("{name}:{port}")
            })
            .collect();
        let name = self
            .database_name()
            .or_else(|| self.user())
            .unwrap_or_default();
        format!("{}://{}/{name}", self.dialect, hosts.join(","))
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

/// The file's real path, also where it does not exist yet.
fn canonical(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (
        path.parent().map(|parent| {
            if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            }
        }),
        path.file_name(),
    ) {
        (Some(parent), Some(name)) => parent
            .canonicalize()
            .unwrap_or_else(|_| parent.to_owned())
            .join(name),
        _ => path.to_owned(),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (base, query) = self
            .text
            .split_once('?')
            .map_or((&*self.text, None), |(b, q)| (b, Some(q)));
        if self.dialect == Dialect::Sqlite {
            f.write_str(if base.starts_with("file:") {
                ""
            } else {
                "sqlite:"
            })?;
            f.write_str(base)?;
        } else {
            let (scheme, rest) = base.split_once("://").unwrap_or(("", base));
            // From the first colon to the last `@`, whatever stands between: a
            // password with a raw `@`, `/` or `:` is hidden whole.
            match rest.rsplit_once('@') {
                Some((userinfo, hosts)) => {
                    let user = userinfo.split([':', '/']).next().unwrap_or_default();
                    let secret = if userinfo.len() > user.len() {
                        ":***"
                    } else {
                        ""
                    };
                    write!(f, "{scheme}://{user}{secret}@{hosts}")?;
                }
                None => write!(f, "{scheme}://{rest}")?,
            }
        }
        let Some(query) = query else { return Ok(()) };
        for (n, pair) in query.split('&').enumerate() {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let lower = key.to_ascii_lowercase();
            let secret = ["pass", "pwd", "secret", "token", "key"]
                .iter()
                .any(|word| lower.contains(word))
                && !["sslkey", "passfile"].contains(&lower.as_str());
            let sign = if n == 0 { '?' } else { '&' };
            write!(f, "{sign}{key}={}", if secret { "***" } else { value })?;
        }
        Ok(())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> DatabaseUrl {
        DatabaseUrl::parse(text).unwrap()
    }

    #[test]
    fn a_scheme_names_its_dialect_and_a_driver_is_dropped() {
        for (text, dialect, client) in [
            ("postgres://u@h/d", Dialect::Postgres, "postgresql://u@h/d"),
            (
                "postgresql+asyncpg://u@h/d",
                Dialect::Postgres,
                "postgresql://u@h/d",
            ),
            ("mariadb://u@h/d", Dialect::MySql, "mysql://u@h/d"),
            ("sqlite:a.db", Dialect::Sqlite, "a.db"),
            ("sqlite://a.db?mode=rwc", Dialect::Sqlite, "a.db"),
            ("sqlite:///tmp/a.db", Dialect::Sqlite, "/tmp/a.db"),
            ("sqlite::memory:", Dialect::Sqlite, ":memory:"),
            ("file:a.db?mode=ro", Dialect::Sqlite, "file:a.db?mode=ro"),
            ("a/b.db", Dialect::Sqlite, "a/b.db"),
        ] {
            assert_eq!(
                (url(text).dialect(), url(text).expose()),
                (dialect, client),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_repeating_it() {
        assert_eq!(DatabaseUrl::parse(" "), Err(UrlError::Empty));
        assert_eq!(
            DatabaseUrl::parse("host=h password=canary"),
            Err(UrlError::KeyValue)
        );
        assert_eq!(
            DatabaseUrl::parse("oracle://u:canary@h"),
            Err(UrlError::Scheme("oracle".into()))
        );
        assert_eq!(
            DatabaseUrl::parse("postgres:canary"),
            Err(UrlError::Scheme("postgres".into()))
        );
    }

    #[test]
    fn a_password_is_never_shown() {
        for text in [
            "postgres://u:canary@h/d",
            "postgres://u:can@ry/canary@h/d",
            "postgres://h/d?user=u&password=canary",
            "mysql://u:canary@h:3306/d?sslpassword=canary",
        ] {
            let shown = format!("{0} {0:?}", url(text));
            assert!(
                !shown.contains("canary") && !shown.contains("can@ry"),
                "{shown}"
            );
            assert!(shown.contains("***"), "{shown}");
        }
    }

    #[test]
    fn equal_databases_have_equal_identities() {
        let a = url("postgres://u:x@LOCALHOST/d?sslmode=disable").identity();
        assert_eq!(a, url("postgresql://v@127.0.0.1:5432/d").identity());
        assert_ne!(a, url("postgres://u@localhost/e").identity());
        assert_eq!(url("sqlite:./x.db").identity(), url("x.db").identity());
    }

    #[test]
    fn another_database_keeps_the_server_and_the_options() {
        let other = url("postgres://u:p@h:1/d%20x?sslmode=require&dbname=y").with_database("a b");
        assert_eq!(other.expose(), "postgresql://u:p@h:1/a%20b?sslmode=require");
        assert_eq!(other.database_name().as_deref(), Some("a b"));
        assert_eq!(
            url("postgres://u@h/d%20x").database_name().as_deref(),
            Some("d x")
        );
    }
}
