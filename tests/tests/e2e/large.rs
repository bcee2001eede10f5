//! Files larger than what goes in one piece: still one transaction, still the
//! statement and the line of an error, and no more of the file in the error
//! than is shown of it.

use tests::service::{ALL, Engine, Shop};

/// Rows of about a kilobyte, one to a line: 2.5 MB, three pieces.
const ROWS: usize = 2500;

fn row(n: usize) -> String {
    format!("INSERT INTO marks VALUES ({n}, '{}');\n", "é".repeat(490))
}

fn rows(replaced: Option<(usize, &str)>) -> String {
    let row = |n| match replaced {
        Some((at, statement)) if at == n => format!("{statement}\n"),
        _ => row(n),
    };
    (1..=ROWS).map(row).collect()
}

fn shop(engine: Engine, up: &str) -> Shop {
    let shop = Shop::new(engine);
    shop.migration(
        "1_a",
        "CREATE TABLE marks (n INT, note TEXT);",
        "DROP TABLE marks;",
    );
    shop.run(&["run"]).ok();
    shop.migration("2_b", up, "DELETE FROM marks;");
    shop
}

fn count(shop: &Shop) -> String {
    let sql = "SELECT concat(count(*), '') AS text FROM marks";
    shop.texts(sql).remove(0)
}

#[test]
fn a_large_file_is_one_migration() {
    for engine in ALL {
        let shop = shop(engine, &rows(None));
        shop.run(&["run"]).ok();
        assert_eq!(count(&shop), ROWS.to_string(), "{engine}");
        shop.run(&["revert"]).ok();
        assert_eq!(count(&shop), "0", "{engine}");
        if engine != Engine::Mariadb {
            shop.run(&["run", "--single-transaction"]).ok();
            assert_eq!(count(&shop), ROWS.to_string(), "{engine}");
        }
    }
}

#[test]
fn an_error_in_the_last_piece_of_a_large_file_is_placed_and_nothing_of_it_stays() {
    for (statement, column, said) in [
        (
            "SELECT 'é', nowhere FROM marks;",
            13,
            "\"nowhere\" does not exist",
        ),
        ("SELECT 1 / (n - n) FROM marks;", 1, "division by zero"),
        ("SELECT (1;", 10, "syntax error"),
    ] {
        let shop = shop(Engine::Postgres, &rows(Some((2400, statement))));
        for args in [&["run"][..], &["run", "--single-transaction"]] {
            let place = format!("2_b/up.sql:2400:{column}");
            let run = shop.run(args).exits(1);
            let run = run.says(&[said, &place, "statement 2400 of 2500"]);
            assert!(run.stderr.len() < 4096, "{}", run.stderr.len());
            assert_eq!(count(&shop), "0", "{statement}");
            assert_eq!(shop.history(), ["1"]);
        }
    }
}

#[test]
fn of_a_line_that_is_too_long_to_be_shown_only_a_part_is_told() {
    for engine in ALL {
        let long = format!(
            "INSERT INTO marks VALUES (1, '{}'), (wrong);",
            "x".repeat(3 << 20)
        );
        let shop = shop(engine, &format!("SELECT 1;\n{long}\n"));
        let run = shop.run(&["run"]).exits(1);
        let run = run.says(&["2_b/up.sql:2:1", "statement 2 of 2"]);
        assert!(run.stderr.len() < 64 * 1024, "{}", run.stderr.len());
        let journal =
            "SELECT coalesce(error, '') AS text FROM __migrate_journal WHERE version = '2'";
        let error = shop.texts(journal).join("");
        assert!(error.len() < 4096, "{}", error.len());
    }
}
