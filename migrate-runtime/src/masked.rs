//! The SQL of other sessions, fit to be shown: their values are nobody's
//! business, their escape sequences nobody's terminal's. What can't be told
//! from a value counts as one.

use migrate_core::{Dialect, TokenKind, legible, tokenize};

use crate::error::{Blocker, Certainty};

/// Characters of a query that are shown.
const LONGEST: usize = 80;

/// A session as it is told: who it is, and its query without the values.
pub(crate) fn blocker(
    session: &str,
    query: Option<&str>,
    dialect: Dialect,
    certainty: Certainty,
) -> Blocker {
    let mut session = legible(session).into_owned();
    let query = query.map(|query| without_values(query, dialect));
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        session.push_str("; its query: ");
        session.push_str(&query);
    }
    Blocker {
        session,
        ended_by: None,
        certainty,
    }
}

/// `sql` on one short line, with `…` for every string and number.
fn without_values(sql: &str, dialect: Dialect) -> String {
    let mut shown = String::new();
    for token in tokenize(sql, dialect) {
        let text = &sql[token.range.clone()];
        match token.kind {
            TokenKind::Whitespace | TokenKind::Comment | TokenKind::Hint => {
                if !shown.is_empty() && !shown.ends_with(' ') {
                    shown.push(' ');
                }
            }
            TokenKind::Word | TokenKind::Parameter | TokenKind::Punctuation => {
                shown.push_str(text);
            }
            TokenKind::QuotedIdentifier | TokenKind::Terminator if token.terminated => {
                shown.push_str(text);
            }
            _ => {
                shown.push('…');
                // Its session decides what a backslash means, and so where the
                // string ends.
                if text.contains('\\') {
                    break;
                }
            }
        }
    }
    let mut shown = legible(shown.trim_end()).into_owned();
    if let Some((end, _)) = shown.char_indices().nth(LONGEST) {
        shown.truncate(end);
        if !shown.ends_with('…') {
            shown.push('…');
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_another_sessions_query_no_value_is_shown() {
        for (dialect, sql, shown) in [
            (
                Dialect::Postgres,
                "ALTER ROLE a  PASSWORD 'hunter2'; -- hunter2\nSELECT 4711",
                "ALTER ROLE a PASSWORD …; SELECT …",
            ),
            (
                Dialect::Postgres,
                "SELECT $q$hunter2$q$, 'hunt",
                "SELECT …, …",
            ),
            (
                Dialect::Postgres,
                "/* hunter2 */ SELECT 1 /* hunter2",
                "SELECT …",
            ),
            (
                Dialect::Postgres,
                "SELECT \"A\", \"hunter2",
                "SELECT \"A\", …",
            ),
            (Dialect::Postgres, "SELECT 'C:\\', hunter2", "SELECT …"),
            (
                Dialect::MySql,
                "SET PASSWORD = \"hunter2\" # hunter2",
                "SET PASSWORD = …",
            ),
            (
                Dialect::MySql,
                "SELECT 'C:\\', 'hunter2' /*! , 'hunter2'",
                "SELECT …",
            ),
            (Dialect::MySql, "SELECT 0x68756e746572, b'1'", "SELECT …, …"),
        ] {
            assert_eq!(without_values(sql, dialect), shown, "{sql}");
        }
    }

    #[test]
    fn another_sessions_query_is_one_short_line_of_what_can_be_seen() {
        let sql = "SELECT \"\u{1b}[2J\u{202e}\"\nFROM\tt";
        assert_eq!(
            without_values(sql, Dialect::Postgres),
            r#"SELECT "\u{1b}[2J\u{202e}" FROM t"#
        );
        let long = format!("SELECT {}", "a, ".repeat(100));
        let shown = without_values(&long, Dialect::Postgres);
        assert_eq!(shown.chars().count(), LONGEST + 1);
        assert!(shown.ends_with('…'), "{shown}");
        let told = blocker(
            "\u{1b}[2Jtill",
            Some("SELECT 1"),
            Dialect::Postgres,
            Certainty::Seen,
        );
        assert_eq!(told.session, "\\u{1b}[2Jtill; its query: SELECT …");
    }
}
