//! The command lines that people bring along from Alembic, Django, diesel_cli
//! and sqlx-cli, each with all that it says.

use snapbox::{assert_data_eq, str};
use tests::workspace::Workspace;

use crate::session::Session;

/// One service with three migrations.
pub(crate) fn cart() -> Workspace {
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    for (name, table) in [
        ("2026-01-15-120000_create_carts", "carts"),
        ("2026-02-15-120000_create_items", "items"),
        ("2026-03-15-120000_create_coupons", "coupons"),
    ] {
        let up = format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY);\n");
        let down = format!("DROP TABLE {table};\n");
        workspace.migration("cart", name, &up, &down);
    }
    workspace
}

#[test]
fn upgrade_head_and_downgrade_one_are_alembics() {
    let workspace = cart();
    let mut session = Session::new(&workspace);
    session.run(&["upgrade", "head"]);
    session.run(&["upgrade", "head"]);
    session.run(&["current"]);
    session.run(&["downgrade", "-1"]);
    session.run(&["current"]);
    session.run(&["downgrade", "base"]);
    session.run(&["current"]);
    session.run(&["upgrade", "+1"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate upgrade head
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|      Applied cart 2026-03-15-120000_create_coupons in [TIME]
2|     Finished 1 target: 3 applied in [TIME]
$ cargo migrate upgrade head
2|     Finished 1 target: nothing to do in [TIME]
$ cargo migrate current
1| cart 2026-03-15-120000_create_coupons
$ cargo migrate downgrade -1
2|     Reverted cart 2026-03-15-120000_create_coupons in [TIME]
2|     Finished 1 target: 1 reverted in [TIME]
$ cargo migrate current
1| cart 2026-02-15-120000_create_items
$ cargo migrate downgrade base
2|     Reverted cart 2026-02-15-120000_create_items in [TIME]
2|     Reverted cart 2026-01-15-120000_create_carts in [TIME]
2|     Finished 1 target: 2 reverted in [TIME]
$ cargo migrate current
1| cart (nothing applied)
$ cargo migrate upgrade +1
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|     Finished 1 target: 1 applied in [TIME]

"#]]
    );
}

#[test]
fn revision_and_makemigrations_write_a_migration() {
    let workspace = cart();
    let mut session = Session::new(&workspace);
    session.run(&["revision", "-m", "add user roles"]);
    session.cd("services/cart");
    session.run(&["makemigrations", "-m", "Add Colour!"]);
    session.run(&[
        "new",
        "drop_colour",
        "--irreversible",
        "the colours are gone",
    ]);
    session.run(&["add", "index_colour", "--no-transaction"]);
    session.run(&["status"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate revision -m "add user roles"
1|      Created services/cart/migrations/[STAMP]_add_user_roles/up.sql
1|      Created services/cart/migrations/[STAMP]_add_user_roles/down.sql
$ cd services/cart
$ cargo migrate makemigrations -m "Add Colour!"
1|      Created migrations/[STAMP]_add_colour/up.sql
1|      Created migrations/[STAMP]_add_colour/down.sql
$ cargo migrate new drop_colour --irreversible "the colours are gone"
1|      Created migrations/[STAMP]_drop_colour/up.sql
1|      Created migrations/[STAMP]_drop_colour/metadata.toml
$ cargo migrate add index_colour --no-transaction
1|      Created migrations/[STAMP]_index_colour/up.sql
1|      Created migrations/[STAMP]_index_colour/down.sql
1|      Created migrations/[STAMP]_index_colour/metadata.toml
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [ ] 2026-01-15-120000_create_carts                   pending
1|   [ ] 2026-02-15-120000_create_items                   pending
1|   [ ] 2026-03-15-120000_create_coupons                 pending
1|   [ ] [STAMP]_add_user_roles                 pending
1|   [ ] [STAMP]_add_colour                     pending
1|   [ ] [STAMP]_drop_colour                    pending
1|   [ ] [STAMP]_index_colour                   pending

"#]]
    );
}

#[test]
fn migrate_base_is_djangos_and_does_not_revert_unasked() {
    let workspace = cart();
    let mut session = Session::new(&workspace);
    session.run(&["migrate"]);
    session.run(&["migrate", "base"]);
    session.run(&["migrate", "20260215"]);
    session.run(&["showmigrations"]);
    session.run(&["migrate", "20260215", "-y"]);
    session.run(&["migrate", "zero", "--yes"]);
    session.run(&["showmigrations"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate migrate
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|      Applied cart 2026-03-15-120000_create_coupons in [TIME]
2|     Finished 1 target: 3 applied in [TIME]
$ cargo migrate migrate base  # exits 1
2| error: cart: getting there means reverting everything
2|  |
2|  = note: nothing was changed
2|  = help: `cargo migrate revert -p cart --to zero` does that, and so does `--yes`
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate migrate 20260215  # exits 1
2| error: cart: getting there means reverting everything newer than 20260215120000
2|  |
2|  = note: nothing was changed
2|  = help: `cargo migrate revert -p cart --to 20260215120000` does that, and so does `--yes`
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate showmigrations
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-15-120000_create_carts                   applied  [TIME]
1|   [X] 2026-02-15-120000_create_items                   applied  [TIME]
1|   [X] 2026-03-15-120000_create_coupons                 applied  [TIME]
$ cargo migrate migrate 20260215 -y
2|     Reverted cart 2026-03-15-120000_create_coupons in [TIME]
2|     Finished 1 target: 1 reverted in [TIME]
$ cargo migrate migrate zero --yes
2|     Reverted cart 2026-02-15-120000_create_items in [TIME]
2|     Reverted cart 2026-01-15-120000_create_carts in [TIME]
2|     Finished 1 target: 2 reverted in [TIME]
$ cargo migrate showmigrations
1| cart sqlite:[ROOT]/cart.db
1|   [ ] 2026-01-15-120000_create_carts                   pending
1|   [ ] 2026-02-15-120000_create_items                   pending
1|   [ ] 2026-03-15-120000_create_coupons                 pending

"#]]
    );
}

#[test]
fn rollback_takes_a_number_of_steps() {
    let workspace = cart();
    let mut session = Session::new(&workspace);
    session.run(&["run"]);
    session.run(&["rollback", "-s", "2"]);
    session.run(&["status"]);
    session.run(&["rollback"]);
    session.run(&["undo"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|      Applied cart 2026-03-15-120000_create_coupons in [TIME]
2|     Finished 1 target: 3 applied in [TIME]
$ cargo migrate rollback -s 2
2|     Reverted cart 2026-03-15-120000_create_coupons in [TIME]
2|     Reverted cart 2026-02-15-120000_create_items in [TIME]
2|     Finished 1 target: 2 reverted in [TIME]
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-15-120000_create_carts                   applied  [TIME]
1|   [ ] 2026-02-15-120000_create_items                   pending
1|   [ ] 2026-03-15-120000_create_coupons                 pending
$ cargo migrate rollback
2|     Reverted cart 2026-01-15-120000_create_carts in [TIME]
2|     Finished 1 target: 1 reverted in [TIME]
$ cargo migrate undo
2|     Finished 1 target: nothing to do in [TIME]

"#]]
    );
}

#[test]
fn history_tells_who_did_what_newest_first() {
    let workspace = cart();
    let mut session = Session::new(&workspace);
    session.run(&["history"]);
    session.run(&["run", "--count", "2"]);
    session.run(&["revert"]);
    session.run(&["history", "-l", "20"]);
    session.run(&["log", "-l", "1"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate history
1| cart sqlite:[ROOT]/cart.db
2|         Note cart: nothing was run yet
$ cargo migrate run --count 2
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|     Finished 1 target: 2 applied in [TIME]
$ cargo migrate revert
2|     Reverted cart 2026-02-15-120000_create_items in [TIME]
2|     Finished 1 target: 1 reverted in [TIME]
$ cargo migrate history -l 20
1| cart sqlite:[ROOT]/cart.db
1|   [TIME] done down 2026-02-15-120000_create_items [TIME] [WHO]
1|   [TIME] done up 2026-02-15-120000_create_items [TIME] [WHO]
1|   [TIME] done up 2026-01-15-120000_create_carts [TIME] [WHO]
$ cargo migrate log -l 1
1| cart sqlite:[ROOT]/cart.db
1|   [TIME] done down 2026-02-15-120000_create_items [TIME] [WHO]

"#]]
    );
}

#[test]
fn up_and_down_go_to_a_target() {
    let workspace = cart();
    let mut session = Session::new(&workspace);
    session.run(&["up", "--target", "20260215120000"]);
    session.run(&["up", "--to", "2026-03-15-120000_create_coupons"]);
    session.run(&["down", "--to", "2026-01"]);
    session.run(&["apply", "latest"]);
    session.run(&["down", "--to", "zero"]);
    session.run(&["status"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate up --target 20260215120000
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|     Finished 1 target: 2 applied in [TIME]
$ cargo migrate up --to 2026-03-15-120000_create_coupons
2|      Applied cart 2026-03-15-120000_create_coupons in [TIME]
2|     Finished 1 target: 1 applied in [TIME]
$ cargo migrate down --to 2026-01
2|     Reverted cart 2026-03-15-120000_create_coupons in [TIME]
2|     Reverted cart 2026-02-15-120000_create_items in [TIME]
2|     Finished 1 target: 2 reverted in [TIME]
$ cargo migrate apply latest
2|      Applied cart 2026-02-15-120000_create_items in [TIME]
2|      Applied cart 2026-03-15-120000_create_coupons in [TIME]
2|     Finished 1 target: 2 applied in [TIME]
$ cargo migrate down --to zero
2|     Reverted cart 2026-03-15-120000_create_coupons in [TIME]
2|     Reverted cart 2026-02-15-120000_create_items in [TIME]
2|     Reverted cart 2026-01-15-120000_create_carts in [TIME]
2|     Finished 1 target: 3 reverted in [TIME]
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [ ] 2026-01-15-120000_create_carts                   pending
1|   [ ] 2026-02-15-120000_create_items                   pending
1|   [ ] 2026-03-15-120000_create_coupons                 pending

"#]]
    );
}

#[test]
fn showmigrations_lists_every_migration_and_its_state() {
    let workspace = cart();
    workspace.sqlite_service("users");
    let mut session = Session::new(&workspace);
    session.run(&["run", "-p", "cart", "--count", "1"]);
    session.run(&["showmigrations"]);
    session.run(&["list", "--pending"]);
    session.run(&["info", "-v", "-p", "cart"]);
    session.run(&["status", "--exit-code"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run -p cart --count 1
2|      Applied cart 2026-01-15-120000_create_carts in [TIME]
2|     Finished 1 target: 1 applied in [TIME]
$ cargo migrate showmigrations
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-15-120000_create_carts                   applied  [TIME]
1|   [ ] 2026-02-15-120000_create_items                   pending
1|   [ ] 2026-03-15-120000_create_coupons                 pending
1| users sqlite:[ROOT]/users.db
2|         Note users: no migrations yet; `cargo migrate new <name> -p users` writes the first
$ cargo migrate list --pending
1| cart sqlite:[ROOT]/cart.db
1|   [ ] 2026-02-15-120000_create_items                   pending
1|   [ ] 2026-03-15-120000_create_coupons                 pending
1| users sqlite:[ROOT]/users.db
2|         Note users: no migrations yet; `cargo migrate new <name> -p users` writes the first
$ cargo migrate info -v -p cart
1| cart sqlite:[ROOT]/cart.db (from default-url)
1|   [X] 2026-01-15-120000_create_carts                   applied  [TIME]
1|   [ ] 2026-02-15-120000_create_items                   pending
1|   [ ] 2026-03-15-120000_create_coupons                 pending
$ cargo migrate status --exit-code  # exits 3
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-15-120000_create_carts                   applied  [TIME]
1|   [ ] 2026-02-15-120000_create_items                   pending
1|   [ ] 2026-03-15-120000_create_coupons                 pending
1| users sqlite:[ROOT]/users.db
2|         Note users: no migrations yet; `cargo migrate new <name> -p users` writes the first

"#]]
    );
}
