//! `run`: applies what is pending.

mod backward;

use migrate_core::{Down, Goal, PlanError};
use migrate_runtime::{Access, Error, Migrator, Options, Scope, create_database};

use self::backward::Back;
use super::Context;
use super::goal::Lookup;
use super::over::{Finished, Tally, WORK};
use super::running::{Asked, Running};
use crate::cli::{RunArgs, RunGoal};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::Message;
use crate::target::Target;

pub(super) fn run(context: &Context, args: &RunArgs) -> Result<Exit, Problem> {
    let wanted = args.goal.goal()?;
    if args.dry_run {
        return super::plan::run(context, &args.goal);
    }
    context.heed_signals();
    let resolution = context.targets()?;
    let mut tally = Tally::of(&resolution);
    let targets: Vec<&Target> = resolution.targets.iter().collect();
    let mut backwards = Vec::new();
    context.fan_out(
        &targets,
        WORK,
        &mut tally,
        |target| run_target(context, args, &wanted, target),
        |target, reached| match reached {
            Reached::There(finished) => Some(finished),
            Reached::Behind(back) => {
                backwards.push((target, back));
                None
            }
        },
    );
    backward::go(context, args, &mut tally, backwards);
    Ok(context.conclude(&resolution, WORK, &tally))
}

/// How far a run got.
enum Reached {
    /// To the goal.
    There(Finished),
    /// Nowhere: the goal lies behind, and nobody has been asked yet.
    Behind(Back),
}

fn run_target(
    context: &Context,
    args: &RunArgs,
    wanted: &RunGoal,
    target: &Target,
) -> Result<Reached, Problem> {
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
    let options = options(context, args, target);
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
        asked: Asked::Run(wanted),
    };
    // `migrate zero` and `migrate <older>` are how Django reverts.
    let back = match &goal {
        Goal::Down(down) => down.clone(),
        Goal::Up(_) => match running.try_reach(&mut database, &goal) {
            Ok(mut finished) => {
                finished.at = finished.at.or_else(|| at_the_end(&catalog, wanted));
                return Ok(Reached::There(finished));
            }
            Err((Error::Plan(PlanError::Behind { version, .. }), _)) => Down::To(version),
            Err((error, did)) => return Err(running.problem(&mut database, &error, did)),
        },
    };
    let goal = Goal::Down(back.clone());
    let plan = migrator
        .plan(&mut database, &goal)
        .map_err(|error| Problem::of_run(target, &error, None))?;
    if plan.steps.is_empty() {
        return Ok(Reached::There(Finished::default()));
    }
    let names = plan.steps.into_iter().map(|step| step.name).collect();
    Ok(Reached::Behind(Back { down: back, names }))
}

fn options(context: &Context, args: &RunArgs, target: &Target) -> Options {
    let mut options = context.options(target);
    options.lock_wait = args.lock.lock_wait;
    if args.single_transaction {
        options.scope = Scope::WholeRun;
    }
    options
}

/// With everything applied the newest on disk is the newest applied.
fn at_the_end(catalog: &migrate_core::Catalog, wanted: &RunGoal) -> Option<String> {
    let latest = matches!(wanted, RunGoal::Target(migrate_core::Selector::Latest));
    catalog
        .newest()
        .filter(|_| latest)
        .map(|newest| newest.version.to_string())
}
