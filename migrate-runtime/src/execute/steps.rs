//! A migration outside a transaction, statement by statement. What can share a
//! transaction with its record does; what cannot is recorded as begun before
//! it runs, so that after a crash we say "in doubt" instead of running it twice.

use std::ops::Range;
use std::time::Instant;

use migrate_core::Checksum;
use migrate_core::{Direction, Statement, StatementKind, Step, assigns_variables};

use super::contention::{Contention, lock_pause, lock_timeout};
use super::prepare::Prepared;
use super::resume;
use super::stopped;
use crate::backend::{Backend, Outcome, Recorded, Settled, StatementError, first_line, word_at};
use crate::error::{Blocker, DatabaseError, DatabaseErrorKind, Error, Remains};
use crate::event::Event;
use crate::migrator::Options;
use crate::quote::literal;

/// Statements that share a transaction, at most: as many as a server takes in
/// one packet, whatever its limit.
const LONGEST_GROUP: usize = 100;
const LARGEST_GROUP: usize = 256 * 1024;

const RECORDING: &str = "cannot record the migration's statements";

/// How a statement meets its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Both are one transaction.
    Recorded,
    /// The same for a block of several.
    Block,
    /// Recorded as begun before, and as done with the next write.
    Alone,
}

/// One attempt under way.
struct Attempt<'a> {
    backend: &'a mut dyn Backend,
    step: &'a Step,
    prepared: &'a Prepared,
    id: i64,
    /// The fingerprints that tries of earlier runs have kept.
    tried: Vec<String>,
    /// Writes that are due, and go with the next ones in one round trip.
    due: String,
    /// The statement (from 1) whose end is due.
    finished: Option<usize>,
    began: Instant,
    /// Whether the last statement has taken the end along.
    ended: bool,
    /// Who stood in the way of a statement that gave up.
    blockers: Vec<Blocker>,
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
    let (id, done, tried, due) = match &step.resume {
        Some(resume) => {
            let steps = backend
                .read_steps(resume.attempt)
                .map_err(Error::database("cannot read the migration's steps"))?;
            resume::check(backend, step, resume.attempt, prepared, &steps)?;
            let work = prepared.work(step, options);
            let due = backend
                .store()
                .resume_attempt(resume.attempt, &work.attempt());
            let done = resume::done(&steps);
            (resume.attempt, done, resume::tried(steps), due)
        }
        None => {
            let work = prepared.work(step, options);
            let begun = backend.begin_attempt(&work.attempt());
            let begun = begun.map_err(|source| stopped(backend, RECORDING, source))?;
            (begun.id, 0, begun.tried, begun.due)
        }
    };
    let mut attempt = Attempt {
        backend,
        step,
        prepared,
        id,
        tried,
        due,
        finished: None,
        began,
        ended: false,
        blockers: Vec::new(),
    };
    let ran = attempt
        .statements(done, options, tell)
        .and_then(|()| attempt.finish());
    let reset = attempt
        .backend
        .reset_session()
        .map_err(Error::database("cannot put the session back"));
    ran.and(reset)
}

