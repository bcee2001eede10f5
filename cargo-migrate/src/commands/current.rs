//! `current`: the newest applied migration of each target.

use migrate_core::inspect;
use migrate_runtime::{Access, Migrator};

use super::Context;
use super::over::{Finished, LOOK};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::Message;
use crate::target::Target;

pub(super) fn run(context: &Context) -> Result<Exit, Problem> {
    let look = |target: &Target| {
        let catalog = context.catalog(target)?;
        let mut database = context.open(target, Access::Read)?;
        let history = Migrator::new(&catalog)
            .history(&mut database)
            .map_err(|error| Problem::of_run(target, &error, None))?;
        Ok(inspect(&catalog, &history)
            .into_iter()
            .rfind(|entry| entry.run_on.is_some()))
    };
    context.over_targets(LOOK, look, |target, newest| {
        let migration = newest
            .as_ref()
            .map(|entry| (entry.name.as_str(), entry.version.as_str()));
        context.report.tell(Message::Current { target, migration });
        Finished {
            at: newest.map(|entry| entry.version.to_string()),
            ..Finished::default()
        }
    })
}
