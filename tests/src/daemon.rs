//! A server of one test's own, which the test may kill: a directory for it,
//! an account that is not root, a port. Knows no server by name. It dies with its
//! test.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const READY_WITHIN: Duration = Duration::from_secs(60);
/// Where a program lies that an account's PATH may not have.
const SYSTEM: [&str; 3] = ["/usr/sbin", "/usr/libexec", "/usr/local/sbin"];

/// A directory that a server's account owns, removed with its value.
#[derive(Debug)]
pub struct Home {
    directory: TempDir,
    /// None where we are not root ourselves.
    account: Option<&'static str>,
}

impl Home {
    /// A directory for the first of `accounts` that there is.
    ///
    /// # Panics
    /// When we are root, whom servers refuse, and there is none of them.
    #[must_use]
    pub fn create(accounts: &[&'static str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let open = Permissions::from_mode(0o711);
        fs::set_permissions(directory.path(), open).expect("our own directory");
        let account = (number("id", &["-u"]) == Some(0)).then(|| {
            let known = |name: &&&str| number("id", &["-u", name]).is_some();
            *accounts
                .iter()
                .find(known)
                .expect("an account for the server")
        });
        let home = Self { directory, account };
        fs::create_dir(home.place()).expect("a directory");
        home.give(&home.place());
        home
    }

    /// A path in the directory.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.place().join(below)
    }

    /// Short: the whole path of a socket has about a hundred characters.
    fn place(&self) -> PathBuf {
        self.directory.path().join("d")
    }

    /// Writes a file that the account owns.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn write(&self, below: &str, text: &str) -> PathBuf {
        let path = self.path(below);
        fs::write(&path, text).expect("our own directory");
        self.give(&path);
        path
    }

    fn give(&self, path: &Path) {
        if let Some(account) = self.account {
            let given = Command::new("chown").arg(account).arg(path).status();
            assert!(given.expect("chown starts").success());
        }
    }

    /// A program as the account. The kernel kills it where the test's thread
    /// ends without having done so.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(account) = self.account {
            let group = number("id", &["-g", account]).expect("the account's group");
            command
                .args(["--reuid", account, "--clear-groups"])
                .arg(format!("--regid={group}"));
        }
        command
            .arg("--")
            .arg(program)
            .current_dir(self.place())
            .env("TMPDIR", self.place())
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["PG", "MYSQL_", "MARIADB_"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            {
                command.env_remove(&name);
            }
        }
        command
    }

    /// Runs one of the programs that make the server's files.
    ///
    /// # Panics
    /// With what it said, when it fails.
    pub fn prepare(&self, command: &mut Command) {
        let output = command.output().expect("setpriv starts");
        assert!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Starts a server, and waits until `answers`.
    ///
    /// # Panics
    /// With its log, when it ends, or does not answer within a minute.
    #[must_use]
    pub fn start(&self, mut command: Command, mut answers: impl FnMut() -> bool) -> Daemon {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .expect("our own directory");
        let child = command
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("setpriv starts");
        let mut daemon = Daemon { child };
        let deadline = Instant::now() + READY_WITHIN;
        while !answers() {
            let ended = daemon.child.try_wait().expect("a child");
            let said = || fs::read_to_string(self.path("log")).unwrap_or_default();
            assert!(ended.is_none(), "{command:?}: {ended:?}\n{}", said());
            assert!(Instant::now() < deadline, "{command:?}\n{}", said());
            // Nothing tells us; and asking without end would take the
            // processor that the server needs.
            thread::sleep(Duration::from_millis(10));
        }
        daemon
    }
}

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
}

impl Daemon {
    /// Ends it and all processes that it has started without a word, and waits
    /// until all are gone.
    ///
    /// # Panics
    /// When they don't go.
    pub fn kill(&mut self) {
        // The first must not see the others go, and begin to recover.
        let others = descendants(self.child.id());
        self.child.kill().ok();
        self.child.wait().expect("a child");
        for other in &others {
            // Most have noticed by themselves.
            Command::new("kill")
                .args(["-9", &other.to_string()])
                .stderr(Stdio::null())
                .status()
                .expect("kill starts");
        }
        crate::workspace::eventually("all processes of the server are gone", || {
            !others.iter().any(|pid| is_alive(*pid))
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.kill();
        } else {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// A port on this machine that nobody listens on.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A server's program, on PATH or where the system keeps them.
///
/// # Panics
/// When it is not installed.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SYSTEM.map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{name} is missing; run `cargo xtask install`"))
}

fn number(program: &str, args: &[&str]) -> Option<u32> {
    let output = Command::new(program).args(args).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// The state and the parent of a process, by the kernel's line about it.
fn parent(pid: u32) -> Option<(char, u32)> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let (_, rest) = line.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

fn is_alive(pid: u32) -> bool {
    parent(pid).is_some_and(|(state, _)| state != 'Z')
}

fn descendants(of: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .expect("the kernel's list")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?.1)))
        .collect();
    let mut found = vec![of];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.split_off(1)
}
