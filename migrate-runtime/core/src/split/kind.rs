//! What kind of statement a text is, by its first words: whether it may share
//! a transaction with the checkpoint that says it is done. What we don't know
//! stands alone.

use super::StatementKind;
use super::phrase::{Opening, lexemes, under_settings};
use crate::token::tokenize;
use crate::{Dialect, TokenKind};

/// The kind of one statement.
pub(crate) fn classify(statement: &str, dialect: Dialect) -> StatementKind {
    let statement = under_settings(statement, dialect);
    let opening = Opening::of(statement, dialect);
    match dialect {
        Dialect::Postgres => postgres(statement, &opening),
        Dialect::MySql => mysql(statement, &opening),
        Dialect::Sqlite => sqlite(&opening),
    }
}

/// The words of a statement that PostgreSQL refuses in a transaction, such as
/// `CREATE INDEX CONCURRENTLY`; none for others.
pub(crate) fn outside_transaction(statement: &str, opening: &Opening<'_>) -> Option<&'static str> {
    const ALWAYS: [(&str, &str); 11] = [
        (
            "CREATE [UNIQUE] INDEX CONCURRENTLY",
            "CREATE INDEX CONCURRENTLY",
        ),
        ("DROP INDEX CONCURRENTLY", "DROP INDEX CONCURRENTLY"),
        (
            "REINDEX DATABASE|SYSTEM|SCHEMA",
            "REINDEX DATABASE, SYSTEM or SCHEMA",
        ),
        ("VACUUM", "VACUUM"),
        ("ALTER SYSTEM", "ALTER SYSTEM"),
        ("CREATE DATABASE", "CREATE DATABASE"),
        ("DROP DATABASE", "DROP DATABASE"),
        ("CREATE TABLESPACE", "CREATE TABLESPACE"),
        ("DROP TABLESPACE", "DROP TABLESPACE"),
        ("DROP SUBSCRIPTION", "DROP SUBSCRIPTION"),
        ("ALTER DATABASE", "ALTER DATABASE … SET TABLESPACE"),
    ];
    let words = |statement: &str, phrase: &[&str]| {
        let lexemes: Vec<_> = lexemes(statement, Dialect::Postgres).collect();
        lexemes.windows(phrase.len()).any(|window| {
            window
                .iter()
                .zip(phrase)
                .all(|(lexeme, word)| lexeme.is(word))
        })
    };
    if let Some((pattern, name)) = ALWAYS.iter().find(|(pattern, _)| opening.starts(pattern)) {
        let harmless = *pattern == "ALTER DATABASE" && !words(statement, &["SET", "TABLESPACE"]);
        return (!harmless).then_some(name);
    }
    if opening.starts("REINDEX") {
        let after_options = opening.has("CONCURRENTLY");
        let everything = ["DATABASE", "SYSTEM", "SCHEMA"].iter().any(|what| {
            // REINDEX (VERBOSE) SCHEMA s
            opening
                .lexemes()
                .windows(2)
                .any(|pair| pair[0].text == ")" && pair[1].is(what))
        });
        return match (after_options, everything) {
            (true, _) => Some("REINDEX CONCURRENTLY"),
            (false, true) => Some("REINDEX DATABASE, SYSTEM or SCHEMA"),
            (false, false) => None,
        };
    }
    if opening.starts("CLUSTER") {
        // CLUSTER and CLUSTER VERBOSE rebuild every clustered table, each in
        // a transaction of its own; so does CLUSTER (VERBOSE).
        let names = opening.lexemes()[1..].iter().any(|lexeme| {
            !lexeme.is("VERBOSE")
                && !matches!(lexeme.text, "(" | ")" | ",")
                && !is_switch(lexeme.text)
        });
        return (!names).then_some("CLUSTER without a table");
    }
    if opening.starts("CREATE SUBSCRIPTION") {
        // Without a slot to create on the other server it may.
        let disconnected = lexemes(statement, Dialect::Postgres)
            .collect::<Vec<_>>()
            .windows(3)
            .any(|window| {
                (window[0].is("CONNECT") || window[0].is("CREATE_SLOT"))
                    && window[1].text == "="
                    && matches!(
                        window[2]
                            .text
                            .trim_matches('\'')
                            .to_ascii_lowercase()
                            .as_str(),
                        "false" | "off" | "0"
                    )
            });
        return (!disconnected).then_some("CREATE SUBSCRIPTION");
    }
    if opening.starts("ALTER TABLE") && words(statement, &["DETACH", "PARTITION"]) {
        let last = lexemes(statement, Dialect::Postgres).last();
        return last
            .filter(|last| last.is("CONCURRENTLY"))
            .map(|_| "DETACH PARTITION CONCURRENTLY");
    }
    None
}

fn is_switch(word: &str) -> bool {
    ["true", "false", "on", "off", "1", "0"]
        .iter()
        .any(|switch| word.eq_ignore_ascii_case(switch))
}

fn postgres(statement: &str, opening: &Opening<'_>) -> StatementKind {
    const DML: &str = "INSERT|UPDATE|DELETE|MERGE|SELECT|VALUES|TABLE|WITH|COPY|EXPLAIN";
    const DDL: &str = "CREATE|ALTER|DROP|COMMENT|GRANT|REVOKE|TRUNCATE|SECURITY|REASSIGN|IMPORT|REFRESH|ANALYZE|ANALYSE|\
                       SET|RESET|SHOW|LOCK|NOTIFY|LISTEN|UNLISTEN|REINDEX|CLUSTER";
    // These may run in a transaction, but not all of them everywhere: new enum
    // values before version 12, partitioned tables, and subscriptions that
    // talk to the other server. Who has left the transaction means it.
    const RATHER_ALONE: [&str; 5] = [
        "ALTER SUBSCRIPTION",
        "ALTER DATABASE",
        "CREATE SUBSCRIPTION",
        "REINDEX",
        "CLUSTER",
    ];
    if opening
        .lexemes()
        .first()
        .is_some_and(|first| first.text == "(")
    {
        return StatementKind::Dml;
    }
    if opening.starts(DML) {
        // A slot can't be made in a transaction that has written, and the
        // checkpoint is a write.
        let slot = opening.lexemes().iter().any(|lexeme| {
            lexeme.is("pg_create_logical_replication_slot")
                || lexeme.is("pg_copy_logical_replication_slot")
        });
        return if slot {
            StatementKind::Alone
        } else {
            StatementKind::Dml
        };
    }
    let alone = !opening.starts(DDL)
        || RATHER_ALONE.iter().any(|pattern| opening.starts(pattern))
        || (opening.starts("ALTER TYPE") && adds_enum_value(opening))
        || outside_transaction(statement, opening).is_some();
    if alone {
        StatementKind::Alone
    } else {
        StatementKind::Ddl
    }
}

fn adds_enum_value(opening: &Opening<'_>) -> bool {
    opening
        .lexemes()
        .windows(2)
        .any(|pair| pair[0].is("ADD") && pair[1].is("VALUE"))
}

fn mysql(statement: &str, opening: &Opening<'_>) -> StatementKind {
    const DML: &str = "INSERT|UPDATE|DELETE|REPLACE|SELECT|VALUES|TABLE|WITH|DO";
    let query = opening
        .lexemes()
        .first()
        .is_some_and(|first| first.text == "(");
    if may_be_empty(statement) {
        return StatementKind::Alone;
    }
    if query
        || opening.starts(DML)
        || opening.starts("LOAD DATA|XML")
        || (opening.starts("SET") && sets_only_user_variables(statement))
    {
        return StatementKind::Dml;
    }
    // All DDL commits, and so does much else.
    StatementKind::Alone
}

/// Whether some server skips all of the statement, as it stands in executable
/// comments of a version: MariaDB those of MySQL 5.7 and later, MySQL all of
/// MariaDB's. Alone that is harmless, but an error in the middle of a batch.
fn may_be_empty(statement: &str) -> bool {
    let mut skipped = false;
    for token in tokenize(statement, Dialect::MySql).filter(|token| !token.is_blank()) {
        let text = &statement[token.range];
        if token.kind != TokenKind::Hint {
            return false;
        }
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        skipped |= match text.strip_prefix("/*!") {
            Some(inner) => inner[..digits(inner)]
                .parse::<u32>()
                .is_ok_and(|version| version >= 50_700),
            None => true,
        };
    }
    skipped
}

/// `SET @a = 1, @b = 2`: other variables may not be set in a transaction, or
/// end it.
fn sets_only_user_variables(statement: &str) -> bool {
    let mut target = true;
    let mut depth = 0_usize;
    for lexeme in lexemes(statement, Dialect::MySql).skip(1) {
        if target && (!lexeme.text.starts_with('@') || lexeme.text.starts_with("@@")) {
            return false;
        }
        match lexeme.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        target = lexeme.text == "," && depth == 0;
    }
    true
}

fn sqlite(opening: &Opening<'_>) -> StatementKind {
    if opening.starts("INSERT|UPDATE|DELETE|REPLACE|SELECT|VALUES|WITH") {
        StatementKind::Dml
    } else if opening.starts("CREATE|ALTER|DROP|REINDEX|ANALYZE") {
        StatementKind::Ddl
    } else {
        StatementKind::Alone
    }
}
