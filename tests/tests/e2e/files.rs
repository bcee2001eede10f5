//! Migration files and directories that cannot be used: all findings at once,
//! each with its place, and neither disk nor database is touched.

use std::os::unix::fs::symlink;

use snapbox::{assert_data_eq, str};
use tests::workspace::Workspace;

use crate::session::Session;
use crate::tree::{Tree, applied};

const UP: &str = "services/cart/migrations/2026-01-02-000000_b/up.sql";

/// A service with one applied migration.
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
    workspace
}

/// What `run` says of a set that it must not use.
fn refused(workspace: &Workspace) -> String {
    let mut session = Session::new(workspace);
    let before = Tree::of(workspace.root());
    session.run(&["run"]);
    before.is_still(workspace.root());
    session.text().to_owned()
}

#[test]
fn a_file_that_leads_nowhere_is_named() {
    let workspace = cart();
    workspace.write(
        "services/cart/migrations/2026-01-02-000000_b/down.sql",
        "DROP TABLE b;",
    );
    symlink("nowhere.sql", workspace.path(UP)).expect("a link");
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_b: cannot be read: No such file or directory (os error 2)
2| --> services/cart/migrations/2026-01-02-000000_b/up.sql
2|  = note: nothing was run
2|  = help: the link leads nowhere: mend it, or remove it
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn an_up_sql_that_is_a_directory_is_named() {
    let workspace = cart();
    std::fs::create_dir_all(workspace.path(UP)).expect("a directory");
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_b: not a plain file
2| --> services/cart/migrations/2026-01-02-000000_b/up.sql
2|  = note: nothing was run
2|  = help: replace it by one, or remove it
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_directory_without_up_sql_is_named_and_an_empty_one_is_passed_over() {
    let workspace = cart();
    std::fs::create_dir_all(workspace.path("services/cart/migrations/2026-01-03-000000_empty"))
        .expect("a directory");
    let mut session = Session::new(&workspace);
    session.run(&["run"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run
2| warning: cart: [ROOT]/services/cart/migrations/2026-01-03-000000_empty is empty and was ignored
2|     Finished 1 target: nothing to do in [TIME]

"#]]
    );
    workspace.write(
        "services/cart/migrations/2026-01-02-000000_b/down.sql",
        "DROP TABLE b;",
    );
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_b: the migration has no up.sql
2| --> services/cart/migrations/2026-01-02-000000_b
2|  = note: nothing was run
2|  = help: write its up.sql, or remove the directory
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn two_directories_with_one_version_are_both_named() {
    let workspace = cart();
    workspace.migration("cart", "20260101000000_other", "SELECT 1;", "SELECT 1;");
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 20260101000000_other: the same version 20260101000000 as services/cart/migrations/2026-01-01-000000_a
2| --> services/cart/migrations/20260101000000_other
2|  = note: nothing was run
2|  = help: rename one of them to a later version; a database that has this version may have run either
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn all_findings_are_told_at_once() {
    let workspace = cart();
    workspace.migration("cart", "_nameless", "SELECT 1;", "");
    workspace.write("services/cart/migrations/2026-01-02-000000_b/down.sql", "");
    workspace.migration("cart", "2026-01-03-000000_c", "SELECT 1;", "");
    workspace.write(
        "services/cart/migrations/2026-01-03-000000_c/metadata.toml",
        "run_in_transaction = \"no\"\n",
    );
    workspace.migration("cart", "2026-01-04-000000_d", "SELECT 1;", "");
    workspace.write(
        "services/cart/migrations/2026-01-04-000000_d/metadata.toml",
        "run_in_transaction = true\nlock_timeout = 2\n[x\n",
    );
    workspace.write(
        "services/cart/migrations/2026-01-05-000000_e/up.sql",
        b"SELECT 'caf\xe9';",
    );
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_b: the migration has no up.sql
2| --> services/cart/migrations/2026-01-02-000000_b
2|  = note: nothing was run
2|  = help: write its up.sql, or remove the directory
2| error: cart: migration 2026-01-03-000000_c: invalid type: string "no", expected a boolean
2|  --> services/cart/migrations/2026-01-03-000000_c/metadata.toml:1:22
2|   |
2| 1 | run_in_transaction = "no"
2|   |                      ^
2|   |
2|   = help: run_in_transaction = true or false is Diesel's key; see the README for ours
2| error: cart: migration 2026-01-04-000000_d: unclosed table, expected `]`
2|  --> services/cart/migrations/2026-01-04-000000_d/metadata.toml:3:3
2|   |
2| 3 | [x
2|   |   ^
2|   |
2|   = help: run_in_transaction = true or false is Diesel's key; see the README for ours
2| error: cart: migration 2026-01-05-000000_e: invalid UTF-8 at byte 11
2| --> services/cart/migrations/2026-01-05-000000_e/up.sql
2|  = help: save the file as UTF-8
2| error: cart: migration _nameless: the version (the text before the first `_`) is empty
2| --> services/cart/migrations/_nameless
2|  = help: name the directory <version>_<name>, as `cargo migrate new` does
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn bytes_that_are_no_utf8_are_told_by_their_offset() {
    let workspace = cart();
    workspace.write(UP, b"-- na\xc3\xafve\nSELECT 'caf\xe9';\n");
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_b: invalid UTF-8 at byte 21
2| --> services/cart/migrations/2026-01-02-000000_b/up.sql
2|  = note: nothing was run
2|  = help: save the file as UTF-8
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_nul_is_told_by_its_place() {
    let workspace = cart();
    workspace.write(UP, b"CREATE TABLE b (id INTEGER);\nSELECT '\0';\n");
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_b: NUL character at byte 37
2|  --> services/cart/migrations/2026-01-02-000000_b/up.sql:2:9
2|   |
2| 2 | SELECT '␀';
2|   |         ^
2|   |
2|   = note: nothing was run
2|   = help: remove the NUL; files with many of them are often UTF-16: save as UTF-8
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_byte_order_mark_is_taken_at_the_beginning_only() {
    let workspace = cart();
    workspace.write(
        UP,
        "CREATE TABLE b (id INTEGER);\n\u{feff}CREATE TABLE c (id INTEGER);\n",
    );
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_b: byte order mark (U+FEFF) inside the text at byte 29
2|  --> services/cart/migrations/2026-01-02-000000_b/up.sql:2:1
2|   |
2| 2 | ﻿CREATE TABLE c (id INTEGER);
2|   | ^
2|   |
2|   = note: nothing was run
2|   = help: remove the invisible character U+FEFF; only the first one of a file is skipped
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
    workspace.write(UP, "\u{feff}CREATE TABLE b (id INTEGER);\n");
    workspace.run(&["run"]).ok().says(&["1 applied"]);
    assert_eq!(
        applied(&workspace, "cart.db"),
        ["20260101000000", "20260102000000"]
    );
}

#[test]
fn a_link_that_loops_is_named() {
    let workspace = cart();
    symlink(
        ".",
        workspace.path("services/cart/migrations/2026-01-02-000000_b"),
    )
    .expect("a link");
    symlink(
        "2026-01-03-000000_c",
        workspace.path("services/cart/migrations/2026-01-03-000000_c"),
    )
    .expect("a link");
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_b: the symbolic link loops back to [ROOT]/services/cart/migrations
2| --> services/cart/migrations/2026-01-02-000000_b
2|  = note: nothing was run
2|  = help: remove the link
2| error: cart: migration 2026-01-03-000000_c: cannot be read: Too many levels of symbolic links (os error 40)
2| --> services/cart/migrations/2026-01-03-000000_c
2|  = help: see to its owner and permissions, or to where its link leads
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn what_would_end_the_transaction_is_refused_at_its_place() {
    let workspace = cart();
    workspace.write(
        UP,
        "CREATE TABLE b (id INTEGER);\nCOMMIT;\nCREATE TABLE c (id INTEGER);\n  ROLLBACK;\n",
    );
    workspace.write(
        "services/cart/migrations/2026-01-03-000000_c/up.sql",
        "SELECT 'it''s;\n",
    );
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_b cannot be run: `COMMIT` would take the transaction out of the migration's hands
2|  --> services/cart/migrations/2026-01-02-000000_b/up.sql:2:1
2|   |
2| 2 | COMMIT;
2|   | ^^^^^^
2|   |
2|   = note: nothing was sent to the database
2|   = help: remove it: the whole file is run in one transaction; or set `run_in_transaction = false` in metadata.toml, where a BEGIN … COMMIT is one step
2| error: cart: migration 2026-01-02-000000_b cannot be run: `ROLLBACK` would take the transaction out of the migration's hands
2|  --> services/cart/migrations/2026-01-02-000000_b/up.sql:4:3
2|   |
2| 4 |   ROLLBACK;
2|   |   ^^^^^^^^
2|   |
2|   = help: remove it: the whole file is run in one transaction; or set `run_in_transaction = false` in metadata.toml, where a BEGIN … COMMIT is one step
2| error: cart: migration 2026-01-03-000000_c cannot be run: unterminated string
2|  --> services/cart/migrations/2026-01-03-000000_c/up.sql:1:8
2|   |
2| 1 | SELECT 'it''s;
2|   |        ^^^^^^^
2|   |
2|   = help: close it with the quote that it begins with; a quote inside is written twice
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_begin_and_commit_around_the_whole_file_is_our_own_transaction() {
    let workspace = cart();
    workspace.write(UP, "BEGIN;\nCREATE TABLE b (id INTEGER);\nCOMMIT;\n");
    let mut session = Session::new(&workspace);
    session.run(&["run"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run
2|         Note cart: migration 2026-01-02-000000_b: the BEGIN and COMMIT around the file are taken for the migration's own transaction (up.sql:1:1)
2|      Applied cart 2026-01-02-000000_b in [TIME]
2|     Finished 1 target: 1 applied in [TIME]

"#]]
    );
    assert_eq!(
        applied(&workspace, "cart.db"),
        ["20260101000000", "20260102000000"]
    );
}

#[test]
fn a_command_of_a_shell_is_no_sql() {
    let workspace = cart();
    workspace.write(UP, ".mode csv\nCREATE TABLE b (id INTEGER);\n");
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_b cannot be run: `.mode` is a command of the sqlite3 shell, not SQL
2|  --> services/cart/migrations/2026-01-02-000000_b/up.sql:1:1
2|   |
2| 1 | .mode csv
2|   | ^^^^^^^^^
2|   |
2|   = note: nothing was sent to the database
2|   = help: migrations are sent to the server as they are: write what the command does as SQL
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_plan_is_refused_as_a_whole_before_anything_is_sent() {
    let workspace = cart();
    workspace.write(UP, "CREATE TABLE b (id INTEGER);\n");
    workspace.write(
        "services/cart/migrations/2026-01-03-000000_c/up.sql",
        "SAVEPOINT x;\nCOMMIT;\n",
    );
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-03-000000_c cannot be run: `COMMIT` would take the transaction out of the migration's hands
2|  --> services/cart/migrations/2026-01-03-000000_c/up.sql:2:1
2|   |
2| 2 | COMMIT;
2|   | ^^^^^^
2|   |
2|   = note: nothing was sent to the database
2|   = help: remove it: the whole file is run in one transaction; or set `run_in_transaction = false` in metadata.toml, where a BEGIN … COMMIT is one step
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn an_edited_file_is_named_and_comments_may_change() {
    let workspace = cart();
    let path = "services/cart/migrations/2026-01-01-000000_a/up.sql";
    workspace.write(path, "-- the first\nCREATE  TABLE a (id INTEGER);");
    let mut session = Session::new(&workspace);
    session.run(&["run"]);
    session.run(&["status", "--exit-code"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run
2|         Note cart: migration 2026-01-01-000000_a: only comments or white space changed since it was applied
2|     Finished 1 target: nothing to do in [TIME]
$ cargo migrate status --exit-code
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-01-000000_a                              applied  [TIME]

"#]]
    );
    workspace.write(path, "CREATE TABLE a (id TEXT);");
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 4
2| error: cart: migration 2026-01-01-000000_a was edited after it was applied
2| --> services/cart/migrations/2026-01-01-000000_a/up.sql
2|  = note: nothing was run
2|  = help: put the file back as it was applied, and write a new migration for the change: `cargo migrate new <name> -p cart`
2|  = help: if the database is as the file says now: `cargo migrate repair --accept-edit 20260101000000 -p cart --why "…"`
2| --- as it was applied
2| +++ services/cart/migrations/2026-01-01-000000_a/up.sql
2|   [WHO] -1 +1 [WHO]
2| -CREATE TABLE a (id INTEGER);
2| +CREATE TABLE a (id TEXT);
2|     Finished 1 target: no migration completed in [TIME] (exit 4)

"#]]
    );
}

#[test]
fn a_missing_directory_is_named_as_it_was_applied() {
    let workspace = cart();
    workspace.migration(
        "cart",
        "2026-01-02-000000_b",
        "CREATE TABLE b (id INTEGER);",
        "DROP TABLE b;",
    );
    std::fs::remove_dir_all(workspace.path("services/cart/migrations/2026-01-01-000000_a"))
        .expect("removed");
    assert_data_eq!(
        refused(&workspace),
        str![[r#"
$ cargo migrate run  # exits 4
2| error: cart: migration 2026-01-01-000000_a is in the database, but not in the catalog
2|  |
2|  = note: nothing was run
2|  = help: restore the directory from version control, or take the migration back by what the journal keeps: `cargo migrate revert -p cart --only 20260101000000 --stored-down`
2|  = help: if another service's set shares this history table, give one of them a `schema` or `history-table` of its own
2|  = help: where another crate's migrations were merged into this set, name its directory, too: `directory = ["../framework/migrations", "migrations"]` in [package.metadata.migrate]
2|     Finished 1 target: no migration completed in [TIME] (exit 4)

"#]]
    );
}

#[test]
fn a_run_that_is_refused_makes_no_database() {
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    workspace.write(UP, "CREATE TABLE b (id INTEGER);\nCOMMIT;\n");
    let before = Tree::of(workspace.root());
    workspace.run(&["run"]).exits(1).says(&["`COMMIT` would"]);
    workspace.run(&["run", "2030"]).exits(2);
    workspace.run(&["run", "zero"]).ok();
    workspace.run(&["revert"]).ok().says(&["nothing to do"]);
    workspace.run(&["revert", "--only", "20260102"]).exits(1);
    workspace
        .run(&["redo", "--to", "zero"])
        .ok()
        .says(&["nothing to do"]);
    // A plan tells what would be refused.
    workspace.run(&["plan"]).exits(1).says(&["`COMMIT` would"]);
    before.is_still(workspace.root());
    workspace.write(UP, "CREATE TABLE b (id INTEGER);\n");
    workspace.run(&["run"]).ok().says(&["1 applied"]);
    assert_eq!(applied(&workspace, "cart.db"), ["20260102000000"]);
}
