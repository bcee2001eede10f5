//! A MySQL session at work, as SQL text: its lock, what it is told of itself,
//! its timeouts, and what a file may have set and is put back.

use std::time::Duration;

use diesel::sql_types::{BigInt, Nullable, Text};
use migrate_core::{Dialect, Lexeme, TemporaryTable, lexemes, temporary_tables};

use super::settings::{self, Setting};
use crate::backend::Recorded;
use crate::quote::{identifier, literal};

/// Settings that files change and do not always put back, those of dumps among
/// them.
const PUT_BACK: [&str; 11] = [
    "autocommit",
    "character_set_client",
    "character_set_results",
    "collation_connection",
    "default_storage_engine",
    "foreign_key_checks",
    "sql_mode",
    "sql_notes",
    "sql_safe_updates",
    "time_zone",
    "unique_checks",
];

/// A year: the longest that the server waits for a lock.
const FOR_EVER: u64 = 31_536_000;

/// Whether the server takes writes: a replica says so of itself, and so does a
/// server over files that may not change. Some releases answer in words, and
/// accounts with rights enough are not kept from writing.
const READ_ONLY: &str =
    "CAST(@@GLOBAL.read_only NOT IN ('0', 'OFF') OR @@GLOBAL.innodb_read_only AS SIGNED)";

/// After how many seconds of silence the server gives up a runner. A host that
/// has vanished says nothing more, and its lock is to be free after 40 s at the
/// most. Between our own packets are at most the pauses of [`contention`], 5 s
/// each: who is silent for longer has been stopped, finds its connection gone
/// when it goes on, and runs nothing that another runner has.
///
/// [`contention`]: crate::execute
const SILENCE: u32 = 30;

/// A session that has the lock.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) database: String,
    pub(super) lock: String,
    pub(super) read_only: bool,
    connection: i64,
    largest_packet: usize,
    /// Whether the file at work may have changed settings.
    touched: bool,
    /// Those that it has, beside the ones that are always put back.
    changed: Vec<Setting>,
    /// What it may have created that is temporary.
    temporary: Vec<TemporaryTable>,
    /// The database that it works in, where it has said so.
    used: Option<String>,
    /// Whether one has done so that is at its end.
    stale: bool,
    /// The role that came with the connection; empty for none.
    role: String,
    /// Whether a file may have set another.
    role_set: bool,
    /// Those in effect, as long as no file can have changed them.
    timeouts: Option<Timeouts>,
}

/// How long the next statement waits for locks, and runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timeouts {
    lock: Duration,
    statement: Duration,
}

/// What the server answers to [`query`].
#[derive(Debug, diesel::QueryableByName)]
pub(super) struct SessionRow {
    #[diesel(sql_type = Nullable<Text>)]
    database_name: Option<String>,
    #[diesel(sql_type = Text)]
    lock_name: String,
    #[diesel(sql_type = BigInt)]
    connection: i64,
    #[diesel(sql_type = BigInt)]
    read_only: i64,
    #[diesel(sql_type = BigInt)]
    largest_packet: i64,
    /// Behind a hyphen; where an empty text is none to the server, nothing.
    #[diesel(sql_type = Nullable<Text>)]
    role: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    locked: Option<i64>,
}

/// The lock's name, as the server makes it of the database's: locks are the
/// whole server's, and 64 characters long at most. Where names of databases
/// differ in case alone, their runners wait for each other.
fn lock_name(history_table: &str) -> String {
    format!(
        "CONCAT('cargo-migrate-', LEFT(SHA2(CONCAT(LOWER(DATABASE()), '.', {}), 256), 32))",
        literal(Dialect::MySql, history_table)
    )
}

/// Takes the lock, waiting for a second where there is time to wait, and asks
/// what the session is. Of GET_LOCK's answers only 1 is a success.
pub(super) fn query(history_table: &str, waits: bool) -> String {
    let name = lock_name(history_table);
    let seconds = i32::from(waits);
    format!(
        "SELECT CAST(DATABASE() AS CHAR) AS database_name, CAST({name} AS CHAR) AS lock_name, \
         CAST(CONNECTION_ID() AS SIGNED) AS connection, {READ_ONLY} AS read_only, \
         CAST(@@max_allowed_packet AS SIGNED) AS largest_packet, \
         CAST(CONCAT('-' /*M!100005 , COALESCE(CURRENT_ROLE(), '') */) AS CHAR) AS role, \
         CAST(GET_LOCK({name}, {seconds}) AS SIGNED) AS locked"
    )
}

