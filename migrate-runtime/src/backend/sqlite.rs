//! SQLite: a lock file of the operating system beside the database for the
//! whole run, BEGIN IMMEDIATE for each migration, and the history row first.

mod left;
mod offset;
mod sentinel;
mod settings;

use std::path::PathBuf;
use std::time::Instant;

use diesel::connection::LoadConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite as SqliteDialect;
use diesel::{Connection, RunQueryDsl};
use migrate_core::{Dialect, Direction, tokenize};

pub(crate) use self::sentinel::Sentinel;
use super::{
    AttemptRow, Backend, Begun, Claim, HistoryColumns, HistoryRow, IdRow, Introduction, KeptTexts,
    LockScope, Outcome, Pace, Recorded, Settled, StatementError, StepRow, Stop, Work, first_line,
    word_at,
};
use crate::client::sqlite::cancel;
use crate::error::{DatabaseError, DatabaseErrorKind};
use crate::quote::{identifier, literal};
use crate::store::{Attempt, AttemptEnd, Store};

/// A SQLite connection at work.
pub(crate) struct Sqlite<C> {
    connection: C,
    store: Store,
    tables: [String; 3],
    /// The database's file; none in memory, where nobody else can be.
    path: Option<PathBuf>,
    /// The file that is opened by the first write, where there was none.
    later: Option<Later>,
    sentinel: Option<Sentinel>,
    ready: bool,
    foreign_keys: i64,
    service: String,
    /// user@host.
    applied_by: String,
    /// What else a file may set, as it was found.
    settings: Vec<settings::Found>,
    /// The databases that were attached then.
    attached: Vec<String>,
    /// What was temporary then.
    temporary: Vec<String>,
    /// Whether a file may have set something since.
    touched: bool,
    /// Whether it may have made something temporary.
    left_temporary: bool,
}

/// How to open a file that is not there yet: SQLite creates it on opening, and
/// a run that is refused must not leave one behind.
#[derive(Debug)]
pub(crate) struct Later {
    pub(crate) url: String,
    /// Statements for the new connection.
    pub(crate) setup: Vec<String>,
}

#[derive(Debug, diesel::QueryableByName)]
struct NameRow {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(Debug, diesel::QueryableByName)]
struct PragmaRow {
    #[diesel(sql_type = BigInt)]
    foreign_keys: i64,
}

