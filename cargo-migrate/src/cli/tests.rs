//! The command lines that people type by habit, and what they mean.

use clap::CommandFactory;
use migrate_core::{Dialect, Selector};

use super::*;
use crate::workspace::Scope;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::parse_from(
        ["cargo-migrate", "migrate"]
            .into_iter()
            .chain(line.split_whitespace())
            .map(OsString::from),
    )
}

fn named(text: &str) -> Selector {
    Selector::Named(text.to_owned())
}

fn run(line: &str) -> Result<RunGoal, UsageError> {
    match parse(line).unwrap().command {
        Command::Run(run) => run.goal.goal(),
        other => panic!("`{line}` is {other:?}"),
    }
}

fn revert(line: &str) -> Result<RevertGoal, UsageError> {
    let cli = parse(line).unwrap();
    match cli.command {
        Command::Revert(revert) => revert.goal(&cli.selection),
        other => panic!("`{line}` is {other:?}"),
    }
}

fn redo(line: &str) -> Result<RedoGoal, UsageError> {
    let cli = parse(line).unwrap();
    match cli.command {
        Command::Redo(redo) => redo.goal(&cli.selection),
        other => panic!("`{line}` is {other:?}"),
    }
}

#[test]
fn the_definition_is_consistent() {
    Cargo::command().debug_assert();
}

#[test]
fn habitual_lines_of_run_are_understood() {
    for (line, goal) in [
        ("run", RunGoal::Target(Selector::Latest)),
        ("up", RunGoal::Target(Selector::Latest)),
        ("upgrade head", RunGoal::Target(Selector::Latest)),
        ("upgrade heads", RunGoal::Target(Selector::Latest)),
        ("upgrade +2", RunGoal::Count(2)),
        ("run --count 2", RunGoal::Count(2)),
        ("run 001", RunGoal::Target(named("001"))),
        ("up --target 2026", RunGoal::Target(named("2026"))),
        (
            "run --to 2026-03-01-120000_add_sku",
            RunGoal::Target(named("2026-03-01-120000_add_sku")),
        ),
        ("migrate", RunGoal::Target(Selector::Latest)),
        ("migrate base", RunGoal::Target(Selector::Zero)),
        ("migrate zero", RunGoal::Target(Selector::Zero)),
        ("apply --only 20260301", RunGoal::Only("20260301".into())),
        ("run -1", RunGoal::Target(Selector::Relative(-1))),
    ] {
        assert_eq!(run(line), Ok(goal), "{line}");
    }
    assert_eq!(run("run +0"), Err(UsageError::NoDistance));
    assert_eq!(
        run("run --only latest"),
        Err(UsageError::OnlyNoMigration("latest".into()))
    );
}

#[test]
fn habitual_lines_of_revert_are_understood() {
    for (line, goal) in [
        ("revert", RevertGoal::Count(1)),
        ("rollback", RevertGoal::Count(1)),
        ("downgrade -1", RevertGoal::Count(1)),
        ("downgrade -2", RevertGoal::Count(2)),
        ("downgrade base", RevertGoal::Target(Selector::Zero)),
        ("revert -1", RevertGoal::Count(1)),
        ("revert -n 2", RevertGoal::Count(2)),
        ("rollback -s 2", RevertGoal::Count(2)),
        ("rollback --steps=2", RevertGoal::Count(2)),
        ("revert --to zero --all", RevertGoal::Target(Selector::Zero)),
        ("revert --target 001", RevertGoal::Target(named("001"))),
        ("down 001", RevertGoal::Target(named("001"))),
        ("undo --only 003", RevertGoal::Only("003".into())),
        ("revert --all -n 1", RevertGoal::Count(1)),
        ("--all revert -n 1", RevertGoal::Count(1)),
    ] {
        assert_eq!(revert(line), Ok(goal), "{line}");
    }
    assert_eq!(
        revert("revert +1"),
        Err(UsageError::Ahead {
            command: "revert",
            distance: 1
        })
    );
}

#[test]
fn revert_all_without_a_target_explains_both_meanings() {
    assert_eq!(
        revert("revert --workspace"),
        Err(UsageError::RevertAll {
            command: "revert",
            flag: "--workspace"
        })
    );
    for line in ["revert --all", "--all revert"] {
        let error = revert(line).unwrap_err();
        assert_eq!(
            error,
            UsageError::RevertAll {
                command: "revert",
                flag: "--all"
            }
        );
        let help = error.help().unwrap();
        assert!(
            help.contains("revert --all --to zero") && help.contains("revert --all -n 1"),
            "{help}"
        );
        let shown = usage_error(&error);
        assert_eq!(shown.exit_code(), 2);
        assert!(
            shown.to_string().contains("selects all services"),
            "{shown}"
        );
    }
}

#[test]
fn habitual_lines_of_redo_are_understood() {
    assert_eq!(redo("redo"), Ok(RedoGoal::Count(1)));
    assert_eq!(redo("redo -n 2"), Ok(RedoGoal::Count(2)));
    assert_eq!(redo("redo --to zero"), Ok(RedoGoal::Target(Selector::Zero)));
    assert_eq!(
        redo("redo --all"),
        Err(UsageError::RevertAll {
            command: "redo",
            flag: "--all"
        })
    );
}

