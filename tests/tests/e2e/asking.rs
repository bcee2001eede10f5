//! Questions, on a terminal that `script` makes: one for all targets, and no
//! answer goes to another one.

use std::io::Write;
use std::process::{Command, Stdio};

use tests::env::binary;
use tests::workspace::Workspace;

use crate::tree::applied;

const SERVICES: [&str; 3] = ["cart", "orders", "users"];

fn fleet() -> Workspace {
    let workspace = Workspace::new();
    for name in SERVICES {
        workspace.sqlite_service(name);
        for n in 1..=2 {
            workspace.migration(
                name,
                &format!("{n}_{name}"),
                &format!("CREATE TABLE t{n} (id INTEGER);"),
                &format!("DROP TABLE t{n};"),
            );
        }
    }
    workspace.run(&["run", "--all"]).ok();
    workspace
}

/// Runs on a terminal where `answer` is typed; what was said, and the code.
fn answered(workspace: &Workspace, line: &str, answer: &str) -> (Option<i32>, String) {
    let mut child = Command::new("script")
        .args([
            "-qec",
            &format!("'{}' migrate {line}", binary().display()),
            "/dev/null",
        ])
        .current_dir(workspace.root())
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script starts");
    let mut keyboard = child.stdin.take().expect("a keyboard");
    keyboard
        .write_all(answer.as_bytes())
        .expect("the answer is typed");
    let output = child.wait_with_output().expect("it ends");
    drop(keyboard);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), said)
}

#[test]
fn a_run_backwards_asks_once_for_all_targets_and_lists_them() {
    let workspace = fleet();
    let (code, said) = answered(&workspace, "run zero --all", "n\n");
    assert_eq!(said.matches("[y/N]").count(), 1, "{said}");
    for name in SERVICES {
        let line = format!("{name}: revert everything: 2_{name}, 1_{name}");
        assert!(said.contains(&line), "`{line}` is missing in {said}");
        assert_eq!(applied(&workspace, &format!("{name}.db")), ["1", "2"]);
    }
    assert_eq!(code, Some(1), "{said}");

    let (code, said) = answered(&workspace, "run 1 --all", "y\n");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("[y/N]").count(), 1, "{said}");
    for name in SERVICES {
        assert_eq!(applied(&workspace, &format!("{name}.db")), ["1"]);
    }
}

#[test]
fn those_that_have_the_way_ahead_of_them_are_not_asked_about() {
    let workspace = fleet();
    workspace
        .run(&["revert", "-p", "cart", "--to", "zero"])
        .ok();
    let (code, said) = answered(&workspace, "run 1 --all", "y\n");
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("cart: revert"), "{said}");
    for name in SERVICES {
        assert_eq!(applied(&workspace, &format!("{name}.db")), ["1"]);
    }
}

#[test]
fn where_nobody_can_be_asked_nothing_goes_backwards() {
    let workspace = fleet();
    let run = workspace.run(&["run", "zero", "--all"]).exits(1);
    let _ = run.says(&[
        "cart: getting there means reverting everything",
        "orders: getting there means reverting everything",
        "users: getting there means reverting everything",
    ]);
    workspace.run(&["run", "zero", "--all", "--yes"]).ok();
    // There is nothing to be asked about any more.
    workspace.run(&["run", "zero", "--all"]).ok();
}
