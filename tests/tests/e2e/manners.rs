//! How the command behaves at the edges: shells, streams, colours, selections
//! and numbers that people and scripts come with.

use std::fs::File;
use std::process::{Command, Stdio};

use tests::workspace::Workspace;

use crate::tree::{applied, execute};

fn cart() -> Workspace {
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    for n in 1..=3 {
        workspace.migration(
            "cart",
            &format!("{n}_t"),
            &format!("CREATE TABLE t{n} (id INTEGER);"),
            &format!("DROP TABLE t{n};"),
        );
    }
    workspace
}

#[test]
fn bash_completes_the_flags_and_commands() {
    let workspace = Workspace::new();
    let script = workspace.run(&["completions", "bash"]).ok().stdout;
    workspace.write("complete.bash", script);
    let complete = |words: &str, last: usize| {
        let text = format!(
            "source complete.bash; COMP_WORDS=({words}); COMP_CWORD={last}; \
             _cargo__subcmd__migrate cargo-migrate \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{}]}}\"; \
             echo \"${{COMPREPLY[@]}}\"; complete -p cargo-migrate",
            last - 1
        );
        let output = Command::new("bash")
            .args(["-c", &text])
            .current_dir(workspace.root())
            .output()
            .expect("bash starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = complete("cargo-migrate run --dr", 2);
    assert!(said.starts_with("--dry-run\n"), "{said}");
    assert!(
        said.contains("-F _cargo__subcmd__migrate"),
        "the function is not the one that is registered: {said}"
    );
    let said = complete("cargo-migrate showm", 1);
    assert!(said.starts_with("showmigrations\n"), "{said}");
    let said = complete("cargo-migrate downgrade --single", 2);
    assert!(said.starts_with("--single-transaction\n"), "{said}");
}

#[test]
fn results_that_cannot_be_written_are_a_failure_and_a_reader_that_left_is_none() {
    let workspace = cart();
    let mut command = workspace.command(&["status"]);
    command.stdout(File::create("/dev/full").expect("a full device"));
    let _ = workspace
        .finish_streams(command)
        .exits(1)
        .says(&["the results could not be written to standard output"]);

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = workspace.command(&["status"]);
    command.stdout(writer);
    let run = workspace.finish_streams(command).exits(0);
    assert_eq!(run.stderr, "");
}

#[test]
fn no_colour_means_none_in_clap_s_errors_and_in_bars() {
    let workspace = cart();
    let said = |line: &str| {
        let output = Command::new("script")
            .args([
                "-qec",
                &format!("'{}' migrate {line}", tests::env::binary().display()),
                "/dev/null",
            ])
            .current_dir(workspace.root())
            .env_remove("NO_COLOR")
            .env("TERM", "xterm")
            .env("CLICOLOR_FORCE", "1")
            .stdin(Stdio::null())
            .output()
            .expect("script starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // Colours are `m` sequences; bars move the cursor by others.
    let colours = |text: &str| {
        text.split("\u{1b}[")
            .skip(1)
            .filter(|rest| {
                rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
                    .starts_with('m')
            })
            .count()
    };
    for line in [
        "--color never run --nonsense",
        "run --nonsense --color=never",
        "run --color never",
        "status --color never",
    ] {
        let text = said(line);
        assert_eq!(colours(&text), 0, "{line}: {text:?}");
    }
    assert!(colours(&said("run --nonsense")) > 0);
    assert!(colours(&said("status")) > 0);
}

#[test]
fn a_wait_of_any_length_is_a_wait() {
    let workspace = cart();
    workspace.run(&["run"]).ok();
    workspace
        .run(&["wait", "--timeout", "500000000000years"])
        .ok();
}

#[test]
fn the_newest_of_the_history_are_shown_whoever_applied_them() {
    let workspace = cart();
    workspace.run(&["run", "--count", "2"]).ok();
    // What another tool applied after us.
    execute(
        &workspace,
        "cart.db",
        "CREATE TABLE t3 (id INTEGER); \
         INSERT INTO __diesel_schema_migrations (version, run_on) VALUES ('3', '2199-01-01 00:00:00')",
    );
    let run = workspace.run(&["history", "-l", "2"]).ok();
    let shown: Vec<&str> = run.stdout.lines().skip(1).collect();
    assert_eq!(shown.len(), 2, "{}", run.stdout);
    assert!(shown[0].contains("another tool"), "{}", run.stdout);
    assert!(shown[1].contains("2_t"), "{}", run.stdout);
}

#[test]
fn all_services_are_selected_in_two_ways_and_neither_says_how_far_back() {
    let workspace = cart();
    workspace.run(&["run"]).ok();
    for command in ["revert", "redo"] {
        for flag in ["--all", "--workspace"] {
            let said = format!("`{command} {flag}` selects all services");
            let _ = workspace.run(&[command, flag]).exits(2).says(&[&said]);
        }
    }
    assert_eq!(applied(&workspace, "cart.db"), ["1", "2", "3"]);
}

#[test]
fn redo_takes_a_distance_as_revert_does() {
    let workspace = cart();
    workspace.run(&["run"]).ok();
    let run = workspace.run(&["redo", "-2"]).ok();
    assert_eq!(run.stderr.matches("Reverted").count(), 2, "{}", run.stderr);
    assert_eq!(run.stderr.matches("Applied").count(), 2, "{}", run.stderr);
}

#[test]
fn a_pattern_that_matches_one_service_selects_it_for_a_new_migration() {
    let workspace = cart();
    workspace.sqlite_service("users");
    workspace.run(&["new", "more", "-p", "c*"]).ok();
    let _ = workspace
        .run(&["new", "more", "-p", "*s*", "-p", "c*"])
        .exits(2)
        .says(&["a new migration belongs to one service"]);
}

#[test]
fn init_takes_the_library_from_a_clone() {
    let workspace = Workspace::new();
    workspace.write(
        "services/cart/Cargo.toml",
        "[package]\nname = \"cart\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    workspace.write("services/cart/src/lib.rs", "");
    workspace.write("clone/migrate-runtime/Cargo.toml", "");
    let refused = workspace.run(&["init", "-p", "cart", "--runtime", "nowhere"]);
    let _ = refused.exits(2).says(&["there is no package in nowhere"]);
    workspace
        .run(&["init", "-p", "cart", "--runtime", "clone/migrate-runtime"])
        .ok();
    let manifest =
        std::fs::read_to_string(workspace.path("services/cart/Cargo.toml")).expect("a manifest");
    assert!(
        manifest.contains("migrate-runtime = { path = \"../../clone/migrate-runtime\" }"),
        "{manifest}"
    );
}

#[test]
fn a_further_database_is_configured_in_a_section_of_its_own() {
    let workspace = Workspace::new();
    workspace.service(
        "cart",
        "default-url = \"sqlite:cart.db\"\n[package.metadata.migrate.database.reporting]\ndirectory = \"reporting\"",
    );
    workspace.migration("cart", "1_a", "SELECT 1;", "");
    workspace.write("services/cart/reporting/1_a/up.sql", "SELECT 1;");
    let _ = workspace.run(&["status"]).exits(1).says(&[
        "cart/reporting: no database URL",
        "`default-url` in [package.metadata.migrate.database.reporting]",
    ]);
    workspace.write(
        "services/cart/.env",
        "CART_REPORTING_DATABASE_URL=sqlite:../../cart.db\n",
    );
    let _ = workspace
        .run(&["status"])
        .exits(2)
        .says(&["its own `history-table` in [package.metadata.migrate.database.reporting]"]);
}
