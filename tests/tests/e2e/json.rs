//! `--message-format json`: one object a line on standard output, with the
//! reasons and keys that the README promises.

use serde_json::Value;
use tests::workspace::{Run, Workspace};

fn cart() -> Workspace {
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    workspace.migration(
        "cart",
        "2026-01-01-000000_a",
        "CREATE TABLE a (id INTEGER);\nCREATE TABLE b (id INTEGER);\n",
        "DROP TABLE b;\nDROP TABLE a;\n",
    );
    workspace.migration(
        "cart",
        "2026-01-02-000000_c",
        "CREATE TABLE c (id INTEGER);\n",
        "DROP TABLE c;\n",
    );
    workspace
}

/// Runs with `--message-format json` and checks what holds for every stream.
fn stream(workspace: &Workspace, args: &[&str], code: i32) -> Vec<Value> {
    let run: Run = workspace
        .run(&[args, &["--message-format", "json"]].concat())
        .exits(code);
    for line in run.stdout.lines() {
        assert!(
            line.starts_with("{\"reason\":\""),
            "the reason does not stand first: {line}"
        );
    }
    let lines = run.json();
    let first = lines.first().expect("a first line");
    assert_eq!(first["reason"], "started");
    assert_eq!(first["format"], 1);
    assert_eq!(first["command"], args[0]);
    assert!(first["tool-version"].is_string(), "{first}");
    let last = lines.last().expect("a last line");
    assert_eq!(last["reason"], "finished");
    assert_eq!(last["exit-code"], code);
    for count in ["applied", "reverted", "pending", "targets", "duration_us"] {
        assert!(last[count].is_u64(), "{count}: {last}");
    }
    let once = |reason: &str| lines.iter().filter(|line| line["reason"] == reason).count();
    assert_eq!((once("started"), once("finished")), (1, 1));
    lines
}

fn reasons(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["reason"].as_str().expect("a reason"))
        .collect()
}

/// The value of `key` in each line with this reason.
fn each<'v>(lines: &'v [Value], reason: &str, key: &str) -> Vec<&'v Value> {
    lines
        .iter()
        .filter(|line| line["reason"] == reason)
        .map(|line| &line[key])
        .collect()
}

#[track_caller]
fn is_of_cart(line: &Value) {
    assert_eq!(line["service"], "cart", "{line}");
    assert!(line.get("database").is_some_and(Value::is_null), "{line}");
}

#[test]
fn run_tells_each_migration_as_it_is_applied() {
    let workspace = cart();
    let lines = stream(&workspace, &["run"], 0);
    assert_eq!(
        reasons(&lines),
        [
            "started",
            "migration-applied",
            "migration-applied",
            "target-finished",
            "finished"
        ]
    );
    let first = &lines[1];
    is_of_cart(first);
    assert_eq!(first["migration"], "2026-01-01-000000_a");
    assert_eq!(first["version"], "20260101000000");
    assert_eq!(first["direction"], "up");
    assert_eq!(first["statements"], 2);
    assert!(first["duration_us"].is_u64(), "{first}");
    let target = &lines[3];
    is_of_cart(target);
    assert_eq!(
        (&target["applied"], &target["exit-code"]),
        (&2.into(), &0.into())
    );
    assert_eq!(target["version"], "20260102000000");
    assert_eq!(
        (&lines[4]["applied"], &lines[4]["targets"]),
        (&2.into(), &1.into())
    );

    let again = stream(&workspace, &["run"], 0);
    assert_eq!(reasons(&again), ["started", "target-finished", "finished"]);
    assert_eq!(again[2]["applied"], 0);
}

#[test]
fn revert_tells_each_migration_as_it_is_reverted() {
    let workspace = cart();
    workspace.run(&["run"]).ok();
    let lines = stream(&workspace, &["revert", "--to", "zero"], 0);
    assert_eq!(
        reasons(&lines),
        [
            "started",
            "migration-reverted",
            "migration-reverted",
            "target-finished",
            "finished"
        ]
    );
    assert_eq!(
        each(&lines, "migration-reverted", "version"),
        ["20260102000000", "20260101000000"]
    );
    assert_eq!(
        each(&lines, "migration-reverted", "direction"),
        ["down", "down"]
    );
    assert_eq!(lines[4]["reverted"], 2);
}

#[test]
fn status_tells_every_migration_and_its_state() {
    let workspace = cart();
    workspace.run(&["run", "--count", "1"]).ok();
    let lines = stream(&workspace, &["status", "--exit-code"], 3);
    assert_eq!(
        reasons(&lines),
        [
            "started",
            "migration-status",
            "migration-status",
            "target-finished",
            "finished"
        ]
    );
    is_of_cart(&lines[1]);
    assert_eq!(
        each(&lines, "migration-status", "state"),
        ["applied", "pending"]
    );
    assert_eq!(
        each(&lines, "migration-status", "migration"),
        ["2026-01-01-000000_a", "2026-01-02-000000_c"]
    );
    assert!(
        lines[1]["run-on"].is_string() && lines[2]["run-on"].is_null(),
        "{lines:?}"
    );
    assert_eq!(
        (&lines[3]["version"], &lines[3]["pending"]),
        (&"20260101000000".into(), &1.into())
    );
    assert_eq!(lines[4]["pending"], 1);
}

