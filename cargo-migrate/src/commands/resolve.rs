//! `resolve`: settles a statement in doubt by what a person found.

use migrate_core::find;
use migrate_runtime::{Access, Event, Migrator, Resolution};

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
    let failed = |error| Problem::of_run(target, &error, None);
    let history = migrator.history(&mut database).map_err(failed)?;
    let version = find(&args.version, &catalog, &history)
        .map_err(|error| Problem::of_selector(target, &error))?;
    let resolution = if args.done {
        Resolution::Done
    } else {
        Resolution::Retry
    };
    if !migrator
        .resolve(&mut database, &version, args.step, resolution)
        .map_err(failed)?
    {
        let text = format!(
            "migration {version}: statement {} is not in doubt",
            args.step
        );
        let help = format!(
            "`cargo migrate status{}` says what is",
            target.package_flag()
        );
        return Err(Problem::new(Exit::Failed, text)
            .of(&target.label())
            .with_help(help));
    }
    let text = format!(
        "migration {version}: statement {} is settled; `cargo migrate run{}` goes on",
        args.step,
        target.package_flag()
    );
    context.report.tell(Message::Note {
        target,
        text: &text,
    });
    Ok(Finished::default())
}
