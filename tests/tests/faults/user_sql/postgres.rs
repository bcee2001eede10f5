//! What PostgreSQL lets a file try.

use tests::service::Engine;

use super::{
    Case, EVERYWHERE_FAILS, EVERYWHERE_HARMLESS, EVERYWHERE_REFUSED, Fate, Ground, Mode, try_out,
};

const GROUND: Ground = Ground {
    engine: Engine::Postgres,
    before: "CREATE ROLE {name}_other; CREATE SCHEMA elsewhere AUTHORIZATION {name}_other; \
             CREATE FUNCTION let_go() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_unlock_all()'; \
             CREATE PROCEDURE commits() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'",
    after: "DROP OWNED BY {name}_other CASCADE; DROP ROLE {name}_other",
    in_place: "SELECT relname::text AS text FROM pg_class WHERE relname LIKE 'seen\\_%' AND relnamespace = 'public'::regnamespace AND pg_get_userbyid(relowner) = 'postgres'",
    histories: "SELECT nspname::text AS text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relname = '__diesel_schema_migrations' AND relkind = 'r' AND relpersistence = 'p' AND nspname <> 'decoy'",
    session: "concat_ws('|', current_user, session_user, current_setting('search_path'), current_setting('statement_timeout'), \
              current_setting('client_encoding'), current_setting('DateStyle'), current_setting('standard_conforming_strings'), \
              current_setting('session_replication_role'), current_setting('default_transaction_isolation'), current_setting('row_security'))",
};

const ONLY_STEPS_STOP: &[(Mode, Fate)] = &[
    (Mode::Transaction, Fate::Harmless),
    (Mode::Steps, Fate::Stops),
    (Mode::SingleTransaction, Fate::Harmless),
];

const ONLY_STEPS_ARE_IN_DOUBT: &[(Mode, Fate)] = &[
    (Mode::Transaction, Fate::Harmless),
    (Mode::Steps, Fate::InDoubt),
    (Mode::SingleTransaction, Fate::Harmless),
];

const ONLY_STEPS_TAKE_IT: &[(Mode, Fate)] = &[
    (Mode::Transaction, Fate::Fails),
    (Mode::Steps, Fate::Harmless),
    (Mode::SingleTransaction, Fate::Fails),
];