/// Who has the lock, as far as the user may see other sessions; where there is a
/// journal, with the attempt that runs under it.
pub(super) fn holder_query(history_table: &str, journal: Option<&str>) -> String {
    let name = lock_name(history_table);
    let attempt = journal.map_or_else(
        || "SELECT NULL AS applied_by, NULL AS started_at".to_owned(),
        |journal| {
            format!(
                "SELECT applied_by, started_at FROM {journal} WHERE state = 'running' ORDER BY id DESC LIMIT 1"
            )
        },
    );
    format!(
        "SELECT CAST(CONCAT('connection ', h.id, COALESCE(CONCAT(', ', p.USER, '@', p.HOST), ''), \
         COALESCE(CONCAT(', ', j.applied_by, ', since ', DATE_FORMAT(j.started_at, '%Y-%m-%d %H:%i:%s'), ' (server time)'), CONCAT(', for ', p.TIME, ' s'), '')) \
         AS CHAR) AS text FROM (SELECT IS_USED_LOCK({name}) AS id) h \
         LEFT JOIN information_schema.PROCESSLIST p ON p.ID = h.id \
         LEFT JOIN ({attempt}) j ON TRUE WHERE h.id IS NOT NULL"
    )
}

impl Session {
    /// The session, if it has got the lock.
    pub(super) fn of(row: SessionRow) -> Option<Self> {
        (row.locked == Some(1)).then(|| Self {
            database: row.database_name.unwrap_or_default(),
            lock: row.lock_name,
            read_only: row.read_only != 0,
            connection: row.connection,
            largest_packet: usize::try_from(row.largest_packet).unwrap_or(usize::MAX),
            touched: false,
            changed: Vec::new(),
            temporary: Vec::new(),
            used: None,
            stale: false,
            role: row
                .role
                .map_or_else(String::new, |role| role[1..].to_owned()),
            role_set: false,
            timeouts: None,
        })
    }

    /// Whether a file's settings are still to be put back.
    pub(super) fn is_stale(&self) -> bool {
        self.stale
    }

    /// What notes, before a file's statement is run, the settings that it is
    /// going to change.
    pub(super) fn runs(&mut self, statement: &str) -> String {
        const SET_NOTHING: &str = "CREATE|ALTER|DROP|RENAME|TRUNCATE|INSERT|UPDATE|DELETE|REPLACE";
        let lexemes: Vec<Lexeme<'_>> = lexemes(statement, Dialect::MySql).collect();
        let leaves_it = lexemes
            .first()
            .is_some_and(|first| SET_NOTHING.split('|').any(|word| first.is(word)));
        self.touched |= !leaves_it;
        self.role_set |= lexemes.len() > 1 && lexemes[0].is("SET") && lexemes[1].is("ROLE");
        self.notice_temporary(statement, &lexemes);
        let mut noted = Vec::new();
        for setting in settings::changed_by(&lexemes) {
            if PUT_BACK.contains(&&*setting.name) || self.changed.contains(&setting) {
                continue;
            }
            noted.extend(setting.note());
            self.changed.push(setting);
        }
        if noted.is_empty() {
            return String::new();
        }
        format!("SET {};\n", noted.join(", "))
    }

