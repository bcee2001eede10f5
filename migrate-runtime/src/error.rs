//! What can go wrong in a run, and what state the database is in then. One
//! text per error; remedies that depend on the face (command or service) are
//! written there.

mod code;

use std::path::PathBuf;
use std::time::Duration;

use migrate_core::Refusal;
use migrate_core::{Direction, Excerpt, Place, PlanError, ReadError, Version};

use crate::repair::RepairError;

pub use self::code::ErrorCode;

/// What PostgreSQL's errors that we raise again carry in the field of the
/// column's name, before their SQLSTATE: of all fields that Diesel shows, the
/// one that nothing else is read from.
pub(crate) const CARRIES_STATE: &str = "cargo-migrate:";

/// An error of the database, without the URL it came from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DatabaseError {
    /// The server's own words.
    pub message: String,
    /// What sort, by its code.
    pub kind: DatabaseErrorKind,
    /// Its code. Diesel hides it: there where it was asked for.
    pub code: Option<ErrorCode>,
    /// Position in what was sent, in characters from 1.
    pub(crate) position: Option<usize>,
    /// The table that a constraint error names.
    pub(crate) table: Option<String>,
}

/// The sorts of database errors that the engine tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseErrorKind {
    /// A unique constraint.
    Unique,
    /// The connection is gone.
    Closed,
    /// The transaction or the database is read-only.
    ReadOnly,
    /// The role lacks a right.
    Denied,
    /// A disk, or a quota of one.
    Full,
    /// A lock of somebody else's was waited for long enough, or was part of a
    /// deadlock.
    LockTimeout,
    /// The statement ran longer than it may.
    StatementTimeout,
    /// Somebody cancelled the statement.
    Canceled,
    /// A lock of the session's was wanted behind a pooler.
    Pooled,
    /// The same, where nobody could tell whether there is a pooler.
    PooledOrNot,
    /// Everything else, and what nobody has asked the code of.
    Other,
}

impl From<diesel::result::Error> for DatabaseError {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::DatabaseErrorKind as Kind;
        let diesel::result::Error::DatabaseError(kind, information) = error else {
            return Self::other(error.to_string());
        };
        let message = match information.details().filter(|details| !details.is_empty()) {
            Some(details) => format!("{} ({details})", information.message().trim_end()),
            None => information.message().trim_end().to_owned(),
        };
        let kind = match kind {
            Kind::UniqueViolation => DatabaseErrorKind::Unique,
            Kind::ClosedConnection | Kind::UnableToSendCommand => DatabaseErrorKind::Closed,
            Kind::ReadOnlyTransaction => DatabaseErrorKind::ReadOnly,
            _ => DatabaseErrorKind::Other,
        };
        let position = information
            .statement_position()
            .and_then(|position| usize::try_from(position).ok());
        let told = information.column_name().and_then(|column| {
            let state = column.strip_prefix(CARRIES_STATE)?;
            Some(ErrorCode::SqlState(state.to_owned()))
        });
        let error = Self {
            message,
            kind,
            code: None,
            position,
            table: information.table_name().map(str::to_owned),
        };
        match told {
            Some(code) => error.with_code(code),
            None => error,
        }
    }
}

impl DatabaseError {
    /// Somebody asked to stop between two statements.
    pub(crate) fn interrupted() -> Self {
        Self::other("interrupted".to_owned())
    }

    pub(crate) fn other(message: String) -> Self {
        Self {
            message,
            kind: DatabaseErrorKind::Other,
            code: None,
            position: None,
            table: None,
        }
    }

    /// The same with its code, which says what sort it is better than Diesel
    /// does.
    pub(crate) fn with_code(mut self, code: ErrorCode) -> Self {
        let kind = code.kind(&self.message);
        if kind != DatabaseErrorKind::Other {
            self.kind = kind;
        }
        self.code = Some(code);
        self
    }

    /// The error of a server or session that is for reading only.
    pub(crate) fn read_only(message: &str) -> Self {
        Self {
            kind: DatabaseErrorKind::ReadOnly,
            ..Self::other(message.to_owned())
        }
    }
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The server, its password or its name.
    #[error("cannot connect to {url}: {message}")]
    Connect {
        /// The URL, redacted.
        url: String,
        /// The client's own words, redacted.
        message: String,
        /// Which remedy fits.
        reason: OpenReason,
    },
    /// `session-setup` failed.
    #[error("session-setup statement {number} failed: {source}")]
    SessionSetup {
        /// Which, from 1.
        number: usize,
        /// Why.
        source: DatabaseError,
    },
    /// The URL asks for what its client cannot do, or leaves out what it needs.
    #[error("cannot use {url}: {message}")]
    Url {
        /// The URL, redacted.
        url: String,
        /// What is wrong with it; no parameter's value.
        message: String,
        /// What to write instead.
        help: String,
    },
    /// A dialect that this build does not have.
    #[error("this build has no {0} backend")]
    NoBackend(migrate_core::Dialect),
}

