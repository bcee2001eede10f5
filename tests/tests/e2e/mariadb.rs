//! What only MySQL and MariaDB show: DDL that commits by itself, sessions that
//! files change, their dialect's files and where their errors point.

mod resuming;
mod sessions;

use migrate_core::{Catalog, Goal, Up};
use migrate_runtime::{Access, Database, Migrator, Report, Session};
use tests::workspace::eventually;

use tests::service::{Engine, Shop};

fn shop() -> Shop {
    Shop::new(Engine::Mariadb)
}

fn marks(shop: &Shop) -> Vec<String> {
    shop.texts("SELECT concat(n, '') AS text FROM marks ORDER BY n")
}

const MARKS: &str = "CREATE TABLE marks (n INT NOT NULL);";

/// Six statements, of which the fourth fails; the first three leave a mark for
/// each time that they are run.
const SIX: &str = "CREATE TABLE marks (n INT NOT NULL);\n\
                   INSERT INTO marks VALUES (1);\n\
                   ALTER TABLE marks ADD COLUMN note TEXT;\n\
                   INSERT INTO wrong VALUES (2);\n\
                   CREATE INDEX marks_n ON marks (n);\n\
                   INSERT INTO marks (n) VALUES (3);\n";

#[test]
fn a_file_that_fails_at_the_fourth_of_six_resumes_there_and_runs_the_first_three_once() {
    let shop = shop();
    shop.migration("1_six", SIX, "DROP TABLE marks;");
    shop.migration("2_last", "INSERT INTO marks (n) VALUES (4);", "SELECT 1;");
    shop.run(&["run"]).exits(1).says(&[
        "1_six stopped at statement 4 of 6",
        "1_six/up.sql:4:13",
        "wrong' doesn't exist",
        "statements 1–3 are applied and recorded",
        "resume at statement 4",
    ]);
    assert_eq!(shop.state("1_six"), "half-applied");
    shop.run(&["status"]).ok().prints(&["3 of 6"]);
    assert_eq!(marks(&shop), ["1"]);
    shop.run(&["run"]).exits(1).says(&["statement 4 of 6"]);
    shop.file("1_six", "up.sql", &SIX.replace("wrong", "marks (n)"));
    shop.run(&["run"]).ok();
    assert_eq!(marks(&shop), ["1", "2", "3", "4"]);
    assert_eq!(shop.history(), ["1", "2"]);
    let times = "SELECT concat(n, ' ', count(*), ' ', state) AS text FROM __migrate_steps WHERE attempt = 1 GROUP BY n, state ORDER BY n";
    let once: Vec<String> = (1..=6).map(|n| format!("{n} 1 done")).collect();
    assert_eq!(shop.texts(times), once);
}

#[test]
fn rows_changed_one_after_another_stay_up_to_the_one_that_fails() {
    let shop = shop();
    let insert = |n: usize| format!("INSERT INTO marks VALUES ({n});\n");
    let all: String = (1..=250).map(insert).collect();
    shop.migration("1_a", MARKS, "DROP TABLE marks;");
    shop.migration("2_b", &all.replace("(120)", "(NULL)"), "DELETE FROM marks;");
    shop.run(&["run"])
        .exits(1)
        .says(&["2_b stopped at statement 120 of 250", "up.sql:120:1"]);
    assert_eq!(marks(&shop).len(), 119);
    shop.file("2_b", "up.sql", &all);
    shop.run(&["run"]).ok();
    assert_eq!(marks(&shop).len(), 250);
    // An id that the server gave is known to the next statement.
    shop.migration(
        "3_c",
        "CREATE TABLE parents (id INT AUTO_INCREMENT PRIMARY KEY);\nCREATE TABLE children (parent INT NOT NULL);\n\
         INSERT INTO parents VALUES (NULL), (NULL);\nINSERT INTO parents VALUES (NULL);\n\
         INSERT INTO children VALUES (LAST_INSERT_ID());\nALTER TABLE children ADD COLUMN note TEXT;\n\
         INSERT INTO children (parent) VALUES (LAST_INSERT_ID());",
        "DROP TABLE children, parents;",
    );
    shop.run(&["run"]).ok();
    let parents = shop.texts("SELECT concat(parent, '') AS text FROM children");
    assert_eq!(parents, ["3", "3"]);
}

