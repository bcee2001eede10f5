//! The configured `session-setup`, and whether it may be made again after each
//! migration. Knows its words alone, and sends nothing.

use migrate_core::{Dialect, split, tokenize};

/// What the configuration has made of the session before we found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SessionSetup {
    /// Settings alone, or nothing at all: after a migration everything is reset
    /// and these are made again.
    Settings(String),
    /// More than settings, which must not be done again and again; so nothing
    /// is reset that it might have set.
    Once,
}

impl SessionSetup {
    pub(crate) fn of(statements: &[String]) -> Self {
        if statements.iter().all(|statement| is_a_setting(statement)) {
            // A comment at its end must not take the semicolon.
            let lines = statements
                .iter()
                .map(|statement| format!("{statement}\n;\n"));
            Self::Settings(lines.collect())
        } else {
            Self::Once
        }
    }
}

/// Whether a text holds nothing but SET for the whole session.
fn is_a_setting(text: &str) -> bool {
    let Ok(statements) = split(text, Dialect::Postgres) else {
        return false;
    };
    statements.iter().all(|statement| {
        let text = &text[statement.range.clone()];
        let mut words = tokenize(text, Dialect::Postgres)
            .filter(|token| !token.is_blank())
            .map(|token| text[token.range].to_ascii_lowercase());
        // What ends with a transaction did nothing when it was run outside one.
        let until_commit = ["local", "transaction", "constraints"];
        words.next().as_deref() == Some("set")
            && words
                .next()
                .is_some_and(|word| !until_commit.contains(&word.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_alone_are_made_again() {
        for (setup, again) in [
            (&[][..], Some("")),
            (&["SET a.b = '1' -- why"], Some("SET a.b = '1' -- why\n;\n")),
            (
                &[
                    "set role x; SET work_mem = '5MB'",
                    "SET SESSION lock_timeout = 1",
                ],
                Some("set role x; SET work_mem = '5MB'\n;\nSET SESSION lock_timeout = 1\n;\n"),
            ),
            (&["SET work_mem = '5MB'", "SELECT log_in()"], None),
            (&["SET work_mem = '5MB'; CREATE TEMP TABLE t ()"], None),
            (&["SET LOCAL work_mem = '5MB'"], None),
            (&["SET TRANSACTION READ ONLY"], None),
            (&["SET a = 'open"], None),
        ] {
            let setup: Vec<String> = setup.iter().map(|&text| text.to_owned()).collect();
            let expected = match again {
                Some(again) => SessionSetup::Settings(again.to_owned()),
                None => SessionSetup::Once,
            };
            assert_eq!(SessionSetup::of(&setup), expected, "{setup:?}");
        }
    }
}
