//! A process that gets no memory, no file or no byte more, at many points: it
//! ends as if killed or says what is missing, and with room again the next run
//! ends where an undisturbed one does.

use std::process::Stdio;

use tests::service::{ALL, Engine, Shop};
use tests::tally::{Tally, scaled};

use crate::started;

const MIGRATIONS: usize = 6;

fn marking(engine: Engine) -> Shop {
    let shop = Shop::new(engine);
    for n in 0..MIGRATIONS {
        let create = if n == 0 {
            "CREATE TABLE marks (n INTEGER, text VARCHAR(2000));\n"
        } else {
            ""
        };
        let rows: String = (0..200)
            .map(|_| format!("INSERT INTO marks VALUES ({n}, '{}');\n", "x".repeat(1500)))
            .collect();
        shop.migration(
            &format!("{n}_mark"),
            &format!("{create}{rows}CREATE TABLE t{n} (id INTEGER);"),
            &format!("DROP TABLE t{n};\nDELETE FROM marks WHERE n = {n};"),
        );
    }
    shop
}

/// Runs under each limit, from none of it to more than enough, then without.
fn under(engines: &[Engine], row: &str, option: &str, limits: &[u64]) {
    for &engine in engines {
        let mut tally = Tally::new(9, format!("{row}, {engine}"));
        let undisturbed = marking(engine);
        undisturbed.run(&["run"]).ok();
        for limit in limits {
            let shop = marking(engine);
            let limited = format!("--{option}={limit}:{limit}");
            let mut command = started::by(&["prlimit", &limited], &shop.command(&["run"]));
            command.stdin(Stdio::null());
            let first = shop.workspace.finish(command);
            if first.code == Some(0) {
                tally.add("limits large enough");
            } else {
                tally.add("limits hit");
            }
            let next = shop.run(&["run"]);
            if next.code == Some(7) {
                tally.add("resolves");
                assert!(next.stderr.contains("resolve"), "{}", next.stderr);
                continue;
            }
            next.ok();
            assert_eq!(shop.schema(), undisturbed.schema(), "{option} {limit}");
            let marks = "SELECT concat(n, ' ', count(*)) AS text FROM marks GROUP BY n ORDER BY n";
            assert_eq!(
                shop.texts(marks),
                undisturbed.texts(marks),
                "{option} {limit}"
            );
            shop.run(&["status", "--exit-code"]).ok();
        }
        tally.finish("limits hit", limits.len() / 4);
    }
}

#[test]
fn out_of_memory_anywhere_costs_nothing() {
    let points = u64::try_from(scaled(16)).expect("a small number");
    // From less than the program itself to what a run takes.
    let limits: Vec<u64> = (1..=points)
        .map(|n| (8 << 20) + n * (56 << 20) / points)
        .collect();
    under(&ALL, "out of memory", "as", &limits);
}

#[test]
fn out_of_files_anywhere_costs_nothing() {
    let limits: Vec<u64> = (3..28).collect();
    under(&ALL, "out of files", "nofile", &limits);
}

#[test]
fn a_limit_on_the_size_of_files_costs_sqlite_nothing() {
    let points = u64::try_from(scaled(16)).expect("a small number");
    let limits: Vec<u64> = (1..=points).map(|n| n * (2_400_000 / points)).collect();
    under(&[Engine::Sqlite], "file too large", "fsize", &limits);
}
