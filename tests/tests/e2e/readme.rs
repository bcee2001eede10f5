//! The README is true: its first command, its walk with every line of output,
//! the command lines, keys and tests that it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::env::binary;
use tests::workspace::{Workspace, copy};

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the workspace's root").to_owned()
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md")
}

/// The text under a heading, up to the next one of its level.
fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let (_, rest) = text
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no section {heading}"));
    let level = heading.split(' ').next().expect("a level");
    rest.split(&format!("\n{level} ")).next().expect("a text")
}

/// The fenced blocks, each with its language.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let fences: Vec<&str> = text.split("```").collect();
    assert!(fences.len() % 2 == 1, "a fence is not closed");
    let inside = fences.into_iter().skip(1).step_by(2);
    inside
        .map(|block| block.split_once('\n').expect("a language's line"))
        .collect()
}

#[test]
fn the_first_command_migrates_the_shop() {
    let readme = readme();
    let (_, first) = blocks(&readme)[0];
    let line = first.lines().next().expect("a line");
    let args = line
        .strip_prefix("$ cargo run -q -p cargo-migrate -- migrate ")
        .unwrap_or_else(|| panic!("not the first command: {line}"));
    let args: Vec<&str> = args.split(' ').collect();

    let workspace = Workspace::new();
    copy(
        &root().join("fixtures/shop"),
        &workspace.path("fixtures/shop"),
    );
    let promised = blocks(&readme)[1].1.lines().last().expect("a last line");
    let promised = workspace.normal(promised);
    workspace.run(&args).ok().says(&[promised.trim()]);
    workspace.run(&args).ok().says(&["nothing to do"]);
    let mut back = workspace.command(&["revert", "--all", "--to", "zero"]);
    back.current_dir(workspace.path("fixtures/shop"));
    workspace.finish(back).ok().says(&["47 reverted"]);
}

/// A command of the walk with what the README says that it prints.
struct Shown<'t> {
    command: &'t str,
    output: String,
}

#[test]
fn the_walk_prints_what_the_readme_shows() {
    let readme = readme();
    let (script, shown) = walk(section(&readme, "## Five minutes"));
    assert!(shown.len() > 10, "only {} commands", shown.len());

    let workspace = Workspace::new();
    let printed = play(&workspace, &script);
    assert_eq!(printed.len(), shown.len(), "{printed:#?}");
    for (shown, printed) in shown.iter().zip(&printed) {
        let expected = shown.output.replace("/tmp/bookshop", "[ROOT]/bookshop");
        assert_eq!(
            without_chance(&workspace, &expected),
            without_chance(&workspace, printed),
            "$ {}",
            shown.command
        );
    }
}

const MARK: &str = "=== a command of the walk";

/// The walk as one shell script, which marks where each shown command begins.
fn walk(section: &str) -> (String, Vec<Shown<'_>>) {
    let mut script = String::from("set -u\n");
    let mut shown: Vec<Shown<'_>> = Vec::new();
    for (language, body) in blocks(section) {
        if language == "sh" {
            script.push_str(&format!("{{\n{body}\n}} > /dev/null || exit 1\n"));
            continue;
        }
        assert_eq!(language, "console");
        for line in body.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                script.push_str(&format!("echo '{MARK}'\n{command} 2>&1\n"));
                shown.push(Shown {
                    command,
                    output: String::new(),
                });
            } else {
                let last = shown.last_mut().expect("a command above its output");
                last.output.push_str(line);
                last.output.push('\n');
            }
        }
    }
    (script, shown)
}

/// Runs the script with our command as `cargo migrate`; what each marked
/// command printed.
fn play(workspace: &Workspace, script: &str) -> Vec<String> {
    // Cargo finds its subcommands on the path.
    let mut path = vec![binary().parent().expect("a directory").to_owned()];
    path.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script])
        .current_dir(workspace.root())
        .env("PATH", std::env::join_paths(path).expect("a path"))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().ends_with("DATABASE_URL") {
            shell.env_remove(&name);
        }
    }
    let output = shell.output().expect("a shell");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{printed}\n{complaint}");
    let mark = format!("{MARK}\n");
    printed.split(&mark).skip(1).map(str::to_owned).collect()
}

