//! The temporary tables, sequences, views and triggers that statements create,
//! rename and drop, by their names alone.

use super::identifier;
use crate::split::phrase::{Lexeme, Opening, lexemes};
use crate::{Dialect, TokenKind};

/// One that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Temporary {
    /// The step that created it.
    pub(super) statement: usize,
    /// In a message: `temporary table`.
    pub(super) kind: String,
    pub(super) name: Name,
}

/// A name, and the schema before its dot. MySQL's temporary tables belong to a
/// database; elsewhere they have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) schema: Option<String>,
    pub(super) name: String,
}

/// Those of a session.
#[derive(Debug, Default)]
pub(super) struct Temporaries(pub(super) Vec<Temporary>);

impl Temporaries {
    /// A statement that runs in the database `schema`, if MySQL has been told
    /// which.
    pub(super) fn run(
        &mut self,
        index: usize,
        statement: &str,
        schema: Option<&str>,
        dialect: Dialect,
    ) {
        let opening = Opening::of(statement, dialect);
        if !opening.starts("CREATE|DROP|RENAME|ALTER|DISCARD|SELECT|WITH") {
            return;
        }
        let all: Vec<Lexeme<'_>> = lexemes(statement, dialect).collect();
        let resolved = |mut name: Name| {
            name.schema = name.schema.or_else(|| schema.map(str::to_owned));
            name
        };
        if let Some((kind, name)) = created(statement, dialect) {
            let name = resolved(name);
            self.0.push(Temporary {
                statement: index,
                kind,
                name,
            });
            return;
        }
        if dialect == Dialect::Postgres && opening.starts("DISCARD ALL|TEMP|TEMPORARY") {
            self.0.clear();
        }
        for name in dropped(&all, dialect) {
            let name = resolved(name);
            let at = self.0.iter().rposition(|there| there.name == name);
            at.map(|at| self.0.remove(at));
        }
        for (from, to) in renamed(&all, dialect) {
            let (from, to) = (resolved(from), resolved(to));
            if let Some(there) = self.0.iter().rfind(|there| there.name == from) {
                let there = Temporary {
                    name: to,
                    ..there.clone()
                };
                self.0.push(there);
                // MySQL may have renamed the permanent table of this name.
                if opening.starts("ALTER") {
                    self.0.retain(|there| there.name != from);
                }
            }
        }
    }

    /// What a program or a statement made of strings may create.
    pub(super) fn may_run(&mut self, index: usize, text: &str, schema: Option<&str>) {
        for token in crate::tokenize(text, Dialect::MySql) {
            let word = &text[token.range.clone()];
            if token.kind == TokenKind::Word && word.eq_ignore_ascii_case("CREATE") {
                let creates = &text[token.range.start..];
                if created(creates, Dialect::MySql).is_some() {
                    self.run(index, creates, schema, Dialect::MySql);
                }
            }
        }
    }
}

/// A temporary table or sequence of MySQL's, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporaryTable {
    /// The database before the dot.
    pub database: Option<String>,
    /// What follows it.
    pub name: String,
}

/// What a statement of MySQL's may create that is temporary, or call so
/// afterwards: by itself, as a block or program, or by a text that it makes a
/// statement of.
#[must_use]
pub fn temporary_tables(statement: &str) -> Vec<TemporaryTable> {
    let mut texts = super::strings(statement);
    texts.push(statement.to_owned());
    let mut names = Vec::new();
    for text in &texts {
        let words = crate::tokenize(text, Dialect::MySql)
            .filter(|token| token.kind == TokenKind::Word)
            .map(|token| &text[token.range.start..]);
        for rest in words {
            let starts = |word: &str| {
                let head = rest.as_bytes().get(..word.len());
                head.is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
            };
            if starts("CREATE") {
                names.extend(created(rest, Dialect::MySql).map(|(_, name)| name));
            } else if starts("RENAME") || starts("ALTER") {
                let all: Vec<Lexeme<'_>> = lexemes(rest, Dialect::MySql).collect();
                names.extend(renamed(&all, Dialect::MySql).into_iter().map(|(_, to)| to));
            }
        }
    }
    let table = |name: Name| TemporaryTable {
        database: name.schema,
        name: name.name,
    };
    names.into_iter().map(table).collect()
}