impl Attempt<'_> {
    fn statements(
        &mut self,
        done: usize,
        options: &Options,
        tell: &dyn Fn(Event<'_>),
    ) -> Result<(), Error> {
        let statements = &self.prepared.script.statements;
        self.restore_session(done)?;
        let mut at = done;
        // Up to here each statement has a transaction of its own.
        let mut singly = 0;
        while at < statements.len() {
            if options.interrupt.is_asked() {
                return Err(self.interrupted());
            }
            let end = if at < singly {
                at + 1
            } else {
                self.end_of_group(at)
            };
            for number in at + 1..=end {
                tell(Event::Statement {
                    step: self.step,
                    number,
                    total: statements.len(),
                });
            }
            let kept = self.kept(at..end);
            let sent = match &kept {
                Some(kept) if self.is_done(at, kept, options, tell)? => Ok(()),
                _ => self.run(at..end, kept.as_deref(), options, tell),
            };
            match sent {
                Ok(()) => at = end,
                // Which one it was, each tells by itself; those before it stay.
                Err(StatementError::Statement { .. })
                    if end - at > 1 && !options.interrupt.is_asked() =>
                {
                    singly = end;
                }
                Err(error) => return Err(self.failed(at..end, at, &error)),
            }
        }
        Ok(())
    }

    fn restore_session(&mut self, done: usize) -> Result<(), Error> {
        let finished = &self.prepared.script.statements[..done];
        resume::restore_session(self.backend, &self.prepared.text, finished)
            .map_err(|(index, error)| self.not_restored(index, done, &error))
    }

    /// The end of the statements from `at` on that share a transaction: rows
    /// that are changed one after another, in a file that would be one
    /// transaction if its DDL allowed that.
    fn end_of_group(&self, at: usize) -> usize {
        if !self.prepared.shares_transactions {
            return at + 1;
        }
        let mut bytes = 0;
        let group = self.prepared.script.statements[at..]
            .iter()
            .take(LONGEST_GROUP)
            .take_while(|statement| {
                bytes += statement.range.len();
                statement.kind == StatementKind::Dml
                    && bytes <= LARGEST_GROUP
                    // Run a second time, it would begin with other values.
                    && !self.assigns(statement)
            })
            .count();
        at + group.max(1)
    }

    fn assigns(&self, statement: &Statement) -> bool {
        let text = &self.prepared.text[statement.range.clone()];
        assigns_variables(text, self.prepared.dialect)
    }

    fn text(&self, index: usize) -> &str {
        &self.prepared.text[self.prepared.script.statements[index].range.clone()]
    }

    /// What an earlier try at the same has kept, where one statement runs alone.
    fn kept(&self, range: Range<usize>) -> Option<String> {
        let kind = self.prepared.script.statements[range.start].kind;
        if self.tried.is_empty() || range.len() > 1 || kind != StatementKind::Alone {
            return None;
        }
        let kept = self.backend.kept(self.text(range.start), &self.tried);
        kept.map(str::to_owned)
    }

    /// Removes what an earlier try at the statement `index` (from 0) has left;
    /// says whether it has done all of it.
    fn is_done(
        &mut self,
        index: usize,
        kept: &str,
        options: &Options,
        tell: &dyn Fn(Event<'_>),
    ) -> Result<bool, Error> {
        let text = &self.prepared.text[self.prepared.script.statements[index].range.clone()];
        let settled = resume::look(self.backend, options, tell, text, Some(kept))?;
        if settled != Settled::Done {
            return Ok(false);
        }
        let store = self.backend.store();
        let record = store.record_step(self.id, index + 1, Checksum::statement(text));
        self.due = self.take_due() + &record;
        Ok(true)
    }

    /// Runs the statements of `range` (from 0): one, or a group; `kept` is the
    /// fingerprint of an earlier try.
    fn run(
        &mut self,
        range: Range<usize>,
        kept: Option<&str>,
        options: &Options,
        tell: &dyn Fn(Event<'_>),
    ) -> Result<(), StatementError> {
        let (text, statements) = (&self.prepared.text, &self.prepared.script.statements);
        let of = |index: usize| &text[statements[index].range.clone()];
        let checksum = |index: usize| Checksum::statement(of(index));
        let (first, number) = (of(range.start), range.start + 1);
        let store = self.backend.store();
        let mut records = range
            .clone()
            .map(|index| store.record_step(self.id, index + 1, checksum(index)))
            .collect::<String>();
        // What an older server skips as a comment takes nothing behind it.
        let ends = range.end == statements.len()
            && self.backend.takes_the_end_along()
            && !first.starts_with("/*");
        if ends {
            records += &self.end(None, &store.with_statement(self.began.elapsed()));
        }
        if range.len() > 1 {
            let joined = range.map(of).collect::<Vec<_>>().join(";\n");
            self.send(Way::Recorded, &joined, &records, options, tell)?;
            self.ended = ends;
            return Ok(());
        }
        let within = match statements[range.start].kind {
            StatementKind::Dml | StatementKind::Ddl => Some(0..first.len()),
            StatementKind::Block => inside_of_block(first, self.backend),
            StatementKind::Alone => None,
        };
        if let Some(within) = within {
            let way = match statements[range.start].kind {
                StatementKind::Block => Way::Block,
                StatementKind::Dml | StatementKind::Ddl | StatementKind::Alone => Way::Recorded,
            };
            self.send(way, &first[within.clone()], &records, options, tell)
                .map_err(|error| error.moved_by(within.start))?;
            self.ended = ends;
            return Ok(());
        }
        let fingerprint = match kept {
            Some(kept) => Some(literal(self.prepared.dialect, kept)),
            None => self.backend.fingerprint(first),
        };
        let finished = self.finished.take();
        self.due += &self.backend.store().begin_step(
            self.id,
            number,
            checksum(range.start),
            fingerprint.as_deref(),
            finished,
        );
        let end = if ends {
            let duration = self.backend.store().with_statement(self.began.elapsed());
            self.end(Some(number), &duration)
        } else {
            String::new()
        };
        self.send(Way::Alone, first, &end, options, tell)?;
        self.ended = ends;
        self.finished = (!ends).then_some(number);
        Ok(())
    }

    fn take_due(&mut self) -> String {
        let mut due = std::mem::take(&mut self.due);
        if let Some(n) = self.finished.take() {
            due += &self.backend.store().finish_step(self.id, n);
        }
        due
    }

    /// Sends statements with their records, letting the application go first.
    /// What is due is recorded before anything long begins.
    fn send(
        &mut self,
        way: Way,
        statement: &str,
        after: &str,
        options: &Options,
        tell: &dyn Fn(Event<'_>),
    ) -> Result<(), StatementError> {
        let mut before = self.take_due();
        let repeatable = !assigns_variables(statement, self.prepared.dialect);
        let mut contention = Contention::default();
        let limit = options.lock_tries.max(1);
        loop {
            let waited = lock_timeout(self.prepared.lock_timeout, contention.tries);
            let recorded = Recorded {
                before: &before,
                statement,
                is_block: way == Way::Block,
                after,
                lock_timeout: waited,
                longest_lock_timeout: self.prepared.lock_timeout,
                statement_timeout: self.prepared.statement_timeout,
                interrupt: &options.interrupt,
            };
            let outcome = match way {
                Way::Recorded | Way::Block => self.backend.run_recorded(&recorded)?,
                Way::Alone => self.backend.run_alone(&recorded)?,
            };
            match outcome {
                Outcome::LockTimeout { .. } => {}
                Outcome::Done | Outcome::Busy | Outcome::Elsewhere => return Ok(()),
            }
            before.clear();
            let limit = if repeatable {
                limit
            } else {
                contention.tries + 1
            };
            contention.count(self.backend, statement, waited, limit);
            let (step, attempt) = (self.step, contention.tries);
            tell(Event::LockTimeout { step, attempt });
            if attempt >= limit {
                break;
            }
            options.interrupt.pause(lock_pause(attempt));
            if options.interrupt.is_asked() {
                break;
            }
        }
        let error = contention.error();
        self.blockers = contention.into_blockers();
        Err(StatementError::Statement {
            error,
            offset: None,
        })
    }

    /// The writes that end the attempt, and with it its statement `finished`.
    fn end(&self, finished: Option<usize>, duration_us: &str) -> String {
        let store = self.backend.store();
        let history = match self.step.direction {
            Direction::Up => store.insert_history(&self.step.version),
            Direction::Down => format!("{};\n", store.delete_history(&self.step.version)),
        };
        let total = self.prepared.script.statements.len();
        let version = &self.step.version;
        history + &store.finish_attempt(self.id, version, total, duration_us, finished)
    }

    fn finish(&mut self) -> Result<(), Error> {
        if self.ended {
            return Ok(());
        }
        let duration = self.began.elapsed().as_micros().to_string();
        let finished = self.finished.take();
        let end = self.end(finished, &duration);
        let sql = self.take_due() + &end;
        self.backend
            .write(&sql)
            .map_err(|error| self.recording(error))
    }

    fn recording(&self, error: DatabaseError) -> Error {
        stopped(self.backend, RECORDING, error)
    }

    /// A setting that an earlier run made cannot be made again: nothing is run,
    /// and what is recorded stays.
    fn not_restored(&self, index: usize, done: usize, failed: &StatementError) -> Error {
        let (error, offset) = match failed {
            StatementError::Statement { error, offset }
            | StatementError::Partial { error, offset } => (error, offset.unwrap_or_default()),
            StatementError::Record(error) => return self.recording(error.clone()),
        };
        let start = self.prepared.script.statements[index].range.start;
        self.prepared.failure(
            self.step,
            Some(index),
            Some(word_at(&self.prepared.text, start + offset)),
            format!("cannot be run again to resume: {}", error.message),
            Remains::Statements(done),
        )
    }

    /// Records that the statements of `range` (from 0) failed and says where.
    fn failed(&mut self, range: Range<usize>, done: usize, failed: &StatementError) -> Error {
        let (error, offset, stays) = match failed {
            StatementError::Statement { error, offset } => (error, offset, false),
            StatementError::Partial { error, offset } => (error, offset, true),
            StatementError::Record(error) => return self.recording(error.clone()),
        };
        if error.kind == DatabaseErrorKind::Closed || self.backend.is_lock_lost(error) {
            return self.recording(error.clone());
        }
        let store = self.backend.store();
        let number = range.start + 1;
        let (writes, remains) = if stays {
            // A part of them took effect, and only a person can tell which.
            let begun = range.clone().map(|index| {
                let text =
                    &self.prepared.text[self.prepared.script.statements[index].range.clone()];
                store.begin_step(self.id, index + 1, Checksum::statement(text), None, None)
            });
            let last = range.end;
            (begun.collect(), Remains::InDoubt { done, last })
        } else {
            let abandon = store.abandon_step(self.id, number);
            let fail = store.fail_attempt(self.id, &error.message);
            (abandon + &fail, Remains::Statements(done))
        };
        let sql = self.take_due() + &writes;
        if let Err(error) = self.backend.write(&sql) {
            return self.recording(error);
        }
        let statement = self.prepared.script.statements[range.start].range.clone();
        let place = match offset {
            // In a group nobody knows which it was.
            Some(offset) if range.len() == 1 => {
                word_at(&self.prepared.text, statement.start + offset)
            }
            _ => first_line(&self.prepared.text, &statement),
        };
        let blockers = std::mem::take(&mut self.blockers);
        self.prepared
            .failed(
                self.step,
                Some(range.start),
                Some(place),
                error.clone(),
                remains,
            )
            .blocked_by(blockers)
    }

    fn interrupted(&mut self) -> Error {
        let fail = self.backend.store().fail_attempt(self.id, "interrupted");
        let sql = format!("{}{fail}", self.take_due());
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
