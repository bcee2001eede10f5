//! Databases that cannot be reached or written: who, why, where the URL came
//! from and what to do, and never a password.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use snapbox::{assert_data_eq, str};
use tests::env::PostgresDatabase;
use tests::workspace::{CANARY, Workspace};

use crate::postgres::OnPostgres;
use crate::session::Session;
use crate::tree::Tree;

const UP: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY);\n";

fn with_migration(made: OnPostgres) -> OnPostgres {
    made.workspace
        .migration("cart", "2026-01-01-000000_first", UP, "DROP TABLE items;\n");
    made
}

/// A port on which nobody listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let workspace = Workspace::new();
    let port = closed_port().to_string();
    workspace.service("cart", "");
    workspace.write(
        "services/cart/.env",
        format!("CART_DATABASE_URL=postgres://shop:{CANARY}@127.0.0.1:{port}/cart\n"),
    );
    workspace.migration("cart", "2026-01-01-000000_first", UP, "");
    let before = Tree::of(workspace.root());
    let mut session = Session::new(&workspace);
    session.hide(port, "[PORT]");
    session
        .run(&["run"])
        .run(&["status"])
        .run(&["wait", "--timeout", "0"])
        .run(&["create"])
        .run(&["drop", "-y"]);
    before.is_still(workspace.root());
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: cannot connect to postgresql://shop:***@127.0.0.1:[PORT]/cart: connection to server at "127.0.0.1", port [PORT] failed: Connection refused; Is the server running on that host and accepting TCP/IP connections?
2|  |
2|  = note: the URL comes from CART_DATABASE_URL in [ROOT]/services/cart/.env
2|  = help: start the server and wait for it with `cargo migrate wait -p cart`, or correct the URL
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate status  # exits 1
2| error: cart: cannot connect to postgresql://shop:***@127.0.0.1:[PORT]/cart: connection to server at "127.0.0.1", port [PORT] failed: Connection refused; Is the server running on that host and accepting TCP/IP connections?
2|  |
2|  = note: the URL comes from CART_DATABASE_URL in [ROOT]/services/cart/.env
2|  = help: start the server and wait for it with `cargo migrate wait -p cart`, or correct the URL
$ cargo migrate wait --timeout 0  # exits 1
2| error: cart: cannot connect to postgresql://shop:***@127.0.0.1:[PORT]/cart: connection to server at "127.0.0.1", port [PORT] failed: Connection refused; Is the server running on that host and accepting TCP/IP connections?
2|  |
2|  = note: the URL comes from CART_DATABASE_URL in [ROOT]/services/cart/.env
2|  = help: start the server and wait for it with `cargo migrate wait -p cart`, or correct the URL
$ cargo migrate create  # exits 1
2| error: cart: cannot connect to postgresql://shop:***@127.0.0.1:[PORT]/cart: connection to server at "127.0.0.1", port [PORT] failed: Connection refused; Is the server running on that host and accepting TCP/IP connections?
2|  |
2|  = note: the URL comes from CART_DATABASE_URL in [ROOT]/services/cart/.env
2|  = help: start the server and wait for it with `cargo migrate wait -p cart`, or correct the URL
$ cargo migrate drop -y  # exits 1
2| error: cart: cannot connect to postgresql://shop:***@127.0.0.1:[PORT]/cart: connection to server at "127.0.0.1", port [PORT] failed: Connection refused; Is the server running on that host and accepting TCP/IP connections?
2|  |
2|  = note: the URL comes from CART_DATABASE_URL in [ROOT]/services/cart/.env
2|  = help: start the server and wait for it with `cargo migrate wait -p cart`, or correct the URL

"#]]
    );
}

#[test]
fn waiting_ends_in_time_also_where_a_server_accepts_and_says_nothing() {
    // The system accepts for it.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    for scheme in ["mysql", "postgres"] {
        let workspace = Workspace::new();
        workspace.service(
            "cart",
            &format!("default-url = \"{scheme}://u@127.0.0.1:{port}/cart\""),
        );
        workspace.migration("cart", "2026-01-01-000000_first", UP, "");
        let began = Instant::now();
        workspace
            .run(&["wait", "--timeout", "1s"])
            .exits(1)
            .says(&["no answer within [TIME]", "help: "]);
        // The clients alone would wait for ten.
        assert!(began.elapsed() < Duration::from_secs(6), "{scheme}");
    }
}

