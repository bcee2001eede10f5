//! The everyday command lines, each with all that it says.

use snapbox::{assert_data_eq, str};
use tests::workspace::Workspace;

use crate::habits::cart;
use crate::session::Session;

#[test]
fn a_numbered_set_stays_numbered() {
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    workspace.migration(
        "cart",
        "001_initial",
        "CREATE TABLE a (id INTEGER);",
        "DROP TABLE a;",
    );
    workspace.migration(
        "cart",
        "002_more",
        "CREATE TABLE b (id INTEGER);",
        "DROP TABLE b;",
    );
    let mut session = Session::new(&workspace);
    session.run(&["run", "001"]);
    session.run(&["new", "even more", "-p", "cart"]);
    session.run(&["run"]);
    session.run(&["status"]);
    session.run(&["revert", "--to", "001"]);
    session.run(&["current"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run 001
2|      Applied cart 001_initial in [TIME]
2|     Finished 1 target: 1 applied in [TIME]
$ cargo migrate new "even more" -p cart
1|      Created services/cart/migrations/003_even_more/up.sql
1|      Created services/cart/migrations/003_even_more/down.sql
$ cargo migrate run
2|      Applied cart 002_more in [TIME]
2|      Applied cart 003_even_more in [TIME]
2|     Finished 1 target: 2 applied in [TIME]
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [X] 001_initial                                      applied  [TIME]
1|   [X] 002_more                                         applied  [TIME]
1|   [X] 003_even_more                                    applied  [TIME]
$ cargo migrate revert --to 001
2|     Reverted cart 003_even_more in [TIME]
2|     Reverted cart 002_more in [TIME]
2|     Finished 1 target: 2 reverted in [TIME]
$ cargo migrate current
1| cart 001_initial

"#]]
    );
}

#[test]
fn one_named_migration_goes_up_and_down_alone() {
    let workspace = cart();
    let mut session = Session::new(&workspace);
    session.run(&["run", "--only", "20260215"]);
    session.run(&["status"]);
    session.run(&["run", "--only", "20260215"]);
    session.run(&["run"]);
    session.run(&["revert", "--only", "20260215"]);
    session.run(&["revert", "--only", "20260215"]);
    session.run(&["run"]);
    session.run(&["revert", "--only", "2026-02-15-120000_create_items"]);
    session.run(&["status"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run --only 20260215
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|     Finished 1 target: 1 applied in [TIME]
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [!] 2026-01-15-120000_create_carts                   out-of-order
1|   [X] 2026-02-15-120000_create_items                   applied  [TIME]
1|   [ ] 2026-03-15-120000_create_coupons                 pending
$ cargo migrate run --only 20260215
2|     Finished 1 target: nothing to do in [TIME]
$ cargo migrate run  # exits 4
2| error: cart: migration 2026-01-15-120000_create_carts is pending, but sorts before 20260215120000, which is applied
2| --> services/cart/migrations/2026-01-15-120000_create_carts/up.sql
2|  = note: nothing was run
2|  = help: rename the directory to a newer version if no other database has it, or allow it with `out-of-order = "allow"` (or "warn") in [package.metadata.migrate]
2|     Finished 1 target: no migration completed in [TIME] (exit 4)
$ cargo migrate revert --only 20260215
2|     Reverted cart 2026-02-15-120000_create_items in [TIME]
2|     Finished 1 target: 1 reverted in [TIME]
$ cargo migrate revert --only 20260215  # exits 1
2| error: cart: migration 20260215120000 is not applied
2|  |
2|  = help: `cargo migrate status -p cart` lists what is
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate run
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|      Applied cart 2026-03-15-120000_create_coupons in [TIME]
2|     Finished 1 target: 3 applied in [TIME]
$ cargo migrate revert --only 2026-02-15-120000_create_items
2|     Reverted cart 2026-02-15-120000_create_items in [TIME]
2|     Finished 1 target: 1 reverted in [TIME]
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-15-120000_create_carts                   applied  [TIME]
1|   [!] 2026-02-15-120000_create_items                   out-of-order
1|   [X] 2026-03-15-120000_create_coupons                 applied  [TIME]

"#]]
    );
}

#[test]
fn everything_down_is_revert_to_zero() {
    let workspace = cart();
    workspace.sqlite_service("users");
    workspace.migration(
        "users",
        "2026-01-01-000000_u",
        "CREATE TABLE u (id INTEGER);",
        "DROP TABLE u;",
    );
    let mut session = Session::new(&workspace);
    session.run(&["run", "--all", "--jobs", "1"]);
    session.run(&["revert", "--all"]);
    session.run(&["revert", "--all", "--to", "zero", "--jobs", "1"]);
    session.run(&["revert", "--all", "--to", "zero"]);
    session.run(&["status"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run --all --jobs 1
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|      Applied cart 2026-03-15-120000_create_coupons in [TIME]
2|      Applied users 2026-01-01-000000_u in [TIME]
2|     Finished 2 targets: 4 applied in [TIME]
$ cargo migrate revert --all  # exits 2
2| error: `revert --all` selects all services, but does not say how far to revert
2|  |
2|  = help: revert every migration of every service with `revert --all --to zero`, the newest one of each with `revert --all -n 1`; every migration of one service with `revert -p <service> --to zero`
$ cargo migrate revert --all --to zero --jobs 1
2|     Reverted cart 2026-03-15-120000_create_coupons in [TIME]
2|     Reverted cart 2026-02-15-120000_create_items in [TIME]
2|     Reverted cart 2026-01-15-120000_create_carts in [TIME]
2|     Reverted users 2026-01-01-000000_u in [TIME]
2|     Finished 2 targets: 4 reverted in [TIME]
$ cargo migrate revert --all --to zero
2|     Finished 2 targets: nothing to do in [TIME]
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [ ] 2026-01-15-120000_create_carts                   pending
1|   [ ] 2026-02-15-120000_create_items                   pending
1|   [ ] 2026-03-15-120000_create_coupons                 pending
1| users sqlite:[ROOT]/users.db
1|   [ ] 2026-01-01-000000_u                              pending

"#]]
    );
}

#[test]
fn redo_reverts_and_applies_the_same_ones() {
    let workspace = cart();
    let mut session = Session::new(&workspace);
    session.run(&["redo"]);
    session.run(&["run", "--count", "2"]);
    session.run(&["redo"]);
    session.run(&["redo", "-n", "2"]);
    session.run(&["redo", "--to", "zero"]);
    session.run(&["redo", "--all"]);
    session.run(&["status"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate redo
2|     Finished 1 target: nothing to do in [TIME]
$ cargo migrate run --count 2
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|     Finished 1 target: 2 applied in [TIME]
$ cargo migrate redo
2|     Reverted cart 2026-02-15-120000_create_items in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|     Finished 1 target: 1 applied, 1 reverted in [TIME]
$ cargo migrate redo -n 2
2|     Reverted cart 2026-02-15-120000_create_items in [TIME]
2|     Reverted cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|     Finished 1 target: 2 applied, 2 reverted in [TIME]
$ cargo migrate redo --to zero
2|     Reverted cart 2026-02-15-120000_create_items in [TIME]
2|     Reverted cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|     Finished 1 target: 2 applied, 2 reverted in [TIME]
$ cargo migrate redo --all  # exits 2
2| error: `redo --all` selects all services, but does not say how far to redo
2|  |
2|  = help: redo every migration of every service with `redo --all --to zero`, the newest one of each with `redo --all -n 1`
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-15-120000_create_carts                   applied  [TIME]
1|   [X] 2026-02-15-120000_create_items                   applied  [TIME]
1|   [ ] 2026-03-15-120000_create_coupons                 pending

"#]]
    );
}

#[test]
fn create_drop_and_reset_handle_the_database_itself() {
    let workspace = cart();
    let mut session = Session::new(&workspace);
    session.run(&["create"]);
    session.run(&["create"]);
    session.run(&["run"]);
    session.run(&["drop"]);
    session.run(&["reset"]);
    session.run(&["reset", "-y"]);
    session.run(&["drop", "-y"]);
    session.run(&["drop", "-y"]);
    session.run(&["status"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate create
2|      Created cart database sqlite:[ROOT]/cart.db
$ cargo migrate create
2|        Found cart database sqlite:[ROOT]/cart.db (it was there)
$ cargo migrate run
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|      Applied cart 2026-03-15-120000_create_coupons in [TIME]
2|     Finished 1 target: 3 applied in [TIME]
$ cargo migrate drop  # exits 2
2| error: nobody is there to be asked: drop the database of cart (sqlite:[ROOT]/cart.db), with everything in it?
2|  |
2|  = note: nothing was changed
2|  = help: say yes with `--yes`
$ cargo migrate reset  # exits 2
2| error: nobody is there to be asked: drop the database of cart (sqlite:[ROOT]/cart.db), with everything in it?
2|  |
2|  = note: nothing was changed
2|  = help: say yes with `--yes`
$ cargo migrate reset -y
2|      Dropped cart database sqlite:[ROOT]/cart.db
2|      Created cart database sqlite:[ROOT]/cart.db
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|      Applied cart 2026-03-15-120000_create_coupons in [TIME]
2|     Finished 1 target: 3 applied in [TIME]
$ cargo migrate drop -y
2|      Dropped cart database sqlite:[ROOT]/cart.db
$ cargo migrate drop -y
2|      Missing cart database sqlite:[ROOT]/cart.db (nothing to drop)
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [ ] 2026-01-15-120000_create_carts                   pending
1|   [ ] 2026-02-15-120000_create_items                   pending
1|   [ ] 2026-03-15-120000_create_coupons                 pending

"#]]
    );
}

#[test]
fn plan_and_dry_run_show_the_sql_and_run_nothing() {
    let workspace = cart();
    let mut session = Session::new(&workspace);
    session.run(&["plan", "--to", "20260215"]);
    assert!(
        !workspace.path("cart.db").exists(),
        "a plan made a database"
    );
    session.run(&["run", "--count", "1"]);
    session.run(&["run", "--dry-run"]);
    session.run(&["revert", "--dry-run"]);
    session.run(&["run"]);
    session.run(&["plan"]);
    session.run(&["status"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate plan --to 20260215
1| -- cart: 2026-01-15-120000_create_carts/up.sql (1/2)
1| CREATE TABLE carts (id INTEGER PRIMARY KEY);
1|
1| -- cart: 2026-02-15-120000_create_items/up.sql (2/2)
1| CREATE TABLE items (id INTEGER PRIMARY KEY);
$ cargo migrate run --count 1
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|     Finished 1 target: 1 applied in [TIME]
$ cargo migrate run --dry-run
1| -- cart: 2026-02-15-120000_create_items/up.sql (1/2)
1| CREATE TABLE items (id INTEGER PRIMARY KEY);
1|
1| -- cart: 2026-03-15-120000_create_coupons/up.sql (2/2)
1| CREATE TABLE coupons (id INTEGER PRIMARY KEY);
$ cargo migrate revert --dry-run
1| -- cart: 2026-01-15-120000_create_carts/down.sql (1/1)
1| DROP TABLE carts;
$ cargo migrate run
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|      Applied cart 2026-03-15-120000_create_coupons in [TIME]
2|     Finished 1 target: 2 applied in [TIME]
$ cargo migrate plan
2|         Note cart: nothing to do
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-15-120000_create_carts                   applied  [TIME]
1|   [X] 2026-02-15-120000_create_items                   applied  [TIME]
1|   [X] 2026-03-15-120000_create_coupons                 applied  [TIME]

"#]]
    );
}

#[test]
fn show_shows_one_migration() {
    let workspace = cart();
    let mut session = Session::new(&workspace);
    session.run(&["show", "20260215"]);
    session.run(&["run", "--count", "2"]);
    session.run(&["show", "20260215"]);
    session.run(&["show", "latest"]);
    session.run(&["show", "2027"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate show 20260215
1| cart sqlite:[ROOT]/cart.db
1|   [ ] 2026-02-15-120000_create_items                   pending
1| -- up.sql
1| CREATE TABLE items (id INTEGER PRIMARY KEY);
1| -- down.sql
1| DROP TABLE items;
$ cargo migrate run --count 2
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|     Finished 1 target: 2 applied in [TIME]
$ cargo migrate show 20260215
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-02-15-120000_create_items                   applied  [TIME]
1| -- up.sql
1| CREATE TABLE items (id INTEGER PRIMARY KEY);
1| -- down.sql
1| DROP TABLE items;
$ cargo migrate show latest
1| cart sqlite:[ROOT]/cart.db
1|   [ ] 2026-03-15-120000_create_coupons                 pending
1| -- up.sql
1| CREATE TABLE coupons (id INTEGER PRIMARY KEY);
1| -- down.sql
1| DROP TABLE coupons;
$ cargo migrate show 2027  # exits 2
2| error: cart: no migration `2027`
2|  |
2|  = help: `cargo migrate status` lists them; the newest is 2026-03-15-120000_create_coupons

"#]]
    );
}

#[test]
fn wait_says_who_answers() {
    let workspace = cart();
    let mut session = Session::new(&workspace);
    session.run(&["wait"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate wait
2|    Reachable cart sqlite:[ROOT]/cart.db

"#]]
    );
    assert!(
        !workspace.path("cart.db").exists(),
        "waiting made a database"
    );
}

#[test]
fn completions_are_a_script_for_the_shell() {
    let workspace = Workspace::new();
    let mut command = workspace.command(&["completions", "bash"]);
    command.current_dir("/");
    let script = workspace.finish(command).ok().prints(&[
        "_cargo__subcmd__migrate()",
        "showmigrations",
        "--single-transaction",
    ]);
    assert_eq!(script.stderr, "");
    workspace
        .run(&["completions", "zsh"])
        .ok()
        .prints(&["#compdef cargo-migrate"]);
    workspace
        .run(&["completions", "fish"])
        .ok()
        .prints(&["complete -c cargo-migrate"]);
    workspace
        .run(&["completions", "tcsh"])
        .exits(2)
        .says(&["possible values", "bash"]);
}
