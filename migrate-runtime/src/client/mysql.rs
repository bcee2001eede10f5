//! MySQL and MariaDB by a client in pure Rust, which is asynchronous; its
//! wrapper makes it a connection of Diesel's like any other.

mod options;
mod runtime;
mod tls;

use std::io;
use std::path::Path;
use std::time::Duration;

use diesel_async::AsyncMysqlConnection;
use diesel_async::async_connection_wrapper::{AsyncConnectionWrapper, BlockOn};
use mysql_async::{
    DriverError, Error, IoError, Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts,
};

use self::options::{Mode, Options, Place, Surroundings, Unusable};
use self::runtime::Driver;
use super::redact;
use crate::backend::mysql::Held;
use crate::error::{OpenError, OpenReason};
use crate::url::{DatabaseUrl, MYSQL_SOCKETS};

/// A connection of Diesel's to MySQL or MariaDB.
pub(crate) type Client = AsyncConnectionWrapper<AsyncMysqlConnection, Driver>;

/// ER_BAD_DB_ERROR.
const NO_SUCH_DATABASE: u16 = 1049;
/// ER_ACCESS_DENIED_ERROR, which is also said to an account that requires TLS,
/// and ER_SECURE_TRANSPORT_REQUIRED.
const MAY_WANT_TLS: [u16; 2] = [1045, 3159];
/// As much as a server can be told to accept: it has the last word.
const LARGEST_PACKET: usize = 1 << 30;
/// After how many milliseconds of silence the system asks whether the server
/// is still there.
const KEEPALIVE: u32 = 60_000;
/// How long taking leave may last.
const LEAVE: Duration = Duration::from_secs(1);

/// Connects to the URL's database.
///
/// # Errors
/// When there is no connection to be had, or the URL names no database.
pub(crate) fn connect(url: &DatabaseUrl) -> Result<Held<Client>, OpenError> {
    let name = url.database_name().ok_or_else(|| {
        let help = "expected mysql://user@host/database: MySQL has no default";
        unusable(url, Unusable::new("it names no database", help))
    })?;
    establish(url, Some(name))
}

/// Connects to the URL's server, whether or not it has the database.
///
/// # Errors
/// When there is no connection to be had.
pub(crate) fn connect_to_server(url: &DatabaseUrl) -> Result<Held<Client>, OpenError> {
    establish(url, None)
}

fn establish(url: &DatabaseUrl, database: Option<String>) -> Result<Held<Client>, OpenError> {
    let options = options::read(url, surroundings(url)).map_err(|error| unusable(url, error))?;
    let settings = tls::settings(&options.tls).map_err(|error| unusable(url, error))?;
    let builder = builder(&options, database);
    let attempt = |settings: Option<mysql_async::SslOpts>| {
        let builder = builder.clone().ssl_opts(settings);
        attempt(builder.into(), options.timeout)
    };
    let is_encrypted = settings.is_some();
    let connected = match attempt(settings) {
        Err(Failure::Client(Error::Driver(DriverError::NoClientSslFlagFromServer)))
            if options.tls.mode == Mode::Preferred =>
        {
            attempt(None)
        }
        other => other,
    };
    connected.map_err(|failure| {
        let (message, reason) = failure.told(&options, is_encrypted);
        let mut secrets = url.secrets();
        secrets.extend(options.password.filter(|password| !password.is_empty()));
        OpenError::Connect {
            url: url.to_string(),
            message: redact(&message, &secrets),
            reason,
        }
    })
}

fn unusable(url: &DatabaseUrl, Unusable { message, help }: Unusable) -> OpenError {
    // A parameter that nobody knows may hold anything.
    let shown = url.to_string();
    let (url, _) = shown.split_once('?').unwrap_or((&shown, ""));
    OpenError::Url {
        url: url.to_owned(),
        message,
        help,
    }
}

fn surroundings(url: &DatabaseUrl) -> Surroundings {
    let socket = MYSQL_SOCKETS
        .iter()
        .map(Path::new)
        .find(|path| path.exists());
    Surroundings {
        password: std::env::var("MYSQL_PWD").ok(),
        user: match url.user() {
            Some(_) => None,
            None => whoami::username().ok(),
        },
        socket: socket.map(Path::to_owned),
    }
}

