//! MySQL's user variables in a statement: which it reads, which it assigns to,
//! and whether what a SET assigns is the same in any session.

use super::unquoted;
use crate::split::phrase::{Lexeme, Opening, lexemes};
use crate::split::split;
use crate::{Dialect, TokenKind};

/// Functions of both servers that say the same of the same arguments at any
/// time. A function that is not named here may be a stored one.
const FUNCTIONS: &str = "CONCAT CONCAT_WS IF IFNULL NULLIF COALESCE REPLACE LOWER UPPER LCASE UCASE TRIM LTRIM RTRIM \
    SUBSTRING SUBSTR SUBSTRING_INDEX MID LEFT RIGHT REPEAT REVERSE SPACE LPAD RPAD LENGTH CHAR_LENGTH LOCATE INSTR \
    POSITION ELT FIELD FIND_IN_SET QUOTE HEX UNHEX CHAR ASCII ORD BIN OCT CONV ABS SIGN ROUND FLOOR CEIL CEILING \
    TRUNCATE MOD POW POWER GREATEST LEAST MD5 SHA1 SHA2 CRC32 CAST CONVERT DATABASE SCHEMA VERSION UNIX_TIMESTAMP";

/// Words of an expression, with the types that CAST knows.
const WORDS: &str = "AND OR XOR NOT DIV MOD IS NULL TRUE FALSE UNKNOWN LIKE ESCAPE REGEXP RLIKE IN BETWEEN CASE WHEN \
    THEN ELSE END BINARY COLLATE AS USING FROM FOR BOTH LEADING TRAILING CHAR CHARACTER SET CHARSET SIGNED UNSIGNED \
    INT INTEGER DECIMAL DOUBLE FLOAT DATE TIME DATETIME TIMESTAMP JSON";

/// A part of a statement: a user's variable, or anything else.
#[derive(Debug, Clone)]
pub(super) enum Piece<'t> {
    Variable(Variable),
    Other(Lexeme<'t>),
}

/// `@a`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    /// In lower case, without `@` and quotes.
    pub(super) name: String,
    pub(super) written: String,
}

impl Variable {
    fn of(name: &str) -> Self {
        Self {
            name: name.to_lowercase(),
            written: format!("@{name}"),
        }
    }
}

impl Piece<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Variable(variable) => &variable.written,
            Self::Other(lexeme) => lexeme.text,
        }
    }

    fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Other(lexeme) if lexeme.is(keyword))
    }

    /// `=` or `:=`, to which the sign of a number may stick.
    fn is_sign(&self) -> bool {
        self.text().starts_with('=') || self.is_assignment()
    }

    fn is_assignment(&self) -> bool {
        self.text().starts_with(":=")
    }
}

pub(super) fn pieces(statement: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut lexemes = lexemes(statement, Dialect::MySql).peekable();
    let quoted = |lexeme: &Lexeme<'_>| {
        matches!(lexeme.kind, TokenKind::QuotedIdentifier | TokenKind::String)
    };
    while let Some(lexeme) = lexemes.next() {
        let name = lexeme.text.strip_prefix('@');
        pieces.push(match (name, lexemes.peek()) {
            (Some(""), Some(name)) if quoted(name) => {
                let name = unquoted(name.text);
                lexemes.next();
                Piece::Variable(Variable::of(&name))
            }
            (Some(name), _) if lexeme.kind == TokenKind::Parameter && !name.starts_with('@') => {
                Piece::Variable(Variable::of(name))
            }
            _ => Piece::Other(lexeme),
        });
    }
    pieces
}

/// What a statement does with a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Reads(Variable),
    Assigns(Variable),
}

/// What a statement does with its variables, in its order: what it reads
/// before it has assigned, it reads as it was.
pub(super) fn events(pieces: &[Piece<'_>]) -> Vec<Event> {
    let mut events = Vec::new();
    // SET and INTO assign once all is read, `:=` behind its expression.
    let mut at_the_end = Vec::new();
    let mut behind: Vec<(usize, Variable)> = Vec::new();
    let (mut depth, mut set, mut into) = (0_usize, None, false);
    let begins = |word: &str| pieces.first().is_some_and(|piece| piece.is(word));
    let (mut columns, diagnostics) = (begins("LOAD"), begins("GET"));
    for (at, piece) in pieces.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| &pieces[at]);
        let after = pieces.get(at + 1);
        let variable = match piece {
            Piece::Variable(variable) => variable,
            Piece::Other(lexeme) => {
                match lexeme.text {
                    "(" => depth += 1,
                    ")" => depth = depth.saturating_sub(1),
                    _ => {}
                }
                let ends = lexeme.text == ";";
                let behind_it = |of: usize| {
                    ends || depth < of || (depth == of && (lexeme.text == "," || lexeme.is("FROM")))
                };
                let assigned = behind.extract_if(.., |(depth, _)| behind_it(*depth));
                events.extend(assigned.map(|(_, variable)| Event::Assigns(variable)));
                if ends {
                    events.extend(at_the_end.drain(..).map(Event::Assigns));
                    set = None;
                }
                if lexeme.is("SET") && !before.is_some_and(|before| before.is("CHARACTER")) {
                    set = Some(depth);
                    columns = false;
                }
                let goes_on = lexeme.text == "," || after.is_some_and(|after| after.text() == ",");
                into = lexeme.is("INTO") || (into && goes_on);
                continue;
            }
        };
        let target = after.is_some_and(Piece::is_sign);
        let of_set = target
            && set == Some(depth)
            && before.is_some_and(|before| before.is("SET") || before.text() == ",");
        if columns {
            // Row by row, and before its SET.
            events.push(Event::Assigns(variable.clone()));
        } else if into || of_set || (diagnostics && target) {
            at_the_end.push(variable.clone());
        } else if after.is_some_and(Piece::is_assignment) {
            behind.push((depth, variable.clone()));
        } else {
            events.push(Event::Reads(variable.clone()));
        }
    }
    let left = behind.into_iter().map(|(_, variable)| variable);
    events.extend(left.chain(at_the_end).map(Event::Assigns));
    events
}

