//! Where in a statement SQLite's message points. Diesel 2.3 hides
//! `sqlite3_error_offset`, so the word that the message quotes is looked up;
//! where it stands more than once, nothing is claimed.

use migrate_core::Dialect;
use migrate_core::tokenize;

/// Texts before the word that a message names.
const MARKS: [&str; 8] = [
    "no such table: ",
    "no such column: ",
    "no such index: ",
    "no such view: ",
    "no such trigger: ",
    "no such function: ",
    "duplicate column name: ",
    "has no column named ",
];

/// The byte of the word that `message` complains of, if it is the only one.
pub(super) fn of_error(statement: &str, message: &str) -> Option<usize> {
    let word = quoted(message).or_else(|| named(message))?;
    let last = word.rsplit('.').next().unwrap_or(word);
    let mut found = tokenize(statement, Dialect::Sqlite).filter(|token| {
        let text = statement[token.range.clone()].trim_matches(['"', '`', '[', ']']);
        !token.is_blank() && (text.eq_ignore_ascii_case(word) || text.eq_ignore_ascii_case(last))
    });
    match (found.next(), found.next()) {
        (Some(token), None) => Some(token.range.start),
        _ => None,
    }
}

/// `near "WORD": syntax error`
fn quoted(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("near \"")?;
    rest.rsplit_once("\": syntax error").map(|(word, _)| word)
}

fn named(message: &str) -> Option<&str> {
    let table_exists = message
        .strip_suffix(" already exists")
        .and_then(|rest| rest.rsplit(' ').next());
    let after = |mark: &&str| message.split_once(*mark).map(|(_, rest)| rest);
    MARKS
        .iter()
        .find_map(after)
        .map(|rest| rest.split([' ', '\n']).next().unwrap_or(rest))
        .or(table_exists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_found_where_it_stands_once() {
        for (statement, message, offset) in [
            (
                "CREATE TABEL x (a)",
                "near \"TABEL\": syntax error",
                Some(7),
            ),
            ("SELECT a FROM nowhere", "no such table: nowhere", Some(14)),
            (
                "SELECT a FROM main.nowhere",
                "no such table: main.nowhere",
                Some(19),
            ),
            ("CREATE TABLE \"x\" (a)", "table x already exists", Some(13)),
            ("CREATE TABLE t (a, b, a)", "duplicate column name: a", None),
            (
                "INSERT INTO t VALUES (1)",
                "UNIQUE constraint failed: t.a",
                None,
            ),
            (
                "-- nowhere\nSELECT a FROM nowhere",
                "no such table: nowhere",
                Some(25),
            ),
        ] {
            assert_eq!(
                of_error(statement, message),
                offset,
                "{statement}: {message}"
            );
        }
    }
}
