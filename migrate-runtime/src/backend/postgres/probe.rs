//! How to tell what became of a statement that shares no transaction with its
//! record, and what an interrupted one leaves: by a question that is asked of
//! the catalogue before the statement and again when it is in doubt. Reads the
//! statement's text alone, and asks nothing itself.

mod question;
mod words;

pub(super) use self::question::{Built, Detached, Judgement, Question, Subject};
use self::question::{Presence, Rebuilt};
use self::words::Words;

/// How to tell afterwards what became of a statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// Running it again does what running it once does.
    Repeat,
    /// By what the catalogue says before it and now.
    Ask(Question),
    /// The database can't tell.
    Unknown,
}

/// How to tell what became of `statement`.
pub(super) fn of(statement: &str) -> Probe {
    let mut words = Words::of(statement);
    let found = match () {
        () if words.eat("CREATE") => create(&mut words, statement),
        () if words.eat("DROP") => drop_object(&mut words),
        () if words.eat("ALTER") => alter(&mut words),
        () if words.eat("REINDEX") => reindex(&mut words),
        () if words.eat_one_of("VACUUM ANALYZE ANALYSE CLUSTER CHECKPOINT LOAD REFRESH") => {
            Some(Probe::Repeat)
        }
        // What the session held has ended with it.
        () if words.eat_one_of("SET RESET SHOW DISCARD PREPARE DEALLOCATE") => Some(Probe::Repeat),
        () => None,
    };
    // What we can't read we don't judge.
    found.unwrap_or(Probe::Unknown)
}

fn create(words: &mut Words<'_>, statement: &str) -> Option<Probe> {
    let unique = words.eat("UNIQUE");
    if words.eat("INDEX CONCURRENTLY") {
        let tolerant = words.eat("IF NOT EXISTS");
        // Without a name of its own the server makes one up.
        let name = match words.begins("ON") {
            true => None,
            false => Some(words.single()?),
        };
        words.eat("ON").then_some(())?;
        words.eat("ONLY");
        let built = Built {
            name,
            table: words.name()?,
            tolerant,
            unique,
            rest: words.rest().to_owned(),
        };
        return Some(Probe::Ask(Question::of_build(built, statement)));
    }
    object(words).map(|(catalogue, name)| {
        Probe::Ask(Question::of_presence(Presence::Appears, catalogue, &name))
    })
}

fn drop_object(words: &mut Words<'_>) -> Option<Probe> {
    let presence = Presence::Disappears;
    if words.eat("INDEX CONCURRENTLY") {
        words.eat("IF EXISTS");
        let name = words.name()?;
        return Some(Probe::Ask(Question::of_index(presence, &name)));
    }
    object(words)
        .map(|(catalogue, name)| Probe::Ask(Question::of_presence(presence, catalogue, &name)))
}

/// The kind and the name of what belongs to no schema.
fn object(words: &mut Words<'_>) -> Option<(&'static str, String)> {
    let catalogue = ["DATABASE", "TABLESPACE", "SUBSCRIPTION"]
        .into_iter()
        .find(|kind| words.eat(kind))?;
    words.eat("IF EXISTS");
    Some((catalogue, words.single()?))
}

fn alter(words: &mut Words<'_>) -> Option<Probe> {
    if words.eat("SYSTEM") {
        return Some(Probe::Repeat);
    }
    if words.eat("TYPE") {
        let name = words.name()?;
        words.eat("ADD VALUE").then_some(())?;
        words.eat("IF NOT EXISTS");
        return Some(Probe::Ask(Question::of_enum(&name, words.string()?)));
    }
    if words.eat("TABLE") {
        words.eat("IF EXISTS");
        words.eat("ONLY");
        let parent = words.name()?;
        words.eat("DETACH PARTITION").then_some(())?;
        let partition = words.name()?;
        (words.eat("CONCURRENTLY") && words.is_empty()).then_some(())?;
        return Some(Probe::Ask(Question::of_detachment(Detached {
            parent,
            partition,
        })));
    }
    let (catalogue, name) = object(words)?;
    if words.eat("RENAME TO") {
        let presence = Presence::Disappears;
        return Some(Probe::Ask(Question::of_presence(
            presence, catalogue, &name,
        )));
    }
    let harmless = match catalogue {
        "DATABASE" => true,
        // ADD and DROP PUBLICATION, and SKIP, are not for a second time.
        _ => words.eat_one_of("CONNECTION SET ENABLE DISABLE REFRESH OWNER RESET"),
    };
    harmless.then_some(Probe::Repeat)
}

fn reindex(words: &mut Words<'_>) -> Option<Probe> {
    let by_option = words
        .options()
        .iter()
        .any(|word| word.eq_ignore_ascii_case("concurrently"));
    let kind = ["INDEX", "TABLE", "SCHEMA", "DATABASE", "SYSTEM"]
        .into_iter()
        .find(|kind| words.eat(kind))?;
    if !(words.eat("CONCURRENTLY") || by_option) {
        return Some(Probe::Repeat);
    }
    let rebuilt = match kind {
        "INDEX" => Rebuilt::Index(words.name()?),
        "TABLE" => Rebuilt::Table(words.name()?),
        "SCHEMA" => Rebuilt::Schema(words.single()?),
        _ => Rebuilt::Database,
    };
    Some(Probe::Ask(Question::of_rebuild(&rebuilt)))
}

#[cfg(test)]
mod tests;
