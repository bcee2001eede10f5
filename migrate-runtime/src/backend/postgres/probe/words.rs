//! A PostgreSQL statement's words, read from front to back: enough to find the
//! names in a statement that runs alone.

use migrate_core::{Dialect, Token, TokenKind, tokenize};

use crate::quote::{identifier, literal};

/// A name of one or two parts, each as the catalogue has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) schema: Option<String>,
    pub(super) name: String,
}

impl Name {
    /// For a statement.
    pub(super) fn quoted(&self) -> String {
        let name = identifier(Dialect::Postgres, &self.name);
        match &self.schema {
            Some(schema) => format!("{}.{name}", identifier(Dialect::Postgres, schema)),
            None => name,
        }
    }

    /// The same as a string, for functions such as `to_regclass`.
    pub(super) fn as_text(&self) -> String {
        literal(Dialect::Postgres, &self.quoted())
    }
}

/// What is left of a statement.
#[derive(Debug, Clone)]
pub(super) struct Words<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    at: usize,
}

impl<'t> Words<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let means = |token: &Token| !token.is_blank() && token.kind != TokenKind::Hint;
        Self {
            text,
            tokens: tokenize(text, Dialect::Postgres).filter(means).collect(),
            at: 0,
        }
    }

    fn next(&self) -> Option<(TokenKind, &'t str)> {
        let token = self.tokens.get(self.at)?;
        Some((token.kind, &self.text[token.range.clone()]))
    }

    /// Takes the words of `phrase` if they come next.
    pub(super) fn eat(&mut self, phrase: &str) -> bool {
        let before = self.at;
        for keyword in phrase.split_ascii_whitespace() {
            let found = self.next().is_some_and(|(kind, text)| {
                kind == TokenKind::Word && text.eq_ignore_ascii_case(keyword)
            });
            if !found {
                self.at = before;
                return false;
            }
            self.at += 1;
        }
        true
    }

    /// Takes the next word if it is one of the keywords.
    pub(super) fn eat_one_of(&mut self, keywords: &str) -> bool {
        keywords
            .split_ascii_whitespace()
            .any(|keyword| self.eat(keyword))
    }

    /// Whether these words come next.
    pub(super) fn begins(&self, phrase: &str) -> bool {
        self.clone().eat(phrase)
    }

    fn eat_mark(&mut self, mark: &str) -> bool {
        let found = self.next().is_some_and(|(_, text)| text == mark);
        self.at += usize::from(found);
        found
    }

    /// Takes what stands between the parentheses that come next, as words.
    pub(super) fn options(&mut self) -> Vec<&'t str> {
        let mut inside = Vec::new();
        if self.eat_mark("(") {
            while let Some((_, text)) = self.next() {
                self.at += 1;
                if text == ")" {
                    break;
                }
                inside.push(text);
            }
        }
        inside
    }

    fn identifier(&mut self) -> Option<String> {
        let (kind, text) = self.next()?;
        let name = match kind {
            TokenKind::Word => text.to_ascii_lowercase(),
            // `U&"…"` has escapes, and another character for them behind it.
            TokenKind::QuotedIdentifier => text
                .strip_prefix('"')?
                .strip_suffix('"')?
                .replace("\"\"", "\""),
            _ => return None,
        };
        self.at += 1;
        Some(name)
    }

    /// Takes a name, with its schema if it has one.
    pub(super) fn name(&mut self) -> Option<Name> {
        let first = self.identifier()?;
        if !self.eat_mark(".") {
            return Some(Name {
                schema: None,
                name: first,
            });
        }
        let name = self.identifier()?;
        // A database before the schema is more than we read.
        (!self.eat_mark(".")).then_some(Name {
            schema: Some(first),
            name,
        })
    }

    /// Takes a name that no schema holds.
    pub(super) fn single(&mut self) -> Option<String> {
        self.name()
            .filter(|name| name.schema.is_none())
            .map(|name| name.name)
    }

    /// Takes a string literal, as it stands.
    pub(super) fn string(&mut self) -> Option<&'t str> {
        let (kind, text) = self.next()?;
        self.at += 1;
        (kind == TokenKind::String).then_some(text)
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.next().is_none()
    }

    /// The text of what is left.
    pub(super) fn rest(&self) -> &'t str {
        let start = self.tokens.get(self.at).map(|token| token.range.start);
        start.map_or("", |start| &self.text[start..])
    }
}
