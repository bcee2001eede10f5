//! The run loop: read, plan, lock, execute, and from the start again whenever
//! another runner got in between. A plan made before waiting is never executed.

mod contention;
mod prepare;
pub(crate) mod reconnect;
mod repair;
mod resume;
mod steps;
mod stored;
mod upkeep;
mod whole;

use std::time::{Duration, Instant};

use migrate_core::RunMode;
use migrate_core::{
    Catalog, Dialect, Divergence, Down, Goal, History, Plan, PlanError, Step, StepSource, Up,
    Version, plan,
};

use self::contention::{Contention, lock_timeout};
use self::prepare::{Prepared, prepare};
use self::reconnect::Carried;
use self::stored::{Sources, StoredDowns};
use crate::backend::{AttemptRow, Backend, Claim, Introduction, LockScope, Outcome, Stop};
use crate::error::{DatabaseError, DatabaseErrorKind, Error, Remains};
use crate::event::Event;
use crate::lock::Wait;
use crate::migrator::{Options, Scope};
use crate::reading;

/// For how long, within the wait for the lock, to try for the connection that
/// finds out whether there is a pooler.
const SECOND_CONNECTION: Duration = Duration::from_secs(10);

/// What a run did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The migrations that it applied or reverted, in order.
    pub done: Vec<Done>,
}

/// One migration that a run applied or reverted.
#[derive(Debug, Clone)]
pub struct Done {
    /// Which, and which way.
    pub step: Step,
    /// From its start to its COMMIT's answer.
    pub duration: Duration,
    /// Statements in its file.
    pub statements: usize,
}

/// One run over one database.
pub(crate) struct Run<'r> {
    pub(crate) backend: &'r mut dyn Backend,
    pub(crate) catalog: &'r Catalog,
    pub(crate) options: &'r Options,
    pub(crate) tell: &'r dyn Fn(Event<'_>),
    pub(crate) report: &'r mut Report,
    carried: Carried,
    stored: StoredDowns,
}

/// How one migration came out of the loop's view.
enum Went {
    Done,
    /// Another runner is at work: read and plan again.
    Again,
    /// Another runner was faster: read and plan again.
    Elsewhere,
    /// The application held a lock: pause, then read and plan again.
    Contended(Option<usize>),
}