#[test]
fn an_error_points_to_its_line_and_column() {
    let delimited = "-- A procedure.\nDELIMITER $$\nCREATE PROCEDURE p()\nBEGIN\n  SELECT 1;\n  SELEC 2;\nEND$$\nDELIMITER ;\n";
    for (up, place) in [
        ("CREATE TABEL a (id INT);", "1:8"),
        (
            "SELECT 1;\n\n-- Größe\nSELECT 'größe',\n  'ß' FROMM t;",
            "5:13",
        ),
        (delimited, "6:9"),
        (
            "CREATE TRIGGER t BEFORE INSERT ON marks FOR EACH ROW\nBEGIN\n  SET NEW.n = 1;\n  SET NEW.m = 2;\nEND;",
            "4:11",
        ),
        ("/*!50100 CREATE TABEL a (id INT) */;", "1:17"),
        (
            "INSERT INTO marks VALUES (1);\nSELECT nothing\nFROM marks;",
            "2:8",
        ),
        ("ALTER TABLE marks\n  DROP COLUMN absent;", "2:15"),
        ("UPDATE absent SET n = 1;", "1:8"),
        ("SELECT (1", "1:10"),
        ("INSERT INTO marks VALUES (1, 2);", "1:1"),
    ] {
        let shop = shop();
        shop.migration("1_a", MARKS, "DROP TABLE marks;");
        shop.migration("2_b", up, "SELECT 1;");
        shop.run(&["run"])
            .exits(1)
            .says(&[&format!("2_b/up.sql:{place}\n")]);
        assert_eq!(shop.history(), ["1"]);
    }
}

#[test]
fn files_of_the_clients_and_of_dumps_run_as_they_stand() {
    let shop = shop();
    shop.migration(
        "1_dump",
        "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n\
         /*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;\n\
         /*!40101 SET NAMES utf8mb4 */;\n\
         CREATE TABLE `child` (`id` int NOT NULL, `parent` int, PRIMARY KEY (`id`),\n  \
         CONSTRAINT `c` FOREIGN KEY (`parent`) REFERENCES `parent` (`id`));\n\
         # the parent comes later\n\
         CREATE TABLE `parent` (`id` int NOT NULL, `name` varchar(20) DEFAULT 'a;\\'b', PRIMARY KEY (`id`))\n\
         /*!50100 PARTITION BY HASH (id) PARTITIONS 1 */;\n"
            .replace("\n/*!50100 PARTITION BY HASH (id) PARTITIONS 1 */", "")
            .as_str(),
        "SET FOREIGN_KEY_CHECKS = 0;\nDROP TABLE child, parent;\n",
    );
    shop.migration(
        "2_programs",
        "CREATE TABLE /*!50100 parts */ (id INT NOT NULL)\n/*!50100 PARTITION BY HASH (id) PARTITIONS 2 */;\n\
         CREATE PROCEDURE plain() BEGIN DECLARE i INT DEFAULT 0; WHILE i < 3 DO SET i = i + 1; END WHILE; END;\n\
         DELIMITER ;;\n\
         CREATE FUNCTION half(n INT) RETURNS INT DETERMINISTIC\nBEGIN\n  IF n > 1 THEN RETURN n / 2; END IF;\n  RETURN 0;\nEND ;;\n\
         /*!50003 CREATE TRIGGER stamp BEFORE INSERT ON parts FOR EACH ROW BEGIN SET NEW.id = half(NEW.id); END */;;\n\
         DELIMITER ;\n\
         INSERT INTO parts VALUES (8);\n\
         SET @exists = (SELECT count(*) FROM parts);\n\
         SET @sql = IF(@exists = 1, 'ALTER TABLE parts ADD COLUMN note TEXT', 'SELECT 1');\n\
         PREPARE stmt FROM @sql;\nEXECUTE stmt;\nDEALLOCATE PREPARE stmt;\n\
         UPDATE parts SET note = 'a;b';\n",
        "DROP TABLE parts;\nDROP FUNCTION half;\nDROP PROCEDURE plain;\n",
    );
    shop.run(&["run"]).ok();
    assert_eq!(
        shop.texts("SELECT concat(id, note) AS text FROM parts"),
        ["4a;b"]
    );
    let applied = shop.schema();
    for name in ["plain", "half", "stamp", "PARTITION BY HASH"] {
        assert!(applied.contains(name), "{name} is missing in\n{applied}");
    }
    shop.run(&["revert", "--to", "zero"]).ok();
    shop.run(&["run"]).ok();
    assert_eq!(shop.schema(), applied);
}

