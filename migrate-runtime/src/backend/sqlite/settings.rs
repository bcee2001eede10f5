//! What a file may set for its connection by PRAGMA, kept as it was found and
//! put back after the file. `foreign_keys` is not among them: it cannot be set
//! in a transaction, and has a place of its own. Nor is `defer_foreign_keys`:
//! it ends with its transaction, and who ends it sooner makes SQLite forget the
//! violations that it has counted.

use diesel::sql_types::{BigInt, Text};

/// Each answers for itself, and no transaction keeps it from being set.
const KEPT: [&str; 8] = [
    "automatic_index",
    "ignore_check_constraints",
    "legacy_alter_table",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "writable_schema",
];

/// One of them as it was found.
#[derive(Debug, diesel::QueryableByName)]
pub(super) struct Found {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    value: i64,
}

/// Asks for all of them.
pub(super) fn query() -> String {
    let one = |name: &&str| format!("SELECT '{name}' AS name, {name} AS value FROM pragma_{name}");
    let mut all: Vec<String> = KEPT.iter().map(one).collect();
    all.push("SELECT 'busy_timeout', timeout FROM pragma_busy_timeout".to_owned());
    // It does not answer, but it acts.
    all.push("SELECT 'case_sensitive_like', 'a' NOT LIKE 'A'".to_owned());
    all.join(" UNION ALL ")
}

/// Sets each as it was found.
pub(super) fn put_back(found: &[Found]) -> String {
    let one = |Found { name, value }: &Found| format!("PRAGMA {name} = {value};\n");
    found.iter().map(one).collect()
}

/// Whether a statement may set one of them.
pub(super) fn are_touched_by(statement: &str) -> bool {
    let mut words = statement.as_bytes().windows(b"pragma".len());
    words.any(|word| word.eq_ignore_ascii_case(b"pragma"))
}

/// Whether writes are refused now.
pub(super) const QUERY_ONLY: &str =
    "SELECT CAST(query_only AS TEXT) AS name FROM pragma_query_only";

/// Whether a statement may make something that ends with the connection.
pub(super) fn makes_temporary(statement: &str) -> bool {
    let mut words = statement.as_bytes().windows(b"temp".len());
    words.any(|word| word.eq_ignore_ascii_case(b"temp"))
}

/// Asks for what is temporary, in the order in which it can be dropped: a
/// virtual table before those that it keeps its rows in, and a child of a
/// foreign key before its parent.
pub(super) const TEMPORARY: &str = "SELECT type || ' temp.\"' || replace(name, '\"', '\"\"') || '\"' AS name FROM sqlite_temp_master \
     WHERE type IN ('table', 'view', 'trigger') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
     ORDER BY type = 'trigger' DESC, sql LIKE 'CREATE VIRTUAL%' DESC, rowid DESC";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_what_is_put_back() {
        let found = |name: &str, value| Found {
            name: name.to_owned(),
            value,
        };
        assert_eq!(
            put_back(&[found("query_only", 0), found("busy_timeout", 5000)]),
            "PRAGMA query_only = 0;\nPRAGMA busy_timeout = 5000;\n"
        );
        assert!(are_touched_by("-- a\nPragma x = 1"));
        assert!(!are_touched_by("SELECT 'prag' || 'ma'"));
        assert!(makes_temporary("Create Temp table a (n)"));
        assert!(!makes_temporary("CREATE TABLE a (n)"));
    }
}