impl<'r> Run<'r> {
    pub(crate) fn new(
        backend: &'r mut dyn Backend,
        catalog: &'r Catalog,
        options: &'r Options,
        tell: &'r dyn Fn(Event<'_>),
        report: &'r mut Report,
    ) -> Self {
        introduce(backend, options);
        Self {
            backend,
            catalog,
            options,
            tell,
            report,
            carried: Carried::default(),
            stored: StoredDowns::default(),
        }
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            catalog: self.catalog,
            stored: &self.stored,
        }
    }

    /// Brings the database to the goal, and gives the lock back on every path.
    pub(crate) fn reach(&mut self, goal: &Goal) -> Result<(), Error> {
        let pinned = self.carried.goal.take();
        let reached = self.reach_locked(pinned.unwrap_or_else(|| goal.clone()));
        self.backend.release();
        match reached {
            // A cancelled statement fails with the server's own words.
            Err(Error::Failed(_) | Error::ConnectionLost(_) | Error::Database { .. })
                if self.options.interrupt.is_asked() =>
            {
                Err(Error::Interrupted)
            }
            other => other,
        }
    }

    fn reach_locked(&mut self, mut goal: Goal) -> Result<(), Error> {
        let mut wait = Wait::new(self.options.lock_wait);
        let mut contention = Contention::default();
        let mut certain = false;
        let mut beaten = None;
        loop {
            self.heed_interrupt()?;
            self.carried.rest();
            let history = reading::read(self.backend, self.catalog)?;
            self.account(&history)?;
            let plan = match plan(self.catalog, &history, &goal, self.options.policy) {
                // What looks half done may be at work right now: believe it
                // only under the lock.
                Err(PlanError::Diverged(found))
                    if !certain && found.iter().any(is_of_an_attempt) =>
                {
                    certain = self.claim_for_certainty(&mut wait)?;
                    continue;
                }
                Err(PlanError::Diverged(found)) if certain && self.settle(&history, &found)? => {
                    continue;
                }
                // Another runner did the very thing that we were told to, and
                // perhaps went on from there.
                Err(PlanError::NotApplied(_) | PlanError::Behind { .. }) if self.carried.noted => {
                    return Ok(());
                }
                planned => planned?,
            };
            self.note_once(&plan);
            if plan.is_empty() {
                return Ok(());
            }
            goal = pinned(goal, &plan, &history);
            self.carried.goal = Some(goal.clone());
            self.admit(&plan)?;
            match self.claim(&plan)? {
                Claim::Busy => {
                    self.wait_for_the_lock(&mut wait)?;
                    continue;
                }
                Claim::Fresh => continue,
                Claim::Ready => {}
            }
            (self.tell)(Event::Planned {
                steps: plan.steps.len(),
            });
            let (at, went) = match self.options.scope {
                Scope::EachMigration => self.each(&plan, contention.tries)?,
                Scope::WholeRun => self.whole(&plan, contention.tries)?,
            };
            // Of a whole run nothing is done before all of it is.
            if at > 0 && self.options.scope == Scope::EachMigration {
                wait.reset();
                contention = Contention::default();
            }
            match went {
                Went::Done => return Ok(()),
                Went::Again => self.wait_for_the_lock(&mut wait)?,
                Went::Elsewhere => {
                    self.elsewhere(&plan.steps[at], &mut beaten)?;
                    self.wait_for_the_lock(&mut wait)?;
                }
                Went::Contended(statement) => {
                    self.contended(&plan.steps[at], statement, &mut contention)?;
                }
            }
        }
    }

    fn heed_interrupt(&self) -> Result<(), Error> {
        if self.options.interrupt.is_asked() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }

    fn note_once(&mut self, plan: &Plan) {
        if !self.carried.noted {
            plan.notes
                .iter()
                .for_each(|note| (self.tell)(Event::Note(note)));
        }
        self.carried.noted = true;
    }

    /// Everything that a plan would send is read and refused before any of it
    /// is sent.
    pub(crate) fn admit(&mut self, plan: &Plan) -> Result<(), Error> {
        let mut refused = Vec::new();
        for step in &plan.steps {
            self.is_agreed(step)?;
            self.stored.load(self.backend, step)?;
            let key = (step.version.clone(), step.direction);
            if self.carried.admitted.contains(&key) {
                continue;
            }
            match prepare::admit(self.sources(), step, self.backend.dialect()) {
                Ok((mode, notes)) => {
                    if self.options.scope == Scope::WholeRun && mode == RunMode::Steps {
                        return Err(Error::SingleTransaction(match self.backend.dialect() {
                            Dialect::MySql => {
                                "MySQL and MariaDB commit at each DDL statement".to_owned()
                            }
                            Dialect::Postgres | Dialect::Sqlite => {
                                format!("migration {} runs outside a transaction", step.name)
                            }
                        }));
                    }
                    for note in &notes {
                        (self.tell)(Event::FileNote { step, note });
                    }
                    self.carried.admitted.insert(key);
                }
                Err(Error::Refused(files)) => refused.extend(files),
                Err(error) => return Err(error),
            }
        }
        if refused.is_empty() {
            Ok(())
        } else {
            Err(Error::Refused(refused))
        }
    }

    /// What nobody was shown is not run: another build may have applied it
    /// since. What this run began itself, before it lost its connection, it
    /// began with a text that was agreed to.
    fn is_agreed(&mut self, step: &Step) -> Result<(), Error> {
        match (step.source, &self.options.agreed) {
            (StepSource::Journal { attempt }, Some(agreed)) if !agreed.contains(&attempt) => {
                let attempts = self
                    .backend
                    .read_attempts(None)
                    .map_err(Error::database("cannot read the journal"))?;
                let run_id = &self.options.runner.run_id;
                let is_ours = |row: &AttemptRow| row.id == attempt && &row.run_id == run_id;
                if attempts.iter().any(is_ours) {
                    return Ok(());
                }
                let missing = Divergence::Missing {
                    version: step.version.clone(),
                    name: step.name.clone(),
                    raw: None,
                    stored_down: true,
                };
                Err(PlanError::Diverged(vec![missing]).into())
            }
            _ => Ok(()),
        }
    }

    fn claim(&mut self, plan: &Plan) -> Result<Claim, Error> {
        let steps = |step: &Step| {
            self.sources().of(step).is_ok_and(|origin| {
                prepare::mode(origin, step, self.backend.dialect()) == RunMode::Steps
            })
        };
        let scope = if plan.steps.iter().any(steps) {
            LockScope::Session
        } else {
            LockScope::Transaction
        };
        self.claimed(scope)
    }

    fn claimed(&mut self, scope: LockScope) -> Result<Claim, Error> {
        let mut wait = Wait::new(self.options.lock_wait.min(SECOND_CONNECTION));
        loop {
            let claimed = self.backend.claim(scope);
            // Others who come and go may leave room for it.
            if let Err(error) = &claimed
                && error.kind == DatabaseErrorKind::PooledOrNot
                && let Some(pause) = wait.next_pause()
            {
                self.options.interrupt.pause(pause);
                self.heed_interrupt()?;
                continue;
            }
            return claimed
                .map_err(|source| self.stopped("cannot prepare the migration tables", source));
        }
    }

    /// Why the database let us do no more: not being ours to write to, or to
    /// lock, is told as what it is, wherever it is met.
    fn stopped(&self, doing: &'static str, source: DatabaseError) -> Error {
        stopped(self.backend, doing, source)
    }

    /// Takes the session's lock, so that what the journal says is final.
    fn claim_for_certainty(&mut self, wait: &mut Wait) -> Result<bool, Error> {
        match self.claimed(LockScope::Session)? {
            Claim::Busy => {
                self.wait_for_the_lock(wait)?;
                Ok(false)
            }
            Claim::Ready | Claim::Fresh => Ok(true),
        }
    }

    fn wait_for_the_lock(&mut self, wait: &mut Wait) -> Result<(), Error> {
        let Some(pause) = wait.next_pause() else {
            return Err(Error::LockHeld {
                waited: wait.waited(),
                holder: self.backend.holder(),
            });
        };
        // Short waits are everyday life between replicas; who asks early costs
        // a round trip each time.
        let holder = if wait.waited() > Duration::from_millis(500) {
            self.backend.holder()
        } else {
            None
        };
        (self.tell)(Event::Waiting {
            holder: holder.as_deref(),
            waited: wait.waited(),
        });
        self.options.interrupt.pause(pause);
        Ok(())
    }

    /// Another runner has recorded this step. If the history does not say so
    /// the second time either, it is the file itself that writes the history.
    fn elsewhere(&mut self, step: &Step, beaten: &mut Option<Version>) -> Result<(), Error> {
        if beaten.replace(step.version.clone()).as_ref() != Some(&step.version) {
            return Ok(());
        }
        let prepared = prepare(self.sources(), step, self.backend.dialect(), self.options)?;
        let message = "the file writes its own row of the history table, which is the runner's";
        Err(prepared.failure(step, None, None, message.to_owned(), Remains::RolledBack))
    }

    /// Begins the step `n` (from 0) of a plan, unless somebody asked to stop.
    fn start(&mut self, plan: &Plan, n: usize) -> Result<(Instant, Prepared), Error> {
        self.heed_interrupt()?;
        let step = &plan.steps[n];
        (self.tell)(Event::Started {
            step,
            number: n + 1,
            total: plan.steps.len(),
        });
        let began = Instant::now();
        let prepared = prepare(self.sources(), step, self.backend.dialect(), self.options)?;
        self.is_not_deadly(step, &prepared)?;
        let statements = prepared.script.statements.len();
        self.carried.begin(step, began, statements);
        Ok((began, prepared))
    }

    /// Each migration in its own transaction, or by its steps.
    fn each(&mut self, plan: &Plan, tries: u32) -> Result<(usize, Went), Error> {
        for (n, step) in plan.steps.iter().enumerate() {
            let (began, prepared) = self.start(plan, n)?;
            let statements = prepared.script.statements.len();
            match prepared.mode {
                RunMode::Transaction => {
                    match self.in_transaction(step, &prepared, if n == 0 { tries } else { 0 })? {
                        Went::Done => {}
                        went => return Ok((n, went)),
                    }
                }
                RunMode::Steps => {
                    steps::run(self.backend, step, &prepared, self.options, self.tell)?
                }
            }
            self.done(step, began.elapsed(), statements);
        }
        Ok((plan.steps.len(), Went::Done))
    }

    fn done(&mut self, step: &Step, duration: Duration, statements: usize) {
        self.carried.done(step);
        (self.tell)(Event::Finished {
            step,
            duration,
            statements,
        });
        self.report.done.push(Done {
            step: step.clone(),
            duration,
            statements,
        });
    }

    fn in_transaction(
        &mut self,
        step: &Step,
        prepared: &Prepared,
        tries: u32,
    ) -> Result<Went, Error> {
        let mut work = prepared.work(step, self.options);
        work.lock_timeout = lock_timeout(prepared.lock_timeout, tries);
        match self.backend.apply(&work) {
            Ok(Outcome::Done) => Ok(Went::Done),
            Ok(Outcome::Busy) => Ok(Went::Again),
            Ok(Outcome::Elsewhere) => Ok(Went::Elsewhere),
            Ok(Outcome::LockTimeout { statement }) => Ok(Went::Contended(statement)),
            Err(Stop::Database(source)) => Err(self.stopped("cannot record the migration", source)),
            Err(Stop::Migration {
                statement,
                range,
                error,
            }) => {
                prepared.record_failure(self.backend, step, self.options, &error.message);
                Err(prepared.failed(step, statement, range, error, Remains::RolledBack))
            }
        }
    }

    /// Settles what is in doubt where the database itself can tell; says
    /// whether there was anything, and nothing else is wrong.
    fn settle(&mut self, history: &History, found: &[Divergence]) -> Result<bool, Error> {
        if !found
            .iter()
            .all(|divergence| matches!(divergence, Divergence::InDoubt { .. }))
        {
            return Ok(false);
        }
        for divergence in found {
            let version = divergence.version();
            let (options, tell) = (self.options, self.tell);
            if !resume::settle(self.backend, self.catalog, history, version, options, tell)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Says who is going to work.
pub(crate) fn introduce(backend: &mut dyn Backend, options: &Options) {
    backend.introduce(&Introduction {
        run_id: &options.runner.run_id,
        applied_by: &options.runner.applied_by,
        waits: !options.lock_wait.is_zero(),
    });
}

/// What an error of our own tables means for the run.
fn stopped(backend: &dyn Backend, doing: &'static str, source: DatabaseError) -> Error {
    if backend.is_lock_lost(&source) {
        return Error::LockLost;
    }
    match source.kind {
        // A file of SQLite's has no primary elsewhere.
        DatabaseErrorKind::ReadOnly if backend.dialect() != Dialect::Sqlite => {
            Error::ReadOnlyServer
        }
        DatabaseErrorKind::Pooled => Error::Pooled,
        DatabaseErrorKind::PooledOrNot => Error::PooledOrNot(source),
        _ => Error::database(doing)(source),
    }
}

fn is_of_an_attempt(divergence: &Divergence) -> bool {
    matches!(
        divergence,
        Divergence::HalfApplied { .. }
            | Divergence::EditedHalfApplied { .. }
            | Divergence::InDoubt { .. }
    )
}

/// The goal as versions: a count means the migrations of the first plan, also
/// when another runner does some of them meanwhile.
fn pinned(goal: Goal, plan: &Plan, history: &History) -> Goal {
    let Some(last) = plan.steps.last() else {
        return goal;
    };
    match goal {
        Goal::Up(Up::Count(_)) => Goal::Up(Up::Only(
            plan.steps.iter().map(|step| step.version.clone()).collect(),
        )),
        Goal::Down(Down::Count(_)) => {
            let below = history.applied.range(..last.version.clone()).next_back();
            Goal::Down(below.map_or(Down::Zero, |(version, _)| Down::To(version.clone())))
        }
        other => other,
    }
}