impl<C> Sqlite<C>
where
    C: Connection<Backend = SqliteDialect> + LoadConnection,
{
    pub(crate) fn new(connection: C, path: Option<PathBuf>, history_table: &str) -> Self {
        let (journal, steps) = Store::bare_names(history_table);
        Self {
            connection,
            // Qualified: a temporary table of the same name would come first.
            store: Store::new(Dialect::Sqlite, Some("main"), history_table),
            tables: [history_table.to_owned(), journal, steps],
            path,
            later: None,
            sentinel: None,
            ready: false,
            foreign_keys: 0,
            service: String::new(),
            applied_by: String::new(),
            settings: Vec::new(),
            attached: Vec::new(),
            temporary: Vec::new(),
            touched: false,
            left_temporary: false,
        }
    }

    /// The same for a file that is not there: the connection is to an empty
    /// database in memory, in whose place the file comes with the first write.
    pub(crate) fn opened_later(mut self, later: Option<Later>) -> Self {
        self.later = later;
        self
    }

    /// The same for the database of `service`, which is told to those who wait.
    pub(crate) fn of(mut self, service: &str) -> Self {
        self.service = service.to_owned();
        self
    }

    /// Who we are, for those who wait for us.
    fn introduction(&mut self) -> String {
        let pid = format!("pid {}", std::process::id());
        let sql = "SELECT strftime('since %Y-%m-%d %H:%M:%S UTC', 'now') AS name";
        let now = self.rows::<NameRow>(sql).unwrap_or_default();
        let now = now.into_iter().next().map(|row| row.name);
        [self.service.clone(), pid, self.applied_by.clone()]
            .into_iter()
            .chain(now)
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn open_now(&mut self) -> Result<(), DatabaseError> {
        let Some(later) = self.later.take() else {
            return Ok(());
        };
        self.connection = cancel::opened(|| C::establish(&later.url))
            .map_err(|error| DatabaseError::other(error.to_string()))?;
        later.setup.iter().try_for_each(|sql| self.execute(sql))
    }

    fn execute(&mut self, sql: &str) -> Result<(), DatabaseError> {
        self.connection
            .batch_execute(sql)
            .map_err(DatabaseError::from)
    }

    fn rows<R>(&mut self, sql: &str) -> Result<Vec<R>, DatabaseError>
    where
        R: diesel::deserialize::QueryableByName<SqliteDialect> + 'static,
    {
        Ok(diesel::sql_query(sql).load(&mut self.connection)?)
    }

    fn history(&mut self, sql: &str) -> Result<Vec<HistoryRow>, DatabaseError> {
        let query = diesel::dsl::sql::<HistoryColumns>(sql);
        Ok(query.load(&mut self.connection)?)
    }

    fn write_due(&mut self, writes: &str) -> Result<(), DatabaseError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.write(writes)
    }

    /// Runs a statement that ends when somebody asks.
    fn run_heeding(&mut self, recorded: &Recorded<'_>) -> Result<(), StatementError> {
        let _heeding = cancel::heed(recorded.interrupt);
        self.run_unrecorded(recorded.statement)
    }

    /// Which of our three tables are there.
    fn present(&mut self) -> Result<[bool; 3], DatabaseError> {
        let names: Vec<String> = self
            .tables
            .iter()
            .map(|name| literal(Dialect::Sqlite, name))
            .collect();
        let sql = format!(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ({})",
            names.join(", ")
        );
        let found: Vec<NameRow> = self.rows(&sql)?;
        Ok(self
            .tables
            .each_ref()
            .map(|table| found.iter().any(|row| row.name.eq_ignore_ascii_case(table))))
    }

    /// The history row: its primary key makes the migration exactly-once.
    fn record_first(&mut self, work: &Work<'_>) -> Result<Outcome, Stop> {
        match work.direction {
            Direction::Up => match self.execute(&self.store.insert_history(work.version)) {
                Ok(()) => Ok(Outcome::Done),
                Err(error) if error.kind == DatabaseErrorKind::Unique => Ok(Outcome::Elsewhere),
                Err(error) => Err(Stop::Database(error)),
            },
            Direction::Down => {
                let sql = self.store.delete_history(work.version);
                match diesel::sql_query(sql).execute(&mut self.connection) {
                    Ok(1) => Ok(Outcome::Done),
                    Ok(_) => Ok(Outcome::Elsewhere),
                    Err(error) => Err(Stop::Database(error.into())),
                }
            }
        }
    }

    /// Notes the session as it was found.
    fn note_session(&mut self) -> Result<(), DatabaseError> {
        if let Some(pragma) = self.rows::<PragmaRow>("PRAGMA foreign_keys")?.first() {
            self.foreign_keys = pragma.foreign_keys;
        }
        self.settings = self.rows(&settings::query()).unwrap_or_default();
        self.attached = self.databases()?;
        self.temporary = self.names(settings::TEMPORARY)?;
        Ok(())
    }

    /// The settings as they were found; what cannot be put back the next
    /// statement tells.
    fn put_back(&mut self) {
        if std::mem::take(&mut self.touched) {
            let _ = self.execute(&settings::put_back(&self.settings));
        }
    }

    /// The databases that are attached, by name.
    fn databases(&mut self) -> Result<Vec<String>, DatabaseError> {
        self.names("SELECT name FROM pragma_database_list")
    }

    fn names(&mut self, sql: &str) -> Result<Vec<String>, DatabaseError> {
        let rows: Vec<NameRow> = self.rows(sql)?;
        Ok(rows.into_iter().map(|row| row.name).collect())
    }

    fn statements(&mut self, work: &Work<'_>) -> Result<(), Stop> {
        let _heeding = cancel::heed(work.interrupt);
        for (n, statement) in work.script.statements.iter().enumerate() {
            let text = &work.text[statement.range.clone()];
            self.notice(text);
            // One that is short does not ask by itself.
            let ran = if work.interrupt.is_asked() {
                Err(DatabaseError::interrupted())
            } else {
                self.execute(text)
            };
            if let Err(error) = ran {
                let range = match offset::of_error(text, &error.message) {
                    Some(offset) => word_at(work.text, statement.range.start + offset),
                    None => first_line(work.text, &statement.range),
                };
                return Err(Stop::Migration {
                    statement: Some(n),
                    range: Some(range),
                    error,
                });
            }
        }
        Ok(())
    }

    fn record_last(&self, work: &Work<'_>, began: Instant) -> String {
        let elapsed = began.elapsed();
        let started = format!(
            "strftime('%Y-%m-%d %H:%M:%f', 'now', '-{:.3} seconds')",
            elapsed.as_secs_f64()
        );
        let end = AttemptEnd::Done {
            started: &started,
            duration_us: &elapsed.as_micros().to_string(),
        };
        self.store.insert_attempt(None, &work.attempt(), &end)
    }

    fn apply_begun(&mut self, work: &Work<'_>, began: Instant) -> Result<Outcome, Stop> {
        let first = self.record_first(work)?;
        if first != Outcome::Done {
            return Ok(first);
        }
        self.statements(work)?;
        self.put_back();
        self.drop_temporary().map_err(Stop::Database)?;
        self.execute(&self.record_last(work, began))
            .map_err(Stop::Database)?;
        match self.execute("COMMIT") {
            Ok(()) => Ok(Outcome::Done),
            // Deferred foreign keys are checked by COMMIT.
            Err(error) => Err(Stop::Migration {
                statement: None,
                range: None,
                error,
            }),
        }
    }
}

