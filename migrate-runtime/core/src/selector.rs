//! How a person names a migration: by version, by prefix, by directory, by
//! place in the order, or by distance.

use std::str::FromStr;

use crate::catalog::Catalog;
use crate::history::History;
use crate::version::Version;

/// What was typed where a migration is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// `latest`, `head` or `heads`.
    Latest,
    /// `zero` or `base`: before the first.
    Zero,
    /// `+n` or `-n` migrations from where the database is.
    Relative(i64),
    /// A version, a unique prefix of one, or a directory's name.
    Named(String),
}

/// Why a name selects no migration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// Nothing has that version, name or prefix.
    #[error("no migration `{wanted}`")]
    Unknown {
        /// What was typed.
        wanted: String,
        /// The nearest that there are.
        newest: Option<String>,
    },
    /// Several begin so.
    #[error("`{wanted}` is ambiguous: {}", .candidates.join(", "))]
    Ambiguous {
        /// What was typed.
        wanted: String,
        /// Those that it could be.
        candidates: Vec<String>,
    },
}

impl SelectorError {
    /// What to type instead.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Unknown {
                newest: Some(newest),
                ..
            } => {
                format!("`cargo migrate status` lists them; the newest is {newest}")
            }
            Self::Unknown { newest: None, .. } => {
                "the set is empty; `cargo migrate new <name>` adds one".into()
            }
            Self::Ambiguous { .. } => "type more of the version".into(),
        }
    }
}

impl FromStr for Selector {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "latest" | "head" | "heads" => Self::Latest,
            "zero" | "base" => Self::Zero,
            _ => match text.strip_prefix(['+', '-']).map(|_| text.parse::<i64>()) {
                Some(Ok(distance)) => Self::Relative(distance),
                _ => Self::Named(text.to_owned()),
            },
        })
    }
}

/// Finds the migration that `wanted` names, on disk or only in the database.
///
/// Exact matches go before prefixes; `2026-03-01` finds `20260301120000`.
///
/// # Errors
/// When nothing or more than one thing matches.
pub fn find(wanted: &str, catalog: &Catalog, history: &History) -> Result<Version, SelectorError> {
    let gone = history
        .applied
        .keys()
        .filter(|version| catalog.get(version).is_none())
        .map(|version| (version, version.as_str()));
    let all: Vec<(&Version, &str)> = catalog
        .iter()
        .map(|m| (&m.version, m.name.as_str()))
        .chain(gone)
        .collect();
    let exact = |(version, name): &&(&Version, &str)| version.as_str() == wanted || *name == wanted;
    if let Some((version, _)) = all.iter().find(exact) {
        return Ok((*version).clone());
    }
    let bare = wanted.replace('-', "");
    let begins = |(version, name): &&(&Version, &str)| {
        !bare.is_empty() && (version.as_str().starts_with(&bare) || name.starts_with(wanted))
    };
    let mut found = all.iter().filter(begins);
    match (found.next(), found.next()) {
        (Some((version, _)), None) => Ok((*version).clone()),
        (None, _) => Err(SelectorError::Unknown {
            wanted: wanted.to_owned(),
            newest: catalog.newest().map(|migration| migration.name.clone()),
        }),
        (Some(_), Some(_)) => Err(SelectorError::Ambiguous {
            wanted: wanted.to_owned(),
            candidates: all
                .iter()
                .filter(begins)
                .take(5)
                .map(|(_, name)| (*name).to_owned())
                .collect(),
        }),
    }
}
