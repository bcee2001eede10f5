//! Our tables in a database, as SQL text: Diesel's history, the journal of
//! attempts and the steps of migrations outside a transaction. Sends nothing.

mod tables;

use std::time::Duration;

use migrate_core::Checksum;
use migrate_core::{Dialect, Direction, Version};

use crate::quote::{identifier, literal, optional};

/// Diesel's own history table, as `diesel_migrations` 2.3 creates it.
pub const DEFAULT_HISTORY_TABLE: &str = "__diesel_schema_migrations";

/// The qualified names of one service's tables.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    dialect: Dialect,
    pub(crate) history: String,
    /// The same for its DDL: SQLite keeps the text, quotes and all.
    history_unquoted: String,
    pub(crate) journal: String,
    pub(crate) steps: String,
    /// The journal's index and its table: SQLite wants the schema before the
    /// index, PostgreSQL before the table.
    journal_index: String,
}

/// Who runs, for the journal.
#[derive(Debug, Clone)]
pub struct Runner {
    /// Random for each run.
    pub run_id: String,
    /// user@host.
    pub applied_by: String,
    /// The tool's name and version.
    pub tool: String,
}

/// One attempt, as the journal records it.
pub(crate) struct Attempt<'a> {
    pub(crate) version: &'a Version,
    pub(crate) name: &'a str,
    pub(crate) direction: Direction,
    pub(crate) total: usize,
    pub(crate) raw: Checksum,
    pub(crate) semantic: Checksum,
    /// The file that brings the version up, as it is run.
    pub(crate) up: Option<&'a str>,
    pub(crate) down: Option<&'a str>,
    /// Why a person has asked for it.
    pub(crate) reason: Option<&'a str>,
    pub(crate) runner: &'a Runner,
}

/// How an attempt ended, or that it has not.
pub(crate) enum AttemptEnd<'a> {
    Running,
    Done {
        started: &'a str,
        duration_us: &'a str,
    },
    Failed {
        error: &'a str,
    },
}

impl Store {
    /// The tables beside the history table `table`, in `schema` where the
    /// dialect has schemas.
    pub(crate) fn new(dialect: Dialect, schema: Option<&str>, table: &str) -> Self {
        let qualified = |name: &str| match schema {
            Some(schema) => format!(
                "{}.{}",
                identifier(dialect, schema),
                identifier(dialect, name)
            ),
            None => identifier(dialect, name),
        };
        let (journal, steps) = Self::bare_names(table);
        Self {
            dialect,
            history: qualified(table),
            history_unquoted: match (dialect, schema) {
                (Dialect::Sqlite, Some(schema)) if table == DEFAULT_HISTORY_TABLE => {
                    format!("{schema}.{table}")
                }
                _ => qualified(table),
            },
            journal: qualified(&journal),
            steps: qualified(&steps),
            journal_index: match dialect {
                Dialect::Sqlite => {
                    let index = qualified(&format!("{journal}_version"));
                    format!("{index} ON {}", identifier(dialect, &journal))
                }
                Dialect::Postgres | Dialect::MySql => {
                    let index = identifier(dialect, &format!("{journal}_version"));
                    format!("{index} ON {}", qualified(&journal))
                }
            },
        }
    }

    /// The journal's and the steps' names. A history table of another name has
    /// its own: two services may share a schema. `__` hides them from Diesel.
    pub(crate) fn bare_names(table: &str) -> (String, String) {
        if table == DEFAULT_HISTORY_TABLE {
            ("__migrate_journal".into(), "__migrate_steps".into())
        } else {
            (
                format!("__migrate_journal_{table}"),
                format!("__migrate_steps_{table}"),
            )
        }
    }

    fn text(&self, text: &str) -> String {
        literal(self.dialect, text)
    }

