//! What is run again after a stop, what is not, and what a person is asked.

use tests::env::MariadbDatabase;
use tests::workspace::{Run, eventually};

use super::{MARKS, marks, shop};
use tests::service::Shop;

#[test]
fn rows_that_do_not_roll_back_leave_their_statements_in_doubt() {
    let shop = shop();
    shop.migration(
        "1_a",
        "CREATE TABLE marks (n INT PRIMARY KEY) ENGINE = MyISAM;",
        "DROP TABLE marks;",
    );
    let up = "INSERT INTO marks VALUES (1);\nINSERT INTO marks VALUES (2);\nINSERT INTO marks VALUES (3), (1);\n\
              INSERT INTO marks VALUES (4);\n";
    shop.migration("2_b", up, "DELETE FROM marks;");
    shop.run(&["run"]).exits(1).says(&[
        "Duplicate entry '1'",
        "statements 1–4 are in doubt",
        "resolve 2 --step 1",
    ]);
    assert_eq!(marks(&shop), ["1", "2", "3"]);
    shop.run(&["run"])
        .exits(7)
        .says(&["statement 1 of 4 is in doubt"]);
    assert_eq!(
        marks(&shop),
        ["1", "2", "3"],
        "nothing is run again unasked"
    );
    for (step, how) in [
        ("1", "--done"),
        ("2", "--done"),
        ("3", "--done"),
        ("4", "--retry"),
    ] {
        shop.run(&["resolve", "2", "--step", step, how]).ok();
    }
    shop.run(&["run"]).ok();
    assert_eq!(marks(&shop), ["1", "2", "3", "4"]);
}

#[test]
fn a_resumed_file_has_its_sessions_settings_again() {
    let shop = shop();
    let other = MariadbDatabase::create();
    let up = format!(
        "USE {};\nCREATE TABLE marks (n INT);\nSET @n = 7, sql_mode = 'ANSI_QUOTES';\nINSERT INTO wrong VALUES (1);\n\
         INSERT INTO \"marks\" VALUES (@n);\n",
        other.name()
    );
    shop.migration("1_a", &up, "SELECT 1;");
    shop.run(&["run"]).exits(1).says(&["statement 4 of 5"]);
    shop.file("1_a", "up.sql", &up.replace("INTO wrong", "INTO marks"));
    shop.run(&["run"]).ok();
    let marks = format!(
        "SELECT concat(n, '') AS text FROM {}.marks ORDER BY n",
        other.name()
    );
    assert_eq!(shop.texts(&marks), ["1", "7"]);
}

#[test]
fn a_value_that_was_lost_with_its_session_is_not_made_up() {
    let shop = shop();
    let up = "CREATE TABLE parents (id INT AUTO_INCREMENT PRIMARY KEY);\nCREATE TABLE marks (n INT);\n\
              INSERT INTO parents VALUES (7);\nSET @parent = LAST_INSERT_ID();\nALTER TABLE wrong ADD COLUMN a INT;\n\
              INSERT INTO marks VALUES (@PARENT);\n";
    shop.migration("1_a", up, "SELECT 1;");
    shop.run(&["run"]).exits(1).says(&["statement 5 of 6"]);
    let right = up
        .replace("TABLE wrong", "TABLE marks")
        .replace("INTO marks V", "INTO marks (n) V");
    shop.file("1_a", "up.sql", &right);
    shop.run(&["run"]).exits(1).says(&[
        "statement 6 uses @parent",
        "statement 4",
        "write the value itself",
    ]);
    assert!(marks(&shop).is_empty());
    shop.file("1_a", "up.sql", &right.replace("@PARENT", "7"));
    shop.run(&["run"]).ok();
    assert_eq!(marks(&shop), ["7"]);

    let up = "INSERT INTO parents VALUES (NULL);\nALTER TABLE wrong ADD COLUMN b INT;\n\
              INSERT INTO marks (n) VALUES (LAST_INSERT_ID());\n";
    shop.migration("2_b", up, "SELECT 1;");
    shop.run(&["run"]).exits(1).says(&["statement 2 of 3"]);
    let right = up.replace("TABLE wrong", "TABLE marks");
    shop.file("2_b", "up.sql", &right);
    shop.run(&["run"])
        .exits(1)
        .says(&["statement 3 uses LAST_INSERT_ID()", "statement 1"]);
    let query = right.replace("VALUES (LAST_INSERT_ID())", "SELECT max(id) FROM parents");
    shop.file("2_b", "up.sql", &query);
    shop.run(&["run"]).ok();
    assert_eq!(marks(&shop), ["7", "8"]);
}

