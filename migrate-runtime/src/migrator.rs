//! The migrator: one catalog, the options of a run, and the verbs. The command
//! and every service call these; there is no other run loop.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use migrate_core::{Catalog, Goal, History, Plan, Policy, Version, plan};

use crate::backend::AttemptRow;
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::execute::{Report, Run, reconnect};
use crate::interrupt::Interrupt;
use crate::lock::{DEFAULT_LOCK_TRIES, DEFAULT_LOCK_WAIT, random};
use crate::open::Database;
use crate::reading;
use crate::repair::{Repair, Repaired};
use crate::store::Runner;

/// What one transaction covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// One migration, its history row and its journal row.
    #[default]
    EachMigration,
    /// The whole run: all or nothing.
    WholeRun,
}

/// How a run goes about it.
#[derive(Debug, Clone)]
pub struct Options {
    /// What a plan may do without being asked.
    pub policy: Policy,
    /// What one transaction covers.
    pub scope: Scope,
    /// For how long to wait for another runner.
    pub lock_wait: Duration,
    /// The longest that a try waits for the application's locks before it lets
    /// the application go first (the first tries wait less); zero waits for ever.
    pub lock_timeout: Duration,
    /// How often it is tried; at least once.
    pub lock_tries: u32,
    /// Longest run of a statement; zero is for ever.
    pub statement_timeout: Duration,
    /// With [`StoredDown::Use`](migrate_core::StoredDown): of the down SQL that
    /// the journal keeps, run only that of these attempts, which a person has
    /// seen; nothing here is all of it.
    pub agreed: Option<BTreeSet<i64>>,
    /// Who runs, for the journal.
    pub runner: Runner,
    /// How to ask the run to stop.
    pub interrupt: Interrupt,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            scope: Scope::default(),
            lock_wait: DEFAULT_LOCK_WAIT,
            lock_timeout: Duration::from_secs(2),
            lock_tries: DEFAULT_LOCK_TRIES,
            statement_timeout: Duration::ZERO,
            agreed: None,
            runner: Runner::this_process(concat!("migrate-runtime ", env!("CARGO_PKG_VERSION"))),
            interrupt: Interrupt::default(),
        }
    }
}

impl Runner {
    /// This process, with a new run id.
    #[must_use]
    pub fn this_process(tool: &str) -> Self {
        Self {
            run_id: format!("{:016x}", random()),
            applied_by: user_at_host().to_owned(),
            tool: tool.to_owned(),
        }
    }
}

/// Asked once: a user's name may come from a directory server.
fn user_at_host() -> &'static str {
    static ANSWER: OnceLock<String> = OnceLock::new();
    ANSWER.get_or_init(|| {
        let user = whoami::username().unwrap_or_else(|_| "unknown".to_owned());
        let host = whoami::hostname().unwrap_or_else(|_| "unknown".to_owned());
        format!("{user}@{host}")
    })
}

/// How to settle a statement in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// It took effect: go on after it.
    Done,
    /// It did not: run it again.
    Retry,
}

impl Resolution {
    /// The word in the journal and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry => "retry",
        }
    }
}

/// Plans and runs one catalog's migrations.
pub struct Migrator<'m> {
    catalog: &'m Catalog,
    options: Options,
    observer: Option<Observer<'m>>,
}

impl<'m> Migrator<'m> {
    /// A migrator with the options of [`Options::default`].
    #[must_use]
    pub fn new(catalog: &'m Catalog) -> Self {
        Self {
            catalog,
            options: Options::default(),
            observer: None,
        }
    }

    /// The same with other options.
    #[must_use]
    pub fn with_options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// The same with somebody who listens.
    #[must_use]
    pub fn with_observer(self, observer: Observer<'m>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    fn tell(&self, event: Event<'_>) {
        if let Some(observer) = self.observer {
            observer(event);
        }
    }

    /// What the database says. Takes no lock, writes nothing, and asks for no
    /// right but SELECT.
    ///
    /// # Errors
    /// When the history or an applied file cannot be read.
    pub fn history(&self, database: &mut Database) -> Result<History, Error> {
        reading::read(database.backend(), self.catalog)
    }

    /// What a run to `goal` would do. Reads only.
    ///
    /// # Errors
    /// As [`Self::history`], and why there is no plan.
    pub fn plan(&self, database: &mut Database, goal: &Goal) -> Result<Plan, Error> {
        let history = self.history(database)?;
        Ok(plan(self.catalog, &history, goal, self.options.policy)?)
    }

