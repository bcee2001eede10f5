//! What a migration by steps has to run again when it goes on over a new
//! connection, and what it cannot have back. A value is made again only where
//! it is certain to be the same; what the rest of the file needs beyond that
//! is named. Nothing is evaluated, and no server asked.

mod finished;
mod rest;
mod temporary;
mod variables;

use super::phrase::{Lexeme, Opening, lexemes};
use super::split;
use crate::{Dialect, TokenKind};
use finished::Session;
pub use temporary::{TemporaryTable, temporary_tables};
pub use variables::assigns_variables;

/// What the rest of a file needs and cannot have: it ended with the session
/// in which the finished part was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The finished step that left it, from 0.
    pub statement: usize,
    /// Its name, as a message says it: `@base`, ``temporary table `users` ``.
    pub what: String,
    /// The step of the rest that needs it, from 0.
    pub used_by: usize,
}

/// The statements to run again on a new connection, each with the index of its
/// finished step, before the steps of `rest` go on. A step may be a whole
/// block from its BEGIN to its COMMIT.
///
/// # Errors
/// [`Lost`] where the rest needs what no new session has.
pub fn replay<'t>(
    finished: &[&'t str],
    rest: &[&str],
    dialect: Dialect,
) -> Result<Vec<(usize, &'t str)>, Lost> {
    let mut session = Session::new(dialect);
    for (index, step) in finished.iter().enumerate() {
        for statement in inside(step, dialect) {
            session.runs(index, statement);
        }
    }
    rest::needs(session, rest)
}

/// The statements of a step: itself, or those of a block.
pub(super) fn inside(step: &str, dialect: Dialect) -> Vec<&str> {
    let opening = Opening::of(step, dialect);
    if !opening.starts("BEGIN|START") || opening.starts("BEGIN NOT") {
        return vec![step];
    }
    split(step, dialect)
        .unwrap_or_default()
        .into_iter()
        .map(|statement| &step[statement.range])
        .collect()
}

/// Something that has ended with its session.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Thing {
    key: Key,
    /// The finished step that left it.
    statement: usize,
    what: String,
    /// The routines of the finished part that name it.
    routines: Vec<String>,
    /// Whether a statement that was put together from strings may name it.
    in_strings: bool,
}

impl Thing {
    fn new(key: Key, statement: usize, what: String) -> Self {
        Self {
            key,
            statement,
            what,
            routines: Vec::new(),
            in_strings: false,
        }
    }

    /// Whether a text names it; a variable that it only assigns to, it does
    /// not.
    fn is_named_in(&self, text: &str, dialect: Dialect) -> bool {
        match &self.key {
            Key::Table(name) => temporary::names(text, name, dialect),
            Key::Variable(name) => variables::uses(text, name),
            Key::Setting(_) | Key::Prepared(_) | Key::Handler(_) | Key::Told(_) => false,
        }
    }
}

/// How the rest of a file would come by it. Names are in lower case and
/// without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    /// All that follows depends on it.
    Setting(String),
    Variable(String),
    Prepared(String),
    Table(String),
    Handler(String),
    Told(Told),
}

/// What a server tells of the statements before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    InsertId,
    Changed,
    Found,
}

impl Told {
    const ALL: [Self; 3] = [Self::InsertId, Self::Changed, Self::Found];

    /// Whether the statement leaves it for certain; a program may.
    fn is_left_by(self, opening: &Opening<'_>) -> bool {
        let query = || {
            let first = opening.lexemes().first();
            first.is_some_and(|first| first.text == "(")
        };
        match self {
            Self::InsertId => opening.starts("INSERT|REPLACE|LOAD"),
            Self::Changed => opening.starts("INSERT|REPLACE|LOAD|UPDATE|DELETE"),
            Self::Found => opening.starts("SELECT|WITH|VALUES|TABLE") || query(),
        }
    }

    /// Its name in a statement that asks for it.
    fn asked_in(self, statement: &str) -> Option<String> {
        let functions = lexemes(statement, Dialect::MySql).zip(
            lexemes(statement, Dialect::MySql)
                .skip(1)
                .map(|after| after.text)
                .chain([""]),
        );
        for (lexeme, after) in functions {
            let (function, settings) = match self {
                Self::InsertId => ("LAST_INSERT_ID", &["identity", "last_insert_id"][..]),
                Self::Changed => ("ROW_COUNT", &[][..]),
                Self::Found => ("FOUND_ROWS", &[][..]),
            };
            if lexeme.is(function) && after == "(" {
                return Some(format!("{function}()"));
            }
            if settings.contains(&variables::setting(lexeme.text).as_str())
                && lexeme.text.starts_with("@@")
            {
                return Some(lexeme.text.to_owned());
            }
        }
        None
    }
}

/// An identifier or a string without its quotes.
fn unquoted(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next_back()) {
        (Some('['), Some(']')) => chars.as_str().to_owned(),
        (Some(quote @ ('`' | '"' | '\'')), Some(end)) if quote == end => {
            let twice: String = [quote, quote].iter().collect();
            chars
                .as_str()
                .replace(&twice, quote.encode_utf8(&mut [0; 4]))
        }
        _ => text.to_owned(),
    }
}

/// The name that a lexeme is, if it may be one.
fn identifier(lexeme: &Lexeme<'_>) -> Option<String> {
    match lexeme.kind {
        TokenKind::Word | TokenKind::QuotedIdentifier => Some(unquoted(lexeme.text)),
        // With ANSI_QUOTES; SQLite and MariaDB take strings for names, too.
        TokenKind::String if lexeme.text.starts_with(['"', '\'']) => Some(unquoted(lexeme.text)),
        _ => None,
    }
}

/// The strings of a statement that may make statements of them, as text.
fn strings(statement: &str) -> Vec<String> {
    let opening = Opening::of(statement, Dialect::MySql);
    let makes =
        opening.starts("SET|PREPARE|EXECUTE|CALL") || !variables::assigned(statement).is_empty();
    lexemes(statement, Dialect::MySql)
        .filter(|lexeme| makes && lexeme.kind == TokenKind::String)
        .map(|lexeme| unquoted(lexeme.text))
        .collect()
}

#[cfg(test)]
mod tests;
