//! Who may work on a database: the lock's key, the waiting for it, and for
//! SQLite the lock itself.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use migrate_core::Checksum;

/// How long to wait for another runner before giving up.
pub const DEFAULT_LOCK_WAIT: Duration = Duration::from_secs(600);

/// How often a migration tries to get a lock that the application holds.
pub const DEFAULT_LOCK_TRIES: u32 = 60;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The lock's key: the same for every runner of one history table.
pub(crate) fn key(qualified_history: &str) -> i64 {
    let digest = Checksum::raw(&format!("cargo-migrate\n{qualified_history}")).to_string();
    // Sixteen hexadecimal digits are 64 bits; the sign is of no matter.
    u64::from_str_radix(&digest[..16], 16)
        .unwrap_or_default()
        .cast_signed()
}

/// Random bits, good enough to keep runners apart.
pub(crate) fn random() -> u64 {
    // Each RandomState is seeded by the operating system and a counter.
    RandomState::new().build_hasher().finish()
}

/// A polling wait: pauses grow from 50 ms to 1 s with jitter, up to a deadline.
///
/// Polling, because on PostgreSQL a runner that blocks on the lock deadlocks
/// with CREATE INDEX CONCURRENTLY of the one that has it.
pub(crate) struct Wait {
    began: Option<Instant>,
    limit: Duration,
    pause: Duration,
}

impl Wait {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            began: None,
            limit,
            pause: FIRST_PAUSE,
        }
    }

    /// For how long we have waited.
    pub(crate) fn waited(&self) -> Duration {
        self.began.map(|began| began.elapsed()).unwrap_or_default()
    }

    /// The next pause; nothing once the deadline has passed.
    pub(crate) fn next_pause(&mut self) -> Option<Duration> {
        let began = *self.began.get_or_insert_with(Instant::now);
        if self.limit.is_zero() {
            return None;
        }
        let left = self.limit.checked_sub(began.elapsed())?;
        let jittered = self.pause.mul_f64(0.5 + (random() % 1024) as f64 / 1024.0);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Some(jittered.min(left))
    }

    /// Somebody made progress: the deadline counts from here.
    pub(crate) fn reset(&mut self) {
        self.began = None;
        self.pause = FIRST_PAUSE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runner_of_a_table_has_the_same_key() {
        assert_eq!(key("public.a"), key("public.a"));
        assert_ne!(key("public.a"), key("public.b"));
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let mut wait = Wait::new(Duration::from_secs(60));
        let first = wait.next_pause().unwrap();
        assert!(
            first >= FIRST_PAUSE / 2 && first <= FIRST_PAUSE * 3 / 2,
            "{first:?}"
        );
        assert_eq!(Wait::new(Duration::ZERO).next_pause(), None);
    }
}
