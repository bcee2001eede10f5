//! What the engine asks of a database: one implementation a dialect. Knows
//! statements and transactions, not goals and plans.

#[cfg(feature = "mysql-backend")]
pub(crate) mod mysql;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use diesel::sql_types::{BigInt, Nullable, Text};
use migrate_core::Checksum;
use migrate_core::Script;
use migrate_core::{Dialect, Direction, Version};

use crate::error::{Blocker, DatabaseError};
use crate::interrupt::Interrupt;
use crate::store::{Attempt, Runner, Store};

/// One database, opened.
pub(crate) trait Backend {
    fn dialect(&self) -> Dialect;

    /// What to send on another connection to stop the statement that runs on
    /// this one; known at the latest once the run has its lock.
    fn cancellation(&self) -> Option<Arc<Cancellation>> {
        None
    }

    /// Who is going to work, before it claims anything.
    fn introduce(&mut self, _run: &Introduction<'_>) {}

    /// The names of our tables there; final once `read` has found them.
    fn store(&self) -> &Store;

    /// History and journal, in one query without a lock; writes nothing, and
    /// is empty where there are no tables.
    fn read(&mut self) -> Result<Vec<HistoryRow>, DatabaseError>;

    /// The steps of an attempt outside a transaction.
    fn read_steps(&mut self, attempt: i64) -> Result<Vec<StepRow>, DatabaseError>;

    /// The journal, newest first.
    fn read_attempts(&mut self, limit: Option<u64>) -> Result<Vec<AttemptRow>, DatabaseError>;

    /// The texts that the journal keeps of these attempts.
    fn read_texts(&mut self, attempts: &[i64]) -> Result<Vec<KeptTexts>, DatabaseError>;

    /// Records an attempt by steps as running.
    fn begin_attempt(&mut self, attempt: &Attempt<'_>) -> Result<Begun, DatabaseError>;

    /// Gets ready to write: lock, session settings, tables. Asked again before
    /// each plan; what is had already is kept.
    fn claim(&mut self, scope: LockScope) -> Result<Claim, DatabaseError>;

    /// Gives the lock back.
    fn release(&mut self);

    /// Who has the lock that we wait for.
    fn holder(&mut self) -> Option<String>;

    /// Who holds locks that a statement has just waited for in vain, as far as
    /// the role may see it.
    fn blockers(&mut self, _statement: &str) -> Vec<Blocker> {
        Vec::new()
    }

    /// Looks from now on who blocks what runs on this connection, until it is
    /// dropped; none where no second connection is to be had.
    fn watch(&self) -> Option<Box<dyn Watch>> {
        None
    }

    /// Runs a migration, its history row and its journal row in one transaction.
    fn apply(&mut self, work: &Work<'_>) -> Result<Outcome, Stop>;

    /// Opens the one transaction of a whole run.
    fn begin_run(&mut self) -> Result<Claim, DatabaseError>;

    /// Runs a migration inside the transaction of the run.
    fn apply_in_run(&mut self, work: &Work<'_>, pace: Pace) -> Result<Outcome, Stop>;

    /// Commits the transaction of the run.
    fn commit_run(&mut self) -> Result<(), DatabaseError>;

    /// Takes back whatever a failed transaction left open.
    fn rollback(&mut self);

    /// Writes to our own tables, in a transaction, provided the lock is ours.
    fn write(&mut self, sql: &str) -> Result<(), DatabaseError>;

    /// Runs one statement of a migration, or several, in a transaction with the
    /// writes that record it, provided the lock is ours.
    fn run_recorded(&mut self, recorded: &Recorded<'_>) -> Result<Outcome, StatementError>;

    /// Whether what is rolled back has left nothing, so that a text which
    /// failed may be run once more to learn of its error.
    fn may_be_asked_again(&self, _text: &str) -> bool {
        true
    }

    /// Runs one statement by itself, in autocommit, once it is recorded as
    /// begun.
    fn run_alone(&mut self, recorded: &Recorded<'_>) -> Result<Outcome, StatementError>;

    /// Whether the writes that end an attempt may go with its last statement.
    fn takes_the_end_along(&self) -> bool {
        false
    }

    /// Runs what only changes the session, without a record.
    fn run_unrecorded(&mut self, statement: &str) -> Result<(), StatementError>;

    /// An SQL expression that tells afterwards whether a statement that runs
    /// alone took effect; asked by the write that records it as begun.
    fn fingerprint(&self, _statement: &str) -> Option<String> {
        None
    }

    /// Which of the fingerprints that failed tries have kept is about the same
    /// thing as this statement: what has come since is theirs.
    fn kept<'t>(&self, _statement: &str, _tried: &'t [String]) -> Option<&'t str> {
        None
    }

    /// What became of a statement that was interrupted, as far as the database
    /// can tell; `before` is what its fingerprint was. What it may have left is
    /// brought to its end, or removed so that it can be run again.
    fn settle(&mut self, statement: &str, before: Option<&str>) -> Result<Settled, DatabaseError>;

    /// Puts the session back after a migration outside a transaction.
    fn reset_session(&mut self) -> Result<(), DatabaseError>;

    /// Whether `error` says that the lock is not ours.
    fn is_lock_lost(&self, error: &DatabaseError) -> bool;
}

/// Somebody who looks while a statement waits.
pub(crate) trait Watch: std::fmt::Debug {
    /// Who was in the way so far.
    fn seen(&self) -> Vec<Blocker>;
}

/// A run, to the database.
pub(crate) struct Introduction<'a> {
    pub(crate) run_id: &'a str,
    /// user@host.
    pub(crate) applied_by: &'a str,
    /// Whether it waits for another runner at all.
    pub(crate) waits: bool,
}

/// How a statement is stopped from another connection.
#[derive(Debug, Default)]
pub(crate) struct Cancellation {
    /// What to send, once it is known.
    pub(crate) sql: OnceLock<String>,
    /// What to send where that does not help.
    pub(crate) last_resort: OnceLock<String>,
    /// Whether statements of a migration are running, of which a packet may
    /// hold several: what is sent between two of them stops none.
    pub(crate) at_work: AtomicBool,
}

/// An attempt that is recorded as running.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) id: i64,
    /// The write that records it, where that may go with the next one.
    pub(crate) due: String,
    /// The fingerprints that failed tries have kept which left no attempt to
    /// go on with.
    pub(crate) tried: Vec<String>,
}

/// How long the lock has to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockScope {
    /// Each transaction takes it for itself.
    Transaction,
    /// Over statements outside a transaction.
    Session,
}

/// What asking for the lock gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Ready, and nothing has changed since the history was read.
    Ready,
    /// Ready, but read and plan again: others may have worked before us.
    Fresh,
    /// Another runner has it.
    Busy,
}

