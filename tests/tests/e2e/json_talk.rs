//! What was only talk once is told to machines, too: edits, notes, warnings and
//! the targets that were not begun.

use std::process::Command;

use diesel::connection::SimpleConnection;
use serde_json::Value;
use tests::workspace::{Workspace, eventually};

use crate::postgres::OnPostgres;

fn lines(workspace: &Workspace, args: &[&str], code: i32) -> Vec<Value> {
    let args = [args, &["--message-format", "json"]].concat();
    workspace.run(&args).exits(code).json()
}

fn with<'v>(lines: &'v [Value], reason: &str) -> Vec<&'v Value> {
    lines
        .iter()
        .filter(|line| line["reason"] == reason)
        .collect()
}

#[test]
fn init_tells_the_edits_of_the_manifest() {
    let workspace = Workspace::new();
    workspace.write(
        "services/cart/Cargo.toml",
        "[package]\nname = \"cart\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    workspace.write("services/cart/src/lib.rs", "");
    let told = lines(&workspace, &["init", "-p", "cart"], 0);
    let edited = with(&told, "file-edited");
    let whats: Vec<&Value> = edited.iter().map(|line| &line["what"]).collect();
    assert_eq!(
        whats,
        ["dependency migrate-runtime", "[package.metadata.migrate]"]
    );
    for line in edited {
        assert_eq!(line["service"], "cart");
        assert_eq!(line["path"], "services/cart/Cargo.toml");
    }
    let told = lines(&workspace, &["init", "-p", "cart"], 0);
    let text = with(&told, "warning")[0]["message"].as_str();
    assert!(text.is_some_and(|text| text.contains("nothing was changed")));
}

#[test]
fn notes_say_which_service_they_are_about() {
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    let told = lines(&workspace, &["status"], 0);
    let notes = with(&told, "note");
    assert_eq!(notes.len(), 1, "{told:?}");
    assert_eq!(notes[0]["service"], "cart");
    assert!(
        notes[0]["message"]
            .as_str()
            .is_some_and(|text| text.contains("no migrations yet")),
        "{told:?}"
    );
}

#[test]
fn targets_that_were_not_begun_are_told_each() {
    let workspace = Workspace::new();
    for name in ["a", "b", "c"] {
        workspace.sqlite_service(name);
    }
    workspace.migration("a", "1_bad", "NONSENSE;", "");
    let told = lines(&workspace, &["run", "--all", "--jobs", "1"], 1);
    let skipped: Vec<_> = with(&told, "target-skipped")
        .into_iter()
        .map(|line| (&line["service"], &line["because"]))
        .collect();
    let because = Value::from("failure");
    assert_eq!(skipped, [(&"b".into(), &because), (&"c".into(), &because)]);
}

#[test]
fn after_ctrl_c_the_reason_is_the_interruption() {
    for json in [true, false] {
        let made = OnPostgres::owned();
        let workspace = &made.workspace;
        let gate = "SELECT pg_advisory_xact_lock(77)";
        workspace.migration("cart", "1_gate", &format!("{gate};"), "");
        workspace.sqlite_service("users");
        workspace.migration("users", "1_a", "SELECT 1;", "");
        let mut other = made.database.connect();
        other
            .batch_execute(&format!("BEGIN; {gate}"))
            .expect("locked");
        let format = if json { "json" } else { "human" };
        let child = workspace.start(&["run", "--all", "-j", "1", "--message-format", format]);
        eventually("the runner waits at the gate", || {
            let waiting = "SELECT 1 / count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()";
            made.database.connect().batch_execute(waiting).is_ok()
        });
        let sent = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(sent.expect("kill starts").success());
        let run = workspace.result(&child.wait_with_output().expect("it ends"));
        let run = run
            .exits(1)
            .says(&["warning: not begun after the interruption: users"]);
        assert!(!run.stderr.contains("after the failure"), "{}", run.stderr);
        if json {
            let told = run.json();
            let skipped = with(&told, "target-skipped");
            assert_eq!(skipped[0]["service"], "users");
            assert_eq!(skipped[0]["because"], "interrupt");
        }
    }
}

#[test]
fn a_usage_error_of_one_of_several_targets_is_a_failure() {
    let workspace = Workspace::new();
    for name in ["a", "b"] {
        workspace.sqlite_service(name);
    }
    workspace.migration("a", "1_a", "CREATE TABLE a (id INTEGER);", "");
    workspace.migration("b", "2_b", "CREATE TABLE b (id INTEGER);", "");
    let told = lines(&workspace, &["run", "1", "--all"], 1);
    assert_eq!(with(&told, "error")[0]["exit-code"], 1);
    assert_eq!(with(&told, "finished")[0]["applied"], 1);
    // Alone it is a mistake in the command line, and nothing was done.
    let _ = lines(&workspace, &["run", "1", "-p", "b"], 2);
}
