//! Files that another account owns: the command is run by an account that may
//! not read or write them, also where the tests are run by root.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use snapbox::{assert_data_eq, str};
use tempfile::TempDir;
use tests::env::binary;
use tests::workspace::Workspace;

use crate::session::Session;
use crate::tree::Tree;

/// Nobody, on Linux and elsewhere.
const NOBODY: u32 = 65534;

/// The command for an account without rights: a copy of the binary in a place
/// that everybody may enter, and a Cargo that answers what ours has answered.
struct Guest {
    tools: TempDir,
}

impl Guest {
    fn of(workspace: &Workspace) -> Self {
        let tools = tempfile::tempdir().expect("a temporary directory");
        let answer = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(workspace.root())
            .output()
            .expect("cargo starts");
        let path = tools.path().join("answer.json");
        std::fs::write(&path, answer.stdout).expect("written");
        let script = format!("#!/bin/sh\nexec cat '{}'\n", path.display());
        let written = tools.path().join("cargo.sh");
        std::fs::write(&written, script).expect("written");
        install(&written, &tools.path().join("cargo"));
        install(binary(), &tools.path().join("cargo-migrate"));
        mode(tools.path(), 0o755);
        mode(workspace.root(), 0o755);
        Self { tools }
    }

    fn command(&self, workspace: &Workspace, args: &[&str]) -> Command {
        let ours = workspace.command(args);
        let mut command = Command::new(self.tools.path().join("cargo-migrate"));
        command.args(ours.get_args()).current_dir(workspace.root());
        for (name, value) in ours.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("CARGO", self.tools.path().join("cargo"));
        // Root may do everything; everybody else is a guest already.
        let id = Command::new("id").arg("-u").output().expect("id starts");
        if id.stdout.trim_ascii() == b"0" {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

/// Copies a program by a process of its own. Were it written by this one, a
/// test that starts a process meanwhile would hand the open file on to it, and
/// Linux executes no file that is open for writing.
fn install(program: &Path, to: &Path) {
    let mut command = Command::new("install");
    let status = command.args(["-m", "755"]).arg(program).arg(to).status();
    assert!(status.expect("install starts").success());
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the mode is set");
}

fn cart() -> Workspace {
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    workspace.migration(
        "cart",
        "2026-01-01-000000_a",
        "CREATE TABLE a (id INTEGER);",
        "DROP TABLE a;",
    );
    workspace.run(&["run"]).ok();
    workspace.migration(
        "cart",
        "2026-01-02-000000_b",
        "CREATE TABLE b (id INTEGER);",
        "DROP TABLE b;",
    );
    workspace
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let workspace = cart();
    let guest = Guest::of(&workspace);
    let up = workspace.path("services/cart/migrations/2026-01-02-000000_b/up.sql");
    mode(&up, 0o000);
    let before = Tree::of(workspace.root());
    let mut session = Session::new(&workspace);
    session.run_as(guest.command(&workspace, &["run"]), "run");
    mode(&up, 0o644);
    let directory = workspace.path("services/cart/migrations/2026-01-02-000000_b");
    mode(&directory, 0o000);
    session.run_as(guest.command(&workspace, &["run"]), "run");
    mode(&directory, 0o755);
    before.is_still(workspace.root());
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_b: cannot be read: Permission denied (os error 13)
2| --> services/cart/migrations/2026-01-02-000000_b/up.sql
2|  = note: nothing was run
2|  = help: see to its owner and permissions, or to where its link leads
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_b: cannot be read: Permission denied (os error 13)
2| --> services/cart/migrations/2026-01-02-000000_b
2|  = note: nothing was run
2|  = help: see to its owner and permissions, or to where its link leads
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_database_that_may_only_be_read_is_looked_at_and_not_written() {
    let workspace = cart();
    let guest = Guest::of(&workspace);
    mode(&workspace.path("cart.db"), 0o444);
    let _ = std::fs::remove_file(workspace.path("cart.db.migrate-lock"));
    let before = Tree::of(workspace.root());
    let mut session = Session::new(&workspace);
    for name in ["status", "plan", "current", "run", "revert", "create"] {
        session.run_as(guest.command(&workspace, &[name]), name);
    }
    session.run_as(guest.command(&workspace, &["drop", "-y"]), "drop -y");
    let new = workspace.finish(guest.command(&workspace, &["new", "more"]));
    let _ = new.exits(1).says(&[
        "failed to create",
        "Permission denied",
        "nothing was written",
    ]);
    before.is_still(workspace.root());
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-01-000000_a                              applied  [TIME]
1|   [ ] 2026-01-02-000000_b                              pending
$ cargo migrate plan
1| -- cart: 2026-01-02-000000_b/up.sql (1/1)
1| CREATE TABLE b (id INTEGER);
$ cargo migrate current
1| cart 2026-01-01-000000_a
$ cargo migrate run  # exits 1
2| error: cart: cannot prepare the migration tables: cannot open the lock file [ROOT]/cart.db.migrate-lock: Permission denied (os error 13)
2|  |
2|  = note: nothing of the migration remains
2|  = help: the file and its directory have to be writable: a lock file and SQLite's journal lie beside it
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate revert  # exits 1
2| error: cart: cannot prepare the migration tables: cannot open the lock file [ROOT]/cart.db.migrate-lock: Permission denied (os error 13)
2|  |
2|  = note: nothing of the migration remains
2|  = help: the file and its directory have to be writable: a lock file and SQLite's journal lie beside it
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate create  # exits 1
2| error: cart: cannot prepare the migration tables: cannot open the lock file [ROOT]/cart.db.migrate-lock: Permission denied (os error 13)
2|  |
2|  = note: nothing of the migration remains
2|  = help: the file and its directory have to be writable: a lock file and SQLite's journal lie beside it
$ cargo migrate drop -y  # exits 1
2| error: cart: cannot drop database [ROOT]/cart.db: cannot open the lock file [ROOT]/cart.db.migrate-lock: Permission denied (os error 13)
2|  |
2|  = help: see to its owner and permissions, and its directory's

"#]]
    );
}

#[test]
fn a_database_that_may_not_be_read_is_told_so() {
    let workspace = cart();
    let guest = Guest::of(&workspace);
    mode(&workspace.path("cart.db"), 0o000);
    let before = Tree::of(workspace.root());
    let mut session = Session::new(&workspace);
    session.run_as(guest.command(&workspace, &["status"]), "status");
    session.run_as(guest.command(&workspace, &["run"]), "run");
    mode(&workspace.path("cart.db"), 0o644);
    before.is_still(workspace.root());
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate status  # exits 1
2| error: cart: cannot connect to sqlite:[ROOT]/cart.db: unable to open database file
2|  |
2|  = note: the URL comes from default-url
2|  = help: see to the file, role or password that the URL names
$ cargo migrate run  # exits 1
2| error: cart: cannot connect to sqlite:[ROOT]/cart.db: unable to open database file
2|  |
2|  = note: the URL comes from default-url
2|  = help: see to the file, role or password that the URL names
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}
