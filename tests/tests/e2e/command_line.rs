//! What is typed and makes no sense, or must not be done unasked: refused with
//! what to type instead, and nothing is changed.

use snapbox::{assert_data_eq, str};

use crate::errors::{cart, refused};
use crate::session::Session;
use crate::tree::Tree;

#[test]
fn a_version_that_is_none_or_several_is_refused() {
    let workspace = cart();
    let said = refused(
        &workspace,
        &[
            &["run", "2030"],
            &["run", "--to", "2026"],
            &["revert", "--to", "20260102000000"],
            &["revert", "--only", "c"],
            &["run", "--only", "head"],
            &["show", "2026-01"],
            &["revert", "+1"],
            &["revert", "--all"],
            &["revert", "-n", "0"],
        ],
    );
    assert_data_eq!(
        said,
        str![[r#"
$ cargo migrate run 2030  # exits 2
2| error: cart: no migration `2030`
2|  |
2|  = help: `cargo migrate status` lists them; the newest is 2026-01-02-000000_b
2|     Finished 1 target: no migration completed in [TIME] (exit 2)
$ cargo migrate run --to 2026  # exits 2
2| error: cart: `2026` is ambiguous: 2026-01-01-000000_a, 2026-01-02-000000_b
2|  |
2|  = help: type more of the version
2|     Finished 1 target: no migration completed in [TIME] (exit 2)
$ cargo migrate revert --to 20260102000000  # exits 1
2| error: cart: migration 20260102000000 is not applied
2|  |
2|  = help: `cargo migrate status -p cart` lists what is
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate revert --only c  # exits 2
2| error: cart: no migration `c`
2|  |
2|  = help: `cargo migrate status` lists them; the newest is 2026-01-02-000000_b
2|     Finished 1 target: no migration completed in [TIME] (exit 2)
$ cargo migrate run --only head  # exits 2
2| error: `--only head` names no migration
2|  |
2|  = help: name it by its version or its directory
$ cargo migrate show 2026-01  # exits 2
2| error: cart: `2026-01` is ambiguous: 2026-01-01-000000_a, 2026-01-02-000000_b
2|  |
2|  = help: type more of the version
$ cargo migrate revert +1  # exits 2
2| error: `revert` goes back, and +1 is ahead
2|  |
2|  = help: `run +1` applies the next 1
$ cargo migrate revert --all  # exits 2
2| error: `revert --all` selects all services, but does not say how far to revert
2|  |
2|  = help: revert every migration of every service with `revert --all --to zero`, the newest one of each with `revert --all -n 1`; every migration of one service with `revert -p <service> --to zero`
$ cargo migrate revert -n 0  # exits 2
2| error: invalid value '0' for '--steps <N>': at least 1 is needed
2|
2| For more information, try '--help'.

"#]]
    );
}

#[test]
fn new_does_not_leave_the_migrations_directory() {
    let workspace = cart();
    workspace.sqlite_service("users");
    let long = "x".repeat(300);
    let mut session = Session::new(&workspace);
    session.hide(long.as_str(), "[LONG]");
    let before = Tree::of(workspace.root());
    for args in [
        &["new", "../../x", "-p", "cart"][..],
        &["new", "/etc/x", "-p", "cart"],
        &["new", "a\\b", "-p", "cart"],
        &["new", "", "-p", "cart"],
        &["new", "!!!", "-p", "cart"],
        &["new", long.as_str(), "-p", "cart"],
        &["new", "x", "--irreversible", " ", "-p", "cart"],
        // At the root of a workspace it has to be said for whom.
        &["new", "x"],
        &["new"],
    ] {
        session.run(args);
        before.is_still(workspace.root());
    }
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate new ../../x -p cart  # exits 2
2| error: `../../x` is no name for a migration: it holds a path
2|  |
2|  = note: nothing was written
2|  = help: give a bare name, as `add_user_roles`; `-p` selects the service and `directory` in its Cargo.toml the place
$ cargo migrate new /etc/x -p cart  # exits 2
2| error: `/etc/x` is no name for a migration: it holds a path
2|  |
2|  = note: nothing was written
2|  = help: give a bare name, as `add_user_roles`; `-p` selects the service and `directory` in its Cargo.toml the place
$ cargo migrate new a/b -p cart  # exits 2
2| error: `a/b` is no name for a migration: it holds a path
2|  |
2|  = note: nothing was written
2|  = help: give a bare name, as `add_user_roles`; `-p` selects the service and `directory` in its Cargo.toml the place
$ cargo migrate new "" -p cart  # exits 2
2| error: `` is no name for a migration: it holds no letter and no digit
2|  |
2|  = note: nothing was written
2|  = help: say what the migration does, as `add_user_roles`
$ cargo migrate new !!! -p cart  # exits 2
2| error: `!!!` is no name for a migration: it holds no letter and no digit
2|  |
2|  = note: nothing was written
2|  = help: say what the migration does, as `add_user_roles`
$ cargo migrate new [LONG] -p cart  # exits 2
2| error: the migration's name is too long: with its version 318 bytes, file systems take 255
2|  |
2|  = note: nothing was written
2|  = help: say it shorter
$ cargo migrate new x --irreversible " " -p cart  # exits 2
2| error: invalid value ' ' for '--irreversible <WHY>': whoever must revert wants the reason, in words
2|
2| For more information, try '--help'.
$ cargo migrate new x  # exits 2
2| error: a new migration belongs to one service
2|  |
2|  = help: say which: `cargo migrate new <name> -p <service>`, one of cart, users
$ cargo migrate new  # exits 2
2| error: the following required arguments were not provided:
2|   <NAME|--message <NAME>>
2|
2| Usage: cargo migrate new <NAME|--message <NAME>>
2|
2| For more information, try '--help'.

"#]]
    );
}

#[test]
fn reset_and_drop_want_a_yes() {
    let workspace = cart();
    let said = refused(&workspace, &[&["reset"], &["drop"], &["drop", "--all"]]);
    assert_data_eq!(
        said,
        str![[r#"
$ cargo migrate reset  # exits 2
2| error: nobody is there to be asked: drop the database of cart (sqlite:[ROOT]/cart.db), with everything in it?
2|  |
2|  = note: nothing was changed
2|  = help: say yes with `--yes`
$ cargo migrate drop  # exits 2
2| error: nobody is there to be asked: drop the database of cart (sqlite:[ROOT]/cart.db), with everything in it?
2|  |
2|  = note: nothing was changed
2|  = help: say yes with `--yes`
$ cargo migrate drop --all  # exits 2
2| error: nobody is there to be asked: drop the database of cart (sqlite:[ROOT]/cart.db), with everything in it?
2|  |
2|  = note: nothing was changed
2|  = help: say yes with `--yes`

"#]]
    );
}

#[test]
fn an_irreversible_migration_is_refused_with_its_reason() {
    let workspace = cart();
    workspace.run(&["run"]).ok();
    workspace.migration(
        "cart",
        "2026-01-03-000000_c",
        "CREATE TABLE c (id INTEGER);",
        "",
    );
    std::fs::remove_file(workspace.path("services/cart/migrations/2026-01-03-000000_c/down.sql"))
        .expect("removed");
    workspace.run(&["run"]).ok();
    let said = refused(
        &workspace,
        &[&["revert"], &["revert", "--to", "zero"], &["redo"]],
    );
    assert_data_eq!(
        said,
        str![[r#"
$ cargo migrate revert  # exits 1
2| error: cart: migration 2026-01-03-000000_c cannot be reverted: it has no down.sql
2|  |
2|  = note: nothing was reverted
2|  = help: stop after it with `cargo migrate revert -p cart --to 2026-01-03-000000_c`, or write its down.sql
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate revert --to zero  # exits 1
2| error: cart: migration 2026-01-03-000000_c cannot be reverted: it has no down.sql
2|  |
2|  = note: nothing was reverted
2|  = help: stop after it with `cargo migrate revert -p cart --to 2026-01-03-000000_c`, or write its down.sql
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate redo  # exits 1
2| error: cart: migration 2026-01-03-000000_c cannot be reverted: it has no down.sql
2|  |
2|  = note: nothing was reverted
2|  = help: stop after it with `cargo migrate revert -p cart --to 2026-01-03-000000_c`, or write its down.sql
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );

    workspace.write(
        "services/cart/migrations/2026-01-03-000000_c/metadata.toml",
        "run_in_transaction = true\nirreversible = \"the rows are gone\"\n",
    );
    let said = refused(&workspace, &[&["revert"]]);
    assert_data_eq!(
        said,
        str![[r#"
$ cargo migrate revert  # exits 1
2| error: cart: migration 2026-01-03-000000_c cannot be reverted: the rows are gone
2|  |
2|  = note: nothing was reverted
2|  = help: stop after it with `cargo migrate revert -p cart --to 2026-01-03-000000_c`, or write its down.sql
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_distance_backwards_is_no_way_to_run() {
    let workspace = cart();
    workspace.run(&["run"]).ok();
    let said = refused(&workspace, &[&["run", "-1"], &["upgrade", "-2"]]);
    assert_data_eq!(
        said,
        str![[r#"
$ cargo migrate run -1  # exits 1
2| error: cart: getting there means reverting the newest migration
2|  |
2|  = note: nothing was changed
2|  = help: `cargo migrate revert -p cart -n 1` does that, and so does `--yes`
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate upgrade -2  # exits 1
2| error: cart: getting there means reverting the newest 2 migrations
2|  |
2|  = note: nothing was changed
2|  = help: `cargo migrate revert -p cart -n 2` does that, and so does `--yes`
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
    workspace
        .run(&["run", "-1", "--yes"])
        .ok()
        .says(&["Reverted cart 2026-01-02-000000_b", "1 reverted"]);
}
