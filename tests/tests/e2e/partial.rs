//! PostgreSQL, outside a transaction and in one: what a statement has done that
//! no rollback takes back is not done twice, and what a file leaves in its
//! session is not the next file's.

use tests::service::{Engine, Shop};
use tests::workspace::eventually;

fn marks(shop: &Shop) -> Vec<String> {
    shop.texts("SELECT n::text AS text FROM marks ORDER BY n")
}

/// A service with the table `marks` and what `make` makes.
fn shop(make: &str) -> Shop {
    let shop = Shop::new(Engine::Postgres);
    let up = format!("CREATE TABLE marks (n int);\n{make}");
    shop.migration("1_a", &up, "DROP TABLE marks;");
    shop.run(&["run"]).ok();
    shop
}

/// Runs `2_b`, whose first statement commits the mark 1 and fails, and expects
/// that nobody runs it again unasked.
#[track_caller]
fn is_in_doubt(shop: &Shop, program: &str, why: &str) {
    let up = format!("{program};\nINSERT INTO marks VALUES (2);");
    shop.steps("2_b", &up, "SELECT 1;");
    shop.run(&["run"]).exits(1).says(&[
        why,
        "what it had committed before the error stays: statement 1 is in doubt",
        "resolve 2 --step 1",
    ]);
    assert_eq!(marks(shop), ["1"], "{program}");
    shop.run(&["run"]).exits(7).says(&["in doubt"]);
    assert_eq!(marks(shop), ["1"], "{program}");
    shop.run(&["resolve", "2", "--step", "1", "--done"]).ok();
    shop.run(&["run"]).ok();
    assert_eq!(marks(shop), ["1", "2"], "{program}");
}

#[test]
fn what_committed_a_part_before_its_error_is_in_doubt_and_not_run_again() {
    let committing = "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$BEGIN INSERT INTO marks VALUES (1); COMMIT; PERFORM 1/0; END$$;";
    is_in_doubt(&shop(committing), "CALL p()", "division by zero");
    for program in [
        "DO $$BEGIN INSERT INTO marks VALUES (1); COMMIT; PERFORM absent(); END$$",
        "DO $$BEGIN INSERT INTO marks VALUES (1); CALL c(); PERFORM absent(); END$$",
    ] {
        let make = "CREATE PROCEDURE c() LANGUAGE plpgsql AS $$BEGIN COMMIT; END$$;";
        is_in_doubt(&shop(make), program, "absent() does not exist");
    }
}

#[test]
fn so_is_what_gave_up_waiting_for_a_lock_behind_its_commit() {
    let shop = shop(
        "CREATE TABLE busy (n int);\nCREATE PROCEDURE p() LANGUAGE plpgsql AS \
         $$BEGIN INSERT INTO marks VALUES (1); COMMIT; LOCK TABLE busy; END$$;",
    );
    let mut other = shop.connect();
    other.execute("BEGIN; LOCK TABLE busy");
    is_in_doubt(&shop, "CALL p()", "lock timeout");
}

#[test]
fn what_failed_before_it_committed_anything_is_a_plain_failure() {
    let shop = shop(
        "CREATE TABLE busy (n int);\nCREATE PROCEDURE p() LANGUAGE plpgsql AS \
         $$BEGIN INSERT INTO marks VALUES (1); PERFORM 1/0; COMMIT; END$$;",
    );
    for program in [
        "CALL absent()",
        "CALL p(1)",
        "CALL p()",
        "DO $$BEGIN INSERT INTO marks VALUES (1); PERFORM absent(); COMMIT; END$$",
        "DO $$BEGIN BEGIN PERFORM 1/0; EXCEPTION WHEN OTHERS THEN NULL; END; PERFORM 1/0; END$$",
        "DO $$BEGIN SELEC 1; END$$",
    ] {
        let up = format!("SELECT 1;\n{program};\nSELECT 2;");
        shop.steps("2_b", &up, "SELECT 1;");
        let run = shop.run(&["run"]).exits(1);
        run.says(&[
            "statement 1 is applied and recorded",
            "resume at statement 2",
        ]);
        assert!(marks(&shop).is_empty(), "{program}");
    }
    shop.steps(
        "2_b",
        "SELECT 1;\nINSERT INTO marks VALUES (2);\nSELECT 2;",
        "SELECT 1;",
    );
    shop.run(&["run"]).ok();
    assert_eq!(marks(&shop), ["2"]);
}