/// Whether a text reads the variable as it was before.
pub(super) fn uses(text: &str, name: &str) -> bool {
    events(&pieces(text))
        .into_iter()
        .find_map(|event| match event {
            Event::Reads(variable) => (variable.name == name).then_some(true),
            Event::Assigns(variable) => (variable.name == name).then_some(false),
        })
        .unwrap_or(false)
}

/// The variables that a statement may assign to: those of a program or in a
/// CALL may all be.
pub(super) fn assigned(statement: &str) -> Vec<Variable> {
    // Rows to insert may be many.
    if !statement.contains('@') {
        return Vec::new();
    }
    let pieces = pieces(statement);
    if is_program(statement) || pieces.first().is_some_and(|first| first.is("CALL")) {
        return mentioned(statement);
    }
    let assigned = |event| match event {
        Event::Assigns(variable) => Some(variable),
        Event::Reads(_) => None,
    };
    events(&pieces).into_iter().filter_map(assigned).collect()
}

/// All the variables of a statement.
pub(super) fn mentioned(statement: &str) -> Vec<Variable> {
    let variable = |piece| match piece {
        Piece::Variable(variable) => Some(variable),
        Piece::Other(_) => None,
    };
    pieces(statement).into_iter().filter_map(variable).collect()
}

/// Whether the statement is a program without a name: `BEGIN NOT ATOMIC`, and
/// MariaDB's IF, CASE and loops.
pub(super) fn is_program(statement: &str) -> bool {
    let opening = Opening::of(statement, Dialect::MySql);
    let label = || {
        let second = opening.lexemes().get(1);
        second.is_some_and(|second| second.text == ":")
    };
    opening.starts("BEGIN NOT") || opening.starts("IF|CASE|LOOP|WHILE|REPEAT|FOR") || label()
}

/// Whether running a text of one or several MySQL statements a second time,
/// after it has failed somewhere, may begin with other values of the user's
/// variables. A SET by itself counts: what is run before it may read them.
#[must_use]
pub fn assigns_variables(text: &str, dialect: Dialect) -> bool {
    if dialect != Dialect::MySql || !text.contains('@') {
        return false;
    }
    let statements = split(text, dialect).unwrap_or_default();
    let several = statements.len() > 1;
    let mut read: Vec<Variable> = Vec::new();
    for statement in statements {
        let statement = &text[statement.range];
        let pieces = pieces(statement);
        let is_set = pieces.first().is_some_and(|first| first.is("SET"));
        for event in events(&pieces) {
            match event {
                Event::Reads(variable) => read.push(variable),
                Event::Assigns(variable) => {
                    let was_read = read.iter().any(|read| read.name == variable.name);
                    if !several || !is_set || was_read {
                        return true;
                    }
                }
            }
        }
    }
    false
}

/// One `a = 1` of a SET.
#[derive(Debug)]
pub(super) struct Assignment<'p, 't> {
    pub(super) target: Target,
    /// All of a form that has no sign, such as `NAMES utf8mb4`.
    value: &'p [Piece<'t>],
    signed: bool,
}

/// What a SET assigns to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Variable(Variable),
    /// The session's, in lower case.
    Setting(String),
    /// The server's.
    Elsewhere,
}

