//! Whether a server refused to create or drop a database for want of a right:
//! by its own account of its roles, or by the number of its error, as its words
//! are in its language.

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Nullable};
use diesel::{QueryableByName, RunQueryDsl};
use migrate_core::Dialect;

use crate::error::{DatabaseError, DatabaseErrorKind, ErrorCode};
use crate::quote::literal;

#[derive(Debug, QueryableByName)]
struct NumberRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

/// The error with what sort it is. Of CREATE DATABASE no block can tell the
/// SQLSTATE: it runs in no transaction.
#[cfg(feature = "postgres")]
pub(super) fn by_postgres(
    connection: &mut diesel::PgConnection,
    name: &str,
    error: DatabaseError,
) -> DatabaseError {
    if error.kind != DatabaseErrorKind::Other {
        return error;
    }
    let sql = format!(
        "SELECT CASE WHEN rolsuper THEN 1 \
         WHEN EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {0}) THEN \
         (SELECT pg_catalog.pg_has_role(datdba, 'USAGE')::int FROM pg_catalog.pg_database WHERE datname = {0}) \
         ELSE rolcreatedb::int END::bigint AS number FROM pg_catalog.pg_roles WHERE rolname = current_user",
        literal(Dialect::Postgres, name)
    );
    let rows: Vec<NumberRow> = diesel::sql_query(sql).load(connection).unwrap_or_default();
    match rows.first().and_then(|row| row.number) {
        Some(0) => DatabaseError {
            kind: DatabaseErrorKind::Denied,
            ..error
        },
        _ => error,
    }
}

/// The same, by the number.
#[cfg(feature = "mysql")]
pub(super) fn by_mysql(
    connection: &mut crate::client::mysql::Client,
    error: DatabaseError,
) -> DatabaseError {
    let kept = connection
        .batch_execute("GET DIAGNOSTICS CONDITION 1 @cargo_migrate_code = MYSQL_ERRNO")
        .is_ok();
    let sql = "SELECT CAST(@cargo_migrate_code AS SIGNED) AS number";
    let rows: Vec<NumberRow> = diesel::sql_query(sql).load(connection).unwrap_or_default();
    match rows.first().and_then(|row| row.number) {
        Some(number) if kept => error.with_code(ErrorCode::Number(number)),
        _ => error,
    }
}