/// What the statement creates, if that is temporary and outlives it.
fn created(statement: &str, dialect: Dialect) -> Option<(String, Name)> {
    let opening = Opening::of(statement, dialect);
    let named = |words: &str, nouns: &str| {
        let noun = nouns
            .split('|')
            .find(|noun| opening.starts(&format!("CREATE [OR] [REPLACE] {words} {noun}")))?;
        let pattern = format!("CREATE [OR] [REPLACE] {words} {noun} [IF] [NOT] [EXISTS]");
        let (name, _) = name(opening.after(&pattern)?, dialect)?;
        Some((format!("temporary {}", noun.to_ascii_lowercase()), name))
    };
    match dialect {
        Dialect::MySql => named("TEMPORARY", "TABLE|SEQUENCE"),
        Dialect::Sqlite => named("TEMP|TEMPORARY", "TABLE|VIEW|TRIGGER")
            .or_else(|| named("[VIRTUAL]", "TABLE|VIEW|TRIGGER").filter(|_| in_temp(&opening))),
        Dialect::Postgres => {
            let all: Vec<Lexeme<'_>> = lexemes(statement, dialect).collect();
            let ends_at_once = all
                .windows(3)
                .any(|words| words[0].is("ON") && words[1].is("COMMIT") && words[2].is("DROP"));
            if ends_at_once {
                return None;
            }
            named(
                "[LOCAL|GLOBAL] TEMP|TEMPORARY [RECURSIVE]",
                "TABLE|SEQUENCE|VIEW",
            )
            .or_else(|| named("[UNLOGGED]", "TABLE|SEQUENCE|VIEW").filter(|_| in_temp(&opening)))
            .or_else(|| selected_into(&opening, &all))
        }
    }
}

/// `SELECT … INTO TEMP a FROM b`.
fn selected_into(opening: &Opening<'_>, all: &[Lexeme<'_>]) -> Option<(String, Name)> {
    if !opening.starts("SELECT|WITH") {
        return None;
    }
    let into = all.iter().position(|lexeme| lexeme.is("INTO"))?;
    let mut rest = &all[into + 1..];
    let mut temporary = false;
    for words in [&["LOCAL", "GLOBAL"][..], &["TEMP", "TEMPORARY"], &["TABLE"]] {
        if let Some((first, after)) = rest.split_first()
            && words.iter().any(|word| first.is(word))
        {
            temporary |= words.contains(&"TEMP");
            rest = after;
        }
    }
    let (name, _) = name(rest, Dialect::Postgres).filter(|_| temporary)?;
    Some(("temporary table".to_owned(), name))
}

/// Whether the first schema that an opening names is the one of what is
/// temporary.
fn in_temp(opening: &Opening<'_>) -> bool {
    opening
        .lexemes()
        .windows(2)
        .find(|pair| pair[1].text == ".")
        .is_some_and(|pair| is_temp(&pair[0]))
}

fn is_temp(schema: &Lexeme<'_>) -> bool {
    identifier(schema).is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        name == "temp" || name.starts_with("pg_temp")
    })
}

/// The name at the beginning, and what follows it.
fn name<'l, 't>(all: &'l [Lexeme<'t>], dialect: Dialect) -> Option<(Name, &'l [Lexeme<'t>])> {
    let folded = |lexeme: &Lexeme<'_>| {
        let name = identifier(lexeme)?;
        Some(match (dialect, lexeme.kind) {
            (Dialect::Sqlite, _) | (Dialect::Postgres, TokenKind::Word) => name.to_lowercase(),
            _ => name,
        })
    };
    match all {
        [schema, dot, name, rest @ ..] if dot.text == "." => {
            let ours = dialect != Dialect::MySql && is_temp(schema);
            let schema = folded(schema)?;
            let name = Name {
                schema: (!ours).then_some(schema),
                name: folded(name)?,
            };
            Some((name, rest))
        }
        [name, rest @ ..] => {
            let name = Name {
                schema: None,
                name: folded(name)?,
            };
            Some((name, rest))
        }
        [] => None,
    }
}

