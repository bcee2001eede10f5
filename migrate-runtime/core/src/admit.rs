//! What a migration's file may hold, decided before anything is sent: a file
//! that would end our transaction, wait for rows that never come, or drop the
//! lock, is refused with everything that is wrong in it. Pure; what the server
//! alone can know, it says itself.

mod control;
mod forbidden;
mod refusal;

use std::fmt;
use std::ops::Range;

use crate::split::{Opening, Pieces, PlaceCursor, pieces, under_settings};
use crate::{Dialect, Place, Statement, StatementKind};
use control::Control;
pub use refusal::{Refusal, RefusalKind};

/// How a migration is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunMode {
    /// The whole file in one transaction of ours.
    Transaction,
    /// Statement by statement with a checkpoint for each:
    /// `run_in_transaction = false`, and always on MySQL.
    Steps,
}

/// A migration's file that may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What is run, in order; without a BEGIN and COMMIT around all of it.
    pub statements: Vec<Statement>,
    /// What is sent to run all of it at once: from the first statement to the
    /// end of the last, whose terminator it lacks. Comments around are left
    /// out, so that text may be joined to both sides; empty if there is no
    /// statement. It has a meaning only for one delimiter: where MySQL's
    /// DELIMITER is used, run the statements.
    pub body: Range<usize>,
    /// What is worth telling, in the order of the file.
    pub notes: Vec<Note>,
}

/// Something about a script that is no error, but may surprise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The BEGIN and COMMIT around the whole file are taken for ours.
    OuterTransaction {
        /// Where the BEGIN stands.
        place: Place,
    },
    /// SQLite ignores the pragma in a transaction.
    PragmaIgnored {
        /// Where it stands.
        place: Place,
    },
    /// MySQL commits at this statement, in the middle of a transaction, whose
    /// statements are therefore steps of their own.
    ImplicitCommit {
        /// Where it stands.
        place: Place,
    },
}

impl Note {
    /// What it is about.
    #[must_use]
    pub fn place(&self) -> Place {
        match self {
            Self::OuterTransaction { place }
            | Self::PragmaIgnored { place }
            | Self::ImplicitCommit { place } => *place,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OuterTransaction { .. } => {
                "the BEGIN and COMMIT around the file are taken for the migration's own transaction"
            }
            Self::PragmaIgnored { .. } => {
                "SQLite ignores PRAGMA foreign_keys in a transaction; set `run_in_transaction = false` in metadata.toml"
            }
            Self::ImplicitCommit { .. } => {
                "MySQL commits at this statement, or may: each statement of the BEGIN … COMMIT around it is a step of its own"
            }
        })
    }
}

impl Script {
    /// Reads `text` as a migration that is run in `mode`.
    ///
    /// # Errors
    /// All [`Refusal`]s, in the order of the file.
    pub fn admit(text: &str, dialect: Dialect, mode: RunMode) -> Result<Self, Vec<Refusal>> {
        let Pieces {
            statements,
            client_commands,
            error,
        } = pieces(text, dialect);
        let mut admission = Admission {
            text,
            dialect,
            mode,
            refusals: error.map(Refusal::from).into_iter().collect(),
            notes: Vec::new(),
            places: PlaceCursor::new(text),
        };
        for range in client_commands {
            let place = admission.places.place(range.start);
            let command = text[range.clone()]
                .split_ascii_whitespace()
                .next()
                .unwrap_or("")
                .to_owned();
            let kind = match dialect {
                Dialect::Postgres => RefusalKind::PsqlMetaCommand { command },
                Dialect::MySql => RefusalKind::MysqlClientCommand { command },
                Dialect::Sqlite => RefusalKind::SqliteDotCommand { command },
            };
            admission.refusals.push(Refusal { kind, range, place });
        }
        let statements = match mode {
            RunMode::Transaction => admission.transaction(statements),
            RunMode::Steps => admission.steps(statements),
        };
        let Admission {
            mut refusals,
            notes,
            ..
        } = admission;
        if !refusals.is_empty() {
            refusals.sort_by_key(|refusal| refusal.range.start);
            return Err(refusals);
        }
        let body = match (statements.first(), statements.last()) {
            (Some(first), Some(last)) => first.range.start..last.range.end,
            _ => 0..0,
        };
        Ok(Self {
            statements,
            body,
            notes,
        })
    }
}

/// What has been found so far.
struct Admission<'t> {
    text: &'t str,
    dialect: Dialect,
    mode: RunMode,
    refusals: Vec<Refusal>,
    notes: Vec<Note>,
    places: PlaceCursor<'t>,
}

/// A transaction of the file's own that is being read.
struct Open {
    begin: Statement,
    inside: Vec<Statement>,
    /// Those that set savepoints or go back to them, with their first words.
    savepoints: Vec<(Statement, String)>,
    /// Where MySQL commits for the first time, if it does.
    commit: Option<Place>,
}

impl Open {
    fn at(begin: Statement) -> Self {
        Self {
            begin,
            inside: Vec::new(),
            savepoints: Vec::new(),
            commit: None,
        }
    }
}

/// Whether a statement runs in a transaction, ours or the file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    Inside,
    Outside,
}

