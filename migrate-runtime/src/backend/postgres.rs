//! PostgreSQL: one round trip a migration, with the transaction's own lock and
//! the history row first. Generic over Diesel's connections.

mod again;
mod alone;
mod batch;
mod blockers;
mod facts;
mod held;
mod index;
mod probe;
mod program;
mod settle;
mod setup;
mod state;
mod transaction;
mod waiting;
mod watch;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::{Connection, RunQueryDsl};
use migrate_core::Dialect;

use self::again::Suspicion;
use self::batch::{Batch, Part};
use self::facts::{Facts, Until};
use self::settle::TriedRow;
pub(crate) use self::setup::SessionSetup;
use self::state::telling;
use self::transaction::migration_error;
pub(crate) use self::watch::{Watcher, begin as begin_watching};
use super::{
    AttemptRow, Backend, Begun, Cancellation, Claim, HistoryRow, Introduction, KeptTexts,
    LockScope, Outcome, Pace, Recorded, Settled, StatementError, StepRow, Stop, Watch, Work,
};
use crate::error::{Blocker, DatabaseError, DatabaseErrorKind};
use crate::lock;
use crate::quote::{identifier, literal};
use crate::store::{Attempt, AttemptEnd, Store};

// Texts of our own, which come back whatever language the server speaks.
const LOCK_NOT_OURS: &str = "cargo-migrate: lock not ours";
const NOT_APPLIED: &str = "cargo-migrate: not applied";

/// Names of one service on one PostgreSQL database.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The configured schema; otherwise the search path decides.
    pub(crate) schema: Option<String>,
    pub(crate) history_table: String,
    /// Shown in pg_stat_activity.
    pub(crate) service: String,
    pub(crate) setup: SessionSetup,
}

/// Whether a pooler stands between us and the server, or why nobody can tell.
pub(crate) type IsPooled = Box<dyn Fn() -> Result<bool, String>>;

/// A PostgreSQL connection at work.
pub(crate) struct Postgres<C> {
    connection: C,
    names: Names,
    facts: Option<Facts>,
    store: Store,
    /// Shown in pg_stat_activity: the service and the run.
    application: String,
    session_lock: bool,
    is_pooled: IsPooled,
    watcher: Watcher,
    /// Whether it was asked, and there is none.
    is_direct: bool,
}

impl<C> Postgres<C>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    pub(crate) fn new(connection: C, names: Names, is_pooled: IsPooled, watcher: Watcher) -> Self {
        let store = Store::new(
            Dialect::Postgres,
            names.schema.as_deref(),
            &names.history_table,
        );
        Self {
            connection,
            // Until there is a run.
            application: waiting::application(&names.service, &lock::random().to_string()),
            names,
            facts: None,
            store,
            session_lock: false,
            is_pooled,
            watcher,
            is_direct: false,
        }
    }

    fn execute(&mut self, sql: &str) -> Result<(), DatabaseError> {
        self.connection
            .batch_execute(sql)
            .map_err(DatabaseError::from)
    }

    /// Sends what takes the lock; `granted` is what having it means.
    fn claim_by(&mut self, sql: &str, granted: Claim) -> Result<Claim, DatabaseError> {
        let Err(error) = self.execute(sql) else {
            return Ok(granted);
        };
        self.rollback();
        if error.message.contains(LOCK_NOT_OURS) && !self.session_lock {
            Ok(Claim::Busy)
        } else {
            Err(error)
        }
    }

    fn write_due(&mut self, writes: &str) -> Result<(), DatabaseError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.write(writes)
    }

    fn rows<R>(&mut self, sql: &str) -> Result<Vec<R>, DatabaseError>
    where
        R: diesel::deserialize::QueryableByName<Pg> + 'static,
    {
        let rows = diesel::sql_query(sql).load(&mut self.connection);
        rows.map_err(|error| self.with_state(sql, error.into()))
    }
}

impl<C> Backend for Postgres<C>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn cancellation(&self) -> Option<Arc<Cancellation>> {
        // By name: through a pooler a process may be somebody else's by now. A
        // file may change the name; the run's mark it does not know.
        let sql = format!(
            "SELECT pg_catalog.pg_cancel_backend(a.pid) FROM pg_catalog.pg_stat_activity a WHERE a.application_name = {} \
             OR a.pid IN (SELECT l.pid FROM pg_catalog.pg_locks l WHERE {})",
            literal(Dialect::Postgres, &self.application),
            held::locks_of(self.mark())
        );
        Some(Arc::new(Cancellation {
            sql: OnceLock::from(sql),
            ..Cancellation::default()
        }))
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn read(&mut self) -> Result<Vec<HistoryRow>, DatabaseError> {
        let (facts, rows) = facts::read(&mut self.connection, &self.names)?;
        let schema = facts.schema.clone();
        self.store = Store::new(
            Dialect::Postgres,
            schema.as_deref(),
            &self.names.history_table,
        );
        // A file may have changed the session; what we found first counts.
        match &mut self.facts {
            Some(known) => known.refresh(facts),
            None => self.facts = Some(facts),
        }
        Ok(rows)
    }

