//! The bounded fan-out: one closure over many targets, a few at a time, with
//! the results in the targets' order. One target's panic is its own failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Whether more targets may be begun.
pub trait Gate: Sync {
    /// Asked before each target.
    fn is_open(&self) -> bool;
}

/// How one target came out.
#[derive(Debug)]
pub enum Outcome<R> {
    /// The closure returned.
    Returned(R),
    /// The closure panicked, with this message.
    Panicked(String),
    /// The gate was closed before its turn.
    Skipped,
}

/// As many at a time as pay off: a server's answers are mostly waited for.
#[must_use]
pub fn default_jobs() -> usize {
    thread::available_parallelism().map_or(4, |cores| (cores.get() * 2).clamp(4, 16))
}

/// Runs `work` over `items`, `jobs` at a time. `done` is called on this thread,
/// in the order of the items, as soon as the ones before are through.
pub fn each<T, R>(
    items: &[T],
    jobs: usize,
    gate: &dyn Gate,
    work: impl Fn(&T) -> R + Sync,
    mut done: impl FnMut(&T, Outcome<R>),
) where
    T: Sync,
    R: Send,
{
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    let (next, work) = (&next, &work);
    thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            let sender = sender.clone();
            scope.spawn(move || {
                while let Some((index, item)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    items.get(index).map(|item| (index, item))
                } {
                    let outcome = if gate.is_open() {
                        caught(|| work(item))
                    } else {
                        Outcome::Skipped
                    };
                    if sender.send((index, outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting: Vec<Option<Outcome<R>>> = items.iter().map(|_| None).collect();
        let mut first = 0;
        for (index, outcome) in results {
            waiting[index] = Some(outcome);
            while let Some(outcome) = waiting.get_mut(first).and_then(Option::take) {
                done(&items[first], outcome);
                first += 1;
            }
        }
    });
}

fn caught<R>(work: impl FnOnce() -> R) -> Outcome<R> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => Outcome::Returned(result),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Outcome::Panicked(text.unwrap_or_else(|| "an unknown panic".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    struct Open;
    impl Gate for Open {
        fn is_open(&self) -> bool {
            true
        }
    }

    #[test]
    fn results_come_in_order_and_a_panic_is_one_targets_failure() {
        let mut seen = Vec::new();
        let work = |n: &usize| {
            assert!(*n != 3, "three");
            n * 2
        };
        each(&[1, 2, 3, 4, 5], 3, &Open, work, |n, outcome| {
            seen.push((*n, format!("{outcome:?}")))
        });
        assert_eq!(
            seen.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5]
        );
        assert_eq!(seen[1].1, "Returned(4)");
        assert_eq!(seen[2].1, "Panicked(\"three\")");
    }

    #[test]
    fn nothing_begins_once_the_gate_is_closed() {
        struct Until(AtomicBool);
        impl Gate for Until {
            fn is_open(&self) -> bool {
                self.0.load(Ordering::SeqCst)
            }
        }
        let gate = Until(AtomicBool::new(true));
        let mut skipped = 0;
        each(
            &[1, 2, 3],
            1,
            &gate,
            |_| gate.0.store(false, Ordering::SeqCst),
            |_, outcome| {
                skipped += usize::from(matches!(outcome, Outcome::Skipped));
            },
        );
        assert_eq!(skipped, 2);
    }
}
