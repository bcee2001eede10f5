//! One packet: what is due, a statement of a migration's, and the writes that
//! record it; and, where it fails, which of them it was.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use diesel::Connection;
use diesel::connection::LoadConnection;
use diesel::mysql::Mysql;
use diesel::sql_types::{BigInt, Nullable};
use migrate_core::{Dialect, Statement, lexemes, split};

use super::session::{Session, Timeouts};
use super::{MySql, closed, place};
use crate::backend::{Backend, Outcome, StatementError};
use crate::error::{DatabaseError, ErrorCode};
use crate::lock;

/// Errors after which the statement has done nothing, and may be tried again:
/// ER_LOCK_WAIT_TIMEOUT and ER_LOCK_DEADLOCK.
const GIVES_WAY: [i64; 2] = [1205, 1213];

/// Errors before a program's first statement: ER_PARSE_ERROR,
/// ER_SP_DOES_NOT_EXIST, ER_SP_WRONG_NO_OF_ARGS, ER_PROCACCESS_DENIED_ERROR.
const NOT_BEGUN: [i64; 4] = [1064, 1305, 1318, 1370];

/// ER_WARNING_NOT_COMPLETE_ROLLBACK: a table without transactions.
const ROWS_STAY: i64 = 1196;

/// ER_QUERY_INTERRUPTED, by whoever was asked to stop us.
const INTERRUPTED: i64 = 1317;

/// ER_DUP_ENTRY.
const THERE_ALREADY: i64 = 1062;

/// The writes behind a statement.
#[derive(Clone, Copy)]
pub(super) enum After<'a> {
    /// In one transaction with it.
    With(&'a str, Pieces),
    /// Once it has committed by itself.
    Then(&'a str),
}

/// Whether a statement is a block of several.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pieces {
    One,
    Several,
}

/// What the server says of the packet that failed.
#[derive(Debug, diesel::QueryableByName)]
pub(super) struct Diagnosis {
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) code: Option<i64>,
    /// Which of the migration's statements it was, from 1; 0 is none of them,
    /// and the packet's own negative number a write of ours behind them.
    #[diesel(sql_type = Nullable<BigInt>)]
    in_statement: Option<i64>,
    /// Of its rollback; or the code again.
    #[diesel(sql_type = Nullable<BigInt>)]
    warning: Option<i64>,
}

impl Diagnosis {
    /// The error that it is of, with its code.
    pub(super) fn told(&self, error: DatabaseError) -> DatabaseError {
        match self.code {
            Some(code) => error.with_code(ErrorCode::Number(code)),
            None => error,
        }
    }
}

