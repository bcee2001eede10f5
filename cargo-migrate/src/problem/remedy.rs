//! What to do about a failure, by its sort. The servers' words are in their own
//! language and are not read; SQLite has one language.

use migrate_core::Dialect;
use migrate_runtime::{DatabaseError, DatabaseErrorKind, Failure};

/// What to do before a stopped migration is run again.
pub(super) fn before_again(dialect: Dialect, failure: &Failure) -> &'static str {
    match failure.kind {
        DatabaseErrorKind::Denied => "grant the right that is missing",
        DatabaseErrorKind::StatementTimeout => {
            "raise `statement-timeout`, or have it do less at a time"
        }
        DatabaseErrorKind::Full => "make room on the disk",
        DatabaseErrorKind::Canceled => "see who cancelled it",
        DatabaseErrorKind::LockTimeout => {
            "end the session that holds the lock, or wait for its end"
        }
        DatabaseErrorKind::Unique
        | DatabaseErrorKind::Closed
        | DatabaseErrorKind::ReadOnly
        | DatabaseErrorKind::Pooled
        | DatabaseErrorKind::PooledOrNot
        | DatabaseErrorKind::Other => {
            if dialect == Dialect::Sqlite && sqlite_may_not(&failure.message) {
                "grant the right that is missing"
            } else if dialect == Dialect::Sqlite && sqlite_is_full(&failure.message) {
                "make room on the disk"
            } else if failure.message.contains("is there already, but invalid") {
                "drop the index, unless somebody is building it"
            } else {
                "correct the file"
            }
        }
    }
}

/// Whether the role lacks a right, or the file one.
pub(super) fn is_denied(dialect: Dialect, error: &DatabaseError) -> bool {
    matches!(
        error.kind,
        DatabaseErrorKind::Denied | DatabaseErrorKind::ReadOnly
    ) || dialect == Dialect::Sqlite && sqlite_may_not(&error.message)
}

/// SQLITE_READONLY, SQLITE_CANTOPEN, and the operating system's own words of
/// the lock file.
fn sqlite_may_not(message: &str) -> bool {
    [
        "readonly",
        "unable to open",
        "ermission denied",
        "ead-only file system",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// Whether a disk is full: the server's, or the one that SQLite's file is on.
pub(super) fn is_full(dialect: Dialect, error: &DatabaseError) -> bool {
    error.kind == DatabaseErrorKind::Full
        || dialect == Dialect::Sqlite && sqlite_is_full(&error.message)
}

/// SQLITE_FULL, and the operating system's own words of the lock file.
fn sqlite_is_full(message: &str) -> bool {
    ["is full", "No space left on device"]
        .iter()
        .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_says_in_words_what_it_may_not() {
        for (message, denied) in [
            ("attempt to write a readonly database", true),
            ("unable to open database file", true),
            ("no such table: a", false),
        ] {
            assert_eq!(sqlite_may_not(message), denied, "{message}");
        }
    }
}
