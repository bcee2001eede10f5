//! Which index a statement builds concurrently: what an interrupted attempt
//! leaves invalid and the next one has to take away first.

use diesel::sql_types::{Bool, Text};
use migrate_core::Dialect;
use migrate_core::tokenize;

use crate::quote::literal;

/// An index, and whether it was built to its end.
#[derive(Debug, diesel::QueryableByName)]
pub(super) struct IndexRow {
    /// Quoted, for a statement.
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Bool)]
    pub(super) valid: bool,
    /// Another session is at it: the lock of a build is held on its table.
    /// So it is by a vacuum; then the next try finds it gone.
    #[diesel(sql_type = Bool)]
    pub(super) at_work: bool,
}

impl IndexRow {
    /// Whether it is what an interrupted build has left.
    pub(super) fn is_left_over(&self) -> bool {
        !self.valid && !self.at_work
    }
}

/// An index that a statement builds, as its words name it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Built {
    name: String,
    /// Quoted as it stands, with its schema if it has one.
    table: String,
}

impl Built {
    /// The index of that name on that table, if there is one. By its table:
    /// another schema's index of the same name is another service's.
    pub(super) fn query(&self) -> String {
        let text = |text: &str| literal(Dialect::Postgres, text);
        format!(
            "SELECT i.indexrelid::regclass::text AS name, i.indisvalid AS valid, EXISTS (SELECT 1 FROM pg_catalog.pg_locks l \
             WHERE l.locktype = 'relation' AND l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock' \
             AND l.granted AND l.pid <> pg_backend_pid() \
             AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())) AS at_work \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
             WHERE i.indrelid = to_regclass({}) AND c.relname = {}",
            text(&self.table),
            text(&self.name)
        )
    }
}

/// Whether a statement is one that waits without stopping anybody.
pub(super) fn is_concurrent(statement: &str) -> bool {
    tokenize(statement, Dialect::Postgres)
        .any(|token| statement[token.range].eq_ignore_ascii_case("concurrently"))
}

/// The index that `CREATE INDEX CONCURRENTLY` builds.
pub(super) fn built_concurrently(statement: &str) -> Option<Built> {
    let meaningful = tokenize(statement, Dialect::Postgres).filter(|token| !token.is_blank());
    let mut words = meaningful.map(|token| &statement[token.range]).peekable();
    let mut take = |wanted: &str| {
        words
            .next_if(|word| word.eq_ignore_ascii_case(wanted))
            .is_some()
    };
    if !take("create") {
        return None;
    }
    take("unique");
    if !(take("index") && take("concurrently")) {
        return None;
    }
    if take("if") && !(take("not") && take("exists")) {
        return None;
    }
    // Without a name of its own the server makes one up, and again another.
    if words.peek()?.eq_ignore_ascii_case("on") {
        return None;
    }
    let name = folded(words.next()?);
    words.next_if(|word| word.eq_ignore_ascii_case("on"))?;
    words.next_if(|word| word.eq_ignore_ascii_case("only"));
    let first = words.next()?;
    let table = match words.next_if(|word| *word == ".") {
        Some(_) => format!("{first}.{}", words.next()?),
        None => first.to_owned(),
    };
    Some(Built { name, table })
}

/// A name as the catalogue has it.
fn folded(word: &str) -> String {
    match word
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => word.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_known_by_its_name_and_its_table() {
        for (statement, index) in [
            ("CREATE INDEX CONCURRENTLY Ix ON t (a)", Some(("ix", "t"))),
            (
                "create unique index concurrently if not exists \"I x\" on only s.\"T\" using btree (a)",
                Some(("I x", "s.\"T\"")),
            ),
            (
                "CREATE INDEX /* now */ CONCURRENTLY i\n ON t(a)",
                Some(("i", "t")),
            ),
            ("CREATE INDEX CONCURRENTLY ON t (a)", None),
            ("CREATE INDEX i ON t (a)", None),
            ("DROP INDEX CONCURRENTLY i", None),
        ] {
            let built = built_concurrently(statement);
            let built = built
                .as_ref()
                .map(|built| (built.name.as_str(), built.table.as_str()));
            assert_eq!(built, index, "{statement}");
        }
    }
}
