//! A migration and the application want the same locks: how long a try waits,
//! how long the application then goes first, and whom to name on giving up.

use std::time::{Duration, Instant};

use migrate_core::Step;

use super::Run;
use super::prepare::{Prepared, prepare};
use crate::backend::{Backend, Watch};
use crate::error::{Blocker, Certainty, DatabaseError, DatabaseErrorKind, Error, Remains};
use crate::event::Event;

const FIRST_LOCK_TIMEOUT: Duration = Duration::from_millis(200);
const LONGEST_LOCK_PAUSE: Duration = Duration::from_secs(5);
/// How many of the last tries look who is in the way: the last one alone may
/// see nobody, where one comes after the other.
const LOOKS: u32 = 3;

/// The tries of one migration, or of one statement outside a transaction.
#[derive(Debug, Default)]
pub(super) struct Contention {
    pub(super) tries: u32,
    since: Option<Instant>,
    blockers: Vec<Blocker>,
    watch: Option<Box<dyn Watch>>,
}

impl Contention {
    /// Counts a try of `statement` that has given way after `waited`, of at most
    /// `limit`.
    pub(super) fn count(
        &mut self,
        backend: &mut dyn Backend,
        statement: &str,
        waited: Duration,
        limit: u32,
    ) {
        self.tries += 1;
        if self.since.is_none() {
            self.since = Instant::now().checked_sub(waited);
        }
        if self.tries + LOOKS > limit {
            let seen = self.watch.take().map(|watch| watch.seen());
            let found = seen
                .filter(|seen| !seen.is_empty())
                .unwrap_or_else(|| backend.blockers(statement));
            self.keep(found);
        }
        if self.tries < limit && self.tries + LOOKS >= limit {
            self.watch = backend.watch();
        }
    }

    /// Who was seen last; a guess is worth less than a sight.
    fn keep(&mut self, found: Vec<Blocker>) {
        let is_seen = |blocker: &Blocker| blocker.certainty == Certainty::Seen;
        if found.iter().any(is_seen) || !found.is_empty() && !self.blockers.iter().any(is_seen) {
            self.blockers = found;
        }
    }

    /// The error of having given up.
    pub(super) fn error(&self) -> DatabaseError {
        let tries = match self.tries {
            1 => "1 try".to_owned(),
            tries => format!("{tries} tries"),
        };
        let since = self.since.map(|since| since.elapsed()).unwrap_or_default();
        DatabaseError {
            kind: DatabaseErrorKind::LockTimeout,
            ..DatabaseError::other(format!(
                "gave up after {tries} in {:.1} s: another session holds a lock on what it changes",
                since.as_secs_f64()
            ))
        }
    }

    /// Who was in the way.
    pub(super) fn into_blockers(self) -> Vec<Blocker> {
        self.blockers
    }
}

/// How long a try waits for the application's locks: 200 ms at first, so that
/// whoever queues behind us is soon served, and longer each time up to what is
/// configured. Zero waits for ever.
pub(super) fn lock_timeout(longest: Duration, tries: u32) -> Duration {
    longest.min(FIRST_LOCK_TIMEOUT.saturating_mul(2u32.saturating_pow(tries)))
}

/// How long to let the application work before the next try.
pub(super) fn lock_pause(tries: u32) -> Duration {
    LONGEST_LOCK_PAUSE.min(Duration::from_millis(100).saturating_mul(1 << tries.min(6)))
}

/// The bytes of a statement of a file that is prepared, or of all of it.
fn text_of(prepared: &Prepared, statement: Option<usize>) -> &str {
    match statement {
        Some(n) => &prepared.text[prepared.script.statements[n].range.clone()],
        None => &prepared.text[prepared.script.body.clone()],
    }
}

impl Run<'_> {
    /// The application holds a lock: wait longer each time, and not for ever.
    pub(super) fn contended(
        &mut self,
        step: &Step,
        statement: Option<usize>,
        contention: &mut Contention,
    ) -> Result<(), Error> {
        let prepared = prepare(self.sources(), step, self.backend.dialect(), self.options)?;
        let limit = self.options.lock_tries.max(1);
        let waited = lock_timeout(prepared.lock_timeout, contention.tries);
        let text = text_of(&prepared, statement);
        contention.count(self.backend, text, waited, limit);
        let tries = contention.tries;
        (self.tell)(Event::LockTimeout {
            step,
            attempt: tries,
        });
        if tries < limit {
            self.options.interrupt.pause(lock_pause(tries));
            return Ok(());
        }
        let error = contention.error();
        prepared.record_failure(self.backend, step, self.options, &error.message);
        let range = statement.map(|n| prepared.script.statements[n].range.clone());
        let blockers = std::mem::take(contention).into_blockers();
        Err(prepared
            .failed(step, statement, range, error, Remains::RolledBack)
            .blocked_by(blockers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_does_not_replace_who_was_seen() {
        let blocker = |session: &str, certainty| Blocker {
            session: session.to_owned(),
            ended_by: None,
            certainty,
        };
        let mut contention = Contention::default();
        for (session, certainty, kept) in [
            ("a", Certainty::Likely, "a"),
            ("b", Certainty::Seen, "b"),
            ("c", Certainty::Likely, "b"),
            ("d", Certainty::Seen, "d"),
        ] {
            contention.keep(vec![blocker(session, certainty)]);
            contention.keep(Vec::new());
            assert_eq!(contention.blockers[0].session, kept);
        }
    }

    #[test]
    fn tries_wait_longer_up_to_what_is_configured() {
        let longest = Duration::from_secs(2);
        let waits: Vec<u128> = [0, 1, 2, 3, 4, 60]
            .map(|tries| lock_timeout(longest, tries).as_millis())
            .to_vec();
        assert_eq!(waits, [200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(lock_timeout(Duration::ZERO, 7), Duration::ZERO);
        assert_eq!(lock_pause(u32::MAX), LONGEST_LOCK_PAUSE);
    }
}