#[test]
fn a_wrong_password_is_not_repeated() {
    let made = with_migration(OnPostgres::owned());
    let wrong = format!("{CANARY}-but-wrong");
    made.point_at(&made.database.url_as(&made.role, &wrong));
    let before = made.dump();
    let mut session = made.session();
    session
        .run(&["run"])
        .run(&["status", "-v"])
        .run(&["wait", "--timeout", "0"]);
    assert_eq!(made.dump(), before);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: cannot connect to postgresql://[ROLE]:***@[SERVER]/[DATABASE]: connection to server at [SERVER] failed: FATAL:  password authentication failed for user "[ROLE]"
2|  |
2|  = note: the URL comes from CART_DATABASE_URL in [ROOT]/services/cart/.env
2|  = help: see to the file, role or password that the URL names
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate status -v  # exits 1
2| error: cart: cannot connect to postgresql://[ROLE]:***@[SERVER]/[DATABASE]: connection to server at [SERVER] failed: FATAL:  password authentication failed for user "[ROLE]"
2|  |
2|  = note: the URL comes from CART_DATABASE_URL in [ROOT]/services/cart/.env
2|  = help: see to the file, role or password that the URL names
$ cargo migrate wait --timeout 0  # exits 1
2| error: cart: cannot connect to postgresql://[ROLE]:***@[SERVER]/[DATABASE]: connection to server at [SERVER] failed: FATAL:  password authentication failed for user "[ROLE]"
2|  |
2|  = note: the URL comes from CART_DATABASE_URL in [ROOT]/services/cart/.env
2|  = help: see to the file, role or password that the URL names

"#]]
    );
}