/// What stands in the way of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenReason {
    /// The server is there, the database is not.
    MissingDatabase,
    /// The server does not answer.
    Unreachable,
    /// The server answers and refuses.
    Refused,
    /// It refuses what came in plain text: MySQL's words are the same for a
    /// wrong password and for an account that requires TLS.
    RefusedPlainText,
}

/// A migration that stopped.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its version.
    pub version: Version,
    /// Its directory's name.
    pub name: String,
    /// Which way.
    pub direction: Direction,
    /// The statement, from 1, where it is known.
    pub statement: Option<usize>,
    /// Statements in the file.
    pub total: usize,
    /// The file; none for an embedded migration.
    pub file: Option<PathBuf>,
    /// The lines of the file to show; none where there is no place in it.
    pub excerpt: Option<Excerpt>,
    /// The database's words.
    pub message: String,
    /// What sort of error it was: what to do about it depends on that.
    pub kind: DatabaseErrorKind,
    /// Who held the locks that it waited for in vain.
    pub blockers: Vec<Blocker>,
    /// What remains of it in the database.
    pub remains: Remains,
}

impl Failure {
    /// Where in the file.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let excerpt = self.excerpt.as_ref()?;
        let within = Place::of(&excerpt.text, excerpt.range.start);
        Some(Place {
            line: within.line + excerpt.first_line - 1,
            column: within.column,
        })
    }
}

/// A session that holds a lock which a migration needs, or may hold one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// Who it is, what it holds and since when; of its query no value.
    pub session: String,
    /// The statement that would end it, where it is not likely an innocent's.
    pub ended_by: Option<String>,
    /// How sure it is that it was in the way.
    pub certainty: Certainty,
}

/// How sure it is that a session was in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// The server said so.
    Seen,
    /// It holds a lock on something of that name, or is at work there.
    Likely,
    /// The server does not show its metadata locks; what would make it.
    Hidden(Option<&'static str>),
}

/// What a stopped migration leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remains {
    /// Nothing: its transaction was rolled back.
    RolledBack,
    /// Nothing of the whole run: it was one transaction.
    RunRolledBack,
    /// So many statements, each recorded.
    Statements(usize),
    /// The same, and of the next one rows of tables without transactions: it
    /// is in doubt, and so are those up to `last` (from 1).
    InDoubt {
        /// Statements recorded.
        done: usize,
        /// The last statement in doubt, from 1.
        last: usize,
    },
}

