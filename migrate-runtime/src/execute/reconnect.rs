//! A run whose connection is lost: its lock is lost with it, so it never just
//! goes on. It connects again, reads everything anew, finds out by the journal
//! what became of a COMMIT that nobody answered, and plans from there.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use migrate_core::{Catalog, Direction, Goal, History, RunMode, Step, Version};

use super::prepare::Prepared;
use super::{Report, Run, introduce};
use crate::error::{DatabaseError, Error, Remains};
use crate::event::Event;
use crate::lock::random;
use crate::migrator::{Options, Scope};
use crate::open::Database;

/// For how long to look for a server that restarts, or for the one that takes
/// its place.
const PATIENCE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Losses without any migration done in between, wherever they came: a proxy
/// that cuts every connection is not worked against for ever.
const LOSSES: u32 = 5;
/// Losses in one migration: it may be what brings the server down.
const LOSSES_IN_ONE: usize = 2;

/// What a run keeps beyond its connection.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// The goal, once it is pinned to versions.
    pub(super) goal: Option<Goal>,
    pub(super) admitted: BTreeSet<(Version, Direction)>,
    pub(super) noted: bool,
    /// Migrations that were begun and have not come to a known end.
    begun: Vec<Begun>,
    /// The one that was at work.
    at_work: Option<Step>,
    /// Each time the connection was lost in a migration, which.
    lost_in: Vec<(Version, Direction)>,
    last_loss: Option<DatabaseError>,
    losses: u32,
}

/// A migration whose end nobody has heard of.
#[derive(Debug)]
struct Begun {
    step: Step,
    began: Instant,
    statements: usize,
}

/// Brings a database to `goal`, over as many connections as it takes.
pub(crate) fn reach(
    database: &mut Database,
    catalog: &Catalog,
    options: &Options,
    tell: &dyn Fn(Event<'_>),
    report: &mut Report,
    goal: &Goal,
) -> Result<(), Error> {
    let mut carried = Carried::default();
    loop {
        // Cancelling knows the run by its name.
        introduce(database.backend(), options);
        let guard = database.cancel_on(&options.interrupt);
        let mut run = Run::new(database.backend(), catalog, options, tell, report);
        run.carried = carried;
        let reached = run.reach(goal);
        carried = run.carried;
        drop(guard);
        let Err(Error::ConnectionLost(lost)) = reached else {
            return reached;
        };
        carried.lost(&lost);
        if carried.losses > LOSSES {
            return Err(Error::ConnectionLost(lost));
        }
        connect_again(database, options, tell, lost)?;
    }
}

fn connect_again(
    database: &mut Database,
    options: &Options,
    tell: &dyn Fn(Event<'_>),
    lost: DatabaseError,
) -> Result<(), Error> {
    let Some(reopen) = database.reopen() else {
        return Err(Error::LentConnectionLost(lost));
    };
    tell(Event::ConnectionLost {
        message: lost.message.lines().next().unwrap_or_default(),
    });
    let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        if options.interrupt.is_asked() {
            return Err(Error::Interrupted);
        }
        let source = match reopen.open() {
            Ok(opened) => {
                *database = opened;
                return Ok(());
            }
            Err(source) => source,
        };
        let tried = began.elapsed();
        if tried >= PATIENCE {
            return Err(Error::NotReconnected { tried, source });
        }
        // Whoever was thrown out with us comes back with us.
        let jittered = pause.mul_f64(0.5 + (random() % 1024) as f64 / 1024.0);
        options.interrupt.pause(jittered);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl Carried {
    fn lost(&mut self, lost: &DatabaseError) {
        self.losses += 1;
        self.last_loss = Some(lost.clone());
        let at_work = self.at_work.take();
        self.lost_in
            .extend(at_work.map(|step| (step.version, step.direction)));
    }

    /// A migration begins; nobody knows its end before it is told.
    pub(super) fn begin(&mut self, step: &Step, began: Instant, statements: usize) {
        self.forget(step);
        self.begun.push(Begun {
            step: step.clone(),
            began,
            statements,
        });
        self.at_work = Some(step.clone());
    }

    /// No migration is at work.
    pub(super) fn rest(&mut self) {
        self.at_work = None;
    }

    /// A migration has come to its end.
    pub(super) fn done(&mut self, step: &Step) {
        self.forget(step);
        self.losses = 0;
    }

    fn forget(&mut self, step: &Step) {
        self.begun.retain(|begun| !is_same(&begun.step, step));
    }
}

fn is_same(one: &Step, other: &Step) -> bool {
    one.version == other.version && one.direction == other.direction
}

impl Run<'_> {
    /// Counts what an earlier connection of this run has brought to its end
    /// unheard. Asked of every history that is read from then on: what the
    /// server still had at work may end at any time.
    pub(super) fn account(&mut self, history: &History) -> Result<(), Error> {
        if self.carried.last_loss.is_none() {
            return Ok(());
        }
        let is_there = |begun: &Begun| {
            let applied = history.applied.contains_key(&begun.step.version);
            applied == (begun.step.direction == Direction::Up)
        };
        if !self.carried.begun.iter().any(is_there) {
            return Ok(());
        }
        let attempts = self
            .backend
            .read_attempts(None)
            .map_err(Error::database("cannot read the journal"))?;
        let is_ours = |begun: &Begun| {
            let newest = attempts.iter().find(|attempt| {
                attempt.state == "done" && attempt.version == begun.step.version.as_str()
            });
            newest.is_some_and(|attempt| {
                attempt.run_id == self.options.runner.run_id
                    && attempt.direction == begun.step.direction.as_str()
            })
        };
        let (ours, open) = std::mem::take(&mut self.carried.begun)
            .into_iter()
            .partition(|begun| is_there(begun) && is_ours(begun));
        self.carried.begun = open;
        for Begun {
            step,
            began,
            statements,
        } in ours
        {
            self.done(&step, began.elapsed(), statements);
        }
        Ok(())
    }

    /// Refuses to begin what has taken the connection with it more than once.
    pub(super) fn is_not_deadly(&self, step: &Step, prepared: &Prepared) -> Result<(), Error> {
        let losses = self.carried.lost_in.iter();
        let losses =
            losses.filter(|(version, way)| *version == step.version && *way == step.direction);
        let Some(lost) = &self.carried.last_loss else {
            return Ok(());
        };
        if losses.count() < LOSSES_IN_ONE {
            return Ok(());
        }
        let remains = match (self.options.scope, prepared.mode, &step.resume) {
            (Scope::WholeRun, _, _) => Remains::RunRolledBack,
            (Scope::EachMigration, RunMode::Transaction, _) => Remains::RolledBack,
            (Scope::EachMigration, RunMode::Steps, Some(resume)) => {
                Remains::Statements(resume.done)
            }
            (Scope::EachMigration, RunMode::Steps, None) => Remains::Statements(0),
        };
        Err(Error::LostAgain {
            version: step.version.clone(),
            name: step.name.clone(),
            direction: step.direction,
            message: lost.message.clone(),
            remains,
        })
    }
}