#[test]
fn a_file_that_changes_its_sessions_name_is_cancelled_all_the_same() {
    for (steps, forget) in [
        (false, "SET application_name = 'mine'"),
        (false, "RESET ALL"),
        (true, "SET application_name = 'mine'"),
        (true, "RESET ALL"),
    ] {
        let shop = shop("");
        let up = format!("{forget};\nSELECT pg_sleep(600);\nINSERT INTO marks VALUES (2);");
        if steps {
            shop.steps("2_b", &up, "SELECT 1;");
        } else {
            shop.migration("2_b", &up, "SELECT 1;");
        }
        let mut watch = shop.connect();
        let child = shop.start(&["run"]);
        let asleep = "SELECT pid::text AS text FROM pg_stat_activity \
                      WHERE wait_event = 'PgSleep' AND datname = current_database()";
        eventually("it sleeps", || !watch.texts(asleep).is_empty());
        let sent = std::process::Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()
            .expect("kill starts");
        assert!(sent.success());
        shop.finish(child)
            .exits(1)
            .says(&["interrupted; what is applied is recorded"]);
        assert!(watch.texts(asleep).is_empty(), "{forget}: it goes on");
        assert_eq!(shop.history(), ["1"], "{forget}");
        let locks = "SELECT pid::text AS text FROM pg_locks l WHERE locktype = 'advisory' \
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        assert!(watch.texts(locks).is_empty(), "{forget}");
    }
}

#[test]
fn a_files_temporary_table_does_not_take_the_rows_of_the_next_files() {
    let next = "CREATE TABLE IF NOT EXISTS u (x int);\nINSERT INTO public.u VALUES (1);\nINSERT INTO u VALUES (2);";
    for (first, second, args) in [
        (false, false, &["run"][..]),
        (false, true, &["run"]),
        (true, false, &["run"]),
        (true, true, &["run"]),
        (false, false, &["run", "--single-transaction"]),
    ] {
        let shop = Shop::new(Engine::Postgres);
        for (name, steps, up) in [
            (
                "1_a",
                first,
                "CREATE TEMPORARY TABLE u (x int);\nINSERT INTO u VALUES (7);",
            ),
            ("2_b", second, next),
        ] {
            if steps {
                shop.steps(name, up, "SELECT 1;");
            } else {
                shop.migration(name, up, "SELECT 1;");
            }
        }
        shop.run(args).ok();
        assert_eq!(
            shop.texts("SELECT x::text AS text FROM public.u ORDER BY x"),
            ["1", "2"],
            "{first} {second} {args:?}"
        );
    }
}

#[test]
fn a_temporary_table_with_deferred_checks_is_no_error() {
    let shop = Shop::new(Engine::Postgres);
    shop.migration(
        "1_a",
        "CREATE TEMPORARY TABLE p (x int PRIMARY KEY);\n\
         CREATE TEMPORARY TABLE c (x int REFERENCES p DEFERRABLE INITIALLY DEFERRED);\n\
         INSERT INTO c VALUES (1);\nINSERT INTO p VALUES (1);",
        "SELECT 1;",
    );
    shop.run(&["run"]).ok();
}

#[test]
fn what_reaches_out_of_the_transaction_is_sent_once() {
    for (steps, args) in [
        (false, &["run"][..]),
        (false, &["run", "--single-transaction"]),
        (true, &["run"]),
    ] {
        // A sequence counts what is rolled back, too.
        let shop = shop("CREATE SEQUENCE sent;");
        let up = "SELECT nextval('sent'), 'dblink', 1/(SELECT count(*) FROM marks);";
        if steps {
            shop.steps("2_b", up, "SELECT 1;");
        } else {
            shop.migration("2_b", up, "SELECT 1;");
        }
        shop.run(args).exits(1).says(&["division by zero"]);
        let sent = "SELECT last_value::text AS text FROM sent WHERE is_called";
        assert_eq!(shop.texts(sent), ["1"], "{steps} {args:?}");
    }
}
