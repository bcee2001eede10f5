//! A statement's words, read from front to back: enough to find the names in
//! a DDL statement. What stands in executable comments is among them.

use migrate_core::{Dialect, Lexeme, TokenKind, lexemes};

/// A name, and the schema before its dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) schema: Option<String>,
    pub(super) name: String,
}

impl Name {
    /// The name, if there is no schema.
    pub(super) fn alone(self) -> Option<String> {
        self.schema.is_none().then_some(self.name)
    }

    /// The name in the schema of `other` unless it has its own.
    pub(super) fn or_schema_of(self, other: &Self) -> Self {
        Self {
            schema: self.schema.or_else(|| other.schema.clone()),
            name: self.name,
        }
    }
}

/// What is left of a statement.
#[derive(Debug, Clone)]
pub(super) struct Words<'t> {
    lexemes: Vec<Lexeme<'t>>,
    at: usize,
}

impl<'t> Words<'t> {
    /// All of a statement.
    pub(super) fn of(statement: &'t str) -> Self {
        Self {
            lexemes: lexemes(statement, Dialect::MySql).collect(),
            at: 0,
        }
    }

    fn rest(&self) -> &[Lexeme<'t>] {
        &self.lexemes[self.at..]
    }

    /// Takes the words of `phrase` if they come next.
    pub(super) fn eat(&mut self, phrase: &str) -> bool {
        let mut rest = self.rest().iter();
        let mut count = 0;
        for keyword in phrase.split_ascii_whitespace() {
            if !rest.next().is_some_and(|lexeme| lexeme.is(keyword)) {
                return false;
            }
            count += 1;
        }
        self.at += count;
        true
    }

    /// Takes the next word if it is one of the keywords.
    pub(super) fn eats_one_of(&mut self, keywords: &str) -> bool {
        keywords
            .split_ascii_whitespace()
            .any(|keyword| self.eat(keyword))
    }

    /// Takes the next lexeme if it is the punctuation `mark`.
    pub(super) fn eat_mark(&mut self, mark: &str) -> bool {
        let next = self.rest().first();
        let found = next.is_some_and(|l| l.kind == TokenKind::Punctuation && l.text == mark);
        self.at += usize::from(found);
        found
    }

    /// Passes over one lexeme.
    pub(super) fn skip(&mut self) {
        self.at = (self.at + 1).min(self.lexemes.len());
    }

    /// Passes over everything up to one of the keywords, which it takes and
    /// returns in capitals. A word after `=` or `@` is part of a DEFINER.
    pub(super) fn find_one_of(&mut self, keywords: &str) -> Option<String> {
        let found = self.rest().iter().enumerate().find_map(|(n, lexeme)| {
            let before = n.checked_sub(1).map(|n| self.rest()[n].text);
            let keyword = keywords
                .split_ascii_whitespace()
                .find(|keyword| lexeme.is(keyword))?;
            (!matches!(before, Some("=" | "@"))).then(|| (n, keyword.to_owned()))
        });
        let (n, keyword) = found?;
        self.at += n + 1;
        Some(keyword)
    }

    /// Passes over everything up to `keyword`, and takes it, if it comes
    /// before `end`.
    pub(super) fn find_before(&mut self, keyword: &str, end: &str) -> Option<()> {
        let found = self
            .rest()
            .iter()
            .take_while(|lexeme| !lexeme.is(end))
            .position(|lexeme| lexeme.is(keyword))?;
        self.at += found + 1;
        Some(())
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Whether the word is left.
    pub(super) fn has(&self, keyword: &str) -> bool {
        self.rest().iter().any(|lexeme| lexeme.is(keyword))
    }

    /// Whether the word is among the next few.
    pub(super) fn soon(&self, keyword: &str) -> bool {
        self.rest().iter().take(4).any(|lexeme| lexeme.is(keyword))
    }

    /// Whether the identifier is left.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.rest()
            .iter()
            .any(|lexeme| identifier(lexeme).is_some_and(|found| found.eq_ignore_ascii_case(name)))
    }

    /// Takes a name, with its schema if it has one.
    pub(super) fn name(&mut self) -> Option<Name> {
        let first = identifier(self.rest().first()?)?;
        self.skip();
        if !self.eat_mark(".") {
            return Some(Name {
                schema: None,
                name: first,
            });
        }
        let name = identifier(self.rest().first()?)?;
        self.skip();
        Some(Name {
            schema: Some(first),
            name,
        })
    }

    /// Takes names between commas.
    pub(super) fn names(&mut self) -> Option<Vec<Name>> {
        let mut names = vec![self.name()?];
        while self.eat_mark(",") {
            names.push(self.name()?);
        }
        Some(names)
    }

    /// What stands between the parentheses that come next, cut at its commas.
    pub(super) fn inside(&mut self) -> Option<Vec<Self>> {
        if !self.eat_mark("(") {
            return None;
        }
        let mut depth = 1_usize;
        let end = self.rest().iter().position(|lexeme| {
            match lexeme.text {
                "(" => depth += 1,
                ")" => depth -= 1,
                _ => {}
            }
            depth == 0
        })?;
        let inside = Self {
            lexemes: self.rest()[..end].to_vec(),
            at: 0,
        };
        self.at += end + 1;
        Some(inside.clauses())
    }

    /// What is left, cut at the commas that stand in no parentheses.
    pub(super) fn clauses(&self) -> Vec<Self> {
        let mut depth = 0_usize;
        let commas = self.rest().split(|lexeme| {
            match lexeme.text {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && lexeme.kind == TokenKind::Punctuation && lexeme.text == ","
        });
        commas
            .map(|clause| Self {
                lexemes: clause.to_vec(),
                at: 0,
            })
            .collect()
    }
}

/// The identifier that a lexeme is, without its quotes.
fn identifier(lexeme: &Lexeme<'_>) -> Option<String> {
    let text = lexeme.text;
    // The catalogue's character set has none beyond, and nor has a name.
    if text.chars().any(|c| c > '\u{FFFF}') {
        return None;
    }
    match lexeme.kind {
        TokenKind::Word => Some(text.to_owned()),
        // One that begins with a digit; with a dot it may be two of them.
        TokenKind::Number if !text.contains('.') => Some(text.to_owned()),
        TokenKind::QuotedIdentifier => unquoted(text, '`'),
        // In ANSI_QUOTES mode; in any other the server refuses it.
        TokenKind::String => unquoted(text, '"'),
        _ => None,
    }
}

fn unquoted(text: &str, quote: char) -> Option<String> {
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let doubled: String = [quote, quote].iter().collect();
    Some(inner.replace(&doubled, &quote.to_string()))
}
