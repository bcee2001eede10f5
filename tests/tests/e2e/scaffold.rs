//! `init` and `new` in a workspace that isn't ours: what they write, and that
//! everything else in the manifest stays as it was.

use snapbox::{assert_data_eq, str};
use tests::workspace::Workspace;

use crate::session::Session;
use crate::tree::Tree;

const MANIFEST: &str = "\
# The cart.
[package]
name    = \"cart\"      # aligned by hand
version = \"0.1.0\"
edition = \"2024\"

[dependencies]
# none yet

[lints.rust]
unsafe_code = \"forbid\"
";

fn member() -> Workspace {
    let workspace = Workspace::new();
    workspace.write("services/cart/Cargo.toml", MANIFEST);
    workspace.write("services/cart/src/lib.rs", "");
    workspace
}

fn read(workspace: &Workspace, below: &str) -> String {
    std::fs::read_to_string(workspace.path(below))
        .unwrap_or_else(|error| panic!("{below}: {error}"))
}

#[test]
fn init_makes_a_member_a_service_and_keeps_its_manifest() {
    let workspace = member();
    let mut session = Session::new(&workspace);
    session.run(&["init", "-p", "cart"]);
    let after = Tree::of(workspace.root());
    session.run(&["init", "-p", "cart"]);
    after.is_still(workspace.root());
    session.run(&["new", "create_carts"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate init -p cart
1|      Created services/cart/migrations
1|      Created services/cart/migrations/HEAD
2|       Edited dependency migrate-runtime in services/cart/Cargo.toml
2|       Edited [package.metadata.migrate] in services/cart/Cargo.toml
$ cargo migrate init -p cart
2| warning: cart is a service with migrations already; nothing was changed
$ cargo migrate new create_carts
1|      Created services/cart/migrations/[STAMP]_create_carts/up.sql
1|      Created services/cart/migrations/[STAMP]_create_carts/down.sql

"#]]
    );
    let manifest = read(&workspace, "services/cart/Cargo.toml");
    assert_data_eq!(
        manifest,
        str![[r##"
# The cart.
[package]
name    = "cart"      # aligned by hand
version = "0.1.0"
edition = "2024"

# The database's URL is in CART_DATABASE_URL, or else in DATABASE_URL;
# `database-url-env` names another variable, `default-url` a URL.
[package.metadata.migrate]

[dependencies]
migrate-runtime = "0.1.0"
# none yet

[lints.rust]
unsafe_code = "forbid"

"##]]
    );
    workspace
        .run(&["status"])
        .exits(1)
        .says(&["CART_DATABASE_URL"]);
}

#[test]
fn a_new_migration_can_be_run_and_reverted_as_it_is_written() {
    let workspace = member();
    workspace.run(&["init", "-p", "cart"]).ok();
    for args in [
        &["new", "create_carts", "-p", "cart"][..],
        &["new", "fill carts", "-p", "cart", "--no-transaction"],
        &["new", "-m", "Drop Carts", "-p", "cart"],
    ] {
        let _ = workspace.run(args).ok();
    }
    let head = read(&workspace, "services/cart/migrations/HEAD");
    assert!(
        head.trim_end().ends_with("_drop_carts") && head.lines().count() == 1,
        "{head}"
    );
    let url = ["--database-url", "sqlite:cart.db"];
    let run = workspace
        .run(&[&["run"], &url[..]].concat())
        .ok()
        .says(&["3 applied"]);
    let order = ["_create_carts", "_fill_carts", "_drop_carts"]
        .map(|name| run.stderr.find(name).expect(name));
    assert!(order.is_sorted(), "{}", run.stderr);
    let _ = workspace
        .run(&[&["status", "--exit-code"], &url[..]].concat())
        .ok();
}

#[test]
fn a_set_keeps_its_numbers_and_can_be_made_to_have_them() {
    let workspace = member();
    workspace.write(
        "services/cart/migrations/00000000000000_diesel_initial_setup/up.sql",
        "SELECT 1;",
    );
    workspace
        .run(&["new", "x", "-p", "cart"])
        .ok()
        .prints(&["migrations/20", "_x/up.sql"]);

    let numbered = member();
    std::fs::create_dir_all(numbered.path("services/cart/migrations")).expect("a directory");
    let mut session = Session::new(&numbered);
    session.run(&["new", "first", "-p", "cart", "--sequential"]);
    session.run(&["new", "second", "-p", "cart"]);
    numbered.write("services/cart/migrations/0099_late/up.sql", "SELECT 1;");
    session.run(&["new", "third", "-p", "cart"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate new first -p cart --sequential
1|      Created services/cart/migrations/001_first/up.sql
1|      Created services/cart/migrations/001_first/down.sql
$ cargo migrate new second -p cart
1|      Created services/cart/migrations/002_second/up.sql
1|      Created services/cart/migrations/002_second/down.sql
$ cargo migrate new third -p cart
1|      Created services/cart/migrations/0100_third/up.sql
1|      Created services/cart/migrations/0100_third/down.sql

"#]]
    );
}