    /// Remembers what is temporary, to be dropped after the file: a table of the
    /// next one's of the same name would be hidden by it.
    fn notice_temporary(&mut self, statement: &str, lexemes: &[Lexeme<'_>]) {
        if let [first, database, ..] = lexemes
            && first.is("USE")
        {
            let name = database.text.trim_matches('`').replace("``", "`");
            self.used = Some(name);
        }
        let mut words = statement.as_bytes().windows(b"temporary".len());
        let creates = words.any(|word| word.eq_ignore_ascii_case(b"temporary"));
        if !creates && self.temporary.is_empty() {
            return;
        }
        self.touched = true;
        let found = temporary_tables(statement)
            .into_iter()
            .map(|table| TemporaryTable {
                database: table.database.or_else(|| self.used.clone()),
                ..table
            });
        for table in found {
            if !self.temporary.contains(&table) {
                self.temporary.push(table);
            }
        }
    }

    /// Drops it; what is not temporary by now is not touched.
    fn drop_temporary(&mut self) -> String {
        let name = |table: &TemporaryTable| {
            let database = table.database.as_ref().unwrap_or(&self.database);
            let [database, name] =
                [database, &table.name].map(|name| identifier(Dialect::MySql, name));
            format!("{database}.{name}")
        };
        let names: Vec<String> = self.temporary.iter().map(name).collect();
        self.temporary.clear();
        if names.is_empty() {
            return String::new();
        }
        format!("DROP TEMPORARY TABLE IF EXISTS {};\n", names.join(", "))
    }

    /// A file has come to its end.
    pub(super) fn leave_file(&mut self) {
        self.used = None;
        if std::mem::take(&mut self.touched) {
            self.stale = true;
            self.timeouts = None;
        }
    }

    /// The beginning of a packet: puts back what the last file has set, gives
    /// the next statement its timeouts, and looks whether the lock is ours.
    ///
    /// Where it is not, the packet ends in an error that names the lock: MySQL
    /// has no IF outside of programs, but a number too large is an error
    /// everywhere.
    pub(super) fn opening(&mut self, timeouts: Option<Timeouts>) -> String {
        let mut settings = Vec::new();
        let stale = std::mem::take(&mut self.stale);
        if stale {
            settings.extend(PUT_BACK.map(|name| format!("SESSION {name} = @cargo_migrate_{name}")));
            settings.extend(self.changed.drain(..).map(|setting| setting.put_back()));
        }
        if let Some(timeouts) = timeouts.filter(|new| self.timeouts.as_ref() != Some(new)) {
            settings.push(timeouts.settings());
            self.timeouts = Some(timeouts);
        }
        // A file may have given the session another character set, in which the
        // same letters are another name.
        let name = format!("_utf8mb4 {}", literal(Dialect::MySql, &self.lock));
        settings.push(format!(
            "@cargo_migrate_in_statement = EXP(IF(IS_USED_LOCK({name}) <=> CONNECTION_ID(), 0, 710)) - 1"
        ));
        let mut back = String::new();
        if stale {
            back = format!("USE {};\n", identifier(Dialect::MySql, &self.database));
            back += &self.drop_temporary();
        }
        if stale && std::mem::take(&mut self.role_set) {
            let role = match self.role.as_str() {
                "" => "NONE".to_owned(),
                role => identifier(Dialect::MySql, role),
            };
            back.push_str(&format!(
                "/*M!100005 SET ROLE {role} */ /*!80000 SET ROLE DEFAULT */;\n"
            ));
        }
        format!("SET {};\n{back}", settings.join(", "))
    }

    /// What the server takes at once, in bytes.
    pub(super) fn largest_packet(&self) -> usize {
        self.largest_packet
    }

    pub(super) fn release(&self) -> String {
        format!(
            "SELECT RELEASE_LOCK({})",
            literal(Dialect::MySql, &self.lock)
        )
    }

    /// What another connection sends to stop the running statement, and then
    /// whatever it is that has not stopped.
    pub(super) fn cancellation(&self) -> [String; 2] {
        let id = self.connection;
        [format!("KILL QUERY {id}"), format!("KILL CONNECTION {id}")]
    }

    /// Ends a transaction that a server without autocommit has begun with our
    /// first look, notes what is set, and makes the session ours: the language that
    /// [`super::place`] reads, and an end to a runner that has fallen silent.
    pub(super) fn enter() -> String {
        let noted: Vec<String> = PUT_BACK
            .iter()
            .map(|name| format!("@cargo_migrate_{name} = @@SESSION.{name}"))
            .collect();
        format!(
            "SET SESSION autocommit = 1;\nSET {};\nSET SESSION lc_messages = 'en_US', SESSION wait_timeout = {SILENCE}",
            noted.join(", ")
        )
    }
}

impl Timeouts {
    pub(super) fn of(recorded: &Recorded<'_>) -> Self {
        Self {
            lock: recorded.lock_timeout,
            statement: recorded.statement_timeout,
        }
    }

    /// In the whole seconds that the server knows of locks. The comments hold
    /// what one of MariaDB and MySQL alone has.
    fn settings(self) -> String {
        let seconds = if self.lock.is_zero() {
            FOR_EVER
        } else {
            let seconds = self.lock.as_millis().div_ceil(1000);
            u64::try_from(seconds).unwrap_or(FOR_EVER).min(FOR_EVER)
        };
        format!(
            "SESSION lock_wait_timeout = {seconds}, SESSION innodb_lock_wait_timeout = {seconds} \
             /*M!100108 , SESSION max_statement_time = {:.3} */ /*!50708 , SESSION max_execution_time = {} */",
            self.statement.as_secs_f64(),
            self.statement.as_millis()
        )
    }
}
