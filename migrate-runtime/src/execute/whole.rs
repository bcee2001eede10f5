//! `--single-transaction`: the whole plan in one transaction, all or nothing.

use migrate_core::Plan;

use super::contention::lock_timeout;
use super::{Run, Went};
use crate::backend::{Claim, Outcome, Pace, Stop};
use crate::error::{Error, Remains};

/// How the transaction came out, if it did not simply fail.
enum Ended {
    Committed,
    /// Another runner did this step between the plan and the lock.
    Elsewhere(usize),
    /// The application held a lock: the plan's step, and its statement.
    Contended(usize, Option<usize>),
    /// This step of the plan failed, and how to ask again which statement did.
    Unplaced(usize, Pace, Error),
}

impl Run<'_> {
    /// The whole plan in one transaction; also which of its steps was at work
    /// when it ended otherwise.
    pub(super) fn whole(&mut self, plan: &Plan, tries: u32) -> Result<(usize, Went), Error> {
        let mut slowly = None;
        let mut first = None;
        loop {
            let begun = self.backend.begin_run();
            let begun =
                begun.map_err(|source| self.stopped("cannot begin the transaction", source))?;
            if begun == Claim::Busy {
                return Ok((0, Went::Again));
            }
            let ended = self.whole_begun(plan, tries, slowly);
            if !matches!(ended, Ok(Ended::Committed)) {
                self.backend.rollback();
            }
            match ended {
                Ok(Ended::Committed) => return Ok((0, Went::Done)),
                Ok(Ended::Elsewhere(at)) => return Ok((at, Went::Elsewhere)),
                Ok(Ended::Contended(at, statement)) => {
                    return Ok((at, Went::Contended(statement)));
                }
                Ok(Ended::Unplaced(at, pace, error)) => {
                    slowly = Some((at, pace));
                    first = Some(error);
                }
                // What the server said at first points to a word.
                Err(error) => return Err(first.filter(is_placed).unwrap_or(error)),
            }
        }
    }

    fn whole_begun(
        &mut self,
        plan: &Plan,
        tries: u32,
        slowly: Option<(usize, Pace)>,
    ) -> Result<Ended, Error> {
        let mut finished = Vec::new();
        let mut repeatable = true;
        for (n, step) in plan.steps.iter().enumerate() {
            let (began, prepared) = self.start(plan, n)?;
            let pace = match slowly {
                Some((at, pace)) if at == n => pace,
                _ => Pace::Batch,
            };
            let mut work = prepared.work(step, self.options);
            repeatable &= self.backend.may_be_asked_again(work.text);
            work.lock_timeout = lock_timeout(prepared.lock_timeout, tries);
            match self.backend.apply_in_run(&work, pace) {
                Ok(Outcome::Done) => {
                    finished.push((step, began.elapsed(), prepared.script.statements.len()));
                }
                Ok(Outcome::Busy | Outcome::Elsewhere) => return Ok(Ended::Elsewhere(n)),
                Ok(Outcome::LockTimeout { statement }) => {
                    return Ok(Ended::Contended(n, statement));
                }
                Err(Stop::Database(source)) => {
                    return Err(self.stopped("cannot record the migration", source));
                }
                Err(Stop::Migration {
                    statement,
                    range,
                    error,
                }) => {
                    let may_have_waited =
                        !work.lock_timeout.is_zero() && began.elapsed() >= work.lock_timeout;
                    let failure =
                        prepared.failed(step, statement, range, error, Remains::RunRolledBack);
                    if self.options.interrupt.is_asked() || !repeatable {
                        return Err(failure);
                    }
                    return match (slowly, statement, may_have_waited) {
                        (None, _, true) => Ok(Ended::Unplaced(n, Pace::Timed, failure)),
                        (None, None, false) => Ok(Ended::Unplaced(n, Pace::Statements, failure)),
                        _ => Err(failure),
                    };
                }
            }
        }
        self.backend
            .commit_run()
            .map_err(Error::database("cannot commit the run"))?;
        for (step, duration, statements) in finished {
            self.done(step, duration, statements);
        }
        Ok(Ended::Committed)
    }
}

fn is_placed(error: &Error) -> bool {
    matches!(error, Error::Failed(failure) if failure.statement.is_some())
}
