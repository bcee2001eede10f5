//! PostgreSQL and MariaDB servers of one test's own, which listen on every
//! address and can be killed. They refuse to run as root.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use diesel::{Connection, MysqlConnection, PgConnection};
use tempfile::TempDir;
use tests::env::postgres_program;
use tests::workspace::eventually;

/// Who owns the files and runs the servers.
struct Account {
    user: u32,
    group: u32,
}

impl Account {
    fn nobody() -> Self {
        let id = |flag: &str| {
            let output = Command::new("id").args([flag, "nobody"]).output();
            let text = String::from_utf8(output.expect("id starts").stdout).expect("a number");
            text.trim().parse().expect("a number")
        };
        Self {
            user: id("-u"),
            group: id("-g"),
        }
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.uid(self.user).gid(self.group).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// A PostgreSQL server; killed with its value.
pub(crate) struct Postgres {
    directory: TempDir,
    port: u16,
    server: Child,
}

impl Postgres {
    /// A primary with an empty cluster, which trusts everybody.
    pub(crate) fn primary() -> Self {
        let directory = home();
        let data = directory.path().join("data");
        done(
            Account::nobody()
                .command(postgres_program("initdb"))
                .args(["--no-sync", "--username=postgres", "--locale=C"])
                .args(["--encoding=UTF8", "--auth=trust", "--pgdata"])
                .arg(&data),
        );
        let access =
            "host all all all trust\nhost replication all all trust\nlocal all all trust\n";
        fs::write(data.join("pg_hba.conf"), access).expect("a file");
        Self::started(directory)
    }

    /// A hot standby that follows this server.
    pub(crate) fn standby(&self) -> Self {
        let directory = home();
        done(
            Account::nobody()
                .command(postgres_program("pg_basebackup"))
                .args(["-R", "-X", "stream", "-c", "fast", "--no-sync"])
                .args(["-h", "127.0.0.1", "-U", "postgres"])
                .args(["-p", &self.port.to_string(), "-D"])
                .arg(directory.path().join("data")),
        );
        Self::started(directory)
    }

    fn started(directory: TempDir) -> Self {
        let port = free_port();
        let server = launch(&directory, port);
        let postgres = Self {
            directory,
            port,
            server,
        };
        eventually("PostgreSQL is up", || {
            PgConnection::establish(&postgres.url("127.0.0.1")).is_ok()
        });
        postgres
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("postgres://postgres@{host}:{}/postgres", self.port)
    }

    pub(crate) fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.url("127.0.0.1")).expect("a connection")
    }

    /// Makes a standby the primary.
    pub(crate) fn promote(&self) {
        done(
            Account::nobody()
                .command(postgres_program("pg_ctl"))
                .args(["promote", "--silent", "-w", "-D"])
                .arg(self.directory.path().join("data")),
        );
    }

    /// Stops without a checkpoint, as a machine that loses power would.
    pub(crate) fn crash(&mut self) {
        Account::nobody()
            .command(postgres_program("pg_ctl"))
            .args(["stop", "--silent", "--mode=immediate", "-D"])
            .arg(self.directory.path().join("data"))
            .status()
            .expect("pg_ctl starts");
        self.server.wait().expect("the server ends");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if matches!(self.server.try_wait(), Ok(None)) {
            self.crash();
        }
    }
}

fn launch(directory: &TempDir, port: u16) -> Child {
    let sockets = directory.path().display().to_string();
    let mut command = Account::nobody().command(postgres_program("postgres"));
    command.arg("-D").arg(directory.path().join("data"));
    for (name, value) in [
        ("listen_addresses", "*"),
        ("port", &port.to_string()),
        ("unix_socket_directories", &sockets),
        ("fsync", "off"),
        ("wal_level", "replica"),
        ("hot_standby", "on"),
    ] {
        command.args(["-c", &format!("{name}={value}")]);
    }
    let log = fs::File::create(directory.path().join("log")).expect("a file");
    command.stderr(log).spawn().expect("PostgreSQL starts")
}

/// A MariaDB server; killed with its value. `tester` may do everything.
pub(crate) struct Mariadb {
    _directory: TempDir,
    port: u16,
    server: Child,
}

impl Mariadb {
    pub(crate) fn start() -> Self {
        let directory = home();
        let at = |name: &str| directory.path().join(name);
        let option = |name: &str, path: PathBuf| format!("--{name}={}", path.display());
        fs::write(
            at("accounts.sql"),
            "FLUSH PRIVILEGES;\nCREATE USER tester@'%' IDENTIFIED BY 'tester';\nGRANT ALL ON *.* TO tester@'%';\n",
        )
        .expect("a file");
        done(
            Account::nobody()
                .command("mariadb-install-db")
                .arg("--no-defaults")
                .arg("--auth-root-authentication-method=normal")
                .arg("--skip-test-db")
                .arg(option("extra-file", at("accounts.sql")))
                .arg(option("datadir", at("data"))),
        );
        let port = free_port();
        let log = fs::File::create(at("log")).expect("a file");
        let server = Account::nobody()
            .command("/usr/sbin/mariadbd")
            .arg("--no-defaults")
            .arg(option("datadir", at("data")))
            .arg(option("socket", at("s")))
            .arg(option("pid-file", at("pid")))
            .arg(format!("--port={port}"))
            .args([
                "--innodb-flush-log-at-trx-commit=0",
                "--bind-address=0.0.0.0",
            ])
            .stderr(log)
            .spawn()
            .expect("MariaDB starts");
        let mariadb = Self {
            _directory: directory,
            port,
            server,
        };
        let url = mariadb.url_of("127.0.0.1", "mysql");
        eventually("MariaDB is up", || MysqlConnection::establish(&url).is_ok());
        diesel::connection::SimpleConnection::batch_execute(
            &mut MysqlConnection::establish(&url).expect("a connection"),
            "CREATE DATABASE shop",
        )
        .expect("a database");
        mariadb
    }

    pub(crate) fn url(&self, host: &str) -> String {
        self.url_of(host, "shop")
    }

    fn url_of(&self, host: &str, database: &str) -> String {
        format!("mysql://tester:tester@{host}:{}/{database}", self.port)
    }

    pub(crate) fn connect(&self) -> MysqlConnection {
        MysqlConnection::establish(&self.url("127.0.0.1")).expect("a connection")
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

/// A directory that the servers' account owns.
fn home() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let account = Account::nobody();
    std::os::unix::fs::chown(directory.path(), Some(account.user), Some(account.group))
        .expect("root's right");
    directory
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[track_caller]
fn done(command: &mut Command) {
    let output = command.stdout(Stdio::piped()).output().expect("it starts");
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
