//! `metadata.toml`: how one migration wants to be run. Reads Diesel's key and
//! ours, and refuses what Diesel silently misreads.

use std::time::Duration;

use serde::Deserialize;

use crate::place::Place;
use crate::version::Version;

/// What a migration's `metadata.toml` says, validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Whether the whole file runs in one transaction.
    pub transaction: Transaction,
    /// Why the migration has no way back; takes the place of `down.sql`.
    pub irreversible: Option<String>,
    /// Longest wait for a lock, in place of the configured one.
    pub lock_timeout: Option<Duration>,
    /// Longest run of a statement, in place of the configured one.
    pub statement_timeout: Option<Duration>,
    /// Whether the migration is a Rust function of the service's binary.
    pub kind: Kind,
    /// Versions that this one was squashed from.
    pub replaces: Vec<Version>,
}

/// Whether a migration runs in a transaction, and who said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// No `metadata.toml`: in a transaction, as Diesel does.
    Default,
    /// `run_in_transaction` is written.
    Stated(bool),
    /// `metadata.toml` is there without the key: Diesel takes that for false.
    Omitted,
}

impl Transaction {
    /// What Diesel makes of it.
    #[must_use]
    pub fn runs_in_transaction(self) -> bool {
        match self {
            Self::Default => true,
            Self::Stated(stated) => stated,
            Self::Omitted => false,
        }
    }
}

/// Where a migration's work is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In up.sql and down.sql.
    Sql,
    /// In a Rust function; up.sql fails elsewhere by design.
    Code,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            transaction: Transaction::Default,
            irreversible: None,
            lock_timeout: None,
            statement_timeout: None,
            kind: Kind::Sql,
            replaces: Vec::new(),
        }
    }
}

/// Why a `metadata.toml` was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MetadataError {
    /// Where in the file.
    pub place: Place,
    /// What is wrong there.
    pub message: String,
}

#[derive(Deserialize)]
struct Raw {
    run_in_transaction: Option<toml::Spanned<bool>>,
    irreversible: Option<toml::Spanned<String>>,
    lock_timeout: Option<toml::Spanned<String>>,
    statement_timeout: Option<toml::Spanned<String>>,
    #[serde(default)]
    code: bool,
    #[serde(default)]
    replaces: Vec<toml::Spanned<String>>,
}

impl Metadata {
    /// Reads the text of a `metadata.toml`. Unknown keys are left to whoever
    /// knows them, as Diesel leaves ours.
    ///
    /// # Errors
    /// When it is no TOML, a known key has a wrong type, a duration or version
    /// is malformed, or an irreversible migration gives no reason. Diesel takes
    /// the first two for `run_in_transaction = true`.
    pub fn parse(text: &str) -> Result<Self, MetadataError> {
        let at = |offset: usize, message: String| MetadataError {
            place: Place::of(text, offset),
            message,
        };
        let raw: Raw = toml::from_str(text).map_err(|error| {
            at(
                error.span().map_or(0, |span| span.start),
                error.message().to_owned(),
            )
        })?;
        let duration = |value: Option<toml::Spanned<String>>| match value {
            None => Ok(None),
            Some(value) => humantime::parse_duration(value.get_ref())
                .map(Some)
                .map_err(|_| {
                    at(
                        value.span().start,
                        format!(
                            "`{}` is no duration, write 500ms, 2s or 10min",
                            value.get_ref()
                        ),
                    )
                }),
        };
        let replaces = raw.replaces.iter().map(|value| {
            Version::new(value.get_ref()).map_err(|error| at(value.span().start, error.to_string()))
        });
        if let Some(reason) = raw
            .irreversible
            .as_ref()
            .filter(|reason| reason.get_ref().trim().is_empty())
        {
            return Err(at(
                reason.span().start,
                "`irreversible` wants the reason, for whoever must revert".into(),
            ));
        }
        Ok(Self {
            transaction: raw
                .run_in_transaction
                .map_or(Transaction::Omitted, |value| {
                    Transaction::Stated(value.into_inner())
                }),
            irreversible: raw.irreversible.map(toml::Spanned::into_inner),
            lock_timeout: duration(raw.lock_timeout)?,
            statement_timeout: duration(raw.statement_timeout)?,
            kind: if raw.code { Kind::Code } else { Kind::Sql },
            replaces: replaces.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diesels_key_means_what_diesel_makes_of_it() {
        let runs = |text| {
            Metadata::parse(text)
                .unwrap()
                .transaction
                .runs_in_transaction()
        };
        assert!(runs("run_in_transaction = true"));
        assert!(!runs("run_in_transaction = false"));
        // Diesel: a file without the key is `false`.
        assert!(!runs(""));
        assert!(!runs("irreversible = \"drops mail\"\nsomebody_elses = 1"));
        assert!(Metadata::default().transaction.runs_in_transaction());
    }

    #[test]
    fn what_diesel_misreads_is_refused_at_its_place() {
        for (text, place) in [
            ("run_in_transaction = \"false\"", "1:22"),
            ("a = 1\nrun_in_transaction = ", "2:22"),
            ("lock_timeout = \"soon\"", "1:16"),
            ("irreversible = \" \"", "1:16"),
            ("code = true\nreplaces = [\"1\", \"\"]", "2:18"),
        ] {
            let error = Metadata::parse(text).unwrap_err();
            assert_eq!(error.place.to_string(), place, "{text}: {error}");
        }
    }

    #[test]
    fn our_keys_are_read() {
        let text =
            "run_in_transaction = true\nlock_timeout = \"500ms\"\ncode = true\nreplaces = [\"1\"]";
        let metadata = Metadata::parse(text).unwrap();
        assert_eq!(metadata.lock_timeout, Some(Duration::from_millis(500)));
        assert_eq!((metadata.kind, metadata.replaces.len()), (Kind::Code, 1));
    }
}
