//! `drop` and `reset`: a database goes only with everybody whose it is, only if
//! it is one, only if nobody is at work on it, and only for sets that can be
//! run.

use diesel::connection::SimpleConnection;
use tests::workspace::Workspace;

use crate::postgres::OnPostgres;
use crate::tree::{Tree, applied, execute, values};

/// Two services in one SQLite file.
fn sharing() -> Workspace {
    let workspace = Workspace::new();
    for name in ["cart", "users"] {
        workspace.service(
            name,
            &format!("default-url = \"sqlite:shop.db\"\nhistory-table = \"{name}_history\""),
        );
        workspace.migration(
            name,
            "2026-01-01-000000_first",
            &format!("CREATE TABLE {name} (id INTEGER);\n"),
            &format!("DROP TABLE {name};\n"),
        );
    }
    workspace.run(&["run", "--all"]).ok();
    workspace
}

const TABLES: &str = "SELECT name AS value FROM sqlite_master WHERE name IN ('cart', 'users', 'precious') ORDER BY name";

#[test]
fn a_database_of_several_services_goes_only_with_all_of_them() {
    let workspace = sharing();
    let before = Tree::of(workspace.root());
    for args in [["reset", "-y", "-p", "cart"], ["drop", "-y", "-p", "cart"]] {
        let refused = workspace.run(&args).exits(2);
        let _ = refused.says(&[
            "the database of cart is users's, too, which is not selected",
            "nothing was changed",
            "`cargo migrate revert -p cart --to zero` and `cargo migrate run -p cart`",
        ]);
        before.is_still(workspace.root());
    }
    // By a link, too.
    std::os::unix::fs::symlink("shop.db", workspace.path("link.db")).expect("a link");
    let args = [
        "drop",
        "-y",
        "-p",
        "cart",
        "--database-url",
        "sqlite:link.db",
    ];
    let _ = workspace.run(&args).exits(2).says(&["is users's, too"]);
    assert_eq!(values(&workspace, "shop.db", TABLES), ["cart", "users"]);
}

#[test]
fn reset_of_all_drops_a_shared_database_once_and_fills_it_for_each() {
    let workspace = sharing();
    execute(&workspace, "shop.db", "CREATE TABLE precious (id INTEGER)");
    let run = workspace.run(&["reset", "-y", "--all"]).ok();
    assert_eq!(run.stderr.matches("Dropped").count(), 1, "{}", run.stderr);
    assert_eq!(run.stderr.matches("Created").count(), 1, "{}", run.stderr);
    assert_eq!(run.stderr.matches("Applied").count(), 2, "{}", run.stderr);
    assert_eq!(values(&workspace, "shop.db", TABLES), ["cart", "users"]);
    workspace.run(&["status", "--exit-code", "--all"]).ok();
    let run = workspace.run(&["drop", "-y", "--all"]).ok();
    assert_eq!(run.stderr.matches("Dropped").count(), 1, "{}", run.stderr);
    assert!(!workspace.path("shop.db").exists());
}

#[test]
fn on_postgresql_a_database_of_several_schemas_goes_only_with_all_of_them() {
    let made = OnPostgres::owned();
    made.execute(&format!(
        "CREATE SCHEMA cart; CREATE SCHEMA users; ALTER ROLE {} CREATEDB; GRANT ALL ON SCHEMA cart, users TO {0}",
        made.role
    ));
    let url = std::fs::read_to_string(made.workspace.path("services/cart/.env")).expect("a file");
    for name in ["cart", "users"] {
        made.workspace.service(
            name,
            &format!("schema = \"{name}\"\ndatabase-url-env = \"CART_DATABASE_URL\""),
        );
        made.workspace.write(&format!("services/{name}/.env"), &url);
        made.workspace.migration(
            name,
            "2026-01-01-000000_first",
            "CREATE SCHEMA IF NOT EXISTS extra;\nCREATE TABLE items (id INTEGER);\n",
            "DROP TABLE items;\n",
        );
    }
    made.workspace.run(&["run", "--all", "-j", "1"]).ok();
    let before = made.dump();
    for command in ["reset", "drop"] {
        let _ = made
            .workspace
            .run(&[command, "-y", "-p", "users"])
            .exits(2)
            .says(&["the database of users is cart's, too, which is not selected"]);
        assert_eq!(made.dump(), before);
    }
    let run = made.workspace.run(&["drop", "-y", "--all"]).ok();
    assert_eq!(run.stderr.matches("Dropped").count(), 1, "{}", run.stderr);
}

