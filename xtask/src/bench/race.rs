//! The race: contenders run in turns, round by round, each after its own
//! preparation, so that what slows the machine down slows all of them.

use std::path::Path;

use anyhow::{Context, Result};

use super::database::Database;
use super::figures::Series;
use super::process::Invocation;

/// One way to do a case's work.
pub(super) struct Contender<'a> {
    name: &'static str,
    prepare: Box<dyn Fn() -> Result<Start> + 'a>,
}

/// A contender that is ready to run.
pub(super) struct Start {
    invocation: Invocation,
    /// What must be recorded afterwards.
    applies: Option<(Database, usize)>,
}

impl Start {
    /// A start that applies `count` migrations to a fresh database.
    pub(super) fn that_applies(invocation: Invocation, database: Database, count: usize) -> Self {
        Self {
            invocation,
            applies: Some((database, count)),
        }
    }
}

impl<'a> Contender<'a> {
    /// Prepares anew before each round, unmeasured.
    pub(super) fn new(name: &'static str, prepare: impl Fn() -> Result<Start> + 'a) -> Self {
        Self {
            name,
            prepare: Box::new(prepare),
        }
    }

    /// Changes nothing, so there is nothing to prepare.
    pub(super) fn that_looks(name: &'static str, invocation: Invocation) -> Self {
        Self::new(name, move || {
            Ok(Start {
                invocation: invocation.clone(),
                applies: None,
            })
        })
    }

    fn run(&self, talk: &Path) -> Result<super::process::Sample> {
        let start = (self.prepare)()?;
        let sample = start.invocation.measure(talk)?;
        if let Some((database, count)) = start.applies {
            database.expect_applied(count)?;
        }
        Ok(sample)
    }
}

/// Runs every contender `rounds` times; the order moves on by one each round.
///
/// With several rounds there is one more before them that doesn't count: it
/// fills the caches.
pub(super) fn race(
    rounds: usize,
    contenders: &[Contender<'_>],
    talk: &Path,
) -> Result<Vec<Series>> {
    let mut series: Vec<Series> = contenders
        .iter()
        .map(|contender| Series {
            name: contender.name,
            samples: Vec::new(),
        })
        .collect();
    let warm_up = usize::from(rounds > 1);
    for round in 0..rounds + warm_up {
        for turn in 0..contenders.len() {
            let index = (turn + round) % contenders.len();
            let contender = &contenders[index];
            let sample = contender
                .run(talk)
                .with_context(|| format!("`{}` failed", contender.name))?;
            if round >= warm_up {
                series[index].samples.push(sample);
            }
        }
    }
    Ok(series)
}
