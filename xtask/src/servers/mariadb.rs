//! A MariaDB server of our own, on loopback and on a socket, with a
//! certificate that an authority of its own has signed: TLS is there for who
//! asks for it. Everything about it lies in one directory, which its caller
//! owns and removes.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, Result};

use super::Durability;
use super::home::{Home, random_word};
use crate::program;

/// root's URL, for the tests.
const URL_VARIABLE: &str = "MIGRATE_TEST_MARIADB";
/// The path of the server's socket, for the tests.
const SOCKET_VARIABLE: &str = "MIGRATE_TEST_MARIADB_SOCKET";
/// The path of the authority's certificate, for the tests.
const AUTHORITY_VARIABLE: &str = "MIGRATE_TEST_MARIADB_CA";
/// The path of the server's log, for the tests.
const LOG_VARIABLE: &str = "MIGRATE_TEST_MARIADB_LOG";
/// The programs that the tests start themselves are found on PATH.
const CLIENTS: [&str; 2] = ["mariadb", "mariadb-dump"];

/// What the openssl program needs to be told; the machine's own settings for
/// it are nothing to rely on.
const CERTIFICATES: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = 127.0.0.1
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
";

/// The server's own programs.
#[derive(Debug, Clone)]
struct Programs {
    server: PathBuf,
    install: PathBuf,
    client: PathBuf,
}

/// Whether all programs of the server and its client are there.
pub(crate) fn is_installed() -> bool {
    find_programs().is_some() && CLIENTS.iter().all(|name| program::find(name).is_some())
}

fn find_programs() -> Option<Programs> {
    Some(Programs {
        server: program::find_daemon("mariadbd")?,
        install: program::find("mariadb-install-db")?,
        client: program::find("mariadb")?,
    })
}

/// A running server, killed when dropped.
#[derive(Debug)]
pub(crate) struct Mariadb {
    server: Child,
    site: Site,
    port: u16,
}

/// Where a server lives, and what runs there.
#[derive(Debug)]
struct Site {
    programs: Programs,
    home: Home,
    password: String,
}

impl Mariadb {
    /// Starts a server in a directory that doesn't exist yet and waits until
    /// it lets root in.
    ///
    /// # Errors
    /// The programs are missing, or the server didn't come up within a minute;
    /// the text then ends in its log.
    pub(crate) fn start(directory: &Path, durability: Durability) -> Result<Self> {
        let site = Site::create(directory)?;
        let (server, port) = site.home.launch(
            |port| site.server(port, durability),
            |port| site.knock(port),
        )?;
        Ok(Self { server, site, port })
    }

