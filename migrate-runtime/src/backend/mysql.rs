//! MySQL and MariaDB, whose DDL commits by itself: every migration by its
//! steps, under a lock of the session's, each checkpoint sent in one packet
//! with the statement that it announces. Generic over Diesel's connections.

mod blockers;
mod held;
mod packet;
mod place;
mod probe;
mod session;
mod settings;

use std::sync::Arc;

use diesel::connection::LoadConnection;
use diesel::mysql::Mysql;
use diesel::sql_types::{Nullable, Text};
use diesel::{Connection, RunQueryDsl};
use migrate_core::Dialect;

pub(crate) use self::held::Held;
use self::packet::{After, Pieces, transaction};
use self::probe::Probe;
use self::session::{Session, Timeouts};
use super::{
    AttemptRow, Backend, Begun, Cancellation, Claim, HistoryColumns, HistoryRow, IdRow,
    Introduction, KeptTexts, LockScope, Outcome, Pace, Recorded, Settled, StatementError, StepRow,
    Stop, Work,
};
use crate::error::{Blocker, DatabaseError, DatabaseErrorKind, ErrorCode};
use crate::quote::literal;
use crate::store::{Attempt, AttemptEnd, Store};

/// ER_NO_SUCH_TABLE.
const NO_SUCH_TABLE: i64 = 1146;

/// A MySQL or MariaDB connection at work.
pub(crate) struct MySql<C> {
    connection: Held<C>,
    history_table: String,
    store: Store,
    /// Once the lock is ours.
    session: Option<Session>,
    cancellation: Arc<Cancellation>,
    /// The journal's, as read under the lock and since.
    newest_attempt: i64,
    /// Whether the run waits for another runner.
    waits: bool,
}

#[derive(Debug, diesel::QueryableByName)]
struct TextRow {
    #[diesel(sql_type = Nullable<Text>)]
    text: Option<String>,
}

impl<C> MySql<C>
where
    C: Connection<Backend = Mysql> + LoadConnection,
{
    pub(crate) fn new(connection: Held<C>, history_table: &str) -> Self {
        Self {
            connection,
            history_table: history_table.to_owned(),
            store: Store::new(Dialect::MySql, None, history_table),
            session: None,
            cancellation: Arc::default(),
            newest_attempt: 0,
            waits: true,
        }
    }

    fn execute(&mut self, sql: &str) -> Result<(), DatabaseError> {
        self.connection
            .batch_execute(sql)
            .map_err(DatabaseError::from)
    }

    fn rows<R>(&mut self, sql: &str) -> Result<Vec<R>, DatabaseError>
    where
        R: diesel::deserialize::QueryableByName<Mysql> + 'static,
    {
        Ok(diesel::sql_query(unlimited(sql)).load(&mut *self.connection)?)
    }

    fn history(&mut self, sql: &str) -> Result<Vec<HistoryRow>, DatabaseError> {
        let query = diesel::dsl::sql::<HistoryColumns>(&unlimited(sql));
        Ok(query.load(&mut *self.connection)?)
    }

    /// Which of our three tables are there, and may be seen.
    fn present(&mut self) -> Result<[bool; 3], DatabaseError> {
        let (journal, steps) = Store::bare_names(&self.history_table);
        let tables = [self.history_table.clone(), journal, steps];
        let names: Vec<String> = tables
            .iter()
            .map(|name| literal(Dialect::MySql, name))
            .collect();
        let sql = format!(
            "SELECT CAST(TABLE_NAME AS CHAR) AS text FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ({}) \
             UNION ALL SELECT IF(DATABASE() IS NULL, NULL, '-') AS text",
            names.join(", ")
        );
        let found: Vec<TextRow> = self.rows(&sql)?;
        if found.iter().any(|row| row.text.is_none()) {
            let message = "the connection has no database selected".to_owned();
            return Err(DatabaseError::other(message));
        }
        let has = |table: &String| {
            found.iter().any(|row| {
                row.text
                    .as_ref()
                    .is_some_and(|name| name.eq_ignore_ascii_case(table))
            })
        };
        Ok(tables.each_ref().map(has))
    }

    /// The history where the catalogue shows none: it is not there, or this
    /// account may not see it.
    fn unseen_history(&mut self) -> Result<Vec<HistoryRow>, DatabaseError> {
        let Err(error) = self.history(&self.store.select_history_alone()) else {
            return Ok(Vec::new());
        };
        let error = self.with_code(error);
        match error.code {
            Some(ErrorCode::Number(NO_SUCH_TABLE)) => Ok(Vec::new()),
            _ => Err(error),
        }
    }

    /// The same, of which an error is told with its code.
    fn coded(&mut self, sql: &str) -> Result<Vec<HistoryRow>, DatabaseError> {
        self.history(sql).map_err(|error| self.with_code(error))
    }

    /// The error that has just come, with its code; without a connection there
    /// is none to be had.
    fn with_code(&mut self, error: DatabaseError) -> DatabaseError {
        match self.diagnose() {
            Some(diagnosis) => diagnosis.told(error),
            None => closed(error),
        }
    }

    /// Puts back what a file has set, where no packet has done so yet.
    fn settle_session(&mut self) -> Result<(), DatabaseError> {
        if self.session.as_ref().is_some_and(Session::is_stale) {
            let sql = self.opening(None);
            self.execute(&sql)?;
        }
        Ok(())
    }

    /// The error, told apart from that of a connection that is gone: Diesel's
    /// asynchronous client does not.
    fn unless_closed(&mut self, error: DatabaseError) -> DatabaseError {
        match self.execute("DO 0") {
            Ok(()) => error,
            Err(_) => closed(error),
        }
    }

    fn read_history(&mut self) -> Result<Vec<HistoryRow>, DatabaseError> {
        self.settle_session()?;
        match self.history(&self.store.select_history()) {
            Ok(rows) => Ok(rows),
            // Whatever the error was, the catalogue says what there is.
            Err(_) => match self.present()? {
                [true, true, true] => {
                    let sql = self.store.select_history();
                    self.coded(&sql)
                }
                [true, ..] => {
                    let sql = self.store.select_history_alone();
                    self.coded(&sql)
                }
                [false, ..] => self.unseen_history(),
            },
        }
    }

    fn claim_session(&mut self) -> Result<Claim, DatabaseError> {
        let sql = session::query(&self.history_table, self.waits);
        let row = self.rows(&sql)?.into_iter().next();
        let Some(session) = row.and_then(Session::of) else {
            return Ok(Claim::Busy);
        };
        // From here on it is ours to give back.
        let session = self.session.insert(session);
        // Already set where the session has been at work before.
        let [sql, last_resort] = session.cancellation();
        let _ = self.cancellation.sql.set(sql);
        let _ = self.cancellation.last_resort.set(last_resort);
        self.store = Store::new(Dialect::MySql, Some(&session.database), &self.history_table);
        if session.read_only {
            self.release();
            return Err(DatabaseError::read_only("the server is read-only"));
        }
        self.execute(&Session::enter())?;
        if self.present()? != [true; 3] {
            let sql = self.store.create_tables();
            self.execute(&sql).map_err(|error| self.with_code(error))?;
        }
        let newest: Vec<IdRow> = self.rows(&self.store.select_newest_attempt())?;
        self.newest_attempt = newest.first().and_then(|row| row.id).unwrap_or_default();
        Ok(Claim::Fresh)
    }

    fn no_transaction() -> DatabaseError {
        DatabaseError::other("MySQL commits at each DDL statement".to_owned())
    }
}