#[test]
fn a_block_that_fails_points_to_the_statement_in_it() {
    let shop = shop();
    shop.migration(
        "1_a",
        "CREATE TABLE marks (n INT PRIMARY KEY);",
        "DROP TABLE marks;",
    );
    shop.migration(
        "2_b",
        "BEGIN;\nINSERT INTO marks VALUES (1);\n\nINSERT INTO marks VALUES (1);\nCOMMIT;\n",
        "DELETE FROM marks;",
    );
    shop.run(&["run"])
        .exits(1)
        .says(&["2_b/up.sql:4:1\n", "Duplicate entry '1'"]);
    assert!(marks(&shop).is_empty());
    shop.file(
        "2_b",
        "up.sql",
        "BEGIN;\nINSERT INTO marks\nVALUES (1);\nINSERT INTO marks\n  VALUESS (2);\nCOMMIT;\n",
    );
    shop.run(&["run"]).exits(1).says(&["2_b/up.sql:5:3\n"]);
    assert!(marks(&shop).is_empty());
}

#[test]
fn a_ddl_that_waits_for_a_table_lets_the_application_go_first() {
    let shop = Shop::with(Engine::Mariadb, "lock-timeout = \"1s\"");
    shop.migration("1_a", MARKS, "DROP TABLE marks;");
    shop.run(&["run"]).ok();
    shop.migration(
        "2_b",
        "ALTER TABLE marks ADD COLUMN note TEXT;",
        "SELECT 1;",
    );
    let mut application = shop.connect();
    application.execute("BEGIN; SELECT n FROM marks; INSERT INTO marks VALUES (1)");
    let child = shop.start(&["-v", "run"]);
    let mut watch = shop.connect();
    let waiting = "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE LIKE 'Waiting for table metadata lock'";
    let (mut waits, mut was_waiting) = (0, false);
    eventually("it has tried, given way and tried again", || {
        let is_waiting = !watch.texts(waiting).is_empty();
        waits += usize::from(is_waiting && !was_waiting);
        was_waiting = is_waiting;
        waits >= 2
    });
    application.execute("COMMIT");
    shop.finish(child).ok().says(&["2_b", "holds a lock"]);
    assert_eq!(shop.history(), ["1", "2"]);
}

#[test]
fn a_single_transaction_is_refused() {
    let shop = shop();
    shop.migration("1_a", MARKS, "DROP TABLE marks;");
    shop.run(&["run", "--single-transaction"]).exits(1).says(&[
        "single transaction is not possible",
        "MySQL",
        "commit",
    ]);
    assert!(!shop.schema().contains("marks"), "{}", shop.schema());
}

#[test]
fn a_services_own_connection_runs_the_same_engine() {
    let shop = shop();
    shop.migration("1_six", SIX, "DROP TABLE marks;");
    let catalog = |shop: &Shop| Catalog::load(&[shop.migrations()]).expect("a catalog");
    let connect = || {
        let session = Session::new("shop", Access::Write);
        Database::over_mysql(shop.mariadb().connect(), &session).expect("a database")
    };
    let run = |shop: &Shop| {
        let mut report = Report::default();
        let catalog = catalog(shop);
        let ran = Migrator::new(&catalog).run(&mut connect(), &Goal::Up(Up::Latest), &mut report);
        ran.map(|()| report.done.len())
            .map_err(|error| error.to_string())
    };
    let error = run(&shop).expect_err("the fourth statement fails");
    assert!(error.contains("statement 4 of 6"), "{error}");
    assert_eq!(marks(&shop), ["1"]);
    shop.file("1_six", "up.sql", &SIX.replace("wrong", "marks (n)"));
    assert_eq!(run(&shop), Ok(1));
    assert_eq!(run(&shop), Ok(0));
    assert_eq!(marks(&shop), ["1", "2", "3"]);
    assert_eq!(shop.state("1_six"), "applied");
    // And the command goes on with what the service has begun.
    shop.run(&["revert"]).ok();
    assert!(shop.history().is_empty());
}
