//! What a PostgreSQL session says of itself: read together with the history in
//! one round trip, and put back after each migration.

use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use diesel::{Connection, QueryableByName, RunQueryDsl};
use migrate_core::Dialect;

use super::Names;
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
    pub(super) standby: bool,
    pub(super) pid: i32,
    search_path: String,
    role: String,
    lock_timeout: String,
    statement_timeout: String,
}

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
    standby: bool,
    #[diesel(sql_type = Integer)]
    pid: i32,
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
        // path: they must have been found side by side.
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
    let rows = diesel::sql_query(sql).load(connection)?;
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
         coalesce(has_table_privilege({}, 'SELECT'), false) AS journal_readable, pg_is_in_recovery() AS standby, pg_backend_pid() AS pid, \
         current_setting('search_path') AS search_path, current_setting('role') AS role, \
         current_setting('lock_timeout') AS lock_timeout, current_setting('statement_timeout') AS statement_timeout",
        of(table),
        of(&journal),
        of(&steps),
        qualified(&journal),
    )
}

impl SessionRow {
    fn facts(&self) -> Facts {
        // Tables elsewhere on the search path are not this history's.
        let beside = |schema: &Option<String>| schema.is_some() && *schema == self.history_schema;
        Facts {
            schema: self
                .history_schema
                .clone()
                .or_else(|| self.wanted_schema.clone()),
            schema_exists: self.schema_exists,
            history: self.history_schema.is_some(),
            journal: beside(&self.journal_schema),
            steps: beside(&self.steps_schema),
            standby: self.standby,
            pid: self.pid,
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
            search_path,
            role,
            lock_timeout,
            statement_timeout,
            ..
        } = self.clone();
        *self = Self {
            search_path,
            role,
            lock_timeout,
            statement_timeout,
            ..now
        };
    }

    /// The search path to work with: the configured schema before the rest.
    pub(super) fn settle(&mut self, schema: Option<&str>) -> String {
        if let Some(schema) = schema {
            let first = identifier(Dialect::Postgres, schema);
            let rest = Some(self.search_path.as_str()).filter(|path| !path.trim().is_empty());
            self.search_path = rest.map_or(first.clone(), |rest| format!("{first}, {rest}"));
        }
        self.search_path.clone()
    }

    /// Statements that put the session back to what was found.
    pub(super) fn restore(&self) -> String {
        format!("RESET SESSION AUTHORIZATION;\n{}", self.set_back("false"))
    }

    /// The same until the end of the transaction.
    pub(super) fn restore_here(&self) -> String {
        format!(
            "SET LOCAL SESSION AUTHORIZATION DEFAULT;\n{}",
            self.set_back("true")
        )
    }

    fn set_back(&self, locally: &str) -> String {
        let set = |name: &str, value: &str| {
            format!(
                "pg_catalog.set_config('{name}', {}, {locally})",
                literal(Dialect::Postgres, value)
            )
        };
        format!(
            "SELECT {}, {}, {}, {};\n",
            set("role", &self.role),
            set("search_path", &self.search_path),
            set("lock_timeout", &self.lock_timeout),
            set("statement_timeout", &self.statement_timeout),
        )
    }
}

/// Settings of a connection of our own. By SET, because poolers refuse start-up
/// options; only those that the server knows.
pub(super) fn session_settings(application: &str, search_path: &str) -> String {
    let text = |value: &str| literal(Dialect::Postgres, value);
    format!(
        "SELECT pg_catalog.set_config(name, v.value, false) FROM pg_catalog.pg_settings \
         JOIN (VALUES ('application_name', {}), ('search_path', {}), ('client_connection_check_interval', '2000'), \
         ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3')) \
         AS v(setting, value) ON v.setting = name",
        text(application),
        text(search_path)
    )
}
