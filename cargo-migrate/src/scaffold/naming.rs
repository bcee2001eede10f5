//! Names and versions of new migrations. Pure.

use std::collections::BTreeMap;

use heck::ToSnakeCase;
use migrate_core::Version;

use super::{Numbering, ScaffoldError};

/// What ext4, APFS and NTFS take for one name, more or less.
pub(super) const MAX_NAME_BYTES: usize = 255;

/// Shorter runs of digits are numbers; a date has at least eight.
const DATE_DIGITS: usize = 8;

/// The width of the first number of a new set.
const FIRST_WIDTH: usize = 3;

/// How many seconds, or numbers, may be taken before we give up.
pub(super) const ATTEMPTS: i64 = 3600;

/// The migrations that are there: version to directory's name.
pub(super) type Existing = BTreeMap<Version, String>;

/// The directory's name without its version.
pub(super) fn snake_name(typed: &str) -> Result<String, ScaffoldError> {
    if typed.contains(['/', '\\', '\0']) || typed.contains("..") {
        return Err(ScaffoldError::NameWithPath(typed.to_owned()));
    }
    let name = typed.to_snake_case();
    if name.is_empty() {
        return Err(ScaffoldError::EmptyName(typed.to_owned()));
    }
    Ok(name)
}

/// How the versions of a set are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `2026-03-01-120000_`
    Dashed,
    /// `20260301120000_`
    Compact,
    /// `007_`
    Number { last: u64, width: usize },
}

/// The texts before the `_` that a new migration may have, best first.
pub(super) fn prefixes(
    existing: &Existing,
    numbering: Numbering,
    now: jiff::Timestamp,
) -> Result<Vec<String>, ScaffoldError> {
    let highest = || {
        existing
            .keys()
            .filter_map(|version| number(version.as_str()))
            .max_by_key(|(n, _)| *n)
    };
    let style = match (numbering, style(existing)) {
        (Numbering::Kept, style) => style,
        (Numbering::Sequential, _) => {
            let (last, width) = highest().unwrap_or((0, FIRST_WIDTH));
            Style::Number { last, width }
        }
    };
    let times = |format: &'static str| {
        let seconds = (0..ATTEMPTS)
            .filter_map(move |n| now.checked_add(jiff::SignedDuration::from_secs(n)).ok());
        seconds
            .map(move |second| second.strftime(format).to_string())
            .collect()
    };
    match style {
        Style::Dashed => Ok(times("%Y-%m-%d-%H%M%S")),
        Style::Compact => Ok(times("%Y%m%d%H%M%S")),
        Style::Number { last, width } => {
            let first = format!("{:0width$}", last + 1);
            if let Some((newest, name)) = existing.last_key_value()
                && newest.as_str() >= first.as_str()
            {
                return Err(ScaffoldError::Unsortable {
                    next: first,
                    newest: name.clone(),
                });
            }
            Ok((1..=ATTEMPTS.unsigned_abs())
                .map(|n| format!("{:0width$}", last + n))
                .collect())
        }
    }
}

/// The style of the newest migration, for that is what the new one follows.
fn style(existing: &Existing) -> Style {
    // Diesel's own set-up for PostgreSQL is 00000000000000: nobody's style.
    let newest = existing
        .iter()
        .rev()
        .find(|(version, _)| version.as_str().bytes().any(|byte| byte != b'0'));
    let Some((version, name)) = newest else {
        return Style::Dashed;
    };
    if let Some((last, width)) = number(version.as_str()) {
        return Style::Number { last, width };
    }
    let prefix = name.split('_').next().unwrap_or_default();
    if prefix.len() == 14 && prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        Style::Compact
    } else {
        Style::Dashed
    }
}

fn number(version: &str) -> Option<(u64, usize)> {
    let digits = version.len() < DATE_DIGITS && version.bytes().all(|byte| byte.is_ascii_digit());
    Some((version.parse().ok().filter(|_| digits)?, version.len()))
}

/// A version that comes after all numbers of `next`'s former width.
pub(super) fn sortable_hint(next: &str) -> String {
    format!("{}0", "9".repeat(next.len().saturating_sub(1).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn existing(names: &[&str]) -> Existing {
        names
            .iter()
            .map(|&name| (Version::of_directory(name).unwrap(), name.to_owned()))
            .collect()
    }

    fn first(names: &[&str], numbering: Numbering) -> Result<String, String> {
        let now = "2026-03-01T23:59:58Z".parse().unwrap();
        prefixes(&existing(names), numbering, now)
            .map(|list| list[0].clone())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_style_of_the_set_is_kept() {
        for (names, expected) in [
            (&[][..], "2026-03-01-235958"),
            (
                &["2024-01-01-000000_a", "2025-01-01-000000-0000_b"],
                "2026-03-01-235958",
            ),
            (
                &["00000000000000_diesel_initial_setup"],
                "2026-03-01-235958",
            ),
            (&["20240101000000_a"], "20260301235958"),
            (&["001_a", "002_b"], "003"),
            (&["0009_a"], "0010"),
            (&["00000000000000_diesel_initial_setup", "1_a", "7_b"], "8"),
            (&["001_a", "2024-01-01-000000_b"], "2026-03-01-235958"),
            (&["nounderscore"], "2026-03-01-235958"),
        ] {
            assert_eq!(
                first(names, Numbering::Kept).unwrap(),
                expected,
                "{names:?}"
            );
        }
    }

    #[test]
    fn numbers_are_continued_where_they_sort() {
        assert_eq!(first(&[], Numbering::Sequential).unwrap(), "001");
        assert_eq!(
            first(&["001_a", "041_b"], Numbering::Sequential).unwrap(),
            "042"
        );
        assert_eq!(
            first(&["999_a"], Numbering::Kept).unwrap_err(),
            "the next number is 1000, and as text that comes before 999_a"
        );
        assert_eq!(
            first(&["2024-01-01-000000_a"], Numbering::Sequential).unwrap_err(),
            "the next number is 001, and as text that comes before 2024-01-01-000000_a"
        );
        assert!(sortable_hint("1000").as_str() > "999");
    }

    #[test]
    fn a_taken_second_is_followed_by_the_next_across_midnight() {
        let now = "2026-03-01T23:59:59Z".parse().unwrap();
        let list = prefixes(&existing(&[]), Numbering::Kept, now).unwrap();
        assert_eq!(list[..2], ["2026-03-01-235959", "2026-03-02-000000"]);
    }

    #[test]
    fn names_are_made_of_what_was_typed_and_never_lead_anywhere() {
        for (typed, name) in [
            ("add user roles", "add_user_roles"),
            ("AddUserRoles", "add_user_roles"),
            ("add-user.roles", "add_user_roles"),
            ("Größe ändern", "größe_ändern"),
        ] {
            assert_eq!(snake_name(typed).unwrap(), name);
        }
        for typed in ["../../x", "a/b", "a\\b", "..", "a..b", "a\0"] {
            assert!(
                matches!(snake_name(typed), Err(ScaffoldError::NameWithPath(_))),
                "{typed:?}"
            );
        }
        for typed in ["", " ", "--", "!?"] {
            assert!(
                matches!(snake_name(typed), Err(ScaffoldError::EmptyName(_))),
                "{typed:?}"
            );
        }
    }
}
