//! One step of a plan made ready: its file read, compared with what was
//! planned, and admitted. Its text lives only as long as the step runs.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use migrate_core::Checksum;
use migrate_core::{Dialect, Direction, Excerpt, PlanError, Step};
use migrate_core::{Note, RunMode, Script};

use super::stored::{Origin, Sources};
use crate::backend::{Backend, Work};
use crate::error::{DatabaseError, DatabaseErrorKind, Error, Failure, RefusedFile, Remains};
use crate::migrator::Options;
use crate::store::AttemptEnd;

/// A migration's file, ready to be sent.
pub(super) struct Prepared {
    pub(super) dialect: Dialect,
    pub(super) text: String,
    pub(super) script: Script,
    pub(super) mode: RunMode,
    /// Whether consecutive changes of rows may be one transaction.
    pub(super) shares_transactions: bool,
    raw: Checksum,
    semantic: Checksum,
    down: Option<String>,
    file: Option<PathBuf>,
    pub(super) lock_timeout: Duration,
    pub(super) statement_timeout: Duration,
}

/// Whether a step runs in a transaction on this dialect.
pub(super) fn mode(origin: Origin<'_>, step: &Step, dialect: Dialect) -> RunMode {
    // What began outside a transaction goes on there, whatever metadata.toml
    // says now: from the start again its finished statements would run twice.
    // MySQL commits implicitly on DDL: there a transaction is no protection.
    if origin.runs_in_transaction() && step.resume.is_none() && dialect != Dialect::MySql {
        RunMode::Transaction
    } else {
        RunMode::Steps
    }
}

/// A step's file, read and admitted.
struct Admitted<'s> {
    origin: Origin<'s>,
    file: Option<PathBuf>,
    text: String,
    raw: Checksum,
    mode: RunMode,
    script: Script,
}

/// Whether the file of a step may be run, how, and what is worth saying of it;
/// nothing of it is kept.
///
/// # Errors
/// When it cannot be read, was changed since the plan, or holds what cannot be
/// run.
pub(super) fn admit(
    sources: Sources<'_>,
    step: &Step,
    dialect: Dialect,
) -> Result<(RunMode, Vec<Note>), Error> {
    let Admitted { mode, script, .. } = read(sources, step, dialect)?;
    Ok((mode, script.notes))
}

/// Reads and admits the file of a step, ready to be run.
///
/// # Errors
/// As [`admit`].
pub(super) fn prepare(
    sources: Sources<'_>,
    step: &Step,
    dialect: Dialect,
    options: &Options,
) -> Result<Prepared, Error> {
    let Admitted {
        origin,
        file,
        text,
        raw,
        mode,
        script,
    } = read(sources, step, dialect)?;
    let (lock_timeout, statement_timeout) = origin.timeouts();
    Ok(Prepared {
        dialect,
        semantic: Checksum::semantic(&text, dialect),
        down: origin.kept_down(step.direction, mode, &text)?,
        lock_timeout: lock_timeout.unwrap_or(options.lock_timeout),
        statement_timeout: statement_timeout.unwrap_or(options.statement_timeout),
        // Elsewhere who leaves the transaction wants each one committed.
        shares_transactions: dialect == Dialect::MySql && origin.runs_in_transaction(),
        raw,
        script,
        mode,
        file,
        text,
    })
}

fn read<'s>(sources: Sources<'s>, step: &Step, dialect: Dialect) -> Result<Admitted<'s>, Error> {
    let origin = sources.of(step)?;
    let file = origin.file(step.direction);
    let text = origin.text(step.direction)?;
    let raw = Checksum::raw(&text);
    if let (Direction::Up, Origin::Catalog(migration)) = (step.direction, origin)
        && raw != migration.raw
    {
        return Err(Error::Changed(file.unwrap_or_default()));
    }
    if step.direction == Direction::Down && text.trim().is_empty() {
        return Err(PlanError::Irreversible {
            version: step.version.clone(),
            name: step.name.clone(),
            reason: "its down.sql is empty".to_owned(),
        }
        .into());
    }
    let mode = mode(origin, step, dialect);
    match Script::admit(&text, dialect, mode) {
        Ok(script) => Ok(Admitted {
            origin,
            file,
            text,
            raw,
            mode,
            script,
        }),
        Err(refusals) => Err(Error::Refused(vec![RefusedFile {
            version: step.version.clone(),
            name: step.name.clone(),
            direction: step.direction,
            file,
            text,
            refusals,
        }])),
    }
}

impl Prepared {
    pub(super) fn work<'w>(&'w self, step: &'w Step, options: &'w Options) -> Work<'w> {
        Work {
            version: &step.version,
            name: &step.name,
            direction: step.direction,
            text: &self.text,
            script: &self.script,
            raw: self.raw,
            semantic: self.semantic,
            down: self.down.as_deref(),
            runner: &options.runner,
            lock_timeout: self.lock_timeout,
            statement_timeout: self.statement_timeout,
            interrupt: &options.interrupt,
        }
    }

    pub(super) fn failure(
        &self,
        step: &Step,
        statement: Option<usize>,
        range: Option<Range<usize>>,
        message: String,
        remains: Remains,
    ) -> Error {
        Error::Failed(Box::new(Failure {
            version: step.version.clone(),
            name: step.name.clone(),
            direction: step.direction,
            statement: statement.map(|n| n + 1),
            total: self.script.statements.len(),
            file: self.file.clone(),
            excerpt: range.map(|range| Excerpt::of(&self.text, &range)),
            message,
            kind: DatabaseErrorKind::Other,
            blockers: Vec::new(),
            remains,
        }))
    }

    /// The same for what the database says.
    pub(super) fn failed(
        &self,
        step: &Step,
        statement: Option<usize>,
        range: Option<Range<usize>>,
        error: DatabaseError,
        remains: Remains,
    ) -> Error {
        let kind = match error.kind {
            // Without one nobody but a person can have cancelled it.
            DatabaseErrorKind::Canceled if !self.statement_timeout.is_zero() => {
                DatabaseErrorKind::StatementTimeout
            }
            other => other,
        };
        self.failure(step, statement, range, error.message, remains)
            .of_kind(kind)
    }

    /// Writes the journal's row of a failed transaction, after its rollback.
    /// Best effort: the failure itself matters more.
    pub(super) fn record_failure(
        &self,
        backend: &mut dyn Backend,
        step: &Step,
        options: &Options,
        error: &str,
    ) {
        let work = self.work(step, options);
        let sql =
            backend
                .store()
                .insert_attempt(None, &work.attempt(), &AttemptEnd::Failed { error });
        let _ = backend.write(&sql);
    }
}