fn builder(options: &Options, database: Option<String>) -> OptsBuilder {
    let pool = PoolOpts::default()
        .with_constraints(PoolConstraints::new(0, 1).unwrap_or_default())
        .with_reset_connection(false);
    let builder = OptsBuilder::default()
        .user(Some(&options.user))
        .pass(options.password.as_ref())
        .db_name(database)
        .pool_opts(pool)
        .tcp_keepalive(Some(KEEPALIVE))
        // Diesel has a cache of its own, and counts the rows that were found.
        .stmt_cache_size(0)
        .client_found_rows(true)
        // What is not said here the client asks the server for.
        .prefer_socket(false)
        .max_allowed_packet(Some(LARGEST_PACKET))
        .wait_timeout(Some(28_800));
    match &options.place {
        Place::Socket(path) => builder.socket(Some(path.to_string_lossy())),
        Place::Tcp { host, port } => builder.ip_or_hostname(host).tcp_port(*port),
    }
}

/// Why one attempt gave no connection.
enum Failure {
    Runtime(io::Error),
    Timeout,
    Client(Error),
    Session(diesel::ConnectionError),
}

fn attempt(opts: Opts, timeout: Duration) -> Result<Held<Client>, Failure> {
    let driver = Driver::get().map_err(Failure::Runtime)?;
    // Only a pool's connection takes its leave of the server: dropped by
    // itself, it counts there as aborted.
    let pool = Pool::new(opts);
    let connecting = async {
        let connection = pool.get_conn().await.map_err(Failure::Client)?;
        let connection = AsyncMysqlConnection::try_from(connection).await;
        connection.map_err(Failure::Session)
    };
    let connected = driver.block_on(async { tokio::time::timeout(timeout, connecting).await });
    match connected {
        Ok(Ok(connection)) => Ok(Held::closed_by(connection.into(), move |connection| {
            leave(driver, connection, pool);
        })),
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(Failure::Timeout),
    }
}

/// Hands the connection back to its pool, which says goodbye for it.
fn leave(driver: Driver, connection: Client, pool: Pool) {
    {
        let _guard = driver.enter();
        drop(connection);
    }
    // A server that is gone needs no goodbye.
    let _ = driver.block_on(async { tokio::time::timeout(LEAVE, pool.disconnect()).await });
}

impl Failure {
    /// In words, and which remedy fits.
    fn told(self, options: &Options, is_encrypted: bool) -> (String, OpenReason) {
        let place = &options.place;
        match self {
            Self::Runtime(error) => (error.to_string(), OpenReason::Unreachable),
            Self::Timeout => {
                let seconds = options.timeout.as_secs();
                let message = format!("{place}: no answer within {seconds} s");
                (message, OpenReason::Unreachable)
            }
            Self::Session(error) => (error.to_string(), OpenReason::Unreachable),
            Self::Client(Error::Server(error)) => {
                let reason = match error.code {
                    NO_SUCH_DATABASE => OpenReason::MissingDatabase,
                    code if !is_encrypted && MAY_WANT_TLS.contains(&code) => {
                        OpenReason::RefusedPlainText
                    }
                    _ => OpenReason::Refused,
                };
                (format!("{} ({})", error.message, error.code), reason)
            }
            Self::Client(Error::Driver(DriverError::NoClientSslFlagFromServer)) => {
                let message = "the server has no TLS, which `ssl-mode` demands".to_owned();
                (message, OpenReason::Refused)
            }
            Self::Client(Error::Driver(error @ DriverError::ConnectionClosed)) => {
                (format!("{place}: {error}"), OpenReason::Unreachable)
            }
            Self::Client(Error::Io(IoError::Tls(error))) => untrusted(&error, options),
            // What rustls says of a handshake comes as invalid data.
            Self::Client(Error::Io(IoError::Io(error)))
                if is_encrypted && error.kind() == io::ErrorKind::InvalidData =>
            {
                untrusted(&error, options)
            }
            Self::Client(Error::Io(IoError::Io(error))) => {
                (format!("{place}: {error}"), OpenReason::Unreachable)
            }
            Self::Client(error) => (error.to_string(), OpenReason::Refused),
        }
    }
}

fn untrusted(error: &dyn std::fmt::Display, options: &Options) -> (String, OpenReason) {
    let error = error.to_string();
    let hint = match options.tls.mode {
        // What `openssl x509 -req` makes where it is told of no extensions.
        _ if error.contains("UnsupportedCertVersion") => {
            "the server's certificate is of X.509's version 1; make one of version 3, or connect without TLS by `ssl-mode=DISABLED`"
        }
        Mode::VerifyIdentity => {
            "`ssl-ca` names the authority that certified the server, and VERIFY_CA leaves out the host's name"
        }
        Mode::VerifyCa => "`ssl-ca` names the authority that certified the server",
        Mode::Disabled | Mode::Preferred | Mode::Required => {
            "`ssl-mode=DISABLED` connects without TLS"
        }
    };
    (format!("TLS: {error}; {hint}"), OpenReason::Refused)
}
