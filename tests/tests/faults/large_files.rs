//! Row 13: files far larger than any migration should be. Time grows with the
//! size and not with its square, and memory stays below three times the file.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tests::service::{ALL, Engine, Shop};
use tests::tally::{Tally, scaled};

const MIB: u64 = 1 << 20;

/// What one run cost its process, not the server's.
#[derive(Debug, Clone, Copy)]
struct Cost {
    processor: Duration,
    wall: Duration,
    /// The most memory that it had at once.
    peak: u64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} s ({:.1} s of processor), {} MiB",
            self.wall.as_secs_f64(),
            self.processor.as_secs_f64(),
            self.peak / MIB
        )
    }
}

/// Watches a process until it ends. Its high-water mark only rises, and its
/// last moments are no time of growth.
fn watch(child: &mut Child) -> (Duration, u64) {
    let (status, stat) = (
        format!("/proc/{}/status", child.id()),
        format!("/proc/{}/stat", child.id()),
    );
    let (mut processor, mut peak) = (Duration::ZERO, 0);
    while child.try_wait().expect("a child").is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let kib = text
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .and_then(|kib| kib.trim().parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or_default() * 1024);
        let text = fs::read_to_string(&stat).unwrap_or_default();
        // After the name, which may hold anything, in parentheses.
        let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum();
        // A hundred of them are a second, on every Linux that there is.
        processor = processor.max(Duration::from_millis(ticks * 10));
        // Nothing tells us of its growth.
        std::thread::sleep(Duration::from_millis(2));
    }
    (processor, peak)
}

/// Runs a set whose second migration is written by `fill`.
fn cost(engine: Engine, fill: impl FnOnce(&mut dyn Write), rows: &str) -> Cost {
    let shop = Shop::new(engine);
    shop.migration(
        "1_sizes",
        "CREATE TABLE sizes (n INTEGER);",
        "DROP TABLE sizes;",
    );
    shop.run(&["run"]).ok();
    shop.migration("2_large", "", "DELETE FROM sizes;");
    let path = shop.migrations().join("2_large/up.sql");
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    fill(&mut file);
    file.into_inner().expect("written");
    let began = Instant::now();
    let mut child = shop
        .command(&["run"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let (processor, peak) = watch(&mut child);
    let wall = began.elapsed();
    shop.finish(child).ok();
    assert_eq!(
        shop.texts("SELECT concat(count(*), '') AS text FROM sizes"),
        [rows]
    );
    assert_eq!(shop.history(), ["1", "2"]);
    Cost {
        processor,
        wall,
        peak,
    }
}

fn statements(count: usize) -> impl FnOnce(&mut dyn Write) {
    move |file| {
        for n in 0..count {
            writeln!(file, "INSERT INTO sizes VALUES ({n});").expect("written");
        }
    }
}

/// Statements of some KiB each: what exports are made of.
fn bytes(count: u64) -> impl FnOnce(&mut dyn Write) {
    move |file| {
        let text = "0123456789abcdef".repeat(1024);
        for _ in 0..count / 16384 {
            writeln!(file, "INSERT INTO sizes VALUES (length('{text}'));").expect("written");
        }
    }
}

/// Four times as much may cost four times as much, and a half more for what a
/// busy machine does to it.
#[track_caller]
fn is_linear(what: &str, quarter: Cost, whole: Cost) {
    let most = quarter.processor * 6 + Duration::from_millis(500);
    assert!(
        whole.processor <= most,
        "{what}: {whole} for four times as much as {quarter}"
    );
}

#[test]
fn a_hundred_thousand_statements_take_four_times_as_long_as_a_quarter_of_them() {
    for engine in ALL {
        let mut tally = Tally::new(13, format!("{engine}, statements"));
        let all = scaled(100_000);
        let quarter = cost(engine, statements(all / 4), &(all / 4).to_string());
        let whole = cost(engine, statements(all), &all.to_string());
        tally.note(format!("a quarter: {quarter}"));
        tally.note(format!("all: {whole}"));
        tally.add_many("statements", all);
        is_linear(&engine.to_string(), quarter, whole);
        tally.finish("statements", 100_000);
    }
}

#[test]
fn a_file_of_200_megabytes_takes_no_more_than_three_times_its_size_of_memory() {
    let mut too_large = Vec::new();
    for engine in ALL {
        let mut tally = Tally::new(13, format!("{engine}, bytes"));
        let size = 200 * MIB;
        let rows = |size: u64| (size / 16384).to_string();
        let quarter = cost(engine, bytes(size / 4), &rows(size / 4));
        let whole = cost(engine, bytes(size), &rows(size));
        tally.note(format!("a quarter: {quarter}"));
        tally.note(format!("all: {whole}"));
        tally.add_many("MiB", 200);
        is_linear(&engine.to_string(), quarter, whole);
        if whole.peak > 3 * size {
            too_large.push(format!("{engine}: {whole} for {} MiB", size / MIB));
        }
        tally.finish("MiB", 200);
    }
    assert!(too_large.is_empty(), "{}", too_large.join("; "));
}