#[test]
fn a_program_that_fails_half_way_is_in_doubt_and_not_repeated() {
    let shop = shop();
    shop.migration(
        "1_a",
        "CREATE TABLE marks (n INT);\nCREATE PROCEDURE p() BEGIN INSERT INTO marks VALUES (1); INSERT INTO marks VALUES ('x'); END;",
        "DROP TABLE marks;",
    );
    shop.run(&["run"]).ok();
    shop.migration(
        "2_b",
        "SELECT 1;\nCALL p();\nINSERT INTO marks VALUES (2);",
        "SELECT 1;",
    );
    shop.run(&["run"]).exits(1).says(&[
        "statement 2 of 3",
        "as a program has committed it",
        "statement 2 is in doubt",
        "resolve 2 --step 2",
    ]);
    assert_eq!(marks(&shop), ["1"]);
    shop.run(&["run"])
        .exits(7)
        .says(&["statement 2 of 3 is in doubt: it was begun, and its end is not recorded"]);
    shop.run(&["resolve", "2", "--step", "2", "--done"]).ok();
    shop.run(&["run"]).ok();
    assert_eq!(marks(&shop), ["1", "2"]);
    // One that was never begun is a plain failure.
    shop.migration("3_c", "CALL absent();", "SELECT 1;");
    shop.run(&["run"])
        .exits(1)
        .says(&["3_c", "correct the file"]);
}

#[test]
fn what_counts_up_in_a_variable_counts_once() {
    let shop = shop();
    shop.migration("1_a", "CREATE TABLE marks (n INT NOT NULL);\nCREATE TABLE busy (n INT);\nINSERT INTO busy VALUES (1);", "DROP TABLE marks;");
    shop.run(&["run"]).ok();
    shop.migration(
        "2_b",
        "SET @n = 0;\nALTER TABLE marks ADD COLUMN note TEXT;\nINSERT INTO marks (n) VALUES (@n := @n + 1);\n\
         INSERT INTO marks (n) VALUES (@n := @n + 1);\nUPDATE busy SET n = 2;\nINSERT INTO marks (n) VALUES (NULL);\n",
        "SELECT 1;",
    );
    shop.run(&["run"]).exits(1).says(&["statement 6 of 6"]);
    assert_eq!(marks(&shop), ["1", "2"]);
}

#[test]
fn a_session_that_cannot_be_made_again_changes_no_record() {
    let shop = shop();
    let other = MariadbDatabase::create();
    let up = format!(
        "USE {};\nCREATE TABLE marks (n INT);\nINSERT INTO wrong VALUES (1);\n",
        other.name()
    );
    shop.migration("1_a", &up, "SELECT 1;");
    shop.run(&["run"]).exits(1).says(&["statement 3 of 3"]);
    shop.connect()
        .execute(&format!("DROP DATABASE {}", other.name()));
    shop.file("1_a", "up.sql", &up.replace("wrong", "marks"));
    for _ in 0..2 {
        shop.run(&["run"]).exits(1).says(&[
            "1_a/up.sql:1:5",
            "cannot be run again to resume",
            "statements 1–2 are applied and recorded",
        ]);
    }
    shop.connect().execute(&format!(
        "CREATE DATABASE {0}; CREATE TABLE {0}.marks (n INT)",
        other.name()
    ));
    shop.run(&["run"]).ok();
    assert_eq!(shop.history(), ["1"]);
}

