//! The session of a file's finished part, statement by statement: what can be
//! made again, and what has ended with it.

use std::collections::BTreeMap;

use super::temporary::Temporaries;
use super::variables::{
    Target, Variable, assigned, assignments, is_program, is_repeatable, mentioned, pieces,
};
use super::{Key, Thing, Told, identifier, strings};
use crate::split::phrase::{Lexeme, Opening, lexemes, under_settings};
use crate::split::session::sets_session;
use crate::{Dialect, TokenKind};

/// What a session holds.
#[derive(Debug)]
pub(super) struct Session<'t> {
    pub(super) dialect: Dialect,
    /// To be run again, with the index of each one's step.
    pub(super) again: Vec<(usize, &'t str)>,
    /// The prepared statements that are open, by name.
    pub(super) prepared: BTreeMap<String, Prepared<'t>>,
    variables: BTreeMap<String, Value>,
    temporary: Temporaries,
    /// The tables that a HANDLER has opened.
    handlers: BTreeMap<String, (usize, String)>,
    /// The settings that cannot be made again.
    settings: BTreeMap<String, usize>,
    told: Vec<(Told, usize)>,
    /// Strings that may have become statements.
    strings: Vec<String>,
    /// The procedures and functions that were created, with their text.
    routines: BTreeMap<String, &'t str>,
    /// The database in use, if it was named.
    schema: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// What is run again makes it.
    Known,
    Lost {
        statement: usize,
        written: String,
    },
}

/// A prepared statement.
#[derive(Debug, Clone)]
pub(super) struct Prepared<'t> {
    pub(super) statement: usize,
    /// Its PREPARE.
    pub(super) text: &'t str,
    pub(super) written: String,
    /// Whether the PREPARE can be run again.
    pub(super) is_repeatable: bool,
    /// What it runs, if that is written there.
    source: Option<String>,
}