#[test]
fn every_state_has_its_word() {
    let workspace = cart();
    workspace.migration(
        "cart",
        "2026-01-05-000000_e",
        "CREATE TABLE e (id INTEGER);",
        "",
    );
    workspace.run(&["run"]).ok();
    workspace.write(
        "services/cart/migrations/2026-01-01-000000_a/up.sql",
        "SELECT 1;",
    );
    std::fs::remove_dir_all(workspace.path("services/cart/migrations/2026-01-02-000000_c"))
        .expect("removed");
    workspace.migration("cart", "2026-01-03-000000_d", "SELECT 1;", "");
    workspace.migration(
        "cart",
        "2026-01-06-000000_f",
        "CREATE TABLE f (id INTEGER);\nNONSENSE;\n",
        "",
    );
    workspace.write(
        "services/cart/migrations/2026-01-06-000000_f/metadata.toml",
        "run_in_transaction = false\n",
    );
    workspace.run(&["run", "--only", "20260106"]).exits(4);
    let lines = stream(&workspace, &["status"], 0);
    assert_eq!(
        each(&lines, "migration-status", "state"),
        ["edited", "missing", "out-of-order", "applied", "pending"]
    );

    let half = cart();
    half.migration(
        "cart",
        "2026-01-06-000000_f",
        "CREATE TABLE f (id INTEGER);\nNONSENSE;\n",
        "",
    );
    half.write(
        "services/cart/migrations/2026-01-06-000000_f/metadata.toml",
        "run_in_transaction = false\n",
    );
    half.run(&["run"]).exits(1);
    // What another tool applied has no row in the journal.
    crate::tree::execute(
        &half,
        "cart.db",
        "DELETE FROM __migrate_journal WHERE version = '20260101000000'",
    );
    let lines = stream(&half, &["status"], 0);
    assert_eq!(
        each(&lines, "migration-status", "state"),
        ["adopted", "applied", "half-applied"]
    );
    assert_eq!(
        each(&lines, "migration-status", "detail")
            .last()
            .expect("a detail"),
        &"1 of 2 statements"
    );
}

#[test]
fn a_failure_tells_where_why_what_remains_and_what_to_do() {
    let workspace = cart();
    workspace.migration(
        "cart",
        "2026-01-03-000000_d",
        "CREATE TABLE d (id INTEGER);\n  NONSENSE 'é';\n",
        "",
    );
    let lines = stream(&workspace, &["run"], 1);
    assert_eq!(
        reasons(&lines),
        [
            "started",
            "migration-applied",
            "migration-applied",
            "migration-failed",
            "target-finished",
            "finished"
        ]
    );
    let failed = &lines[3];
    is_of_cart(failed);
    assert_eq!(failed["migration"], "2026-01-03-000000_d");
    assert_eq!(failed["version"], "20260103000000");
    assert_eq!(failed["direction"], "up");
    assert_eq!(
        (&failed["line"], &failed["column"], &failed["statement"]),
        (&2.into(), &3.into(), &2.into())
    );
    assert!(
        failed["file"]
            .as_str()
            .is_some_and(|file| file.ends_with("2026-01-03-000000_d/up.sql")),
        "{failed}"
    );
    assert!(
        failed["message"]
            .as_str()
            .is_some_and(|text| text.contains("near \"NONSENSE\": syntax error")),
        "{failed}"
    );
    assert_eq!(
        failed["state"],
        serde_json::json!([
            "the migration was rolled back",
            "the database is at 20260102000000"
        ])
    );
    assert!(failed["help"][0].is_string(), "{failed}");
    assert_eq!(
        (&lines[4]["exit-code"], &lines[4]["applied"]),
        (&1.into(), &2.into())
    );
    assert_eq!(lines[5]["applied"], 2);
}

#[test]
fn each_divergence_and_each_refusal_has_a_line_of_its_own() {
    let workspace = cart();
    workspace.run(&["run"]).ok();
    workspace.write(
        "services/cart/migrations/2026-01-01-000000_a/up.sql",
        "SELECT 1;",
    );
    workspace.write(
        "services/cart/migrations/2026-01-02-000000_c/up.sql",
        "SELECT 1;",
    );
    let lines = stream(&workspace, &["run"], 4);
    assert_eq!(
        each(&lines, "migration-failed", "version"),
        ["20260101000000", "20260102000000"]
    );

    let refused = cart();
    refused.migration("cart", "2026-01-03-000000_d", "COMMIT;\nROLLBACK;\n", "");
    let lines = stream(&refused, &["run"], 1);
    assert_eq!(each(&lines, "migration-failed", "line"), [1, 2]);
}

