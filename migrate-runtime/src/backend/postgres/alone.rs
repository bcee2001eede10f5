//! A statement that no transaction may be around: how long it waits for locks,
//! and whether it may be tried again.

use std::time::{Duration, Instant};

use diesel::Connection;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;

use super::batch::Batch;
use super::blockers::may_be_repeated;
use super::{Postgres, index};
use crate::backend::{Backend, Outcome, Recorded, StatementError};

impl<C> Postgres<C>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    /// Runs one statement in autocommit, with its timeouts and provided that the
    /// lock is ours.
    pub(super) fn alone(&mut self, recorded: &Recorded<'_>) -> Result<Outcome, StatementError> {
        // CONCURRENTLY waits without stopping anybody, and a cancelled one
        // leaves an invalid index.
        let waits_for_ever = index::is_concurrent(recorded.statement);
        let lock = if waits_for_ever {
            Duration::ZERO
        } else if may_be_repeated(recorded.statement) {
            recorded.lock_timeout
        } else {
            // There is no second try: nobody knows what a timeout left.
            recorded.longest_lock_timeout
        };
        let settings = format!(
            "{}SET lock_timeout = {}; SET statement_timeout = {}",
            self.held_or_raise_now(),
            lock.as_millis(),
            recorded.statement_timeout.as_millis()
        );
        self.execute(&settings)?;
        let began = Instant::now();
        let Err(error) = self.run_in_autocommit(String::new(), recorded.statement) else {
            return Ok(Outcome::Done);
        };
        let elapsed = began.elapsed();
        if !lock.is_zero()
            && !recorded.interrupt.is_asked()
            && self.has_given_way(recorded.statement, &error, lock, elapsed)
        {
            return Ok(Outcome::LockTimeout { statement: None });
        }
        Err(error)
    }

    /// Sends a statement that no transaction of ours may be around.
    pub(super) fn run_in_autocommit(
        &mut self,
        before: String,
        statement: &str,
    ) -> Result<(), StatementError> {
        let batch = Batch {
            before,
            body: statement,
            after: String::new(),
        };
        batch.send(&mut self.connection).map_err(|(part, error)| {
            // A block with a BEGIN of its own is open still.
            self.rollback();
            let offset = part.offset();
            StatementError::Statement { error, offset }
        })
    }
}