#[test]
fn nothing_that_a_file_does_on_postgresql_takes_the_session_or_the_lock() {
    let case = Case::new;
    try_out(
        &GROUND,
        &[
            case("DISCARD ALL;", EVERYWHERE_REFUSED),
            case("discard /* all of it */ all", EVERYWHERE_REFUSED),
            case("SELECT pg_advisory_unlock_all();", EVERYWHERE_REFUSED),
            case(
                "SELECT pg_catalog.pg_advisory_unlock_all ();",
                EVERYWHERE_REFUSED,
            ),
            case("SELECT \"pg_advisory_unlock_all\"();", EVERYWHERE_REFUSED),
            case("SELECT pg_advisory_unlock(1);", EVERYWHERE_REFUSED),
            case("COMMIT;", EVERYWHERE_REFUSED),
            case("ROLLBACK;", EVERYWHERE_REFUSED),
            case("COMMIT; BEGIN;", EVERYWHERE_REFUSED),
            case("END;", EVERYWHERE_REFUSED),
            case("PREPARE TRANSACTION 'mine';", EVERYWHERE_REFUSED),
            // The session's lock is gone, the transaction's is not theirs to give.
            case("SELECT let_go();", ONLY_STEPS_STOP),
            case(
                "DO $$ BEGIN PERFORM pg_advisory_unlock_all(); END $$;",
                ONLY_STEPS_ARE_IN_DOUBT,
            ),
            case(
                "DO $$ BEGIN EXECUTE 'SELECT pg_advisory_' || 'unlock_all()'; END $$;",
                ONLY_STEPS_ARE_IN_DOUBT,
            ),
            case(
                "DO $$ BEGIN EXECUTE 'DISCARD ALL'; END $$;",
                EVERYWHERE_FAILS,
            ),
            // Outside a transaction there is none of ours for it to end.
            case("DO $$ BEGIN COMMIT; END $$;", ONLY_STEPS_TAKE_IT),
            case("DO $$ BEGIN ROLLBACK; END $$;", ONLY_STEPS_TAKE_IT),
            case("CALL commits();", ONLY_STEPS_TAKE_IT),
            case("DISCARD TEMP;", EVERYWHERE_HARMLESS),
            case("DISCARD PLANS;", EVERYWHERE_HARMLESS),
            case("SET ROLE {name}_other;", EVERYWHERE_HARMLESS),
            case("SET LOCAL ROLE {name}_other;", EVERYWHERE_HARMLESS),
            case(
                "SELECT set_config('role', '{name}_other', false);",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "SET SESSION AUTHORIZATION {name}_other;",
                EVERYWHERE_HARMLESS,
            ),
            case("SET search_path TO elsewhere;", EVERYWHERE_HARMLESS),
            case("SET search_path TO '';", EVERYWHERE_HARMLESS),
            case("SET LOCAL search_path TO elsewhere;", EVERYWHERE_HARMLESS),
            case("SET SCHEMA 'elsewhere';", EVERYWHERE_HARMLESS),
            case(
                "SELECT set_config('search_path', '', false);",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "SELECT set_config('search_path', 'elsewhere', true);",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "CREATE TEMP TABLE __diesel_schema_migrations (version text, run_on text); SET search_path TO pg_temp, public;",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "CREATE TEMP TABLE __migrate_journal (id int); CREATE TEMP TABLE __migrate_steps (id int);",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "CREATE SCHEMA decoy; CREATE TABLE decoy.__diesel_schema_migrations (version text); SET search_path TO decoy, public;",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "CREATE FUNCTION elsewhere.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz'; SET search_path TO elsewhere, pg_catalog, public;",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "CREATE FUNCTION public.pg_try_advisory_xact_lock(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false'; SET search_path TO public, pg_catalog;",
                EVERYWHERE_HARMLESS,
            ),
            case("RESET ALL;", EVERYWHERE_HARMLESS),
            case(
                "SET statement_timeout = '1h'; SET lock_timeout = 0;",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "SET standard_conforming_strings = off; SET escape_string_warning = off;",
                EVERYWHERE_HARMLESS,
            ),
            case("SET client_encoding = 'LATIN1';", EVERYWHERE_HARMLESS),
            case(
                "SET DateStyle = 'German'; SET IntervalStyle = 'sql_standard';",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "SET session_replication_role = replica;",
                EVERYWHERE_HARMLESS,
            ),
            case("SET row_security = off;", EVERYWHERE_HARMLESS),
            case(
                "SET check_function_bodies = off; SET xmloption = document;",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "SET default_transaction_isolation = 'serializable';",
                EVERYWHERE_HARMLESS,
            ),
            case("SET CONSTRAINTS ALL DEFERRED;", EVERYWHERE_HARMLESS),
            case("SET application_name = 'mine';", EVERYWHERE_HARMLESS),
            case(
                "LISTEN something; NOTIFY something, 'x';",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "SAVEPOINT a; SELECT 1; ROLLBACK TO a; RELEASE a;",
                &[
                    (Mode::Transaction, Fate::Harmless),
                    (Mode::SingleTransaction, Fate::Harmless),
                ],
            ),
            case("PREPARE x AS SELECT 1; EXECUTE x;", EVERYWHERE_HARMLESS),
            case(
                "DECLARE c CURSOR WITH HOLD FOR SELECT 1;",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "ALTER ROLE {name}_other SET search_path = elsewhere;",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "DELETE FROM __diesel_schema_migrations WHERE version = '0';",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "SET default_transaction_read_only = on;",
                EVERYWHERE_HARMLESS,
            ),
            case(
                "SET idle_in_transaction_session_timeout = '1h'; SET transaction_read_only = on;",
                // Statement by statement it ends with a savepoint of ours.
                &[(Mode::Transaction, Fate::Harmless)],
            ),
        ],
    );
}