    fn read_steps(&mut self, attempt: i64) -> Result<Vec<StepRow>, DatabaseError> {
        // Who may not read them may not run anything either: to look, the
        // attempt is enough.
        if self
            .facts
            .as_ref()
            .is_some_and(|facts| !facts.steps_readable)
        {
            return Ok(Vec::new());
        }
        self.rows(&self.store.select_steps(attempt))
    }

    fn read_attempts(&mut self, limit: Option<u64>) -> Result<Vec<AttemptRow>, DatabaseError> {
        if !self.facts.as_ref().is_some_and(|facts| facts.journal) {
            return Ok(Vec::new());
        }
        self.rows(&self.store.select_attempts(limit))
    }

    fn read_texts(&mut self, attempts: &[i64]) -> Result<Vec<KeptTexts>, DatabaseError> {
        self.rows(&self.store.select_texts(attempts))
    }

    fn begin_attempt(&mut self, attempt: &Attempt<'_>) -> Result<Begun, DatabaseError> {
        let insert = self
            .store
            .insert_attempt(None, attempt, &AttemptEnd::Running);
        let inherit = self.store.inherit_tries(attempt);
        let probe = self.store.probe_history(attempt);
        self.write(&(probe + &insert + &inherit))?;
        let rows: Vec<TriedRow> =
            self.rows(&self.store.select_attempt_with_tries(attempt.runner))?;
        let id = rows.first().map(|row| row.id);
        let id = id.ok_or_else(|| DatabaseError::other("the journal lost an attempt".into()))?;
        Ok(Begun {
            id,
            due: String::new(),
            tried: rows.into_iter().filter_map(|row| row.tried).collect(),
        })
    }

    fn claim(&mut self, scope: LockScope) -> Result<Claim, DatabaseError> {
        let Some(facts) = self.facts.as_ref() else {
            return Ok(Claim::Fresh);
        };
        if facts.standby {
            return Err(DatabaseError::read_only("the server is in recovery"));
        }
        if facts.read_only {
            let message = "default_transaction_read_only is on";
            return Err(DatabaseError::read_only(message));
        }
        if scope == LockScope::Session && !self.session_lock {
            return self.claim_session();
        }
        let facts = self.facts.as_ref();
        if facts.is_some_and(|facts| facts.history && facts.journal && facts.steps) {
            return Ok(Claim::Ready);
        }
        let schema = match (
            &self.names.schema,
            facts.is_some_and(|facts| facts.schema_exists),
        ) {
            (Some(schema), false) => {
                format!(
                    "CREATE SCHEMA IF NOT EXISTS {};\n",
                    identifier(Dialect::Postgres, schema)
                )
            }
            _ => String::new(),
        };
        let writes = format!(
            "{}{schema}{}",
            self.held_or_raise(""),
            self.store.create_tables()
        );
        let sql = format!("{}{writes}COMMIT", self.begin_transaction());
        self.claim_by(&sql, Claim::Fresh)
            .map_err(|error| self.with_state(&writes, error))
    }

    fn release(&mut self) {
        if self.session_lock {
            // On a connection that is gone the lock is gone, too.
            let _ = self.execute(&format!(
                "SELECT pg_catalog.pg_advisory_unlock({}), pg_catalog.pg_advisory_unlock({})",
                self.key(),
                self.mark()
            ));
            self.session_lock = false;
        }
    }

    fn introduce(&mut self, run: &Introduction<'_>) {
        self.application = waiting::application(&self.names.service, run.run_id);
    }

    fn holder(&mut self) -> Option<String> {
        self.who_holds_the_lock()
    }

    fn blockers(&mut self, statement: &str) -> Vec<Blocker> {
        self.who_blocks(statement)
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        (self.watcher)(&self.application)
    }

    fn apply(&mut self, work: &Work<'_>) -> Result<Outcome, Stop> {
        let batch = Batch {
            before: self.begin(work),
            body: &work.text[work.script.body.clone()],
            after: format!("{}COMMIT", self.end(work)),
        };
        let began = Instant::now();
        let sent = batch.send_script(work, &mut self.connection);
        let Err((part, error)) = sent else {
            return Ok(Outcome::Done);
        };
        let elapsed = began.elapsed();
        if error.kind != DatabaseErrorKind::Closed {
            self.rollback();
        }
        if let Some(known) = self.ours(&error) {
            return known;
        }
        if work.interrupt.is_asked() || again::reaches_out(work.text) {
            return Err(migration_error(work, part, error));
        }
        let suspicion = self.suspicion(&error, work.lock_timeout, elapsed);
        if part == Part::Unknown {
            return self.apply_by_statements(work, suspicion);
        }
        // A table that is locked while a statement is parsed has a position.
        if suspicion == Suspicion::LockTimeout {
            let again = self.apply_by_statements(work, suspicion);
            if !matches!(again, Err(Stop::Migration { .. })) {
                return again;
            }
        }
        Err(self.told(work, migration_error(work, part, error)))
    }

