//! What a PostgreSQL session says of itself: read together with the history in
//! one round trip, and put back after each migration.

use std::time::Duration;

use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::{Connection, QueryableByName, RunQueryDsl};
use migrate_core::Dialect;

use super::state::read_again;
use super::{Names, SessionSetup};
use crate::backend::HistoryRow;
use crate::error::DatabaseError;
use crate::quote::{identifier, literal};
use crate::store::Store;

/// The session and our tables, as they were found.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Where the history is, or will be.
    pub(super) schema: Option<String>,
    pub(super) schema_exists: bool,
    pub(super) history: bool,
    pub(super) journal: bool,
    pub(super) steps: bool,
    pub(super) steps_readable: bool,
    pub(super) standby: bool,
    watches_client: bool,
    on_linux: bool,
    pub(super) read_only: bool,
    pub(super) deadlock_timeout: Duration,
    search_path: String,
    role: String,
    lock_timeout: String,
    statement_timeout: String,
}

/// Drops a file's temporary tables, which would stand before the next file's
/// own. Those that deferred constraints are still to be checked for stay: the
/// file's COMMIT is to tell what is wrong with them.
const DROP_TEMPORARY: &str =
    "DO $$BEGIN DISCARD TEMP; EXCEPTION WHEN object_in_use THEN NULL; END$$;\n";

/// Begins a transaction of ours.
pub(super) const BEGIN_AS_FOUND: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;\n";

/// One text, for small questions.
#[derive(Debug, QueryableByName)]
pub(super) struct TextRow {
    #[diesel(sql_type = Text)]
    pub(super) text: String,
}

#[derive(Debug, QueryableByName)]
struct SessionRow {
    #[diesel(sql_type = Nullable<Text>)]
    history_schema: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    journal_schema: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    steps_schema: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    wanted_schema: Option<String>,
    #[diesel(sql_type = Bool)]
    schema_exists: bool,
    #[diesel(sql_type = Bool)]
    journal_readable: bool,
    #[diesel(sql_type = Bool)]
    steps_readable: bool,
    #[diesel(sql_type = Bool)]
    standby: bool,
    #[diesel(sql_type = Bool)]
    watches_client: bool,
    #[diesel(sql_type = Bool)]
    on_linux: bool,
    #[diesel(sql_type = Bool)]
    read_only: bool,
    #[diesel(sql_type = BigInt)]
    deadlock_timeout: i64,
    #[diesel(sql_type = Text)]
    search_path: String,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Text)]
    lock_timeout: String,
    #[diesel(sql_type = Text)]
    statement_timeout: String,
}

/// The session's columns beside the history's, for the one query.
#[derive(Debug, QueryableByName)]
struct JoinedRow {
    #[diesel(embed)]
    session: SessionRow,
    #[diesel(sql_type = Nullable<Text>)]
    version: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    run_on: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    attempt: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    direction: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    state: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    statements_total: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    statements_done: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    raw_checksum: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    semantic_checksum: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
}

/// The history and what the session says, in one query; a second and a third
/// only where the first fails because a table is not there.
pub(super) fn read<C>(
    connection: &mut C,
    names: &Names,
) -> Result<(Facts, Vec<HistoryRow>), DatabaseError>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    let table = names.history_table.as_str();
    let schema = names.schema.as_deref();
    let store = Store::new(Dialect::Postgres, schema, table);
    let session = session_query(schema, table);
    let joined = format!(
        "SELECT s.*, r.* FROM ({session}) s LEFT JOIN ({}) r ON true ORDER BY r.version",
        store.select_history()
    );
    let first: Result<Vec<JoinedRow>, _> = diesel::sql_query(joined).load(connection);
    if let Ok(rows) = first
        && let Some(row) = rows.first()
        // Without a configured schema each name is looked up on the search
        // path: only what is in its first schema is Diesel's, and ours.
        && row.session.history_schema == row.session.wanted_schema
        && row.session.journal_schema == row.session.history_schema
    {
        let facts = row.session.facts();
        return Ok((
            facts,
            rows.into_iter().filter_map(JoinedRow::history).collect(),
        ));
    }
    // Whatever the error was, the catalogue says what there is.
    let rows: Vec<SessionRow> = diesel::sql_query(session).load(connection)?;
    let Some(row) = rows.first() else {
        return Err(DatabaseError::other(
            "the server gave no answer to a query of its settings".into(),
        ));
    };
    let mut facts = row.facts();
    if !facts.history {
        return Ok((facts, Vec::new()));
    }
    let store = Store::new(Dialect::Postgres, facts.schema.as_deref(), table);
    facts.journal &= row.journal_readable;
    let sql = if facts.journal {
        store.select_history()
    } else {
        store.select_history_alone()
    };
    let rows = diesel::sql_query(&sql).load(connection);
    let rows = rows.map_err(|error| read_again(connection, &sql, error.into()))?;
    Ok((facts, rows))
}

