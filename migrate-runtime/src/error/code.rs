//! What a server calls an error, whatever language it speaks, and what sort of
//! error that is. Knows the numbers of three databases, and no connection.

use std::fmt;

use super::DatabaseErrorKind;

/// The code of an error, which stays the same in every language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorCode {
    /// PostgreSQL's five characters.
    SqlState(String),
    /// MySQL's and MariaDB's number.
    Number(i64),
}

impl ErrorCode {
    /// What sort of error it is; `message` is asked only for the name of a
    /// server's option, which is in no language.
    pub(crate) fn kind(&self, message: &str) -> DatabaseErrorKind {
        match self {
            Self::SqlState(state) => of_state(state, message),
            Self::Number(number) => of_number(*number, message),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SqlState(state) => f.write_str(state),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

fn of_state(state: &str, message: &str) -> DatabaseErrorKind {
    match state {
        // unique_violation
        "23505" => DatabaseErrorKind::Unique,
        // read_only_sql_transaction
        "25006" => DatabaseErrorKind::ReadOnly,
        // insufficient_privilege
        "42501" => DatabaseErrorKind::Denied,
        // invalid_schema_name: one that is not there is named, in quotes of
        // some sort; where none may be used there is nothing to name
        "3F000" if !message.contains(['"', '»', '«', '“', '„']) => DatabaseErrorKind::Denied,
        // disk_full
        "53100" => DatabaseErrorKind::Full,
        // lock_not_available, and deadlock_detected: the victim has done
        // nothing, and the others are done by the next try
        "55P03" | "40P01" => DatabaseErrorKind::LockTimeout,
        // query_canceled
        "57014" => DatabaseErrorKind::Canceled,
        _ => DatabaseErrorKind::Other,
    }
}

fn of_number(number: i64, message: &str) -> DatabaseErrorKind {
    match number {
        // ER_DUP_ENTRY
        1062 => DatabaseErrorKind::Unique,
        // ER_OPTION_PREVENTS_STATEMENT, of which one is for reading only
        1290 if message.contains("read-only") || message.contains("read_only") => {
            DatabaseErrorKind::ReadOnly
        }
        // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, ER_READ_ONLY_MODE
        1792 | 1836 => DatabaseErrorKind::ReadOnly,
        // ER_DBACCESS_DENIED_ERROR, ER_ACCESS_DENIED_ERROR,
        // ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR,
        // ER_SPECIFIC_ACCESS_DENIED_ERROR, ER_PROCACCESS_DENIED_ERROR,
        // ER_NONEXISTING_GRANT's neighbour for GRANT, and
        // ER_BINLOG_CREATE_ROUTINE_NEED_SUPER
        1044 | 1045 | 1142 | 1143 | 1227 | 1370 | 1410 | 1419 => DatabaseErrorKind::Denied,
        // ER_DISK_FULL, ER_RECORD_FILE_FULL
        1021 | 1114 => DatabaseErrorKind::Full,
        // ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK
        1205 | 1213 => DatabaseErrorKind::LockTimeout,
        // MariaDB's ER_STATEMENT_TIMEOUT and MySQL's ER_QUERY_TIMEOUT
        1969 | 3024 => DatabaseErrorKind::StatementTimeout,
        // ER_QUERY_INTERRUPTED
        1317 => DatabaseErrorKind::Canceled,
        _ => DatabaseErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_known_by_its_code_and_not_by_its_words() {
        let german = "FEHLER: keine Berechtigung für Tabelle t";
        for (code, kind) in [
            (
                ErrorCode::SqlState("42501".into()),
                DatabaseErrorKind::Denied,
            ),
            (
                ErrorCode::SqlState("40P01".into()),
                DatabaseErrorKind::LockTimeout,
            ),
            (
                ErrorCode::SqlState("57014".into()),
                DatabaseErrorKind::Canceled,
            ),
            (
                ErrorCode::SqlState("42P07".into()),
                DatabaseErrorKind::Other,
            ),
            (ErrorCode::Number(1142), DatabaseErrorKind::Denied),
            (ErrorCode::Number(1213), DatabaseErrorKind::LockTimeout),
            (ErrorCode::Number(3024), DatabaseErrorKind::StatementTimeout),
            (ErrorCode::Number(1290), DatabaseErrorKind::Other),
            (ErrorCode::Number(1064), DatabaseErrorKind::Other),
        ] {
            assert_eq!(code.kind(german), kind, "{code}");
        }
        let option = "Der MySQL-Server läuft mit der Option --read-only";
        assert_eq!(
            ErrorCode::Number(1290).kind(option),
            DatabaseErrorKind::ReadOnly
        );
    }
}
