//! Mistakes in the workspace and its configuration: each is
//! named with its place and its remedy, and nothing is changed by it.

use snapbox::{assert_data_eq, str};
use tests::workspace::{CANARY, Workspace};

use crate::session::Session;
use crate::tree::Tree;

/// A service, the first of whose two migrations is applied.
pub(crate) fn cart() -> Workspace {
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    workspace.migration(
        "cart",
        "2026-01-01-000000_a",
        "CREATE TABLE a (id INTEGER);",
        "DROP TABLE a;",
    );
    workspace.run(&["run"]).ok();
    workspace.migration(
        "cart",
        "2026-01-02-000000_b",
        "CREATE TABLE b (id INTEGER);",
        "DROP TABLE b;",
    );
    workspace
}

/// Runs each command line, expects that no file changes, and tells all.
pub(crate) fn refused(workspace: &Workspace, commands: &[&[&str]]) -> String {
    let mut session = Session::new(workspace);
    let before = Tree::of(workspace.root());
    for command in commands {
        session.run(command);
        before.is_still(workspace.root());
    }
    session.text().to_owned()
}

#[test]
fn a_package_that_is_none_is_named_with_those_that_are() {
    let workspace = cart();
    let said = refused(
        &workspace,
        &[
            &["run", "-p", "crat"],
            &["run", "-p", "x*"],
            &["run", "-p", "["],
            &["run", "--all", "--exclude", "cart"],
            &["run", "--database", "reporting"],
        ],
    );
    assert_data_eq!(
        said,
        str![[r#"
$ cargo migrate run -p crat  # exits 2
2| error: package `crat` is not a member of the workspace
2|  |
2|  = help: did you mean `cart`? members with migrations: cart
$ cargo migrate run -p x*  # exits 2
2| error: no member of the workspace matches `x*`
2|  |
2|  = help: members with migrations: cart
$ cargo migrate run -p [  # exits 2
2| error: `[` is not a pattern: invalid range pattern
2|  |
2|  = help: `*`, `?` and `[…]` are special in a package's name
$ cargo migrate run --all --exclude cart  # exits 2
2| error: every selected package is excluded
2|  |
2|  = help: members with migrations: cart
$ cargo migrate run --database reporting  # exits 2
2| error: no selected service has a database `reporting`
2|  |
2|  = help: further databases are configured in [package.metadata.migrate.database.<name>]

"#]]
    );
}

#[test]
fn a_member_without_migrations_is_no_service() {
    let workspace = cart();
    workspace.write(
        "services/docs/Cargo.toml",
        "[package]\nname = \"docs\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    workspace.write("services/docs/src/lib.rs", "");
    let said = refused(
        &workspace,
        &[
            &["run", "-p", "docs"],
            &["new", "x", "-p", "docs"],
            // Swept along with the others it is passed over.
            &["current", "-p", "*"],
        ],
    );
    assert_data_eq!(
        said,
        str![[r#"
$ cargo migrate run -p docs  # exits 2
2| error: `docs` has no migrations directory
2|  |
2|  = help: `cargo migrate init -p docs` makes one; packages with migrations: cart
$ cargo migrate new x -p docs  # exits 2
2| error: `docs` has no migrations directory
2|  |
2|  = help: `cargo migrate init -p docs` makes one; packages with migrations: cart
$ cargo migrate current -p *
1| cart 2026-01-01-000000_a

"#]]
    );
}

#[test]
fn a_workspace_without_any_migrations_is_no_success() {
    let workspace = Workspace::new();
    workspace.write(
        "services/docs/Cargo.toml",
        "[package]\nname = \"docs\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    workspace.write("services/docs/src/lib.rs", "");
    let said = refused(&workspace, &[&["run"], &["status", "--all"]]);
    assert_data_eq!(
        said,
        str![[r#"
$ cargo migrate run  # exits 2
2| error: no service is selected: none of the selected packages has migrations
2|  |
2|  = help: `cargo migrate init -p <package>` makes a package a service
$ cargo migrate status --all  # exits 2
2| error: no service is selected: none of the selected packages has migrations
2|  |
2|  = help: `cargo migrate init -p <package>` makes a package a service

"#]]
    );
}

#[test]
fn a_configured_directory_that_is_not_there_is_named() {
    let workspace = Workspace::new();
    workspace.service(
        "cart",
        "default-url = \"sqlite:cart.db\"\ndirectory = \"sql\"",
    );
    let said = refused(&workspace, &[&["run"], &["status"]]);
    assert_data_eq!(
        said,
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: the migrations directory `[ROOT]/services/cart/sql` does not exist
2|  |
2|  = help: `cargo migrate new <name> -p cart` writes the first migration; `directory` in its Cargo.toml names another place
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate status  # exits 1
2| error: cart: the migrations directory `[ROOT]/services/cart/sql` does not exist
2|  |
2|  = help: `cargo migrate new <name> -p cart` writes the first migration; `directory` in its Cargo.toml names another place

"#]]
    );
}

#[test]
fn outside_of_any_workspace_the_remedy_is_told() {
    let workspace = Workspace::new();
    std::fs::remove_file(workspace.path("Cargo.toml")).expect("removed");
    let said = refused(
        &workspace,
        &[&["run"], &["run", "--manifest-path", "nowhere/Cargo.toml"]],
    );
    assert_data_eq!(
        said,
        str![[r#"
$ cargo migrate run  # exits 2
2| error: could not find `Cargo.toml` in `[ROOT]` or any parent directory
2|  |
2|  = help: go to a Cargo workspace, or name one with --manifest-path
$ cargo migrate run --manifest-path nowhere/Cargo.toml  # exits 2
2| error: manifest path `nowhere/Cargo.toml` does not exist
2|  |
2|  = help: give the path of a Cargo.toml

"#]]
    );
}

#[test]
fn an_unknown_key_is_shown_at_its_line_of_the_manifest() {
    let workspace = cart();
    workspace.service(
        "cart",
        "default-url = \"sqlite:cart.db\"\nlock-timout = \"2s\"\nout-of-order = \"never\"",
    );
    workspace.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"services/*\"]\n\n[workspace.metadata.migrate]\ndirectories = [\"x\"]\n");
    let said = refused(&workspace, &[&["run"], &["status"]]);
    assert_data_eq!(
        said,
        str![[r#"
$ cargo migrate run  # exits 2
2| error: unknown key `directories`
2|  --> Cargo.toml:6:1
2|   |
2| 6 | directories = ["x"]
2|   | ^^^^^^^^^^^
2|   |
2|   = help: did you mean `directory`?
2| error: cart: `out-of-order`: unknown choice `never`, expected refuse, warn, allow
2|  --> services/cart/Cargo.toml:9:16
2|   |
2| 9 | out-of-order = "never"
2|   |                ^^^^^^^
2| error: cart: unknown key `lock-timout`
2|  --> services/cart/Cargo.toml:8:1
2|   |
2| 8 | lock-timout = "2s"
2|   | ^^^^^^^^^^^
2|   |
2|   = help: did you mean `lock-timeout`?
$ cargo migrate status  # exits 2
2| error: unknown key `directories`
2|  --> Cargo.toml:6:1
2|   |
2| 6 | directories = ["x"]
2|   | ^^^^^^^^^^^
2|   |
2|   = help: did you mean `directory`?
2| error: cart: `out-of-order`: unknown choice `never`, expected refuse, warn, allow
2|  --> services/cart/Cargo.toml:9:16
2|   |
2| 9 | out-of-order = "never"
2|   |                ^^^^^^^
2| error: cart: unknown key `lock-timout`
2|  --> services/cart/Cargo.toml:8:1
2|   |
2| 8 | lock-timout = "2s"
2|   | ^^^^^^^^^^^
2|   |
2|   = help: did you mean `lock-timeout`?

"#]]
    );
}

#[test]
fn two_services_with_one_history_table_are_refused() {
    let workspace = cart();
    workspace.service("users", "default-url = \"sqlite:cart.db\"");
    workspace.migration(
        "users",
        "2026-01-03-000000_u",
        "CREATE TABLE u (id INTEGER);",
        "DROP TABLE u;",
    );
    let said = refused(
        &workspace,
        &[&["run", "--all"], &["status"], &["reset", "-y"]],
    );
    assert_data_eq!(
        said,
        str![[r#"
$ cargo migrate run --all  # exits 2
2| error: cart and users share the history table __diesel_schema_migrations of one database (both by default-url)
2|  |
2|  = help: give each service a database of its own, or its own `history-table` in [package.metadata.migrate]
2|  = help: if one of them builds on the other's migrations, merge these into its own set: `directory = ["../framework/migrations", "migrations"]`, and `service = false` for the framework
$ cargo migrate status  # exits 2
2| error: cart and users share the history table __diesel_schema_migrations of one database (both by default-url)
2|  |
2|  = help: give each service a database of its own, or its own `history-table` in [package.metadata.migrate]
2|  = help: if one of them builds on the other's migrations, merge these into its own set: `directory = ["../framework/migrations", "migrations"]`, and `service = false` for the framework
$ cargo migrate reset -y  # exits 2
2| error: cart and users share the history table __diesel_schema_migrations of one database (both by default-url)
2|  |
2|  = help: give each service a database of its own, or its own `history-table` in [package.metadata.migrate]
2|  = help: if one of them builds on the other's migrations, merge these into its own set: `directory = ["../framework/migrations", "migrations"]`, and `service = false` for the framework

"#]]
    );

    workspace.service(
        "users",
        "default-url = \"sqlite:cart.db\"\nhistory-table = \"__users_migrations\"",
    );
    workspace.run(&["run", "--all"]).ok().says(&["2 applied"]);
}

#[test]
fn a_url_for_several_targets_is_refused_without_being_told() {
    let workspace = cart();
    workspace.sqlite_service("users");
    let url = format!("postgres://u:{CANARY}@localhost/x");
    let mut session = Session::new(&workspace);
    session.hide(CANARY, "[CANARY]");
    let before = Tree::of(workspace.root());
    session.run(&["run", "--all", "--database-url", &url]);
    session.run(&[
        "run",
        "-p",
        "cart",
        "--database-url",
        &url,
        "--backend",
        "sqlite",
    ]);
    session.run(&[
        "run",
        "-p",
        "cart",
        "--database-url",
        &format!("oracle://u:{CANARY}@localhost/x"),
    ]);
    session.run(&[
        "run",
        "-p",
        "cart",
        "--database-url",
        &format!("postgres://u:{CANARY}@[::1/x"),
    ]);
    before.is_still(workspace.root());
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run --all --database-url postgres://u:[CANARY]@localhost/x  # exits 2
2| error: `--database-url` is for one database, but 2 are selected: cart, users
2|  |
2|  = help: select one with `-p <service>`, and `--database <name>` (`default` for the main one)
$ cargo migrate run -p cart --database-url postgres://u:[CANARY]@localhost/x --backend sqlite  # exits 1
2| error: cart: the URL from --database-url is for postgres, but the backend is to be sqlite
2|  |
2|  = help: give `--database-url` a URL of sqlite
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate run -p cart --database-url oracle://u:[CANARY]@localhost/x  # exits 1
2| error: cart: the URL from --database-url cannot be used: no backend speaks `oracle://`, expected postgres://, mysql://, sqlite: or a path
2|  |
2|  = help: expected postgres://user@host/database, mysql://user@host/database or sqlite:path
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate run -p cart --database-url postgres://u:[CANARY]@[::1/x  # exits 1
2| error: cart: the URL from --database-url cannot be used: a host or port in the database URL cannot be read
2|  |
2|  = help: expected host or host:port, and an IPv6 address in brackets
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_service_without_a_url_fails_after_the_others_are_done() {
    let workspace = cart();
    workspace.service("users", "");
    workspace.migration(
        "users",
        "2026-01-03-000000_u",
        "CREATE TABLE u (id INTEGER);",
        "DROP TABLE u;",
    );
    let mut session = Session::new(&workspace);
    session.run(&["run", "--all"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run --all  # exits 1
2|      Applied cart 2026-01-02-000000_b in [TIME]
2| error: users: no database URL
2|  |
2|  = help: set USERS_DATABASE_URL in the environment or in a .env file, or `default-url` in [package.metadata.migrate]
2|     Finished 2 targets: 1 applied in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_password_in_a_manifest_is_not_shown_with_its_line() {
    let workspace = cart();
    let metadata = format!("default-url = \"oracle://shop:{CANARY}@localhost/x\"\nnonsense = 1");
    workspace.service("cart", &metadata);
    assert_data_eq!(
        refused(&workspace, &[&["run"]]),
        str![[r#"
$ cargo migrate run  # exits 2
2| error: cart: `default-url`: no backend speaks `oracle://`, expected postgres://, mysql://, sqlite: or a path
2|  --> services/cart/Cargo.toml:7:15
2|   |
2| 7 | default-url = *****************************************
2|   |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
2|   |
2|   = help: expected postgres://user@host/database, mysql://user@host/database or sqlite:path
2| error: cart: unknown key `nonsense`
2|  --> services/cart/Cargo.toml:8:1
2|   |
2| 8 | nonsense = 1
2|   | ^^^^^^^^
2|   |
2|   = help: the keys are ahead, backend, bin, database-url-command, database-url-env, default-url, directory, history-table, lint, lock-timeout, lock-tries, out-of-order, same-version, schema, schema-file, session-setup, shadow-url-env, statement-timeout, database, service

"#]]
    );
    workspace
        .run(&["status", "-v", "--message-format", "json"])
        .exits(2)
        .prints(&["no backend speaks"]);
}
