//! What a migration that failed leaves behind: by the mode in which it is run,
//! and by its direction.

use snapbox::{assert_data_eq, str};

use crate::session::Session;
use crate::statements::{UNIQUE, on_postgres, on_sqlite};
use crate::tree::applied;

#[test]
fn outside_a_transaction_what_was_done_stays_and_is_resumed() {
    let steps = "CREATE TABLE one (id INTEGER);\nCREATE TABLE two (id INTEGER, id INTEGER);\nCREATE TABLE three (id INTEGER);\n";
    let path = "services/cart/migrations/2026-01-02-000000_second";
    let mended = steps.replace("id INTEGER, id", "id INTEGER, di");

    let workspace = on_sqlite(steps);
    workspace.write(
        &format!("{path}/metadata.toml"),
        "run_in_transaction = false\n",
    );
    let mut session = Session::new(&workspace);
    session.run(&["run"]).run(&["status"]).run(&["revert"]);
    workspace.write(&format!("{path}/up.sql"), &mended);
    session.run(&["run"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run  # exits 1
2|      Applied cart 2026-01-01-000000_first in [TIME]
2| error: cart: migration 2026-01-02-000000_second stopped at statement 2 of 3
2|  --> services/cart/migrations/2026-01-02-000000_second/up.sql:2:1
2|   |
2| 2 | CREATE TABLE two (id INTEGER, id INTEGER);
2|   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ duplicate column name: id
2|   |
2|   = note: statement 1 is applied and recorded; the lock is released
2|   = help: correct the file, then `cargo migrate run -p cart` to resume at statement 2
2|     Finished 1 target: 1 applied in [TIME] (exit 1)
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-01-000000_first                          applied  [TIME]
1|   [!] 2026-01-02-000000_second                         half-applied, 1 of 3 statements
1|   [ ] 2026-01-03-000000_third                          pending
$ cargo migrate revert  # exits 4
2| error: cart: migration 2026-01-02-000000_second (up) is half applied: 1 of 3 statements
2| --> services/cart/migrations/2026-01-02-000000_second/up.sql
2|  = note: nothing was run
2|  = help: `cargo migrate run -p cart` resumes at the next statement
2|     Finished 1 target: no migration completed in [TIME] (exit 4)
$ cargo migrate run
2|      Applied cart 2026-01-02-000000_second in [TIME]
2|      Applied cart 2026-01-03-000000_third in [TIME]
2|     Finished 1 target: 2 applied in [TIME]

"#]]
    );

    let made = on_postgres(steps);
    made.workspace.write(
        &format!("{path}/metadata.toml"),
        "run_in_transaction = false\n",
    );
    let mut session = made.session();
    session.run(&["run"]).run(&["status"]).run(&["revert"]);
    // What ran already must stay as it was.
    made.workspace.write(
        &format!("{path}/up.sql"),
        mended.replace("TABLE one", "TABLE uno"),
    );
    session.run(&["run"]);
    made.workspace.write(&format!("{path}/up.sql"), &mended);
    session.run(&["run"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run  # exits 1
2|      Applied cart 2026-01-01-000000_first in [TIME]
2| error: cart: migration 2026-01-02-000000_second stopped at statement 2 of 3
2|  --> services/cart/migrations/2026-01-02-000000_second/up.sql:2:1
2|   |
2| 2 | CREATE TABLE two (id INTEGER, id INTEGER);
2|   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ column "id" specified more than once
2|   |
2|   = note: statement 1 is applied and recorded; the lock is released
2|   = help: correct the file, then `cargo migrate run -p cart` to resume at statement 2
2|     Finished 1 target: 1 applied in [TIME] (exit 1)
$ cargo migrate status
1| cart postgresql://[ROLE]:***@[SERVER]/[DATABASE]
1|   [X] 2026-01-01-000000_first                          applied  [TIME]
1|   [!] 2026-01-02-000000_second                         half-applied, 1 of 3 statements
1|   [ ] 2026-01-03-000000_third                          pending
$ cargo migrate revert  # exits 4
2| error: cart: migration 2026-01-02-000000_second (up) is half applied: 1 of 3 statements
2| --> services/cart/migrations/2026-01-02-000000_second/up.sql
2|  = note: nothing was run
2|  = help: `cargo migrate run -p cart` resumes at the next statement
2|     Finished 1 target: no migration completed in [TIME] (exit 4)
$ cargo migrate run  # exits 4
2| error: cart: migration 2026-01-02-000000_second (up) was edited while half applied: statement 1 of 3 is not the one that was run
2|  --> services/cart/migrations/2026-01-02-000000_second/up.sql:1:1
2|   |
2| 1 | CREATE TABLE uno (id INTEGER);
2|   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this is not what was run
2|   |
2|   = note: nothing was run
2|   = help: put statement 1 back as it was; only what has not run yet may change before it is resumed
2| --- as it was applied
2| +++ services/cart/migrations/2026-01-02-000000_second/up.sql
2|   [WHO] -1,3 +1,3 [WHO]
2| -CREATE TABLE one (id INTEGER);
2| -CREATE TABLE two (id INTEGER, id INTEGER);
2| +CREATE TABLE uno (id INTEGER);
2| +CREATE TABLE two (id INTEGER, di INTEGER);
2|  CREATE TABLE three (id INTEGER);
2|     Finished 1 target: no migration completed in [TIME] (exit 4)
$ cargo migrate run
2|      Applied cart 2026-01-02-000000_second in [TIME]
2|      Applied cart 2026-01-03-000000_third in [TIME]
2|     Finished 1 target: 2 applied in [TIME]

"#]]
    );
}

#[test]
fn a_single_transaction_leaves_nothing() {
    let workspace = on_sqlite(UNIQUE);
    let mut session = Session::new(&workspace);
    session.run(&["run", "--single-transaction"]);
    assert_eq!(applied(&workspace, "cart.db"), [""; 0]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run --single-transaction  # exits 1
2| error: cart: migration 2026-01-02-000000_second stopped at statement 2 of 3
2|  --> services/cart/migrations/2026-01-02-000000_second/up.sql:2:10
2|   |
2| 2 | /* 日本 */ INSERT INTO items VALUES (1, 'née');
2|   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ UNIQUE constraint failed: items.id
2|   |
2|   = note: the whole run was rolled back
2|   = note: the database is at zero: nothing is applied
2|   = help: correct the file, then `cargo migrate run -p cart --single-transaction`
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );

    let made = on_postgres(UNIQUE);
    let mut session = made.session();
    session
        .run(&["run", "--single-transaction"])
        .run(&["current"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run --single-transaction  # exits 1
2| error: cart: migration 2026-01-02-000000_second stopped at statement 2 of 3
2|  --> services/cart/migrations/2026-01-02-000000_second/up.sql:2:10
2|   |
2| 2 | /* 日本 */ INSERT INTO items VALUES (1, 'née');
2|   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ duplicate key value violates unique constraint "items_pkey" (Key (id)=(1) already exists.)
2|   |
2|   = note: the whole run was rolled back
2|   = note: the database is at zero: nothing is applied
2|   = help: correct the file, then `cargo migrate run -p cart --single-transaction`
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate current
1| cart (nothing applied)

"#]]
    );
}

#[test]
fn a_failing_down_sql_is_shown_as_one() {
    let workspace = on_sqlite("SELECT 1;\n");
    workspace.write(
        "services/cart/migrations/2026-01-02-000000_second/down.sql",
        "DROP TABLE nowhere;\n",
    );
    workspace.run(&["run"]).ok();
    let mut session = Session::new(&workspace);
    session.run(&["revert", "--to", "zero"]).run(&["status"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate revert --to zero  # exits 1
2|     Reverted cart 2026-01-03-000000_third in [TIME]
2| error: cart: migration 2026-01-02-000000_second (down) stopped at statement 1 of 1
2|  --> services/cart/migrations/2026-01-02-000000_second/down.sql:1:12
2|   |
2| 1 | DROP TABLE nowhere;
2|   |            ^^^^^^^ no such table: nowhere
2|   |
2|   = note: the migration was rolled back
2|   = note: the database is at 20260102000000
2|   = help: correct the file, then `cargo migrate revert -p cart --to zero`
2|     Finished 1 target: 1 reverted in [TIME] (exit 1)
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-01-000000_first                          applied  [TIME]
1|   [X] 2026-01-02-000000_second                         applied  [TIME]
1|   [ ] 2026-01-03-000000_third                          pending

"#]]
    );
}
