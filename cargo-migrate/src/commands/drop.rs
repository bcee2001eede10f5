//! `drop`: the database itself, after a question.

use super::Context;
use super::over::{Finished, MAKE};
use crate::exit::Exit;
use crate::problem::Problem;

pub(super) fn run(context: &Context) -> Result<Exit, Problem> {
    let doomed = context.doomed()?;
    context.confirm(&doomed.question())?;
    context.heed_signals();
    context.over(
        &doomed.resolution,
        MAKE,
        |target| {
            doomed.once(target, || doomed.drop(context, target))?;
            Ok(Finished::default())
        },
        |_, finished| finished,
    )
}
