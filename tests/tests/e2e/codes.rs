//! Exit codes: what a script may rely on, for one service and for a fleet in
//! which each fares differently.

use std::fs::File;

use snapbox::{assert_data_eq, str};
use tests::workspace::Workspace;

use crate::session::Session;
use crate::tree::{Tree, applied};

/// A service with one applied migration and one pending.
fn add(workspace: &Workspace, name: &str) {
    workspace.sqlite_service(name);
    workspace.migration(
        name,
        "2026-01-01-000000_a",
        "CREATE TABLE a (id INTEGER);",
        "DROP TABLE a;",
    );
    workspace.migration(
        name,
        "2026-01-03-000000_c",
        "CREATE TABLE c (id INTEGER);",
        "DROP TABLE c;",
    );
    workspace.run(&["run", "-p", name, "--to", "20260101"]).ok();
}

fn edit(workspace: &Workspace, name: &str) {
    let path = format!("services/{name}/migrations/2026-01-01-000000_a/up.sql");
    workspace.write(&path, "CREATE TABLE a (id TEXT);");
}

fn break_sql(workspace: &Workspace, name: &str) {
    let path = format!("services/{name}/migrations/2026-01-03-000000_c/up.sql");
    workspace.write(&path, "CREATE TABEL c;");
}

/// The lock of another runner, held until it is dropped.
fn lock(workspace: &Workspace, name: &str) -> File {
    let file = File::create(workspace.path(&format!("{name}.db.migrate-lock"))).expect("a file");
    file.lock().expect("the lock");
    file
}

fn one() -> Workspace {
    let workspace = Workspace::new();
    add(&workspace, "cart");
    workspace
}

#[test]
fn pending_is_three_where_it_is_asked_for() {
    let workspace = one();
    workspace.run(&["status"]).exits(0);
    workspace.run(&["status", "--exit-code"]).exits(3);
    workspace.run(&["run"]).exits(0);
    workspace.run(&["status", "--exit-code"]).exits(0);
}

#[test]
fn edited_is_four() {
    let workspace = one();
    edit(&workspace, "cart");
    let before = Tree::of(workspace.root());
    workspace
        .run(&["status"])
        .exits(0)
        .prints(&["2026-01-01-000000_a", "edited"]);
    workspace.run(&["status", "--exit-code"]).exits(4);
    workspace
        .run(&["run"])
        .exits(4)
        .says(&["cart: migration 2026-01-01-000000_a was edited"]);
    workspace.run(&["plan"]).exits(4).says(&["edited"]);
    before.is_still(workspace.root());
}

#[test]
fn missing_is_four() {
    let workspace = one();
    std::fs::remove_dir_all(workspace.path("services/cart/migrations/2026-01-01-000000_a"))
        .expect("removed");
    let before = Tree::of(workspace.root());
    workspace
        .run(&["status", "--exit-code"])
        .exits(4)
        .prints(&["2026-01-01-000000_a", "missing"]);
    workspace
        .run(&["run"])
        .exits(4)
        .says(&["2026-01-01-000000_a is in the database, but not in the catalog"]);
    workspace
        .run(&["revert"])
        .exits(4)
        .says(&["2026-01-01-000000_a"]);
    before.is_still(workspace.root());
}

#[test]
fn out_of_order_is_four_unless_it_is_allowed() {
    let workspace = one();
    workspace.run(&["run"]).ok();
    workspace.migration(
        "cart",
        "2026-01-02-000000_b",
        "CREATE TABLE b (id INTEGER);",
        "DROP TABLE b;",
    );
    let before = Tree::of(workspace.root());
    workspace
        .run(&["status", "--exit-code"])
        .exits(4)
        .prints(&["2026-01-02-000000_b", "out-of-order"]);
    workspace
        .run(&["run"])
        .exits(4)
        .says(&["sorts before 20260103000000"]);
    before.is_still(workspace.root());
    workspace.service(
        "cart",
        "default-url = \"sqlite:cart.db\"\nout-of-order = \"warn\"",
    );
    workspace
        .run(&["run"])
        .exits(0)
        .says(&["is applied late", "1 applied"]);
    workspace.run(&["status", "--exit-code"]).exits(0);
}

