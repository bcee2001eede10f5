//! What is written without running a migration: our tables, and what a person
//! found of a statement in doubt.

use migrate_core::{AttemptState, Version};

use super::Run;
use crate::backend::{Claim, LockScope};
use crate::error::Error;
use crate::lock::Wait;
use crate::migrator::Resolution;
use crate::reading;

impl Run<'_> {
    /// Makes the tables, under the lock and with the waiting of a run.
    pub(crate) fn create_tables(&mut self) -> Result<(), Error> {
        let mut wait = Wait::new(self.options.lock_wait);
        loop {
            self.heed_interrupt()?;
            reading::read(self.backend, self.catalog)?;
            match self.claimed(LockScope::Transaction) {
                Ok(Claim::Ready) => break,
                Ok(Claim::Fresh) => {}
                Ok(Claim::Busy) => self.wait_for_the_lock(&mut wait)?,
                Err(error) => return Err(error),
            }
        }
        self.backend.release();
        Ok(())
    }

    /// Writes what a person found of a statement in doubt.
    pub(crate) fn resolve(
        &mut self,
        version: &Version,
        step: usize,
        resolution: Resolution,
    ) -> Result<bool, Error> {
        let mut wait = Wait::new(self.options.lock_wait);
        let resolved = loop {
            self.heed_interrupt()?;
            let history = reading::read(self.backend, self.catalog)?;
            if !self.claim_for_certainty(&mut wait)? {
                continue;
            }
            let unfinished = history.unfinished.get(version);
            let doubt = unfinished
                .filter(|unfinished| unfinished.state == AttemptState::InDoubt { statement: step });
            let Some(doubt) = doubt else { break Ok(false) };
            let store = self.backend.store();
            let sql = match resolution {
                Resolution::Done => store.finish_step(doubt.attempt, step),
                Resolution::Retry => store.forget_step(doubt.attempt, step),
            };
            let written = self.backend.write(&sql);
            break written
                .map(|()| true)
                .map_err(|source| self.stopped("cannot write the journal", source));
        };
        self.backend.release();
        resolved
    }
}