/// The words without what differs from day to day: versions, times and people.
/// Widths differ with them, so spaces don't count.
fn without_chance(workspace: &Workspace, text: &str) -> String {
    let word = |word: &str| {
        if word.contains('@') {
            return "[WHO]".to_owned();
        }
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let mut word = word.to_owned();
        let starts: Vec<usize> = word
            .char_indices()
            .map(|(at, _)| at)
            .filter(|&at| word[at..].starts_with("20"))
            .collect();
        for at in starts.into_iter().rev() {
            for (length, dashes) in [(17, 3), (14, 0)] {
                let Some(version) = word.get(at..at + length) else {
                    continue;
                };
                if version.matches('-').count() == dashes && digits(&version.replace('-', "")) {
                    word.replace_range(at..at + length, "[VERSION]");
                    break;
                }
            }
        }
        word
    };
    let text = workspace.normal(text);
    let lines = text.lines().map(|line| {
        let words: Vec<String> = line.split_whitespace().map(word).collect();
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[test]
fn every_command_line_that_the_readmes_name_is_understood() {
    let workspace = Workspace::new();
    let mut seen = BTreeSet::new();
    for file in [
        "README.md",
        "cargo-migrate/README.md",
        "migrate-runtime/README.md",
    ] {
        let text = fs::read_to_string(root().join(file)).expect(file);
        for line in command_lines(&text) {
            if !seen.insert(line.clone()) {
                continue;
            }
            // Dots stand for the reader's own words.
            let line = line.replace('…', "words");
            let mut args: Vec<&str> = line.split(' ').collect();
            // Clap reads what stands before this flag, and then only helps.
            args.push("--help");
            let run = workspace.run(&args);
            assert_eq!(run.code, Some(0), "{file}: {line}\n{}", run.stderr);
        }
    }
    assert!(seen.len() > 50, "only {} command lines", seen.len());
}

/// What stands behind `cargo migrate` in code, with something in the place of
/// each `<name>`.
fn command_lines(text: &str) -> Vec<String> {
    let ours = text.lines().filter(|line| !line.contains("= help: "));
    let calls = ours.flat_map(|line| {
        let parts: Vec<&str> = line.split("cargo migrate ").collect();
        let pairs = parts.windows(2).map(|pair| (pair[0], pair[1]));
        let calls = pairs.filter(|(before, _)| before.ends_with('`') || before.ends_with("$ "));
        calls.map(|(_, call)| call).collect::<Vec<_>>()
    });
    let calls = calls.map(|call| call.split(['`', '#']).next().unwrap_or_default());
    calls
        .map(|call| {
            let call = call.replace("<n>", "1").replace("<shell>", "bash");
            call.replace('"', "").trim().to_owned()
        })
        .collect()
}

#[test]
fn every_command_alias_and_key_is_documented() {
    let workspace = Workspace::new();
    let readme = readme();
    let help = workspace.run(&["--help"]).ok().stdout;
    let commands = section(&readme, "## Commands");
    let listed = help.split("Commands:").nth(1).expect("commands");
    let listed = listed.split("Options:").next().expect("an end");
    let mut count = 0;
    for line in listed.lines().filter(|line| line.starts_with("  ")) {
        let name = line
            .trim_start_matches(' ')
            .split(' ')
            .next()
            .expect("a name");
        if line.starts_with("   ") || name == "help" {
            continue;
        }
        assert!(
            commands.contains(&format!("| `cargo migrate {name}")),
            "{name}"
        );
        count += 1;
    }
    let aliases = listed.replace('\n', " ");
    for aliases in aliases.split("[alias").skip(1) {
        let aliases = aliases.split([':', ']']).nth(1).expect("aliases");
        for alias in aliases.split(',').map(str::trim) {
            assert!(commands.contains(&format!("`{alias}`")), "alias {alias}");
            count += 1;
        }
    }
    assert!(count > 25, "only {count} names");

    workspace.service("cart", "no-such-key-at-all = 1");
    let refused = workspace.run(&["status"]).exits(2).stderr;
    let keys = refused
        .split("the keys are ")
        .nth(1)
        .expect("a list of keys");
    let keys: Vec<&str> = keys.lines().next().expect("a line").split(", ").collect();
    assert!(keys.len() > 10, "{keys:?}");
    let configuration = section(&readme, "## Configuration");
    for key in keys.iter().filter(|key| **key != "database") {
        assert!(configuration.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let readme = readme();
    let mut sources = String::new();
    for directory in ["cargo-migrate", "migrate-runtime", "tests", "xtask"] {
        gather(&root().join(directory), &mut sources);
    }
    let architecture = section(&readme, "## Architecture");
    let invariants: Vec<&str> = architecture.split("**Invariant:**").skip(1).collect();
    assert!(invariants.len() > 8, "only {} invariants", invariants.len());
    for invariant in invariants {
        let paragraph = invariant.split("\n\n").next().expect("a text");
        let code = paragraph.split('`').skip(1).step_by(2);
        // Sentences in snake case are tests; other code is not.
        let names: Vec<&str> = code.filter(|code| code.matches('_').count() > 3).collect();
        assert!(!names.is_empty(), "no test keeps:{paragraph}");
        for name in names {
            assert!(sources.contains(&format!("fn {name}(")), "no test {name}");
        }
    }
}

/// All Rust code below a directory.
fn gather(directory: &Path, into: &mut String) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(&path).expect("UTF-8"));
        }
    }
}
