//! What is shown on a terminal before somebody says yes to it, on one that
//! `script` makes.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use tests::env::binary;

use super::{applied, remove};
use tests::service::{Engine, Shop};

/// The command on a terminal.
struct Terminal {
    child: Child,
    said: String,
}

impl Terminal {
    fn start(shop: &Shop, line: &str) -> Self {
        let command = format!("'{}' migrate {line}", binary().display());
        let child = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .current_dir(shop.workspace.root())
            .env_remove("NO_COLOR")
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script starts");
        let said = String::new();
        Self { child, said }
    }

    /// Reads up to the question.
    fn until_asked(&mut self) {
        let screen = self.child.stdout.as_mut().expect("a screen");
        let (mut bytes, mut byte) = (Vec::new(), [0]);
        while !bytes.ends_with(b"[y/N] ") {
            assert_eq!(screen.read(&mut byte).expect("a screen"), 1, "no question");
            bytes.push(byte[0]);
        }
        self.said = String::from_utf8_lossy(&bytes).into_owned();
    }

    /// Types the answer; the exit code, and everything that was said.
    fn answer(mut self, answer: &str) -> (Option<i32>, String) {
        let mut keyboard = self.child.stdin.take().expect("a keyboard");
        keyboard.write_all(answer.as_bytes()).expect("it is typed");
        let output = self.child.wait_with_output().expect("it ends");
        drop(keyboard);
        let rest = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), self.said + &rest)
    }
}

#[test]
fn an_edit_is_accepted_by_a_yes_to_its_coloured_diff() {
    let shop = applied(Engine::Sqlite);
    shop.file("2_b", "up.sql", "CREATE TABLE b (id BIGINT);\n");
    let line = "repair --accept-edit 2 --why 'a wider id'";
    for (answer, code, state) in [("n\n", 1, "edited"), ("y\n", 0, "applied")] {
        let mut terminal = Terminal::start(&shop, line);
        terminal.until_asked();
        let (exit, said) = terminal.answer(answer);
        assert_eq!(exit, Some(code), "{said}");
        for shown in [
            "\u{1b}[31m-CREATE TABLE b (id INTEGER);",
            "\u{1b}[32m+CREATE TABLE b (id BIGINT);",
            "shop: take this for what was applied as 2_b? [y/N]",
        ] {
            assert!(said.contains(shown), "`{shown}` is missing in {said}");
        }
        assert_eq!(shop.state("2_b"), state);
    }
}

#[test]
fn the_sql_of_the_journal_runs_after_a_yes_to_it() {
    let shop = applied(Engine::Sqlite);
    remove(&shop, "3_c");
    for (answer, code, left) in [("n\n", 1, 3), ("y\n", 0, 2)] {
        let mut terminal = Terminal::start(&shop, "revert --stored-down");
        terminal.until_asked();
        assert!(terminal.said.contains("DROP TABLE c;"), "{}", terminal.said);
        let (exit, said) = terminal.answer(answer);
        assert_eq!(exit, Some(code), "{said}");
        assert_eq!(shop.history().len(), left);
    }
}

#[test]
fn what_was_applied_after_the_question_is_not_in_the_answer() {
    let shop = applied(Engine::Sqlite);
    remove(&shop, "3_c");
    let mut terminal = Terminal::start(&shop, "revert -n 1 --stored-down");
    terminal.until_asked();
    // A newer build comes in between.
    for (name, table) in [("3_c", "c"), ("4_d", "d")] {
        let up = format!("CREATE TABLE {table} (id INTEGER);\n");
        shop.migration(name, &up, &format!("DROP TABLE {table};\n"));
    }
    shop.run(&["run"]).ok();
    remove(&shop, "3_c");
    remove(&shop, "4_d");
    let (exit, said) = terminal.answer("y\n");
    assert_eq!(exit, Some(4), "{said}");
    assert!(said.contains("4_d"), "{said}");
    assert_eq!(shop.history(), ["1", "2", "3", "4"]);
}

#[test]
fn files_of_this_build_are_reverted_without_a_question() {
    let shop = applied(Engine::Sqlite);
    shop.run(&["revert", "--stored-down"]).ok();
    assert_eq!(shop.history(), ["1", "2"]);
}
