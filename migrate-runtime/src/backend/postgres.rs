//! PostgreSQL: one round trip a migration, with the transaction's own lock and
//! the history row first. Generic over Diesel's connections.

mod again;
mod batch;
mod facts;
mod index;
mod setup;
mod transaction;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::{Connection, RunQueryDsl};
use migrate_core::Dialect;

use self::again::{LOCK_TIMEOUT, Suspicion, suspicion, timed};
use self::batch::{Batch, Part};
use self::facts::{Facts, Until};
pub(crate) use self::setup::SessionSetup;
use self::transaction::migration_error;
use super::{
    AttemptRow, Backend, Cancellation, Claim, HistoryRow, IdRow, LockScope, Outcome, Pace,
    Recorded, Settled, StatementError, StepRow, Stop, Work,
};
use crate::error::{DatabaseError, DatabaseErrorKind};
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
    pub(crate) application: String,
    pub(crate) setup: SessionSetup,
}

/// The name of one connection's sessions, in pg_stat_activity's 63 bytes;
/// random, so that cancelling hits no other one.
pub(crate) fn application(service: &str) -> String {
    let random = lock::random() & 0xffff_ffff;
    let mut name = format!("cargo-migrate {service}");
    while name.len() > 54 {
        name.pop();
    }
    format!("{name} {random:08x}")
}

/// A PostgreSQL connection at work.
pub(crate) struct Postgres<C> {
    connection: C,
    names: Names,
    facts: Option<Facts>,
    store: Store,
    session_lock: bool,
}

