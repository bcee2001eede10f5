//! The blocks that are open inside a body. PostgreSQL and SQLite have one,
//! which ends with an END at the start of a statement. MySQL nests them, and
//! has IF and CASE both as statements, which hold statements, and as
//! expressions, which don't.

use super::is_one_of;
use crate::TokenKind;

/// The open blocks, and what the next word may be.
#[derive(Debug)]
pub(super) struct Blocks {
    open: Vec<Block>,
    expects: Expects,
    /// Whether the token before ends an operand, so that an END after it
    /// closes a CASE rather than naming a column.
    after_operand: bool,
    nested: Nested,
}

/// Whether the dialect has blocks within blocks.
#[derive(Debug, PartialEq)]
enum Nested {
    Yes,
    No,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Block {
    Begin,
    If,
    Case,
    /// `CASE … END` that is a value.
    CaseValue,
    Loop,
    Repeat,
    /// REPEAT after its UNTIL: the END follows an expression.
    RepeatUntil,
    /// WHILE and FOR, whose statements follow DO.
    While,
}

/// What the next word may be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Expects {
    /// The first word of a statement, END, or a label.
    Statement,
    /// The colon that makes the word before a label.
    Colon,
    /// The IF, CASE or LOOP of `END IF`, or nothing.
    EndOf,
    /// After DECLARE: what a handler begins with.
    Declared,
    /// In a handler's conditions, where one is due.
    Condition,
    /// In a handler's conditions, after one.
    AfterCondition,
    /// The name after FOLLOWS or PRECEDES, then the statement.
    OtherTrigger,
    /// Anything.
    Rest,
}

impl Blocks {
    /// The words that open a block where a statement begins.
    pub(super) const OPENED_BY: &str = "BEGIN IF CASE LOOP REPEAT WHILE FOR";

    /// PostgreSQL's and SQLite's one block.
    pub(super) fn single() -> Self {
        Self {
            open: vec![Block::Begin],
            expects: Expects::Statement,
            after_operand: false,
            nested: Nested::No,
        }
    }

    /// MySQL's, where the body's statement begins.
    pub(super) fn at_statement() -> Self {
        Self {
            open: Vec::new(),
            expects: Expects::Statement,
            after_operand: false,
            nested: Nested::Yes,
        }
    }

    /// MySQL's, after the body's first word.
    pub(super) fn opened_by(word: &str) -> Self {
        let mut blocks = Self::at_statement();
        blocks.statement(word);
        blocks
    }

    /// A body that is a plain statement.
    pub(super) fn none() -> Self {
        Self {
            expects: Expects::Rest,
            ..Self::at_statement()
        }
    }

    pub(super) fn all_closed(&self) -> bool {
        self.open.is_empty()
    }

    /// Reads the body's next token.
    pub(super) fn token(&mut self, kind: TokenKind, text: &str) {
        match kind {
            TokenKind::Word => {
                self.word(text);
                self.after_operand = !is_one_of(
                    text,
                    "CASE WHEN THEN ELSE AND OR XOR NOT BETWEEN IN LIKE RLIKE REGEXP IS AS DIV MOD",
                );
            }
            _ if text == ";" => self.semicolon(),
            TokenKind::Punctuation => {
                self.after_operand = text == ")";
                self.expects = match (self.expects, text) {
                    (Expects::Colon, ":") => Expects::Statement,
                    (Expects::AfterCondition | Expects::Condition, ",") => Expects::Condition,
                    _ => Expects::Rest,
                };
            }
            _ => {
                self.after_operand = true;
                self.expects = match self.expects {
                    Expects::Statement if kind == TokenKind::QuotedIdentifier => Expects::Colon,
                    // The name of the trigger, an error's number, a state.
                    Expects::OtherTrigger => Expects::Statement,
                    Expects::Condition | Expects::AfterCondition => Expects::AfterCondition,
                    _ => Expects::Rest,
                };
            }
        }
    }

    fn semicolon(&mut self) {
        self.expects = Expects::Statement;
        self.after_operand = false;
    }

    fn word(&mut self, word: &str) {
        match std::mem::replace(&mut self.expects, Expects::Rest) {
            Expects::Statement => self.statement(word),
            Expects::EndOf if is_one_of(word, Self::OPENED_BY) => {}
            Expects::Declared => {
                self.expects = if is_one_of(word, "CONTINUE EXIT UNDO HANDLER") {
                    Expects::Declared
                } else if is_one_of(word, "FOR") {
                    Expects::Condition
                } else {
                    Expects::Rest
                };
            }
            Expects::Condition if is_one_of(word, "SQLSTATE VALUE") => {
                self.expects = Expects::Condition
            }
            Expects::Condition => self.expects = Expects::AfterCondition,
            // NOT FOUND, SQLSTATE VALUE '…'
            Expects::AfterCondition if is_one_of(word, "FOUND VALUE") => {
                self.expects = Expects::AfterCondition
            }
            Expects::AfterCondition => self.statement(word),
            Expects::OtherTrigger => self.expects = Expects::Statement,
            Expects::Colon | Expects::EndOf | Expects::Rest => self.further(word),
        }
    }

    /// A word that begins a statement, or ends a block of statements.
    fn statement(&mut self, word: &str) {
        let is = |keywords: &str| is_one_of(word, keywords);
        if is("END") {
            self.open.pop();
            self.expects = if self.nested == Nested::Yes {
                Expects::EndOf
            } else {
                Expects::Rest
            };
            return;
        }
        if self.nested == Nested::No {
            return;
        }
        let (block, expects) = match () {
            () if is("BEGIN") => (Some(Block::Begin), Expects::Statement),
            () if is("IF") => (Some(Block::If), Expects::Rest),
            () if is("CASE") => (Some(Block::Case), Expects::Rest),
            () if is("LOOP") => (Some(Block::Loop), Expects::Statement),
            () if is("REPEAT") => (Some(Block::Repeat), Expects::Statement),
            () if is("WHILE FOR") => (Some(Block::While), Expects::Rest),
            () if is("ELSE") => (None, Expects::Statement),
            () if is("DECLARE") => (None, Expects::Declared),
            () if is("FOLLOWS PRECEDES") && self.open.is_empty() => (None, Expects::OtherTrigger),
            () => (None, Expects::Colon),
        };
        if is("UNTIL")
            && let Some(last @ Block::Repeat) = self.open.last_mut()
        {
            *last = Block::RepeatUntil;
        }
        self.open.extend(block);
        self.expects = expects;
    }

    /// A word within a statement.
    fn further(&mut self, word: &str) {
        if self.nested == Nested::No {
            return;
        }
        let is = |keywords: &str| is_one_of(word, keywords);
        match self.open.last() {
            _ if is("CASE") => self.open.push(Block::CaseValue),
            Some(Block::CaseValue) if is("END") && self.after_operand => {
                self.open.pop();
            }
            Some(Block::RepeatUntil) if is("END") && self.after_operand => {
                self.open.pop();
                self.expects = Expects::EndOf;
            }
            Some(Block::If | Block::Case) if is("THEN") => self.expects = Expects::Statement,
            Some(Block::While) if is("DO LOOP") => self.expects = Expects::Statement,
            _ => {}
        }
    }
}
