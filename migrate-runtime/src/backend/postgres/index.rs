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
}

/// The index of that name, if there is one.
pub(super) fn query(index: &str) -> String {
    format!(
        "SELECT indexrelid::regclass::text AS name, indisvalid AS valid FROM pg_catalog.pg_index \
         WHERE indexrelid = to_regclass({})",
        literal(Dialect::Postgres, index)
    )
}

/// The index that `CREATE INDEX CONCURRENTLY` names, as a name for to_regclass;
/// in the schema that its table is given in.
pub(super) fn built_concurrently(statement: &str) -> Option<String> {
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
    let name = words.next()?;
    words.next_if(|word| word.eq_ignore_ascii_case("on"))?;
    words.next_if(|word| word.eq_ignore_ascii_case("only"));
    let schema = words.next()?;
    match words.next() {
        Some(".") => Some(format!("{schema}.{name}")),
        _ => Some(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_named_in_its_tables_schema() {
        for (statement, index) in [
            ("CREATE INDEX CONCURRENTLY i ON t (a)", Some("i")),
            (
                "create unique index concurrently if not exists \"I x\" on only s.t using btree (a)",
                Some("s.\"I x\""),
            ),
            ("CREATE INDEX /* now */ CONCURRENTLY i\n ON t(a)", Some("i")),
            ("CREATE INDEX CONCURRENTLY ON t (a)", None),
            ("CREATE INDEX i ON t (a)", None),
            ("DROP INDEX CONCURRENTLY i", None),
        ] {
            assert_eq!(
                built_concurrently(statement).as_deref(),
                index,
                "{statement}"
            );
        }
    }
}