/// What became of a statement whose runner went away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It took effect.
    Done,
    /// It may be run (again).
    Repeat,
    /// Somebody, as the database names them, is still at it.
    AtWork(String),
    /// The database cannot tell.
    Unknown,
}

/// How a migration is sent inside the transaction of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As a whole.
    Batch,
    /// Statement by statement, to learn which one fails.
    Statements,
    /// The same, to learn also whether it was the lock timeout.
    Timed,
}

/// Of a file that is larger the journal keeps the checksum alone: what it keeps
/// is for a person to compare with.
pub(crate) const LARGEST_KEPT: usize = 64 * 1024;

/// One migration, ready to be run.
pub(crate) struct Work<'a> {
    pub(crate) version: &'a Version,
    pub(crate) name: &'a str,
    pub(crate) direction: Direction,
    pub(crate) text: &'a str,
    pub(crate) script: &'a Script,
    pub(crate) raw: Checksum,
    pub(crate) semantic: Checksum,
    pub(crate) down: Option<&'a str>,
    pub(crate) runner: &'a Runner,
    pub(crate) lock_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    /// Once it is asked, an error is its doing, and nothing is tried again.
    pub(crate) interrupt: &'a Interrupt,
}

impl Work<'_> {
    pub(crate) fn attempt(&self) -> Attempt<'_> {
        Attempt {
            version: self.version,
            name: self.name,
            direction: self.direction.as_str(),
            total: self.script.statements.len(),
            raw: self.raw,
            semantic: self.semantic,
            up: (self.direction == Direction::Up && self.text.len() <= LARGEST_KEPT)
                .then_some(self.text),
            down: self.down,
            reason: None,
            runner: self.runner,
        }
    }
}

/// A statement and the writes that go with it.
pub(crate) struct Recorded<'a> {
    /// Committed before it.
    pub(crate) before: &'a str,
    pub(crate) statement: &'a str,
    /// Whether it is several, of which the one that fails is to be told.
    pub(crate) is_block: bool,
    /// Committed with it, and for one that runs alone after it.
    pub(crate) after: &'a str,
    /// For this try.
    pub(crate) lock_timeout: Duration,
    /// What the tries' timeouts grow to.
    pub(crate) longest_lock_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    /// Once it is asked, an error is its doing, and nothing is tried again.
    pub(crate) interrupt: &'a Interrupt,
}

/// How a migration in a transaction came out, if it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Committed.
    Done,
    /// Another runner has the lock; nothing was done.
    Busy,
    /// Another runner has done it; nothing was done.
    Elsewhere,
    /// The application held a lock for too long; nothing was done.
    LockTimeout { statement: Option<usize> },
}

/// Why a migration stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Its own SQL; `statement` is its index from 0.
    Migration {
        statement: Option<usize>,
        range: Option<Range<usize>>,
        error: DatabaseError,
    },
    /// The connection or our own tables.
    Database(DatabaseError),
}

