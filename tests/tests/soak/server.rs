//! PostgreSQL and MariaDB servers of one test's own that listen on every
//! address, and a standby that follows another one.

use std::path::PathBuf;

use diesel::connection::SimpleConnection;
use diesel::{Connection, MysqlConnection, PgConnection};
use tests::daemon::{Daemon, Home, free_port, program};
use tests::env::postgres_program;

/// A PostgreSQL server that trusts everybody.
pub(crate) struct Postgres {
    port: u16,
    daemon: Daemon,
    // Removed after the server has gone.
    home: Home,
}

impl Postgres {
    /// A primary with an empty cluster.
    pub(crate) fn primary() -> Self {
        let home = Home::create(&["postgres", "nobody"]);
        let mut command = home.command(postgres_program("initdb"));
        command
            .args(["--no-sync", "--username=postgres", "--locale=C"])
            .args(["--encoding=UTF8", "--auth=trust", "--pgdata"])
            .arg(home.path("data"));
        home.prepare(&mut command);
        let access =
            "host all all all trust\nhost replication all all trust\nlocal all all trust\n";
        std::fs::write(home.path("data/pg_hba.conf"), access).expect("a file");
        Self::started(home)
    }

    /// A hot standby that follows this server.
    pub(crate) fn standby(&self) -> Self {
        let home = Home::create(&["postgres", "nobody"]);
        let mut command = home.command(postgres_program("pg_basebackup"));
        command
            .args(["-R", "-X", "stream", "-c", "fast", "--no-sync"])
            .args(["-h", "127.0.0.1", "-U", "postgres"])
            .args(["-p", &self.port.to_string(), "-D"])
            .arg(home.path("data"));
        home.prepare(&mut command);
        Self::started(home)
    }

    fn started(home: Home) -> Self {
        let port = free_port();
        let mut command = home.command(postgres_program("postgres"));
        command.arg("-D").arg(home.path("data"));
        let sockets = home.path("").display().to_string();
        for (name, value) in [
            ("listen_addresses", "*"),
            ("port", &port.to_string()),
            ("unix_socket_directories", &sockets),
            ("fsync", "off"),
        ] {
            command.args(["-c", &format!("{name}={value}")]);
        }
        let url = url(port, "127.0.0.1");
        let daemon = home.start(command, || PgConnection::establish(&url).is_ok());
        Self { port, daemon, home }
    }

    pub(crate) fn url(&self, host: &str) -> String {
        url(self.port, host)
    }

    pub(crate) fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.url("127.0.0.1")).expect("a connection")
    }

    /// Makes a standby the primary.
    pub(crate) fn promote(&self) {
        let mut command = self.home.command(postgres_program("pg_ctl"));
        command
            .args(["promote", "--silent", "-w", "-D"])
            .arg(self.home.path("data"));
        self.home.prepare(&mut command);
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.daemon.kill();
    }
}

fn url(port: u16, host: &str) -> String {
    format!("postgres://postgres@{host}:{port}/postgres")
}

/// A MariaDB server, where `tester` may do everything.
pub(crate) struct Mariadb {
    port: u16,
    _daemon: Daemon,
    // Removed after the server has gone.
    _home: Home,
}

impl Mariadb {
    pub(crate) fn start() -> Self {
        let home = Home::create(&["mysql", "nobody"]);
        let accounts = home.write(
            "accounts.sql",
            "FLUSH PRIVILEGES;\nCREATE USER tester@'%' IDENTIFIED BY 'tester';\nGRANT ALL ON *.* TO tester@'%';\n",
        );
        let option = |name: &str, path: PathBuf| format!("--{name}={}", path.display());
        let mut command = home.command(program("mariadb-install-db"));
        command
            .args(["--no-defaults", "--skip-test-db"])
            .arg("--auth-root-authentication-method=normal")
            .arg(option("extra-file", accounts))
            .arg(option("datadir", home.path("data")));
        home.prepare(&mut command);
        let port = free_port();
        let mut command = home.command(program("mariadbd"));
        command
            .arg("--no-defaults")
            .arg(option("datadir", home.path("data")))
            .arg(option("socket", home.path("s")))
            .arg(option("pid-file", home.path("pid")))
            .args([
                "--bind-address=0.0.0.0",
                "--innodb-flush-log-at-trx-commit=0",
            ])
            .arg(format!("--port={port}"));
        let url = |database: &str| format!("mysql://tester:tester@127.0.0.1:{port}/{database}");
        let daemon = home.start(command, || {
            MysqlConnection::establish(&url("mysql")).is_ok()
        });
        MysqlConnection::establish(&url("mysql"))
            .expect("a connection")
            .batch_execute("CREATE DATABASE shop")
            .expect("a database");
        Self {
            port,
            _daemon: daemon,
            _home: home,
        }
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("mysql://tester:tester@{host}:{}/shop", self.port)
    }

    pub(crate) fn connect(&self) -> MysqlConnection {
        MysqlConnection::establish(&self.url("127.0.0.1")).expect("a connection")
    }
}