impl<C> Postgres<C>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    pub(crate) fn new(connection: C, names: Names) -> Self {
        let store = Store::new(
            Dialect::Postgres,
            names.schema.as_deref(),
            &names.history_table,
        );
        Self {
            connection,
            names,
            facts: None,
            store,
            session_lock: false,
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
        if error.message.contains(LOCK_NOT_OURS) {
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
        Ok(diesel::sql_query(sql).load(&mut self.connection)?)
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
        // By name: through a pooler a process may be somebody else's by now.
        let sql = format!(
            "SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity WHERE application_name = {}",
            literal(Dialect::Postgres, &self.names.application)
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

    fn begin_attempt(&mut self, attempt: &Attempt<'_>) -> Result<(i64, String), DatabaseError> {
        let insert = self
            .store
            .insert_attempt(None, attempt, &AttemptEnd::Running);
        let probe = self.store.probe_history(attempt.direction);
        self.write(&format!("{probe}{insert}"))?;
        let rows: Vec<IdRow> = self.rows(&self.store.select_attempt_of(attempt.runner))?;
        let id = rows.first().and_then(|row| row.id);
        let id = id.ok_or_else(|| DatabaseError::other("the journal lost an attempt".into()))?;
        Ok((id, String::new()))
    }

    fn claim(&mut self, scope: LockScope) -> Result<Claim, DatabaseError> {
        let Some(facts) = self.facts.as_ref() else {
            return Ok(Claim::Fresh);
        };
        if facts.standby {
            let message = "the server is in recovery".to_owned();
            return Err(DatabaseError {
                kind: DatabaseErrorKind::ReadOnly,
                ..DatabaseError::other(message)
            });
        }
        if scope == LockScope::Session && !self.session_lock {
            let sql = format!(
                "SELECT pg_catalog.pg_try_advisory_lock({})::int::bigint AS id",
                self.key()
            );
            let got: Vec<IdRow> = self.rows(&sql)?;
            self.session_lock = got.first().and_then(|row| row.id) == Some(1);
            if !self.session_lock {
                return Ok(Claim::Busy);
            }
            self.execute(&self.enter(Until::Reset, None))?;
            return Ok(Claim::Fresh);
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
        let sql = format!(
            "{}{}{schema}{}COMMIT",
            self.begin_transaction(),
            self.lock_or_raise(""),
            self.store.create_tables()
        );
        self.claim_by(&sql, Claim::Fresh)
    }

    fn release(&mut self) {
        if self.session_lock {
            // On a connection that is gone the lock is gone, too.
            let _ = self.execute(&format!(
                "SELECT pg_catalog.pg_advisory_unlock({})",
                self.key()
            ));
            self.session_lock = false;
        }
    }

    fn holder(&mut self) -> Option<String> {
        let key = self.key().cast_unsigned();
        let sql = format!(
            "SELECT concat(coalesce(nullif(a.application_name, ''), a.usename), ', pid ', l.pid, \
             coalesce(' since ' || a.query_start::timestamp(0)::text, '')) AS text \
             FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
             WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.classid = {} AND l.objid = {} \
             AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())",
            key >> 32,
            key & 0xffff_ffff
        );
        let rows: Vec<facts::TextRow> = self.rows(&sql).ok()?;
        rows.into_iter().next().map(|row| row.text)
    }

    fn apply(&mut self, work: &Work<'_>) -> Result<Outcome, Stop> {
        let batch = Batch {
            before: self.begin(work),
            body: &work.text[work.script.body.clone()],
            after: format!("{}COMMIT", self.end(work)),
        };
        let began = Instant::now();
        let Err((part, error)) = batch.send(&mut self.connection) else {
            return Ok(Outcome::Done);
        };
        let elapsed = began.elapsed();
        if error.kind != DatabaseErrorKind::Closed {
            self.rollback();
        }
        if let Some(known) = self.ours(&error) {
            return known;
        }
        if work.interrupt.is_asked() {
            return Err(migration_error(work, part, error));
        }
        let suspicion = suspicion(&error, work.lock_timeout, elapsed);
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
        Err(migration_error(work, part, error))
    }

    fn begin_run(&mut self) -> Result<Claim, DatabaseError> {
        let sql = format!("{}{}", self.begin_transaction(), self.lock_or_raise(""));
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
            self.lock_or_raise(&locked)
        );
        if pace != Pace::Batch {
            return self.apply_in_run_by_statements(work, &before, pace);
        }
        let batch = Batch {
            before,
            body: &work.text[work.script.body.clone()],
            after: self.end(work),
        };
        match batch.send(&mut self.connection) {
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

    fn write(&mut self, sql: &str) -> Result<(), DatabaseError> {
        let sql = format!(
            "{}{}{}{sql}COMMIT",
            self.begin_recording(),
            self.lock_or_raise(""),
            self.put_back_here()
        );
        self.execute(&sql).inspect_err(|_| self.rollback())
    }

    fn run_recorded(&mut self, recorded: &Recorded<'_>) -> Result<Outcome, StatementError> {
        self.write_due(recorded.before)?;
        let batch = |statement| Batch {
            // The search path is the session's: the file may have set it.
            before: format!(
                "{}{}{}",
                self.begin_recording(),
                transaction::timeouts(recorded.lock_timeout, recorded.statement_timeout),
                self.lock_or_raise("")
            ),
            body: statement,
            // All of our own writes after it: the statement runs as whom the
            // file has made of the session, they as who came.
            after: format!("{}{}COMMIT", self.put_back_here(), recorded.after),
        };
        let plain = batch(recorded.statement);
        let timed = timed(recorded.statement);
        let asking_again = batch(&timed);
        let began = Instant::now();
        let Err((part, error)) = plain.send(&mut self.connection) else {
            return Ok(Outcome::Done);
        };
        let elapsed = began.elapsed();
        self.rollback();
        let offset = part.offset();
        let failed = |error| Err(StatementError::Statement { error, offset });
        if suspicion(&error, recorded.lock_timeout, elapsed) == Suspicion::None
            || recorded.interrupt.is_asked()
        {
            return failed(error);
        }
        let asked = if again::holds_a_savepoint(recorded.statement) {
            self.one_by_one(
                &asking_again.before,
                recorded.statement,
                &asking_again.after,
            )
        } else {
            asking_again
                .send(&mut self.connection)
                .map_err(|(_, error)| error)
        };
        match asked {
            Ok(()) => Ok(Outcome::Done),
            Err(again) => {
                self.rollback();
                if again.message.contains(LOCK_TIMEOUT) {
                    Ok(Outcome::LockTimeout { statement: None })
                } else {
                    // What has a place points to a word.
                    failed(if offset.is_some() { error } else { again })
                }
            }
        }
    }

    fn run_alone(&mut self, recorded: &Recorded<'_>) -> Result<Outcome, StatementError> {
        self.write_due(recorded.before)?;
        // CONCURRENTLY waits without stopping anybody, and a cancelled one
        // leaves an invalid index.
        let waits_for_ever = index::is_concurrent(recorded.statement);
        // There is no second try: nobody knows what a timeout left of the others.
        let lock = if waits_for_ever {
            Duration::ZERO
        } else {
            recorded.longest_lock_timeout
        };
        self.execute(&format!(
            "SET lock_timeout = {}; SET statement_timeout = {}",
            lock.as_millis(),
            recorded.statement_timeout.as_millis()
        ))?;
        self.run_unrecorded(recorded.statement)?;
        Ok(Outcome::Done)
    }

    fn run_unrecorded(&mut self, statement: &str) -> Result<(), StatementError> {
        let batch = Batch {
            before: String::new(),
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

    fn heal(&mut self, statement: &str) -> Result<(), DatabaseError> {
        let Some(index) = index::built_concurrently(statement) else {
            return Ok(());
        };
        match self.rows::<index::IndexRow>(&index.query())?.first() {
            Some(found) if found.is_left_over() => {
                self.execute(&format!("DROP INDEX CONCURRENTLY {}", found.name))
            }
            _ => Ok(()),
        }
    }

    fn settle(&mut self, statement: &str, _: Option<&str>) -> Result<Settled, DatabaseError> {
        let Some(index) = index::built_concurrently(statement) else {
            return Ok(Settled::Unknown);
        };
        match self.rows::<index::IndexRow>(&index.query())?.first() {
            Some(found) if found.valid => Ok(Settled::Done),
            Some(found) if found.at_work => Ok(Settled::Unknown),
            _ => Ok(Settled::Repeat),
        }
    }

    fn reset_session(&mut self) -> Result<(), DatabaseError> {
        self.execute(&self.put_back())
    }

    fn is_lock_lost(&self, error: &DatabaseError) -> bool {
        error.message.contains(LOCK_NOT_OURS)
    }
}
