//! Statements that break the way in which we run migrations: they talk to the
//! client, drop the lock, or can't run in a transaction.

use crate::split::{Opening, copies_with, lexemes, outside_transaction, temporary_tables};
use crate::{Dialect, RefusalKind, TokenKind};

/// Why the statement is refused in any mode, if it is.
pub(super) fn anywhere(
    statement: &str,
    opening: &Opening<'_>,
    dialect: Dialect,
) -> Option<RefusalKind> {
    match dialect {
        Dialect::Postgres => postgres(statement, opening),
        Dialect::MySql => mysql(statement, opening),
        Dialect::Sqlite => None,
    }
}

/// What of the statement can't run in a transaction, if anything.
pub(super) fn in_transaction(
    statement: &str,
    opening: &Opening<'_>,
    dialect: Dialect,
) -> Option<&'static str> {
    match dialect {
        Dialect::Postgres => outside_transaction(statement, opening),
        // It commits instead.
        Dialect::MySql => None,
        Dialect::Sqlite => match () {
            () if opening.starts("VACUUM") => Some("VACUUM"),
            // Newer versions take these, but the database then stays attached
            // for the migrations that follow.
            () if opening.starts("ATTACH") => Some("ATTACH"),
            () if opening.starts("DETACH") => Some("DETACH"),
            () if sets_pragma(opening, &["journal_mode"]) => Some("PRAGMA journal_mode"),
            () if sets_pragma(opening, &["synchronous"]) => Some("PRAGMA synchronous"),
            () => None,
        },
    }
}

/// Whether the statement sets one of SQLite's pragmas, rather than asking.
pub(super) fn sets_pragma(opening: &Opening<'_>, names: &[&str]) -> bool {
    let Some(rest) = opening.after("PRAGMA") else {
        return false;
    };
    rest.windows(2)
        .any(|pair| names.iter().any(|name| pair[0].is(name)) && matches!(pair[1].text, "=" | "("))
}

/// Whether MySQL leaves an open transaction alone at a statement that is no
/// DML. What we don't know may commit: a procedure, a plugin, newer syntax.
pub(super) fn stays_in_transaction(opening: &Opening<'_>) -> bool {
    let temporary = opening.starts("CREATE [OR] [REPLACE] TEMPORARY TABLE")
        || opening.starts("DROP TEMPORARY TABLE|TABLES|SEQUENCE");
    let sets = opening.starts("SET")
        && !opening.starts("SET PASSWORD")
        && !opening.starts("SET DEFAULT ROLE");
    temporary || sets || opening.starts("USE|SHOW|DESCRIBE|DESC|EXPLAIN|PREPARE|DEALLOCATE|HANDLER")
}

fn postgres(statement: &str, opening: &Opening<'_>) -> Option<RefusalKind> {
    if opening.starts("COPY") {
        return match () {
            () if copies_with(statement, "FROM") => Some(RefusalKind::CopyFromStdin),
            () if copies_with(statement, "TO") => Some(RefusalKind::CopyToStdout),
            () => None,
        };
    }
    if opening.starts("DISCARD ALL") {
        return Some(RefusalKind::DiscardAll);
    }
    // Definitions may contain the calls, and grants name the functions.
    if !opening.starts("CREATE|ALTER|DROP|GRANT|REVOKE|COMMENT|SECURITY") {
        return call(
            statement,
            Dialect::Postgres,
            &[
                "pg_advisory_unlock",
                "pg_advisory_unlock_shared",
                "pg_advisory_unlock_all",
            ],
        );
    }
    None
}

fn mysql(statement: &str, opening: &Opening<'_>) -> Option<RefusalKind> {
    let locks = opening.starts("LOCK TABLE|TABLES")
        || (opening.starts("FLUSH [LOCAL|NO_WRITE_TO_BINLOG] TABLE|TABLES")
            && locks_flushed(statement));
    if locks {
        return Some(RefusalKind::LockTables {
            words: opening.words(2),
        });
    }
    if opening.starts("LOAD DATA|XML [LOW_PRIORITY|CONCURRENT] LOCAL") {
        return Some(RefusalKind::LoadDataLocal);
    }
    // Also behind its database's name the temporary one is meant.
    let hides = |name: &String| {
        let name = name.to_ascii_lowercase();
        name == "__diesel_schema_migrations" || name.starts_with("__migrate_")
    };
    if contains_temporary(statement)
        && let Some(name) = temporary_tables(statement)
            .into_iter()
            .map(|table| table.name)
            .find(hides)
    {
        return Some(RefusalKind::HidesOurs { name });
    }
    if !opening.starts("CREATE|ALTER|DROP|GRANT|REVOKE") {
        return call(
            statement,
            Dialect::MySql,
            &["release_lock", "release_all_locks"],
        );
    }
    None
}

/// Most statements do not say so, and are not looked at more closely.
fn contains_temporary(statement: &str) -> bool {
    let mut words = statement.as_bytes().windows(b"temporary".len());
    words.any(|word| word.eq_ignore_ascii_case(b"temporary"))
}

/// FLUSH TABLES … WITH READ LOCK, or FOR EXPORT.
fn locks_flushed(statement: &str) -> bool {
    let last = lexemes(statement, Dialect::MySql).last();
    last.is_some_and(|last| last.is("LOCK") || last.is("EXPORT"))
}

/// A call of one of the functions.
fn call(statement: &str, dialect: Dialect, names: &[&'static str]) -> Option<RefusalKind> {
    let mut name = None;
    for lexeme in lexemes(statement, dialect) {
        if let (Some(function), "(") = (name, lexeme.text) {
            return Some(RefusalKind::Unlock { function });
        }
        let word = match lexeme.kind {
            TokenKind::Word => lexeme.text,
            TokenKind::QuotedIdentifier => lexeme.text.trim_matches(['"', '`']),
            _ => "",
        };
        name = names
            .iter()
            .copied()
            .find(|name| word.eq_ignore_ascii_case(name));
    }
    None
}