/// What comes after `pattern` in a whole statement.
fn after<'l, 't>(all: &'l [Lexeme<'t>], pattern: &str) -> Option<&'l [Lexeme<'t>]> {
    let mut rest = all;
    for word in pattern.split_ascii_whitespace() {
        let bare = word.trim_matches(['[', ']']);
        match rest.split_first() {
            Some((first, after)) if bare.split('|').any(|keyword| first.is(keyword)) => {
                rest = after
            }
            _ if bare.len() < word.len() => {}
            _ => return None,
        }
    }
    Some(rest)
}

fn dropped(all: &[Lexeme<'_>], dialect: Dialect) -> Vec<Name> {
    const DROP: &str = "DROP [TEMPORARY] TABLE|TABLES|SEQUENCE|VIEW|TRIGGER [IF] [EXISTS]";
    let mut names = Vec::new();
    let mut rest = after(all, DROP).unwrap_or_default();
    while let Some((found, after)) = name(rest, dialect) {
        names.push(found);
        match after {
            [comma, after @ ..] if comma.text == "," => rest = after,
            _ => break,
        }
    }
    names
}

fn renamed(all: &[Lexeme<'_>], dialect: Dialect) -> Vec<(Name, Name)> {
    let mut names = Vec::new();
    let mut rest = after(all, "RENAME TABLE|TABLES [IF] [EXISTS]").unwrap_or_default();
    while let Some((from, after)) = name(rest, dialect)
        && let [to, after @ ..] = after
        && to.is("TO")
        && let Some((to, after)) = name(after, dialect)
    {
        names.push((from, to));
        rest = after.get(1..).unwrap_or_default();
    }
    const ALTER: &str = "ALTER [ONLINE] [IGNORE] TABLE|SEQUENCE|VIEW [IF] [EXISTS] [ONLY]";
    if let Some((from, clauses)) = after(all, ALTER).and_then(|rest| name(rest, dialect))
        && let Some(at) = clauses.iter().position(|lexeme| lexeme.is("RENAME"))
        && let [next, to @ ..] = &clauses[at + 1..]
        && !["COLUMN", "INDEX", "KEY", "CONSTRAINT"]
            .iter()
            .any(|what| next.is(what))
    {
        let marked = next.is("TO") || next.is("AS") || next.text == "=";
        // PostgreSQL and SQLite: RENAME [COLUMN] a TO b.
        let to = if marked { to } else { &clauses[at + 1..] };
        if (marked || dialect == Dialect::MySql)
            && let Some((to, _)) = name(to, dialect)
        {
            names.push((from, to));
        }
    }
    names
}

/// Whether a statement names it, quoted or not, in any case. On PostgreSQL and
/// SQLite a name behind another schema's is another table.
pub(super) fn names(statement: &str, wanted: &str, dialect: Dialect) -> bool {
    let mut before: [Option<Lexeme<'_>>; 2] = [None, None];
    for lexeme in lexemes(statement, dialect) {
        // A string can only be a name where the server takes `"a"` for one.
        let may = lexeme.kind != TokenKind::String || lexeme.text.starts_with('"');
        let elsewhere = dialect != Dialect::MySql
            && before[1].is_some_and(|dot| dot.text == ".")
            && !before[0].is_some_and(|schema| is_temp(&schema));
        if may
            && !elsewhere
            && identifier(&lexeme).is_some_and(|name| name.to_lowercase() == wanted.to_lowercase())
        {
            return true;
        }
        before = [before[1], Some(lexeme)];
    }
    false
}

/// The tables that the statement lets nobody miss: it drops them if they are
/// there and temporary, or makes them anew whatever there is.
pub(super) fn made_good(statement: &str, dialect: Dialect) -> Vec<Name> {
    if dialect != Dialect::MySql {
        return Vec::new();
    }
    let all: Vec<Lexeme<'_>> = lexemes(statement, dialect).collect();
    if after(&all, "DROP TEMPORARY TABLE|TABLES|SEQUENCE IF EXISTS").is_some() {
        return dropped(&all, dialect);
    }
    let anew = after(&all, "CREATE OR REPLACE TEMPORARY TABLE|SEQUENCE");
    let Some((name, rest)) = anew.and_then(|rest| name(rest, dialect)) else {
        return Vec::new();
    };
    let itself = |lexeme: &Lexeme<'_>| {
        identifier(lexeme).is_some_and(|other| other.eq_ignore_ascii_case(&name.name))
    };
    if rest.iter().any(itself) {
        Vec::new()
    } else {
        vec![name]
    }
}
