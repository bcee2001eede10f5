//! Frameworks: crates whose migrations others merge into their own sets, and
//! what is said where a merge is missing or the sets differ.

use snapbox::{assert_data_eq, str};
use tests::workspace::Workspace;

use crate::session::Session;
use crate::tree::applied;

const SETUP: &str = "00000000000000_diesel_initial_setup";
const TOKENS: &str = "2026-02-01-000000_tokens";
const CARTS: &str = "2026-03-01-000000_carts";

/// A framework with a set-up and a table, and a service that merges it and has
/// a set-up of its own, with `more` in its configuration.
fn consumer(more: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.service("framework", "service = false");
    workspace.migration(
        "framework",
        SETUP,
        "CREATE TABLE of_framework (id INTEGER);",
        "DROP TABLE of_framework;",
    );
    workspace.migration(
        "framework",
        TOKENS,
        "CREATE TABLE tokens (id INTEGER);",
        "DROP TABLE tokens;",
    );
    workspace.service(
        "cart",
        &format!(
            "default-url = \"sqlite:cart.db\"\ndirectory = [\"../framework/migrations\", \"migrations\"]\n{more}"
        ),
    );
    workspace.migration(
        "cart",
        SETUP,
        "CREATE TABLE of_cart (id INTEGER);",
        "DROP TABLE of_cart;",
    );
    workspace.migration(
        "cart",
        CARTS,
        "CREATE TABLE carts (id INTEGER);",
        "DROP TABLE carts;",
    );
    workspace
}

#[test]
fn of_two_directories_the_one_named_last_may_win_a_version() {
    let workspace = consumer("same-version = \"last\"");
    workspace.run(&["run"]).ok().says(&["1 target: 3 applied"]);
    workspace
        .run(&["show", "00000000000000"])
        .ok()
        .prints(&["CREATE TABLE of_cart"]);
    workspace.run(&["status", "--exit-code"]).ok();
    // The file that was applied is the one that is watched.
    let own = format!("services/cart/migrations/{SETUP}/up.sql");
    workspace.write(&own, "CREATE TABLE of_cart (id TEXT);");
    workspace
        .run(&["run"])
        .exits(4)
        .says(&["was edited after it was applied", &format!("--> {own}")]);
    workspace.write(&own, "CREATE TABLE of_cart (id INTEGER);");
    workspace
        .run(&["revert", "--to", "zero"])
        .ok()
        .says(&["3 reverted"]);
    assert!(applied(&workspace, "cart.db").is_empty());
}

#[test]
fn the_whole_workspace_may_say_that_the_last_wins_and_a_service_that_it_does_not() {
    let of_all = "[workspace]\nresolver = \"3\"\nmembers = [\"services/*\"]\n\n[workspace.metadata.migrate]\nsame-version = \"last\"\n";
    let workspace = consumer("");
    workspace.write("Cargo.toml", of_all);
    workspace.run(&["run"]).ok().says(&["3 applied"]);
    let workspace = consumer("same-version = \"refuse\"");
    workspace.write("Cargo.toml", of_all);
    workspace.run(&["run"]).exits(1).says(&["the same version"]);
}

#[test]
fn two_in_one_directory_are_refused_whichever_wins_between_two() {
    let workspace = consumer("same-version = \"last\"");
    workspace.migration("cart", "2026-03-01-000000_others", "SELECT 1;", "");
    let run = workspace.run(&["run"]).exits(1);
    assert!(!run.stderr.contains("same-version"), "{}", run.stderr);
    run.says(&["the same version 20260301000000 as"]);
}