/// A migration's file that holds what cannot be run.
#[derive(Debug, Clone)]
pub struct RefusedFile {
    /// Its version.
    pub version: Version,
    /// Its directory's name.
    pub name: String,
    /// Which of its files.
    pub direction: Direction,
    /// The file; none for an embedded migration.
    pub file: Option<PathBuf>,
    /// The file's text.
    pub text: String,
    /// All that was refused, in order.
    pub refusals: Vec<Refusal>,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file changed between the reading of the catalog and its execution.
    #[error("{} changed while the run was under way", .0.display())]
    Changed(PathBuf),
    /// Files hold what a migration must not; nothing was sent.
    #[error("{} cannot be run: {}", names(.0), .0.iter().flat_map(|file| &file.refusals).map(Refusal::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<RefusedFile>),
    /// A statement failed.
    #[error("migration {} stopped{}: {}", .0.name, statement(.0), .0.message)]
    Failed(Box<Failure>),
    /// Outside a transaction: the rest of the file needs what only the session
    /// had in which its finished part was run.
    #[error(
        "migration {name} cannot go on: statement {used_by} uses {what}, which statement {statement} left in a session that has ended"
    )]
    LostWithSession {
        /// Its version.
        version: Version,
        /// Its directory's name.
        name: String,
        /// The finished statement, from 1.
        statement: usize,
        /// The variable or function.
        what: String,
        /// The statement that uses it, from 1.
        used_by: usize,
    },
    /// The lock could not be had in time.
    #[error("another runner holds the migration lock, waited {:.1} s{}", .waited.as_secs_f64(), holder.as_deref().map(|holder| format!(" ({holder})")).unwrap_or_default())]
    LockHeld {
        /// For how long.
        waited: Duration,
        /// Who has it, as far as the database tells.
        holder: Option<String>,
    },
    /// What an earlier run began is not over.
    #[error("a statement that an earlier run began is still at work, waited {:.1} s ({who})", .waited.as_secs_f64())]
    StillAtWork {
        /// For how long.
        waited: Duration,
        /// Who is at it, as far as the database tells.
        who: String,
    },
    /// The lock that was ours is not any more.
    #[error("the migration lock was lost during the run; the next statement was not sent")]
    LockLost,
    /// A lock of the session's was needed behind a pooler that gives each
    /// transaction another session.
    #[error(
        "migrations outside a transaction cannot be run through a connection pooler: the lock would be some other client's, too"
    )]
    Pooled,
    /// The same of what is written by hand.
    #[error("{doing} through a connection pooler: the lock would be some other client's, too")]
    PooledByHand {
        /// What cannot be done.
        doing: &'static str,
    },
    /// The same, where it could not be found out: that takes a second
    /// connection for a moment.
    #[error("cannot find out whether a connection pooler is in between: {0}")]
    PooledOrNot(DatabaseError),
    /// `--single-transaction` cannot be had.
    #[error("a single transaction is not possible: {0}")]
    SingleTransaction(String),
    /// A standby or read-only server.
    #[error("the server is read-only (a standby?); migrations run on the primary")]
    ReadOnlyServer,
    /// The connection broke; whether the last migration was committed is in
    /// the history.
    #[error("the connection was lost: {0}")]
    ConnectionLost(DatabaseError),
    /// The same of a connection that was lent to us: only its lender has
    /// another one.
    #[error("the connection was lost, which was lent and cannot be made again: {0}")]
    LentConnectionLost(DatabaseError),
    /// The connection broke, and there was no other one to be had.
    #[error("the connection was lost, and no other one was to be had for {:.0} s: {source}", .tried.as_secs_f64())]
    NotReconnected {
        /// For how long.
        tried: Duration,
        /// Why not, at last.
        source: OpenError,
    },
    /// The connection broke each time in the same migration, which is not run
    /// once more.
    #[error("migration {name} has lost the connection twice: {message}")]
    LostAgain {
        /// Its version.
        version: Version,
        /// Its directory's name.
        name: String,
        /// Which way.
        direction: Direction,
        /// The client's words, the last time.
        message: String,
        /// What is there of it, as read afterwards.
        remains: Remains,
    },
    /// Our own tables could not be read or written.
    #[error("{doing}: {source}")]
    Database {
        /// What we were about.
        doing: &'static str,
        /// Why it failed.
        source: DatabaseError,
    },
    /// There is nothing to repair.
    #[error(transparent)]
    Repair(#[from] RepairError),
    /// A signal asked to stop.
    #[error("interrupted; what is applied is recorded")]
    Interrupted,
}

fn names(files: &[RefusedFile]) -> String {
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    format!("migration {}", names.join(", "))
}

fn statement(failure: &Failure) -> String {
    failure
        .statement
        .map(|n| format!(" at statement {n} of {}", failure.total))
        .unwrap_or_default()
}

impl Error {
    /// The same failure, as an error of this sort.
    pub(crate) fn of_kind(mut self, kind: DatabaseErrorKind) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.kind = kind;
        }
        self
    }

    /// The same failure, with who stood in its way.
    pub(crate) fn blocked_by(mut self, blockers: Vec<Blocker>) -> Self {
        if let Self::Failed(failure) = &mut self {
            failure.blockers = blockers;
        }
        self
    }

    /// The same of a repair, which runs no migration.
    pub(crate) fn by_hand(self, doing: &'static str) -> Self {
        match self {
            Self::Pooled => Self::PooledByHand { doing },
            other => other,
        }
    }

    pub(crate) fn database(doing: &'static str) -> impl FnOnce(DatabaseError) -> Self {
        move |source| match source.kind {
            DatabaseErrorKind::Closed => Self::ConnectionLost(source),
            DatabaseErrorKind::Unique
            | DatabaseErrorKind::ReadOnly
            | DatabaseErrorKind::Denied
            | DatabaseErrorKind::Full
            | DatabaseErrorKind::LockTimeout
            | DatabaseErrorKind::StatementTimeout
            | DatabaseErrorKind::Canceled
            | DatabaseErrorKind::Pooled
            | DatabaseErrorKind::PooledOrNot
            | DatabaseErrorKind::Other => Self::Database { doing, source },
        }
    }
}