fn session_query(schema: Option<&str>, table: &str) -> String {
    let (journal, steps) = Store::bare_names(table);
    let qualified = |name: &str| {
        let bare = identifier(Dialect::Postgres, name);
        let text = schema.map_or(bare.clone(), |schema| {
            format!("{}.{bare}", identifier(Dialect::Postgres, schema))
        });
        format!("to_regclass({})", literal(Dialect::Postgres, &text))
    };
    let of = |name: &str| {
        format!(
            "(SELECT n.nspname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.oid = {})",
            qualified(name)
        )
    };
    let wanted = schema.map_or("current_schema()::text".to_owned(), |schema| {
        literal(Dialect::Postgres, schema)
    });
    format!(
        "SELECT {} AS history_schema, {} AS journal_schema, {} AS steps_schema, {wanted} AS wanted_schema, \
         EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = {wanted}) AS schema_exists, \
         coalesce(has_table_privilege({}, 'SELECT'), false) AS journal_readable, \
         coalesce(has_table_privilege({}, 'SELECT'), true) AS steps_readable, pg_is_in_recovery() AS standby, \
         current_setting('server_version_num')::int >= 140000 AND version() LIKE '%linux%' AS watches_client, \
         version() LIKE '%linux%' AS on_linux, \
         current_setting('default_transaction_read_only')::bool AS read_only, \
         (extract(epoch FROM current_setting('deadlock_timeout')::interval) * 1000)::bigint AS deadlock_timeout, \
         current_setting('search_path') AS search_path, current_setting('role') AS role, \
         current_setting('lock_timeout') AS lock_timeout, current_setting('statement_timeout') AS statement_timeout",
        of(table),
        of(&journal),
        of(&steps),
        qualified(&journal),
        qualified(&steps),
    )
}

impl SessionRow {
    fn facts(&self) -> Facts {
        // Diesel makes its table in the first schema of the search path; one
        // further down is another set's.
        let here = |schema: &Option<String>| schema.is_some() && *schema == self.wanted_schema;
        Facts {
            schema: self.wanted_schema.clone(),
            schema_exists: self.schema_exists,
            history: here(&self.history_schema),
            journal: here(&self.journal_schema),
            steps: here(&self.steps_schema),
            steps_readable: self.steps_readable,
            standby: self.standby,
            watches_client: self.watches_client,
            on_linux: self.on_linux,
            read_only: self.read_only,
            deadlock_timeout: Duration::from_millis(self.deadlock_timeout.unsigned_abs()),
            search_path: self.search_path.clone(),
            role: self.role.clone(),
            lock_timeout: self.lock_timeout.clone(),
            statement_timeout: self.statement_timeout.clone(),
        }
    }
}

impl JoinedRow {
    fn history(self) -> Option<HistoryRow> {
        Some(HistoryRow {
            version: self.version?,
            run_on: self.run_on,
            attempt: self.attempt,
            name: self.name,
            direction: self.direction,
            state: self.state,
            statements_total: self.statements_total,
            statements_done: self.statements_done,
            raw_checksum: self.raw_checksum,
            semantic_checksum: self.semantic_checksum,
            error: self.error,
        })
    }
}

