//! SQL text as tokens, for three dialects: fine enough to know where strings,
//! comments and statements end, and no finer. It never fails: what isn't
//! terminated is a token that says so. Knows no grammar; that a word is a
//! keyword, and what a statement is, others decide.

mod client;
mod comment;
mod quoted;

use std::ops::Range;

use crate::Dialect;
use comment::Comment;
pub(crate) use comment::executable_text;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A keyword or an identifier without quotes.
    Word,
    /// An identifier in quotes: `"a"`, `` `a` ``, `[a]`, `U&"a"`.
    QuotedIdentifier,
    /// A string of any kind, with its prefix: `'a'`, `E'a'`, `$$a$$`, `x'00'`.
    String,
    /// A number, and in MySQL an identifier that begins with a digit.
    Number,
    /// A parameter or variable: `$1`, `?`, `:name`, `@name`.
    Parameter,
    /// An operator (of one or several characters), a parenthesis, a comma, or
    /// a semicolon that is not the delimiter in effect.
    Punctuation,
    /// The delimiter in effect: `;`, or what MySQL's `DELIMITER` has set.
    Terminator,
    /// A `DELIMITER` line of MySQL's client; the server never sees it.
    Directive,
    /// A command of psql, mysql or sqlite3 themselves: `\i a.sql`, `.read a`.
    ClientCommand,
    /// A comment without a meaning.
    Comment,
    /// A comment that a server or an extension acts on: `/*! */`, `/*+ */`.
    Hint,
    /// A run of white space.
    Whitespace,
}

/// A piece of SQL text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its bytes.
    pub range: Range<usize>,
    /// Whether its closing quote or comment mark is there; true for tokens
    /// that have none.
    pub terminated: bool,
}

impl Token {
    /// White space or a comment without a meaning.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        matches!(self.kind, TokenKind::Whitespace | TokenKind::Comment)
    }
}

/// The tokens of `text`, without gaps: their ranges re-join to it.
#[must_use]
pub fn tokenize(text: &str, dialect: Dialect) -> Tokens<'_> {
    Tokens {
        text,
        dialect,
        at: 0,
        delimiter: ";",
        fresh: true,
        literal: None,
        continued: false,
    }
}

/// An iterator over the tokens of a text; see [`tokenize`].
#[derive(Debug, Clone)]
pub struct Tokens<'t> {
    text: &'t str,
    dialect: Dialect,
    at: usize,
    /// What ends a statement; only MySQL's `DELIMITER` changes it.
    delimiter: &'t str,
    /// Nothing but blanks since the last terminator.
    fresh: bool,
    literal: Option<Literal>,
    continued: bool,
}

/// A PostgreSQL string literal that has just ended, and that another one
/// continues if a newline stands between the two.
#[derive(Debug, Clone, Copy)]
struct Literal {
    escapes: bool,
    newline: bool,
}

/// What the scanner found at a place.
struct Scanned {
    kind: TokenKind,
    end: usize,
    terminated: bool,
}

impl Scanned {
    fn new(kind: TokenKind, end: usize) -> Self {
        Self {
            kind,
            end,
            terminated: true,
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        if start >= self.text.len() {
            return None;
        }
        self.continued = false;
        let Scanned {
            kind,
            end,
            terminated,
        } = self.scan(start);
        self.at = end;
        self.remember(kind, start..end);
        Some(Token {
            kind,
            range: start..end,
            terminated,
        })
    }
}

impl<'t> Tokens<'t> {
    /// Whether `DELIMITER` has set another one than the semicolon.
    pub(crate) fn has_own_delimiter(&self) -> bool {
        self.delimiter != ";"
    }

    /// Whether the token returned last is a PostgreSQL string that continues
    /// the string before it.
    pub(crate) fn continued(&self) -> bool {
        self.continued
    }

    /// Goes on at the byte `at`, which must not lie before the current one.
    pub(crate) fn skip_to(&mut self, at: usize) {
        debug_assert!(at >= self.at && self.text.is_char_boundary(at));
        self.at = at;
        self.fresh = true;
    }

    fn scan(&mut self, start: usize) -> Scanned {
        let bytes = self.text.as_bytes();
        let rest = &bytes[start..];
        let first = rest[0];
        if rest.starts_with(self.delimiter.as_bytes()) {
            return Scanned::new(TokenKind::Terminator, start + self.delimiter.len());
        }
        if self.is_space(first) {
            let end = start + rest.iter().take_while(|&&b| self.is_space(b)).count();
            return Scanned::new(TokenKind::Whitespace, end);
        }
        if let Some(scanned) = self.client_line(start) {
            return scanned;
        }
        if let Some(Comment {
            end,
            terminated,
            hint,
        }) = comment::scan(bytes, start, self.dialect)
        {
            let kind = if hint {
                TokenKind::Hint
            } else {
                TokenKind::Comment
            };
            return Scanned {
                kind,
                end,
                terminated,
            };
        }
        if let Some(scanned) = self.quoted(start) {
            return scanned;
        }
        if first.is_ascii_digit() || (first == b'.' && self.begins_fraction(start)) {
            return Scanned::new(TokenKind::Number, self.number_end(start));
        }
        if let Some(end) = self.parameter_end(start) {
            return Scanned::new(TokenKind::Parameter, end);
        }
        if self.is_word(first) {
            return Scanned::new(TokenKind::Word, self.word_end(start + 1));
        }
        Scanned::new(TokenKind::Punctuation, self.punctuation_end(start))
    }

