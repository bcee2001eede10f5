//! What an ALTER TABLE does to things that have names. It takes effect as a
//! whole or not at all, so that those tell what became of all of it.

use super::question::{Object, Part, PartKind, Question};
use super::words::{Name, Words};
use super::{Answer, exists};

/// What one clause does.
enum Effect {
    /// Makes and removes parts, in this order.
    Parts {
        parts: Vec<(Part, Presence)>,
        repeats: Repeats,
    },
    /// Gives the table another name.
    Moves(Name),
    /// Only says how the others are done.
    Manner,
    /// Something without a name, or that we can't read.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    There,
    Gone,
}

/// What a clause does when it is run twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// Nothing: IF [NOT] EXISTS.
    Harmless,
    /// It fails, and with it the statement.
    Error,
}

/// A part before the statement and after it.
struct Change {
    part: Part,
    before: Presence,
    after: Presence,
    repeats: Repeats,
}

/// Where nothing with a name changes the definition is compared: as long as it
/// is what it was before, the statement has not run, or changes nothing that
/// can be seen (FORCE, AUTO_INCREMENT = n, the same ENGINE), and is run again.
/// Unless that is not what running it once does.
pub(super) fn alter_table(words: &mut Words<'_>) -> Option<Answer> {
    const UNSEEN: [&str; 8] = [
        "DISCARD",
        "IMPORT",
        "EXCHANGE",
        "TRUNCATE",
        "ADD PERIOD",
        "DROP PERIOD",
        "SECONDARY_LOAD",
        "SECONDARY_UNLOAD",
    ];
    let table = words.name()?;
    if words.eat("WAIT") {
        words.skip();
    } else {
        words.eat("NOWAIT");
    }
    let clauses = words.clauses();
    let unseen = clauses
        .iter()
        .any(|clause| UNSEEN.iter().any(|phrase| clause.clone().eat(phrase)));
    let effects: Vec<Effect> = clauses.iter().cloned().map(effect).collect();
    // A column that is made anew has lost its values a second time.
    let anew = clauses.iter().zip(&effects).any(|(clause, effect)| {
        dropped_column(clause, effect).is_some_and(|column| {
            clauses.iter().any(|other| {
                let adds = other.clone().eats_one_of("ADD CHANGE RENAME");
                adds && other.mentions(column)
            })
        })
    });
    if unseen || anew {
        return None;
    }
    // The table's parts aren't found under its old name.
    let renamed = effects.iter().find_map(|effect| match effect {
        Effect::Moves(name) => Some(name),
        _ => None,
    });
    if let Some(name) = renamed
        && *name != table
    {
        let objects = vec![Object::Table(table), Object::Table(name.clone())];
        return Some(exists(objects, vec![false, true]));
    }
    let harmless = effects.iter().all(|effect| {
        matches!(
            effect,
            Effect::Manner
                | Effect::Parts {
                    repeats: Repeats::Harmless,
                    ..
                }
        )
    });
    if harmless {
        return Some(Answer::Repeat);
    }
    let (there, gone) = changed(effects);
    Some(Answer::Ask(if there.is_empty() && gone.is_empty() {
        Question::definition(&table)
    } else {
        Question::parts(&table, &there, &gone)
    }))
}

/// The parts that are there, and those that are gone, just where the
/// statement has taken effect.
fn changed(effects: Vec<Effect>) -> (Vec<Part>, Vec<Part>) {
    let mut changes: Vec<Change> = Vec::new();
    for effect in effects {
        let Effect::Parts { parts, repeats } = effect else {
            continue;
        };
        for (part, after) in parts {
            match changes.iter_mut().find(|change| change.part.may_be(&part)) {
                Some(change) => {
                    change.after = after;
                    change.repeats = repeats;
                }
                None => changes.push(Change {
                    part,
                    before: match after {
                        Presence::There => Presence::Gone,
                        Presence::Gone => Presence::There,
                    },
                    after,
                    repeats,
                }),
            }
        }
    }
    // An index that is made anew is there before and after, and what may have
    // been there already tells nothing.
    changes.retain(|change| change.before != change.after && change.repeats == Repeats::Error);
    let (there, gone): (Vec<_>, Vec<_>) = changes
        .into_iter()
        .partition(|change| change.after == Presence::There);
    let parts = |changes: Vec<Change>| changes.into_iter().map(|change| change.part).collect();
    (parts(there), parts(gone))
}

fn dropped_column<'e>(clause: &Words<'_>, effect: &'e Effect) -> Option<&'e str> {
    let Effect::Parts { parts, .. } = effect else {
        return None;
    };
    let (part, _) = parts.first()?;
    (clause.clone().eat("DROP") && part.kind == PartKind::Column).then_some(&*part.name)
}

fn effect(mut clause: Words<'_>) -> Effect {
    if clause.eats_one_of("ALGORITHM LOCK") {
        clause.eat_mark("=");
        clause.skip();
        return if clause.is_empty() {
            Effect::Manner
        } else {
            Effect::Other
        };
    }
    let effect = match () {
        () if clause.eat("ADD") => added(&mut clause),
        () if clause.eat("DROP") => dropped(&mut clause),
        () if clause.eat("CHANGE") => {
            clause.eat("COLUMN");
            replaced(&mut clause, PartKind::Column)
        }
        () if clause.eat("RENAME") => renamed(&mut clause),
        () => None,
    };
    effect.unwrap_or(Effect::Other)
}

