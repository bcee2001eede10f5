//! What SQLite lets a file try.

use tests::service::Engine;

use super::{Case, EVERYWHERE_HARMLESS, EVERYWHERE_REFUSED, Fate, Ground, Mode, try_out};

const GROUND: Ground = Ground {
    engine: Engine::Sqlite,
    before: "",
    after: "",
    in_place: "SELECT name AS text FROM main.sqlite_master WHERE name LIKE 'seen\\_%' ESCAPE '\\'",
    histories: "SELECT name AS text FROM main.sqlite_master WHERE name = '__diesel_schema_migrations' AND type = 'table'",
    session: "(SELECT foreign_keys FROM pragma_foreign_keys) || '|' || (SELECT recursive_triggers FROM pragma_recursive_triggers) \
              || '|' || (SELECT query_only FROM pragma_query_only) \
              || '|' || (SELECT count(*) FROM pragma_database_list WHERE name NOT IN ('main', 'temp'))",
};

const REFUSED_IN_A_TRANSACTION: &[(Mode, Fate)] = &[
    (Mode::Transaction, Fate::Refused),
    (Mode::Steps, Fate::Harmless),
    (Mode::SingleTransaction, Fate::Refused),
];

#[test]
fn nothing_that_a_file_does_on_sqlite_takes_the_session_or_the_lock() {
    let case = Case::new;
    try_out(
        &GROUND,
        &[
            case("COMMIT;", EVERYWHERE_REFUSED),
            case("END TRANSACTION;", EVERYWHERE_REFUSED),
            case("ROLLBACK;", EVERYWHERE_REFUSED),
            case("PRAGMA journal_mode = WAL;", REFUSED_IN_A_TRANSACTION),
            case("PRAGMA synchronous = OFF;", REFUSED_IN_A_TRANSACTION),
            case("VACUUM;", REFUSED_IN_A_TRANSACTION),
            case("ATTACH ':memory:' AS other;", REFUSED_IN_A_TRANSACTION),
            case("PRAGMA foreign_keys = OFF;", EVERYWHERE_HARMLESS),
            case("PRAGMA defer_foreign_keys = ON;", EVERYWHERE_HARMLESS),
            case("PRAGMA recursive_triggers = ON;", EVERYWHERE_HARMLESS),
            case(
                "PRAGMA query_only = ON;",
                &[
                    (Mode::Transaction, Fate::Harmless),
                    (Mode::SingleTransaction, Fate::Harmless),
                ],
            ),
            case("PRAGMA busy_timeout = 0;", EVERYWHERE_HARMLESS),
            case("PRAGMA locking_mode = EXCLUSIVE;", EVERYWHERE_HARMLESS),
            case("PRAGMA case_sensitive_like = ON;", EVERYWHERE_HARMLESS),
            case("PRAGMA ignore_check_constraints = ON;", EVERYWHERE_HARMLESS),
            case(
                "PRAGMA user_version = 7; PRAGMA application_id = 7;",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "CREATE TEMP TABLE __diesel_schema_migrations (version TEXT, run_on TEXT);",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "CREATE TEMP TABLE __migrate_journal (id INTEGER); CREATE TEMP TABLE __migrate_steps (id INTEGER);",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "SAVEPOINT a; SELECT 1; ROLLBACK TO a; RELEASE a;",
                &[
                    (Mode::Transaction, Fate::Harmless),
                    (Mode::SingleTransaction, Fate::Harmless),
                ],
            ),
            case(
                "DELETE FROM __diesel_schema_migrations WHERE version = '0';",
                EVERYWHERE_HARMLESS,
            ),
        ],
    );
}
