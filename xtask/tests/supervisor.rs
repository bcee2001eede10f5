//! The tests' servers end with the process that uses them, however it ends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const POSTGRES: &str = "MIGRATE_TEST_POSTGRES";
const MARIADB: &str = "MIGRATE_TEST_MARIADB";

/// A running `cargo xtask servers`, with what it printed.
struct Run {
    child: Child,
    exports: BTreeMap<String, String>,
}

impl Run {
    fn start(temporary: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("servers")
            .env("TMPDIR", temporary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("xtask starts");
        let stdout = BufReader::new(child.stdout.take().expect("standard output"));
        // Three for PostgreSQL and four for MariaDB; none at all if one of
        // them did not start.
        let exports: BTreeMap<String, String> = stdout
            .lines()
            .take(7)
            .map(|line| {
                let line = line.expect("a line");
                let (name, value) = line
                    .strip_prefix("export ")
                    .and_then(|line| line.split_once('='))
                    .expect("an export");
                (name.to_owned(), value.trim_matches('\'').to_owned())
            })
            .collect();
        Self { child, exports }
    }

    fn export(&self, name: &str) -> &str {
        let value = self.exports.get(name);
        value.expect("the servers start; `cargo xtask install` brings what they need")
    }

    /// Where both servers listen.
    fn addresses(&self) -> [String; 2] {
        [POSTGRES, MARIADB].map(|name| {
            let (_, after) = self.export(name).split_once('@').expect("a host");
            let (address, _) = after.split_once('/').expect("a database");
            address.to_owned()
        })
    }

    /// MariaDB's client, asked one thing over a connection that `options` make.
    fn ask_mariadb(&self, password: &str, options: &[&str], sql: &str) -> Output {
        Command::new("mariadb")
            .args(["--no-defaults", "--user=root", "--skip-column-names"])
            .args(options)
            .args(["--execute", sql])
            .env("MYSQL_PWD", password)
            .output()
            .expect("mariadb starts")
    }

    /// Waits until all who hold the standard error are gone. The supervisor
    /// inherits it, so its end is the event to wait for.
    fn wait_for_everyone(&mut self) {
        let mut stderr = self.child.stderr.take().expect("standard error");
        stderr.read_to_end(&mut Vec::new()).expect("the end");
        self.child.wait().expect("an exit status");
    }
}

fn is_empty(directory: &Path) -> bool {
    let mut entries = directory.read_dir().expect("a directory");
    entries.next().is_none()
}

/// Where the server's account may pass through.
fn temporary_directory() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o711));
    builder.tempdir().expect("a temporary directory")
}

#[test]
fn a_killed_run_leaves_no_server_and_no_directory() {
    let temporary = temporary_directory();
    let mut run = Run::start(temporary.path());
    let addresses = run.addresses();
    for address in &addresses {
        TcpStream::connect(address).expect("the server listens");
    }
    assert!(!is_empty(temporary.path()));

    run.child.kill().expect("kill -9");
    run.wait_for_everyone();

    for address in &addresses {
        assert!(TcpStream::connect(address).is_err(), "the server is gone");
    }
    assert!(is_empty(temporary.path()), "their directory is gone");
}

#[test]
fn the_superuser_gets_in_with_the_password_alone() {
    let temporary = temporary_directory();
    let mut run = Run::start(temporary.path());
    let psql = Path::new(&run.exports["MIGRATE_TEST_POSTGRES_BIN"]).join("psql");
    let select = |url: &str| {
        Command::new(&psql)
            .args(["-X", "-A", "-t", "-c", "SHOW max_connections", url])
            .env("PGPASSFILE", temporary.path().join("none"))
            .env_remove("PGPASSWORD")
            .output()
            .expect("psql starts")
    };
    let right = select(run.export(POSTGRES));
    assert_eq!(String::from_utf8_lossy(&right.stdout).trim(), "500");
    let (scheme, rest) = run.export(POSTGRES).split_once("://").expect("a scheme");
    let (_, place) = rest.split_once('@').expect("a host");
    let wrong = select(&format!("{scheme}://postgres:wrong@{place}"));
    assert!(!wrong.status.success());

    drop(run.child.stdin.take());
    run.wait_for_everyone();
    assert!(is_empty(temporary.path()));
}

#[test]
fn root_gets_into_mariadb_with_the_password_alone_by_every_way() {
    let temporary = temporary_directory();
    let mut run = Run::start(temporary.path());
    let (before, place) = run.export(MARIADB).split_once('@').expect("a host");
    let (_, password) = before.rsplit_once(':').expect("a password");
    let (address, _) = place.split_once('/').expect("a database");
    let (host, port) = address.split_once(':').expect("a port");
    let host = format!("--host={host}");
    let port = format!("--port={port}");
    let tcp = ["--protocol=tcp", &host, &port];
    let socket = format!("--socket={}", run.export("MIGRATE_TEST_MARIADB_SOCKET"));
    let authority = format!("--ssl-ca={}", run.export("MIGRATE_TEST_MARIADB_CA"));
    let verified = [&tcp[..], &[&authority, "--ssl-verify-server-cert"]].concat();
    let status = "SHOW STATUS LIKE 'Ssl_version'";
    for (options, sql, answer) in [
        (&tcp[..], "SELECT @@max_connections", "500"),
        (
            &[socket.as_str()],
            "SELECT CURRENT_USER()",
            "root@localhost",
        ),
        (&verified, status, "TLSv1."),
    ] {
        let right = run.ask_mariadb(password, options, sql);
        let said = String::from_utf8_lossy(&right.stdout).into_owned();
        assert!(right.status.success() && said.contains(answer), "{right:?}");
        let wrong = run.ask_mariadb("wrong", options, sql);
        assert!(!wrong.status.success());
    }

    drop(run.child.stdin.take());
    run.wait_for_everyone();
    assert!(is_empty(temporary.path()));
}
