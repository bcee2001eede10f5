//! Who holds what a statement waited for in vain, as SQL text. Every server
//! knows another part of it: MariaDB by a plugin, MySQL by its performance
//! schema; the transactions that are open are what both show at the least.

use diesel::sql_types::{BigInt, Nullable, Text};
use migrate_core::{Dialect, tokenize};

use crate::error::Blocker;
use crate::quote::literal;

/// How many are named.
const NAMED: usize = 5;

/// What the server answers to one of the [`queries`].
#[derive(Debug, diesel::QueryableByName)]
pub(super) struct BlockerRow {
    #[diesel(sql_type = Nullable<Text>)]
    session: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    connection: Option<i64>,
}

impl BlockerRow {
    pub(super) fn blocker(self) -> Option<Blocker> {
        Some(Blocker {
            session: self.session?,
            ended_by: self.connection.map(|id| format!("KILL {id}")),
        })
    }
}

/// What to ask, the most exact first; a server that does not have it, or does
/// not show it to the account, answers with an error.
pub(super) fn queries(statement: &str) -> [String; 4] {
    let names = names(statement);
    let held_on =
        |schema: &str, table: &str| format!("{schema} = DATABASE() AND {table} IN ({names})");
    let transaction = "COALESCE(CONCAT(', in a transaction since ', t.trx_started), ''), ";
    let with_transaction =
        "LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID ";
    let query = |held: &str, from: &str, only: &str| {
        let (held, join, order) = match from {
            "" => (String::new(), "", "p.TIME DESC"),
            _ => (
                format!("{held}{transaction}"),
                with_transaction,
                "t.trx_started",
            ),
        };
        format!(
            "SELECT CAST(CONCAT('connection ', p.ID, ', ', p.USER, '@', p.HOST, ', ', LOWER(p.COMMAND), ' for ', p.TIME, ' s', {held}\
             COALESCE(CONCAT('; its query: ', LEFT(p.INFO, 120)), '')) AS CHAR) AS session, \
             CAST(p.ID AS SIGNED) AS connection FROM information_schema.PROCESSLIST p {from} {join}\
             WHERE p.ID <> CONNECTION_ID() AND {only} ORDER BY {order} LIMIT {NAMED}"
        )
    };
    [
        query(
            "', holds ', l.LOCK_MODE, ' on ', l.TABLE_NAME, ",
            "JOIN information_schema.METADATA_LOCK_INFO l ON l.THREAD_ID = p.ID",
            &held_on("l.TABLE_SCHEMA", "l.TABLE_NAME"),
        ),
        query(
            "', holds ', l.LOCK_TYPE, ' on ', l.OBJECT_NAME, ",
            "JOIN performance_schema.threads h ON h.PROCESSLIST_ID = p.ID \
             JOIN performance_schema.metadata_locks l ON l.OWNER_THREAD_ID = h.THREAD_ID",
            &format!(
                "l.LOCK_STATUS = 'GRANTED' AND {}",
                held_on("l.OBJECT_SCHEMA", "l.OBJECT_NAME")
            ),
        ),
        query(
            "",
            "JOIN information_schema.INNODB_TRX o ON o.trx_mysql_thread_id = p.ID",
            "p.DB = DATABASE()",
        ),
        // Any of those that it may see.
        query("", "", "p.DB = DATABASE()"),
    ]
}

/// The names in a statement, as a list of literals.
fn names(statement: &str) -> String {
    let mut names: Vec<String> = Vec::new();
    for token in tokenize(statement, Dialect::MySql).filter(|token| !token.is_blank()) {
        let word = statement[token.range].trim_matches('`');
        let is_name = word.starts_with(|first: char| first.is_alphabetic() || first == '_');
        let name = literal(Dialect::MySql, word);
        if is_name && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return "NULL".to_owned();
    }
    names.join(", ")
}
