//! `wait`: until every target's server answers.

use std::time::{Duration, Instant};

use migrate_runtime::{OpenError, OpenReason, is_reachable};

use super::Context;
use super::over::{Finished, Manner, OnFailure, Summary};
use crate::cli::WaitArgs;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::Message;
use crate::target::Target;

const PAUSE: Duration = Duration::from_millis(250);

pub(super) fn run(context: &Context, args: &WaitArgs) -> Result<Exit, Problem> {
    // A time beyond the clock's end is for ever.
    let deadline = Instant::now().checked_add(args.timeout);
    let manner = Manner {
        summary: Summary::Silent,
        on_failure: OnFailure::GoOn,
    };
    context.over_targets(
        manner,
        |target| wait_for(target, deadline),
        |target, ()| {
            context.report.tell(Message::Reachable { target });
            Finished::default()
        },
    )
}

fn wait_for(target: &Target, deadline: Option<Instant>) -> Result<(), Problem> {
    loop {
        match is_reachable(&target.url) {
            Ok(()) => return Ok(()),
            // The server is up: that the database is not made yet is `create`'s.
            Err(OpenError::Connect {
                reason: OpenReason::MissingDatabase,
                ..
            }) => return Ok(()),
            // No waiting mends a URL.
            Err(error @ OpenError::Url { .. }) => return Err(Problem::of_open(target, &error)),
            Err(error) if deadline.is_some_and(|deadline| Instant::now() + PAUSE > deadline) => {
                return Err(Problem::of_open(target, &error));
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
