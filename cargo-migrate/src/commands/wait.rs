//! `wait`: until every target's server answers.

use std::sync::mpsc;
use std::thread;
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
/// How long a server has for its first answer, whatever the time-out.
const LEAST: Duration = Duration::from_secs(1);

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
    // Also without any time there is one try.
    let mut patience = deadline.map(|deadline| left(deadline).max(LEAST));
    let mut last = None;
    loop {
        let error = match ask(target, patience) {
            Some(Ok(())) => return Ok(()),
            // The server is up: that the database is not made yet is `create`'s.
            Some(Err(OpenError::Connect {
                reason: OpenReason::MissingDatabase,
                ..
            })) => return Ok(()),
            // No waiting mends a URL.
            Some(Err(error @ OpenError::Url { .. })) => {
                return Err(Problem::of_open(target, &error));
            }
            Some(Err(error)) => error,
            None => {
                let error = last.unwrap_or_else(|| silent(target, patience.unwrap_or_default()));
                return Err(Problem::of_open(target, &error));
            }
        };
        if deadline.is_some_and(|deadline| Instant::now() + PAUSE > deadline) {
            return Err(Problem::of_open(target, &error));
        }
        last = Some(error);
        thread::sleep(PAUSE);
        patience = deadline.map(left);
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Asks the server once; nothing where it says nothing in time. A client's own
/// limit is in whole seconds, for each of a host's addresses anew: so who hears
/// nothing leaves it behind, and the process ends with it.
fn ask(target: &Target, patience: Option<Duration>) -> Option<Result<(), OpenError>> {
    let Some(patience) = patience else {
        return Some(is_reachable(&target.url));
    };
    let (tell, answer) = mpsc::channel();
    let url = target.url.clone();
    thread::spawn(move || tell.send(is_reachable(&url)));
    answer.recv_timeout(patience).ok()
}

fn silent(target: &Target, patience: Duration) -> OpenError {
    OpenError::Connect {
        url: target.url.to_string(),
        message: format!("no answer within {:.1} s", patience.as_secs_f64()),
        reason: OpenReason::Unreachable,
    }
}
