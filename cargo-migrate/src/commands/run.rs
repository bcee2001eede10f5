//! `run`: applies what is pending.

use migrate_core::{Down, Goal, PlanError};
use migrate_runtime::{Access, Error, Migrator, Scope, create_database};

use super::Context;
use super::goal::Lookup;
use super::over::{Finished, WORK};
use super::running::Running;
use crate::cli::{RunArgs, RunGoal};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::{Did, Message};
use crate::target::Target;

pub(super) fn run(context: &Context, args: &RunArgs) -> Result<Exit, Problem> {
    let wanted = args.goal.goal()?;
    if args.dry_run {
        return super::plan::run(context, &args.goal);
    }
    context.heed_signals();
    context.over_targets(
        WORK,
        |target| run_target(context, args, &wanted, target),
        |_, finished| finished,
    )
}

fn run_target(
    context: &Context,
    args: &RunArgs,
    wanted: &RunGoal,
    target: &Target,
) -> Result<Finished, Problem> {
    let catalog = context.catalog(target)?;
    if args.create_database {
        let created =
            create_database(&target.url).map_err(|error| Problem::of_admin(target, &error))?;
        if created == migrate_runtime::Created::New {
            context.report.tell(Message::DatabaseCreated {
                target,
                existed: false,
            });
        }
    }
    let mut database = context.open(target, Access::Write)?;
    let mut options = context.options(target);
    options.lock_wait = args.lock.lock_wait;
    if args.single_transaction {
        options.scope = Scope::WholeRun;
    }
    let migrator = Migrator::new(&catalog).with_options(options.clone());
    let goal = Lookup {
        target,
        catalog: &catalog,
        migrator: &migrator,
    }
    .run(&mut database, wanted)?;
    let running = Running {
        context,
        target,
        catalog: &catalog,
        options,
    };
    // `migrate zero` and `migrate <older>` are how Django reverts.
    let back = match &goal {
        Goal::Down(down) => down.clone(),
        Goal::Up(_) => match running.try_reach(&mut database, &goal) {
            Ok(mut finished) => {
                finished.at = finished.at.or_else(|| at_the_end(&catalog, wanted));
                return Ok(finished);
            }
            Err((Error::Plan(PlanError::Behind { version, .. }), _)) => Down::To(version),
            Err((error, did)) => return Err(running.problem(&mut database, &error, did)),
        },
    };
    may_revert(context, target, &back)?;
    running.reach(&mut database, &Goal::Down(back))
}

/// With everything applied the newest on disk is the newest applied.
fn at_the_end(catalog: &migrate_core::Catalog, wanted: &RunGoal) -> Option<String> {
    let latest = matches!(wanted, RunGoal::Target(migrate_core::Selector::Latest));
    catalog
        .newest()
        .filter(|_| latest)
        .map(|newest| newest.version.to_string())
}

/// Reverting is never what `run` does unasked.
fn may_revert(context: &Context, target: &Target, back: &Down) -> Result<(), Problem> {
    let (what, argument) = match back {
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
    };
    let label = target.label();
    if context.global.yes
        || (context.report.may_ask() && context.report.ask(&format!("{label}: revert {what}?")))
    {
        return Ok(());
    }
    let mut problem = Problem::new(
        Exit::Failed,
        format!("getting there means reverting {what}"),
    )
    .of(&label);
    problem.notes.push("nothing was changed".into());
    problem.did = Did::default();
    Err(problem.with_help(format!(
        "`cargo migrate revert{} {argument}` does that, and so does `--yes`",
        target.package_flag()
    )))
}
