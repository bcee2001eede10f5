//! MySQL and MariaDB, whose DDL commits by itself: every migration by its
//! steps, under a lock of the session's, each checkpoint sent in one packet
//! with the statement that it announces. Generic over Diesel's connections.

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
    AttemptRow, Backend, Cancellation, Claim, HistoryColumns, HistoryRow, IdRow, LockScope,
    Outcome, Pace, Recorded, Settled, StatementError, StepRow, Stop, Work,
};
use crate::error::{DatabaseError, DatabaseErrorKind};
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
        match self.diagnose() {
            Some(diagnosis) if diagnosis.code == Some(NO_SUCH_TABLE) => Ok(Vec::new()),
            Some(_) => Err(error),
            None => Err(closed(error)),
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
        self.settle_session()?;
        let rows = match self.history(&self.store.select_history()) {
            Ok(rows) => rows,
            // Whatever the error was, the catalogue says what there is.
            Err(_) => match self.present()? {
                [true, true, true] => self.history(&self.store.select_history())?,
                [true, ..] => self.history(&self.store.select_history_alone())?,
                [false, ..] => self.unseen_history()?,
            },
        };
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
            Err(error) => match self.present()? {
                [_, _, false] => Ok(Vec::new()),
                [_, _, true] => Err(error),
            },
        }
    }

    fn read_attempts(&mut self, limit: Option<u64>) -> Result<Vec<AttemptRow>, DatabaseError> {
        match self.present()? {
            [_, true, true] => self.rows(&self.store.select_attempts(limit)),
            _ => Ok(Vec::new()),
        }
    }

    fn begin_attempt(&mut self, attempt: &Attempt<'_>) -> Result<(i64, String), DatabaseError> {
        // Nobody else writes the journal while the lock is ours, so that the
        // next id is known, and the first checkpoint can take the row along.
        self.newest_attempt += 1;
        let id = self.newest_attempt;
        let insert = self
            .store
            .insert_attempt(Some(id), attempt, &AttemptEnd::Running);
        let probe = self.store.probe_history(attempt.direction);
        Ok((id, format!("{probe}{insert}")))
    }

    fn claim(&mut self, _: LockScope) -> Result<Claim, DatabaseError> {
        if self.session.is_some() {
            return Ok(Claim::Ready);
        }
        let sql = session::query(&self.history_table);
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
            let message = "the server is read-only".to_owned();
            return Err(DatabaseError {
                kind: DatabaseErrorKind::ReadOnly,
                ..DatabaseError::other(message)
            });
        }
        self.execute(&Session::enter())?;
        if self.present()? != [true; 3] {
            let sql = self.store.create_tables();
            self.execute(&sql)?;
        }
        let newest: Vec<IdRow> = self.rows(&self.store.select_newest_attempt())?;
        self.newest_attempt = newest.first().and_then(|row| row.id).unwrap_or_default();
        Ok(Claim::Fresh)
    }

    fn release(&mut self) {
        // On a connection that is gone the lock is gone, too.
        let _ = self.settle_session();
        if let Some(session) = self.session.take() {
            let _ = self.execute(&session.release());
        }
    }

    fn holder(&mut self) -> Option<String> {
        let sql = session::holder_query(&self.history_table);
        let rows: Vec<TextRow> = self.rows(&sql).ok()?;
        rows.into_iter().next()?.text
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
        self.execute(&sql).map_err(|error| match self.diagnose() {
            Some(_) => error,
            None => closed(error),
        })
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
                error: DatabaseError::other(message),
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

    fn heal(&mut self, _: &str) -> Result<(), DatabaseError> {
        // DDL is atomic: it leaves nothing to remove.
        Ok(())
    }

    fn settle(&mut self, statement: &str, before: Option<&str>) -> Result<Settled, DatabaseError> {
        let now = match probe::of(statement) {
            Probe::Compare(expression) => {
                let sql = format!("SELECT CAST({expression} AS CHAR) AS text");
                let rows: Vec<TextRow> = self.rows(&sql)?;
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