impl<'t> Session<'t> {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            again: Vec::new(),
            prepared: BTreeMap::new(),
            variables: BTreeMap::new(),
            temporary: Temporaries::default(),
            handlers: BTreeMap::new(),
            settings: BTreeMap::new(),
            told: Vec::new(),
            strings: Vec::new(),
            routines: BTreeMap::new(),
            schema: None,
        }
    }

    /// A statement of the finished step `index`.
    pub(super) fn runs(&mut self, index: usize, statement: &'t str) {
        if self.dialect == Dialect::MySql {
            self.runs_on_mysql(index, statement);
            return;
        }
        if sets_session(statement, self.dialect) {
            self.again.push((index, statement));
        }
        self.temporary.run(index, statement, None, self.dialect);
    }

    fn runs_on_mysql(&mut self, index: usize, whole: &'t str) {
        let statement = under_settings(whole, Dialect::MySql);
        let opening = Opening::of(statement, Dialect::MySql);
        if let Some(routine) = Routine::of(&opening) {
            if let Routine::Named(name) = routine {
                self.routines.insert(name, statement);
            }
            return;
        }
        if opening.starts("DROP PROCEDURE|FUNCTION") {
            let name = opening.lexemes().last().and_then(identifier);
            name.map(|name| self.routines.remove(&name.to_lowercase()));
            return;
        }
        let mut dynamic = strings(statement);
        if opening.starts("EXECUTE") {
            self.executes(index, statement, &dynamic);
        }
        self.strings.append(&mut dynamic);
        if opening.starts("SET") && statement.len() == whole.len() {
            self.sets(index, statement);
        } else {
            for variable in assigned(statement) {
                self.lose(index, variable);
            }
        }
        if let Some(name) = opening.after("USE").and_then(<[_]>::first) {
            self.again.push((index, whole));
            self.schema = identifier(name);
        }
        self.prepares(index, statement, &opening);
        self.handles(index, &opening);
        if is_program(statement) {
            self.temporary
                .may_run(index, statement, self.schema.as_deref());
        }
        self.calls(index, statement);
        self.temporary
            .run(index, statement, self.schema.as_deref(), Dialect::MySql);
        for told in Told::ALL {
            // LAST_INSERT_ID(n) sets what LAST_INSERT_ID() tells.
            let sets_it = told == Told::InsertId
                && opening.starts("UPDATE|SELECT")
                && told.asked_in(statement).is_some();
            let may = opening.starts("CALL|EXECUTE") || is_program(statement);
            if told.is_left_by(&opening) || may || sets_it {
                self.told.retain(|(other, _)| *other != told);
                self.told.push((told, index));
            }
        }
    }

    fn lose(&mut self, statement: usize, variable: Variable) {
        let Variable { name, written } = variable;
        self.variables
            .insert(name, Value::Lost { statement, written });
    }

    fn is_known(&self, variable: &Variable) -> bool {
        self.variables.get(&variable.name) == Some(&Value::Known)
    }

    fn sets(&mut self, index: usize, statement: &'t str) {
        let opening = Opening::of(statement, Dialect::MySql);
        // One for the next transaction alone has gone with our record of it.
        if opening.starts("SET TRANSACTION|PASSWORD") || opening.starts("SET DEFAULT ROLE") {
            return;
        }
        let pieces = pieces(statement);
        let assignments = assignments(&pieces);
        let elsewhere = |target: &Target| *target == Target::Elsewhere;
        let again = assignments.iter().all(|assignment| {
            !elsewhere(&assignment.target)
                && assignment.is_repeatable(|variable| self.is_known(variable))
        });
        let targets = assignments.into_iter().map(|assignment| assignment.target);
        let targets: Vec<Target> = targets.collect();
        if again {
            self.again.push((index, statement));
        } else {
            for variable in assigned(statement) {
                self.lose(index, variable);
            }
        }
        for target in targets {
            match target {
                Target::Variable(variable) if again => {
                    self.variables.insert(variable.name, Value::Known);
                }
                Target::Setting(name) if again => {
                    self.settings.remove(&name);
                }
                Target::Setting(name) => {
                    self.settings.insert(name, index);
                }
                Target::Variable(_) | Target::Elsewhere => {}
            }
        }
    }

    fn prepares(&mut self, index: usize, statement: &'t str, opening: &Opening<'_>) {
        let gone = opening.after("DEALLOCATE|DROP PREPARE");
        if let Some(name) = gone.and_then(<[_]>::first).and_then(identifier) {
            self.prepared.remove(&name.to_lowercase());
        }
        let Some([name, _, ..]) = opening.after("PREPARE") else {
            return;
        };
        let Some(written) = identifier(name) else {
            return;
        };
        let pieces = pieces(statement);
        // PREPARE name FROM …
        let source = pieces.get(3..).unwrap_or_default();
        let is_repeatable = is_repeatable(source, |variable| self.is_known(variable));
        let mut texts = strings(statement);
        let literal = source.len() == 1 && texts.len() == 1;
        let prepared = Prepared {
            statement: index,
            text: statement,
            written: written.clone(),
            is_repeatable,
            source: texts.pop().filter(|_| literal),
        };
        self.prepared.insert(written.to_lowercase(), prepared);
    }

    /// What a prepared statement may have done: what it says, or, where it was
    /// put together, what any string so far says.
    fn executes(&mut self, index: usize, statement: &str, own: &[String]) {
        let opening = Opening::of(statement, Dialect::MySql);
        let name = opening.after("EXECUTE").and_then(<[_]>::first);
        let known = name
            .and_then(identifier)
            .and_then(|name| self.prepared.get(&name.to_lowercase()))
            .and_then(|prepared| prepared.source.clone());
        // A procedure may assign to its arguments.
        let assigns = known
            .as_ref()
            .is_none_or(|text| Opening::of(text, Dialect::MySql).starts("CALL"));
        if assigns {
            for variable in mentioned(statement) {
                self.lose(index, variable);
            }
        }
        let texts = match known {
            Some(text) => vec![text],
            None => self.strings.iter().chain(own).cloned().collect(),
        };
        for text in texts {
            for variable in assigned(&text) {
                self.lose(index, variable);
            }
            if Opening::of(&text, Dialect::MySql).starts("SET") {
                for assignment in assignments(&pieces(&text)) {
                    if let Target::Setting(name) = assignment.target {
                        self.settings.insert(name, index);
                    }
                }
            }
            self.temporary.may_run(index, &text, self.schema.as_deref());
        }
    }

    fn handles(&mut self, index: usize, opening: &Opening<'_>) {
        let Some([first, rest @ ..]) = opening.after("HANDLER") else {
            return;
        };
        // HANDLER [schema .] table OPEN [[AS] alias]
        let (table, rest) = match rest {
            [dot, table, rest @ ..] if dot.text == "." => (table, rest),
            _ => (first, rest),
        };
        let [open, rest @ ..] = rest else {
            return;
        };
        let alias = rest.iter().find(|lexeme| !lexeme.is("AS"));
        let Some(name) = identifier(alias.filter(|_| open.is("OPEN")).unwrap_or(table)) else {
            return;
        };
        if open.is("OPEN") {
            self.handlers.insert(name.to_lowercase(), (index, name));
        } else if open.is("CLOSE") {
            self.handlers.remove(&name.to_lowercase());
        }
    }

    /// What the routines that the file itself has created did to the session.
    fn calls(&mut self, index: usize, statement: &str) {
        if self.routines.is_empty() {
            return;
        }
        let bodies: Vec<&str> = lexemes(statement, Dialect::MySql)
            .filter_map(|lexeme| {
                self.routines
                    .get(&identifier(&lexeme)?.to_lowercase())
                    .copied()
            })
            .collect();
        for body in bodies {
            for variable in assigned(body) {
                self.lose(index, variable);
            }
            // Behind the CREATE of its own.
            self.temporary.may_run(index, body, self.schema.as_deref());
        }
    }

    /// What has ended with the session.
    pub(super) fn lost(&mut self) -> Vec<Thing> {
        let mut things = Vec::new();
        for (name, statement) in &self.settings {
            let what = format!("the setting {name}");
            things.push(Thing::new(Key::Setting(name.clone()), *statement, what));
        }
        for there in &self.temporary.0 {
            let name = &there.name.name;
            let what = format!("{} `{name}`", there.kind);
            things.push(Thing::new(Key::Table(name.clone()), there.statement, what));
        }
        for (name, value) in &self.variables {
            if let Value::Lost { statement, written } = value {
                let key = Key::Variable(name.clone());
                things.push(Thing::new(key, *statement, written.clone()));
            }
        }
        for (name, prepared) in &self.prepared {
            if !prepared.is_repeatable {
                let what = format!("prepared statement {}", prepared.written);
                let key = Key::Prepared(name.clone());
                things.push(Thing::new(key, prepared.statement, what));
            }
        }
        for (name, (statement, written)) in &self.handlers {
            let what = format!("handler {written}");
            things.push(Thing::new(Key::Handler(name.clone()), *statement, what));
        }
        for (told, statement) in &self.told {
            things.push(Thing::new(Key::Told(*told), *statement, String::new()));
        }
        for thing in &mut things {
            let named = |text: &str| thing.is_named_in(text, self.dialect);
            let in_strings = self.strings.iter().any(|text| named(text));
            let routines = self.routines.iter().filter(|(_, body)| named(body));
            let routines = routines.map(|(name, _)| name.clone()).collect();
            thing.in_strings = in_strings;
            thing.routines = routines;
        }
        things
    }
}