#[test]
fn a_lock_that_is_lost_on_the_way_ends_the_run() {
    let shop = shop();
    shop.migration(
        "1_a",
        "CREATE TABLE marks (n INT);\nCREATE PROCEDURE free() BEGIN DO RELEASE_ALL_LOCKS(); END;",
        "SELECT 1;",
    );
    shop.run(&["run"]).ok();
    shop.migration(
        "2_b",
        "INSERT INTO marks VALUES (1);\nCALL free();\nINSERT INTO marks VALUES (2);",
        "SELECT 1;",
    );
    shop.run(&["run"])
        .exits(1)
        .says(&["the migration lock was lost"]);
    assert_eq!(marks(&shop), ["1"]);
    // The call is done, but that could not be recorded any more.
    shop.run(&["run"])
        .exits(7)
        .says(&["statement 2 of 3 is in doubt"]);
    shop.run(&["resolve", "2", "--step", "2", "--done"]).ok();
    shop.run(&["run"]).ok();
    assert_eq!(marks(&shop), ["1", "2"]);
}

#[test]
fn an_interrupt_that_a_statement_swallows_stops_the_next_one() {
    let shop = shop();
    shop.migration("1_a", MARKS, "DROP TABLE marks;");
    shop.run(&["run"]).ok();
    shop.migration(
        "2_b",
        "DO SLEEP(600);\nINSERT INTO marks SELECT SLEEP(600);\nINSERT INTO marks VALUES (3);\n",
        "DELETE FROM marks;",
    );
    let child = shop.start(&["run"]);
    let mut watch = shop.connect();
    let sleeping = "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE = 'User sleep'";
    eventually("it sleeps", || !watch.texts(sleeping).is_empty());
    let pid = child.id().to_string();
    let signalled = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status();
    assert!(signalled.expect("kill starts").success());
    shop.finish(child).exits(1).says(&["interrupted"]);
    assert!(marks(&shop).is_empty());
    assert_eq!(shop.history(), ["1"]);
    shop.run(&["status"]).ok();
}

/// A file that stops at a wrong ALTER, and runs again with that put right.
fn stops_and_goes_on(shop: &Shop, name: &str, up: &str) -> Run {
    shop.migration(
        name,
        &up.replace("ALTER", "ALTER TABLE wrong ADD COLUMN a INT"),
        "SELECT 1;",
    );
    shop.run(&["run"]).exits(1).says(&["wrong' doesn't exist"]);
    let column = name.replace('-', "_");
    let right = format!("ALTER TABLE marks ADD COLUMN c{column} INT");
    shop.file(name, "up.sql", &up.replace("ALTER", &right));
    shop.run(&["run"])
}

#[test]
fn what_a_query_found_before_the_stop_is_not_asked_again() {
    let shop = shop();
    shop.migration(
        "1_a",
        "CREATE TABLE marks (n INT);\nCREATE TABLE calls (n INT);\nINSERT INTO marks VALUES (1);\n\
         CREATE FUNCTION f() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO calls VALUES (1); RETURN 5; END;",
        "SELECT 1;",
    );
    shop.run(&["run"]).ok();
    let up = "SELECT max(n) INTO @base FROM marks;\nINSERT INTO marks (n) VALUES (9);\nALTER;\nINSERT INTO marks (n) VALUES (@base + 1);\n";
    stops_and_goes_on(&shop, "2_b", up)
        .exits(1)
        .says(&["statement 4 uses @base", "make @base anew"]);
    assert_eq!(marks(&shop), ["1", "9"]);
    let right = up.replace("ALTER", "SET @base = 1");
    shop.file("2_b", "up.sql", &right);
    shop.run(&["run"]).ok();
    assert_eq!(marks(&shop), ["1", "2", "9"]);

    let up = "SET @x = f();\nALTER;\nINSERT INTO marks (n) VALUES (@x);\n";
    stops_and_goes_on(&shop, "3_c", up)
        .exits(1)
        .says(&["statement 3 uses @x"]);
    assert_eq!(
        shop.texts("SELECT concat(n, '') AS text FROM calls"),
        ["1"],
        "run once"
    );
}

