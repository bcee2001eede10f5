//! SQL that fails in the middle of a set: what was applied before stays and is
//! said, the migration itself is gone, and the place is that of the statement.

use snapbox::{assert_data_eq, str};
use tests::workspace::Workspace;

use crate::postgres::OnPostgres;
use crate::session::Session;
use crate::tree::{applied, values};
use tests::service::{Engine, Shop};

const FIRST: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n";
const SYNTAX: &str = "-- naïve café\nINSERT INTO items VALUES (1, 'née'); INSERT INTO items\n  VALEUS (2, 'x');\nSELECT 1;\n";
pub(crate) const UNIQUE: &str = "INSERT INTO items VALUES (1, 'café');\n/* 日本 */ INSERT INTO items VALUES (1, 'née');\nSELECT 1;\n";

fn write(workspace: &Workspace, second: &str) {
    workspace.migration(
        "cart",
        "2026-01-01-000000_first",
        FIRST,
        "DROP TABLE items;\n",
    );
    workspace.migration("cart", "2026-01-02-000000_second", second, "SELECT 1;\n");
    workspace.migration(
        "cart",
        "2026-01-03-000000_third",
        "CREATE TABLE third (id INTEGER);\n",
        "DROP TABLE third;\n",
    );
}

pub(crate) fn on_sqlite(second: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    write(&workspace, second);
    workspace
}

pub(crate) fn on_postgres(second: &str) -> OnPostgres {
    let made = OnPostgres::owned();
    write(&made.workspace, second);
    made
}

/// Runs on SQLite, looks, mends the file and runs again.
fn mended_on_sqlite(second: &str) -> String {
    let workspace = on_sqlite(second);
    let mut session = Session::new(&workspace);
    session.run(&["run"]);
    assert_eq!(applied(&workspace, "cart.db"), ["20260101000000"]);
    assert_eq!(
        values(&workspace, "cart.db", "SELECT name AS value FROM items"),
        [""; 0]
    );
    session.run(&["status"]).run(&["history"]);
    workspace.write(
        "services/cart/migrations/2026-01-02-000000_second/up.sql",
        "SELECT 1;\n",
    );
    session.run(&["run"]);
    session.text().to_owned()
}

/// The same on PostgreSQL.
fn mended_on_postgres(second: &str) -> String {
    let made = on_postgres(second);
    made.workspace.run(&["run", "--to", "2026-01-01"]).ok();
    let before = made.dump_without_journal();
    let mut session = made.session();
    session.run(&["run"]);
    assert_eq!(made.dump_without_journal(), before);
    session.run(&["status"]).run(&["history"]);
    made.workspace.write(
        "services/cart/migrations/2026-01-02-000000_second/up.sql",
        "SELECT 1;\n",
    );
    session.run(&["run"]);
    session.text().to_owned()
}

