//! A run to where the databases have been already: reverting, which is never
//! what `run` does unasked. One question for all targets, on the main thread.

use migrate_core::{Down, Goal, Selector};
use migrate_runtime::Access;

use super::super::Context;
use super::super::over::{Finished, Tally, WORK};
use super::super::running::{Asked, Running};
use super::options;
use crate::cli::{RevertGoal, RunArgs};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::target::Target;

/// The way back of one target.
pub(super) struct Back {
    pub(super) down: Down,
    /// The migrations that it reverts, newest first.
    pub(super) names: Vec<String>,
}

/// Takes the targets back, if somebody says yes to all of it.
pub(super) fn go<'t>(
    context: &Context,
    args: &RunArgs,
    tally: &mut Tally<'t>,
    backwards: Vec<(&'t Target, Back)>,
) {
    if backwards.is_empty() {
        return;
    }
    if tally.stopped || context.interrupt.is_asked() {
        let targets = backwards.into_iter().map(|(target, _)| target);
        tally.skipped.extend(targets);
        return;
    }
    if !may_revert(context, &backwards) {
        for (target, back) in &backwards {
            context.finish_with_problem(target, refused(target, &back.down), tally);
        }
        return;
    }
    let targets: Vec<&'t Target> = backwards.iter().map(|(target, _)| *target).collect();
    let revert = |target: &Target| {
        let back = backwards.iter().find(|(of, _)| std::ptr::eq(*of, target));
        let down = back.map_or(Down::Count(0), |(_, back)| back.down.clone());
        revert_target(context, args, target, down)
    };
    context.fan_out(&targets, WORK, tally, revert, |_, finished| Some(finished));
}

fn revert_target(
    context: &Context,
    args: &RunArgs,
    target: &Target,
    down: Down,
) -> Result<Finished, Problem> {
    let catalog = context.catalog(target)?;
    let mut database = context.open(target, Access::Write)?;
    Running {
        context,
        target,
        catalog: &catalog,
        options: options(context, args, target),
        asked: Asked::Revert(&asked(&down)),
    }
    .reach(&mut database, &Goal::Down(down))
}

/// The way back as `revert` would have been asked for it.
fn asked(back: &Down) -> RevertGoal {
    match back {
        Down::Zero => RevertGoal::Target(Selector::Zero),
        Down::To(version) => RevertGoal::Target(Selector::Named(version.to_string())),
        Down::Count(count) => RevertGoal::Count(*count),
        Down::Only(version) => RevertGoal::Only(version.to_string()),
    }
}

fn may_revert(context: &Context, backwards: &[(&Target, Back)]) -> bool {
    if context.global.yes {
        return true;
    }
    if !context.report.may_ask() {
        return false;
    }
    let line = |(target, back): &(&Target, Back)| {
        format!(
            "{}: revert {}: {}\n",
            target.label(),
            what(&back.down).0,
            back.names.join(", ")
        )
    };
    let list: String = backwards.iter().map(line).collect();
    // Whoever pressed Ctrl-C at the question has not agreed to anything.
    context.report.ask(&format!("{list}go on?")) && !context.interrupt.is_asked()
}

/// What a way back reverts, in words and as `revert`'s argument.
fn what(back: &Down) -> (String, String) {
    match back {
        Down::To(version) => (
            format!("everything newer than {version}"),
            format!("--to {version}"),
        ),
        Down::Count(1) => ("the newest migration".to_owned(), "-n 1".to_owned()),
        Down::Count(count) => (
            format!("the newest {count} migrations"),
            format!("-n {count}"),
        ),
        Down::Zero | Down::Only(_) => ("everything".to_owned(), "--to zero".to_owned()),
    }
}

fn refused(target: &Target, back: &Down) -> Problem {
    let (what, argument) = what(back);
    Problem::new(
        Exit::Failed,
        format!("getting there means reverting {what}"),
    )
    .of(&target.label())
    .with_note("nothing was changed")
    .with_help(format!(
        "`cargo migrate revert{} {argument}` does that, and so does `--yes`",
        target.package_flag()
    ))
}
