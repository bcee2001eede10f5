//! How to tell afterwards what became of a DDL statement whose runner went
//! away. MySQL commits by itself, so that such a statement shares no
//! transaction with its record; the catalogue knows whether it took effect.
//! Reads the statement's text alone, and asks nothing itself.

mod alter;
mod question;
mod words;

use migrate_core::{Dialect, under_settings};

use crate::backend::Settled;
use question::{Object, PartKind, Question};
use words::{Name, Words};

/// How to tell afterwards what became of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Probe {
    /// Running it again is harmless, or does what running it once does.
    Repeat,
    /// A scalar SQL expression, of at most 64 ASCII characters. What it gave
    /// before the statement is kept, and judged by [`settled`] together with
    /// what it gives now.
    Compare(String),
    /// The database can't tell.
    Unknown,
}

/// How to tell what became of `statement`.
pub(super) fn of(statement: &str) -> Probe {
    match read(statement) {
        Answer::Repeat => Probe::Repeat,
        Answer::Ask(question) => Probe::Compare(question.expression().to_owned()),
        Answer::Unknown => Probe::Unknown,
    }
}

/// What became of `statement`, by what its expression gave before it and gives
/// now. Both must be asked with the same settings and database in effect, so
/// the one of now after the file's own settings have been made again: where
/// they differ the answer is "unknown", and so it is where a part of the
/// effect is there.
pub(super) fn settled(statement: &str, before: Option<&str>, now: Option<&str>) -> Settled {
    match read(statement) {
        Answer::Repeat => Settled::Repeat,
        Answer::Ask(question) => question.settled(before, now),
        Answer::Unknown => Settled::Unknown,
    }
}

/// What a statement's text says of how to tell.
#[derive(Debug)]
enum Answer {
    Repeat,
    Ask(Question),
    Unknown,
}

fn read(statement: &str) -> Answer {
    let statement = under_settings(statement, Dialect::MySql);
    let mut words = Words::of(statement);
    let answer = match () {
        () if words.eat("CREATE") => create(&mut words),
        () if words.eat("DROP") => drop_object(&mut words),
        () if words.eat("ALTER") => alter(&mut words),
        () if words.eat("RENAME TABLE") || words.eat("RENAME TABLES") => rename(&mut words),
        () => return harmless(&mut words),
    };
    // What we can't read we don't judge.
    answer.unwrap_or(Answer::Unknown)
}

/// Statements that change no schema.
fn harmless(words: &mut Words<'_>) -> Answer {
    let maintains = words.eats_one_of("ANALYZE OPTIMIZE CHECK REPAIR CHECKSUM");
    if maintains {
        // MariaDB's ANALYZE runs what follows, unless that is a table.
        words.eats_one_of("LOCAL NO_WRITE_TO_BINLOG");
        return if words.eats_one_of("TABLE TABLES VIEW") {
            Answer::Repeat
        } else {
            Answer::Unknown
        };
    }
    let explains = words.eats_one_of("EXPLAIN DESCRIBE DESC");
    if (explains && !words.eat("ANALYZE"))
        || words.eats_one_of("GRANT FLUSH SET USE PREPARE DEALLOCATE SHOW HELP UNLOCK")
    {
        return Answer::Repeat;
    }
    // REVOKE is an error where nothing is granted; TRUNCATE and CALL do
    // their work anew.
    Answer::Unknown
}

fn create(words: &mut Words<'_>) -> Option<Answer> {
    let replaces = words.eat("OR REPLACE");
    let temporary = words.eat("TEMPORARY");
    let kind = words.find_one_of(
        "TABLE VIEW SEQUENCE PROCEDURE FUNCTION TRIGGER EVENT DATABASE SCHEMA INDEX USER ROLE SERVER",
    )?;
    let tolerant = words.eat("IF NOT EXISTS");
    let loses_rows = matches!(kind.as_str(), "TABLE" | "SEQUENCE" | "DATABASE" | "SCHEMA");
    // The session that had it is gone.
    if temporary || tolerant {
        return Some(Answer::Repeat);
    }
    if replaces {
        // What has been written since would be lost.
        return Some(if loses_rows {
            Answer::Unknown
        } else {
            Answer::Repeat
        });
    }
    let name = words.name()?;
    let object = match kind.as_str() {
        "INDEX" => {
            words.find_one_of("ON")?;
            let index = [PartKind::Index.named(name.alone()?)];
            return Some(Answer::Ask(Question::parts(&words.name()?, &index, &[])));
        }
        "TRIGGER" => {
            words.find_one_of("ON")?;
            let table = words.name()?;
            Object::Trigger {
                name: name.or_schema_of(&table),
                table: Some(table.name),
            }
        }
        // A function of a plugin stands in another catalogue.
        "FUNCTION" if words.soon("SONAME") => return None,
        "USER" | "ROLE" | "SERVER" => return None,
        _ => object(&kind, name)?,
    };
    Some(exists(vec![object], vec![true]))
}