    /// Notes what later tokens depend on.
    fn remember(&mut self, kind: TokenKind, range: Range<usize>) {
        let text = &self.text.as_bytes()[range];
        match kind {
            TokenKind::Whitespace => {
                if let Some(literal) = &mut self.literal {
                    literal.newline |= text.iter().any(|b| matches!(b, b'\n' | b'\r'));
                }
                return;
            }
            // PostgreSQL lets a line comment stand between the two parts of a
            // string, but no block comment.
            TokenKind::Comment if text.starts_with(b"--") => return,
            TokenKind::Comment => {}
            TokenKind::Terminator | TokenKind::Directive | TokenKind::ClientCommand => {
                self.fresh = true
            }
            _ => self.fresh = false,
        }
        if kind != TokenKind::String {
            self.literal = None;
        }
    }

    /// What is white space to the server's own lexer.
    fn is_space(&self, byte: u8) -> bool {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0C => true,
            0x0B => self.dialect != Dialect::Sqlite,
            _ => false,
        }
    }

    /// Whether a word may begin with the byte. All bytes of characters
    /// beyond ASCII may: no server looks closer.
    fn is_word(&self, byte: u8) -> bool {
        byte.is_ascii_alphabetic()
            || byte == b'_'
            || byte >= 0x80
            || (byte == b'$' && self.dialect == Dialect::MySql)
    }

    /// The end of a run of a word's characters from `from` on.
    fn word_end(&self, from: usize) -> usize {
        self.run_end(from, |b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || b >= 0x80
        })
    }

    /// The end of the run of bytes from `from` on that `belongs` takes; the
    /// delimiter ends it, too: mysql finds `$$` even in `END$$`.
    fn run_end(&self, from: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let bytes = self.text.as_bytes();
        let delimiter = self.delimiter.as_bytes();
        let mut end = from;
        while let Some(&byte) = bytes.get(end)
            && belongs(byte)
            && !bytes[end..].starts_with(delimiter)
        {
            end += 1;
        }
        end
    }

    /// Whether the dot at `start` begins a number rather than standing
    /// between a table and its column.
    fn begins_fraction(&self, start: usize) -> bool {
        let bytes = self.text.as_bytes();
        let qualifies = start.checked_sub(1).is_some_and(|before| {
            let byte = bytes[before];
            byte.is_ascii_alphanumeric()
                || byte >= 0x80
                || matches!(byte, b'_' | b'$' | b'"' | b'`' | b']' | b')' | b'\'')
        });
        !qualifies && bytes.get(start + 1).is_some_and(u8::is_ascii_digit)
    }

    fn number_end(&self, start: usize) -> usize {
        let bytes = self.text.as_bytes();
        let dollar = self.dialect != Dialect::Postgres;
        let belongs = |b: u8| {
            b.is_ascii_alphanumeric()
                || matches!(b, b'_' | b'.')
                || b >= 0x80
                || (b == b'$' && dollar)
        };
        let mut end = self.run_end(start + 1, belongs);
        // The sign of an exponent.
        while matches!(bytes[end - 1], b'e' | b'E')
            && matches!(bytes.get(end), Some(b'+' | b'-'))
            && bytes.get(end + 1).is_some_and(u8::is_ascii_digit)
        {
            end = self.run_end(end + 2, belongs);
        }
        end
    }

    fn parameter_end(&self, start: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let word_at = |at: usize| {
            bytes
                .get(at)
                .is_some_and(|&b| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80)
        };
        match (self.dialect, bytes[start]) {
            (Dialect::Postgres, b'$') if bytes.get(start + 1).is_some_and(u8::is_ascii_digit) => {
                Some(self.run_end(start + 1, |b| b.is_ascii_digit()))
            }
            (Dialect::MySql, b'?') => Some(start + 1),
            (Dialect::MySql, b'@') => {
                let name = self.run_end(start, |b| b == b'@').min(start + 2);
                (name > start && word_at(name)).then(|| {
                    self.run_end(name, |b| {
                        b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'.') || b >= 0x80
                    })
                })
            }
            (Dialect::Sqlite, b'?') => Some(self.run_end(start + 1, |b| b.is_ascii_digit())),
            (Dialect::Sqlite, b'@' | b':' | b'$' | b'#') if word_at(start + 1) => {
                Some(self.word_end(start + 1))
            }
            _ => None,
        }
    }

    /// The end of an operator. Characters that may belong together are kept
    /// together, so that `< =` and `<=` differ; comments end a run.
    fn punctuation_end(&self, start: usize) -> usize {
        let bytes = self.text.as_bytes();
        let operator = |b: u8| {
            matches!(
                b,
                b'+' | b'-'
                    | b'*'
                    | b'/'
                    | b'<'
                    | b'>'
                    | b'='
                    | b'~'
                    | b'!'
                    | b'%'
                    | b'^'
                    | b'&'
                    | b'|'
                    | b':'
            ) || (self.dialect == Dialect::Postgres && matches!(b, b'@' | b'#' | b'?' | b'`'))
        };
        if !operator(bytes[start]) {
            return start + 1;
        }
        let mut end = start + 1;
        let limit = self.run_end(end, operator);
        while end < limit && comment::scan_start(bytes, end, self.dialect).is_none() {
            end += 1;
        }
        end
    }
}

#[cfg(test)]
pub(crate) mod tests;
