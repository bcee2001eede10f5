//! A PostgreSQL or MariaDB of one test's own that is killed and started again on
//! the same files. A commit is written before it is told, as in production; but
//! nothing waits for the disk, because whoever kills processes doesn't kill
//! what the kernel holds for them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use diesel::{Connection, MysqlConnection, PgConnection};
use tests::daemon::{Daemon, Home, free_port, program};
use tests::env::postgres_program;
use tests::service::Engine;

/// Nobody but this machine can reach it.
const PASSWORD: &str = "own";

/// A running server.
pub(crate) struct OwnServer {
    engine: Engine,
    port: u16,
    daemon: Daemon,
    // Removed after the server has gone.
    home: Home,
}

impl OwnServer {
    /// A new server without any database of ours.
    pub(crate) fn start(engine: Engine) -> Self {
        let home = match engine {
            Engine::Sqlite => panic!("SQLite has no server"),
            Engine::Postgres => initialise_postgres(),
            Engine::Mariadb => initialise_mariadb(),
        };
        let port = free_port();
        let daemon = launch(engine, &home, port);
        Self {
            engine,
            port,
            daemon,
            home,
        }
    }

    /// The superuser's URL of the server's own database.
    pub(crate) fn url(&self) -> String {
        url(self.engine, self.port)
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Starts it again where it was, and waits until it has recovered.
    pub(crate) fn restart(&mut self) {
        self.daemon = launch(self.engine, &self.home, self.port);
    }
}

fn url(engine: Engine, port: u16) -> String {
    match engine {
        Engine::Sqlite => panic!("SQLite has no server"),
        Engine::Postgres => format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"),
        Engine::Mariadb => format!("mysql://root:{PASSWORD}@127.0.0.1:{port}/mysql"),
    }
}

fn launch(engine: Engine, home: &Home, port: u16) -> Daemon {
    let command = match engine {
        Engine::Sqlite => panic!("SQLite has no server"),
        Engine::Postgres => postgres(home, port),
        Engine::Mariadb => mariadb(home, port),
    };
    let url = url(engine, port);
    home.start(command, || match engine {
        Engine::Sqlite | Engine::Postgres => PgConnection::establish(&url).is_ok(),
        Engine::Mariadb => MysqlConnection::establish(&url).is_ok(),
    })
}

fn data(home: &Home) -> PathBuf {
    home.path("data")
}

fn initialise_postgres() -> Home {
    let home = Home::create(&["postgres", "nobody"]);
    let password = home.write("password", PASSWORD);
    let mut command = home.command(postgres_program("initdb"));
    command
        .args(["--no-sync", "--username=postgres", "--locale=C"])
        .args(["--encoding=UTF8", "--auth=scram-sha-256", "--pwfile"])
        .arg(password)
        .arg("--pgdata")
        .arg(data(&home));
    home.prepare(&mut command);
    home
}

fn postgres(home: &Home, port: u16) -> Command {
    let mut command = home.command(postgres_program("postgres"));
    command.arg("-D").arg(data(home));
    let sockets = home.path("").display().to_string();
    for (name, value) in [
        ("listen_addresses", "127.0.0.1"),
        ("port", &port.to_string()),
        ("unix_socket_directories", &sockets),
        ("fsync", "off"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
    ] {
        command.args(["-c", &format!("{name}={value}")]);
    }
    command
}

fn initialise_mariadb() -> Home {
    let home = Home::create(&["mysql", "nobody"]);
    // Names are not resolved, so root at the address is an account of its own.
    let accounts = home.write(
        "accounts.sql",
        &format!(
            "FLUSH PRIVILEGES;\n\
             CREATE USER root@127.0.0.1 IDENTIFIED BY '{PASSWORD}';\n\
             GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION;\n"
        ),
    );
    let mut command = home.command(program("mariadb-install-db"));
    command
        .args(["--no-defaults", "--skip-test-db", "--skip-name-resolve"])
        .args([
            "--auth-root-authentication-method=socket",
            "--debug-no-sync",
        ])
        .args(["--auth-root-socket-user=root"])
        .arg(option("extra-file", &accounts))
        .arg(option("datadir", &data(&home)));
    home.prepare(&mut command);
    home
}

fn mariadb(home: &Home, port: u16) -> Command {
    let mut command = home.command(program("mariadbd"));
    command
        .arg("--no-defaults")
        .arg(option("datadir", &data(home)))
        .arg(option("socket", &home.path("s")))
        .arg(option("pid-file", &home.path("pid")))
        .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
        .arg(format!("--port={port}"))
        .args([
            "--default-time-zone=+00:00",
            "--character-set-server=utf8mb4",
        ])
        .args(["--collation-server=utf8mb4_general_ci"])
        .args([
            "--innodb-flush-log-at-trx-commit=1",
            "--innodb-doublewrite=1",
        ])
        .args(["--innodb-flush-method=nosync", "--debug-no-sync"]);
    command
}

/// `--name=path`, as MariaDB's programs want it in one word.
fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(format!("--{name}="));
    option.push(path);
    option
}
