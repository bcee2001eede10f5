//! Who holds what a statement waited for in vain, as SQL text. Every server
//! knows another part of it: MariaDB by a plugin, MySQL by its performance
//! schema; the transactions that are open are what both show at the least.

use diesel::sql_types::{BigInt, Nullable, Text};
use migrate_core::{Dialect, tokenize};

use crate::error::{Blocker, Certainty};
use crate::masked;
use crate::quote::literal;

/// How many are named.
const NAMED: usize = 5;

/// What makes MariaDB show who holds what.
const SHOWS_LOCKS: &str = "INSTALL SONAME 'metadata_lock_info'";

/// What the server answers to one of the [`queries`].
#[derive(Debug, diesel::QueryableByName)]
pub(super) struct BlockerRow {
    #[diesel(sql_type = Nullable<Text>)]
    session: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    query: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    connection: Option<i64>,
    /// The table that it has locked; none where the server does not show that.
    #[diesel(sql_type = Nullable<Text>)]
    locked: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    server: Option<String>,
}

/// The sessions of `rows`, as sure as they are. Nobody is to be ended who may be
/// innocent: because locks are not shown, because of several tables one may be
/// named as a column is, or because rows of a table are not all of it.
pub(super) fn blockers(rows: Vec<BlockerRow>, statement: &str, shows_locks: bool) -> Vec<Blocker> {
    let needs_all = needs_the_whole_table(statement);
    let locked: Vec<Option<String>> = rows.iter().map(|row| row.locked.clone()).collect();
    let is_one = locked.windows(2).all(|pair| pair[0] == pair[1]);
    let blocker = |row: BlockerRow| {
        let is_mariadb = row.server.is_some_and(|server| server.contains("MariaDB"));
        let certainty = match row.locked {
            Some(_) if is_one && needs_all => Certainty::Seen,
            Some(_) => Certainty::Likely,
            None if shows_locks => Certainty::Likely,
            None => Certainty::Hidden(is_mariadb.then_some(SHOWS_LOCKS)),
        };
        let ended_by = row.connection.map(|id| format!("KILL {id}"));
        Some(Blocker {
            ended_by: ended_by.filter(|_| certainty == Certainty::Seen),
            ..masked::blocker(
                &row.session?,
                row.query.as_deref(),
                Dialect::MySql,
                certainty,
            )
        })
    };
    rows.into_iter().filter_map(blocker).collect()
}

/// Whether anybody's lock on the table is in the statement's way.
fn needs_the_whole_table(statement: &str) -> bool {
    let first = tokenize(statement, Dialect::MySql).find(|token| !token.is_blank());
    first.is_some_and(|token| {
        let word = statement[token.range].to_ascii_lowercase();
        [
            "alter", "create", "drop", "lock", "optimize", "rename", "truncate",
        ]
        .contains(&word.as_str())
    })
}

/// What to ask, the most exact first; a server that does not have it, or does
/// not show it to the account, answers with an error.
pub(super) fn queries(statement: &str) -> [String; 4] {
    let names = names(statement);
    let held_on =
        |schema: &str, table: &str| format!("{schema} = DATABASE() AND {table} IN ({names})");
    let transaction = ", COALESCE(CONCAT(', in a transaction since ', t.trx_started), '')";
    let with_transaction =
        "LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID ";
    let query = |held: &str, locked: &str, from: &str, only: &str, order: &str| {
        format!(
            "SELECT CAST(CONCAT('connection ', p.ID, ', ', p.USER, '@', p.HOST, ', ', LOWER(p.COMMAND), ' for ', p.TIME, ' s'{held}) AS CHAR) AS session, \
             CAST(LEFT(p.INFO, 1024) AS CHAR) AS query, VERSION() AS server, CAST({locked} AS CHAR) AS locked, \
             CAST(p.ID AS SIGNED) AS connection FROM information_schema.PROCESSLIST p {from}\
             WHERE p.ID <> CONNECTION_ID() AND {only} ORDER BY {order} LIMIT {NAMED}"
        )
    };
    // Who has tables by LOCK TABLES has no transaction.
    let oldest = "t.trx_started IS NULL, t.trx_started, p.TIME DESC";
    [
        query(
            &format!(", ', holds ', l.LOCK_MODE, ' on ', l.TABLE_NAME{transaction}"),
            "l.TABLE_NAME",
            &format!(
                "JOIN information_schema.METADATA_LOCK_INFO l ON l.THREAD_ID = p.ID {with_transaction}"
            ),
            &held_on("l.TABLE_SCHEMA", "l.TABLE_NAME"),
            oldest,
        ),
        query(
            &format!(", ', holds ', l.LOCK_TYPE, ' on ', l.OBJECT_NAME{transaction}"),
            "l.OBJECT_NAME",
            &format!(
                "JOIN performance_schema.threads h ON h.PROCESSLIST_ID = p.ID \
                 JOIN performance_schema.metadata_locks l ON l.OWNER_THREAD_ID = h.THREAD_ID {with_transaction}"
            ),
            &format!(
                "l.LOCK_STATUS = 'GRANTED' AND {}",
                held_on("l.OBJECT_SCHEMA", "l.OBJECT_NAME")
            ),
            oldest,
        ),
        query(
            transaction,
            "NULL",
            with_transaction,
            "p.DB = DATABASE()",
            oldest,
        ),
        // Any of those that it may see.
        query("", "NULL", "", "p.DB = DATABASE()", "p.TIME DESC"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(locked: Option<&str>, server: &str) -> BlockerRow {
        BlockerRow {
            session: Some("connection 7".to_owned()),
            query: None,
            connection: Some(7),
            locked: locked.map(str::to_owned),
            server: Some(server.to_owned()),
        }
    }

    #[test]
    fn only_who_is_surely_in_the_way_is_to_be_ended() {
        let mariadb = "11.8.1-MariaDB";
        let told = |locked: &[Option<&str>], statement: &str| {
            let rows = locked.iter().map(|locked| row(*locked, mariadb)).collect();
            let told = blockers(rows, statement, false).remove(0);
            (told.certainty, told.ended_by.is_some())
        };
        let alter = "ALTER TABLE a ADD COLUMN b int";
        assert_eq!(
            told(&[Some("a"), Some("a")], alter),
            (Certainty::Seen, true)
        );
        assert_eq!(
            told(&[Some("a"), Some("b")], alter),
            (Certainty::Likely, false)
        );
        assert_eq!(
            told(&[Some("a")], "UPDATE a SET b = 1"),
            (Certainty::Likely, false)
        );
        assert_eq!(
            told(&[None], alter),
            (Certainty::Hidden(Some(SHOWS_LOCKS)), false)
        );
        let shown = blockers(vec![row(None, mariadb)], alter, true).remove(0);
        assert_eq!(shown.certainty, Certainty::Likely);
        let mysql = blockers(vec![row(None, "8.4.0")], alter, false).remove(0);
        assert_eq!(mysql.certainty, Certainty::Hidden(None));
    }
}
