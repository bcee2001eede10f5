//! Lines that are meant for a client program, not for the server: mysql's
//! `DELIMITER`, and the commands of psql, mysql and sqlite3.

use super::{Scanned, TokenKind, Tokens};
use crate::Dialect;

/// Commands of mysql that no statement begins with. It has more (`use`,
/// `help`, `exit`, …), which servers or stored programs know, too.
const MYSQL_COMMANDS: [&str; 10] = [
    "source", "system", "tee", "notee", "pager", "nopager", "prompt", "rehash", "charset",
    "connect",
];

impl Tokens<'_> {
    /// The client's line at `start`, if one begins there.
    pub(super) fn client_line(&mut self, start: usize) -> Option<Scanned> {
        let rest = &self.text[start..];
        let second = rest.as_bytes().get(1);
        match (self.dialect, rest.as_bytes()[0]) {
            // psql takes a backslash anywhere outside of quotes.
            (Dialect::Postgres, b'\\') => Some(self.command(start)),
            // `\N` is how MySQL writes NULL.
            (Dialect::MySql, b'\\') if second == Some(&b'N') => {
                Some(Scanned::new(TokenKind::Word, start + 2))
            }
            (Dialect::MySql, b'\\') => Some(self.command(start)),
            (Dialect::MySql, b'd' | b'D') => self.delimiter_line(start),
            (Dialect::MySql, byte) if self.fresh && byte.is_ascii_alphabetic() => {
                let word = leading_word(rest);
                let after = rest[word.len()..].trim_start_matches([' ', '\t']);
                let command = MYSQL_COMMANDS
                    .iter()
                    .any(|name| word.eq_ignore_ascii_case(name))
                    && !after.starts_with([':', '=', '(', '.']);
                command.then(|| self.command(start))
            }
            (Dialect::Sqlite, b'.')
                if self.fresh && second.is_some_and(u8::is_ascii_alphabetic) =>
            {
                Some(self.command(start))
            }
            _ => None,
        }
    }

    fn command(&self, start: usize) -> Scanned {
        Scanned::new(
            TokenKind::ClientCommand,
            start + line(&self.text[start..]).len(),
        )
    }

    /// `DELIMITER //` where a statement may begin; elsewhere the word may be a
    /// column's name.
    fn delimiter_line(&mut self, start: usize) -> Option<Scanned> {
        let word = leading_word(&self.text[start..]);
        if !self.fresh || !word.eq_ignore_ascii_case("delimiter") {
            return None;
        }
        let line = line(&self.text[start..]);
        let delimiter = argument(line[word.len()..].trim_start());
        // mysql refuses both of these.
        if delimiter.is_empty() || delimiter.contains('\\') {
            return Some(self.command(start));
        }
        self.delimiter = delimiter;
        Some(Scanned::new(TokenKind::Directive, start + line.len()))
    }
}

/// The rest of the line without the blanks at its end.
fn line(text: &str) -> &str {
    text.split('\n').next().unwrap_or(text).trim_ascii_end()
}

fn leading_word(text: &str) -> &str {
    let end = text
        .bytes()
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || b >= 0x80));
    &text[..end.unwrap_or(text.len())]
}

/// The first argument of a client's command, as mysql reads it: up to a
/// space, or between quotes.
fn argument(text: &str) -> &str {
    if let Some(quote @ ('\'' | '"' | '`')) = text.chars().next()
        && let Some(end) = text[1..].find(quote)
    {
        return &text[1..=end];
    }
    text.split_ascii_whitespace().next().unwrap_or("")
}
