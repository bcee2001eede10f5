//! The words that a statement begins with, and patterns over them: enough to
//! tell a `CREATE INDEX CONCURRENTLY` from a `CREATE TABLE` without a parser.

use crate::token::{Tokens, executable_text, tokenize};
use crate::{Dialect, TokenKind};

/// A token that means something, with its text.
#[derive(Debug, Clone, Copy)]
pub struct Lexeme<'t> {
    /// What it is.
    pub kind: TokenKind,
    /// As it is written.
    pub text: &'t str,
}

impl Lexeme<'_> {
    /// Whether it is this keyword, in any case.
    #[must_use]
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(keyword)
    }
}

/// The lexemes of a statement, without blanks and hints. What stands in
/// MySQL's executable comments is read as the server reads it.
pub fn lexemes(statement: &str, dialect: Dialect) -> impl Iterator<Item = Lexeme<'_>> {
    Lexemes {
        dialect,
        text: statement,
        tokens: tokenize(statement, dialect),
        comment: None,
    }
}

/// Each statement is asked several times: a loop, and no chain of adapters.
struct Lexemes<'t> {
    dialect: Dialect,
    text: &'t str,
    tokens: Tokens<'t>,
    /// The executable comment that is being read.
    comment: Option<(&'t str, Tokens<'t>)>,
}

impl<'t> Iterator for Lexemes<'t> {
    type Item = Lexeme<'t>;

    fn next(&mut self) -> Option<Lexeme<'t>> {
        loop {
            if let Some((text, tokens)) = &mut self.comment {
                let token = tokens.find(|token| !token.is_blank() && token.kind != TokenKind::Hint);
                if let Some(token) = token {
                    let kind = token.kind;
                    let text = &text[token.range];
                    return Some(Lexeme { kind, text });
                }
                self.comment = None;
            }
            let token = self.tokens.find(|token| !token.is_blank())?;
            let kind = token.kind;
            let text = &self.text[token.range];
            if kind != TokenKind::Hint {
                return Some(Lexeme { kind, text });
            }
            self.comment =
                executable_text(text).map(|inner| (inner, tokenize(inner, self.dialect)));
        }
    }
}

/// The statement that MariaDB's `SET STATEMENT … FOR …` runs; others as they
/// are.
#[must_use]
pub fn under_settings(statement: &str, dialect: Dialect) -> &str {
    let begins = |words: [&str; 2]| {
        let mut lexemes = lexemes(statement, dialect);
        words
            .iter()
            .all(|word| lexemes.next().is_some_and(|lexeme| lexeme.is(word)))
    };
    if dialect != Dialect::MySql || !begins(["SET", "STATEMENT"]) {
        return statement;
    }
    let mut depth = 0_usize;
    for token in tokenize(statement, dialect) {
        match &statement[token.range.clone()] {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            word if depth == 0
                && token.kind == TokenKind::Word
                && word.eq_ignore_ascii_case("FOR") =>
            {
                return statement[token.range.end..].trim_ascii_start();
            }
            _ => {}
        }
    }
    statement
}

/// How many lexemes tell what a statement is.
const OPENING: usize = 16;

/// The lexemes that a statement begins with.
#[derive(Debug)]
pub(crate) struct Opening<'t>(Vec<Lexeme<'t>>);

impl<'t> Opening<'t> {
    /// Of a statement's text.
    pub(crate) fn of(statement: &'t str, dialect: Dialect) -> Self {
        Self(lexemes(statement, dialect).take(OPENING).collect())
    }

    /// Whether the statement begins with `pattern`: words, `[WORD]` that may
    /// be missing, and alternatives `A|B`.
    pub(crate) fn starts(&self, pattern: &str) -> bool {
        self.after(pattern).is_some()
    }

    /// Whether the statement is `pattern` and nothing else.
    pub(crate) fn is_exactly(&self, pattern: &str) -> bool {
        self.after(pattern).is_some_and(<[_]>::is_empty)
    }

    /// The lexemes of the opening that follow `pattern`, if it matches.
    pub(crate) fn after(&self, pattern: &str) -> Option<&[Lexeme<'t>]> {
        let mut rest = self.0.as_slice();
        for word in pattern.split_ascii_whitespace() {
            let bare = word.trim_start_matches('[').trim_end_matches(']');
            match rest.split_first() {
                Some((first, after)) if bare.split('|').any(|keyword| first.is(keyword)) => {
                    rest = after
                }
                _ if bare.len() < word.len() => {}
                _ => return None,
            }
        }
        Some(rest)
    }

    /// Whether the word is among the opening's.
    pub(crate) fn has(&self, keyword: &str) -> bool {
        self.0.iter().any(|lexeme| lexeme.is(keyword))
    }

    /// The lexemes themselves.
    pub(crate) fn lexemes(&self) -> &[Lexeme<'t>] {
        &self.0
    }

    /// The first `count` words as the statement has them, for a message.
    pub(crate) fn words(&self, count: usize) -> String {
        let words: Vec<&str> = self
            .0
            .iter()
            .take_while(|lexeme| lexeme.kind == TokenKind::Word)
            .take(count)
            .map(|l| l.text)
            .collect();
        words.join(" ")
    }
}