#[test]
fn a_busy_lock_is_six_and_names_its_holder() {
    let workspace = one();
    let held = lock(&workspace, "cart");
    std::io::Write::write_all(&mut &held, b"pid 4711").expect("written");
    let before = Tree::of(workspace.root());
    let mut session = Session::new(&workspace);
    session.run(&["run", "--lock-wait", "100ms"]);
    session.run(&["revert", "--lock-wait", "0"]);
    session.run(&["status"]);
    before.is_still(workspace.root());
    drop(held);
    session.run(&["run", "--lock-wait", "0"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run --lock-wait 100ms  # exits 6
2| error: cart: another runner holds the migration lock, waited [TIME] (pid 4711)
2|  |
2|  = help: wait for the other runner, or give `--lock-wait` more time
2|     Finished 1 target: no migration completed in [TIME] (exit 6)
$ cargo migrate revert --lock-wait 0  # exits 6
2| error: cart: another runner holds the migration lock, waited [TIME] (pid 4711)
2|  |
2|  = help: wait for the other runner, or give `--lock-wait` more time
2|     Finished 1 target: no migration completed in [TIME] (exit 6)
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-01-000000_a                              applied  [TIME]
1|   [ ] 2026-01-03-000000_c                              pending
$ cargo migrate run --lock-wait 0
2|      Applied cart 2026-01-03-000000_c in [TIME]
2|     Finished 1 target: 1 applied in [TIME]

"#]]
    );
}

#[test]
fn nothing_to_do_needs_no_lock() {
    let workspace = one();
    workspace.run(&["run"]).ok();
    let _held = lock(&workspace, "cart");
    workspace
        .run(&["run", "--lock-wait", "0"])
        .exits(0)
        .says(&["nothing to do"]);
}

#[test]
fn of_a_fleet_the_gravest_counts() {
    let workspace = Workspace::new();
    for name in ["broken", "busy", "edited", "pending"] {
        add(&workspace, name);
    }
    break_sql(&workspace, "broken");
    edit(&workspace, "edited");
    let _held = lock(&workspace, "busy");
    let run = |exclude: &[&str]| {
        let mut args = vec!["run", "--all", "--keep-going", "--lock-wait", "0"];
        exclude
            .iter()
            .for_each(|name| args.extend(["--exclude", name]));
        workspace.run(&args)
    };
    run(&[])
        .exits(1)
        .says(&["broken: ", "busy: ", "edited: ", "4 targets: 1 applied"]);
    run(&["broken"]).exits(4).says(&["busy: ", "edited: "]);
    run(&["broken", "edited"]).exits(6).says(&["busy: "]);
    run(&["broken", "edited", "busy"]).exits(0);
    workspace.run(&["status", "--exit-code"]).exits(4);
    workspace
        .run(&["status", "--exit-code", "--exclude", "edited"])
        .exits(3);
}

#[test]
fn one_job_stops_after_a_failure_and_says_what_was_not_begun() {
    let workspace = Workspace::new();
    for name in ["a", "b", "c", "d"] {
        add(&workspace, name);
    }
    break_sql(&workspace, "b");
    let mut session = Session::new(&workspace);
    session.run(&["run", "--all", "--jobs", "1"]);
    assert_eq!(applied(&workspace, "c.db").len(), 1);
    session.run(&["run", "--all", "--jobs", "1", "--keep-going"]);
    assert_eq!(applied(&workspace, "c.db").len(), 2);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run --all --jobs 1  # exits 1
2|      Applied a 2026-01-03-000000_c in [TIME]
2| error: b: migration 2026-01-03-000000_c stopped at statement 1 of 1
2|  --> services/b/migrations/2026-01-03-000000_c/up.sql:1:8
2|   |
2| 1 | CREATE TABEL c;
2|   |        ^^^^^ near "TABEL": syntax error
2|   |
2|   = note: the migration was rolled back
2|   = note: the database is at 20260101000000
2|   = help: correct the file, then `cargo migrate run -p b`
2| warning: not begun after the failure: c, d (`--keep-going` goes on)
2|     Finished 2 targets: 1 applied in [TIME] (exit 1)
$ cargo migrate run --all --jobs 1 --keep-going  # exits 1
2| error: b: migration 2026-01-03-000000_c stopped at statement 1 of 1
2|  --> services/b/migrations/2026-01-03-000000_c/up.sql:1:8
2|   |
2| 1 | CREATE TABEL c;
2|   |        ^^^^^ near "TABEL": syntax error
2|   |
2|   = note: the migration was rolled back
2|   = note: the database is at 20260101000000
2|   = help: correct the file, then `cargo migrate run -p b`
2|      Applied c 2026-01-03-000000_c in [TIME]
2|      Applied d 2026-01-03-000000_c in [TIME]
2|     Finished 4 targets: 2 applied in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_server_that_is_away_does_not_keep_the_others_from_their_turn() {
    let workspace = Workspace::new();
    for name in ["a", "c"] {
        add(&workspace, name);
    }
    workspace.service(
        "b",
        "default-url = \"sqlite:b.db\"\nsession-setup = [\"NONSENSE\"]",
    );
    workspace.migration("b", "2026-01-01-000000_a", "SELECT 1;", "");
    workspace
        .run(&["run", "--all", "--jobs", "1"])
        .exits(1)
        .says(&["b: session-setup", "3 targets: 2 applied"]);
}

#[test]
fn usage_is_two_before_anything_is_begun() {
    let workspace = one();
    let before = Tree::of(workspace.root());
    for args in [
        &["frobnicate"][..],
        &["run", "--frobnicate"],
        &["run", "x", "--to", "y"],
        &["run", "--count", "x"],
        &["run", "--jobs", "0"],
        &["run", "--lock-wait", "soon"],
        &["run", "-p", "nobody"],
        &["revert", "--all"],
        &["status", "--message-format", "xml"],
        &["status", "-q", "-v"],
        &["completions", "tcsh"],
        &[],
    ] {
        let _ = workspace.run(args).exits(2);
    }
    before.is_still(workspace.root());
    workspace.run(&["--help"]).exits(0);
    workspace.run(&["--version"]).exits(0);
    workspace.run(&["help", "run"]).exits(0);
}
