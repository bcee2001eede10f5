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

    /// Writes what a person found of a statement in doubt, who it was and why.
    pub(crate) fn resolve(
        &mut self,
        version: &Version,
        step: usize,
        resolution: Resolution,
        why: Option<&str>,
    ) -> Result<bool, Error> {
        let resolved = self.resolve_locked(version, step, resolution, why);
        self.backend.release();
        match resolved {
            Err(Error::ConnectionLost(_) | Error::Database { .. })
                if self.options.interrupt.is_asked() =>
            {
                Err(Error::Interrupted)
            }
            other => other.map_err(|error| error.by_hand("a statement in doubt cannot be settled")),
        }
    }

    fn resolve_locked(
        &mut self,
        version: &Version,
        step: usize,
        resolution: Resolution,
        why: Option<&str>,
    ) -> Result<bool, Error> {
        let mut wait = Wait::new(self.options.lock_wait);
        // The lock's key is found on reading; whoever has the lock may be at
        // this very statement, so that only what is read under it counts.
        reading::read(self.backend, self.catalog)?;
        let history = loop {
            self.heed_interrupt()?;
            if self.claim_for_certainty(&mut wait)? {
                break reading::read(self.backend, self.catalog)?;
            }
        };
        let unfinished = history.unfinished.get(version);
        let doubt = unfinished
            .filter(|unfinished| unfinished.state == AttemptState::InDoubt { statement: step });
        let Some(doubt) = doubt else {
            return Ok(false);
        };
        let store = self.backend.store();
        let settled = match resolution {
            Resolution::Done => store.finish_step(doubt.attempt, step),
            Resolution::Retry => store.abandon_step(doubt.attempt, step),
        };
        let who = &self.options.runner.applied_by;
        let mut reason = format!(
            "statement {step} settled as {} by {who}",
            resolution.as_str()
        );
        if let Some(why) = why {
            reason += &format!(": {why}");
        }
        let sql = settled + &store.add_reason(doubt.attempt, &reason);
        self.backend
            .write(&sql)
            .map(|()| true)
            .map_err(|source| self.stopped("cannot write the journal", source))
    }
}
