//! What a file leaves in its connection that no PRAGMA puts back, and how our
//! own writes get past what it has set.

use diesel::Connection;
use diesel::connection::LoadConnection;
use diesel::sqlite::Sqlite as SqliteDialect;

use super::{Sqlite, settings};
use crate::backend::{Recorded, StatementError};
use crate::error::DatabaseError;

impl<C> Sqlite<C>
where
    C: Connection<Backend = SqliteDialect> + LoadConnection,
{
    /// A statement of a file's is going to run.
    pub(super) fn notice(&mut self, statement: &str) {
        self.touched |= settings::are_touched_by(statement);
        self.left_temporary |= settings::makes_temporary(statement);
    }

    /// Drops what a file has left behind that is temporary: the next one's own
    /// table of the same name would be hidden by it.
    pub(super) fn drop_temporary(&mut self) -> Result<(), DatabaseError> {
        if !std::mem::take(&mut self.left_temporary) {
            return Ok(());
        }
        for found in self.names(settings::TEMPORARY)? {
            if self.temporary.contains(&found) {
                continue;
            }
            // Another one's drop may have taken it along.
            let (kind, name) = found.split_once(' ').unwrap_or_default();
            self.execute(&format!("DROP {kind} IF EXISTS {name}"))?;
        }
        Ok(())
    }

    /// Lifts, for writes of ours, the `query_only` that a file may have set;
    /// says whether it had.
    pub(super) fn lift(&mut self) -> Result<bool, DatabaseError> {
        let held = self.touched && self.names(settings::QUERY_ONLY)?.concat() == "1";
        if held {
            self.execute("PRAGMA query_only = 0")?;
        }
        Ok(held)
    }

    /// Sets it again.
    pub(super) fn hold(&mut self, held: bool) -> Result<(), DatabaseError> {
        if held {
            self.execute("PRAGMA query_only = 1")?;
        }
        Ok(())
    }

    /// Runs a statement with its record, in one transaction.
    pub(super) fn run_in_transaction(
        &mut self,
        recorded: &Recorded<'_>,
    ) -> Result<(), StatementError> {
        let held = self.lift()?;
        self.execute("BEGIN IMMEDIATE")?;
        self.hold(held)?;
        self.run_heeding(recorded)?;
        let held = self.lift()?;
        self.execute(&format!("{}COMMIT", recorded.after))?;
        Ok(self.hold(held)?)
    }
}
