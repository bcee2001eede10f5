//! SQL text as statements, with the byte range and the place of each. Pieces
//! and the gaps between them re-join to the text; gaps hold nothing that a
//! server would act on: white space, comments, terminators and MySQL's
//! `DELIMITER` lines. Decides nothing about what may be run.

mod body;
mod kind;
mod phrase;
mod place_cursor;
mod replay;
mod session;

use std::fmt;
use std::ops::Range;

use crate::token::{Token, Tokens, executable_text, tokenize};
use crate::{Dialect, Place, TokenKind};
use body::Body;
pub(crate) use kind::outside_transaction;
pub(crate) use phrase::Opening;
pub use phrase::{Lexeme, lexemes, under_settings};
pub(crate) use place_cursor::PlaceCursor;
pub use replay::{Lost, TemporaryTable, assigns_variables, replay, temporary_tables};

/// One statement of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its bytes: without the blanks and comments before it, and without its
    /// terminator.
    pub range: Range<usize>,
    /// Where it begins.
    pub place: Place,
    /// How it may be run.
    pub kind: StatementKind,
}

/// How a statement may be run outside of a migration's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// Reads or changes rows: may share a transaction with its checkpoint and
    /// with its neighbours.
    Dml,
    /// Changes the schema, and may share a transaction with its checkpoint;
    /// never so on MySQL, which commits.
    Ddl,
    /// Must be sent by itself: it can't run in a transaction, or may end it,
    /// or we don't know it.
    Alone,
    /// A transaction of its own, from its BEGIN to its COMMIT; only
    /// [`Script::admit`](crate::Script::admit) makes one of its statements.
    Block,
}

/// The statements of `text`. Empty ones vanish.
///
/// # Errors
/// [`SplitError`] where a string, a quoted identifier, a comment or a body is
/// not terminated.
pub fn split(text: &str, dialect: Dialect) -> Result<Vec<Statement>, SplitError> {
    let pieces = pieces(text, dialect);
    match pieces.error {
        Some(error) => Err(error),
        None => Ok(pieces.statements),
    }
}

/// Something that has no end, where it begins, and its bytes up to the end of
/// the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct SplitError {
    /// What has no end.
    pub kind: Unterminated,
    /// From its first byte to the end of the text.
    pub range: Range<usize>,
    /// Where it begins.
    pub place: Place,
}

impl SplitError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        self.kind.help()
    }
}

/// What can lack its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unterminated {
    /// A string in quotes.
    String,
    /// A string in dollar quotes.
    DollarQuote,
    /// An identifier in quotes.
    QuotedIdentifier,
    /// A block comment, plain or executable.
    Comment,
    /// The body of a function, procedure, trigger or event.
    Body,
}

impl Unterminated {
    /// What to do about it.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::String => {
                "close it with the quote that it begins with; a quote inside is written twice"
            }
            Self::DollarQuote => "close it with the same tag between dollar signs",
            Self::QuotedIdentifier => "close it with the quote that it begins with",
            Self::Comment => "close it with `*/`; PostgreSQL nests comments",
            Self::Body => {
                "close each BEGIN, IF, CASE or loop with its END; on MySQL a DELIMITER line marks the end, too"
            }
        }
    }
}

impl fmt::Display for Unterminated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "unterminated string",
            Self::DollarQuote => "unterminated dollar-quoted string",
            Self::QuotedIdentifier => "unterminated quoted identifier",
            Self::Comment => "unterminated comment",
            Self::Body => "the body of this statement has no END",
        })
    }
}

/// All that a text holds, also where it has an error.
#[derive(Debug)]
pub(crate) struct Pieces {
    pub(crate) statements: Vec<Statement>,
    /// The lines for a client program among them.
    pub(crate) client_commands: Vec<Range<usize>>,
    pub(crate) error: Option<SplitError>,
}

/// Splits as far as it goes.
pub(crate) fn pieces(text: &str, dialect: Dialect) -> Pieces {
    Splitter {
        text,
        dialect,
        tokens: tokenize(text, dialect),
        places: PlaceCursor::new(text),
        body: Body::new(dialect),
        current: None,
        copy_data: CopyData::Possible,
        pieces: Pieces {
            statements: Vec::new(),
            client_commands: Vec::new(),
            error: None,
        },
    }
    .run()
}

struct Splitter<'t> {
    text: &'t str,
    dialect: Dialect,
    tokens: Tokens<'t>,
    places: PlaceCursor<'t>,
    body: Body,
    current: Option<Current>,
    copy_data: CopyData,
    pieces: Pieces,
}

/// The statement being read.
struct Current {
    range: Range<usize>,
    /// Whether a server would act on it; a planner's hint alone it ignores.
    real: bool,
}

/// Whether rows for a `COPY … FROM STDIN` may yet follow.
#[derive(PartialEq)]
enum CopyData {
    Possible,
    /// No line `\.` is left in the text; looking again would be quadratic.
    NoMore,
}

