//! Indexes that are built concurrently: what is there of them, what an
//! interrupted build has left, and whether one is what a statement describes.

use diesel::sql_types::{Bool, Text};
use migrate_core::Dialect;
use migrate_core::tokenize;

use super::probe::Built;
use crate::quote::{dollar, literal};

/// A text of our own, with the index's name behind it.
pub(super) const INVALID: &str = "cargo-migrate: invalid index ";

/// An index, and whether it was built to its end.
#[derive(Debug, diesel::QueryableByName)]
pub(super) struct IndexRow {
    #[diesel(sql_type = Text)]
    pub(super) oid: String,
    /// Quoted, for a statement.
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Bool)]
    pub(super) valid: bool,
    /// Another session is at it: the lock of a build is held on its table.
    #[diesel(sql_type = Bool)]
    pub(super) at_work: bool,
}

/// The indexes `i` with their names `c` for which `condition` holds.
pub(super) fn query(condition: &str) -> String {
    // A vacuum has the same lock, and gives way to a build.
    format!(
        "SELECT i.indexrelid::text AS oid, i.indexrelid::regclass::text AS name, i.indisvalid AS valid, \
         EXISTS (SELECT 1 FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
         WHERE l.locktype = 'relation' AND l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock' \
         AND l.granted AND l.pid <> pg_backend_pid() AND coalesce(a.backend_type, '') <> 'autovacuum worker' \
         AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())) AS at_work \
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
         WHERE {condition} ORDER BY i.indexrelid"
    )
}

impl Built {
    /// What is there under its name on its table, or all of the table's where
    /// it has no name of its own. By the table: another schema's index of the
    /// same name is another service's.
    pub(super) fn condition(&self) -> String {
        let table = self.table_as_text();
        let of_table = format!("i.indrelid = pg_catalog.to_regclass({table})");
        match self.name() {
            // As a name, so that a long one is cut as the server cuts it.
            Some(name) => format!(
                "{of_table} AND c.relname = {}::name",
                literal(Dialect::Postgres, name)
            ),
            None => of_table,
        }
    }

    /// Raises our own error where an invalid index of its name is there.
    pub(super) fn refuse_invalid(&self) -> Option<String> {
        self.name()?;
        let body = format!(
            "DECLARE found text; BEGIN SELECT i.indexrelid::regclass::text INTO found FROM pg_catalog.pg_index i \
             JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisvalid AND {}; \
             IF found IS NOT NULL THEN RAISE EXCEPTION '{INVALID}%', found; END IF; END",
            self.condition()
        );
        Some(format!("DO {};\n", dollar(&body)))
    }
}

/// Whether a statement is one that waits without stopping anybody.
pub(super) fn is_concurrent(statement: &str) -> bool {
    tokenize(statement, Dialect::Postgres)
        .any(|token| statement[token.range].eq_ignore_ascii_case("concurrently"))
}