fn drop_object(words: &mut Words<'_>) -> Option<Answer> {
    let temporary = words.eat("TEMPORARY");
    if words.eat("PREPARE") {
        return Some(Answer::Repeat);
    }
    let kind = words.find_one_of(
        "TABLE TABLES VIEW SEQUENCE PROCEDURE FUNCTION TRIGGER EVENT DATABASE SCHEMA INDEX USER ROLE SERVER",
    )?;
    if words.eat("IF EXISTS") {
        return Some(Answer::Repeat);
    }
    if temporary {
        return None;
    }
    let objects = match kind.as_str() {
        "INDEX" => {
            let index = [PartKind::Index.named(words.name()?.alone()?)];
            words.find_one_of("ON")?;
            return Some(Answer::Ask(Question::parts(&words.name()?, &[], &index)));
        }
        "TRIGGER" => vec![Object::Trigger {
            name: words.name()?,
            table: None,
        }],
        "USER" | "ROLE" | "SERVER" => return None,
        _ => words
            .names()?
            .into_iter()
            .map(|name| object(&kind, name))
            .collect::<Option<_>>()?,
    };
    let gone = vec![false; objects.len()];
    Some(exists(objects, gone))
}

fn object(kind: &str, name: Name) -> Option<Object> {
    Some(match kind {
        "TABLE" | "TABLES" | "VIEW" | "SEQUENCE" => Object::Table(name),
        "PROCEDURE" => Object::Procedure(name),
        "FUNCTION" => Object::Function(name),
        "EVENT" => Object::Event(name),
        "DATABASE" | "SCHEMA" => Object::Database(name.alone()?),
        _ => return None,
    })
}

fn alter(words: &mut Words<'_>) -> Option<Answer> {
    let kind = words.find_one_of(
        "TABLE VIEW SEQUENCE PROCEDURE FUNCTION EVENT DATABASE SCHEMA USER SERVER TABLESPACE INSTANCE RESOURCE LOGFILE",
    )?;
    words.eat("IF EXISTS");
    match kind.as_str() {
        "TABLE" => alter::alter_table(words),
        "VIEW" | "PROCEDURE" | "FUNCTION" | "SERVER" => Some(Answer::Repeat),
        "EVENT" => {
            let name = words.name()?;
            if words.find_before("RENAME", "DO").is_none() {
                return Some(Answer::Repeat);
            }
            words.eat("TO").then_some(())?;
            let to = words.name()?;
            Some(exists(
                vec![Object::Event(name), Object::Event(to)],
                vec![false, true],
            ))
        }
        // Numbers that were given since would be given again.
        "SEQUENCE" if words.has("RESTART") => None,
        "DATABASE" | "SCHEMA" if words.has("UPGRADE") => None,
        // The password that is kept would be the new one.
        "USER" if words.has("RETAIN") || words.has("DISCARD") || words.has("FACTOR") => None,
        "SEQUENCE" | "DATABASE" | "SCHEMA" | "USER" => Some(Answer::Repeat),
        _ => None,
    }
}

fn rename(words: &mut Words<'_>) -> Option<Answer> {
    words.eat("IF EXISTS");
    // Each name, whether it was there before, and whether it is in the end.
    let mut tables: Vec<(Name, bool, bool)> = Vec::new();
    let mut set =
        |name: Name, before: bool| match tables.iter_mut().find(|(known, ..)| *known == name) {
            Some((.., now)) => *now = !before,
            None => tables.push((name, before, !before)),
        };
    loop {
        set(words.name()?, true);
        words.find_one_of("TO")?;
        set(words.name()?, false);
        if !words.eat_mark(",") {
            break;
        }
    }
    // Two tables that change places.
    if tables.iter().all(|(_, before, now)| before == now) {
        return None;
    }
    let now = tables.iter().map(|(.., now)| *now).collect();
    let objects = tables
        .into_iter()
        .map(|(name, ..)| Object::Table(name))
        .collect();
    Some(exists(objects, now))
}

fn exists(objects: Vec<Object>, done: Vec<bool>) -> Answer {
    Question::existence(&objects, &done).map_or(Answer::Unknown, Answer::Ask)
}

#[cfg(test)]
mod tests;
