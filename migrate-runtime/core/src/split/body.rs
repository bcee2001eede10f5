//! Which semicolons belong to the body of a function, procedure, trigger,
//! event or rule, and which one ends the statement. Reads only the words that
//! open and close blocks; where a body is open the semicolons are its own.

mod block;

use crate::{Dialect, TokenKind};
use block::Blocks;

/// What the statement being read has shown of itself so far.
#[derive(Debug)]
pub(crate) struct Body {
    dialect: Dialect,
    phase: Phase,
    before: Before,
    parentheses: usize,
}

#[derive(Debug)]
enum Phase {
    /// No word yet.
    Start,
    /// After CREATE or ALTER, before the word that tells what.
    Opening,
    /// A statement without a body.
    Plain,
    /// PostgreSQL's `CREATE RULE … DO ( a; b )`.
    Rule,
    /// A program, before its body.
    Header(Header),
    /// In the body, or after it.
    Inside(Blocks),
}

/// Which program's header it is, as that tells where the body begins.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Header {
    /// At PostgreSQL's `BEGIN ATOMIC`.
    Atomic,
    /// At `BEGIN`.
    SqliteTrigger,
    /// After `FOR EACH ROW`.
    Trigger,
    /// After `DO`.
    Event,
    /// Somewhere after the name and the parameters.
    Routine,
    /// Somewhere after the parameters, which have been closed.
    RoutineAfterParameters,
}

/// The token before, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Before {
    Begin,
    /// NOT, as in BEGIN NOT ATOMIC.
    Not,
    Each,
    Equals,
    Dot,
    /// CHARACTER or RETURNS, after which SET is a type.
    Type,
    Other,
}

/// What a body without a block begins with. IF, CASE and BEGIN in these are no
/// blocks.
const VERBS: &str = "RETURN SELECT INSERT UPDATE DELETE CALL REPLACE DO WITH SET CREATE ALTER DROP TRUNCATE RENAME \
                     GRANT REVOKE EXECUTE PREPARE DEALLOCATE SIGNAL RESIGNAL FLUSH ANALYZE OPTIMIZE LOCK KILL VALUES \
                     TABLE START COMMIT SHOW";

impl Body {
    /// At the start of a statement.
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            phase: Phase::Start,
            before: Before::Other,
            parentheses: 0,
        }
    }

    /// Whether a semicolon here ends the statement.
    pub(crate) fn semicolon_ends(&self) -> bool {
        match &self.phase {
            Phase::Start | Phase::Opening | Phase::Plain | Phase::Header(_) => true,
            Phase::Rule => self.parentheses == 0,
            Phase::Inside(blocks) => blocks.all_closed(),
        }
    }

    /// Whether the statement is a program, whose semicolons are its own where
    /// the delimiter is another.
    pub(crate) fn is_program(&self) -> bool {
        matches!(self.phase, Phase::Header(_) | Phase::Inside(_))
    }

    /// Reads the statement's next token.
    pub(crate) fn token(&mut self, kind: TokenKind, text: &str) {
        // Hints stand before a statement, or for a part of MySQL's header that
        // tells us nothing (the DEFINER).
        if kind == TokenKind::Hint || matches!(self.phase, Phase::Plain) {
            return;
        }
        let word = (kind == TokenKind::Word).then_some(text);
        match text {
            "(" => self.parentheses += 1,
            ")" => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        match &mut self.phase {
            Phase::Start => self.phase = start(word, self.dialect),
            Phase::Opening => {
                // DEFINER = name
                let word = word.filter(|_| self.before != Before::Equals);
                if let Some(word) = word {
                    self.phase = opening(word, self.before, self.dialect);
                }
            }
            Phase::Header(Header::Routine) if text == ")" && self.parentheses == 0 => {
                self.phase = Phase::Header(Header::RoutineAfterParameters);
            }
            Phase::Header(header) => {
                if let (Some(word), header) = (word, *header)
                    && let Some(blocks) = self.header(header, word)
                {
                    self.phase = Phase::Inside(blocks);
                }
            }
            Phase::Inside(blocks) => blocks.token(kind, text),
            Phase::Plain | Phase::Rule => {}
        }
        self.before = Before::of(kind, text);
    }

    /// The blocks of the body that begins with `word`, if one does.
    fn header(&self, header: Header, word: &str) -> Option<Blocks> {
        let begins = match header {
            Header::Atomic => self.before == Before::Begin && is_one_of(word, "ATOMIC"),
            Header::SqliteTrigger => self.before != Before::Dot && is_one_of(word, "BEGIN"),
            Header::Trigger => self.before == Before::Each && is_one_of(word, "ROW"),
            Header::Event => self.parentheses == 0 && is_one_of(word, "DO"),
            Header::Routine => false,
            Header::RoutineAfterParameters => {
                let set = is_one_of(word, "SET") && self.before == Before::Type;
                return match () {
                    () if self.parentheses > 0 || set => None,
                    () if is_one_of(word, Blocks::OPENED_BY) => Some(Blocks::opened_by(word)),
                    () if is_one_of(word, VERBS) => Some(Blocks::none()),
                    () => None,
                };
            }
        };
        begins.then(|| match self.dialect {
            Dialect::MySql => Blocks::at_statement(),
            Dialect::Postgres | Dialect::Sqlite => Blocks::single(),
        })
    }
}

