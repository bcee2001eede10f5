//! The count of the faults that a row of the fault suite injects, printed as
//! one line when the row has ended, and asserted: a harness that injected
//! nothing proves nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use crate::chance::seed;

/// Rows that measure time have the machine to themselves.
static MACHINE: RwLock<()> = RwLock::new(());

/// What one row did on one server. A thread has one at a time.
#[derive(Debug)]
pub struct Tally {
    row: u8,
    on: String,
    counts: BTreeMap<&'static str, usize>,
    notes: Vec<String>,
    started: Instant,
    _place: Place,
}

#[derive(Debug)]
enum Place {
    Shared {
        _guard: RwLockReadGuard<'static, ()>,
    },
    Alone {
        _guard: RwLockWriteGuard<'static, ()>,
    },
}

/// `count` for one run of the suite, times `FAULTS_SCALE`, which is 1 unless
/// somebody soaks.
///
/// # Panics
/// When `FAULTS_SCALE` is set and no number.
#[must_use]
pub fn scaled(count: usize) -> usize {
    let scale = std::env::var("FAULTS_SCALE").map_or(1, |text| {
        text.parse::<usize>().expect("FAULTS_SCALE is a number")
    });
    count * scale
}

impl Tally {
    /// Of a row by its number in the table, on a server.
    #[must_use]
    pub fn new(row: u8, on: impl fmt::Display) -> Self {
        let guard = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
        Self::at(row, &on, Place::Shared { _guard: guard })
    }

    /// The same for a row that measures time: no other row runs meanwhile.
    #[must_use]
    pub fn alone(row: u8, on: impl fmt::Display) -> Self {
        let guard = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
        Self::at(row, &on, Place::Alone { _guard: guard })
    }

    fn at(row: u8, on: &dyn fmt::Display, place: Place) -> Self {
        Self {
            row,
            on: on.to_string(),
            counts: BTreeMap::new(),
            notes: Vec::new(),
            started: Instant::now(),
            _place: place,
        }
    }

    /// One more of `what`, a plural such as "kills".
    pub fn add(&mut self, what: &'static str) {
        self.add_many(what, 1);
    }

    /// Several more; with zero it is named all the same.
    pub fn add_many(&mut self, what: &'static str, count: usize) {
        *self.counts.entry(what).or_default() += count;
    }

    /// How many there have been.
    #[must_use]
    pub fn count(&self, what: &str) -> usize {
        self.counts.get(what).copied().unwrap_or_default()
    }

    /// A figure that is no count, such as a worst wait.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Prints the line and expects `at_least` so many of `what`.
    ///
    /// # Panics
    /// When there were fewer.
    #[track_caller]
    pub fn finish(self, what: &str, at_least: usize) {
        let line = self.line();
        // Past the test runner, which shows what it has captured only after a
        // failure. Nobody reading is no fault of the row.
        writeln!(io::stdout().lock(), "{line}").ok();
        assert!(
            self.count(what) >= at_least,
            "fewer than {at_least} {what}: {line}"
        );
    }

    fn line(&self) -> String {
        let counts = self.counts.iter().map(|(what, n)| format!("{n} {what}"));
        let all: Vec<String> = counts.chain(self.notes.iter().cloned()).collect();
        format!(
            "faults: row {} {}: {} ({:.1} s, seed {})",
            self.row,
            self.on,
            all.join(", "),
            self.started.elapsed().as_secs_f64(),
            seed()
        )
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if std::thread::panicking() {
            writeln!(io::stderr().lock(), "{}, and failed", self.line()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_row_and_every_count() {
        let mut tally = Tally::new(4, "PostgreSQL");
        tally.add("kills");
        tally.add("kills");
        tally.add_many("resolves", 0);
        tally.note("worst wait 3 ms");
        let line = tally.line();
        assert!(
            line.starts_with("faults: row 4 PostgreSQL: 2 kills, 0 resolves, worst wait 3 ms ("),
            "{line}"
        );
        tally.finish("kills", 2);
    }

    #[test]
    #[should_panic(expected = "fewer than 1 kills")]
    fn a_row_that_injected_too_little_fails() {
        Tally::new(4, "SQLite").finish("kills", 1);
    }
}
