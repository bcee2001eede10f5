//! Where comments begin and end. PostgreSQL nests them; MySQL wants a space
//! after `--`, knows `#`, and runs what stands in `/*! */`.

use super::quoted;
use crate::Dialect;

/// A comment that was found.
pub(super) struct Comment {
    pub(super) end: usize,
    pub(super) terminated: bool,
    pub(super) hint: bool,
}

/// How a comment begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Line,
    Block,
    /// `/*+`: for the planner, or an extension of it.
    Hint,
    /// `/*!` and MariaDB's `/*M!`: its text is run.
    Executable,
}

/// The comment that begins at `start`, if one does.
pub(super) fn scan(bytes: &[u8], start: usize, dialect: Dialect) -> Option<Comment> {
    let opening = scan_start(bytes, start, dialect)?;
    let closed = match opening {
        Opening::Line => {
            return Some(Comment {
                end: line_end(bytes, start, dialect),
                terminated: true,
                hint: false,
            });
        }
        Opening::Block | Opening::Hint => block_end(bytes, start, dialect),
        Opening::Executable => executable_end(bytes, start),
    };
    Some(Comment {
        end: closed.unwrap_or(bytes.len()),
        terminated: closed.is_some(),
        hint: opening != Opening::Block,
    })
}

/// How the comment at `start` begins, if there is one.
pub(super) fn scan_start(bytes: &[u8], start: usize, dialect: Dialect) -> Option<Opening> {
    if bytes[start] == b'#' {
        // One at the very end of the text has nothing behind it.
        return (dialect == Dialect::MySql).then_some(Opening::Line);
    }
    match (bytes[start], bytes.get(start + 1)?) {
        (b'-', b'-') if dialect == Dialect::MySql => {
            // `5--3` is 8 to MySQL.
            bytes
                .get(start + 2)
                .is_none_or(|b| b.is_ascii_whitespace() || b.is_ascii_control())
                .then_some(Opening::Line)
        }
        (b'-', b'-') => Some(Opening::Line),
        (b'/', b'*') => Some(match (dialect, &bytes[start + 2..]) {
            // mariadb-dump speaks to its client in these: no server is as new.
            (Dialect::MySql, [b'!', rest @ ..] | [b'M', b'!', rest @ ..])
                if rest.starts_with(b"999999") =>
            {
                Opening::Block
            }
            (Dialect::MySql, [b'!', ..] | [b'M', b'!', ..]) => Opening::Executable,
            (Dialect::MySql | Dialect::Postgres, [b'+', ..]) => Opening::Hint,
            _ => Opening::Block,
        }),
        _ => None,
    }
}

/// The text that MySQL runs of an executable comment, as a range of `hint`;
/// none for other hints.
pub(crate) fn executable_text(hint: &str) -> Option<&str> {
    let inner = hint
        .strip_prefix("/*M!")
        .or_else(|| hint.strip_prefix("/*!"))?;
    let inner = inner.strip_suffix("*/").unwrap_or(inner);
    Some(inner.trim_start_matches(|c: char| c.is_ascii_digit()))
}

fn line_end(bytes: &[u8], start: usize, dialect: Dialect) -> usize {
    let newline = |b: &u8| *b == b'\n' || (*b == b'\r' && dialect == Dialect::Postgres);
    bytes[start..]
        .iter()
        .position(newline)
        .map_or(bytes.len(), |n| start + n)
}

fn block_end(bytes: &[u8], start: usize, dialect: Dialect) -> Option<usize> {
    let mut depth = 1_usize;
    let mut at = start + 2;
    while at + 1 < bytes.len() {
        match (bytes[at], bytes[at + 1]) {
            (b'*', b'/') => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            (b'/', b'*') if dialect == Dialect::Postgres => {
                depth += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    None
}

/// The end of `/*! … */`. The server reads what is inside as SQL, so a `*/` in
/// a string or in a comment within doesn't end it.
fn executable_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 3;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"*/") {
            return Some(at + 2);
        }
        at = match bytes[at] {
            quote @ (b'\'' | b'"' | b'`') => {
                quoted::closing(bytes, at + 1, quote, quoted::Escapes::of_mysql(quote))?
            }
            _ => match scan_start(bytes, at, Dialect::MySql) {
                // One on the line of the closing mark: `/*! a -- b */`.
                Some(Opening::Line) => line_end(bytes, at, Dialect::MySql),
                Some(Opening::Block | Opening::Hint) => block_end(bytes, at, Dialect::MySql)?,
                Some(Opening::Executable) | None => at + 1,
            },
        };
    }
    None
}
