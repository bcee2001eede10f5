//! A statement that no transaction may be around: how long it waits for locks,
//! and whether it may be tried again.

use std::time::{Duration, Instant};

use diesel::Connection;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;

use super::batch::Batch;
use super::blockers::may_be_repeated;
use super::{Postgres, index, program, settle};
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
        let packet = format!(
            "{}SET lock_timeout = {}; SET statement_timeout = {};\n{}{}",
            self.record(recorded),
            lock.as_millis(),
            recorded.statement_timeout.as_millis(),
            // What is due is recorded, whatever this says.
            settle::refuse(recorded.statement),
            program::count(recorded.statement),
        );
        if let Err(error) = self.execute(&packet) {
            self.rollback();
            return Err(match settle::refusal(&error) {
                Some(error) => StatementError::Statement {
                    error,
                    offset: None,
                },
                None => StatementError::Record(error),
            });
        }
        let began = Instant::now();
        let Err(error) = self.run_in_autocommit(String::new(), recorded.statement) else {
            let built = self.check_built(recorded.statement);
            return built.map(|()| Outcome::Done).map_err(|error| {
                let offset = None;
                StatementError::Statement { error, offset }
            });
        };
        let elapsed = began.elapsed();
        if !lock.is_zero()
            && !recorded.interrupt.is_asked()
            && self.has_given_way(recorded.statement, &error, lock, elapsed)
        {
            return Ok(Outcome::LockTimeout { statement: None });
        }
        Err(self.left_by(recorded.statement, error))
    }

    /// What is due, in a transaction of its own that looks for the lock.
    fn record(&self, recorded: &Recorded<'_>) -> String {
        if recorded.before.is_empty() {
            return self.held_or_raise_now();
        }
        // The question is asked by the session that the file has made; our own
        // writes are those of who came.
        format!(
            "{}{}{}{}{}COMMIT;\n",
            self.begin_recording(),
            self.held_or_raise(""),
            settle::ask(recorded.statement),
            self.put_back_here(),
            recorded.before,
        )
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