impl Splitter<'_> {
    fn run(mut self) -> Pieces {
        while let Some(token) = self.tokens.next() {
            if let Some(kind) = self.unterminated(&token) {
                self.fail(kind, token.range);
                return self.pieces;
            }
            match token.kind {
                TokenKind::Whitespace | TokenKind::Comment => {}
                // It follows a terminator, so that a statement that is open
                // has its semicolons inside an open body.
                TokenKind::Directive if self.current.is_some() => return self.without_end(),
                TokenKind::Directive => {}
                TokenKind::Terminator => self.terminator(token),
                TokenKind::Punctuation if &self.text[token.range.clone()] == ";" => {
                    self.inner_semicolon()
                }
                TokenKind::ClientCommand => self.client_command(token),
                _ => self.extend(&token),
            }
        }
        // With a delimiter of one's own the end of the text is the end, too.
        if !self.body.semicolon_ends() && !self.tokens.has_own_delimiter() {
            return self.without_end();
        }
        self.finish();
        self.pieces
    }

    fn unterminated(&self, token: &Token) -> Option<Unterminated> {
        if token.terminated {
            return None;
        }
        match token.kind {
            // SQLite takes a comment that runs to the end of the text.
            TokenKind::Comment if self.dialect == Dialect::Sqlite => None,
            TokenKind::Comment | TokenKind::Hint => Some(Unterminated::Comment),
            TokenKind::QuotedIdentifier => Some(Unterminated::QuotedIdentifier),
            _ if self.text[token.range.clone()].starts_with('$') => Some(Unterminated::DollarQuote),
            _ => Some(Unterminated::String),
        }
    }

    fn fail(&mut self, kind: Unterminated, range: Range<usize>) {
        let place = self.places.place(range.start);
        self.pieces.error = Some(SplitError { kind, range, place });
    }

    fn without_end(mut self) -> Pieces {
        let start = self
            .current
            .as_ref()
            .map_or(self.text.len(), |current| current.range.start);
        self.fail(Unterminated::Body, start..self.text.len());
        self.pieces
    }

    fn extend(&mut self, token: &Token) {
        let text = &self.text[token.range.clone()];
        let real = match token.kind {
            TokenKind::Hint => self.dialect == Dialect::MySql && executable_text(text).is_some(),
            _ => true,
        };
        let current = self.current.get_or_insert_with(|| Current {
            range: token.range.clone(),
            real,
        });
        current.range.end = token.range.end;
        current.real |= real;
        self.body.token(token.kind, text);
    }

    fn terminator(&mut self, token: Token) {
        // A delimiter of one's own is the end whatever the body looks like.
        if !self.tokens.has_own_delimiter() && !self.body.semicolon_ends() {
            self.extend(&token);
            return;
        }
        let copies = self.current.as_ref().is_some_and(|current| {
            self.dialect == Dialect::Postgres
                && copies_from_stdin(&self.text[current.range.clone()])
        });
        if copies {
            self.take_rows(token.range.end);
        }
        self.finish();
    }

    /// A semicolon where the delimiter is another: it separates statements
    /// unless it belongs to a body. One at the end of a body is not taken in,
    /// as the next token would be.
    fn inner_semicolon(&mut self) {
        if self.body.is_program() {
            self.body.token(TokenKind::Punctuation, ";");
        } else {
            self.finish();
        }
    }

    fn client_command(&mut self, token: Token) {
        self.pieces.client_commands.push(token.range.clone());
        let alone = self.current.is_none();
        self.extend(&token);
        if alone {
            self.finish();
        }
    }

    /// Rows that follow a `COPY … FROM STDIN` up to the line `\.` belong to
    /// it: as SQL they would only make noise.
    fn take_rows(&mut self, from: usize) {
        if self.copy_data == CopyData::NoMore {
            return;
        }
        let mut at = from;
        while let Some(found) = self.text[at..].find("\n\\.") {
            let end = at + found + 3;
            if self.text[end..].is_empty() || self.text[end..].starts_with(['\n', '\r']) {
                if let Some(current) = &mut self.current {
                    current.range.end = end;
                }
                self.tokens.skip_to(end);
                return;
            }
            at = end;
        }
        self.copy_data = CopyData::NoMore;
    }

    fn finish(&mut self) {
        self.body = Body::new(self.dialect);
        let Some(Current { range, real: true }) = self.current.take() else {
            return;
        };
        let place = self.places.place(range.start);
        let kind = kind::classify(&self.text[range.clone()], self.dialect);
        self.pieces
            .statements
            .push(Statement { range, place, kind });
    }
}

/// Whether rows for the statement would come from the client.
pub(crate) fn copies_from_stdin(statement: &str) -> bool {
    let opening = statement.as_bytes().get(..4);
    opening.is_some_and(|word| word.eq_ignore_ascii_case(b"copy")) && copies_with(statement, "FROM")
}

/// Whether `COPY` has this direction, and the client at its other end.
pub(crate) fn copies_with(statement: &str, direction: &str) -> bool {
    let mut depth = 0_usize;
    let mut before = None;
    for lexeme in lexemes(statement, Dialect::Postgres) {
        match lexeme.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let client = lexeme.is("STDIN") || lexeme.is("STDOUT");
        if depth == 0 && client && before.is_some_and(|before: Lexeme<'_>| before.is(direction)) {
            return true;
        }
        before = Some(lexeme);
    }
    false
}

#[cfg(test)]
mod tests;