#[test]
fn a_temporary_table_that_is_gone_is_not_taken_for_the_permanent_one() {
    let shop = shop();
    shop.migration(
        "1_a",
        "CREATE TABLE marks (n INT);\nINSERT INTO marks VALUES (1), (2);",
        "SELECT 1;",
    );
    shop.run(&["run"]).ok();
    let up = "CREATE TEMPORARY TABLE marks (n INT);\nDROP TABLE absent;\nDELETE FROM marks;\n";
    shop.migration("2_b", up, "SELECT 1;");
    shop.run(&["run"]).exits(1).says(&["statement 2 of 3"]);
    shop.file(
        "2_b",
        "up.sql",
        &up.replace("DROP TABLE absent", "SELECT 1"),
    );
    shop.run(&["run"])
        .exits(1)
        .says(&["temporary table `marks`"]);
    assert_eq!(marks(&shop), ["1", "2"]);
}

#[test]
fn settings_and_prepared_statements_are_made_again() {
    let shop = shop();
    shop.migration("1_a", "CREATE TABLE marks (n INT);", "SELECT 1;");
    shop.run(&["run"]).ok();
    let up = "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES');\nSET @q = 'INSERT INTO marks (n) VALUES (3)';\n\
              PREPARE s FROM @q;\nALTER;\nEXECUTE s;\nINSERT INTO \"marks\" (n) VALUES (4);\n";
    stops_and_goes_on(&shop, "2_b", up).ok();
    assert_eq!(marks(&shop), ["3", "4"]);
}

#[test]
fn a_statement_in_doubt_that_was_edited_since_stays_in_doubt() {
    let shop = shop();
    shop.migration(
        "1_a",
        "CREATE TABLE marks (n INT);\nCREATE TABLE others (n INT);",
        "SELECT 1;",
    );
    shop.run(&["run"]).ok();
    let up = "ALTER TABLE marks ADD COLUMN x INT;\nINSERT INTO others VALUES (1);\n";
    shop.migration("2_b", up, "SELECT 1;");
    let mut application = shop.connect();
    application.execute("BEGIN; SELECT n FROM marks; INSERT INTO marks VALUES (1)");
    let mut child = shop.start(&["run"]);
    let mut watch = shop.connect();
    let waiting = "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE LIKE 'Waiting for table metadata lock'";
    eventually("the statement waits", || !watch.texts(waiting).is_empty());
    child.kill().expect("killed");
    child.wait().expect("gone");
    eventually("its session is gone", || watch.texts(waiting).is_empty());
    application.execute("COMMIT");
    shop.file(
        "2_b",
        "up.sql",
        &format!("ALTER TABLE others ADD COLUMN y INT;\n{up}"),
    );
    shop.run(&["run"]).exits(7).says(&["in doubt"]);
    let columns = "SELECT concat(TABLE_NAME, '.', COLUMN_NAME) AS text FROM information_schema.COLUMNS \
                   WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('marks', 'others') ORDER BY 1";
    assert_eq!(watch.texts(columns), ["marks.n", "others.n"]);
    shop.file("2_b", "up.sql", up);
    shop.run(&["run"]).ok();
    assert_eq!(watch.texts(columns), ["marks.n", "marks.x", "others.n"]);
}

#[test]
fn a_statement_as_large_as_the_server_takes_is_run_and_a_larger_one_has_a_place() {
    let shop = shop();
    // MariaDB's limit where nobody has set another.
    let limit = 16 * 1024 * 1024;
    let insert = |bytes: usize| format!("INSERT INTO marks VALUES ('{}')", "x".repeat(bytes));
    let up = |bytes: usize| {
        format!(
            "CREATE TABLE marks (n LONGTEXT);\nCREATE PROCEDURE p() BEGIN END;\nCALL p();\n{};\n",
            insert(bytes)
        )
    };
    shop.migration("1_a", &up(limit), "DROP TABLE marks;");
    shop.run(&["run"])
        .exits(1)
        .says(&["statement 4 of 4", "1_a/up.sql:4:1", "max_allowed_packet"]);
    // The call before it is recorded, and not in doubt.
    assert_eq!(shop.state("1_a"), "half-applied");
    let just_fits = limit - insert(0).len() - 100;
    shop.file("1_a", "up.sql", &up(just_fits));
    shop.run(&["run"]).ok();
    let length = shop.texts("SELECT concat(length(n), '') AS text FROM marks");
    assert_eq!(length, [just_fits.to_string()]);
    assert_eq!(shop.history(), ["1"]);
}
