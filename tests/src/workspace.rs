//! A Cargo workspace of services in a temporary directory, and the real command
//! run in it. Every run is checked for passwords: [`CANARY`] must not show up.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::env::binary;

/// The password to put into URLs; no output may hold it.
pub const CANARY: &str = "s3cret-canary";

/// A workspace that is removed with its value.
#[derive(Debug)]
pub struct Workspace {
    directory: TempDir,
}

/// How the command ended, and what it said.
#[derive(Debug)]
pub struct Run {
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output, as [`Workspace::normal`] has it.
    pub stdout: String,
    /// Standard error, as [`Workspace::normal`] has it.
    pub stderr: String,
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}

impl Workspace {
    /// An empty virtual workspace; services are its members under `services/`.
    ///
    /// # Panics
    /// When the temporary directory cannot be written.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let workspace = Self { directory };
        workspace.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"services/*\"]\n",
        );
        workspace
    }

    /// The workspace's root.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// A path below the root.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.root().join(below)
    }

    /// Writes a file, with the directories above it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, below: &str, text: impl AsRef<[u8]>) {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Adds a member with `metadata` under [package.metadata.migrate].
    pub fn service(&self, name: &str, metadata: &str) {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[package.metadata.migrate]\n{metadata}\n"
        );
        self.write(&format!("services/{name}/Cargo.toml"), manifest);
        self.write(&format!("services/{name}/src/lib.rs"), "");
    }

    /// Adds a member with a SQLite database `<name>.db` in the root.
    pub fn sqlite_service(&self, name: &str) {
        self.service(name, &format!("default-url = \"sqlite:{name}.db\""));
        std::fs::create_dir_all(self.path(&format!("services/{name}/migrations")))
            .expect("directories");
    }

    /// Adds a migration to a service's `migrations/`.
    pub fn migration(&self, service: &str, name: &str, up: &str, down: &str) {
        self.write(&format!("services/{service}/migrations/{name}/up.sql"), up);
        self.write(
            &format!("services/{service}/migrations/{name}/down.sql"),
            down,
        );
    }

    /// The command, ready to be started from the workspace's root: `cargo
    /// migrate ARGS` as Cargo would start it, without the variables around us.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .arg("migrate")
            .args(args)
            .current_dir(self.root())
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.ends_with("DATABASE_URL") || text.starts_with("PG") {
                command.env_remove(&name);
            }
        }
        command.env("NO_COLOR", "1");
        command
    }

    /// Runs the command to its end.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Run {
        self.finish(self.command(args))
    }

    /// Runs a command that was made by [`Self::command`] to its end.
    ///
    /// # Panics
    /// When it cannot be started, or a password shows up.
    #[must_use]
    pub fn finish(&self, mut command: Command) -> Run {
        let output = command.output().expect("the command starts");
        self.result(&output)
    }

    /// The same where the command's standard output is set already.
    ///
    /// # Panics
    /// When it cannot be started, or a password shows up.
    #[must_use]
    pub fn finish_streams(&self, mut command: Command) -> Run {
        let child = command.stderr(Stdio::piped()).spawn();
        // Whoever holds the streams' other ends must not keep them open.
        drop(command);
        let output = child.expect("the command starts").wait_with_output();
        self.result(&output.expect("the command ends"))
    }

    /// Starts the command and leaves it running, with its output piped.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts")
    }

    /// What a finished process said.
    ///
    /// # Panics
    /// When a password shows up in it.
    #[must_use]
    pub fn result(&self, output: &Output) -> Run {
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            assert!(!text.contains(CANARY), "a password was printed:\n{text}");
            self.normal(&text)
        };
        Run {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// `text` without what differs from run to run: `[ROOT]` for the
    /// workspace's path, `[TIME]` for durations and points in time.
    #[must_use]
    pub fn normal(&self, text: &str) -> String {
        let root = self.root().to_string_lossy().into_owned();
        let text = text.replace(&root, "[ROOT]");
        times(&text)
    }
}

impl Run {
    /// Expects success.
    ///
    /// # Panics
    /// With all output otherwise.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Expects the exit code.
    ///
    /// # Panics
    /// With all output otherwise.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Expects each text somewhere on standard error.
    ///
    /// # Panics
    /// With all output otherwise.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "`{text}` is missing in\n{}",
                self.stderr
            );
        }
        self
    }

    /// Expects none of the texts on standard error.
    ///
    /// # Panics
    /// With all output otherwise.
    #[track_caller]
    pub fn never_says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(
                !self.stderr.contains(text),
                "`{text}` is said in\n{}",
                self.stderr
            );
        }
        self
    }

    /// Expects each text somewhere on standard output.
    ///
    /// # Panics
    /// With all output otherwise.
    #[track_caller]
    pub fn prints(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(
                self.stdout.contains(text),
                "`{text}` is missing in\n{}",
                self.stdout
            );
        }
        self
    }

    /// The lines of standard output as JSON objects.
    ///
    /// # Panics
    /// When one is none.
    #[must_use]
    pub fn json(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        self.stdout.lines().map(parse).collect()
    }
}

/// Replaces `12.3 ms`, `45 µs`, `1.2 s`, `1 min 2 s` and timestamps.
fn times(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n') {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for n in 0..words.len() {
            let unit = words
                .get(n + 1)
                .is_some_and(|unit| ["µs", "ms", "s", "min"].contains(&unit.trim_end()));
            if unit && words[n].parse::<f64>().is_ok() {
                words[n] = "[TIME]".into();
                words[n + 1] = String::new();
            }
            let date = words[n].len() == 10
                && words[n].starts_with("20")
                && words[n].matches('-').count() == 2;
            let clock = words
                .get(n + 1)
                .is_some_and(|clock| clock.len() >= 8 && clock.as_bytes()[2] == b':');
            if date && clock {
                words[n] = "[TIME]".into();
                words[n + 1] = String::new();
            }
        }
        lines.push(words.join(" ").trim_end().to_owned());
    }
    lines.join("\n")
}

/// Waits until `condition` holds, asking again and again: for what has no event
/// of its own, such as another process's progress in a database.
///
/// # Panics
/// When it does not come to hold within a minute.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(
            std::time::Instant::now() < deadline,
            "{what} did not happen within a minute"
        );
        // Who asks without a pause takes the machine from whom it waits for.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Copies a directory, but for what building leaves in it.
///
/// # Panics
/// When it cannot be read or written.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        if entry.path().is_dir() {
            if entry.file_name() != "target" {
                copy(&entry.path(), &to.join(entry.file_name()));
            }
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
}
