//! A repair under the lock: read again, write what it is about, and nothing
//! else. The texts and checksums are one row of the journal a migration.

use migrate_core::{Checksum, Migration};

use super::Run;
use crate::backend::{Claim, LARGEST_KEPT, LockScope};
use crate::error::Error;
use crate::lock::Wait;
use crate::reading;
use crate::repair::{Repair, RepairError, Repaired};
use crate::store::Attempt;

/// Bytes of SQL in one write, at least one row.
const LARGEST_WRITE: usize = 256 * 1024;

impl Run<'_> {
    /// Writes what a repair is about; gives the lock back on every path.
    pub(crate) fn repair(
        &mut self,
        repair: &Repair,
        reason: Option<&str>,
    ) -> Result<Vec<Repaired>, Error> {
        // The `…` of a help that was typed as it is shown is no reason.
        let says = |reason: &str| reason.contains(char::is_alphanumeric);
        if !reason.is_some_and(says) && matches!(repair, Repair::AcceptEdit(_)) {
            return Err(RepairError::NoReason.into());
        }
        let repaired = self.repair_locked(repair, reason);
        self.backend.release();
        repaired.map_err(|error| error.by_hand("a repair cannot be recorded"))
    }

    fn repair_locked(
        &mut self,
        repair: &Repair,
        reason: Option<&str>,
    ) -> Result<Vec<Repaired>, Error> {
        let mut wait = Wait::new(self.options.lock_wait);
        let due = loop {
            self.heed_interrupt()?;
            let history = reading::read(self.backend, self.catalog)?;
            // Where nothing is to be done, nobody has to wait for that.
            let due = repair.due(self.catalog, &history)?;
            if due.is_empty() {
                return Ok(Vec::new());
            }
            // What was read before the lock may have changed under it.
            match self.claimed(LockScope::Session)? {
                Claim::Busy => self.wait_for_the_lock(&mut wait)?,
                Claim::Fresh => {}
                Claim::Ready => break due,
            }
        };
        let mut sql = String::new();
        for migration in &due {
            let row = self.row(migration, reason)?;
            if !sql.is_empty() && sql.len() + row.len() > LARGEST_WRITE {
                self.write_rows(&std::mem::take(&mut sql))?;
            }
            sql += &row;
        }
        self.write_rows(&sql)?;
        let repaired = |migration: &&Migration| Repaired {
            version: migration.version.clone(),
            name: migration.name.clone(),
        };
        Ok(due.iter().map(repaired).collect())
    }

    /// The journal's row that says what a migration is from now on.
    ///
    /// Its down SQL is today's, too: the texts of one directory belong together,
    /// it is what this build would revert with, and what was kept before stays
    /// in the row before.
    fn row(&self, migration: &Migration, reason: Option<&str>) -> Result<String, Error> {
        let up = migration.up()?;
        let raw = Checksum::raw(&up);
        if raw != migration.raw {
            let directory = migration.directory().unwrap_or("".as_ref());
            return Err(Error::Changed(directory.join("up.sql")));
        }
        let down = match migration.metadata.irreversible {
            Some(_) => None,
            None => migration.down()?,
        };
        Ok(self.backend.store().insert_statement_of(&Attempt {
            version: &migration.version,
            name: &migration.name,
            direction: "repair",
            total: 0,
            raw,
            semantic: Checksum::semantic(&up, self.backend.dialect()),
            up: (up.len() <= LARGEST_KEPT).then_some(up.as_str()),
            down: down.as_deref(),
            reason,
            runner: &self.options.runner,
        }))
    }

    fn write_rows(&mut self, sql: &str) -> Result<(), Error> {
        self.backend
            .write(sql)
            .map_err(|source| self.stopped("cannot write the journal", source))
    }
}
