//! Which services a command means and where their databases are, in workspaces
//! that aren't ours and from any directory.

use std::path::Path;
use std::process::Command;

use tests::env::binary;
use tests::workspace::Workspace;

use crate::tree::applied;

const UP: &str = "CREATE TABLE t (id INTEGER);\n";
const DOWN: &str = "DROP TABLE t;\n";

fn fleet() -> Workspace {
    let workspace = Workspace::new();
    for name in ["cart", "cart-api", "users"] {
        workspace.sqlite_service(name);
        workspace.migration(name, "2026-01-01-000000_a", UP, DOWN);
    }
    workspace.write(
        "services/docs/Cargo.toml",
        "[package]\nname = \"docs\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    workspace.write("services/docs/src/lib.rs", "");
    workspace
}

/// The services that `current` lists from a directory.
fn from(workspace: &Workspace, directory: &Path, args: &[&str]) -> Vec<String> {
    let mut command = workspace.command(&[&["current"], args].concat());
    command.current_dir(directory);
    let run = workspace.finish(command).ok();
    run.stdout
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_place_selects_as_cargo_does() {
    let workspace = fleet();
    let root = workspace.root();
    let inside = workspace.path("services/cart/migrations/2026-01-01-000000_a");
    let all = ["cart", "cart-api", "users"];
    assert_eq!(from(&workspace, root, &[]), all);
    assert_eq!(from(&workspace, &workspace.path("services"), &[]), all);
    assert_eq!(
        from(&workspace, &workspace.path("services/cart"), &[]),
        ["cart"]
    );
    assert_eq!(from(&workspace, &inside, &[]), ["cart"]);
    assert_eq!(from(&workspace, &inside, &["--all"]), all);
    assert_eq!(from(&workspace, &inside, &["--workspace"]), all);
    assert_eq!(from(&workspace, &inside, &["-p", "users"]), ["users"]);
}

#[test]
fn a_manifest_path_selects_from_outside() {
    let workspace = fleet();
    let outside = tempfile::tempdir().expect("a directory");
    let root = workspace.path("Cargo.toml").to_string_lossy().into_owned();
    let member = workspace
        .path("services/users/Cargo.toml")
        .to_string_lossy()
        .into_owned();
    assert_eq!(
        from(&workspace, outside.path(), &["--manifest-path", &root]),
        ["cart", "cart-api", "users"]
    );
    assert_eq!(
        from(&workspace, outside.path(), &["--manifest-path", &member]),
        ["users"]
    );
    assert_eq!(
        from(
            &workspace,
            outside.path(),
            &["--manifest-path", &root, "-p", "cart"]
        ),
        ["cart"]
    );
    let mut command = workspace.command(&["run", "--all", "--manifest-path", &root]);
    command.current_dir(outside.path());
    let _ = workspace.finish(command).ok().says(&["3 applied"]);
    // Nothing of it lies where the command was started.
    assert_eq!(
        std::fs::read_dir(outside.path())
            .expect("a directory")
            .count(),
        0
    );
    assert_eq!(applied(&workspace, "users.db"), ["20260101000000"]);
}

#[test]
fn names_globs_and_excludes_select() {
    let workspace = fleet();
    let root = workspace.root();
    assert_eq!(
        from(&workspace, root, &["-p", "cart*"]),
        ["cart", "cart-api"]
    );
    assert_eq!(
        from(&workspace, root, &["-p", "users", "-p", "cart"]),
        ["cart", "users"]
    );
    assert_eq!(from(&workspace, root, &["--exclude", "cart*"]), ["users"]);
    assert_eq!(
        from(&workspace, root, &["--all", "--exclude", "users"]),
        ["cart", "cart-api"]
    );
    assert_eq!(
        from(&workspace, root, &["-p", "cart*", "--exclude", "*-api"]),
        ["cart"]
    );
    workspace
        .run(&["current", "--exclude", "nobody"])
        .ok()
        .says(&["warning: `--exclude nobody` matches no member"]);
}

#[test]
fn cargo_itself_starts_the_command() {
    let workspace = fleet();
    let directory = binary().parent().expect("a directory");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(directory.to_owned()).chain(std::env::split_paths(&path));
    let mut command = Command::new("cargo");
    command
        .args(["migrate", "run", "--all"])
        .env("PATH", std::env::join_paths(paths).expect("a path"))
        .env_remove("CARGO")
        .current_dir(workspace.path("services/cart"));
    let _ = workspace
        .finish(command)
        .ok()
        .says(&["3 targets: 3 applied"]);
}

#[test]
fn a_crate_alone_is_a_workspace_of_one() {
    let workspace = Workspace::new();
    workspace.write("Cargo.toml", "[package]\nname = \"solo\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[package.metadata.migrate]\ndefault-url = \"sqlite:target/solo.db\"\n");
    workspace.write("src/lib.rs", "");
    workspace.write("migrations/001_a/up.sql", UP);
    workspace.write("migrations/001_a/down.sql", DOWN);
    // The directories above a default are made.
    workspace.run(&["run"]).ok().says(&["Applied solo 001_a"]);
    assert_eq!(applied(&workspace, "target/solo.db"), ["001"]);
    workspace
        .run(&["new", "b"])
        .ok()
        .prints(&["migrations/002_b/up.sql"]);
    let mut command = workspace.command(&["status"]);
    command.current_dir(workspace.path("src"));
    let _ = workspace.finish(command).ok().prints(&["001_a", "002_b"]);
}

#[test]
fn at_the_root_of_a_workspace_with_a_root_package_all_are_meant() {
    let workspace = fleet();
    workspace.write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"services/*\"]\n\n[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[package.metadata.migrate]\ndefault-url = \"sqlite:shop.db\"\n",
    );
    workspace.write("src/lib.rs", "");
    workspace.write("migrations/001_a/up.sql", UP);
    let mut all = from(&workspace, workspace.root(), &[]);
    all.sort();
    assert_eq!(all, ["cart", "cart-api", "shop", "users"]);
    assert_eq!(
        from(&workspace, workspace.root(), &["-p", "shop"]),
        ["shop"]
    );
}

/// Where `status -v` says that the URL of `cart` comes from.
fn origin(workspace: &Workspace, variables: &[(&str, &str)], args: &[&str]) -> String {
    let mut command = workspace.command(&[&["status", "-v", "-p", "cart"], args].concat());
    command.envs(variables.iter().copied());
    let run = workspace.finish(command).ok();
    run.stdout
        .lines()
        .next()
        .expect("a line")
        .replace("cart sqlite:[ROOT]/", "")
}

#[test]
fn the_nearest_source_of_a_url_counts() {
    let workspace = fleet();
    assert_eq!(origin(&workspace, &[], &[]), "cart.db (from default-url)");
    workspace.service(
        "cart",
        "default-url = \"sqlite:cart.db\"\ndatabase-url-command = \"echo sqlite:command.db\"",
    );
    assert_eq!(
        origin(&workspace, &[], &[]),
        "command.db (from database-url-command)"
    );
    workspace.write(".env", "export DATABASE_URL='sqlite:general.db'\n# a comment\nCART_DATABASE_URL=\"sqlite:root.db\"\n");
    assert_eq!(
        origin(&workspace, &[], &[]),
        "root.db (from CART_DATABASE_URL in [ROOT]/.env)"
    );
    workspace.write(
        "services/cart/.env",
        "CART_DATABASE_URL=sqlite:package.db\n",
    );
    assert_eq!(
        origin(&workspace, &[], &[]),
        "services/cart/package.db (from CART_DATABASE_URL in [ROOT]/services/cart/.env)"
    );
    let variables = [
        ("CART_DATABASE_URL", "sqlite:environment.db"),
        ("DATABASE_URL", "sqlite:other.db"),
    ];
    assert_eq!(
        origin(&workspace, &variables, &[]),
        "environment.db (from the variable CART_DATABASE_URL)"
    );
    let flag = ["--database-url", "sqlite:flag.db"];
    assert_eq!(
        origin(&workspace, &variables, &flag),
        "flag.db (from --database-url)"
    );
    // An empty variable is none.
    assert_eq!(
        origin(&workspace, &[("CART_DATABASE_URL", "")], &[]),
        "services/cart/package.db (from CART_DATABASE_URL in [ROOT]/services/cart/.env)"
    );
}

#[test]
fn a_configured_variable_takes_the_place_of_the_default_ones() {
    let workspace = fleet();
    workspace.service("cart", "database-url-env = \"SHOP_CART\"");
    let run = {
        let mut command = workspace.command(&["run", "-p", "cart"]);
        command
            .env("CART_DATABASE_URL", "sqlite:wrong.db")
            .env("DATABASE_URL", "sqlite:wrong.db");
        workspace.finish(command)
    };
    let _ = run
        .exits(1)
        .says(&["cart: no database URL", "set SHOP_CART"]);
    let mut command = workspace.command(&["run", "-p", "cart"]);
    command.env("SHOP_CART", "sqlite:right.db");
    let _ = workspace.finish(command).ok();
    assert_eq!(applied(&workspace, "right.db"), ["20260101000000"]);
    assert!(!workspace.path("wrong.db").exists());
}

#[test]
fn the_url_chooses_the_variant_of_a_set() {
    let workspace = Workspace::new();
    workspace.service("cart", "default-url = \"sqlite:cart.db\"");
    for (variant, name) in [
        ("sqlite", "001_for_sqlite"),
        ("postgres", "001_for_postgres"),
        ("mysql", "001_for_mysql"),
    ] {
        workspace.write(
            &format!("services/cart/migrations/{variant}/{name}/up.sql"),
            UP,
        );
    }
    workspace.run(&["status"]).ok().prints(&["001_for_sqlite"]);
    workspace.run(&["status", "--backend", "sqlite"]).ok();
    workspace
        .run(&["status", "--backend", "postgres"])
        .exits(1)
        .says(&["cart: the URL from default-url is for sqlite"]);
    workspace
        .run(&["new", "more", "--backend", "postgres"])
        .ok()
        .prints(&["migrations/postgres/002_more/up.sql"]);
    workspace
        .run(&["run"])
        .ok()
        .says(&["Applied cart 001_for_sqlite"]);

    std::fs::remove_dir_all(workspace.path("services/cart/migrations/sqlite")).expect("removed");
    workspace
        .run(&["status"])
        .exits(1)
        .says(&["cart: ", "sqlite"]);
}

#[test]
fn directories_are_merged_into_one_set() {
    let workspace = Workspace::new();
    workspace.service("cart", "default-url = \"sqlite:cart.db\"\ndirectory = [\"../../framework/migrations\", \"migrations\"]");
    workspace.write(
        "framework/migrations/001_sessions/up.sql",
        "CREATE TABLE sessions (id INTEGER);",
    );
    workspace.write(
        "framework/migrations/003_tokens/up.sql",
        "CREATE TABLE tokens (id INTEGER);",
    );
    workspace.write(
        "services/cart/migrations/002_carts/up.sql",
        "CREATE TABLE carts (id INTEGER);",
    );
    // An identical copy counts once.
    workspace.write(
        "services/cart/migrations/001_sessions/up.sql",
        "CREATE TABLE sessions (id INTEGER);",
    );
    workspace.run(&["run"]).ok().says(&["3 applied"]);
    assert_eq!(applied(&workspace, "cart.db"), ["001", "002", "003"]);
    workspace.write("services/cart/migrations/003_others/up.sql", "SELECT 1;");
    workspace
        .run(&["run"])
        .exits(1)
        .says(&["the same version 003 as", "framework/migrations/003_tokens"]);
}

#[test]
fn a_diesel_toml_names_the_directory() {
    let workspace = Workspace::new();
    workspace.service("cart", "default-url = \"sqlite:cart.db\"");
    workspace.write(
        "services/cart/diesel.toml",
        "[migrations_directory]\ndir = \"db/changes\"\n",
    );
    workspace.write("services/cart/db/changes/001_a/up.sql", UP);
    workspace.run(&["run"]).ok().says(&["Applied cart 001_a"]);
    workspace
        .run(&["new", "b", "-p", "cart"])
        .ok()
        .prints(&["services/cart/db/changes/002_b/up.sql"]);
}

#[test]
fn a_service_may_have_several_databases() {
    let workspace = Workspace::new();
    workspace.service(
        "cart",
        "default-url = \"sqlite:cart.db\"\n[package.metadata.migrate.database.reporting]\ndirectory = \"reporting\"\ndefault-url = \"sqlite:reporting.db\"",
    );
    workspace.migration("cart", "001_a", UP, DOWN);
    workspace.write("services/cart/reporting/001_r/up.sql", UP);
    workspace.run(&["run"]).ok().says(&[
        "cart 001_a",
        "cart/reporting 001_r",
        "2 targets: 2 applied",
    ]);
    workspace
        .run(&["status", "--database", "reporting"])
        .ok()
        .prints(&["cart/reporting sqlite:", "001_r"]);
    let default = workspace.run(&["status", "--database", "default"]).ok();
    assert!(!default.stdout.contains("reporting"), "{}", default.stdout);
    workspace
        .run(&["run", "--database-url", "sqlite:x.db"])
        .exits(2)
        .says(&["cart, cart/reporting"]);
    workspace
        .run(&["new", "more", "--database", "reporting", "-p", "cart"])
        .ok()
        .prints(&["services/cart/reporting/002_more"]);
}