#[test]
fn a_database_on_which_a_runner_works_is_not_dropped() {
    let made = OnPostgres::owned();
    made.workspace.service("cart", "");
    made.workspace.migration(
        "cart",
        "2026-01-01-000000_first",
        "CREATE TABLE items (id INTEGER);\n",
        "",
    );
    made.workspace.run(&["run"]).ok();
    // Somebody holds a table that the next migration wants.
    let mut other = made.database.connect();
    other
        .batch_execute("BEGIN; LOCK TABLE items")
        .expect("locked");
    made.workspace.migration(
        "cart",
        "2026-01-02-000000_more",
        "CREATE TABLE more (id INTEGER);\nSELECT pg_advisory_xact_lock(77);\n",
        "",
    );
    other
        .batch_execute("SELECT pg_advisory_xact_lock(77)")
        .expect("locked");
    let child = made.workspace.start(&["run"]);
    tests::workspace::eventually("the runner waits at the gate", || {
        let count = "SELECT 1 / count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()";
        made.database.connect().batch_execute(count).is_ok()
    });
    for command in ["drop", "reset"] {
        let _ = made.workspace.run(&[command, "-y"]).exits(6).says(&[
            "another runner is at work on the database: cargo-migrate cart",
            "nothing was changed",
        ]);
    }
    other.batch_execute("COMMIT").expect("released");
    let output = child.wait_with_output().expect("it ends");
    made.workspace.result(&output).ok();
}

#[test]
fn a_file_that_is_no_database_is_not_dropped() {
    let workspace = Workspace::new();
    workspace.service("cart", "default-url = \"sqlite:notes.txt\"");
    workspace.migration("cart", "2026-01-01-000000_first", "SELECT 1;", "");
    workspace.write("notes.txt", "not for the bin\n");
    let before = Tree::of(workspace.root());
    for command in ["drop", "reset"] {
        let _ = workspace.run(&[command, "-y"]).exits(1).says(&[
            "cart: [ROOT]/notes.txt is no SQLite database",
            "correct the URL",
        ]);
        before.is_still(workspace.root());
    }
    // A directory is none either; an empty file is.
    std::fs::remove_file(workspace.path("notes.txt")).expect("removed");
    std::fs::create_dir(workspace.path("notes.txt")).expect("made");
    workspace.run(&["drop", "-y"]).exits(1);
    assert!(workspace.path("notes.txt").is_dir());
    std::fs::remove_dir(workspace.path("notes.txt")).expect("removed");
    workspace.write("notes.txt", "");
    workspace.run(&["drop", "-y"]).ok();
    assert!(!workspace.path("notes.txt").exists());
}

#[test]
fn by_a_link_the_database_itself_is_dropped() {
    let workspace = Workspace::new();
    workspace.service("cart", "default-url = \"sqlite:link.db\"");
    workspace.migration(
        "cart",
        "2026-01-01-000000_first",
        "CREATE TABLE cart (id INTEGER);",
        "",
    );
    workspace.write("data/real.db", "");
    std::os::unix::fs::symlink("data/real.db", workspace.path("link.db")).expect("a link");
    workspace.run(&["run"]).ok();
    workspace.run(&["drop", "-y"]).ok();
    assert!(!workspace.path("data/real.db").exists());
}

#[test]
fn a_set_that_would_be_refused_costs_no_database() {
    let workspace = sharing();
    workspace.migration("users", "2026-01-02-000000_bad", "SELECT 1;\nCOMMIT;\n", "");
    let before = Tree::of(workspace.root());
    let refused = workspace.run(&["reset", "-y", "--all"]).exits(1);
    let _ = refused.says(&[
        "users: migration 2026-01-02-000000_bad cannot be run",
        "no database was dropped",
    ]);
    before.is_still(workspace.root());
    assert_eq!(values(&workspace, "shop.db", TABLES), ["cart", "users"]);
}

#[test]
fn a_database_that_is_not_ones_own_is_not_dropped_and_help_says_who_may() {
    let made = OnPostgres::of_another();
    made.workspace
        .migration("cart", "2026-01-01-000000_first", "SELECT 1;", "");
    let _ = made.workspace.run(&["drop", "-y"]).exits(1).says(&[
        "cannot drop database",
        "the role in the URL may not drop it",
    ]);
}

#[test]
fn a_reset_leaves_what_other_files_hold() {
    let workspace = sharing();
    workspace.sqlite_service("orders");
    workspace.migration("orders", "1_a", "CREATE TABLE a (id INTEGER);", "");
    workspace.run(&["run", "-p", "orders"]).ok();
    workspace.run(&["reset", "-y", "-p", "orders"]).ok();
    assert_eq!(applied(&workspace, "orders.db"), ["1"]);
    assert_eq!(values(&workspace, "shop.db", TABLES), ["cart", "users"]);
}

#[test]
fn a_database_of_the_servers_own_is_refused_before_the_question() {
    // Nobody listens there: nothing of the sort is ever tried on a server.
    for url in [
        "mysql://root@127.0.0.1:1/mysql",
        "mysql://root@127.0.0.1:1/information_schema",
        "postgres://postgres@127.0.0.1:1/template1",
    ] {
        let workspace = Workspace::new();
        workspace.service("cart", &format!("default-url = \"{url}\""));
        workspace.migration("cart", "2026-01-01-000000_first", "SELECT 1;", "");
        for args in [&["drop"][..], &["drop", "-y"], &["reset"], &["reset", "-y"]] {
            let _ = workspace.run(args).exits(2).says(&[
                "is the server's own",
                "the service's own database; nothing was changed",
            ]);
        }
    }
}