    fn now(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres => "clock_timestamp()",
            Dialect::MySql => "CURRENT_TIMESTAMP(6)",
            Dialect::Sqlite => "strftime('%Y-%m-%d %H:%M:%f', 'now')",
        }
    }

    /// History and journal joined, one row a version; the columns are those of
    /// `backend::HistoryRow`. Attempts of which nothing remains are left out;
    /// so is one whose history row another tool has deleted and made again.
    pub(crate) fn select_history(&self) -> String {
        let Self {
            history, journal, ..
        } = self;
        let run_on = self.as_text("h.run_on");
        let stamp = self.stamp();
        let done = self.statements_done("j");
        let columns = format!(
            "j.id AS attempt, j.name, j.direction, j.state, j.statements_total, {done} AS statements_done, \
             j.raw_checksum, j.semantic_checksum, j.error"
        );
        // Per version by the journal's index, and never as a join of groups:
        // SQLite 3.53 flattens such a join into a quadratic one.
        let latest = |of: &str| {
            format!(
                "(SELECT max(k.id) FROM {journal} k WHERE k.version = {of} \
                 AND (k.state <> 'failed' OR k.statements_done > 0))"
            )
        };
        let version = self.history_version();
        let (of_history, of_journal) = (latest(version), latest("j.version"));
        format!(
            "SELECT {version} AS version, {run_on} AS run_on, {columns} FROM {history} h \
             LEFT JOIN {journal} j ON j.id = {of_history} \
             AND (j.history_run_on IS NULL OR j.history_run_on = {stamp}) \
             UNION ALL \
             SELECT j.version, NULL AS run_on, {columns} FROM {journal} j WHERE j.state <> 'done' \
             AND j.id = {of_journal} AND NOT EXISTS (SELECT 1 FROM {history} h WHERE {version} = j.version)"
        )
    }

    /// The same columns for a history without a journal.
    pub(crate) fn select_history_alone(&self) -> String {
        let run_on = self.as_text("h.run_on");
        let null = |kind: &str| match self.dialect {
            Dialect::Postgres => format!("NULL::{kind}"),
            Dialect::MySql | Dialect::Sqlite => "NULL".to_owned(),
        };
        let (text, int) = (null("text"), null("bigint"));
        format!(
            "SELECT h.version, {run_on} AS run_on, {int} AS attempt, {text} AS name, {text} AS direction, \
             {text} AS state, {int} AS statements_total, {int} AS statements_done, {text} AS raw_checksum, \
             {text} AS semantic_checksum, {text} AS error FROM {} h",
            self.history
        )
    }

    /// Every attempt, newest first, with the columns of `backend::AttemptRow`.
    pub(crate) fn select_attempts(&self, limit: Option<u64>) -> String {
        let limit = limit
            .map(|limit| format!(" LIMIT {limit}"))
            .unwrap_or_default();
        format!(
            "SELECT id, version, name, direction, state, statements_total, {} AS statements_done, error, {} AS started_at, \
             duration_us, applied_by, tool_version, run_id FROM {} j ORDER BY id DESC{limit}",
            self.statements_done("j"),
            self.as_text("started_at"),
            self.journal
        )
    }

    /// `h.version` beside the journal's: Diesel's table has the database's own
    /// character set, and MySQL compares no two Unicode ones.
    fn history_version(&self) -> &'static str {
        match self.dialect {
            Dialect::MySql => "CONVERT(h.version USING utf8mb4)",
            Dialect::Postgres | Dialect::Sqlite => "h.version",
        }
    }

    /// `h.run_on` in a form that no session's settings change: what tells one
    /// row of a version from the next.
    fn stamp(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres => "to_char(h.run_on, 'YYYY-MM-DD HH24:MI:SS.US')",
            Dialect::MySql => "CAST(UNIX_TIMESTAMP(h.run_on) AS CHAR)",
            Dialect::Sqlite => "CAST(h.run_on AS TEXT)",
        }
    }

    /// The stamp of the history row of `version`; NULL where there is none.
    fn stamp_of(&self, version: &str) -> String {
        let (stamp, history) = (self.stamp(), &self.history);
        format!("(SELECT {stamp} FROM {history} h WHERE h.version = {version})")
    }

    fn as_text(&self, column: &str) -> String {
        match self.dialect {
            Dialect::Postgres => format!("{column}::text"),
            Dialect::MySql => format!("CAST({column} AS CHAR)"),
            Dialect::Sqlite => format!("CAST({column} AS TEXT)"),
        }
    }

    pub(crate) fn insert_history(&self, version: &Version) -> String {
        format!(
            "INSERT INTO {} (version) VALUES ({});\n",
            self.history,
            self.text(version.as_str())
        )
    }

    pub(crate) fn delete_history(&self, version: &Version) -> String {
        format!(
            "DELETE FROM {} WHERE version = {}",
            self.history,
            self.text(version.as_str())
        )
    }

    /// What changes nothing and is refused where the history's row would be:
    /// outside a transaction that one is written last, and a right that is
    /// missing has to be missed before the first statement is run.
    pub(crate) fn probe_history(&self, direction: Direction) -> String {
        let history = &self.history;
        match direction {
            Direction::Up => format!(
                "INSERT INTO {history} (version) SELECT version FROM {history} WHERE 1 = 0;\n"
            ),
            Direction::Down => format!("DELETE FROM {history} WHERE 1 = 0;\n"),
        }
    }

    /// `id` is for who knows the next one; otherwise the database gives it.
    pub(crate) fn insert_attempt(
        &self,
        id: Option<i64>,
        attempt: &Attempt<'_>,
        end: &AttemptEnd<'_>,
    ) -> String {
        let now = self.now();
        let (id_column, id) = match id {
            Some(id) => ("id, ", format!("{id}, ")),
            None => ("", String::new()),
        };
        let (state, done, error, started, finished, duration) = match end {
            AttemptEnd::Running => ("running", 0, "NULL".to_owned(), now, "NULL", "NULL"),
            AttemptEnd::Done {
                started,
                duration_us,
            } => (
                "done",
                attempt.total,
                "NULL".to_owned(),
                *started,
                now,
                *duration_us,
            ),
            AttemptEnd::Failed { error } => ("failed", 0, self.text(error), now, now, "NULL"),
        };
        let Attempt {
            version,
            name,
            direction,
            total,
            raw,
            semantic,
            up,
            down,
            reason,
            runner,
        } = attempt;
        let stamp = match end {
            AttemptEnd::Done { .. } => self.stamp_of(&self.text(version.as_str())),
            AttemptEnd::Running | AttemptEnd::Failed { .. } => "NULL".to_owned(),
        };
        format!(
            "INSERT INTO {} ({id_column}version, name, direction, state, statements_total, statements_done, raw_checksum, \
             semantic_checksum, up_sql, down_sql, reason, error, started_at, finished_at, duration_us, applied_by, tool_version, run_id, \
             history_run_on) \
             VALUES ({id}{}, {}, '{direction}', '{state}', {total}, {done}, '{raw}', '{semantic}', {}, {}, {}, {error}, \
             {started}, {finished}, {duration}, {}, {}, {}, {stamp});\n",
            self.journal,
            self.text(version.as_str()),
            self.text(name),
            optional(self.dialect, *up),
            optional(self.dialect, *down),
            optional(self.dialect, *reason),
            self.text(&runner.applied_by),
            self.text(&runner.tool),
            self.text(&runner.run_id),
        )
    }

    /// An attempt goes on: another run has it now, and what was not run yet may
    /// have been corrected in the file.
    pub(crate) fn resume_attempt(&self, id: i64, attempt: &Attempt<'_>) -> String {
        let Attempt {
            total,
            raw,
            semantic,
            up,
            down,
            runner,
            ..
        } = attempt;
        format!(
            "UPDATE {} SET state = 'running', error = NULL, finished_at = NULL, statements_total = {total}, \
             raw_checksum = '{raw}', semantic_checksum = '{semantic}', up_sql = {}, down_sql = {}, run_id = {} WHERE id = {id};\n",
            self.journal,
            optional(self.dialect, *up),
            optional(self.dialect, *down),
            self.text(&runner.run_id)
        )
    }

    /// Statement `n` begins, and `finished` is done; `fingerprint` is an SQL
    /// expression for what to compare with if nobody hears how `n` ended.
    pub(crate) fn begin_step(
        &self,
        attempt: i64,
        n: usize,
        statement: Checksum,
        fingerprint: Option<&str>,
        finished: Option<usize>,
    ) -> String {
        let (steps, now) = (&self.steps, self.now());
        let fingerprint = fingerprint.unwrap_or("NULL");
        if self.dialect == Dialect::MySql {
            // One statement for both, which needs no transaction around it.
            let finished = finished.map_or_else(String::new, |finished| {
                format!("({attempt}, {finished}, '-', 'done', {now}, {now}, NULL), ")
            });
            // The row that may be there is the finished one's, which stays.
            return format!(
                "INSERT INTO {steps} (attempt, n, sha256, state, started_at, finished_at, fingerprint) \
                 VALUES {finished}({attempt}, {n}, '{statement}', 'running', {now}, NULL, {fingerprint}) \
                 ON DUPLICATE KEY UPDATE state = VALUES(state), finished_at = VALUES(finished_at);\n"
            );
        }
        let finish =
            finished.map_or_else(String::new, |finished| self.finish_step(attempt, finished));
        format!(
            "{finish}DELETE FROM {steps} WHERE attempt = {attempt} AND n = {n};\n\
             INSERT INTO {steps} (attempt, n, sha256, state, started_at, fingerprint) \
             VALUES ({attempt}, {n}, '{statement}', 'running', {now}, {fingerprint});\n"
        )
    }

    /// Statement `n`, begun in an earlier write, is done.
    pub(crate) fn finish_step(&self, attempt: i64, n: usize) -> String {
        format!(
            "UPDATE {} SET state = 'done', finished_at = {} WHERE attempt = {attempt} AND n = {n};\n{}",
            self.steps,
            self.now(),
            self.count_step(attempt, n)
        )
    }

    /// Statement `n` is done, in the transaction of this very write.
    pub(crate) fn record_step(&self, attempt: i64, n: usize, statement: Checksum) -> String {
        let (steps, now) = (&self.steps, self.now());
        format!(
            "INSERT INTO {steps} (attempt, n, sha256, state, started_at, finished_at) \
             VALUES ({attempt}, {n}, '{statement}', 'done', {now}, {now});\n{}",
            self.count_step(attempt, n)
        )
    }

    /// Of the journal's row `of`. MySQL, where every migration goes by steps,
    /// counts them: one write less for each.
    fn statements_done(&self, of: &str) -> String {
        match self.dialect {
            Dialect::MySql => format!(
                "(CASE WHEN {of}.state = 'running' THEN {} ELSE {of}.statements_done END)",
                self.count_steps(&format!("{of}.id"))
            ),
            Dialect::Postgres | Dialect::Sqlite => format!("{of}.statements_done"),
        }
    }

    fn count_steps(&self, attempt: &str) -> String {
        format!(
            "(SELECT count(*) FROM {} t WHERE t.attempt = {attempt} AND t.state = 'done')",
            self.steps
        )
    }

    fn count_step(&self, attempt: i64, n: usize) -> String {
        if self.dialect == Dialect::MySql {
            return String::new();
        }
        format!(
            "UPDATE {} SET statements_done = {n} WHERE id = {attempt};\n",
            self.journal
        )
    }

    pub(crate) fn forget_step(&self, attempt: i64, n: usize) -> String {
        format!(
            "DELETE FROM {} WHERE attempt = {attempt} AND n = {n};\n",
            self.steps
        )
    }

    pub(crate) fn fail_attempt(&self, attempt: i64, error: &str) -> String {
        let counted = match self.dialect {
            Dialect::MySql => format!(
                ", statements_done = {}",
                self.count_steps(&attempt.to_string())
            ),
            Dialect::Postgres | Dialect::Sqlite => String::new(),
        };
        format!(
            "UPDATE {} SET state = 'failed', error = {}, finished_at = {}{counted} WHERE id = {attempt};\n",
            self.journal,
            self.text(error),
            self.now()
        )
    }

    /// The microseconds of `elapsed` and of the statement that runs in the
    /// packet of this expression; MySQL's backend notes when it began.
    pub(crate) fn with_statement(&self, elapsed: Duration) -> String {
        format!(
            "{} + TIMESTAMPDIFF(MICROSECOND, @cargo_migrate_began, {})",
            elapsed.as_micros(),
            self.now()
        )
    }

    /// An attempt is done, and with it its statement `finished`.
    pub(crate) fn finish_attempt(
        &self,
        attempt: i64,
        version: &Version,
        total: usize,
        duration_us: &str,
        finished: Option<usize>,
    ) -> String {
        let finish = finished.map_or_else(String::new, |n| self.finish_step(attempt, n));
        format!(
            "{finish}UPDATE {} SET state = 'done', error = NULL, statements_done = {total}, finished_at = {}, \
             duration_us = {duration_us}, history_run_on = {} WHERE id = {attempt};\n",
            self.journal,
            self.now(),
            self.stamp_of(&self.text(version.as_str()))
        )
    }

    /// The steps of an attempt, with the columns of `backend::StepRow`.
    pub(crate) fn select_steps(&self, attempt: i64) -> String {
        format!(
            "SELECT n, sha256, state, fingerprint FROM {} WHERE attempt = {attempt} ORDER BY n",
            self.steps
        )
    }

    /// The newest of all attempts.
    pub(crate) fn select_newest_attempt(&self) -> String {
        format!("SELECT max(id) AS id FROM {}", self.journal)
    }

    /// The newest attempt of a run, to learn the id that its insert was given.
    pub(crate) fn select_attempt_of(&self, runner: &Runner) -> String {
        format!(
            "SELECT max(id) AS id FROM {} WHERE run_id = {}",
            self.journal,
            self.text(&runner.run_id)
        )
    }
}