/// The assignments of a SET.
pub(super) fn assignments<'p, 't>(set: &'p [Piece<'t>]) -> Vec<Assignment<'p, 't>> {
    const ELSEWHERE: [&str; 3] = ["GLOBAL", "PERSIST", "PERSIST_ONLY"];
    let elsewhere = |scope: &str| {
        ELSEWHERE
            .iter()
            .any(|word| scope.eq_ignore_ascii_case(word))
    };
    let mut depth = 0_usize;
    // A scope holds for the names that follow it.
    let mut global = false;
    let groups = set.get(1..).unwrap_or_default().split(|piece| {
        match piece.text() {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && piece.text() == ","
    });
    let mut assignments = Vec::new();
    for group in groups {
        let sign = group.iter().position(Piece::is_sign);
        let (target, value) = match sign {
            Some(sign) => (&group[..sign], &group[sign + 1..]),
            None => (&group[..group.len().min(1)], group),
        };
        let Some(name) = target.last() else {
            continue;
        };
        let scope = target.first().map_or("", Piece::text);
        if elsewhere(scope) {
            global = true;
        } else if target.len() > 1 && ["SESSION", "LOCAL"].iter().any(|s| target[0].is(s)) {
            global = false;
        }
        let target = match name {
            Piece::Variable(variable) => Target::Variable(variable.clone()),
            Piece::Other(lexeme) => match lexeme.text.strip_prefix("@@") {
                Some(system) => match system.split_once('.') {
                    Some((scope, _)) if elsewhere(scope) => Target::Elsewhere,
                    _ => Target::Setting(setting(lexeme.text)),
                },
                None if global => Target::Elsewhere,
                None => Target::Setting(unquoted(lexeme.text).to_lowercase()),
            },
        };
        assignments.push(Assignment {
            target,
            value,
            signed: sign.is_some(),
        });
    }
    assignments
}

/// The name of `@@SESSION.Name`.
pub(super) fn setting(text: &str) -> String {
    let name = text.trim_start_matches('@');
    let name = name.split_once('.').map_or(name, |(_, name)| name);
    name.to_lowercase()
}

impl Assignment<'_, '_> {
    /// Whether the value depends on the setting.
    pub(super) fn reads_setting(&self, name: &str) -> bool {
        self.signed
            && self
                .value
                .iter()
                .any(|piece| piece.text().starts_with("@@") && setting(piece.text()) == name)
    }

    /// Whether the value is the same in any session in which the variables
    /// are that `is_known` says.
    pub(super) fn is_repeatable(&self, is_known: impl Fn(&Variable) -> bool) -> bool {
        if let Target::Setting(name) = &self.target {
            // It serves the next insert, which may have been.
            if name == "insert_id" {
                return false;
            }
            let one_word = matches!(self.value, [Piece::Other(lexeme)]
                if matches!(lexeme.kind, TokenKind::Word | TokenKind::QuotedIdentifier));
            if one_word || !self.signed {
                return true;
            }
        }
        is_repeatable(self.value, is_known)
    }
}

/// Whether an expression is made of what is the same in any session.
pub(super) fn is_repeatable(value: &[Piece<'_>], is_known: impl Fn(&Variable) -> bool) -> bool {
    let among = |words: &str, word: &str| {
        words
            .split_ascii_whitespace()
            .any(|known| known.eq_ignore_ascii_case(word))
    };
    value.iter().enumerate().all(|(at, piece)| {
        let follows = |mark: &str, by: usize| {
            let piece = value.get(at + by);
            piece.is_some_and(|piece| piece.text() == mark)
        };
        let lexeme = match piece {
            Piece::Variable(variable) => return is_known(variable),
            Piece::Other(lexeme) => lexeme,
        };
        match lexeme.kind {
            TokenKind::Number => true,
            // In ANSI_QUOTES mode it may be a function's name.
            TokenKind::String => !follows("(", 1),
            TokenKind::Parameter => lexeme.text.starts_with("@@") && is_steady(lexeme.text),
            TokenKind::Punctuation => {
                matches!(lexeme.text, "(" | ")" | ",")
                    || lexeme
                        .text
                        .bytes()
                        .all(|byte| b"+-*/<>=!%^&|~".contains(&byte))
            }
            TokenKind::Word if follows("(", 1) => {
                // Without an argument it tells the time.
                let clock = lexeme.is("UNIX_TIMESTAMP") && follows(")", 2);
                !clock && (among(FUNCTIONS, lexeme.text) || among(WORDS, lexeme.text))
            }
            TokenKind::Word => {
                let named = at.checked_sub(1).is_some_and(|before| {
                    let before = &value[before];
                    ["COLLATE", "USING", "CHARSET", "SET"]
                        .iter()
                        .any(|word| before.is(word))
                });
                named || lexeme.text.starts_with('_') || among(WORDS, lexeme.text)
            }
            _ => false,
        }
    })
}

/// Whether a system variable is a setting, rather than something that the
/// server tells of the session or of itself.
fn is_steady(text: &str) -> bool {
    let name = setting(text);
    let told = [
        "identity",
        "insert_id",
        "timestamp",
        "in_transaction",
        "pseudo_thread_id",
    ];
    !told.contains(&name.as_str())
        && ![
            "last_",
            "rand_seed",
            "gtid_",
            "error_count",
            "warning_count",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}
