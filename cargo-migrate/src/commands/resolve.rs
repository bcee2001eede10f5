//! `resolve`: settles a statement in doubt by what a person found.

use migrate_core::{Entry, State, Version, find, inspect};
use migrate_runtime::{Access, Error, Event, Migrator, Resolution};

use super::Context;
use super::over::{Finished, MAKE};
use super::running::Teller;
use crate::cli::ResolveArgs;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::Message;
use crate::target::Target;

pub(super) fn run(context: &Context, args: &ResolveArgs) -> Result<Exit, Problem> {
    let resolution = context.targets()?;
    if let [first, second, ..] = &resolution.targets[..] {
        let text = format!(
            "`resolve` is for one target, but {} and {} are selected",
            first.label(),
            second.label()
        );
        return Err(Problem::new(Exit::Usage, text).with_help("select it with `-p <service>`"));
    }
    context.heed_signals();
    context.over(
        &resolution,
        MAKE,
        |target| resolve_target(context, args, target),
        |_, finished| finished,
    )
}

fn resolve_target(
    context: &Context,
    args: &ResolveArgs,
    target: &Target,
) -> Result<Finished, Problem> {
    let catalog = context.catalog(target)?;
    let mut database = context.open(target, Access::Write)?;
    let mut options = context.options(target);
    options.lock_wait = args.lock.lock_wait;
    let teller = Teller::new(context, target);
    let observer = |event: Event<'_>| teller.tell(&event);
    let migrator = Migrator::new(&catalog)
        .with_options(options)
        .with_observer(&observer);
    let failed = |error| match error {
        Error::Interrupted => {
            Problem::new(Exit::Failed, "interrupted; nothing was settled").of(&target.label())
        }
        error => Problem::of_run(target, &error, None),
    };
    let history = migrator.history(&mut database).map_err(failed)?;
    let version = find(&args.version, &catalog, &history)
        .map_err(|error| Problem::of_selector(target, &error))?;
    let resolution = if args.done {
        Resolution::Done
    } else {
        Resolution::Retry
    };
    let why = args.why.as_deref();
    if !migrator
        .resolve(&mut database, &version, args.step, resolution, why)
        .map_err(failed)?
    {
        // Another runner may have gone on meanwhile.
        let history = migrator.history(&mut database).map_err(failed)?;
        let entries = inspect(&catalog, &history);
        let entry = entries.iter().find(|entry| entry.version == version);
        return Err(not_in_doubt(target, args.step, &version, entry));
    }
    let name = catalog
        .get(&version)
        .map_or(version.as_str(), |migration| migration.name.as_str());
    context.report.tell(Message::Resolved {
        target,
        name,
        version: version.as_str(),
        statement: args.step,
        resolution: resolution.as_str(),
        why,
    });
    Ok(Finished::default())
}

/// What is in doubt instead, if anything is.
fn not_in_doubt(target: &Target, step: usize, version: &Version, entry: Option<&Entry>) -> Problem {
    let flag = target.package_flag();
    let status = format!("`cargo migrate status{flag}` says what is");
    let text = format!("migration {version}: statement {step} is not in doubt");
    let (text, help) = match entry.map(|entry| &entry.state) {
        Some(State::InDoubt { statement, total }) => (
            format!("{text}, but statement {statement} of {total} is"),
            format!("look whether it took effect, and name it with `--step {statement}`"),
        ),
        Some(State::HalfApplied { done, total, .. }) => (
            format!("{text}: {done} of {total} statements are done, and none is in doubt"),
            format!("`cargo migrate run{flag}` goes on after them"),
        ),
        Some(state) => (format!("{text}: it is {}", state.as_str()), status),
        None => (text, status),
    };
    Problem::new(Exit::Failed, text)
        .of(&target.label())
        .with_help(help)
}
