//! Statements that begin or end transactions, or change what they are.

use crate::Dialect;
use crate::split::{Opening, lexemes};

/// What a statement does to transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    /// Begins one; `plain` if it asks for nothing that ours lacks.
    Begin { plain: bool },
    /// Commits; `plain` if it begins none again.
    Commit { plain: bool },
    /// SAVEPOINT, RELEASE and ROLLBACK TO, which stay in the transaction.
    Savepoint,
    /// Changes the isolation level, or whether the transaction may write;
    /// `session` if it does so for those to come.
    Mode { session: bool },
    /// Ends one otherwise, or spans several connections.
    Other,
}

/// What the statement does to transactions, if anything.
pub(super) fn read(statement: &str, opening: &Opening<'_>, dialect: Dialect) -> Option<Control> {
    // MariaDB's block, not a transaction.
    if dialect == Dialect::MySql && opening.starts("BEGIN NOT") {
        return None;
    }
    if opening.starts("BEGIN") || opening.starts("START TRANSACTION") {
        let plain = match dialect {
            Dialect::Postgres => {
                opening.is_exactly(
                    "BEGIN [WORK|TRANSACTION] [ISOLATION] [LEVEL] [READ] [COMMITTED|WRITE]",
                ) || opening
                    .is_exactly("START TRANSACTION [ISOLATION] [LEVEL] [READ] [COMMITTED|WRITE]")
            }
            Dialect::MySql => opening.is_exactly("BEGIN|START [WORK|TRANSACTION] [READ] [WRITE]"),
            Dialect::Sqlite => {
                opening.is_exactly("BEGIN [DEFERRED|IMMEDIATE|EXCLUSIVE] [TRANSACTION]")
            }
        };
        return Some(Control::Begin { plain });
    }
    let end = match dialect {
        Dialect::Postgres | Dialect::Sqlite => "COMMIT|END",
        Dialect::MySql => "COMMIT",
    };
    if opening.starts(end) {
        let plain = opening.is_exactly("COMMIT|END [WORK|TRANSACTION]")
            || opening.is_exactly("COMMIT|END [WORK|TRANSACTION] AND NO CHAIN");
        return Some(Control::Commit { plain });
    }
    if opening.starts("SAVEPOINT")
        || opening.starts("RELEASE")
        || opening.starts("ROLLBACK [WORK|TRANSACTION] TO")
    {
        return Some(Control::Savepoint);
    }
    if opening.starts("ROLLBACK") {
        return Some(Control::Other);
    }
    match dialect {
        Dialect::Postgres if opening.starts("ABORT") || opening.starts("PREPARE TRANSACTION") => {
            Some(Control::Other)
        }
        Dialect::Postgres | Dialect::MySql if opening.starts("SET") => {
            setting(statement, opening, dialect)
        }
        Dialect::MySql if opening.starts("XA") => Some(Control::Other),
        Dialect::Postgres | Dialect::MySql | Dialect::Sqlite => None,
    }
}

/// SET TRANSACTION and its like. READ WRITE is harmless. READ ONLY would keep
/// us from writing the journal. On PostgreSQL the other modes come too late
/// after the history row.
fn setting(statement: &str, opening: &Opening<'_>, dialect: Dialect) -> Option<Control> {
    if dialect == Dialect::MySql {
        const READ_ONLY: [&str; 2] = ["tx_read_only", "transaction_read_only"];
        if sets_other_than(statement, &["autocommit"], &["1", "on", "true"]) {
            return Some(Control::Other);
        }
        if sets_other_than(statement, &READ_ONLY, &["0", "off", "false", "default"]) {
            return Some(Control::Mode { session: true });
        }
    }
    let session = opening.starts("SET SESSION|GLOBAL TRANSACTION|CHARACTERISTICS");
    if !session && !opening.starts("SET [LOCAL] TRANSACTION") {
        return None;
    }
    let pair = |first: &str, second: &str| {
        opening
            .lexemes()
            .windows(2)
            .any(|pair| pair[0].is(first) && pair[1].is(second))
    };
    let read_only = pair("READ", "ONLY");
    let late = ["ISOLATION", "SNAPSHOT", "DEFERRABLE"]
        .iter()
        .any(|mode| opening.has(mode));
    let this_one = dialect == Dialect::Postgres && !session && late;
    // On MySQL one without SESSION is about the next transaction, which would
    // be our checkpoint's.
    (read_only || this_one).then_some(Control::Mode {
        session: session || dialect == Dialect::MySql,
    })
}

/// Whether a SET of MySQL's gives one of the variables a value that is none of
/// the `harmless`, as far as we can tell.
fn sets_other_than(statement: &str, variables: &[&str], harmless: &[&str]) -> bool {
    let lexemes: Vec<_> = lexemes(statement, Dialect::MySql).collect();
    lexemes.windows(3).any(|window| {
        let target = window[0].text;
        let name = target.strip_prefix("@@").unwrap_or(target);
        // With a single @ it is the user's.
        let name = name.rsplit('.').next().unwrap_or("").trim_matches('`');
        let value = window[2].text.trim_matches(['\'', '"']);
        let is =
            |words: &[&str], text: &str| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        is(variables, name) && matches!(window[1].text, "=" | ":=") && !is(harmless, value)
    })
}
