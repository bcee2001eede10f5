//! The settings that a SET changes for its session, and how each is put back
//! as it was found. Reads the statement's words alone.

use migrate_core::{Lexeme, TokenKind};

/// One that a statement changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// In lower case, for a user's variable with its `@`.
    pub(super) name: String,
}

/// The name under which the isolation level is kept: the servers' own names of
/// it differ.
const ISOLATION: &str = "transaction isolation";
const ITS_NAME: &str = "/*M! tx_isolation */ /*!80003 transaction_isolation */";

impl Setting {
    fn of(name: &str) -> Self {
        Self {
            name: name.to_ascii_lowercase(),
        }
    }

    /// Keeps its value; a user's variable had none when the file began.
    pub(super) fn note(&self) -> Option<String> {
        let name = &self.name;
        match name.as_str() {
            ISOLATION => Some(
                "@cargo_migrate_isolation = /*M! @@SESSION.tx_isolation */ /*!80003 @@SESSION.transaction_isolation */"
                    .to_owned(),
            ),
            _ if name.starts_with('@') => None,
            _ => Some(format!("@cargo_migrate_{name} = @@SESSION.{name}")),
        }
    }

    pub(super) fn put_back(&self) -> String {
        let name = &self.name;
        match name.as_str() {
            ISOLATION => format!("SESSION {ITS_NAME} = @cargo_migrate_isolation"),
            _ if name.starts_with('@') => format!("{name} = NULL"),
            _ => format!("SESSION {name} = @cargo_migrate_{name}"),
        }
    }
}

/// The settings of its session that a statement changes by SET, or for which
/// it fails.
pub(super) fn changed_by(statement: &[Lexeme<'_>]) -> Vec<Setting> {
    let Some((set, rest)) = statement.split_first() else {
        return Vec::new();
    };
    if !set.is("SET") {
        return Vec::new();
    }
    let has = |word: &str| rest.iter().take(2).any(|lexeme| lexeme.is(word));
    if has("TRANSACTION") && !has("GLOBAL") {
        return vec![Setting::of(ISOLATION)];
    }
    let other = [
        "NAMES",
        "CHARACTER",
        "CHARSET",
        "PASSWORD",
        "ROLE",
        "DEFAULT",
        "STATEMENT",
    ];
    if rest
        .first()
        .is_some_and(|first| other.iter().any(|word| first.is(word)))
    {
        return Vec::new();
    }
    let mut depth = 0_usize;
    let assignments = rest.split(|lexeme| {
        match lexeme.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && lexeme.text == ","
    });
    assignments.filter_map(assigned).collect()
}

/// What one `a = 1` assigns to, if that is the session's.
fn assigned(assignment: &[Lexeme<'_>]) -> Option<Setting> {
    let sign = assignment
        .iter()
        .position(|lexeme| matches!(lexeme.text, "=" | ":="))?;
    let target = &assignment[..sign];
    let elsewhere = |word: &str| {
        ["GLOBAL", "PERSIST", "PERSIST_ONLY"]
            .iter()
            .any(|scope| word.eq_ignore_ascii_case(scope))
    };
    let name = target.last()?;
    if target.iter().any(|lexeme| elsewhere(lexeme.text)) {
        return None;
    }
    let text = match name.text.strip_prefix("@@") {
        None => name.text,
        Some(system) => match system.split_once('.') {
            Some((scope, _)) if elsewhere(scope) => return None,
            Some((_, name)) => name,
            None => system,
        },
    };
    let bare = text.strip_prefix('@').unwrap_or(text);
    let plain = bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let known = matches!(name.kind, TokenKind::Word | TokenKind::Parameter);
    (plain && known && !bare.is_empty()).then(|| Setting::of(text))
}

#[cfg(test)]
mod tests {
    use migrate_core::{Dialect, lexemes};

    use super::*;

    #[test]
    fn what_a_set_changes_for_its_session_is_known() {
        for (statement, names) in [
            ("SET sql_log_bin = 0", &["sql_log_bin"][..]),
            (
                "SET SESSION a = 1, @@session.B := (SELECT max(n), 2), @x = 5, LOCAL c = 'd, e = f'",
                &["a", "b", "@x", "c"],
            ),
            ("SET GLOBAL a = 1, @@global.b = 2, @@PERSIST.c = 3", &[]),
            (
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
                &[ISOLATION],
            ),
            ("SET NAMES latin1 COLLATE latin1_bin", &[]),
            ("SET @@time_zone = '+01:00'", &["time_zone"]),
            ("UPDATE t SET a = 1", &[]),
            ("/*!40101 SET unique_checks=0 */", &["unique_checks"]),
        ] {
            let lexemes: Vec<_> = lexemes(statement, Dialect::MySql).collect();
            let found: Vec<_> = changed_by(&lexemes)
                .into_iter()
                .map(|setting| setting.name)
                .collect();
            assert_eq!(found, names, "{statement}");
        }
    }
}
