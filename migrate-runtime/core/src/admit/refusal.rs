//! Why a migration's file is not run, in words, with the remedy of each.

use std::ops::Range;

use super::RunMode;
use crate::{Place, SplitError, Unterminated};

/// Something in a file that keeps it from being run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Refusal {
    /// What it is.
    pub kind: RefusalKind,
    /// Its bytes.
    pub range: Range<usize>,
    /// Where it begins.
    pub place: Place,
}

/// What is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusalKind {
    /// Something has no end.
    #[error("{0}")]
    Unterminated(Unterminated),
    /// A statement that ends or begins a transaction, other than a BEGIN and
    /// a COMMIT that belong together.
    #[error("`{words}` would take the transaction out of the migration's hands")]
    TransactionControl {
        /// Its first words.
        words: String,
        /// How the migration is run.
        mode: RunMode,
    },
    /// A statement that makes transactions read-only, or that comes too late.
    #[error("`{words}` changes the transaction in which the migration is recorded")]
    TransactionMode {
        /// Its first words.
        words: String,
    },
    /// A COMMIT or SAVEPOINT without a BEGIN, outside a transaction.
    #[error("`{words}` stands in no transaction: no BEGIN before it")]
    NoTransaction {
        /// Its first words.
        words: String,
    },
    /// A BEGIN without a COMMIT, outside a transaction.
    #[error("the transaction that begins here is not committed in this file")]
    NeverCommitted,
    /// A BEGIN between a BEGIN and its COMMIT.
    #[error("`{words}` inside a transaction that the file has begun")]
    NestedTransaction {
        /// Its first words.
        words: String,
    },
    /// A savepoint in a transaction that MySQL commits in its middle.
    #[error("`{words}` stands in a transaction that MySQL commits at a statement within")]
    LostTransaction {
        /// Its first words.
        words: String,
    },
    /// A statement that can't run in a transaction, in one.
    #[error("{what} cannot run inside a transaction")]
    NeedsNoTransaction {
        /// The statement's kind.
        what: &'static str,
        /// How the migration is run; if in steps, the transaction is the
        /// file's own.
        mode: RunMode,
    },
    /// `COPY … FROM STDIN`.
    #[error("COPY FROM STDIN needs a client that sends the rows")]
    CopyFromStdin,
    /// `COPY … TO STDOUT`.
    #[error("COPY TO STDOUT needs a client that takes the rows")]
    CopyToStdout,
    /// `LOAD DATA LOCAL`.
    #[error("LOAD DATA LOCAL needs a client that sends the file")]
    LoadDataLocal,
    /// A command of psql.
    #[error("`{command}` is a command of psql, not SQL")]
    PsqlMetaCommand {
        /// Its first word.
        command: String,
    },
    /// A command of the mysql client.
    #[error("`{command}` is a command of the mysql client, not SQL")]
    MysqlClientCommand {
        /// Its first word.
        command: String,
    },
    /// A command of the sqlite3 shell.
    #[error("`{command}` is a command of the sqlite3 shell, not SQL")]
    SqliteDotCommand {
        /// Its first word.
        command: String,
    },
    /// `DISCARD ALL`.
    #[error("DISCARD ALL drops the migration lock and the session's settings")]
    DiscardAll,
    /// A function that drops locks.
    #[error("`{function}` may drop the migration lock")]
    Unlock {
        /// Its name.
        function: &'static str,
    },
    /// A temporary table that would hide one of ours on MySQL.
    #[error("a temporary table `{name}` would hide the migration's own")]
    HidesOurs {
        /// Its name.
        name: String,
    },
    /// A statement that locks tables on MySQL.
    #[error("`{words}` would lock the migration's own tables out")]
    LockTables {
        /// Its first words.
        words: String,
    },
}

impl Refusal {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        self.kind.help().to_owned()
    }
}

impl RefusalKind {
    fn help(&self) -> &'static str {
        match self {
            Self::Unterminated(unterminated) => unterminated.help(),
            Self::TransactionControl {
                mode: RunMode::Transaction,
                ..
            } => {
                "remove it: the whole file is run in one transaction; or set `run_in_transaction = false` in \
                 metadata.toml, where a BEGIN … COMMIT is one step"
            }
            Self::TransactionControl {
                mode: RunMode::Steps,
                ..
            } => {
                "remove it: each statement is committed by itself, and a BEGIN … COMMIT as one step"
            }
            Self::TransactionMode { .. } => {
                "remove it, or set `run_in_transaction = false` in metadata.toml and put it inside a BEGIN … COMMIT"
            }
            Self::NoTransaction { .. } => {
                "put a BEGIN before the statements that belong together, or remove it"
            }
            Self::NeverCommitted => "end it with COMMIT in the same file",
            Self::NestedTransaction { .. } => {
                "use SAVEPOINT, or commit the first transaction before"
            }
            Self::LostTransaction { .. } => {
                "keep what changes rows in a BEGIN … COMMIT of its own, without CREATE, ALTER, DROP or CALL"
            }
            Self::NeedsNoTransaction {
                mode: RunMode::Transaction,
                ..
            } => {
                "set `run_in_transaction = false` in metadata.toml, and keep such statements in migrations of their own"
            }
            Self::NeedsNoTransaction {
                mode: RunMode::Steps,
                ..
            } => "move it out of the BEGIN … COMMIT",
            Self::CopyFromStdin | Self::LoadDataLocal => "write the rows as INSERT … VALUES",
            Self::CopyToStdout => "a migration has no output: remove it",
            Self::PsqlMetaCommand { .. }
            | Self::MysqlClientCommand { .. }
            | Self::SqliteDotCommand { .. } => {
                "migrations are sent to the server as they are: write what the command does as SQL"
            }
            Self::DiscardAll => "use RESET for the settings that you mean",
            Self::Unlock { .. } => {
                "remove it: the lock is released when the migrations are done; for a lock of your own use one that \
                 ends with the transaction"
            }
            Self::HidesOurs { .. } => "give it another name",
            Self::LockTables { .. } => {
                "remove it and its UNLOCK TABLES: the migration lock already keeps other migrations out; mysqldump \
                 omits both with --skip-add-locks"
            }
        }
    }
}

impl From<SplitError> for Refusal {
    fn from(error: SplitError) -> Self {
        Self {
            kind: RefusalKind::Unterminated(error.kind),
            range: error.range,
            place: error.place,
        }
    }
}