impl<C> Backend for Sqlite<C>
where
    C: Connection<Backend = SqliteDialect> + LoadConnection,
{
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn read(&mut self) -> Result<Vec<HistoryRow>, DatabaseError> {
        if let Ok(rows) = self.history(&self.store.select_history()) {
            return Ok(rows);
        }
        match self.present()? {
            [false, ..] => Ok(Vec::new()),
            [true, true, _] => self.history(&self.store.select_history()),
            [true, false, _] => self.history(&self.store.select_history_alone()),
        }
    }

    fn read_steps(&mut self, attempt: i64) -> Result<Vec<StepRow>, DatabaseError> {
        self.rows(&self.store.select_steps(attempt))
    }

    fn read_attempts(&mut self, limit: Option<u64>) -> Result<Vec<AttemptRow>, DatabaseError> {
        match self.present()? {
            [_, true, _] => self.rows(&self.store.select_attempts(limit)),
            [_, false, _] => Ok(Vec::new()),
        }
    }

    fn read_texts(&mut self, attempts: &[i64]) -> Result<Vec<KeptTexts>, DatabaseError> {
        self.rows(&self.store.select_texts(attempts))
    }

    fn begin_attempt(&mut self, attempt: &Attempt<'_>) -> Result<Begun, DatabaseError> {
        let insert = self
            .store
            .insert_attempt(None, attempt, &AttemptEnd::Running);
        self.write(&insert)?;
        let rows: Vec<IdRow> = self.rows(&self.store.select_attempt_of(attempt.runner))?;
        let id = rows.first().and_then(|row| row.id);
        let id = id.ok_or_else(|| DatabaseError::other("the journal lost an attempt".into()))?;
        Ok(Begun {
            id,
            due: String::new(),
            tried: Vec::new(),
        })
    }

    fn claim(&mut self, _: LockScope) -> Result<Claim, DatabaseError> {
        if let (Some(path), None) = (self.path.clone(), &self.sentinel) {
            let who = self.introduction();
            self.sentinel = Sentinel::acquire(&path, &who)?;
            // Whoever has the lock may have made the file meanwhile.
            if self.sentinel.is_some() || path.exists() {
                self.open_now()?;
            }
            if self.sentinel.is_none() {
                return Ok(Claim::Busy);
            }
            // What is settled before the run's own claim puts it back, too.
            self.note_session()?;
            return Ok(Claim::Fresh);
        }
        if self.ready {
            return Ok(Claim::Ready);
        }
        if self.path.is_none() {
            self.note_session()?;
        }
        if self.present()? != [true; 3] {
            let sql = format!("BEGIN IMMEDIATE;\n{}COMMIT", self.store.create_tables());
            self.execute(&sql).inspect_err(|_| self.rollback())?;
        }
        self.ready = true;
        // The sentinel has been ours since before the history was read.
        Ok(Claim::Ready)
    }

    fn release(&mut self) {
        self.sentinel = None;
    }

    fn introduce(&mut self, run: &Introduction<'_>) {
        self.applied_by = run.applied_by.to_owned();
    }

    fn holder(&mut self) -> Option<String> {
        sentinel::holder(self.path.as_deref()?)
    }

    fn apply(&mut self, work: &Work<'_>) -> Result<Outcome, Stop> {
        let began = Instant::now();
        self.execute("BEGIN IMMEDIATE").map_err(Stop::Database)?;
        let outcome = self.apply_begun(work, began);
        if !matches!(outcome, Ok(Outcome::Done)) {
            self.rollback();
        }
        outcome
    }

    fn begin_run(&mut self) -> Result<Claim, DatabaseError> {
        self.execute("BEGIN IMMEDIATE")?;
        Ok(Claim::Ready)
    }

    fn apply_in_run(&mut self, work: &Work<'_>, _: Pace) -> Result<Outcome, Stop> {
        let began = Instant::now();
        let first = self.record_first(work)?;
        if first != Outcome::Done {
            // Under the sentinel only another tool can have done it.
            return Ok(first);
        }
        self.statements(work)?;
        self.put_back();
        self.drop_temporary().map_err(Stop::Database)?;
        self.execute(&self.record_last(work, began))
            .map(|()| Outcome::Done)
            .map_err(Stop::Database)
    }

    fn commit_run(&mut self) -> Result<(), DatabaseError> {
        self.execute("COMMIT")
    }

    fn rollback(&mut self) {
        // Fails where the error has already ended the transaction.
        let _ = self.execute("ROLLBACK");
        // What a file has set must not keep its failure from being recorded.
        self.put_back();
    }

    fn write(&mut self, sql: &str) -> Result<(), DatabaseError> {
        let held = self.lift()?;
        self.execute(&format!("BEGIN IMMEDIATE;\n{sql}COMMIT"))
            .inspect_err(|_| self.rollback())?;
        self.hold(held)
    }

    fn run_recorded(&mut self, recorded: &Recorded<'_>) -> Result<Outcome, StatementError> {
        self.write_due(recorded.before)?;
        self.run_in_transaction(recorded)
            .inspect_err(|_| self.rollback())?;
        Ok(Outcome::Done)
    }

    fn run_alone(&mut self, recorded: &Recorded<'_>) -> Result<Outcome, StatementError> {
        self.write_due(recorded.before)?;
        self.run_heeding(recorded)?;
        Ok(Outcome::Done)
    }

    fn run_unrecorded(&mut self, statement: &str) -> Result<(), StatementError> {
        self.notice(statement);
        self.execute(statement).map_err(|error| {
            // A block with a BEGIN of its own is open still.
            self.rollback();
            let offset = offset::of_error(statement, &error.message);
            StatementError::Statement { error, offset }
        })
    }

    fn settle(&mut self, statement: &str, _: Option<&str>) -> Result<Settled, DatabaseError> {
        // SQLite's statements are atomic, also outside a transaction: nothing
        // is left to remove.
        let first = tokenize(statement, Dialect::Sqlite).find(|token| !token.is_blank());
        let word = first.map(|token| statement[token.range].to_ascii_lowercase());
        // Nothing that running them twice would change.
        let harmless = ["vacuum", "pragma", "attach", "detach", "reindex", "analyze"];
        Ok(match word {
            Some(word) if harmless.contains(&word.as_str()) => Settled::Repeat,
            _ => Settled::Unknown,
        })
    }

    fn reset_session(&mut self) -> Result<(), DatabaseError> {
        self.put_back();
        self.drop_temporary()?;
        for name in self.databases()? {
            if !self.attached.contains(&name) && name != "temp" {
                let name = identifier(Dialect::Sqlite, &name);
                self.execute(&format!("DETACH {name}"))?;
            }
        }
        self.execute(&format!("PRAGMA foreign_keys = {}", self.foreign_keys))
    }

    fn is_lock_lost(&self, _: &DatabaseError) -> bool {
        // The operating system takes a file's lock away from nobody.
        false
    }
}
