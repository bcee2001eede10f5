//! What the rest of a file needs of the session that its finished part had.

use super::finished::{Routine, Session};
use super::variables::{Event, Target, assignments, events, is_program, pieces};
use super::{Key, Lost, Thing, identifier, inside, strings, temporary};
use crate::Dialect;
use crate::split::phrase::{Opening, lexemes, under_settings};

/// What to run again for the rest, in the order in which it was run.
pub(super) fn needs<'t>(
    mut session: Session<'t>,
    rest: &[&str],
) -> Result<Vec<(usize, &'t str)>, Lost> {
    let mut things = session.lost();
    for (used_by, step) in rest.iter().enumerate() {
        if things.is_empty() && session.prepared.is_empty() {
            break;
        }
        for statement in inside(step, session.dialect) {
            let reader = Reader::of(statement, session.dialect);
            if let Some(thing) = things.iter().find(|thing| reader.uses(thing)) {
                let what = match &thing.key {
                    Key::Told(told) => told.asked_in(reader.statement).unwrap_or_default(),
                    _ => thing.what.clone(),
                };
                return Err(Lost {
                    statement: thing.statement,
                    what,
                    used_by,
                });
            }
            things.retain(|thing| !reader.makes(&thing.key));
            reader.prepared(&mut session);
        }
    }
    // Those of one step are parts of its text.
    session
        .again
        .sort_by_key(|(index, statement)| (*index, statement.as_ptr()));
    Ok(session.again)
}

/// A statement of the rest.
struct Reader<'t> {
    dialect: Dialect,
    statement: &'t str,
    opening: Opening<'t>,
    /// Nothing, but on MySQL.
    events: Vec<Event>,
    strings: Vec<String>,
    /// Whether it says what is done later, or perhaps.
    is_program: bool,
    is_routine: bool,
}

impl<'t> Reader<'t> {
    fn of(statement: &'t str, dialect: Dialect) -> Self {
        let statement = under_settings(statement, dialect);
        let opening = Opening::of(statement, dialect);
        let mysql = dialect == Dialect::MySql;
        let is_routine = mysql && Routine::of(&opening).is_some();
        Self {
            dialect,
            statement,
            events: if mysql {
                events(&pieces(statement))
            } else {
                Vec::new()
            },
            strings: if mysql {
                strings(statement)
            } else {
                Vec::new()
            },
            is_program: is_routine || (mysql && is_program(statement)),
            is_routine,
            opening,
        }
    }

    /// Whether the statement needs it.
    fn uses(&self, thing: &Thing) -> bool {
        let in_strings = || {
            self.strings
                .iter()
                .any(|text| thing.is_named_in(text, self.dialect))
                || (thing.in_strings && self.opening.starts("EXECUTE"))
        };
        let by_routine = || {
            !thing.routines.is_empty()
                && !self.opening.starts("DROP")
                && lexemes(self.statement, self.dialect)
                    .filter_map(|lexeme| identifier(&lexeme))
                    .any(|name| thing.routines.contains(&name.to_lowercase()))
        };
        match &thing.key {
            Key::Setting(name) => !self.opening.starts("SET|USE") || self.reads_setting(name),
            Key::Variable(name) => self.reads(name) || in_strings() || by_routine(),
            Key::Table(name) => {
                (temporary::names(self.statement, name, self.dialect) && !self.makes(&thing.key))
                    || in_strings()
                    || by_routine()
            }
            Key::Prepared(name) => self.executes(name),
            Key::Handler(name) => {
                let named = self.opening.after("HANDLER").and_then(<[_]>::first);
                let opens = || {
                    self.opening
                        .lexemes()
                        .iter()
                        .any(|lexeme| lexeme.is("OPEN"))
                };
                is_name(named, name) && !opens()
            }
            Key::Told(told) => !self.is_routine && told.asked_in(self.statement).is_some(),
        }
    }

    fn reads(&self, name: &str) -> bool {
        let first = self.events.iter().find_map(|event| match event {
            Event::Reads(variable) => (variable.name == name).then_some(true),
            Event::Assigns(variable) => (variable.name == name).then_some(false),
        });
        first.unwrap_or(false)
    }

    fn reads_setting(&self, name: &str) -> bool {
        let pieces = pieces(self.statement);
        assignments(&pieces)
            .iter()
            .any(|assignment| assignment.reads_setting(name))
    }

    /// The settings that it sets.
    fn set_to(&self) -> Vec<String> {
        if !self.opening.starts("SET") {
            return Vec::new();
        }
        assignments(&pieces(self.statement))
            .into_iter()
            .filter_map(|assignment| match assignment.target {
                Target::Setting(name) => Some(name),
                Target::Variable(_) | Target::Elsewhere => None,
            })
            .collect()
    }

    fn executes(&self, name: &str) -> bool {
        ["EXECUTE", "DEALLOCATE|DROP PREPARE"]
            .iter()
            .any(|words| is_name(self.opening.after(words).and_then(<[_]>::first), name))
    }

    /// Whether it is there again after the statement, whatever was before.
    fn makes(&self, key: &Key) -> bool {
        if self.is_program {
            return false;
        }
        match key {
            Key::Setting(name) => self.set_to().contains(name),
            Key::Variable(name) => self
                .events
                .iter()
                .any(|event| matches!(event, Event::Assigns(variable) if variable.name == *name)),
            Key::Prepared(name) => {
                is_name(self.opening.after("PREPARE").and_then(<[_]>::first), name)
            }
            Key::Table(name) => temporary::made_good(self.statement, self.dialect)
                .iter()
                .any(|made| made.schema.is_none() && made.name.eq_ignore_ascii_case(name)),
            Key::Handler(name) => {
                let rest = self.opening.after("HANDLER").unwrap_or_default();
                let opens = rest.iter().any(|lexeme| lexeme.is("OPEN"));
                let last = rest.iter().rfind(|lexeme| !lexeme.is("OPEN"));
                opens && is_name(last, name)
            }
            Key::Told(told) => told.is_left_by(&self.opening),
        }
    }

    /// Takes the PREPARE that the statement needs, and forgets one that it
    /// does away with.
    fn prepared(&self, session: &mut Session<'_>) {
        let name = ["EXECUTE", "DEALLOCATE|DROP PREPARE", "PREPARE"]
            .iter()
            .find_map(|words| self.opening.after(words).and_then(<[_]>::first))
            .and_then(identifier)
            .map(|name| name.to_lowercase());
        let Some(prepared) = name.and_then(|name| session.prepared.remove(&name)) else {
            return;
        };
        if !self.opening.starts("PREPARE") {
            session.again.push((prepared.statement, prepared.text));
        }
    }
}

fn is_name(lexeme: Option<&crate::Lexeme<'_>>, name: &str) -> bool {
    lexeme
        .and_then(identifier)
        .is_some_and(|found| found.to_lowercase() == name)
}
