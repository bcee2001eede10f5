//! Who blocks a statement while it waits, as the server itself sees it: asked on
//! a second connection, because pg_blocking_pids has nothing to say once the wait
//! is over. Nobody waits for the watching: a pooler may have no connection left.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::{Connection, RunQueryDsl};
use migrate_core::Dialect;

use super::blockers::{BlockerRow, NAMED, SINCE};
use crate::backend::Watch;
use crate::error::{Blocker, Certainty};
use crate::quote::literal;

const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Looks from now on who blocks the session of that application's name.
pub(crate) type Watcher = Box<dyn Fn(&str) -> Option<Box<dyn Watch>>>;

#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    /// Whom the last look that saw anybody saw.
    seen: Mutex<Vec<Blocker>>,
}

/// A thread that looks until this is dropped.
#[derive(Debug)]
struct Watching {
    shared: Arc<Shared>,
    thread: Thread,
}

/// Looks who blocks the session that calls itself `application`, on what
/// `connect` gives.
pub(crate) fn begin<C>(
    connect: impl FnOnce() -> Option<C> + Send + 'static,
    application: &str,
) -> Option<Box<dyn Watch>>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    let shared = Arc::<Shared>::default();
    let (sql, sharing) = (query(application), Arc::clone(&shared));
    let look = move || {
        let Some(mut connection) = connect() else {
            return;
        };
        while !sharing.over.load(Ordering::SeqCst) {
            let Ok(rows) = diesel::sql_query(&sql).load::<BlockerRow>(&mut connection) else {
                return;
            };
            if !rows.is_empty() {
                let rows = rows.into_iter().map(|row| row.blocker(Certainty::Seen));
                *sharing.seen.lock().unwrap_or_else(PoisonError::into_inner) = rows.collect();
            }
            thread::park_timeout(BETWEEN_LOOKS);
        }
    };
    let thread = thread::Builder::new().spawn(look).ok()?.thread().clone();
    Some(Box::new(Watching { shared, thread }))
}

impl Watch for Watching {
    fn seen(&self) -> Vec<Blocker> {
        let seen = self.shared.seen.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// Whoever only waits in front of us is told, but ending it would not help.
fn query(application: &str) -> String {
    let lock = |of: &str| {
        let columns =
            "locktype database relation page tuple virtualxid transactionid classid objid objsubid";
        let columns: Vec<String> = columns
            .split(' ')
            .map(|column| format!("{of}.{column}"))
            .collect();
        format!("ROW({})", columns.join(", "))
    };
    format!(
        "WITH me AS (SELECT pid FROM pg_catalog.pg_stat_activity WHERE application_name = {} AND wait_event_type = 'Lock') \
         SELECT CASE WHEN h.held IS NOT NULL THEN nullif(b.pid, 0)::bigint END AS pid, \
         concat_ws(', ', coalesce('pid ' || nullif(b.pid, 0), 'a prepared transaction'), \
         nullif(a.application_name, ''), 'user ' || a.usename, a.state) \
         || coalesce(' holds ' || h.held, CASE WHEN b.pid <> 0 THEN ' waits in front' ELSE '' END){SINCE} AS session, \
         left(a.query, 1024) AS query \
         FROM me CROSS JOIN LATERAL (SELECT DISTINCT unnest(pg_catalog.pg_blocking_pids(me.pid)) AS pid) b \
         LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid \
         LEFT JOIN LATERAL (SELECT string_agg(DISTINCT l.mode || ' on ' || coalesce(l.relation::regclass::text, l.locktype), ', ') AS held \
         FROM pg_catalog.pg_locks w JOIN pg_catalog.pg_locks l ON {} IS NOT DISTINCT FROM {} \
         WHERE w.pid = me.pid AND NOT w.granted AND l.granted AND l.pid = b.pid) h ON true \
         WHERE b.pid = 0 OR a.pid IS NOT NULL \
         ORDER BY a.xact_start NULLS LAST LIMIT {NAMED}",
        literal(Dialect::Postgres, application),
        lock("w"),
        lock("l"),
    )
}
