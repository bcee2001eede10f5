//! A migration outside a transaction, statement by statement. What can share a
//! transaction with its record does; what cannot is recorded as begun before
//! it runs, so that after a crash we say "in doubt" instead of running it twice.

use std::ops::Range;
use std::time::Instant;

use migrate_core::Checksum;
use migrate_core::StatementKind;
use migrate_core::tokenize;
use migrate_core::{AttemptState, Catalog, Direction, History, Step, Version};

use super::prepare::Prepared;
use super::{LOCK_TRIES, lock_pause, lock_timeout};
use crate::backend::{
    Backend, Outcome, Recorded, Settled, StatementError, StepRow, first_line, word_at,
};
use crate::error::{DatabaseError, DatabaseErrorKind, Error, Remains};
use crate::event::Event;
use crate::migrator::Options;
use crate::store::AttemptEnd;

/// One attempt under way.
struct Attempt<'a> {
    backend: &'a mut dyn Backend,
    step: &'a Step,
    prepared: &'a Prepared,
    id: i64,
    /// Writes that are due, and go with the next ones in one round trip.
    due: String,
}

/// Runs a migration by its steps, from where an earlier attempt stopped.
pub(super) fn run(
    backend: &mut dyn Backend,
    step: &Step,
    prepared: &Prepared,
    options: &Options,
    tell: &dyn Fn(Event<'_>),
) -> Result<(), Error> {
    let began = Instant::now();
    let recording = Error::database;
    let (id, done, due) = match &step.resume {
        Some(resume) => {
            let steps = backend
                .read_steps(resume.attempt)
                .map_err(recording("cannot read the migration's steps"))?;
            unedited(step, prepared, &steps[..])?;
            let work = prepared.work(step, options);
            let due = backend
                .store()
                .resume_attempt(resume.attempt, &work.attempt());
            (resume.attempt, resume.done, due)
        }
        None => {
            let work = prepared.work(step, options);
            let sql = backend
                .store()
                .insert_attempt(&work.attempt(), &AttemptEnd::Running);
            backend
                .write(&sql)
                .map_err(recording("cannot record the migration's statements"))?;
            let id = backend
                .read_attempt_of(&options.runner)
                .map_err(recording("cannot record the migration's statements"))?;
            (id, 0, String::new())
        }
    };
    let mut attempt = Attempt {
        backend,
        step,
        prepared,
        id,
        due,
    };
    let ran = attempt
        .statements(done, options, tell)
        .and_then(|()| attempt.finish(began));
    let reset = attempt
        .backend
        .reset_session()
        .map_err(recording("cannot put the session back"));
    ran.and(reset)
}

/// The finished part of the file must be the text that was run.
fn unedited(step: &Step, prepared: &Prepared, steps: &[StepRow]) -> Result<(), Error> {
    for row in steps.iter().filter(|row| row.state == "done") {
        let n = usize::try_from(row.n).unwrap_or_default();
        let now = n
            .checked_sub(1)
            .and_then(|n| prepared.script.statements.get(n));
        let same = now.is_some_and(|now| {
            Checksum::statement(&prepared.text[now.range.clone()]).to_string() == row.sha256
        });
        if !same {
            return Err(Error::EditedWhileHalfApplied {
                version: step.version.clone(),
                name: step.name.clone(),
                statement: n,
            });
        }
    }
    Ok(())
}

impl Attempt<'_> {
    fn statements(
        &mut self,
        done: usize,
        options: &Options,
        tell: &dyn Fn(Event<'_>),
    ) -> Result<(), Error> {
        let total = self.prepared.script.statements.len();
        for (index, statement) in self.prepared.script.statements.iter().enumerate() {
            let n = index + 1;
            let text = &self.prepared.text[statement.range.clone()];
            if n <= done {
                // A new session does not have the old one's settings, and a
                // table rebuilt without `foreign_keys = OFF` loses its rows.
                if sets_the_session(text, self.backend) {
                    self.backend
                        .run_alone(text)
                        .map_err(|error| self.failed(n, done, &error))?;
                }
                continue;
            }
            if options.interrupt.is_asked() {
                return Err(self.interrupted());
            }
            tell(Event::Statement {
                step: self.step,
                number: n,
                total,
            });
            let checksum = Checksum::statement(text);
            self.backend.heal(text).map_err(Error::database(
                "cannot remove what an interrupted attempt left",
            ))?;
            let within = match statement.kind {
                StatementKind::Dml | StatementKind::Ddl => Some(0..text.len()),
                StatementKind::Block => inside_of_block(text, self.backend),
                StatementKind::Alone => None,
            };
            let ran = match within {
                Some(within) => {
                    let after = self.backend.store().record_step(self.id, n, checksum);
                    // What is done is recorded before anything long begins.
                    self.settle_due()
                        .map_err(StatementError::from)
                        .and_then(|()| self.recorded(&text[within.clone()], &after, options, tell))
                        .map_err(|error| {
                            let offset = error.offset.map(|offset| within.start + offset);
                            StatementError { offset, ..error }
                        })
                }
                None => self.alone(n, text, checksum),
            };
            ran.map_err(|error| self.failed(n, n - 1, &error))?;
        }
        Ok(())
    }

    /// Runs a statement with its record, letting the application go first.
    fn recorded(
        &mut self,
        statement: &str,
        after: &str,
        options: &Options,
        tell: &dyn Fn(Event<'_>),
    ) -> Result<(), StatementError> {
        for tries in 0..LOCK_TRIES {
            let recorded = Recorded {
                statement,
                after,
                lock_timeout: lock_timeout(self.prepared.lock_timeout, tries),
                statement_timeout: self.prepared.statement_timeout,
                interrupt: &options.interrupt,
            };
            match self.backend.run_recorded(&recorded)? {
                Outcome::LockTimeout { .. } => {}
                Outcome::Done | Outcome::Busy | Outcome::Elsewhere => return Ok(()),
            }
            let (step, attempt) = (self.step, tries + 1);
            tell(Event::LockTimeout { step, attempt });
            options.interrupt.pause(lock_pause(attempt));
            if options.interrupt.is_asked() {
                break;
            }
        }
        let message = "another session holds a lock on what it changes";
        Err(DatabaseError::other(message.to_owned()).into())
    }

    fn settle_due(&mut self) -> Result<(), DatabaseError> {
        if self.due.is_empty() {
            return Ok(());
        }
        self.backend.write(&std::mem::take(&mut self.due))
    }

    fn alone(&mut self, n: usize, text: &str, checksum: Checksum) -> Result<(), StatementError> {
        let begin = self.backend.store().begin_step(self.id, n, checksum);
        let due = std::mem::take(&mut self.due);
        let (lock, statement) = (self.prepared.lock_timeout, self.prepared.statement_timeout);
        self.backend.write(&format!("{due}{begin}"))?;
        self.backend.allow(text, lock, statement)?;
        self.backend.run_alone(text)?;
        self.due = self.backend.store().finish_step(self.id, n);
        Ok(())
    }

    fn finish(&mut self, began: Instant) -> Result<(), Error> {
        let store = self.backend.store();
        let history = match self.step.direction {
            Direction::Up => store.insert_history(&self.step.version),
            Direction::Down => format!("{};\n", store.delete_history(&self.step.version)),
        };
        let total = self.prepared.script.statements.len();
        let end = store.finish_attempt(self.id, total, began.elapsed().as_micros());
        let sql = format!("{}{history}{end}", std::mem::take(&mut self.due));
        self.backend
            .write(&sql)
            .map_err(|error| self.recording(error))
    }

    fn recording(&self, error: DatabaseError) -> Error {
        if self.backend.is_lock_lost(&error) {
            Error::LockLost
        } else {
            Error::database("cannot record the migration's statements")(error)
        }
    }

    /// Records that statement `n` failed and says where.
    fn failed(&mut self, n: usize, done: usize, failed: &StatementError) -> Error {
        if failed.error.kind == DatabaseErrorKind::Closed
            || self.backend.is_lock_lost(&failed.error)
        {
            return self.recording(failed.error.clone());
        }
        let store = self.backend.store();
        let forget = store.forget_step(self.id, n);
        let fail = store.fail_attempt(self.id, &failed.error.message);
        let sql = format!("{}{forget}{fail}", std::mem::take(&mut self.due));
        if let Err(error) = self.backend.write(&sql) {
            return self.recording(error);
        }
        let statement = self.prepared.script.statements[n - 1].range.clone();
        let range = match failed.offset {
            Some(offset) => word_at(&self.prepared.text, statement.start + offset),
            None => first_line(&self.prepared.text, &statement),
        };
        let remains = Remains::Statements(done);
        self.prepared.failure(
            self.step,
            Some(n - 1),
            Some(range),
            failed.error.message.clone(),
            remains,
        )
    }

    fn interrupted(&mut self) -> Error {
        let fail = self.backend.store().fail_attempt(self.id, "interrupted");
        let sql = format!("{}{fail}", std::mem::take(&mut self.due));
        match self.backend.write(&sql) {
            Ok(()) => Error::Interrupted,
            Err(error) => self.recording(error),
        }
    }
}

/// What stands between a block's plain BEGIN and its COMMIT: it runs in a
/// transaction of ours, together with its record. A BEGIN that asks for more
/// than a transaction keeps its own.
fn inside_of_block(text: &str, backend: &dyn Backend) -> Option<Range<usize>> {
    let statements = migrate_core::split(text, backend.dialect()).ok()?;
    let [begin, inside @ .., commit] = &statements[..] else {
        return None;
    };
    let plain = |range: &Range<usize>| {
        let words = text[range.clone()].split_ascii_whitespace();
        words
            .map(str::to_ascii_lowercase)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let begins = [
        "begin",
        "begin work",
        "begin transaction",
        "start transaction",
        "begin immediate",
        "begin immediate transaction",
        "begin deferred",
        "begin deferred transaction",
        "begin exclusive",
        "begin exclusive transaction",
    ];
    let commits = [
        "commit",
        "commit work",
        "commit transaction",
        "end",
        "end transaction",
        "end work",
    ];
    let ours = begins.contains(&plain(&begin.range).as_str())
        && commits.contains(&plain(&commit.range).as_str());
    let (first, last) = (inside.first()?, inside.last()?);
    ours.then_some(first.range.start..last.range.end)
}

/// Whether a statement only sets something for its session.
fn sets_the_session(text: &str, backend: &dyn Backend) -> bool {
    let first = tokenize(text, backend.dialect()).find(|token| !token.is_blank());
    first.is_some_and(|token| {
        let word = &text[token.range];
        word.eq_ignore_ascii_case("set") || word.eq_ignore_ascii_case("pragma")
    })
}

/// Settles a statement in doubt where the database can tell what became of
/// it; says whether it could.
pub(super) fn settle(
    backend: &mut dyn Backend,
    catalog: &Catalog,
    history: &History,
    version: &Version,
) -> Result<bool, Error> {
    let (Some(unfinished), Some(migration)) =
        (history.unfinished.get(version), catalog.get(version))
    else {
        return Ok(false);
    };
    let AttemptState::InDoubt { statement } = unfinished.state else {
        return Ok(false);
    };
    let text = match unfinished.direction {
        Direction::Up => migration.up()?,
        Direction::Down => migration.down()?.unwrap_or_default(),
    };
    let Ok(statements) = migrate_core::split(&text, backend.dialect()) else {
        return Ok(false);
    };
    let Some(statement_text) = statement
        .checked_sub(1)
        .and_then(|n| statements.get(n))
        .map(|s| &text[s.range.clone()])
    else {
        return Ok(false);
    };
    let attempt = unfinished.attempt;
    let sql = match backend
        .settle(statement_text)
        .map_err(Error::database("cannot look into the statement in doubt"))?
    {
        Settled::Unknown => return Ok(false),
        Settled::Done => backend.store().finish_step(attempt, statement),
        Settled::Repeat => backend.store().forget_step(attempt, statement),
    };
    backend
        .write(&sql)
        .map_err(Error::database("cannot settle the statement in doubt"))?;
    Ok(true)
}
