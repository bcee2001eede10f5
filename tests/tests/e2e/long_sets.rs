//! Sets with many migrations and long names: what is told of many at once, how
//! their names are listed, and that a help repeats what was asked for.

use snapbox::{assert_data_eq, str};
use tests::workspace::Workspace;

use crate::session::Session;
use crate::tree::applied;

/// Five migrations, each with a table of its name.
fn five() -> Workspace {
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    for n in 1..=5 {
        workspace.migration(
            "cart",
            &format!("00{n}_t{n}"),
            &format!("CREATE TABLE t{n} (id INTEGER);"),
            &format!("DROP TABLE t{n};"),
        );
    }
    workspace
}

#[test]
fn what_is_missing_is_told_in_one_error_with_one_help() {
    let workspace = five();
    workspace.run(&["run"]).ok();
    for n in 1..=4 {
        std::fs::remove_dir_all(workspace.path(&format!("services/cart/migrations/00{n}_t{n}")))
            .expect("removed");
    }
    let mut session = Session::new(&workspace);
    session.run(&["run"]);
    assert_data_eq!(
        session.text().to_owned(),
        str![[r#"
$ cargo migrate run  # exits 4
2| error: cart: 4 migrations are in the database, but not in the catalog: 001_t1, 002_t2, 003_t3 and 1 more
2|  |
2|  = note: nothing was run
2|  = help: restore the directory from version control, or take the migration back by what the journal keeps: `cargo migrate revert -p cart --only 001 --stored-down`
2|  = help: if another service's set shares this history table, give one of them a `schema` or `history-table` of its own
2|  = help: where another crate's migrations were merged into this set, name its directory, too: `directory = ["../framework/migrations", "migrations"]` in [package.metadata.migrate]
2|     Finished 1 target: no migration completed in [TIME] (exit 4)

"#]]
    );
    // Each in its own right for whoever wants to know, and for machines.
    let each = workspace.run(&["run", "-v"]).exits(4);
    assert_eq!(each.stderr.matches("but not in the catalog").count(), 4);
    let json = workspace.run(&["run", "--message-format", "json"]).exits(4);
    assert_eq!(json.stderr.matches("but not in the catalog").count(), 1);
    let failed: Vec<String> = json
        .json()
        .iter()
        .filter(|line| line["reason"] == "migration-failed")
        .map(|line| line["migration"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(failed, ["001_t1", "002_t2", "003_t3", "004_t4"]);
}

#[test]
fn what_was_edited_is_told_in_one_error_with_the_first_three_files() {
    let workspace = five();
    workspace.run(&["run"]).ok();
    for n in 1..=5 {
        let up = format!("services/cart/migrations/00{n}_t{n}/up.sql");
        workspace.write(&up, format!("CREATE TABLE t{n} (id TEXT);"));
    }
    let mut session = Session::new(&workspace);
    session.run(&["run"]);
    assert_data_eq!(
        session.text().to_owned(),
        str![[r#"
$ cargo migrate run  # exits 4
2| error: cart: 5 migrations were edited after they were applied: 001_t1, 002_t2, 003_t3 and 2 more
2| --> services/cart/migrations/001_t1/up.sql
2| ::: services/cart/migrations/002_t2/up.sql
2| ::: services/cart/migrations/003_t3/up.sql
2|  = note: nothing was run
2|  = help: put the file back as it was applied, and write a new migration for the change: `cargo migrate new <name> -p cart`
2|  = help: if the database is as the file says now: `cargo migrate repair --accept-edit 001 -p cart --why "…"`
2| --- as it was applied
2| +++ services/cart/migrations/001_t1/up.sql
2|   [WHO] -1 +1 [WHO]
2| -CREATE TABLE t1 (id INTEGER);
2| +CREATE TABLE t1 (id TEXT);
2| --- as it was applied
2| +++ services/cart/migrations/002_t2/up.sql
2|   [WHO] -1 +1 [WHO]
2| -CREATE TABLE t2 (id INTEGER);
2| +CREATE TABLE t2 (id TEXT);
2| --- as it was applied
2| +++ services/cart/migrations/003_t3/up.sql
2|   [WHO] -1 +1 [WHO]
2| -CREATE TABLE t3 (id INTEGER);
2| +CREATE TABLE t3 (id TEXT);
2|     Finished 1 target: no migration completed in [TIME] (exit 4)

"#]]
    );
}

#[test]
fn two_kinds_of_divergence_are_two_errors() {
    let workspace = five();
    workspace.run(&["run", "--only", "002"]).ok();
    workspace.run(&["run", "--only", "005"]).ok();
    workspace.write(
        "services/cart/migrations/002_t2/up.sql",
        "CREATE TABLE t2 (id TEXT);",
    );
    let run = workspace.run(&["run"]).exits(4);
    assert_eq!(run.stderr.matches("error: ").count(), 2, "{}", run.stderr);
    run.says(&[
        "cart: migration 002_t2 was edited after it was applied",
        "cart: 3 migrations are pending, but sort before 005, which is applied: 001_t1, 003_t3, 004_t4\n",
    ]);
}

#[test]
fn the_help_after_a_failed_revert_repeats_how_far_it_was_to_go() {
    let workspace = five();
    workspace.run(&["run"]).ok();
    workspace.write("services/cart/migrations/003_t3/down.sql", "DROP TABLE;");
    for (typed, rest) in [
        // What has been reverted is not to be reverted again.
        (&["revert", "-n", "4"][..], "-n 2"),
        (&["revert", "--to", "zero"], "--to zero"),
        (&["revert", "--to", "001_t1"], "--to 001_t1"),
        (&["revert", "--only", "003"], "--only 003"),
        (&["run", "zero", "--yes"], "--to zero"),
        (&["run", "001", "--yes"], "--to 001"),
        (&["run", "-2", "--yes"], "-n 2"),
    ] {
        workspace.run(typed).exits(1).says(&[&format!(
            "correct the file, then `cargo migrate revert -p cart {rest}`"
        )]);
    }
    workspace
        .run(&["revert"])
        .exits(1)
        .says(&["correct the file, then `cargo migrate revert -p cart`"]);
    assert_eq!(applied(&workspace, "cart.db"), ["001", "002", "003"]);
}

#[test]
fn the_help_after_a_failed_run_repeats_how_far_it_was_to_go() {
    let workspace = five();
    workspace.write("services/cart/migrations/003_t3/up.sql", "CREATE TABLE;");
    for (typed, rest) in [
        (&["run", "--count", "4"][..], " --count 2"),
        (&["run", "+2"], " --count 2"),
        (&["run", "--to", "004"], " --to 004"),
        (&["run", "004_t4"], " --to 004_t4"),
        (&["run", "--only", "003_t3"], " --only 003_t3"),
        (&["run"], ""),
    ] {
        workspace.run(typed).exits(1).says(&[&format!(
            "correct the file, then `cargo migrate run -p cart{rest}`"
        )]);
    }
}

#[test]
fn the_column_of_names_is_as_wide_as_the_longest() {
    let long = "2026-01-02-000000_a_name_that_says_everything_there_is_to_say_about_it";
    let longer = format!("2026-01-03-000000_{}", "b".repeat(90));
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    workspace.migration("cart", "2026-01-01-000000_a", "SELECT 1;", "SELECT 1;");
    workspace.migration("cart", long, "SELECT 1;", "SELECT 1;");
    workspace.run(&["run"]).ok();
    let columns = |args: &[&str], word: &str| -> Vec<usize> {
        let lines = workspace.run(args).ok().stdout;
        let lines = lines.lines().filter(|line| line.contains("2026-01-0"));
        lines.filter_map(|line| line.find(word)).collect()
    };
    let listed = "  [X] ".len();
    assert_eq!(
        columns(&["status"], "applied"),
        [listed + long.len() + 1; 2]
    );
    let people = columns(&["history"], "@");
    // Between them stands a time, whose digits nobody knows.
    assert!(
        people.len() == 2 && people[0].abs_diff(people[1]) <= 3,
        "{people:?}"
    );
    // One that would push everything off the screen pushes its own line alone.
    workspace.migration("cart", &longer, "SELECT 1;", "SELECT 1;");
    assert_eq!(columns(&["status"], "applied"), [listed + 80 + 1; 2]);
    assert_eq!(columns(&["status"], "pending"), [listed + longer.len() + 1]);
}

#[test]
fn a_new_migration_that_sorts_before_another_comes_with_a_remedy() {
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    workspace.migration("cart", "YYYY-MM-DD-HHMMSS_begin", "SELECT 1;", "SELECT 1;");
    let new = workspace.run(&["new", "more", "-p", "cart"]).ok();
    new.says(&[
        "_more sorts before YYYY-MM-DD-HHMMSS_begin, which is there already\n",
        "help: rename YYYY-MM-DD-HHMMSS_begin to the time it was written where no database has it yet; \
         else let late ones in with `out-of-order = \"warn\"` in [package.metadata.migrate]",
    ]);
    let json = workspace
        .run(&["new", "again", "-p", "cart", "--message-format", "json"])
        .ok()
        .json();
    let warning = json.iter().find(|line| line["reason"] == "warning");
    assert!(
        warning.is_some_and(|line| line["help"]
            .as_str()
            .is_some_and(|help| help.starts_with("rename YYYY"))),
        "{warning:?}"
    );
}
