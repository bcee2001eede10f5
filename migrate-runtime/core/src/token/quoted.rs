//! Where strings and quoted identifiers begin and end: doubled quotes,
//! backslashes, dollar quotes, prefixes, and PostgreSQL's strings that go on
//! after a newline.

use super::{Literal, Scanned, TokenKind, Tokens};
use crate::Dialect;

/// Whether a backslash protects the character after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    None,
    Backslash,
}

impl Escapes {
    /// MySQL knows backslashes in strings, not in identifiers. We take
    /// NO_BACKSLASH_ESCAPES for unset, as it is by default.
    pub(super) fn of_mysql(quote: u8) -> Self {
        if quote == b'`' {
            Self::None
        } else {
            Self::Backslash
        }
    }
}

/// The byte after the quote that closes what begins at `from`; a doubled quote
/// doesn't.
pub(super) fn closing(bytes: &[u8], from: usize, quote: u8, escapes: Escapes) -> Option<usize> {
    let mut at = from;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' && escapes == Escapes::Backslash {
            at += 2;
        } else if byte != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Some(at + 1);
        }
    }
    None
}

impl Tokens<'_> {
    /// The string or quoted identifier at `start`, if one begins there.
    pub(super) fn quoted(&mut self, start: usize) -> Option<Scanned> {
        match self.dialect {
            Dialect::Postgres => self.quoted_postgres(start),
            Dialect::MySql => self.quoted_mysql(start),
            Dialect::Sqlite => self.quoted_sqlite(start),
        }
    }

    fn quoted_postgres(&mut self, start: usize) -> Option<Scanned> {
        let bytes = self.text.as_bytes();
        let (escapes, open) = match &bytes[start..] {
            [b'\'', ..] => {
                let continues = self.literal.filter(|literal| literal.newline);
                self.continued = continues.is_some();
                (continues.is_some_and(|literal| literal.escapes), start + 1)
            }
            [b'e' | b'E', b'\'', ..] => (true, start + 2),
            [b'b' | b'B' | b'x' | b'X' | b'n' | b'N', b'\'', ..] => (false, start + 2),
            [b'u' | b'U', b'&', b'\'', ..] => (false, start + 3),
            [b'u' | b'U', b'&', b'"', ..] => return Some(self.identifier(start + 3, b'"')),
            [b'"', ..] => return Some(self.identifier(start + 1, b'"')),
            [b'$', ..] => return self.dollar_quoted(start),
            _ => return None,
        };
        self.literal = Some(Literal {
            escapes,
            newline: false,
        });
        let escapes = if escapes {
            Escapes::Backslash
        } else {
            Escapes::None
        };
        Some(self.close(TokenKind::String, open, b'\'', escapes))
    }

    fn quoted_mysql(&self, start: usize) -> Option<Scanned> {
        match &self.text.as_bytes()[start..] {
            // In ANSI_QUOTES mode "a" is an identifier, but ends in the same
            // place unless it holds a backslash.
            [quote @ (b'\'' | b'"'), ..] => {
                Some(self.close(TokenKind::String, start + 1, *quote, Escapes::Backslash))
            }
            [b'`', ..] => Some(self.identifier(start + 1, b'`')),
            [b'n' | b'N' | b'b' | b'B' | b'x' | b'X', b'\'', ..] => {
                Some(self.close(TokenKind::String, start + 2, b'\'', Escapes::Backslash))
            }
            _ => None,
        }
    }

    fn quoted_sqlite(&self, start: usize) -> Option<Scanned> {
        match &self.text.as_bytes()[start..] {
            [b'\'', ..] => Some(self.close(TokenKind::String, start + 1, b'\'', Escapes::None)),
            [b'x' | b'X', b'\'', ..] => {
                Some(self.close(TokenKind::String, start + 2, b'\'', Escapes::None))
            }
            [quote @ (b'"' | b'`'), ..] => Some(self.identifier(start + 1, *quote)),
            [b'[', ..] => {
                let end = self.text[start..].find(']').map(|n| start + n + 1);
                Some(self.ending(TokenKind::QuotedIdentifier, end))
            }
            _ => None,
        }
    }

    fn identifier(&self, open: usize, quote: u8) -> Scanned {
        self.close(TokenKind::QuotedIdentifier, open, quote, Escapes::None)
    }

    fn close(&self, kind: TokenKind, open: usize, quote: u8, escapes: Escapes) -> Scanned {
        self.ending(kind, closing(self.text.as_bytes(), open, quote, escapes))
    }

    fn ending(&self, kind: TokenKind, end: Option<usize>) -> Scanned {
        Scanned {
            kind,
            end: end.unwrap_or(self.text.len()),
            terminated: end.is_some(),
        }
    }

    /// `$$ … $$` or `$tag$ … $tag$`; none where the dollar begins no such tag.
    fn dollar_quoted(&mut self, start: usize) -> Option<Scanned> {
        let bytes = self.text.as_bytes();
        let tag_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80;
        let tag = bytes[start + 1..]
            .iter()
            .take_while(|&&b| tag_byte(b))
            .count();
        let open = start + 1 + tag;
        if bytes.get(open) != Some(&b'$') || bytes[start + 1].is_ascii_digit() {
            return None;
        }
        self.literal = None;
        let mark = &self.text[start..=open];
        let end = self.text[open + 1..]
            .find(mark)
            .map(|n| open + 1 + n + mark.len());
        Some(self.ending(TokenKind::String, end))
    }
}