/// Why a statement outside a migration's transaction is not done.
#[derive(Debug)]
pub(crate) enum StatementError {
    /// Its own SQL, with the byte in it that the server points at.
    Statement {
        error: DatabaseError,
        offset: Option<usize>,
    },
    /// The same, and a part of what it did stays: the rows of tables that have
    /// no transactions, what a procedure has committed.
    Partial {
        error: DatabaseError,
        offset: Option<usize>,
    },
    /// The connection, the lock or our own tables.
    Record(DatabaseError),
}

impl StatementError {
    /// The same for the text that begins so many bytes earlier.
    pub(crate) fn moved_by(self, bytes: usize) -> Self {
        match self {
            Self::Statement { error, offset } => Self::Statement {
                error,
                offset: offset.map(|offset| bytes + offset),
            },
            Self::Partial { error, offset } => Self::Partial {
                error,
                offset: offset.map(|offset| bytes + offset),
            },
            record @ Self::Record(_) => record,
        }
    }
}

impl From<DatabaseError> for StatementError {
    fn from(error: DatabaseError) -> Self {
        Self::Record(error)
    }
}

/// The columns of a [`HistoryRow`], by their places. Looking each up by its name
/// costs more than all else where thousands of rows are read.
#[cfg(any(feature = "sqlite", feature = "mysql-backend"))]
pub(crate) type HistoryColumns = (
    Text,
    Nullable<Text>,
    Nullable<BigInt>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
);

/// A row of the history joined with the journal.
#[derive(Debug, diesel::Queryable, diesel::QueryableByName)]
pub(crate) struct HistoryRow {
    #[diesel(sql_type = Text)]
    pub(crate) version: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) run_on: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) attempt: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) direction: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) state: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) statements_total: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) statements_done: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) raw_checksum: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) semantic_checksum: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) error: Option<String>,
}

/// A row of the steps of one attempt.
#[derive(Debug, diesel::QueryableByName)]
pub(crate) struct StepRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) n: i64,
    #[diesel(sql_type = Text)]
    pub(crate) sha256: String,
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) fingerprint: Option<String>,
}

/// The texts of a row of the journal.
#[derive(Debug, diesel::QueryableByName)]
pub(crate) struct KeptTexts {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) up_sql: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) down_sql: Option<String>,
    /// The attempt that applied the version.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) applied_by_attempt: Option<i64>,
}

/// A row of the journal.
#[derive(Debug, Clone, diesel::QueryableByName)]
pub struct AttemptRow {
    /// Ascending in the order of attempts.
    #[diesel(sql_type = BigInt)]
    pub id: i64,
    /// The migration's version.
    #[diesel(sql_type = Text)]
    pub version: String,
    /// Its directory's name then.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// `up`, `down`, `baseline` or `repair`.
    #[diesel(sql_type = Text)]
    pub direction: String,
    /// `running`, `done` or `failed`.
    #[diesel(sql_type = Text)]
    pub state: String,
    /// Statements in the file then.
    #[diesel(sql_type = BigInt)]
    pub statements_total: i64,
    /// Statements applied.
    #[diesel(sql_type = BigInt)]
    pub statements_done: i64,
    /// The error that stopped it.
    #[diesel(sql_type = Nullable<Text>)]
    pub error: Option<String>,
    /// When, as the database writes it.
    #[diesel(sql_type = Text)]
    pub started_at: String,
    /// How long, without the COMMIT, in microseconds.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub duration_us: Option<i64>,
    /// user@host.
    #[diesel(sql_type = Text)]
    pub applied_by: String,
    /// Why somebody asked for it, or settled one of its statements.
    #[diesel(sql_type = Nullable<Text>)]
    pub reason: Option<String>,
    /// The tool's name and version.
    #[diesel(sql_type = Text)]
    pub tool_version: String,
    /// The run that it belonged to.
    #[diesel(sql_type = Text)]
    pub run_id: String,
}

/// One number, for small questions.
#[derive(Debug, diesel::QueryableByName)]
pub(crate) struct IdRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) id: Option<i64>,
}

/// The bytes of `statement` to point at when the server names none: its first
/// line.
pub(crate) fn first_line(text: &str, statement: &Range<usize>) -> Range<usize> {
    let end = text[statement.clone()]
        .find('\n')
        .map_or(statement.end, |n| statement.start + n);
    statement.start..end
}

/// The bytes of the word that begins at `offset`, or of one character.
pub(crate) fn word_at(text: &str, offset: usize) -> Range<usize> {
    let rest = &text[offset.min(text.len())..];
    let word = rest
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(rest.len());
    let one = rest.chars().next().map_or(0, char::len_utf8);
    offset..offset + word.max(one)
}