#[test]
fn sets_that_differ_are_refused_with_both_places_and_the_key_that_settles_it() {
    let workspace = consumer("");
    let mut session = Session::new(&workspace);
    session.run(&["run"]).cd("services/cart").run(&["run"]);
    assert_data_eq!(
        session.text().to_owned(),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 00000000000000_diesel_initial_setup: the same version 00000000000000 as services/framework/migrations/00000000000000_diesel_initial_setup
2| --> services/cart/migrations/00000000000000_diesel_initial_setup
2|  = note: nothing was run
2|  = help: make the two alike, or say `same-version = "last"` in [package.metadata.migrate]: the directory that `directory` names last wins
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cd services/cart
$ cargo migrate run  # exits 1
2| error: cart: migration 00000000000000_diesel_initial_setup: the same version 00000000000000 as ../framework/migrations/00000000000000_diesel_initial_setup
2| --> migrations/00000000000000_diesel_initial_setup
2|  = note: nothing was run
2|  = help: make the two alike, or say `same-version = "last"` in [package.metadata.migrate]: the directory that `directory` names last wins
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_framework_is_no_service_unless_files_are_written() {
    let workspace = consumer("same-version = \"last\"");
    let mut session = Session::new(&workspace);
    session
        .run(&["status", "--all"])
        .run(&["run", "-p", "framework"])
        .run(&["status", "-p", "frame*"])
        .cd("services/framework")
        .run(&["status"]);
    assert_data_eq!(
        session.text().to_owned(),
        str![[r#"
$ cargo migrate status --all
1| cart sqlite:[ROOT]/cart.db
1|   [ ] 00000000000000_diesel_initial_setup              pending
1|   [ ] 2026-02-01-000000_tokens                         pending
1|   [ ] 2026-03-01-000000_carts                          pending
$ cargo migrate run -p framework  # exits 2
2| error: framework is no service: its migrations are there for others to merge
2|  --> services/framework/Cargo.toml:7:11
2|   |
2| 7 | service = false
2|   |           ^^^^^
2|   |
2|   = help: select a service that merges them: cart; or remove `service = false`
$ cargo migrate status -p frame*  # exits 2
2| error: no service is selected: none of the selected packages has migrations
2|  |
2|  = help: `cargo migrate init -p <package>` makes a package a service; packages with migrations: cart; `service = false` is said by framework
$ cd services/framework
$ cargo migrate status  # exits 2
2| error: framework is no service: its migrations are there for others to merge
2|  --> Cargo.toml:7:11
2|   |
2| 7 | service = false
2|   |           ^^^^^
2|   |
2|   = help: select a service that merges them: cart; or remove `service = false`

"#]]
    );
    // Its set grows as any other.
    workspace
        .run(&["new", "more", "-p", "framework"])
        .ok()
        .prints(&["services/framework/migrations/"]);
    workspace.run(&["run"]).ok().says(&["4 applied"]);
}

#[test]
fn services_on_one_history_are_told_how_to_merge_their_sets() {
    let workspace = Workspace::new();
    for name in ["framework", "cart"] {
        workspace.service(name, "default-url = \"sqlite:shared.db\"");
        workspace.migration(
            name,
            &format!("2026-01-01-00000{}_a", name.len() % 10),
            "SELECT 1;",
            "SELECT 1;",
        );
    }
    let merged = "`directory = [\"../framework/migrations\", \"migrations\"]`";
    workspace.run(&["run"]).exits(2).says(&[
        "share the history table",
        merged,
        "`service = false`",
    ]);
    // One after the other it is the history that shows it.
    workspace.run(&["run", "-p", "cart"]).ok();
    workspace
        .run(&["run", "-p", "framework"])
        .exits(4)
        .says(&["not in the catalog", merged]);
}

#[test]
fn two_databases_of_one_service_are_not_told_to_merge() {
    let workspace = Workspace::new();
    workspace.service(
        "cart",
        "default-url = \"sqlite:cart.db\"\n[package.metadata.migrate.database.reporting]\ndirectory = \"reporting\"\ndefault-url = \"sqlite:cart.db\"",
    );
    workspace.migration("cart", "1_a", "SELECT 1;", "SELECT 1;");
    workspace.write("services/cart/reporting/2_b/up.sql", "SELECT 1;");
    let run = workspace.run(&["run"]).exits(2);
    assert!(!run.stderr.contains("framework"), "{}", run.stderr);
    run.says(&["share the history table"]);
}

#[test]
fn only_the_services_that_merge_a_framework_are_named_in_its_place() {
    let workspace = consumer("");
    workspace.sqlite_service("users");
    workspace
        .run(&["run", "-p", "framework"])
        .exits(2)
        .says(&["select a service that merges them: cart; or remove"]);
    std::fs::remove_dir_all(workspace.path("services/cart")).expect("removed");
    workspace
        .run(&["run", "-p", "framework"])
        .exits(2)
        .says(&["name its directory in the `directory` list of a service; or remove"]);
}
