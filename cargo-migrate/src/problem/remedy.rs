//! What to do about a failure, by the database's words. Only for a remedy:
//! where a server speaks another language, the usual one is told.

/// What to do before a stopped migration is run again.
pub(super) fn before_again(message: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
    if is_denied(message) {
        "grant the right that is missing"
    } else if is_full(message) {
        "make room on the disk"
    } else if says(&[
        "max_statement_time exceeded",
        "maximum statement execution time exceeded",
        "due to statement timeout",
    ]) {
        "raise `statement-timeout`, or have it do less at a time"
    } else if says(&["holds a lock on what it changes"]) {
        "end the session that holds the lock, or wait for its end"
    } else {
        "correct the file"
    }
}

/// Whether the role lacks a right.
pub(super) fn is_denied(message: &str) -> bool {
    let words = [
        "ermission denied",
        "ccess denied",
        "command denied",
        "must be owner",
        "readonly",
        "ead-only file system",
        // Where the schema may not be used, it is none to PostgreSQL.
        "no schema has been selected",
        "unable to open",
    ];
    words.iter().any(|words| message.contains(words))
}

/// Whether a disk is full: the server's, or the one that SQLite's file is on.
pub(super) fn is_full(message: &str) -> bool {
    [
        "is full",
        "No space left on device",
        "could not extend file",
        "Disk full",
    ]
    .iter()
    .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_to_be_corrected_only_where_it_may_be_wrong() {
        for (message, remedy) in [
            (
                "Query execution was interrupted (max_statement_time exceeded)",
                "raise `statement-timeout`",
            ),
            (
                "Query execution was interrupted, maximum statement execution time exceeded",
                "raise `statement-timeout`",
            ),
            (
                "canceling statement due to statement timeout",
                "raise `statement-timeout`",
            ),
            (
                "gave up after 60 tries: another session holds a lock on what it changes",
                "end the session",
            ),
            (
                "TRIGGER command denied to user 'a'@'b' for table `c`.`d`",
                "grant the right",
            ),
            (
                "Access denied; you need (at least one of) the SUPER privilege(s) for this operation",
                "grant the right",
            ),
            ("permission denied for table a", "grant the right"),
            ("must be owner of table a", "grant the right"),
            ("database or disk is full", "make room"),
            (
                "could not extend file \"base/1/2\": No space left on device",
                "make room",
            ),
            ("The table 'a' is full", "make room"),
            ("Table 'a.b' doesn't exist", "correct the file"),
        ] {
            assert!(before_again(message).starts_with(remedy), "{message}");
        }
    }
}
