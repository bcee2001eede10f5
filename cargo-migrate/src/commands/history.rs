//! `history`: who applied or reverted what, when, and how long it took.

use std::cmp::Reverse;

use migrate_core::History;
use migrate_runtime::{Access, AttemptRow, Migrator};

use super::Context;
use super::over::{Finished, LOOK};
use crate::cli::HistoryArgs;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::{Attempted, Message, NameWidth};
use crate::target::Target;

pub(super) fn run(context: &Context, args: &HistoryArgs) -> Result<Exit, Problem> {
    let limit = args.limit.map(|limit| limit as u64);
    let look = |target: &Target| {
        let catalog = context.catalog(target)?;
        let mut database = context.open(target, Access::Read)?;
        let migrator = Migrator::new(&catalog);
        let failed = |error| Problem::of_run(target, &error, None);
        let history = migrator.history(&mut database).map_err(failed)?;
        let attempts = migrator.attempts(&mut database, limit).map_err(failed)?;
        Ok((history, attempts))
    };
    context.over_targets(LOOK, look, |target, (history, attempts)| {
        show(context, args, target, &history, &attempts)
    })
}

/// A timestamp without its fraction: the two tables keep different ones, and
/// within a second the order of each is to stay.
fn second(at: &str) -> String {
    at.chars().take(19).collect::<String>().replace('T', " ")
}

fn show(
    context: &Context,
    args: &HistoryArgs,
    target: &Target,
    history: &History,
    attempts: &[AttemptRow],
) -> Finished {
    context.report.tell(Message::Listing { target });
    let theirs = || {
        let applied = history.applied.iter().rev();
        applied.filter(|(_, row)| row.recorded.is_none())
    };
    let names = attempts.iter().map(|attempt| attempt.name.as_str());
    let width = NameWidth::of(names.chain(theirs().map(|(version, _)| version.as_str())));
    let ours = attempts.iter().map(|attempt| Attempted {
        name: &attempt.name,
        version: &attempt.version,
        direction: Some(&attempt.direction),
        state: &attempt.state,
        started_at: &attempt.started_at,
        duration_us: attempt.duration_us,
        applied_by: Some(&attempt.applied_by),
        tool: Some(&attempt.tool_version),
        error: attempt.error.as_deref(),
        why: attempt.reason.as_deref(),
        width,
    });
    // What another tool applied has no attempt of ours; Diesel kept its time.
    let theirs = theirs().map(|(version, row)| Attempted {
        name: version.as_str(),
        version: version.as_str(),
        direction: None,
        state: "done",
        started_at: &row.run_on,
        duration_us: None,
        applied_by: None,
        tool: None,
        error: None,
        why: None,
        width,
    });
    if attempts.is_empty() && history.applied.is_empty() {
        context.report.tell(Message::Note {
            target,
            text: "nothing was run yet",
        });
    }
    let mut all: Vec<Attempted<'_>> = ours.chain(theirs).collect();
    all.sort_by_key(|attempt| Reverse(second(attempt.started_at)));
    for attempt in all.into_iter().take(args.limit.unwrap_or(usize::MAX)) {
        context.report.tell(Message::Attempt {
            target,
            attempt: &attempt,
        });
    }
    let at = history.newest().map(|version| version.to_string());
    Finished {
        at,
        ..Finished::default()
    }
}
