//! What the engine tells while it works. Printing is for whoever listens.

use std::time::Duration;

use migrate_core::{Note as ScriptNote, PlanNote, Step};

/// Something that happened to one database.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event<'a> {
    /// There is a plan, made under the lock where it needs one.
    Planned {
        /// Migrations that will be run.
        steps: usize,
    },
    /// Worth saying, stops nothing.
    Note(&'a PlanNote),
    /// Worth saying of a migration's file, stops nothing.
    FileNote {
        /// Which migration.
        step: &'a Step,
        /// What.
        note: &'a ScriptNote,
    },
    /// The connection is lost, and the lock with it: the run connects again and
    /// begins with reading.
    ConnectionLost {
        /// The client's words.
        message: &'a str,
    },
    /// Another runner has the lock; sent on each try.
    Waiting {
        /// Who has it, as far as the database tells.
        holder: Option<&'a str>,
        /// For how long we have waited.
        waited: Duration,
    },
    /// A migration begins.
    Started {
        /// Which.
        step: &'a Step,
        /// Its number in the plan, from 1.
        number: usize,
        /// Migrations in the plan.
        total: usize,
    },
    /// A migration outside a transaction begins its statement `number`.
    Statement {
        /// Which migration.
        step: &'a Step,
        /// The statement, from 1.
        number: usize,
        /// Statements in the file.
        total: usize,
    },
    /// A migration waits for a lock that the application holds; tried again.
    LockTimeout {
        /// Which migration.
        step: &'a Step,
        /// The try that gave up, from 1.
        attempt: u32,
    },
    /// A migration is applied or reverted, and recorded.
    Finished {
        /// Which.
        step: &'a Step,
        /// From its start to its COMMIT's answer.
        duration: Duration,
        /// Statements in its file.
        statements: usize,
    },
}

/// Whoever listens to a run.
pub type Observer<'a> = &'a (dyn Fn(Event<'_>) + Sync);
