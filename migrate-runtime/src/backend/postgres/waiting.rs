//! Who a runner is to those who wait for it: its name in pg_stat_activity, and
//! what is told of whoever has the lock.

use diesel::Connection;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;

use super::held::locks_of;
use super::{Postgres, facts};

/// What pg_stat_activity keeps of a name.
const LONGEST_NAME: usize = 63;

/// The name of a run's sessions: the service, as long as there is room, and the
/// run's id, so that the journal has the same, and cancelling hits no other run.
pub(super) fn application(service: &str, run_id: &str) -> String {
    let room = LONGEST_NAME.saturating_sub("cargo-migrate  ".len() + run_id.len());
    let end = (0..=room.min(service.len()))
        .rev()
        .find(|&end| service.is_char_boundary(end))
        .unwrap_or_default();
    match &service[..end] {
        "" => format!("cargo-migrate {run_id}"),
        service => format!("cargo-migrate {service} {run_id}"),
    }
}

impl<C> Postgres<C>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    /// Whoever has the lock, and since when.
    ///
    /// A run by steps has it since before its attempt, which is in the journal;
    /// one in transactions since its transaction began. What neither fits, an
    /// idle session, may have it as long as it has been there.
    pub(super) fn who_holds_the_lock(&mut self) -> Option<String> {
        let has_journal = self.facts.as_ref().is_some_and(|facts| facts.journal);
        let attempt = |column: &str| {
            if !has_journal {
                return "NULL".to_owned();
            }
            // The id is at the name's end, and names none but this run.
            format!(
                "(SELECT j.{column} FROM {} j WHERE j.state = 'running' \
                 AND a.application_name LIKE '%' || j.run_id ORDER BY j.id DESC LIMIT 1)",
                self.store.journal
            )
        };
        let sql = format!(
            "SELECT concat_ws(', ', coalesce(nullif(a.application_name, ''), a.usename), 'pid ' || l.pid, {}::text, \
             'since ' || to_char(coalesce({}::timestamptz, a.xact_start, a.backend_start), 'YYYY-MM-DD HH24:MI:SS TZ')) AS text \
             FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE {}",
            attempt("applied_by"),
            attempt("started_at"),
            locks_of(self.key())
        );
        let rows: Vec<facts::TextRow> = self.rows(&sql).ok()?;
        rows.into_iter().next().map(|row| row.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_by_its_service_and_its_run() {
        let run = "0123456789abcdef";
        assert_eq!(
            application("cart/reporting", run),
            "cargo-migrate cart/reporting 0123456789abcdef"
        );
        assert_eq!(application("", run), "cargo-migrate 0123456789abcdef");
        let long = application(&"ä".repeat(40), run);
        assert!(long.len() <= LONGEST_NAME && long.ends_with(run), "{long}");
    }
}