impl<C> MySql<C>
where
    C: Connection<Backend = Mysql> + LoadConnection,
{
    /// Begins a packet: what the last file has set is put back, the timeouts
    /// are set, and the lock is looked at.
    pub(super) fn opening(&mut self, timeouts: Option<Timeouts>) -> String {
        self.session
            .as_mut()
            .map(|session| session.opening(timeouts))
            .unwrap_or_default()
    }

    /// Sends, in one packet and behind its `opening`, what is due, a statement,
    /// and what is written with it or after it. An error is the statement's
    /// where it was reached and nothing after it was.
    pub(super) fn send(
        &mut self,
        opening: &str,
        due: &str,
        statement: &str,
        after: After<'_>,
    ) -> Result<Outcome, StatementError> {
        // Of this packet alone: one that is interrupted at its very first
        // word shows what the one before it has left.
        let behind = -1 - i64::try_from(lock::random() >> 2).unwrap_or_default();
        let ours = format!("SET @cargo_migrate_in_statement = {behind};");
        let writes_due = due;
        let due = transaction(due);
        let (before, end) = match after {
            After::With(writes, _) => ("START TRANSACTION;\n", format!("{ours}\n{writes}COMMIT")),
            After::Then("") => ("", String::new()),
            After::Then(writes) => ("", format!("{ours}\n{}", transaction(writes))),
        };
        let limit = self
            .session
            .as_ref()
            .map_or(usize::MAX, Session::largest_packet);
        if statement.len() >= limit {
            // What is due is of the statements before it.
            self.execute(&format!("{opening}{due}"))?;
            let message = format!("larger than the server's max_allowed_packet of {limit} bytes");
            return Err(StatementError::Statement {
                error: DatabaseError::other(message),
                offset: None,
            });
        }
        let noted = self
            .session
            .as_mut()
            .map(|session| session.runs(statement))
            .unwrap_or_default();
        let pieces = match after {
            After::With(_, Pieces::Several) => split(statement, Dialect::MySql).unwrap_or_default(),
            After::With(_, Pieces::One) | After::Then(_) => Vec::new(),
        };
        let body = numbered(statement, &pieces);
        let parts = [
            format!(
                "{opening}{due}{before}SET @cargo_migrate_in_statement = 1, \
                 @cargo_migrate_began = CURRENT_TIMESTAMP(6);\n{noted}"
            ),
            format!("{body}{}", if end.is_empty() { "" } else { ";\n" }),
            end,
        ];
        self.cancellation.at_work.store(true, Ordering::SeqCst);
        let sent = self.send_parts(&parts);
        self.cancellation.at_work.store(false, Ordering::SeqCst);
        let Err(error) = sent else {
            return Ok(Outcome::Done);
        };
        let Some(diagnosis) = self.diagnose() else {
            return Err(StatementError::Record(closed(error)));
        };
        let error = diagnosis.told(error);
        if let After::Then(writes) = after
            && diagnosis.code == Some(INTERRUPTED)
        {
            // It has hit what is ours: the statement has run, or not begun.
            match diagnosis.in_statement {
                Some(at) if at == behind => {
                    return Ok(self.write(writes).map(|()| Outcome::Done)?);
                }
                Some(at) if at <= 0 => {
                    self.make_up(writes_due)?;
                    return Err(StatementError::Statement {
                        error,
                        offset: None,
                    });
                }
                _ => {}
            }
        }
        let piece = match diagnosis.in_statement {
            Some(n @ 1..) if !self.is_lock_lost(&error) => {
                pieces.get(usize::try_from(n - 1).unwrap_or_default())
            }
            _ => return Err(StatementError::Record(error)),
        };
        let (start, text) = match piece {
            Some(piece) => (piece.range.start, &statement[piece.range.clone()]),
            None => (0, statement),
        };
        let placed = place::offset(text, &error.message);
        let offset = placed.or(piece.map(|_| 0)).map(|offset| start + offset);
        let gives_way = diagnosis.code.is_some_and(|code| GIVES_WAY.contains(&code));
        // What a program has done before its error stays.
        let program = matches!(after, After::Then(_)) && is_program(statement);
        let begun = diagnosis.code.is_none_or(|code| !NOT_BEGUN.contains(&code));
        // Whoever interrupts may be late: it was done, and the write behind it
        // was not begun.
        let late = matches!(after, After::Then(_)) && diagnosis.code == Some(INTERRUPTED);
        if diagnosis.warning == Some(ROWS_STAY) || program && begun || late {
            Err(StatementError::Partial { error, offset })
        } else if gives_way {
            Ok(Outcome::LockTimeout { statement: None })
        } else {
            Err(StatementError::Statement { error, offset })
        }
    }

    /// Writes what was due, of which nobody knows whether it was reached: it is
    /// one transaction, so that a row of it that is there says all of it is.
    fn make_up(&mut self, due: &str) -> Result<(), DatabaseError> {
        if due.is_empty() {
            return Ok(());
        }
        match self.write(due) {
            Err(error) if error.code != Some(ErrorCode::Number(THERE_ALREADY)) => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Asks for the code of the error that has just come, which Diesel hides,
    /// and ends the transaction; nothing on a connection that is gone.
    pub(super) fn diagnose(&mut self) -> Option<Diagnosis> {
        // Of what comes after an error only this does not make it forgotten.
        self.execute("GET DIAGNOSTICS CONDITION 1 @cargo_migrate_code = MYSQL_ERRNO")
            .ok()?;
        self.execute("ROLLBACK").ok()?;
        // It warns where rows do not roll back; without any warning at all
        // this is an error.
        let _ = self.execute("GET DIAGNOSTICS CONDITION 1 @cargo_migrate_warning = MYSQL_ERRNO");
        let sql = "SELECT CAST(@cargo_migrate_code AS SIGNED) AS code, \
                   CAST(@cargo_migrate_in_statement AS SIGNED) AS in_statement, \
                   CAST(@cargo_migrate_warning AS SIGNED) AS warning";
        self.rows(sql).ok()?.into_iter().next()
    }

    /// Sends the parts of a packet: together, as long as the server takes so
    /// much at once.
    fn send_parts(&mut self, parts: &[String]) -> Result<(), DatabaseError> {
        let limit = self
            .session
            .as_ref()
            .map_or(usize::MAX, Session::largest_packet);
        if parts.iter().map(String::len).sum::<usize>() < limit {
            return self.execute(&parts.concat());
        }
        parts
            .iter()
            .filter(|part| !part.is_empty())
            .try_for_each(|part| self.execute(part))
    }
}

/// The statements of a block, each behind its number.
fn numbered<'t>(block: &'t str, pieces: &[Statement]) -> Cow<'t, str> {
    let Some((first, rest)) = pieces.split_first() else {
        return Cow::Borrowed(block);
    };
    let mut text = block[first.range.clone()].to_owned();
    for (number, piece) in (2..).zip(rest) {
        text += &format!(
            ";\nSET @cargo_migrate_in_statement = {number};\n{}",
            &block[piece.range.clone()]
        );
    }
    Cow::Owned(text)
}

/// Whether a statement may be several, of which the first have committed when
/// another one fails.
fn is_program(statement: &str) -> bool {
    let first = lexemes(statement, Dialect::MySql).next();
    first.is_some_and(|first| first.is("CALL") || first.is("BEGIN"))
}

/// `writes` as a transaction, which a single one is by itself.
pub(super) fn transaction(writes: &str) -> String {
    // Each ends so; a text inside may, too, and does no harm.
    if writes.matches(";\n").count() <= 1 {
        return writes.to_owned();
    }
    format!("START TRANSACTION;\n{writes}COMMIT;\n")
}