/// The phase after a statement's first token.
fn start(word: Option<&str>, dialect: Dialect) -> Phase {
    let is = |keywords: &str| word.is_some_and(|word| is_one_of(word, keywords));
    match dialect {
        _ if is("CREATE") => Phase::Opening,
        Dialect::Sqlite if is("EXPLAIN") => Phase::Opening,
        Dialect::MySql if is("ALTER BEGIN") => Phase::Opening,
        // MariaDB runs compound statements outside of programs, too.
        Dialect::MySql if is("IF CASE LOOP REPEAT WHILE FOR") => {
            word.map_or(Phase::Plain, |word| Phase::Inside(Blocks::opened_by(word)))
        }
        _ => Phase::Plain,
    }
}

/// The phase after a further word of a statement's opening.
fn opening(word: &str, before: Before, dialect: Dialect) -> Phase {
    let is = |keywords: &str| is_one_of(word, keywords);
    match dialect {
        Dialect::Postgres if is("OR REPLACE") => Phase::Opening,
        Dialect::Postgres if is("FUNCTION PROCEDURE") => Phase::Header(Header::Atomic),
        Dialect::Postgres if is("RULE") => Phase::Rule,
        Dialect::Sqlite if is("QUERY PLAN CREATE TEMP TEMPORARY") => Phase::Opening,
        Dialect::Sqlite if is("TRIGGER") => Phase::Header(Header::SqliteTrigger),
        // MariaDB's BEGIN NOT ATOMIC; any other BEGIN begins a transaction.
        Dialect::MySql if before == Before::Begin && is("NOT") => Phase::Opening,
        Dialect::MySql if before == Before::Not => Phase::Inside(Blocks::opened_by("BEGIN")),
        Dialect::MySql if before == Before::Begin => Phase::Plain,
        Dialect::MySql if is("OR REPLACE DEFINER AGGREGATE SQL SECURITY INVOKER") => Phase::Opening,
        Dialect::MySql if is("PROCEDURE FUNCTION PACKAGE") => Phase::Header(Header::Routine),
        Dialect::MySql if is("TRIGGER") => Phase::Header(Header::Trigger),
        Dialect::MySql if is("EVENT") => Phase::Header(Header::Event),
        Dialect::Postgres | Dialect::MySql | Dialect::Sqlite => Phase::Plain,
    }
}

impl Before {
    fn of(kind: TokenKind, text: &str) -> Self {
        match text {
            "=" => Self::Equals,
            "." => Self::Dot,
            _ if kind != TokenKind::Word => Self::Other,
            _ if is_one_of(text, "BEGIN") => Self::Begin,
            _ if is_one_of(text, "NOT") => Self::Not,
            _ if is_one_of(text, "EACH") => Self::Each,
            _ if is_one_of(text, "CHARACTER CHAR RETURNS") => Self::Type,
            _ => Self::Other,
        }
    }
}

/// Whether the word is one of the keywords, in any case.
fn is_one_of(word: &str, keywords: &str) -> bool {
    keywords
        .split_ascii_whitespace()
        .any(|keyword| word.eq_ignore_ascii_case(keyword))
}