fn added(clause: &mut Words<'_>) -> Option<Effect> {
    let mut columns = clause.clone();
    columns.eat("COLUMN");
    let repeats = if_any(&mut columns, "IF NOT EXISTS");
    if let Some(elements) = columns.inside() {
        let parts: Vec<Option<Part>> = elements
            .into_iter()
            .map(|mut element| added_part(&mut element).map(|(part, _)| part))
            .collect();
        let all_columns = parts.iter().all(|part| {
            part.as_ref()
                .is_some_and(|part| part.kind == PartKind::Column)
        });
        return Some(Effect::Parts {
            repeats: if all_columns { repeats } else { Repeats::Error },
            parts: parts
                .into_iter()
                .flatten()
                .map(|part| (part, Presence::There))
                .collect(),
        });
    }
    let (part, repeats) = added_part(clause)?;
    Some(Effect::Parts {
        parts: vec![(part, Presence::There)],
        repeats,
    })
}

/// What stands behind ADD, or in its parentheses.
fn added_part(words: &mut Words<'_>) -> Option<(Part, Repeats)> {
    const IF_NOT: &str = "IF NOT EXISTS";
    let mut repeats = Repeats::Error;
    let constraint = words.eat("CONSTRAINT");
    let mut symbol = None;
    if constraint {
        repeats = if_any(words, IF_NOT);
        if !words.clone().eats_one_of("PRIMARY UNIQUE FOREIGN CHECK") {
            symbol = Some(words.name()?.alone()?);
        }
    }
    let mut tolerant = |words: &mut Words<'_>| {
        if if_any(words, IF_NOT) == Repeats::Harmless {
            repeats = Repeats::Harmless;
        }
        repeats
    };
    if words.eat("PRIMARY KEY") {
        let repeats = tolerant(words);
        return Some((PartKind::Index.named("PRIMARY".to_owned()), repeats));
    }
    // MySQL finds a name of its own for one that has only its index's.
    if words.eat("FOREIGN KEY") {
        let repeats = tolerant(words);
        return Some((PartKind::ForeignKey.named(symbol?), repeats));
    }
    if words.eat("CHECK") {
        return Some((PartKind::Check.named(symbol?), repeats));
    }
    let kind = words.eats_one_of("UNIQUE FULLTEXT SPATIAL")
        || (words.clone().eat("VECTOR INDEX") && words.eat("VECTOR"));
    if words.eats_one_of("INDEX KEY") || kind {
        let repeats = tolerant(words);
        // The index's own name is the constraint's, too.
        let name = index_name(words).or(symbol)?;
        return Some((PartKind::Index.named(name), repeats));
    }
    let unnamed = words.eat("SYSTEM VERSIONING") || words.eat("PARTITION");
    if constraint || unnamed {
        return None;
    }
    words.eat("COLUMN");
    let repeats = tolerant(words);
    Some((PartKind::Column.named(words.name()?.alone()?), repeats))
}

fn index_name(words: &mut Words<'_>) -> Option<String> {
    let mut algorithm = words.clone();
    let unnamed = algorithm.eat("USING")
        || (algorithm.eat("TYPE") && algorithm.eats_one_of("BTREE HASH RTREE"));
    if unnamed {
        return None;
    }
    words.name()?.alone()
}

fn dropped(clause: &mut Words<'_>) -> Option<Effect> {
    let kind = match () {
        () if clause.eat("PARTITION") || clause.eat("SYSTEM VERSIONING") => return None,
        () if clause.eat("PRIMARY KEY") => {
            return Some(Effect::Parts {
                parts: vec![(PartKind::Index.named("PRIMARY".to_owned()), Presence::Gone)],
                repeats: Repeats::Error,
            });
        }
        () if clause.eats_one_of("INDEX KEY") => PartKind::Index,
        () if clause.eat("FOREIGN KEY") => PartKind::ForeignKey,
        () if clause.eat("CONSTRAINT") => PartKind::Constraint,
        () if clause.eat("CHECK") => PartKind::Check,
        () => {
            clause.eat("COLUMN");
            PartKind::Column
        }
    };
    let repeats = if_any(clause, "IF EXISTS");
    let name = clause.name()?.alone()?;
    Some(Effect::Parts {
        parts: vec![(kind.named(name), Presence::Gone)],
        repeats,
    })
}

fn replaced(clause: &mut Words<'_>, kind: PartKind) -> Option<Effect> {
    let repeats = if_any(clause, "IF EXISTS");
    let from = clause.name()?.alone()?;
    clause.eat("TO");
    let to = clause.name()?.alone()?;
    Some(Effect::Parts {
        parts: vec![
            (kind.named(from), Presence::Gone),
            (kind.named(to), Presence::There),
        ],
        repeats,
    })
}

fn renamed(clause: &mut Words<'_>) -> Option<Effect> {
    if clause.eat("COLUMN") {
        return replaced(clause, PartKind::Column);
    }
    if clause.eats_one_of("INDEX KEY") {
        return replaced(clause, PartKind::Index);
    }
    if !clause.eat_mark("=") {
        clause.eats_one_of("TO AS");
    }
    clause.name().map(Effect::Moves)
}

fn if_any(words: &mut Words<'_>, phrase: &str) -> Repeats {
    if words.eat(phrase) {
        Repeats::Harmless
    } else {
        Repeats::Error
    }
}
