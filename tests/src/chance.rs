//! Chance that can be had again: numbers from a seed, which a failed test
//! prints and `FAULTS_SEED` sets.

use std::collections::hash_map::RandomState;
use std::env;
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

static SEED: LazyLock<u64> = LazyLock::new(|| match env::var("FAULTS_SEED") {
    Ok(text) => text.parse().expect("FAULTS_SEED is a number"),
    Err(_) => RandomState::new().build_hasher().finish() >> 32,
});

/// The seed of this run.
///
/// # Panics
/// When `FAULTS_SEED` is set and no number.
#[must_use]
pub fn seed() -> u64 {
    *SEED
}

/// Numbers that nobody can tell from random ones, for nothing secret.
#[derive(Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// Those of this run's seed for one purpose: tests run in any order, and
    /// none must take what another would get.
    #[must_use]
    pub fn of(purpose: &str) -> Self {
        let mix = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self {
            state: purpose.bytes().fold(seed(), mix),
        }
    }

    /// A number below `bound`, which is not zero.
    ///
    /// # Panics
    /// When `bound` is zero.
    #[must_use]
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// `SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_purpose_gets_the_same_numbers_and_another_one_others() {
        let numbers = |purpose: &str| {
            let mut chance = Chance::of(purpose);
            [(); 8].map(|()| chance.below(1000))
        };
        assert_eq!(numbers("a"), numbers("a"));
        assert_ne!(numbers("a"), numbers("b"));
        assert!(numbers("c").iter().all(|n| *n < 1000));
    }
}
