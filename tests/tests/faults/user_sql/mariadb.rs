//! What MariaDB lets a file try. Each file runs by steps there, whatever its
//! metadata says.

use tests::service::Engine;

use super::{Case, Fate, Ground, Mode, try_out};

const GROUND: Ground = Ground {
    engine: Engine::Mariadb,
    before: "CREATE DATABASE {name}_other; \
             CREATE ROLE {name}_role; GRANT {name}_role TO CURRENT_USER; \
             CREATE FUNCTION let_go() RETURNS INT RETURN RELEASE_ALL_LOCKS(); \
             CREATE PROCEDURE lets_go() SELECT RELEASE_ALL_LOCKS(); \
             CREATE PROCEDURE commits() COMMIT",
    after: "DROP DATABASE {name}_other; DROP ROLE {name}_role",
    in_place: "SELECT TABLE_NAME AS text FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{name}' AND TABLE_NAME LIKE 'seen\\_%'",
    histories: "SELECT TABLE_SCHEMA AS text FROM information_schema.TABLES WHERE TABLE_NAME = '__diesel_schema_migrations' AND TABLE_SCHEMA LIKE '{name}%'",
    session: "concat_ws('|', database(), coalesce(current_role(), 'none'), @@sql_mode, @@autocommit, @@foreign_key_checks, @@unique_checks, \
              @@time_zone, @@tx_isolation, @@tx_read_only, @@sql_safe_updates, @@lock_wait_timeout, @@max_statement_time, \
              @@character_set_client, @@collation_connection)",
};

const REFUSED: &[(Mode, Fate)] = &[
    (Mode::Transaction, Fate::Refused),
    (Mode::Steps, Fate::Refused),
];
const HARMLESS: &[(Mode, Fate)] = &[
    (Mode::Transaction, Fate::Harmless),
    (Mode::Steps, Fate::Harmless),
];
const STOPS: &[(Mode, Fate)] = &[(Mode::Transaction, Fate::Stops), (Mode::Steps, Fate::Stops)];

#[test]
fn nothing_that_a_file_does_on_mariadb_takes_the_session_or_the_lock() {
    let case = Case::new;
    try_out(
        &GROUND,
        &[
            case("SELECT RELEASE_ALL_LOCKS();", REFUSED),
            case("DO release_all_locks();", REFUSED),
            case("SET @a = RELEASE_LOCK('x');", REFUSED),
            case("LOCK TABLES marks WRITE;", REFUSED),
            case("FLUSH TABLES WITH READ LOCK;", REFUSED),
            case("COMMIT;", REFUSED),
            case("ROLLBACK;", REFUSED),
            // Nobody sees it before it is done; each checkpoint looks.
            case("SELECT let_go();", STOPS),
            case("CALL lets_go();", STOPS),
            case(
                "PREPARE x FROM 'SELECT RELEASE_ALL_LOCKS()'; EXECUTE x;",
                STOPS,
            ),
            case("EXECUTE IMMEDIATE 'SELECT RELEASE_ALL_LOCKS()';", STOPS),
            case("CALL commits();", HARMLESS),
            case("USE {name}_other;", HARMLESS),
            case("SET ROLE {name}_role;", HARMLESS),
            case(
                "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES';",
                HARMLESS,
            ),
            case("SET SESSION sql_mode = 'ORACLE';", HARMLESS),
            case("SET autocommit = 0;", REFUSED),
            case("SET SESSION TRANSACTION READ ONLY;", REFUSED),
            case(
                "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
                HARMLESS,
            ),
            case("SET NAMES latin1;", HARMLESS),
            case("SET character_set_connection = 'utf16';", HARMLESS),
            case(
                "SET FOREIGN_KEY_CHECKS = 0; SET UNIQUE_CHECKS = 0;",
                HARMLESS,
            ),
            case("SET time_zone = '+05:30';", HARMLESS),
            case("SET sql_safe_updates = 1;", HARMLESS),
            case("SET max_statement_time = 3600;", HARMLESS),
            case(
                "SET lock_wait_timeout = 3600, innodb_lock_wait_timeout = 3600;",
                HARMLESS,
            ),
            case("SET sql_log_bin = 0;", HARMLESS),
            case("SET @@session.sql_select_limit = 1;", HARMLESS),
            case(
                "DELETE FROM __diesel_schema_migrations WHERE version = '0';",
                HARMLESS,
            ),
        ],
    );
}