#[test]
fn a_missing_database_is_created_where_that_is_asked() {
    let made = with_migration(OnPostgres::owned());
    let other = PostgresDatabase::reserve();
    made.execute(&format!("ALTER ROLE {} CREATEDB", made.role));
    made.point_at(&other.url_as(&made.role, CANARY));
    let mut session = made.session();
    session.hide(other.name(), "[OTHER]");
    session.run(&["run"]).run(&["status"]);
    session
        .run(&["run", "--create-database"])
        .run(&["run", "--create-database"])
        .run(&["current"]);
    session
        .run(&["drop"])
        .run(&["drop", "-y"])
        .run(&["drop", "-y"])
        .run(&["create"])
        .run(&["create"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: cannot connect to postgresql://[ROLE]:***@[SERVER]/[OTHER]: connection to server at [SERVER] failed: FATAL:  database "[OTHER]" does not exist
2|  |
2|  = note: the URL comes from CART_DATABASE_URL in [ROOT]/services/cart/.env
2|  = help: create it with `cargo migrate create -p cart`, or run with `cargo migrate run -p cart --create-database`
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate status  # exits 1
2| error: cart: cannot connect to postgresql://[ROLE]:***@[SERVER]/[OTHER]: connection to server at [SERVER] failed: FATAL:  database "[OTHER]" does not exist
2|  |
2|  = note: the URL comes from CART_DATABASE_URL in [ROOT]/services/cart/.env
2|  = help: create it with `cargo migrate create -p cart`, or run with `cargo migrate run -p cart --create-database`
$ cargo migrate run --create-database
2|      Created cart database postgresql://[ROLE]:***@[SERVER]/[OTHER]
2|      Applied cart 2026-01-01-000000_first in [TIME]
2|     Finished 1 target: 1 applied in [TIME]
$ cargo migrate run --create-database
2|     Finished 1 target: nothing to do in [TIME]
$ cargo migrate current
1| cart 2026-01-01-000000_first
$ cargo migrate drop  # exits 2
2| error: nobody is there to be asked: drop the database of cart (postgresql://[ROLE]:***@[SERVER]/[OTHER]), with everything in it?
2|  |
2|  = note: nothing was changed
2|  = help: say yes with `--yes`
$ cargo migrate drop -y
2|      Dropped cart database postgresql://[ROLE]:***@[SERVER]/[OTHER]
$ cargo migrate drop -y
2|      Missing cart database postgresql://[ROLE]:***@[SERVER]/[OTHER] (nothing to drop)
$ cargo migrate create
2|      Created cart database postgresql://[ROLE]:***@[SERVER]/[OTHER]
$ cargo migrate create
2|        Found cart database postgresql://[ROLE]:***@[SERVER]/[OTHER] (it was there)

"#]]
    );
}

#[test]
fn a_role_that_may_not_create_databases_is_told_so() {
    let made = with_migration(OnPostgres::owned());
    let other = PostgresDatabase::reserve();
    made.point_at(&other.url_as(&made.role, CANARY));
    let mut session = made.session();
    session.hide(other.name(), "[OTHER]");
    session.run(&["run", "--create-database"]).run(&["create"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run --create-database  # exits 1
2| error: cart: cannot create database [OTHER]: permission denied to create database
2|  |
2|  = help: the role in the URL may not create it: let one that may, for example with --database-url
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate create  # exits 1
2| error: cart: cannot create database [OTHER]: permission denied to create database
2|  |
2|  = help: the role in the URL may not create it: let one that may, for example with --database-url

"#]]
    );
}

#[test]
fn a_role_without_create_may_look_and_is_told_what_it_needs() {
    let made = with_migration(OnPostgres::of_another());
    let before = made.dump();
    let mut session = made.session();
    session
        .run(&["status"])
        .run(&["plan"])
        .run(&["run"])
        .run(&["create"]);
    assert_eq!(made.dump(), before);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate status
1| cart postgresql://[ROLE]:***@[SERVER]/[DATABASE]
1|   [ ] 2026-01-01-000000_first                          pending
$ cargo migrate plan
1| -- cart: 2026-01-01-000000_first/up.sql (1/1)
1| CREATE TABLE items (id INTEGER PRIMARY KEY);
$ cargo migrate run  # exits 1
2| error: cart: cannot prepare the migration tables: permission denied for schema public
2|  |
2|  = note: nothing of the migration remains
2|  = help: the role needs USAGE and CREATE on the schema (for our tables), and SELECT, INSERT, UPDATE and DELETE on them
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate create  # exits 1
2| error: cart: cannot prepare the migration tables: permission denied for schema public
2|  |
2|  = note: nothing of the migration remains
2|  = help: the role needs USAGE and CREATE on the schema (for our tables), and SELECT, INSERT, UPDATE and DELETE on them

"#]]
    );
}

#[test]
fn a_role_with_select_alone_sees_the_status() {
    let made = with_migration(OnPostgres::of_another());
    let mut command = made.workspace.command(&["run"]);
    command.env("CART_DATABASE_URL", made.database.url());
    let _ = made.workspace.finish(command).ok();
    made.execute(&format!(
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}",
        made.role
    ));
    made.workspace
        .migration("cart", "2026-01-02-000000_second", "SELECT 1;\n", "");
    let before = made.dump();
    let mut session = made.session();
    session
        .run(&["status"])
        .run(&["current"])
        .run(&["history"])
        .run(&["run"])
        .run(&["revert"]);
    assert_eq!(made.dump(), before);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate status
1| cart postgresql://[ROLE]:***@[SERVER]/[DATABASE]
1|   [X] 2026-01-01-000000_first                          applied  [TIME]
1|   [ ] 2026-01-02-000000_second                         pending
$ cargo migrate current
1| cart 2026-01-01-000000_first
$ cargo migrate history
1| cart postgresql://[ROLE]:***@[SERVER]/[DATABASE]
1|   [TIME] done up 2026-01-01-000000_first [TIME] [WHO]
$ cargo migrate run  # exits 1
2| error: cart: cannot record the migration: permission denied for table __diesel_schema_migrations
2|  |
2|  = note: nothing of the migration remains
2|  = help: the role needs USAGE and CREATE on the schema (for our tables), and SELECT, INSERT, UPDATE and DELETE on them
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate revert  # exits 1
2| error: cart: cannot record the migration: permission denied for table __diesel_schema_migrations
2|  |
2|  = note: nothing of the migration remains
2|  = help: the role needs USAGE and CREATE on the schema (for our tables), and SELECT, INSERT, UPDATE and DELETE on them
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_read_only_server_is_not_written() {
    let made = with_migration(OnPostgres::owned());
    made.execute(&format!(
        "ALTER ROLE {} SET default_transaction_read_only = on",
        made.role
    ));
    let before = made.dump();
    let mut session = made.session();
    session.run(&["run"]);
    assert_eq!(made.dump(), before);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: the server is read-only (a standby?); migrations run on the primary
2|  |
2|  = help: point the URL at the primary
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn no_password_is_kept_in_the_database_or_in_files() {
    let made = with_migration(OnPostgres::owned());
    made.workspace
        .migration("cart", "2026-01-02-000000_bad", "SELECT nothing;\n", "");
    made.workspace.run(&["run", "-v"]).exits(1);
    made.workspace.run(&["new", "more"]).exits(0);
    let json = made
        .workspace
        .run(&["status", "-vv", "--message-format", "json"])
        .ok();
    assert!(!json.stdout.contains(CANARY));
    assert!(!made.dump().contains(CANARY));
    let tree = Tree::of(made.workspace.root());
    assert_eq!(
        tree.holding(CANARY),
        [std::path::Path::new("services/cart/.env")]
    );
}

#[test]
fn session_setup_that_fails_is_named_by_its_number() {
    let workspace = Workspace::new();
    workspace.service("cart", "default-url = \"sqlite:cart.db\"\nsession-setup = [\"PRAGMA cache_size = 100\", \"NONSENSE\"]");
    workspace.migration("cart", "2026-01-01-000000_first", UP, "");
    let mut session = Session::new(&workspace);
    session.run(&["run"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: session-setup statement 2 failed: near "NONSENSE": syntax error
2|  |
2|  = note: the URL comes from default-url
2|  = help: correct `session-setup` in [package.metadata.migrate]
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    workspace.migration("cart", "2026-01-01-000000_first", UP, "");
    workspace.write(
        "cart.db",
        "This is a letter to my aunt, and it is long enough for a header of a database, I think.\n"
            .repeat(8),
    );
    let before = Tree::of(workspace.root());
    let mut session = Session::new(&workspace);
    session.run(&["run"]).run(&["status"]);
    before.is_still(workspace.root());
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: cannot read the migration history: file is not a database
2|  |
2|  = help: the URL names a file that is no SQLite database; nothing was written to it
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate status  # exits 1
2| error: cart: cannot read the migration history: file is not a database
2|  |
2|  = help: the URL names a file that is no SQLite database; nothing was written to it

"#]]
    );
}
