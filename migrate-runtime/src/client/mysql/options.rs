//! What a URL asks of MySQL's client, read as MySQL's own clients read it.
//! Sees nothing but what it is given; what it doesn't know it refuses, because
//! a `useSSL=true` that does nothing would be a lie.

use std::path::PathBuf;
use std::time::Duration;

use crate::url::DatabaseUrl;

const DEFAULT_PORT: u16 = 3306;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const KNOWN: &str = "known are `ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key`, `socket` and `connect-timeout`; \
     TLS is had by `ssl-mode=REQUIRED`, `VERIFY_CA` or `VERIFY_IDENTITY`";
const MODES: &str = "DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY";

/// What other programs want to know of pools and caches: we have one
/// connection.
const IGNORED: [&str; 10] = [
    "connectionlimit",
    "maxconnections",
    "minconnections",
    "poolmax",
    "poolmin",
    "poolsize",
    "pooltimeout",
    "statementcachecapacity",
    "statementcachesize",
    "stmtcachesize",
];

/// What is to be known of the process and its machine.
#[derive(Default)]
pub(super) struct Surroundings {
    /// `MYSQL_PWD`.
    pub(super) password: Option<String>,
    /// The operating system's user.
    pub(super) user: Option<String>,
    /// The server's default socket, where there is one.
    pub(super) socket: Option<PathBuf>,
}

/// How to connect. It holds the password, so it is never shown.
pub(super) struct Options {
    pub(super) place: Place,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) tls: Tls,
    pub(super) timeout: Duration,
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Socket(PathBuf),
    Tcp { host: String, port: u16 },
}

/// What of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) mode: Mode,
    /// Whom to trust; where none is named, the authorities that browsers trust.
    pub(super) authority: Option<PathBuf>,
    /// The client's own certificate and its key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
}

/// MySQL's `ssl-mode`, each stricter than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    Disabled,
    /// Where the server has it, whoever the server is.
    Preferred,
    /// In any case, whoever the server is.
    Required,
    /// From a server that an authority has certified.
    VerifyCa,
    /// From the very host that was named.
    VerifyIdentity,
}

/// What is wrong with a URL, and what to write instead. Holds no value of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    pub(super) message: String,
    pub(super) help: String,
}

impl Unusable {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
        }
    }
}