impl Admission<'_> {
    fn refuse(&mut self, statement: &Statement, kind: RefusalKind) {
        self.refusals.push(Refusal {
            kind,
            range: statement.range.clone(),
            place: statement.place,
        });
    }

    /// The statements less a BEGIN and COMMIT around them.
    fn transaction(&mut self, mut statements: Vec<Statement>) -> Vec<Statement> {
        let mut controls = Vec::new();
        for (index, statement) in statements.iter().enumerate() {
            let text = under_settings(&self.text[statement.range.clone()], self.dialect);
            let opening = Opening::of(text, self.dialect);
            match control::read(text, &opening, self.dialect) {
                // These are balanced within the transaction, or the server
                // says that they aren't.
                Some(Control::Savepoint) | None => {
                    self.contents(statement, &opening, Transaction::Inside)
                }
                Some(control) => controls.push((index, control, opening.words(3))),
            }
        }
        let last = statements.len().saturating_sub(1);
        if let [
            (0, Control::Begin { plain: true }, _),
            (commit, Control::Commit { plain: true }, _),
        ] = controls[..]
            && commit == last
        {
            statements.pop();
            let place = statements.remove(0).place;
            self.notes.insert(0, Note::OuterTransaction { place });
            return statements;
        }
        for (index, control, words) in controls {
            let kind = match control {
                Control::Mode { .. } => RefusalKind::TransactionMode { words },
                _ => RefusalKind::TransactionControl {
                    words,
                    mode: self.mode,
                },
            };
            self.refuse(&statements[index], kind);
        }
        statements
    }

    /// The statements with each BEGIN … COMMIT made one of them, unless MySQL
    /// would commit within.
    fn steps(&mut self, statements: Vec<Statement>) -> Vec<Statement> {
        let mut steps = Vec::with_capacity(statements.len());
        let mut open: Option<Open> = None;
        for statement in statements {
            let text = under_settings(&self.text[statement.range.clone()], self.dialect);
            let opening = Opening::of(text, self.dialect);
            let control = control::read(text, &opening, self.dialect);
            let words = || opening.words(3);
            match (control, &mut open) {
                (None, Some(block)) => {
                    self.contents(&statement, &opening, Transaction::Inside);
                    if block.commit.is_none() && self.may_commit(&statement, &opening) {
                        block.commit = Some(statement.place);
                    }
                    block.inside.push(statement);
                }
                (None, None) => {
                    self.contents(&statement, &opening, Transaction::Outside);
                    steps.push(statement);
                }
                (Some(Control::Begin { .. }), None) => open = Some(Open::at(statement)),
                (Some(Control::Begin { .. }), Some(_)) => {
                    self.refuse(
                        &statement,
                        RefusalKind::NestedTransaction { words: words() },
                    );
                }
                (Some(Control::Commit { plain: true }), Some(_)) => {
                    if let Some(block) = open.take() {
                        self.close(block, &statement, &mut steps);
                    }
                }
                (Some(Control::Savepoint), Some(block)) => {
                    block.savepoints.push((statement, words()))
                }
                // What SET TRANSACTION does to the file's own transaction is
                // its own affair.
                (Some(Control::Mode { session: false }), Some(_)) => {}
                (Some(Control::Mode { .. }), _) => {
                    self.refuse(&statement, RefusalKind::TransactionMode { words: words() });
                }
                (Some(Control::Commit { plain: true } | Control::Savepoint), None) => {
                    self.refuse(&statement, RefusalKind::NoTransaction { words: words() });
                }
                (Some(Control::Commit { plain: false } | Control::Other), _) => {
                    self.refuse(
                        &statement,
                        RefusalKind::TransactionControl {
                            words: words(),
                            mode: self.mode,
                        },
                    );
                }
            }
        }
        if let Some(block) = open {
            self.refuse(&block.begin, RefusalKind::NeverCommitted);
        }
        steps
    }

    /// Makes a step of a transaction, or one of each of its statements: what
    /// ran before the commit in its middle would run twice after a crash.
    fn close(&mut self, block: Open, commit: &Statement, steps: &mut Vec<Statement>) {
        let Some(place) = block.commit else {
            steps.push(Statement {
                range: block.begin.range.start..commit.range.end,
                place: block.begin.place,
                kind: StatementKind::Block,
            });
            return;
        };
        self.notes.push(Note::ImplicitCommit { place });
        for (savepoint, words) in block.savepoints {
            self.refuse(&savepoint, RefusalKind::LostTransaction { words });
        }
        steps.extend(block.inside);
    }

    /// Whether MySQL commits at the statement, as far as we can tell.
    fn may_commit(&self, statement: &Statement, opening: &Opening<'_>) -> bool {
        self.dialect == Dialect::MySql
            && statement.kind != StatementKind::Dml
            && !forbidden::stays_in_transaction(opening)
    }

    /// Judges a statement that doesn't control transactions.
    fn contents(&mut self, statement: &Statement, opening: &Opening<'_>, transaction: Transaction) {
        let text = under_settings(&self.text[statement.range.clone()], self.dialect);
        if let Some(kind) = forbidden::anywhere(text, opening, self.dialect) {
            self.refuse(statement, kind);
        }
        if transaction == Transaction::Outside {
            return;
        }
        if let Some(what) = forbidden::in_transaction(text, opening, self.dialect) {
            self.refuse(
                statement,
                RefusalKind::NeedsNoTransaction {
                    what,
                    mode: self.mode,
                },
            );
        }
        let place = statement.place;
        if self.dialect == Dialect::Sqlite && forbidden::sets_pragma(opening, &["foreign_keys"]) {
            self.notes.push(Note::PragmaIgnored { place });
        }
    }
}

#[cfg(test)]
mod tests;