/// What runs later, or when it is called.
pub(super) enum Routine {
    /// A procedure or function, by its name in lower case.
    Named(String),
    /// A trigger, an event or a package.
    Unseen,
}

impl Routine {
    /// What a statement creates, if it is one.
    pub(super) fn of(opening: &Opening<'_>) -> Option<Self> {
        const NOUNS: [&str; 11] = [
            "TABLE",
            "VIEW",
            "INDEX",
            "SEQUENCE",
            "DATABASE",
            "SCHEMA",
            "PROCEDURE",
            "FUNCTION",
            "TRIGGER",
            "EVENT",
            "PACKAGE",
        ];
        let [create, rest @ ..] = opening.lexemes() else {
            return None;
        };
        let at = rest
            .iter()
            .position(|lexeme| NOUNS.iter().any(|noun| lexeme.is(noun)))?;
        let noun = &rest[at];
        if !create.is("CREATE") {
            return None;
        }
        if noun.is("TRIGGER") || noun.is("EVENT") || noun.is("PACKAGE") {
            return Some(Self::Unseen);
        }
        if !noun.is("PROCEDURE") && !noun.is("FUNCTION") {
            return None;
        }
        let words =
            |lexeme: &&Lexeme<'_>| ["IF", "NOT", "EXISTS"].iter().any(|word| lexeme.is(word));
        let mut name = rest[at + 1..].iter().skip_while(words);
        let mut last = name.next()?;
        while let Some(dot) = name.next()
            && dot.kind == TokenKind::Punctuation
            && dot.text == "."
        {
            last = name.next()?;
        }
        Some(Self::Named(identifier(last)?.to_lowercase()))
    }
}
