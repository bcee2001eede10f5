//! Versions: what orders migrations, read from a directory's name exactly as
//! Diesel reads it.

use std::borrow::Borrow;
use std::fmt;

/// The longest version that Diesel's history table holds, in characters.
pub const MAX_VERSION_CHARS: usize = 50;

/// The ordered id of a migration.
///
/// The text before the first `_` of the directory's name, with every `-`
/// removed; ordered by its bytes. Source: `migrations_internals` 2.3,
/// `version_from_string`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(Box<str>);

/// Why a text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Nothing stands before the first `_`.
    #[error("the version (the text before the first `_`) is empty")]
    Empty,
    /// More than [`MAX_VERSION_CHARS`].
    #[error("the version has {0} characters, the history table holds 50")]
    TooLong(usize),
}

impl Version {
    /// Takes `text` as a version as it stands.
    ///
    /// # Errors
    /// When it is empty or longer than the history table's column.
    pub fn new(text: &str) -> Result<Self, VersionError> {
        let chars = text.chars().count();
        if chars == 0 {
            return Err(VersionError::Empty);
        }
        if chars > MAX_VERSION_CHARS {
            return Err(VersionError::TooLong(chars));
        }
        Ok(Self(text.into()))
    }

    /// A version as a database holds it: whatever is there, it was applied.
    #[must_use]
    pub fn recorded(text: &str) -> Self {
        Self(text.into())
    }

    /// The version of the migration in the directory `name`.
    ///
    /// # Errors
    /// As [`Version::new`].
    pub fn of_directory(name: &str) -> Result<Self, VersionError> {
        let before = name.split_once('_').map_or(name, |(before, _)| before);
        Self::new(&before.replace('-', ""))
    }

    /// The version's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for Version {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_what_diesel_reads() {
        for (directory, version) in [
            ("2024-01-01-000000_create_users", "20240101000000"),
            ("2024-01-01-000000-0000_a", "202401010000000000"),
            ("001_initial", "001"),
            ("nounderscore", "nounderscore"),
            ("2025-07-14-add_users", "20250714add"),
            ("2024-03-13_170000_users", "20240313"),
            ("YYYY-MM-DD-HHMMSS_users", "YYYYMMDDHHMMSS"),
            ("!wow_users", "!wow"),
            ("2024 01_with spaces", "2024 01"),
        ] {
            assert_eq!(Version::of_directory(directory).unwrap().as_str(), version);
        }
    }

    #[test]
    fn an_empty_or_too_long_version_is_refused() {
        assert_eq!(Version::of_directory("_x"), Err(VersionError::Empty));
        assert_eq!(Version::of_directory("--_x"), Err(VersionError::Empty));
        assert!(Version::of_directory(&"1".repeat(50)).is_ok());
        assert_eq!(
            Version::of_directory(&"é".repeat(51)),
            Err(VersionError::TooLong(51))
        );
    }
}