impl Facts {
    /// Takes over what may have changed; the session's own settings stay as
    /// they were first found.
    pub(super) fn refresh(&mut self, now: Self) {
        let Self {
            read_only,
            search_path,
            role,
            lock_timeout,
            statement_timeout,
            ..
        } = self.clone();
        *self = Self {
            read_only,
            search_path,
            role,
            lock_timeout,
            statement_timeout,
            ..now
        };
    }

    /// The search path to work with: the configured schema before the rest.
    fn path(&self, schema: Option<&str>) -> String {
        let found = self.search_path.trim();
        match schema.map(|schema| identifier(Dialect::Postgres, schema)) {
            None => found.to_owned(),
            Some(first) if found.is_empty() => first,
            Some(first) => format!("{first}, {found}"),
        }
    }

    /// Settings of a connection at work. By SET, because poolers refuse
    /// start-up options; only those that the server knows.
    pub(super) fn enter(
        &self,
        names: &Names,
        application: &str,
        until: Until,
        timeouts: Option<(Duration, Duration)>,
    ) -> String {
        let path = self.path(names.schema.as_deref());
        let mut settings = vec![
            ("application_name", application),
            ("search_path", &path),
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
            // A runner that stands still in a transaction holds up the
            // application; between our statements there is next to no time.
            ("idle_in_transaction_session_timeout", "60000"),
        ];
        if self.on_linux {
            // Answers that nobody acknowledges, which keepalives don't see.
            settings.push(("tcp_user_timeout", "30000"));
        }
        if self.watches_client {
            settings.push(("client_connection_check_interval", "2000"));
        }
        let (lock, statement) = timeouts.unwrap_or_default();
        let (lock, statement) = (
            lock.as_millis().to_string(),
            statement.as_millis().to_string(),
        );
        if timeouts.is_some() {
            settings.push(("lock_timeout", &lock));
            settings.push(("statement_timeout", &statement));
        }
        select_settings(&settings, until)
    }

    /// Statements that put the session back to what was found.
    pub(super) fn restore(&self, names: &Names) -> String {
        // What `session-setup` has set is not the server's default.
        let all = match &names.setup {
            SessionSetup::Settings(again) => format!("RESET ALL;\n{again}"),
            SessionSetup::Once => String::new(),
        };
        format!(
            "RESET SESSION AUTHORIZATION;\n{all}{}{DROP_TEMPORARY}",
            self.set_back(Until::Reset)
        )
    }

    /// The same until the end of the transaction.
    pub(super) fn restore_here(&self) -> String {
        format!(
            "SET LOCAL SESSION AUTHORIZATION DEFAULT;\n{}",
            self.set_back(Until::Commit)
        )
    }

    /// Begins a transaction that writes our record, also after a file has made
    /// its session read-only; a session that came so stays so.
    pub(super) fn begin_recording(&self) -> &'static str {
        if self.read_only {
            BEGIN_AS_FOUND
        } else {
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n"
        }
    }

    fn set_back(&self, until: Until) -> String {
        let found = [
            ("role", self.role.as_str()),
            ("search_path", &self.search_path),
            ("lock_timeout", &self.lock_timeout),
            ("statement_timeout", &self.statement_timeout),
        ];
        select_settings(&found, until)
    }
}

/// For how long a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// For the transaction.
    Commit,
    /// For the session.
    Reset,
}

fn select_settings(settings: &[(&str, &str)], until: Until) -> String {
    let locally = until == Until::Commit;
    let set = |(name, value): &(&str, &str)| {
        let value = literal(Dialect::Postgres, value);
        format!("pg_catalog.set_config('{name}', {value}, {locally})")
    };
    let all: Vec<String> = settings.iter().map(set).collect();
    format!("SELECT {};\n", all.join(", "))
}