#[test]
fn habitual_lines_of_new_give_the_name() {
    for line in [
        "new x",
        "add x",
        "generate x",
        "make x",
        "revision -m x",
        "makemigrations -m x",
        "new --message x -p cart",
    ] {
        match parse(line).unwrap().command {
            Command::New(new) => assert_eq!(new.name(), "x", "{line}"),
            other => panic!("`{line}` is {other:?}"),
        }
    }
    for line in ["new", "new x -m y", "new x --irreversible="] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn a_reason_is_in_words() {
    for why in [" ", "…", "\"…\"", "?!"] {
        for line in [
            &["repair", "--accept-edit", "1"][..],
            &["resolve", "1", "--step", "1", "--done"],
        ] {
            let line = [&["cargo-migrate", "migrate"], line, &["--why", why]].concat();
            let error = Cli::parse_from(line.iter().map(OsString::from)).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("in words"), "{line:?}: {error}");
        }
    }
    assert!(parse("repair --accept-edit 1 --why größer").is_ok());
}

#[test]
fn the_other_habitual_lines_parse() {
    let shown = |line: &str| format!("{:?}", parse(line).unwrap().command);
    assert!(shown("history -l 20").contains("limit: Some(20)"));
    assert!(shown("log --limit 20").contains("limit: Some(20)"));
    for line in ["showmigrations", "status", "list", "info"] {
        assert!(shown(line).starts_with("Status"), "{line}");
    }
    assert!(shown("status --pending --exit-code").contains("exit_code: true"));
    assert!(shown("run --plan").contains("dry_run: true"));
    assert!(shown("setup").starts_with("Init"));
    for line in [
        "current",
        "show head",
        "plan 001",
        "wait --timeout 5s",
        "reset -y",
        "create",
        "drop --yes",
        "completions bash",
    ] {
        parse(line).unwrap();
    }
}

#[test]
fn flags_are_accepted_before_and_after_the_command() {
    for line in [
        "-p cart --backend postgresql -j 4 -y run 001",
        "run 001 -p cart -y --backend=postgres -j4",
    ] {
        let cli = parse(line).unwrap();
        assert_eq!(cli.selection.packages().packages, ["cart"]);
        assert_eq!(cli.selection.backend, Some(Dialect::Postgres));
        assert_eq!(cli.global.jobs.map(std::num::NonZero::get), Some(4));
        assert!(cli.global.yes);
    }
    let cli = parse("status -p a -p b* --exclude c").unwrap();
    let selection = cli.selection.packages();
    assert_eq!(
        (selection.packages, selection.exclude),
        (vec!["a".into(), "b*".into()], vec!["c".into()])
    );
    for (line, scope) in [
        ("run", Scope::Default),
        ("run --workspace", Scope::Workspace),
        ("run --all", Scope::Workspace),
    ] {
        assert_eq!(parse(line).unwrap().selection.packages().scope, scope);
    }
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    for line in [
        "",
        "frobnicate",
        "run 001 --to 002",
        "run --count 0",
        "run --count 1 --only 2",
        "revert -n 1 zero",
        "run --backend oracle",
        "status --jobs 0",
        "run -q -v",
        "new x --autogenerate",
        "run --message-format xml",
    ] {
        let error = parse(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn started_by_hand_it_is_the_same_command() {
    let by_hand = |line: &str| Cli::parse_from(line.split_whitespace().map(OsString::from));
    assert!(matches!(
        by_hand("cargo-migrate status").unwrap().command,
        Command::Status(_)
    ));
    assert!(matches!(
        by_hand("cargo-migrate migrate migrate").unwrap().command,
        Command::Run(_)
    ));
    assert_eq!(
        by_hand("cargo-migrate --version").unwrap_err().kind(),
        clap::error::ErrorKind::DisplayVersion
    );
}

#[test]
fn help_names_the_command_as_it_is_typed_and_describes_it() {
    let help = |line: &str| parse(line).unwrap_err().to_string();
    let top = help("--help");
    assert!(top.contains("Usage: cargo migrate"), "{top}");
    assert!(
        top.contains("Database migrations for a Cargo workspace"),
        "{top}"
    );
    assert!(
        help("run --help").contains("Apply pending migrations"),
        "{}",
        help("run --help")
    );
    assert!(
        help("run --help").contains("Usage: cargo migrate run"),
        "{}",
        help("run --help")
    );
    let script = String::from_utf8(completions(Shell::Bash)).unwrap();
    assert!(script.contains("cargo-migrate") && script.contains("showmigrations"));
}

#[test]
fn a_url_on_the_command_line_shows_up_nowhere() {
    let line = "run --database-url postgres://me:c4nary@host/db";
    let cli = parse(line).unwrap();
    assert!(!format!("{cli:?}").contains("c4nary"));
    let url = cli.global.database_url.unwrap();
    assert_eq!(url.expose(), "postgres://me:c4nary@host/db");
    let error = parse(&format!("{line} --jobs x")).unwrap_err();
    assert!(!error.to_string().contains("c4nary"), "{error}");
}