#[test]
fn what_is_no_migrations_failure_is_an_error() {
    let workspace = cart();
    let lines = stream(&workspace, &["run", "-p", "nobody"], 2);
    assert_eq!(reasons(&lines), ["started", "error", "finished"]);
    assert!(
        lines[1]["message"]
            .as_str()
            .is_some_and(|text| text.contains("`nobody`")),
        "{}",
        lines[1]
    );
    assert!(lines[1]["help"][0].is_string());

    workspace.service("users", "");
    workspace.migration("users", "2026-01-01-000000_u", "SELECT 1;", "");
    let lines = stream(&workspace, &["run", "--all"], 1);
    let error = lines
        .iter()
        .find(|line| line["reason"] == "error")
        .expect("an error");
    assert_eq!(
        (&error["service"], &error["database"]),
        (&"users".into(), &Value::Null)
    );
    assert_eq!(error["message"], "no database URL");
    assert_eq!(lines.last().expect("a line")["targets"], 2);
}

#[test]
fn new_and_init_tell_the_files_that_they_write() {
    let workspace = cart();
    let lines = stream(
        &workspace,
        &["new", "more", "--no-transaction", "-p", "cart"],
        0,
    );
    let paths = each(&lines, "file-created", "path");
    assert_eq!(
        each(&lines, "file-created", "service"),
        ["cart", "cart", "cart"]
    );
    for (path, name) in paths.iter().zip(["up.sql", "down.sql", "metadata.toml"]) {
        let path = path.as_str().expect("a path");
        assert!(
            path.ends_with(name) && workspace.path(path).is_file(),
            "{path}"
        );
    }
}

#[test]
fn databases_are_told_when_they_come_and_go() {
    let workspace = cart();
    let lines = stream(&workspace, &["create"], 0);
    assert_eq!(
        reasons(&lines),
        ["started", "database-created", "target-finished", "finished"]
    );
    is_of_cart(&lines[1]);
    assert_eq!(lines[1]["existed"], false);
    let lines = stream(&workspace, &["reset", "-y"], 0);
    assert_eq!(
        reasons(&lines),
        [
            "started",
            "database-dropped",
            "database-created",
            "migration-applied",
            "migration-applied",
            "target-finished",
            "finished"
        ]
    );
    let lines = stream(&workspace, &["drop", "-y"], 0);
    assert_eq!(
        reasons(&lines),
        ["started", "database-dropped", "target-finished", "finished"]
    );
    // Nobody can be asked by a machine.
    let lines = stream(&workspace, &["drop"], 2);
    assert_eq!(reasons(&lines), ["started", "error", "finished"]);
}

#[test]
fn looking_commands_tell_objects_too() {
    let workspace = cart();
    let lines = stream(&workspace, &["plan"], 0);
    assert_eq!(
        each(&lines, "migration-planned", "migration"),
        ["2026-01-01-000000_a", "2026-01-02-000000_c"]
    );
    assert_eq!(
        each(&lines, "migration-planned", "sql")[1],
        "CREATE TABLE c (id INTEGER);\n"
    );
    let lines = stream(&workspace, &["run", "--dry-run"], 0);
    assert_eq!(each(&lines, "migration-planned", "direction"), ["up", "up"]);
    let lines = stream(&workspace, &["current"], 0);
    assert_eq!(each(&lines, "current", "migration"), [&Value::Null]);
    workspace.run(&["run"]).ok();
    let lines = stream(&workspace, &["current"], 0);
    assert_eq!(each(&lines, "current", "version"), ["20260102000000"]);
    let lines = stream(&workspace, &["history"], 0);
    assert_eq!(each(&lines, "attempt", "state"), ["done", "done"]);
    assert!(each(&lines, "attempt", "applied-by")[0].is_string());
    let lines = stream(&workspace, &["show", "latest"], 0);
    assert_eq!(each(&lines, "source", "file"), ["up.sql", "down.sql"]);
    let lines = stream(&workspace, &["wait"], 0);
    assert_eq!(
        reasons(&lines),
        ["started", "reachable", "target-finished", "finished"]
    );
}

#[test]
fn talk_stays_on_standard_error() {
    let workspace = cart();
    workspace.migration("cart", "2026-01-03-000000_d", "NONSENSE;", "");
    let run = workspace.run(&["run", "--message-format", "json"]).exits(1);
    assert!(
        run.stderr
            .contains("error: cart: migration 2026-01-03-000000_d"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("Applied"), "{}", run.stderr);
    let quiet = workspace.run(&["run", "-q"]).exits(1);
    assert_eq!(quiet.stdout, "");
    assert!(quiet.stderr.starts_with("error: cart"), "{}", quiet.stderr);
}