/// Reads what `url` asks for.
///
/// # Errors
/// What it asks for and cannot have, or leaves out.
pub(super) fn read(url: &DatabaseUrl, around: Surroundings) -> Result<Options, Unusable> {
    let asked = Asked::of(url)?;
    let authority = asked.authority.map(PathBuf::from);
    let identity = match (asked.certificate, asked.key) {
        (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
        (None, None) => None,
        (Some(_), None) => return Err(incomplete("ssl-cert", "ssl-key")),
        (None, Some(_)) => return Err(incomplete("ssl-key", "ssl-cert")),
    };
    match asked.mode {
        Some(Mode::Disabled) if authority.is_some() => return Err(idle("ssl-ca", "DISABLED")),
        Some(Mode::Disabled) if identity.is_some() => return Err(idle("ssl-cert", "DISABLED")),
        Some(Mode::Preferred) if authority.is_some() => return Err(idle("ssl-ca", "PREFERRED")),
        Some(Mode::Required) if authority.is_some() => return Err(idle("ssl-ca", "REQUIRED")),
        _ => {}
    }
    let implied = authority.as_ref().map(|_| Mode::VerifyCa);
    let mode = asked.mode.or(implied);
    // A certificate is shown in TLS alone.
    let wants_tls = mode.is_some_and(|mode| mode >= Mode::Required) || identity.is_some();
    let place = place(url, around.socket, wants_tls)?;
    // On this machine nobody listens in between.
    let default = if place.is_here() && identity.is_none() {
        Mode::Disabled
    } else {
        Mode::Preferred
    };
    let user = url.user().or(around.user).ok_or_else(|| {
        let help = "expected mysql://user@host/database";
        Unusable::new("it names no user", help)
    })?;
    Ok(Options {
        place,
        user,
        password: url.password().or(around.password),
        tls: Tls {
            mode: mode.unwrap_or(default),
            authority,
            identity,
        },
        timeout: asked.timeout,
    })
}

/// The parameters that mean something.
struct Asked {
    mode: Option<Mode>,
    authority: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    timeout: Duration,
}

impl Asked {
    fn of(url: &DatabaseUrl) -> Result<Self, Unusable> {
        let mut asked = Self {
            mode: None,
            authority: None,
            certificate: None,
            key: None,
            timeout: CONNECT_TIMEOUT,
        };
        for (key, value) in url.options() {
            let plain = key.to_ascii_lowercase().replace(['-', '_'], "");
            match &*plain {
                "sslmode" => asked.mode = Some(Mode::of(&value)?),
                "sslca" => asked.authority = Some(value),
                "sslcert" => asked.certificate = Some(value),
                "sslkey" => asked.key = Some(value),
                "connecttimeout" => asked.timeout = seconds(&value)?,
                // Its place is where the host's is.
                "socket" | "unixsocket" => {}
                "charset" | "collation" => utf8(&key, &value)?,
                "timezone" | "servertimezone" => utc(&key, &value)?,
                plain if IGNORED.contains(&plain) => {}
                _ => return Err(unknown(&key)),
            }
        }
        Ok(asked)
    }
}

impl Mode {
    fn of(value: &str) -> Result<Self, Unusable> {
        let value = value.to_ascii_uppercase().replace('-', "_");
        Ok(match &*value {
            "DISABLED" => Self::Disabled,
            "PREFERRED" => Self::Preferred,
            "REQUIRED" => Self::Required,
            "VERIFY_CA" => Self::VerifyCa,
            "VERIFY_IDENTITY" => Self::VerifyIdentity,
            _ => {
                let help = format!("expected {MODES}");
                return Err(Unusable::new("its `ssl-mode` is none that MySQL has", help));
            }
        })
    }
}

impl Place {
    /// Whether the server is on this machine, by the name that it was given.
    fn is_here(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Tcp { host, .. } => {
                host.eq_ignore_ascii_case("localhost")
                    || host
                        .parse::<std::net::IpAddr>()
                        .is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// Where to connect to: as with MySQL's own clients, this machine means its
/// socket where no port is named.
fn place(url: &DatabaseUrl, default: Option<PathBuf>, wants_tls: bool) -> Result<Place, Unusable> {
    if let Some(path) = url.socket() {
        if wants_tls {
            let help = "leave `ssl-mode`, `ssl-ca` and `ssl-cert` out, as nobody listens in between, or name the host in the place of the socket";
            return Err(Unusable::new("TLS is not to be had over a socket", help));
        }
        return Ok(Place::Socket(path.into()));
    }
    let (host, port) = host_and_port(url)?;
    let is_this_machine = host.is_empty() || host.eq_ignore_ascii_case("localhost");
    match default {
        Some(socket) if is_this_machine && port.is_none() && !wants_tls => {
            Ok(Place::Socket(socket))
        }
        Some(_) | None => Ok(Place::Tcp {
            host: if host.is_empty() {
                "127.0.0.1".to_owned()
            } else {
                host
            },
            port: port.unwrap_or(DEFAULT_PORT),
        }),
    }
}

fn host_and_port(url: &DatabaseUrl) -> Result<(String, Option<u16>), Unusable> {
    let hosts = url.hosts();
    if hosts.contains(',') {
        let help = "name the one to migrate; the others get it by replication";
        return Err(Unusable::new("it names several hosts", help));
    }
    // An IPv6 address stands in brackets, with its own colons.
    let (host, port) = match hosts
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => match hosts.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (hosts, None),
        },
    };
    let host = percent_encoding::percent_decode_str(host).decode_utf8_lossy();
    // The URL was refused where it is no number.
    let port = port.and_then(|port| port.parse().ok());
    Ok((host.into_owned(), port))
}

fn seconds(value: &str) -> Result<Duration, Unusable> {
    match value.parse() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        Ok(_) | Err(_) => Err(Unusable::new(
            "its `connect-timeout` is no number of seconds",
            "expected a whole number of seconds, such as `connect-timeout=30`",
        )),
    }
}

/// The session's text is utf8mb4 whatever is asked for; its older names are
/// taken for what they mean.
fn utf8(key: &str, value: &str) -> Result<(), Unusable> {
    let named = value.to_ascii_lowercase().replace("utf-8", "utf8");
    let is_utf8 = |name: &str| {
        let set = name.split('_').next();
        set.is_some_and(|set| ["utf8mb4", "utf8mb3", "utf8"].contains(&set))
    };
    // Some drivers take a list, and the first that the server has.
    if named.split(',').all(is_utf8) {
        return Ok(());
    }
    Err(Unusable::new(
        format!("its `{key}` is not utf8mb4, which every session has here"),
        "leave it out; for one file, `SET NAMES` in the file, whose text is UTF-8 all the same",
    ))
}

fn utc(key: &str, value: &str) -> Result<(), Unusable> {
    let named = value.trim_matches('\'').to_ascii_uppercase();
    if ["UTC", "ETC/UTC", "GMT", "Z", "+00:00", "-00:00"].contains(&&*named) {
        return Ok(());
    }
    Err(Unusable::new(
        format!("its `{key}` is not UTC, which every session has here"),
        "leave it out; for one file, `SET time_zone = '…'` in the file",
    ))
}

/// Refuses what would be read as a protection and is none.
fn idle(parameter: &str, mode: &str) -> Unusable {
    Unusable::new(
        format!("its `{parameter}` does nothing with `ssl-mode={mode}`"),
        match parameter {
            "ssl-ca" => {
                "`ssl-mode=VERIFY_CA`, or no `ssl-mode`, checks the server by it; without `ssl-ca` any server is trusted"
            }
            _ => {
                "`ssl-mode=REQUIRED` shows it to the server; else leave `ssl-cert` and `ssl-key` out"
            }
        },
    )
}

fn incomplete(given: &str, missing: &str) -> Unusable {
    Unusable::new(
        format!("it has `{given}` and no `{missing}`"),
        "a client's certificate needs both",
    )
}

/// Names the parameter, unless it may be a part of a password with a raw `&`.
fn unknown(key: &str) -> Unusable {
    let is_a_name = key.len() <= 40
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let named = if is_a_name { key } else { "…" };
    let help = match &*key.to_ascii_lowercase() {
        "user" | "password" | "host" | "port" | "dbname" | "database" => {
            "expected mysql://user:password@host:port/database".to_owned()
        }
        _ => KNOWN.to_owned(),
    };
    Unusable::new(format!("its parameter `{named}` is unknown"), help)
}

#[cfg(test)]
mod tests;
