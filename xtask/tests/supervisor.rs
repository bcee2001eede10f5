//! The tests' servers end with the process that uses them, however it ends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

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
        // Two for PostgreSQL; none at all if it did not start.
        let exports: BTreeMap<String, String> = stdout
            .lines()
            .take(2)
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

    fn postgres_url(&self) -> &str {
        let url = self.exports.get("MIGRATE_TEST_POSTGRES");
        url.expect("the servers start; `cargo xtask install` brings what they need")
    }

    fn postgres_address(&self) -> String {
        let (_, after) = self.postgres_url().split_once('@').expect("a host");
        let (address, _) = after.split_once('/').expect("a database");
        address.to_owned()
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
    let address = run.postgres_address();
    TcpStream::connect(&address).expect("the server listens");
    assert!(!is_empty(temporary.path()));

    run.child.kill().expect("kill -9");
    run.wait_for_everyone();

    assert!(TcpStream::connect(&address).is_err(), "the server is gone");
    assert!(is_empty(temporary.path()), "its directory is gone");
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
    let right = select(run.postgres_url());
    assert_eq!(String::from_utf8_lossy(&right.stdout).trim(), "300");
    let (scheme, rest) = run.postgres_url().split_once("://").expect("a scheme");
    let (_, place) = rest.split_once('@').expect("a host");
    let wrong = select(&format!("{scheme}://postgres:wrong@{place}"));
    assert!(!wrong.status.success());

    drop(run.child.stdin.take());
    run.wait_for_everyone();
    assert!(is_empty(temporary.path()));
}
