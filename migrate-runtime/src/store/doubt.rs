//! What is written of a statement that failed or was in doubt: that it is to be
//! run again, and why somebody says so.

use migrate_core::Dialect;

use super::{Attempt, Runner, Store};

impl Store {
    /// Statement `n` is to be run (again). Where it may have left something,
    /// its fingerprint is kept under a number that no statement has: the file
    /// may be corrected before the next try, and another be the nth then.
    pub(crate) fn abandon_step(&self, attempt: i64, n: usize) -> String {
        let forget = self.forget_step(attempt, n);
        if self.dialect != Dialect::Postgres {
            return forget;
        }
        let (steps, now) = (&self.steps, self.now());
        format!(
            "DELETE FROM {steps} WHERE attempt = {attempt} AND n < 0 \
             AND fingerprint = (SELECT t.fingerprint FROM {steps} t WHERE t.attempt = {attempt} AND t.n = {n});\n\
             UPDATE {steps} SET state = 'failed', finished_at = {now}, \
             n = (SELECT least(min(t.n), 0) - 1 FROM {steps} t WHERE t.attempt = {attempt}) \
             WHERE attempt = {attempt} AND n = {n} AND fingerprint IS NOT NULL;\n{forget}"
        )
    }

    /// Gives a new attempt what failed ones before it have kept. Of those that
    /// finished no statement nobody goes on with them, but what the first one
    /// has left may be there.
    pub(crate) fn inherit_tries(&self, attempt: &Attempt<'_>) -> String {
        let (steps, journal) = (&self.steps, &self.journal);
        let (version, direction) = (self.text(attempt.version.as_str()), attempt.direction);
        format!(
            "UPDATE {steps} SET attempt = ({}) WHERE n < 0 AND attempt IN (SELECT k.id FROM {journal} k \
             WHERE k.version = {version} AND k.direction = '{direction}' AND k.state = 'failed' \
             AND k.id > (SELECT coalesce(max(d.id), 0) FROM {journal} d WHERE d.version = {version} AND d.state = 'done'));\n",
            self.select_attempt_of(attempt.runner)
        )
    }

    /// The newest attempt of a run, with the columns of `TriedRow`.
    pub(crate) fn select_attempt_with_tries(&self, runner: &Runner) -> String {
        let (steps, newest) = (&self.steps, self.select_attempt_of(runner));
        format!(
            "SELECT a.id, t.fingerprint AS tried FROM ({newest}) a LEFT JOIN {steps} t ON t.attempt = a.id AND t.n < 0 \
             WHERE a.id IS NOT NULL"
        )
    }

    /// Adds to why an attempt is as it is.
    pub(crate) fn add_reason(&self, attempt: i64, reason: &str) -> String {
        let (journal, reason) = (&self.journal, self.text(reason));
        let separated = match self.dialect {
            Dialect::MySql => format!("CONCAT(COALESCE(CONCAT(reason, '; '), ''), {reason})"),
            Dialect::Postgres | Dialect::Sqlite => {
                format!("COALESCE(reason || '; ', '') || {reason}")
            }
        };
        format!("UPDATE {journal} SET reason = {separated} WHERE id = {attempt};\n")
    }
}
