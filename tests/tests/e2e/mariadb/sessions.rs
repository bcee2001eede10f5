//! Sessions that files, servers and accounts make different.

use tests::env::MariadbDatabase;

use super::{MARKS, marks, shop};
use tests::service::{Engine, Shop};

#[test]
fn what_a_file_sets_for_its_session_ends_with_it() {
    let shop = shop();
    let other = MariadbDatabase::create();
    shop.migration(
        "1_a",
        &format!(
            "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES';\nSET NAMES latin1;\nSET time_zone = '+05:00';\n\
             SET foreign_key_checks = 0, unique_checks = 0;\nUSE {};\nCREATE TABLE \"elsewhere\" (n INT);\n\
             INSERT INTO \"elsewhere\" VALUES (1);\n",
            other.name()
        ),
        "SELECT 1;",
    );
    shop.migration(
        "2_b",
        "CREATE TABLE settings (text TEXT) AS SELECT concat_ws(' ', @@sql_mode LIKE '%ANSI%', @@character_set_client, @@time_zone, \
         @@foreign_key_checks, @@unique_checks) AS text;",
        "DROP TABLE settings;",
    );
    shop.run(&["run"]).ok();
    assert_eq!(
        shop.texts("SELECT text FROM settings"),
        ["0 utf8mb4 +00:00 ON ON"]
    );
    assert_eq!(shop.history(), ["1", "2"]);
}

#[test]
fn whatever_setting_a_file_changes_is_put_back_after_it() {
    let shop = shop();
    shop.migration(
        "1_a",
        "SET check_constraint_checks = 0, @@session.auto_increment_increment = 7, @mine = 5;\n\
         SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;\nSET sql_log_bin = 0;\nSET lock_wait_timeout = 77;\n\
         CREATE TABLE marks (n INT CHECK (n > 0));\nINSERT INTO marks VALUES (-1);\n",
        "DROP TABLE marks;",
    );
    shop.migration(
        "2_b",
        "CREATE TABLE settings (text TEXT) AS SELECT concat_ws(' ', @@check_constraint_checks, @@auto_increment_increment, \
         @mine IS NULL, @@tx_isolation, @@sql_log_bin, @@lock_wait_timeout < 77) AS text;",
        "DROP TABLE settings;",
    );
    shop.run(&["run"]).ok();
    assert_eq!(
        shop.texts("SELECT text FROM settings"),
        ["ON 1 1 REPEATABLE-READ ON 1"]
    );
    assert_eq!(marks(&shop), ["-1"]);
}

#[test]
fn a_database_of_any_character_set_will_do() {
    for (character_set, collation) in [
        ("latin1", "latin1_german1_ci"),
        ("utf8mb3", "utf8mb3_unicode_ci"),
        ("utf8mb4", "utf8mb4_unicode_520_ci"),
        ("ucs2", "ucs2_general_ci"),
    ] {
        let shop = shop();
        shop.connect().execute(&format!(
            "ALTER DATABASE CHARACTER SET {character_set} COLLATE {collation}"
        ));
        shop.migration("1_größe", MARKS, "DROP TABLE marks; -- Größe: ☃");
        shop.migration(
            "2_b",
            "INSERT INTO marks VALUES (1);\nSELECT 'ß' FROM nowhere_ß;",
            "SELECT 1;",
        );
        shop.run(&["run"]).exits(1).says(&["2_b", "nowhere_ß"]);
        shop.file(
            "2_b",
            "up.sql",
            "INSERT INTO marks VALUES (1);\nSELECT 'ß☃';",
        );
        shop.run(&["run"]).ok();
        assert_eq!(shop.state("1_größe"), "applied");
        let down = shop.texts("SELECT down_sql AS text FROM __migrate_journal WHERE version = '1'");
        assert_eq!(down, ["DROP TABLE marks; -- Größe: ☃"]);
        shop.run(&["revert", "--to", "zero"]).ok();
    }
}

#[test]
fn looking_needs_select_alone_and_says_who_has_the_lock() {
    let shop = shop();
    shop.migration("1_a", MARKS, "DROP TABLE marks;");
    shop.run(&["run"]).ok();
    shop.migration("2_b", "INSERT INTO marks VALUES (1);", "SELECT 1;");
    let (name, account) = (
        shop.mariadb().name(),
        format!("{}_r", shop.mariadb().name()),
    );
    let mut root = shop.connect();
    root.execute(&format!(
        "CREATE USER '{account}'@'%' IDENTIFIED BY 'pw'; GRANT SELECT ON {name}.* TO '{account}'@'%'"
    ));
    let url = shop.mariadb().url_as(&account, "pw");
    let as_reader = |args: &[&str]| {
        let mut command = shop.command(args);
        command.env("SHOP_DATABASE_URL", &url);
        shop.workspace.finish(command)
    };
    let before = shop.schema();
    as_reader(&["status"])
        .ok()
        .prints(&["1_a", "applied", "2_b", "pending"]);
    as_reader(&["history"]).ok();
    as_reader(&["plan"]).ok();
    as_reader(&["run"]).exits(1).says(&["denied", "help"]);
    assert_eq!(shop.schema(), before);
    assert!(marks(&shop).is_empty());
    root.execute(&format!("DROP USER '{account}'@'%'"));
}

#[test]
fn what_a_server_presets_for_its_sessions_hides_no_history() {
    for setting in [
        "sql_select_limit = 1",
        "autocommit = 0",
        "sql_mode = 'EMPTY_STRING_IS_NULL,ANSI_QUOTES,HIGH_NOT_PRECEDENCE'",
    ] {
        let shop = Shop::with(
            Engine::Mariadb,
            &format!("session-setup = [\"SET SESSION {setting}\"]"),
        );
        shop.migration("1_a", MARKS, "DROP TABLE marks;");
        shop.migration("2_b", "INSERT INTO marks VALUES (1);", "DELETE FROM marks;");
        shop.migration(
            "3_c",
            "INSERT INTO marks VALUES (2);\nALTER TABLE marks ADD COLUMN note TEXT;",
            "ALTER TABLE marks DROP COLUMN note;",
        );
        shop.run(&["run"]).ok();
        shop.run(&["run"]).ok().says(&["nothing to do"]);
        assert_eq!(marks(&shop), ["1", "2"], "{setting}");
        assert_eq!(shop.history(), ["1", "2", "3"], "{setting}");
        let states: Vec<String> = shop.states().into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, ["applied", "applied", "applied"], "{setting}");
        shop.run(&["revert"]).ok();
    }
}

#[test]
fn a_history_that_may_not_be_seen_is_not_an_empty_one() {
    let shop = shop();
    shop.migration("1_a", MARKS, "DROP TABLE marks;");
    shop.run(&["run"]).ok();
    let (name, account) = (
        shop.mariadb().name(),
        format!("{}_n", shop.mariadb().name()),
    );
    let mut root = shop.connect();
    root.execute(&format!(
        "CREATE USER '{account}'@'%' IDENTIFIED BY 'pw'; GRANT SELECT ON {name}.marks TO '{account}'@'%'"
    ));
    let mut command = shop.command(&["status"]);
    command.env("SHOP_DATABASE_URL", shop.mariadb().url_as(&account, "pw"));
    shop.workspace
        .finish(command)
        .exits(1)
        .says(&["cannot read the migration history", "denied"]);
    root.execute(&format!("DROP USER '{account}'@'%'"));
}