    /// Reads every file of a plan, as a run does before it sends anything.
    ///
    /// # Errors
    /// What a run would refuse.
    pub fn admit(&self, database: &mut Database, plan: &Plan) -> Result<(), Error> {
        Run::new(
            database.backend(),
            self.catalog,
            &self.options,
            &|_| {},
            &mut Report::default(),
        )
        .admit(plan)
    }

    /// Brings the database to `goal`: safe with any number of runners at once.
    ///
    /// `report` holds what was done, also where the run ends in an error.
    ///
    /// A connection that is lost is made again for a while, and what became of
    /// the migration at work is read; one that loses it twice is not begun a
    /// third time.
    ///
    /// # Errors
    /// Why the run ended early. What it had applied is applied and recorded,
    /// unless the run was one transaction.
    pub fn run(
        &self,
        database: &mut Database,
        goal: &Goal,
        report: &mut Report,
    ) -> Result<(), Error> {
        let tell = |event: Event<'_>| self.tell(event);
        reconnect::reach(database, self.catalog, &self.options, &tell, report, goal)
    }

    /// Every attempt at every migration, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read; it is empty where there is none.
    pub fn attempts(
        &self,
        database: &mut Database,
        limit: Option<u64>,
    ) -> Result<Vec<AttemptRow>, Error> {
        let backend = database.backend();
        backend
            .read()
            .map_err(Error::database("cannot read the migration history"))?;
        backend
            .read_attempts(limit)
            .map_err(Error::database("cannot read the journal"))
    }

    /// Who has the lock that a run would need, as far as the role may see it.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn holder(&self, database: &mut Database) -> Result<Option<String>, Error> {
        let backend = database.backend();
        // The lock's key is found on reading.
        backend
            .read()
            .map_err(Error::database("cannot read the migration history"))?;
        Ok(backend.holder())
    }

    /// Creates the tables that runs are recorded in, as the first run would.
    ///
    /// # Errors
    /// When the role may not, or another runner holds the lock.
    pub fn create_tables(&self, database: &mut Database) -> Result<(), Error> {
        Run::new(
            database.backend(),
            self.catalog,
            &self.options,
            &|event| self.tell(event),
            &mut Report::default(),
        )
        .create_tables()
    }

    /// The down SQL that the journal keeps at `attempt`, as a step of a plan
    /// names it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn stored_down(
        &self,
        database: &mut Database,
        attempt: i64,
    ) -> Result<Option<String>, Error> {
        let texts = database
            .backend()
            .read_texts(&[attempt])
            .map_err(Error::database("cannot read the journal"))?;
        Ok(texts.into_iter().next().and_then(|texts| texts.down_sql))
    }

    /// The migrations that a repair would write anew. Reads only.
    ///
    /// # Errors
    /// As [`Self::history`], and why there is nothing to repair.
    pub fn repairable(
        &self,
        database: &mut Database,
        repair: &Repair,
    ) -> Result<Vec<Repaired>, Error> {
        let history = self.history(database)?;
        let due = repair.due(self.catalog, &history)?;
        let repaired = |migration: &migrate_core::Migration| Repaired {
            version: migration.version.clone(),
            name: migration.name.clone(),
        };
        Ok(due.into_iter().map(repaired).collect())
    }

    /// Brings what the journal says of applied migrations in line with the
    /// files, under the lock, with who did it and why; the schema stays as it
    /// is. Gives the migrations that it was about.
    ///
    /// # Errors
    /// Why there is nothing to repair, that an edit is accepted without a
    /// reason, or that another runner is at work.
    pub fn repair(
        &self,
        database: &mut Database,
        repair: &Repair,
        reason: Option<&str>,
    ) -> Result<Vec<Repaired>, Error> {
        Run::new(
            database.backend(),
            self.catalog,
            &self.options,
            &|event| self.tell(event),
            &mut Report::default(),
        )
        .repair(repair, reason)
    }

    /// Settles a statement in doubt by what a person found; says whether
    /// statement `step` (from 1) of `version` was in doubt at all. The journal
    /// keeps who it was, and `why`.
    ///
    /// # Errors
    /// When another runner is at work, or the journal cannot be written.
    pub fn resolve(
        &self,
        database: &mut Database,
        version: &Version,
        step: usize,
        resolution: Resolution,
        why: Option<&str>,
    ) -> Result<bool, Error> {
        let guard = database.cancel_on(&self.options.interrupt);
        let resolved = Run::new(
            database.backend(),
            self.catalog,
            &self.options,
            &|event| self.tell(event),
            &mut Report::default(),
        )
        .resolve(version, step, resolution, why);
        drop(guard);
        resolved
    }
}