#[test]
fn a_syntax_error_is_shown_at_its_word_on_sqlite() {
    assert_data_eq!(
        mended_on_sqlite(SYNTAX),
        str![[r#"
$ cargo migrate run  # exits 1
2|      Applied cart 2026-01-01-000000_first in [TIME]
2| error: cart: migration 2026-01-02-000000_second stopped at statement 2 of 3
2|  --> services/cart/migrations/2026-01-02-000000_second/up.sql:3:3
2|   |
2| 3 |   VALEUS (2, 'x');
2|   |   ^^^^^^ near "VALEUS": syntax error
2|   |
2|   = note: the migration was rolled back
2|   = note: the database is at 20260101000000
2|   = help: correct the file, then `cargo migrate run -p cart`
2|     Finished 1 target: 1 applied in [TIME] (exit 1)
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-01-000000_first                          applied  [TIME]
1|   [ ] 2026-01-02-000000_second                         pending
1|   [ ] 2026-01-03-000000_third                          pending
$ cargo migrate history
1| cart sqlite:[ROOT]/cart.db
1|   [TIME] failed up 2026-01-02-000000_second [WHO]
1|       near "VALEUS": syntax error
1|   [TIME] done up 2026-01-01-000000_first [TIME] [WHO]
$ cargo migrate run
2|      Applied cart 2026-01-02-000000_second in [TIME]
2|      Applied cart 2026-01-03-000000_third in [TIME]
2|     Finished 1 target: 2 applied in [TIME]

"#]]
    );
}

#[test]
fn a_syntax_error_is_shown_at_its_word_on_postgres() {
    assert_data_eq!(
        mended_on_postgres(SYNTAX),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_second stopped at statement 2 of 3
2|  --> services/cart/migrations/2026-01-02-000000_second/up.sql:3:3
2|   |
2| 3 |   VALEUS (2, 'x');
2|   |   ^^^^^^ syntax error at or near "VALEUS"
2|   |
2|   = note: the migration was rolled back
2|   = note: the database is at 20260101000000
2|   = help: correct the file, then `cargo migrate run -p cart`
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate status
1| cart postgresql://[ROLE]:***@[SERVER]/[DATABASE]
1|   [X] 2026-01-01-000000_first                          applied  [TIME]
1|   [ ] 2026-01-02-000000_second                         pending
1|   [ ] 2026-01-03-000000_third                          pending
$ cargo migrate history
1| cart postgresql://[ROLE]:***@[SERVER]/[DATABASE]
1|   [TIME] failed up 2026-01-02-000000_second [WHO]
1|       syntax error at or near "VALEUS"
1|   [TIME] done up 2026-01-01-000000_first [TIME] [WHO]
$ cargo migrate run
2|      Applied cart 2026-01-02-000000_second in [TIME]
2|      Applied cart 2026-01-03-000000_third in [TIME]
2|     Finished 1 target: 2 applied in [TIME]

"#]]
    );
}

#[test]
fn a_run_time_error_is_shown_at_its_statement_on_sqlite() {
    assert_data_eq!(
        mended_on_sqlite(UNIQUE),
        str![[r#"
$ cargo migrate run  # exits 1
2|      Applied cart 2026-01-01-000000_first in [TIME]
2| error: cart: migration 2026-01-02-000000_second stopped at statement 2 of 3
2|  --> services/cart/migrations/2026-01-02-000000_second/up.sql:2:10
2|   |
2| 2 | /* 日本 */ INSERT INTO items VALUES (1, 'née');
2|   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ UNIQUE constraint failed: items.id
2|   |
2|   = note: the migration was rolled back
2|   = note: the database is at 20260101000000
2|   = help: correct the file, then `cargo migrate run -p cart`
2|     Finished 1 target: 1 applied in [TIME] (exit 1)
$ cargo migrate status
1| cart sqlite:[ROOT]/cart.db
1|   [X] 2026-01-01-000000_first                          applied  [TIME]
1|   [ ] 2026-01-02-000000_second                         pending
1|   [ ] 2026-01-03-000000_third                          pending
$ cargo migrate history
1| cart sqlite:[ROOT]/cart.db
1|   [TIME] failed up 2026-01-02-000000_second [WHO]
1|       UNIQUE constraint failed: items.id
1|   [TIME] done up 2026-01-01-000000_first [TIME] [WHO]
$ cargo migrate run
2|      Applied cart 2026-01-02-000000_second in [TIME]
2|      Applied cart 2026-01-03-000000_third in [TIME]
2|     Finished 1 target: 2 applied in [TIME]

"#]]
    );
}

#[test]
fn a_run_time_error_is_shown_at_its_statement_on_postgres() {
    assert_data_eq!(
        mended_on_postgres(UNIQUE),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_second stopped at statement 2 of 3
2|  --> services/cart/migrations/2026-01-02-000000_second/up.sql:2:10
2|   |
2| 2 | /* 日本 */ INSERT INTO items VALUES (1, 'née');
2|   |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ duplicate key value violates unique constraint "items_pkey" (Key (id)=(1) already exists.)
2|   |
2|   = note: the migration was rolled back
2|   = note: the database is at 20260101000000
2|   = help: correct the file, then `cargo migrate run -p cart`
2|     Finished 1 target: no migration completed in [TIME] (exit 1)
$ cargo migrate status
1| cart postgresql://[ROLE]:***@[SERVER]/[DATABASE]
1|   [X] 2026-01-01-000000_first                          applied  [TIME]
1|   [ ] 2026-01-02-000000_second                         pending
1|   [ ] 2026-01-03-000000_third                          pending
$ cargo migrate history
1| cart postgresql://[ROLE]:***@[SERVER]/[DATABASE]
1|   [TIME] failed up 2026-01-02-000000_second [WHO]
1|       duplicate key value violates unique constraint "items_pkey" (Key (id)=(1) already exists.)
1|   [TIME] done up 2026-01-01-000000_first [TIME] [WHO]
$ cargo migrate run
2|      Applied cart 2026-01-02-000000_second in [TIME]
2|      Applied cart 2026-01-03-000000_third in [TIME]
2|     Finished 1 target: 2 applied in [TIME]

"#]]
    );
}

#[test]
fn an_error_of_commit_itself_is_said_to_be_one() {
    let deferred = "CREATE TABLE parents (id INTEGER PRIMARY KEY);\n\
        CREATE TABLE children (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED);\n\
        INSERT INTO children VALUES (7);\n";
    let made = on_postgres(deferred);
    let mut session = made.session();
    session.run(&["run"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run  # exits 1
2|      Applied cart 2026-01-01-000000_first in [TIME]
2| error: cart: migration 2026-01-02-000000_second stopped: insert or update on table "children" violates foreign key constraint "children_parent_fkey" (Key (parent)=(7) is not present in table "parents".)
2| --> services/cart/migrations/2026-01-02-000000_second/up.sql
2|  = note: every statement ran; COMMIT failed, as it does for deferred constraints
2|  = note: the migration was rolled back
2|  = note: the database is at 20260101000000
2|  = help: correct the file, then `cargo migrate run -p cart`
2|     Finished 1 target: 1 applied in [TIME] (exit 1)

"#]]
    );
    let workspace = on_sqlite(&format!("PRAGMA foreign_keys = ON;\n{deferred}"));
    workspace.service(
        "cart",
        "default-url = \"sqlite:cart.db\"\nsession-setup = [\"PRAGMA foreign_keys = ON\"]",
    );
    let mut session = Session::new(&workspace);
    session.run(&["run"]);
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run  # exits 1
2|         Note cart: migration 2026-01-02-000000_second: SQLite ignores PRAGMA foreign_keys in a transaction; set `run_in_transaction = false` in metadata.toml (up.sql:1:1)
2|      Applied cart 2026-01-01-000000_first in [TIME]
2| error: cart: migration 2026-01-02-000000_second stopped: FOREIGN KEY constraint failed
2| --> services/cart/migrations/2026-01-02-000000_second/up.sql
2|  = note: every statement ran; COMMIT failed, as it does for deferred constraints
2|  = note: the migration was rolled back
2|  = note: the database is at 20260101000000
2|  = help: correct the file, then `cargo migrate run -p cart`
2|     Finished 1 target: 1 applied in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn what_only_a_client_can_do_is_refused_on_postgres() {
    let made = on_postgres("SELECT 1;\nCOPY items FROM STDIN;\n1\tx\n\\.\n");
    made.workspace.migration(
        "cart",
        "2026-01-04-000000_psql",
        "\\set x 1\nSELECT 1;\n",
        "",
    );
    made.workspace.migration(
        "cart",
        "2026-01-05-000000_session",
        "DISCARD ALL;\nVACUUM;\nSELECT pg_advisory_unlock_all();\nSELECT $tag$ no end;\n",
        "",
    );
    made.workspace.migration(
        "cart",
        "2026-01-06-000000_begin",
        "SELECT 1;\nBEGIN;\nSELECT 2;\nCOMMIT;\n",
        "",
    );
    let before = made.dump();
    let mut session = made.session();
    session.run(&["run"]);
    assert_eq!(made.dump(), before, "something was sent");
    assert_data_eq!(
        session.text(),
        str![[r#"
$ cargo migrate run  # exits 1
2| error: cart: migration 2026-01-02-000000_second cannot be run: COPY FROM STDIN needs a client that sends the rows
2|  --> services/cart/migrations/2026-01-02-000000_second/up.sql:2:1
2|   |
2| 2 | COPY items FROM STDIN;
2|   | ^^^^^^^^^^^^^^^^^^^^^^
2|   |
2|   = note: nothing was sent to the database
2|   = help: write the rows as INSERT … VALUES
2| error: cart: migration 2026-01-04-000000_psql cannot be run: `/set` is a command of psql, not SQL
2|  --> services/cart/migrations/2026-01-04-000000_psql/up.sql:1:1
2|   |
2| 1 | /set x 1
2|   | ^^^^^^^^
2|   |
2|   = help: migrations are sent to the server as they are: write what the command does as SQL
2| error: cart: migration 2026-01-05-000000_session cannot be run: DISCARD ALL drops the migration lock and the session's settings
2|  --> services/cart/migrations/2026-01-05-000000_session/up.sql:1:1
2|   |
2| 1 | DISCARD ALL;
2|   | ^^^^^^^^^^^
2|   |
2|   = help: use RESET for the settings that you mean
2| error: cart: migration 2026-01-05-000000_session cannot be run: VACUUM cannot run inside a transaction
2|  --> services/cart/migrations/2026-01-05-000000_session/up.sql:2:1
2|   |
2| 2 | VACUUM;
2|   | ^^^^^^
2|   |
2|   = help: set `run_in_transaction = false` in metadata.toml, and keep such statements in migrations of their own
2| error: cart: migration 2026-01-05-000000_session cannot be run: `pg_advisory_unlock_all` may drop the migration lock
2|  --> services/cart/migrations/2026-01-05-000000_session/up.sql:3:1
2|   |
2| 3 | SELECT pg_advisory_unlock_all();
2|   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
2|   |
2|   = help: remove it: the lock is released when the migrations are done; for a lock of your own use one that ends with the transaction
2| error: cart: migration 2026-01-05-000000_session cannot be run: unterminated dollar-quoted string
2|  --> services/cart/migrations/2026-01-05-000000_session/up.sql:4:8
2|   |
2| 4 | SELECT $tag$ no end;
2|   |        ^^^^^^^^^^^^^
2|   |
2|   = help: close it with the same tag between dollar signs
2| error: cart: migration 2026-01-06-000000_begin cannot be run: `BEGIN` would take the transaction out of the migration's hands
2|  --> services/cart/migrations/2026-01-06-000000_begin/up.sql:2:1
2|   |
2| 2 | BEGIN;
2|   | ^^^^^
2|   |
2|   = help: remove it: the whole file is run in one transaction; or set `run_in_transaction = false` in metadata.toml, where a BEGIN … COMMIT is one step
2| error: cart: migration 2026-01-06-000000_begin cannot be run: `COMMIT` would take the transaction out of the migration's hands
2|  --> services/cart/migrations/2026-01-06-000000_begin/up.sql:4:1
2|   |
2| 4 | COMMIT;
2|   | ^^^^^^
2|   |
2|   = help: remove it: the whole file is run in one transaction; or set `run_in_transaction = false` in metadata.toml, where a BEGIN … COMMIT is one step
2|     Finished 1 target: no migration completed in [TIME] (exit 1)

"#]]
    );
}

#[test]
fn a_file_is_not_to_be_corrected_where_a_right_or_time_was_missing() {
    let shop = Shop::with(Engine::Mariadb, "statement-timeout = \"100ms\"");
    shop.migration(
        "1_a",
        "CREATE TABLE marks (n INT NOT NULL);",
        "DROP TABLE marks;",
    );
    shop.run(&["run"]).ok();
    shop.migration(
        "2_b",
        "INSERT INTO marks SELECT seq FROM seq_1_to_1000000000 WHERE seq % 2 = 3;",
        "SELECT 1;",
    );
    let said = shop.run(&["run"]).exits(1);
    let said = said.says(&["max_statement_time exceeded", "raise `statement-timeout`"]);
    assert!(!said.stderr.contains("correct the file"), "{}", said.stderr);
    let name = shop.mariadb().name();
    let mut root = shop.connect();
    root.execute(&format!(
        "CREATE USER '{name}'@'%' IDENTIFIED BY 'pw'; \
         GRANT CREATE, INDEX, SELECT, INSERT, UPDATE, DELETE ON {name}.* TO '{name}'@'%'"
    ));
    shop.file("2_b", "up.sql", "ALTER TABLE marks ADD COLUMN note TEXT;\n");
    let mut run = shop.command(&["run"]);
    run.env("SHOP_DATABASE_URL", shop.mariadb().url_as(name, "pw"));
    let said = shop.workspace.finish(run).exits(1);
    root.execute(&format!("DROP USER '{name}'@'%'"));
    let said = said.says(&["command denied", "grant the right that is missing, then"]);
    assert!(!said.stderr.contains("correct the file"), "{}", said.stderr);
    // Nothing of either remains, and the file goes on for whoever may.
    shop.run(&["run"]).ok();
}
