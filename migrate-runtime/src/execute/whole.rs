//! `--single-transaction`: the whole plan in one transaction, all or nothing.

use std::time::Instant;

use migrate_core::{Plan, Version};

use super::prepare::prepare;
use super::{Done, Run, Went};
use crate::backend::{Claim, Pace, Stop};
use crate::error::{Error, Remains};
use crate::event::Event;

impl Run<'_> {
    /// The whole plan in one transaction.
    pub(super) fn whole(&mut self, plan: &Plan) -> Result<Went, Error> {
        if self
            .backend
            .begin_run()
            .map_err(Error::database("cannot begin the transaction"))?
            == Claim::Busy
        {
            return Ok(Went::Again);
        }
        match self.whole_begun(plan, None) {
            // The server did not say where: once more, slowly at that one.
            Err(Error::Failed(failure)) if failure.statement.is_none() => {
                self.backend.rollback();
                if self
                    .backend
                    .begin_run()
                    .map_err(Error::database("cannot begin the transaction"))?
                    == Claim::Busy
                {
                    return Ok(Went::Again);
                }
                self.whole_begun(plan, Some(&failure.version))
                    .inspect_err(|_| self.backend.rollback())?;
            }
            other => other.inspect_err(|_| self.backend.rollback())?,
        }
        Ok(Went::Done)
    }

    fn whole_begun(&mut self, plan: &Plan, slowly: Option<&Version>) -> Result<(), Error> {
        let mut finished = Vec::new();
        for (n, step) in plan.steps.iter().enumerate() {
            self.heed_interrupt()?;
            (self.tell)(Event::Started {
                step,
                number: n + 1,
                total: plan.steps.len(),
            });
            let began = Instant::now();
            let prepared = prepare(self.catalog, step, self.backend.dialect(), self.options)?;
            let pace = if slowly == Some(&step.version) {
                Pace::Statements
            } else {
                Pace::Batch
            };
            match self
                .backend
                .apply_in_run(&prepared.work(step, self.options), pace)
            {
                Ok(()) => finished.push((step, began.elapsed(), prepared.script.statements.len())),
                Err(Stop::Database(source)) => {
                    return Err(Error::database("cannot record the migration")(source));
                }
                Err(Stop::Migration {
                    statement,
                    range,
                    error,
                }) => {
                    return Err(prepared.failure(
                        step,
                        statement,
                        range,
                        error.message,
                        Remains::RunRolledBack,
                    ));
                }
            }
        }
        self.backend
            .commit_run()
            .map_err(Error::database("cannot commit the run"))?;
        for (step, duration, statements) in finished {
            (self.tell)(Event::Finished {
                step,
                duration,
                statements,
            });
            self.report.done.push(Done {
                step: step.clone(),
                duration,
                statements,
            });
        }
        Ok(())
    }
}
