//! What the journal keeps of a migration's text, and what it is given without
//! any migration being run.

use super::{Attempt, AttemptEnd, Store};

impl Store {
    /// The texts of these attempts, with the columns of `backend::KeptTexts`.
    pub(crate) fn select_texts(&self, attempts: &[i64]) -> String {
        let journal = &self.journal;
        let ids: Vec<String> = attempts.iter().map(i64::to_string).collect();
        format!(
            "SELECT j.id, j.up_sql, j.down_sql, (SELECT max(k.id) FROM {journal} k WHERE k.version = j.version \
             AND k.direction = 'up' AND k.state = 'done') AS applied_by_attempt FROM {journal} j WHERE j.id IN ({})",
            ids.join(", ")
        )
    }

    /// A row that says something of an applied version, of which nothing was
    /// run for it. Bears the stamp of the history row, so that it is what is
    /// read of the version from now on.
    pub(crate) fn insert_statement_of(&self, attempt: &Attempt<'_>) -> String {
        let end = AttemptEnd::Done {
            started: self.now(),
            duration_us: "NULL",
        };
        self.insert_attempt(None, attempt, &end)
    }
}