/// `sql` whatever the server's sql_select_limit is: a history cut short would be
/// applied again.
fn unlimited(sql: &str) -> String {
    if sql.contains(" LIMIT ") {
        return sql.to_owned();
    }
    format!("{sql} LIMIT 18446744073709551615")
}

fn closed(error: DatabaseError) -> DatabaseError {
    DatabaseError {
        kind: DatabaseErrorKind::Closed,
        ..error
    }
}

impl<C> Backend for MySql<C>
where
    C: Connection<Backend = Mysql> + LoadConnection,
{
    fn dialect(&self) -> Dialect {
        Dialect::MySql
    }

    fn cancellation(&self) -> Option<Arc<Cancellation>> {
        Some(Arc::clone(&self.cancellation))
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn read(&mut self) -> Result<Vec<HistoryRow>, DatabaseError> {
        let rows = self
            .read_history()
            .map_err(|error| self.unless_closed(error))?;
        // Some releases of MariaDB's client library lose the first row's text
        // (CONC-821): the newest migration would be run again.
        if rows.iter().any(|row| row.version.is_empty()) {
            let message = "the client library returned an empty version (MariaDB's CONC-821); update libmariadb";
            return Err(DatabaseError::other(message.to_owned()));
        }
        Ok(rows)
    }

    fn read_steps(&mut self, attempt: i64) -> Result<Vec<StepRow>, DatabaseError> {
        match self.rows(&self.store.select_steps(attempt)) {
            Ok(rows) => Ok(rows),
            // Who may not read them may not run anything either.
            Err(error) => match self.present() {
                Ok([_, _, false]) => Ok(Vec::new()),
                Ok([_, _, true]) => Err(error),
                Err(error) => Err(self.unless_closed(error)),
            },
        }
    }

    fn read_attempts(&mut self, limit: Option<u64>) -> Result<Vec<AttemptRow>, DatabaseError> {
        let rows = match self.present() {
            Ok([_, true, true]) => self.rows(&self.store.select_attempts(limit)),
            Ok(_) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        rows.map_err(|error| self.unless_closed(error))
    }

    fn read_texts(&mut self, attempts: &[i64]) -> Result<Vec<KeptTexts>, DatabaseError> {
        let sql = self.store.select_texts(attempts);
        self.rows(&sql).map_err(|error| self.unless_closed(error))
    }

    fn begin_attempt(&mut self, attempt: &Attempt<'_>) -> Result<Begun, DatabaseError> {
        // Nobody else writes the journal while the lock is ours, so that the
        // next id is known, and the first checkpoint can take the row along.
        self.newest_attempt += 1;
        let id = self.newest_attempt;
        let insert = self
            .store
            .insert_attempt(Some(id), attempt, &AttemptEnd::Running);
        let probe = self.store.probe_history(attempt);
        Ok(Begun {
            id,
            due: probe + &insert,
            tried: Vec::new(),
        })
    }

    fn claim(&mut self, _: LockScope) -> Result<Claim, DatabaseError> {
        if self.session.is_some() {
            return Ok(Claim::Ready);
        }
        self.claim_session()
            .map_err(|error| self.unless_closed(error))
    }

    fn release(&mut self) {
        // On a connection that is gone the lock is gone, too.
        let _ = self.settle_session();
        if let Some(session) = self.session.take() {
            let _ = self.execute(&session.release());
        }
    }

    fn holder(&mut self) -> Option<String> {
        let sql = session::holder_query(&self.history_table, Some(&self.store.journal));
        let rows: Vec<TextRow> = match self.rows(&sql) {
            Ok(rows) => rows,
            // There is no journal yet, or not for this account.
            Err(_) => self
                .rows(&session::holder_query(&self.history_table, None))
                .ok()?,
        };
        rows.into_iter().next()?.text
    }

    fn introduce(&mut self, run: &Introduction<'_>) {
        self.waits = run.waits;
    }

    fn blockers(&mut self, statement: &str) -> Vec<Blocker> {
        let mut shows_locks = false;
        for (n, sql) in blockers::queries(statement).iter().enumerate() {
            let Ok(rows) = self.rows(sql) else {
                continue;
            };
            // The performance schema is also there where it is off.
            shows_locks |= n == 0;
            let found = blockers::blockers(rows, statement, shows_locks);
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    fn apply(&mut self, _: &Work<'_>) -> Result<Outcome, Stop> {
        Err(Stop::Database(Self::no_transaction()))
    }

    fn begin_run(&mut self) -> Result<Claim, DatabaseError> {
        Err(Self::no_transaction())
    }

    fn apply_in_run(&mut self, _: &Work<'_>, _: Pace) -> Result<Outcome, Stop> {
        Err(Stop::Database(Self::no_transaction()))
    }

    fn commit_run(&mut self) -> Result<(), DatabaseError> {
        Err(Self::no_transaction())
    }

    fn rollback(&mut self) {
        let _ = self.execute("ROLLBACK");
    }

    fn write(&mut self, sql: &str) -> Result<(), DatabaseError> {
        let sql = self.opening(None) + &transaction(sql);
        self.execute(&sql).map_err(|error| self.with_code(error))
    }

    fn run_recorded(&mut self, recorded: &Recorded<'_>) -> Result<Outcome, StatementError> {
        let opening = self.opening(Some(Timeouts::of(recorded)));
        self.send(
            &opening,
            recorded.before,
            recorded.statement,
            After::With(
                recorded.after,
                if recorded.is_block {
                    Pieces::Several
                } else {
                    Pieces::One
                },
            ),
        )
    }

    fn run_alone(&mut self, recorded: &Recorded<'_>) -> Result<Outcome, StatementError> {
        let opening = self.opening(Some(Timeouts::of(recorded)));
        let outcome = self.send(
            &opening,
            recorded.before,
            recorded.statement,
            After::Then(recorded.after),
        )?;
        // What may have done a part of its work is not for us to repeat.
        if outcome != Outcome::Done && probe::of(recorded.statement) == Probe::Unknown {
            let message = "gave up: another session holds a lock on what it changes".to_owned();
            return Err(StatementError::Statement {
                error: DatabaseError {
                    kind: DatabaseErrorKind::LockTimeout,
                    ..DatabaseError::other(message)
                },
                offset: None,
            });
        }
        Ok(outcome)
    }

    fn takes_the_end_along(&self) -> bool {
        true
    }

    fn run_unrecorded(&mut self, statement: &str) -> Result<(), StatementError> {
        let opening = self.opening(None);
        self.send(&opening, "", statement, After::Then(""))
            .map(|_| ())
    }

    fn fingerprint(&self, statement: &str) -> Option<String> {
        match probe::of(statement) {
            Probe::Compare(expression) => Some(expression),
            Probe::Repeat | Probe::Unknown => None,
        }
    }

    fn settle(&mut self, statement: &str, before: Option<&str>) -> Result<Settled, DatabaseError> {
        // DDL is atomic: it leaves nothing to remove.
        let now = match probe::of(statement) {
            Probe::Compare(expression) => {
                let sql = format!("SELECT CAST({expression} AS CHAR) AS text");
                let rows: Vec<TextRow> =
                    self.rows(&sql).map_err(|error| self.unless_closed(error))?;
                rows.into_iter().next().and_then(|row| row.text)
            }
            Probe::Repeat | Probe::Unknown => None,
        };
        Ok(probe::settled(statement, before, now.as_deref()))
    }

    fn reset_session(&mut self) -> Result<(), DatabaseError> {
        // The next packet takes it along.
        if let Some(session) = &mut self.session {
            session.leave_file();
        }
        Ok(())
    }

    fn is_lock_lost(&self, error: &DatabaseError) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| error.message.contains(&session.lock))
    }
}