    /// What the tests have to be told.
    pub(crate) fn variables(&self) -> [(String, String); 4] {
        let url = format!(
            "mysql://root:{}@127.0.0.1:{}/mysql",
            self.site.password, self.port
        );
        let path = |path: PathBuf| path.display().to_string();
        [
            (URL_VARIABLE.to_owned(), url),
            (SOCKET_VARIABLE.to_owned(), path(self.site.socket())),
            (AUTHORITY_VARIABLE.to_owned(), path(self.site.authority())),
            (LOG_VARIABLE.to_owned(), path(self.site.home.log())),
        ]
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        // One process without shared memory, and data that is thrown away:
        // nothing is gained by asking. Both fail only where it is gone.
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

impl Site {
    fn create(directory: &Path) -> Result<Self> {
        let programs = find_programs()
            .context("MariaDB's server programs are missing; run `cargo xtask install`")?;
        let site = Self {
            programs,
            home: Home::create(
                "MariaDB",
                directory,
                &["mysql", "nobody"],
                &["MYSQL_", "MARIADB_"],
            )?,
            password: random_word(),
        };
        site.certify()?;
        site.initialise()?;
        Ok(site)
    }

    fn data(&self) -> PathBuf {
        self.home.path("data")
    }

    fn socket(&self) -> PathBuf {
        // Short: the whole path of a socket has about a hundred characters.
        self.home.path("s")
    }

    fn authority(&self) -> PathBuf {
        self.home.path("ca.pem")
    }

    /// Makes the authority and the server's certificate, which it signs.
    fn certify(&self) -> Result<()> {
        let config = self.home.write("certificates.cnf", CERTIFICATES)?;
        let path = |name: &str| self.home.path(name);
        let openssl = || self.home.command("openssl");
        // A curve's key is made in no time, and every TLS library takes it.
        let request = || {
            let mut command = openssl();
            command.args(["req", "-nodes", "-newkey", "ec"]);
            command.args(["-pkeyopt", "ec_paramgen_curve:prime256v1"]);
            command.arg("-config").arg(&config);
            command
        };
        self.home.prepare(
            request()
                .args(["-x509", "-days", "2", "-extensions", "authority"])
                .args(["-subj", "/CN=the tests' own authority", "-keyout"])
                .arg(path("ca.key"))
                .arg("-out")
                .arg(self.authority()),
        )?;
        self.home.prepare(
            request()
                .arg("-keyout")
                .arg(path("server.key"))
                .arg("-out")
                .arg(path("server.csr")),
        )?;
        self.home.prepare(
            openssl()
                .args(["x509", "-req", "-days", "2", "-set_serial", "1"])
                .args(["-extensions", "server", "-extfile"])
                .arg(&config)
                .arg("-CA")
                .arg(self.authority())
                .arg("-CAkey")
                .arg(path("ca.key"))
                .arg("-in")
                .arg(path("server.csr"))
                .arg("-out")
                .arg(path("server.pem")),
        )
    }

    fn initialise(&self) -> Result<()> {
        // While it is being made the server knows no privileges; and root is
        // two accounts, because names are not resolved.
        let password = &self.password;
        let accounts = self.home.write(
            "accounts.sql",
            &format!(
                "FLUSH PRIVILEGES;\n\
                 ALTER USER root@localhost IDENTIFIED BY '{password}';\n\
                 CREATE USER root@127.0.0.1 IDENTIFIED BY '{password}';\n\
                 GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION;\n"
            ),
        )?;
        let done = self.home.prepare(
            self.home
                .command(&self.programs.install)
                .args(["--no-defaults", "--skip-test-db", "--skip-name-resolve"])
                .args(["--auth-root-authentication-method=socket"])
                .args(["--auth-root-socket-user=root", "--debug-no-sync"])
                .arg(option("extra-file", &accounts))
                .arg(option("datadir", &self.data())),
        );
        fs::remove_file(&accounts)?;
        done
    }

    fn server(&self, port: u16, durability: Durability) -> Command {
        let path = |name: &str| self.home.path(name);
        let mut command = self.home.command(&self.programs.server);
        command
            .arg("--no-defaults")
            .arg(option("datadir", &self.data()))
            .arg(option("socket", &self.socket()))
            .arg(option("pid-file", &path("pid")))
            .arg(option("ssl-ca", &self.authority()))
            .arg(option("ssl-cert", &path("server.pem")))
            .arg(option("ssl-key", &path("server.key")))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
            .arg(format!("--port={port}"))
            .args(["--max-connections=500", "--default-time-zone=+00:00"])
            // The fault suite looks for those that have to do with it.
            .arg("--innodb-print-all-deadlocks=ON")
            // As the packages of distributions configure it.
            .args(["--character-set-server=utf8mb4"])
            .args(["--collation-server=utf8mb4_general_ci"]);
        match durability {
            Durability::Throwaway => command
                .args(["--innodb-flush-log-at-trx-commit=0", "--sync-frm=0"])
                .args(["--innodb-flush-method=nosync", "--innodb-doublewrite=0"])
                .arg("--debug-no-sync"),
            Durability::Durable => command.arg("--innodb-flush-log-at-trx-commit=1"),
        };
        command
    }

    /// Connects with the password.
    fn knock(&self, port: u16) -> Command {
        let mut command = self.home.command(&self.programs.client);
        command
            .args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1"])
            .args(["--user=root", "--connect-timeout=5"])
            .arg(format!("--port={port}"))
            .args(["--execute", "SELECT 1"])
            .env("MYSQL_PWD", &self.password);
        command
    }
}

/// `--name=path`, as MariaDB's programs want it in one word.
fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(format!("--{name}="));
    option.push(path);
    option
}
