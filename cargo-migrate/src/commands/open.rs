//! From a target to what the runtime works with: its catalog, its database, the
//! options of a run.

use migrate_core::{Catalog, PlanNote, Policy};
use migrate_runtime::{Access, Database, OpenError, Options, Scope, Session};

use super::Context;
use crate::problem::Problem;
use crate::report::Message;
use crate::target::{Target, UrlOrigin};

impl Context {
    /// The target's migrations on disk.
    pub(super) fn catalog(&self, target: &Target) -> Result<Catalog, Problem> {
        let catalog = Catalog::merge(&target.directories, target.settings.same_version)
            .map_err(|error| Problem::of_catalog(target, &error, self.report.here()))?;
        for warning in &catalog.warnings {
            let text = format!("{}: {warning}", target.label());
            self.report.tell(Message::Warning {
                text: &text,
                help: None,
            });
        }
        Ok(catalog)
    }

    /// A connection to the target's database.
    pub(super) fn open(&self, target: &Target, access: Access) -> Result<Database, Problem> {
        if access == Access::Write && target.url_origin == UrlOrigin::Default {
            make_parents(target)?;
        }
        self.try_open(target, access)
            .map_err(|error| Problem::of_open(target, &error))
    }

    /// The same, with the runtime's own error; makes no directories.
    pub(super) fn try_open(&self, target: &Target, access: Access) -> Result<Database, OpenError> {
        let session = Session {
            service: target.label(),
            schema: target.settings.schema.clone(),
            history_table: target.settings.history_table.clone(),
            setup: target.settings.session_setup.clone(),
            access,
        };
        Database::open(&target.url, &session)
    }

    /// What a plan says beside its steps.
    pub(super) fn note(&self, target: &Target, note: &PlanNote) {
        let text = note.to_string();
        if note.is_warning() {
            let text = format!("{}: {text}", target.label());
            self.report.tell(Message::Warning {
                text: &text,
                help: None,
            });
        } else {
            self.report.tell(Message::Note {
                target,
                text: &text,
            });
        }
    }

    /// How the target's migrations are run.
    pub(super) fn options(&self, target: &Target) -> Options {
        Options {
            policy: Policy {
                out_of_order: target.settings.out_of_order,
                ahead: target.settings.ahead,
                ..Policy::default()
            },
            scope: Scope::EachMigration,
            lock_timeout: target.settings.lock_timeout.unwrap_or_default(),
            lock_tries: target.settings.lock_tries,
            statement_timeout: target.settings.statement_timeout.unwrap_or_default(),
            runner: self.runner.clone(),
            interrupt: self.interrupt.clone(),
            ..Options::default()
        }
    }
}

/// The directories above an embedded default: nobody made them, and nobody
/// else names them.
fn make_parents(target: &Target) -> Result<(), Problem> {
    let Some(parent) = target.url.sqlite_path().and_then(|path| path.parent()) else {
        return Ok(());
    };
    std::fs::create_dir_all(parent).map_err(|source| {
        Problem::of_admin(
            target,
            &migrate_runtime::AdminError::File {
                path: parent.to_owned(),
                source,
            },
        )
    })
}
