//! Mistakes in a configuration, shown where they stand in the file. The place
//! is looked up only for a mistake: `cargo metadata` gives the tables without
//! it, and fifty manifests need not be parsed a second time to find nothing.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use migrate_core::Place;
use toml::de::{DeTable, DeValue};

use super::blot::{blot, blot_credentials, blot_passwords, is_secret_key};

/// Why there are no services to work on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Mistakes in manifests: each is shown by itself.
    #[error("the configuration has {}", count(.0))]
    Invalid(Vec<ConfigFinding>),
    /// A member that was named has no migrations.
    #[error("{} has no migrations directory", list(.names))]
    NoMigrations {
        /// Its name, or their names.
        names: Vec<String>,
        /// The members that have some.
        services: Vec<String>,
    },
    /// No member that was selected has migrations.
    #[error("no service is selected: none of the selected packages has migrations")]
    NoService {
        /// The members that have some.
        services: Vec<String>,
        /// Those that were selected, and have some for others to merge only.
        merged: Vec<String>,
    },
}

fn count(findings: &[ConfigFinding]) -> String {
    match findings.len() {
        1 => "a mistake".to_owned(),
        n => format!("{n} mistakes"),
    }
}

fn list(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl ConfigError {
    /// What to do about it; the findings have remedies of their own.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Invalid(_) => None,
            Self::NoMigrations { names, services } => {
                let package = names.first().map_or("<package>", String::as_str);
                Some(format!(
                    "`cargo migrate init -p {package}` makes one{}",
                    with_migrations(services)
                ))
            }
            Self::NoService { services, merged } => {
                let merged = match &merged[..] {
                    [] => String::new(),
                    names => format!("; `service = false` is said by {}", names.join(", ")),
                };
                Some(format!(
                    "`cargo migrate init -p <package>` makes a package a service{}{merged}",
                    with_migrations(services)
                ))
            }
        }
    }
}

fn with_migrations(services: &[String]) -> String {
    if services.is_empty() {
        return String::new();
    }
    format!("; packages with migrations: {}", services.join(", "))
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigFinding {
    /// The file: a Cargo.toml, a diesel.toml, or a directory.
    pub file: PathBuf,
    /// Where in it, if it could be found there.
    pub excerpt: Option<Excerpt>,
    /// What is wrong, with the service's name where it has one.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// A line of a file, and what of it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Where the mistake begins.
    pub place: Place,
    /// The line, without its end; URLs and passwords are blotted out.
    pub line: String,
    /// How many characters of the line are meant, at least one.
    pub width: usize,
}

impl Excerpt {
    pub(super) fn of(text: &str, span: Range<usize>) -> Self {
        let place = Place::of(text, span.start);
        let line = text.lines().nth(place.line - 1).unwrap_or_default();
        let start = text[..span.start].rfind('\n').map_or(0, |end| end + 1);
        let meant = text
            .get(span)
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        Self {
            place,
            line: without_secrets(text, line, start),
            width: meant.chars().count().max(1),
        }
    }
}

/// `line`, which begins at `start` of `text`, with the values of the secret
/// keys blotted out, and whatever else looks like a password.
fn without_secrets(text: &str, line: &str, start: usize) -> String {
    let Ok(document) = DeTable::parse(text) else {
        return blot_passwords(line);
    };
    let mut spans = Vec::new();
    find_secrets(&DeValue::Table(document.into_inner()), &mut spans);
    let mut shown = line.to_owned();
    // Stars may be shorter than what they stand for: the last comes first.
    spans.sort_by_key(|span| std::cmp::Reverse(span.start));
    for span in spans {
        let within = |at: usize| at.saturating_sub(start).min(line.len());
        shown = blot(&shown, within(span.start)..within(span.end));
    }
    blot_credentials(&shown)
}

fn find_secrets(value: &DeValue<'_>, spans: &mut Vec<Range<usize>>) {
    match value {
        DeValue::Table(table) => {
            for (key, value) in table.iter() {
                if is_secret_key(key.get_ref()) {
                    spans.push(value.span());
                } else {
                    find_secrets(value.get_ref(), spans);
                }
            }
        }
        DeValue::Array(array) => {
            for value in array.iter() {
                find_secrets(value.get_ref(), spans);
            }
        }
        _ => {}
    }
}

/// A mistake that does not know its place yet.
#[derive(Debug)]
pub(super) struct Problem {
    /// Keys from the top of the file; a number is an index of a list.
    pub(super) path: Vec<String>,
    pub(super) spot: Spot,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// Which half of `key = value` is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    Key,
    Value,
}

impl Problem {
    pub(super) fn located(self, manifest: &Path) -> ConfigFinding {
        let excerpt = fs::read_to_string(manifest).ok().and_then(|text| {
            let span = find(&text, &self.path, self.spot)?;
            Some(Excerpt::of(&text, span))
        });
        ConfigFinding {
            file: manifest.to_owned(),
            excerpt,
            message: self.message,
            help: self.help,
        }
    }
}

fn find(text: &str, path: &[String], spot: Spot) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let (last, parents) = path.split_last()?;
    let mut value = DeValue::Table(document.into_inner());
    for key in parents {
        value = take(value, key)?.1;
    }
    let (span, _) = take_spanned(value, last, spot)?;
    Some(span)
}

fn take<'t>(value: DeValue<'t>, key: &str) -> Option<(Range<usize>, DeValue<'t>)> {
    take_spanned(value, key, Spot::Value)
}

fn take_spanned<'t>(
    value: DeValue<'t>,
    key: &str,
    spot: Spot,
) -> Option<(Range<usize>, DeValue<'t>)> {
    match value {
        DeValue::Table(table) => {
            let (found, value) = table
                .into_iter()
                .find(|(found, _)| found.get_ref() == key)?;
            let span = if spot == Spot::Key {
                found.span()
            } else {
                value.span()
            };
            Some((span, value.into_inner()))
        }
        DeValue::Array(array) => {
            let value = array.into_iter().nth(key.parse().ok()?)?;
            Some((value.span(), value.into_inner()))
        }
        _ => None,
    }
}
