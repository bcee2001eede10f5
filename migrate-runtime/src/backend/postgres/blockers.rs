//! Who held the locks that a statement waited for in vain: looked up in pg_locks
//! right after the timeout, by whatever the statement names, for want of somebody
//! who saw it while it waited. A guess: a column's name may be a table's.

use std::time::Duration;

use diesel::Connection;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Nullable, Text};
use migrate_core::{Dialect, tokenize};

use super::Postgres;
use crate::backend::{Backend, StatementError};
use crate::error::{Blocker, Certainty, DatabaseErrorKind};
use crate::masked;
use crate::quote::literal;

/// How many are named.
pub(super) const NAMED: usize = 5;

/// Since when a session of pg_stat_activity, `a`, has been at it.
pub(super) const SINCE: &str = " || coalesce(', in a transaction since ' || to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'), '') \
    || coalesce(', at its query since ' || to_char(a.query_start, 'HH24:MI:SS'), '')";

#[derive(Debug, diesel::QueryableByName)]
pub(super) struct BlockerRow {
    #[diesel(sql_type = Text)]
    session: String,
    #[diesel(sql_type = Nullable<Text>)]
    query: Option<String>,
    /// Of a session that it would help to end.
    #[diesel(sql_type = Nullable<BigInt>)]
    pid: Option<i64>,
}

impl BlockerRow {
    pub(super) fn blocker(self, certainty: Certainty) -> Blocker {
        let query = self.query.as_deref();
        Blocker {
            ended_by: self
                .pid
                .map(|pid| format!("SELECT pg_terminate_backend({pid})")),
            ..masked::blocker(&self.session, query, Dialect::Postgres, certainty)
        }
    }
}

/// What may be a relation in a statement: each name, and each two that a dot
/// joins.
fn names(statement: &str) -> Vec<String> {
    let words: Vec<&str> = tokenize(statement, Dialect::Postgres)
        .filter(|token| !token.is_blank())
        .map(|token| &statement[token.range])
        .collect();
    let is_name = |word: &str| {
        word.starts_with(|first: char| first.is_alphabetic() || first == '_' || first == '"')
    };
    let mut names = Vec::new();
    for (n, word) in words.iter().enumerate().filter(|(_, word)| is_name(word)) {
        let name = match words.get(n + 1..n + 3) {
            Some([".", last]) if is_name(last) => format!("{word}.{last}"),
            _ => (*word).to_owned(),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The locks that are in nobody's way, given how a statement begins.
fn harmless(statement: &str) -> &'static [&'static str] {
    let words = tokenize(statement, Dialect::Postgres).filter(|token| !token.is_blank());
    let words: Vec<String> = words
        .take(3)
        .map(|token| statement[token.range].to_ascii_lowercase())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [
            "insert" | "update" | "delete" | "merge" | "select" | "with",
            ..,
        ] => &["AccessShareLock"],
        ["create", "index" | "trigger" | "constraint", ..] | ["create", "unique", "index"] => {
            &["AccessShareLock", "RowShareLock"]
        }
        _ => &[],
    }
}

/// Whether a statement outside a transaction does all of its work or none, or
/// may simply do it again.
pub(super) fn may_be_repeated(statement: &str) -> bool {
    let first = tokenize(statement, Dialect::Postgres).find(|token| !token.is_blank());
    first.is_some_and(|token| {
        let word = statement[token.range].to_ascii_lowercase();
        let repeatable = [
            "alter", "analyze", "cluster", "create", "drop", "refresh", "reindex", "vacuum",
        ];
        repeatable.contains(&word.as_str())
    })
}

impl<C> Postgres<C>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    /// The sessions with locks on what `statement` may name, the oldest
    /// transaction first. Of several relations one may be a column's namesake:
    /// then nobody is to be ended.
    pub(super) fn who_blocks(&mut self, statement: &str) -> Vec<Blocker> {
        let text = |text: &str| literal(Dialect::Postgres, text);
        let list = |texts: &[&str]| {
            texts
                .iter()
                .map(|one| text(one))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let names = names(statement);
        if names.is_empty() {
            return Vec::new();
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let harmless = match harmless(statement) {
            [] => String::new(),
            modes => format!(" AND l.mode NOT IN ({})", list(modes)),
        };
        let sql = format!(
            "SELECT CASE WHEN min(b.first) OVER () = max(b.last) OVER () THEN b.pid::bigint END AS pid, concat_ws(', ', coalesce('pid ' || b.pid, 'a prepared transaction'), \
             nullif(a.application_name, ''), 'user ' || a.usename, a.state) \
             || ' holds ' || b.held{SINCE} AS session, left(a.query, 1024) AS query \
             FROM (SELECT l.pid, min(l.relation::bigint) AS first, max(l.relation::bigint) AS last, string_agg(DISTINCT l.mode || ' on ' || l.relation::regclass::text, ', ') AS held \
             FROM pg_catalog.pg_locks l WHERE l.granted AND l.locktype = 'relation' \
             AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid(){harmless} \
             AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
             AND l.relation IN (WITH named AS (SELECT to_regclass(n)::oid AS oid FROM unnest(ARRAY[{}]) n) \
             SELECT oid FROM named UNION SELECT i.indrelid FROM pg_catalog.pg_index i JOIN named ON named.oid = i.indexrelid) \
             GROUP BY l.pid) b LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid \
             ORDER BY a.xact_start NULLS LAST LIMIT {NAMED}",
            list(&names)
        );
        // Where the migration has looked: its schema comes first.
        if self.execute(&self.begin_transaction()).is_err() {
            self.rollback();
            return Vec::new();
        }
        let rows: Vec<BlockerRow> = self.rows(&sql).unwrap_or_default();
        self.rollback();
        rows.into_iter()
            .map(|row| row.blocker(Certainty::Likely))
            .collect()
    }

    /// Whether a statement in autocommit has run into its lock timeout: it
    /// waited that long, and somebody holds what it needs. No block can tell
    /// its SQLSTATE, and the server's words are in its language.
    pub(super) fn has_given_way(
        &mut self,
        statement: &str,
        error: &StatementError,
        lock_timeout: Duration,
        elapsed: Duration,
    ) -> bool {
        let StatementError::Statement { error, .. } = error else {
            return false;
        };
        error.kind == DatabaseErrorKind::Other
            && elapsed >= lock_timeout
            && may_be_repeated(statement)
            && !self.who_blocks(statement).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_looked_for_by_every_name() {
        assert_eq!(
            names("ALTER TABLE ONLY s.\"My t\" ADD FOREIGN KEY (a) REFERENCES b (a) -- c"),
            [
                "ALTER",
                "TABLE",
                "ONLY",
                "s.\"My t\"",
                "\"My t\"",
                "ADD",
                "FOREIGN",
                "KEY",
                "a",
                "REFERENCES",
                "b"
            ]
        );
        assert!(names("'a' 1").is_empty());
    }

    #[test]
    fn only_what_does_its_work_whole_or_again_is_repeated() {
        for (statement, again) in [
            ("ALTER TYPE mood ADD VALUE 'x'", true),
            ("/* now */ vacuum t", true),
            ("CALL p()", false),
            ("DO $$ BEGIN COMMIT; END $$", false),
            ("BEGIN; UPDATE t SET a = 1; COMMIT", false),
        ] {
            assert_eq!(may_be_repeated(statement), again, "{statement}");
        }
    }
}