    fn begin_run(&mut self) -> Result<Claim, DatabaseError> {
        let sql = format!("{}{}", self.begin_transaction(), self.held_or_raise(""));
        self.claim_by(&sql, Claim::Ready)
    }

    fn apply_in_run(&mut self, work: &Work<'_>, pace: Pace) -> Result<Outcome, Stop> {
        let (locked, first) = self.record_first(work);
        let before = format!(
            "{}{}{first}",
            self.enter(
                Until::Commit,
                Some((work.lock_timeout, work.statement_timeout))
            ),
            self.held_or_raise(&locked)
        );
        if pace != Pace::Batch {
            return self.apply_in_run_by_statements(work, &before, pace);
        }
        let batch = Batch {
            before,
            body: &work.text[work.script.body.clone()],
            after: self.end(work),
        };
        match batch.send_script(work, &mut self.connection) {
            Ok(()) => Ok(Outcome::Done),
            Err((part, error)) => self
                .ours(&error)
                .unwrap_or_else(|| Err(migration_error(work, part, error))),
        }
    }

    fn commit_run(&mut self) -> Result<(), DatabaseError> {
        self.execute("COMMIT")
    }

    fn rollback(&mut self) {
        // Outside a transaction this is a warning, which nobody sees.
        let _ = self.execute("ROLLBACK");
    }

    fn write(&mut self, writes: &str) -> Result<(), DatabaseError> {
        let writes = format!("{}{}{writes}", self.held_or_raise(""), self.put_back_here());
        let sql = format!("{}{writes}COMMIT", self.begin_recording());
        self.execute(&sql).map_err(|error| {
            self.rollback();
            if error.message.contains(LOCK_NOT_OURS) || error.kind == DatabaseErrorKind::Closed {
                return error;
            }
            self.with_state(&writes, error)
        })
    }

    fn may_be_asked_again(&self, text: &str) -> bool {
        !again::reaches_out(text)
    }

    fn run_recorded(&mut self, recorded: &Recorded<'_>) -> Result<Outcome, StatementError> {
        self.write_due(recorded.before)?;
        // The search path is the session's: the file may have set it.
        let before = format!(
            "{}{}{}",
            self.begin_recording(),
            transaction::timeouts(recorded.lock_timeout, recorded.statement_timeout),
            self.held_or_raise("")
        );
        // All of our own writes after it: the statement runs as whom the file
        // has made of the session, they as who came.
        let after = format!("{}{}COMMIT", self.put_back_here(), recorded.after);
        let plain = Batch {
            before,
            body: recorded.statement,
            after,
        };
        let Err((part, error)) = plain.send(&mut self.connection) else {
            return Ok(Outcome::Done);
        };
        self.rollback();
        let offset = part.offset();
        let failed = |error| Err(StatementError::Statement { error, offset });
        if error.kind != DatabaseErrorKind::Other
            || error.message.contains(LOCK_NOT_OURS)
            || recorded.interrupt.is_asked()
            || again::reaches_out(recorded.statement)
        {
            return failed(error);
        }
        let Batch { before, after, .. } = plain;
        let asked = if again::holds_a_savepoint(recorded.statement) {
            self.one_by_one(&before, recorded.statement, &after)
        } else {
            let in_block = Batch {
                before,
                body: &telling(recorded.statement),
                after,
            };
            in_block
                .send(&mut self.connection)
                .map_err(|(_, error)| error)
        };
        let Err(again) = asked else {
            return Ok(Outcome::Done);
        };
        self.rollback();
        if again.kind == DatabaseErrorKind::LockTimeout {
            return Ok(Outcome::LockTimeout { statement: None });
        }
        // What has a place points to a word.
        let is_first = offset.is_some() || state::is_of_the_block(&again);
        failed(if is_first {
            state::told_by(error, again)
        } else {
            again
        })
    }

    fn run_alone(&mut self, recorded: &Recorded<'_>) -> Result<Outcome, StatementError> {
        self.alone(recorded)
    }

    fn run_unrecorded(&mut self, statement: &str) -> Result<(), StatementError> {
        let before = self.held_or_raise_now();
        self.run_in_autocommit(before, statement)
    }

    fn fingerprint(&self, statement: &str) -> Option<String> {
        settle::asked(statement)
    }

    fn kept<'t>(&self, statement: &str, tried: &'t [String]) -> Option<&'t str> {
        settle::kept(statement, tried)
    }

    fn settle(&mut self, statement: &str, before: Option<&str>) -> Result<Settled, DatabaseError> {
        self.settle_statement(statement, before)
    }

    fn reset_session(&mut self) -> Result<(), DatabaseError> {
        self.execute(&self.put_back())
    }

    fn is_lock_lost(&self, error: &DatabaseError) -> bool {
        error.message.contains(LOCK_NOT_OURS)
    }
}
