//! A run on one target, told as it goes: shared by every command that applies
//! or reverts.

use std::time::Duration;

use migrate_core::{Catalog, Direction, Goal, Step};
use migrate_runtime::{Database, Error, Event, Migrator, Options, Report as Ran};

use super::Context;
use super::over::Finished;
use crate::cli::{RevertGoal, RunGoal};
use crate::problem::{Problem, Reach, Stopped};
use crate::report::{self, Did, Message};
use crate::target::Target;

/// How often to repeat that we wait.
const WAITING_EVERY: Duration = Duration::from_secs(5);

/// A target, opened for running.
pub(super) struct Running<'r> {
    pub(super) context: &'r Context,
    pub(super) target: &'r Target,
    pub(super) catalog: &'r Catalog,
    pub(super) options: Options,
    pub(super) asked: Asked<'r>,
}

/// What was typed, to be repeated in the help after a failure.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'r> {
    /// `run` and how far.
    Run(&'r RunGoal),
    /// `revert` and how far.
    Revert(&'r RevertGoal),
    /// Another command, of which what failed is a part.
    Other,
}

impl Running<'_> {
    /// Brings the database to `goal`.
    pub(super) fn reach(&self, database: &mut Database, goal: &Goal) -> Result<Finished, Problem> {
        self.try_reach(database, goal)
            .map_err(|(error, did)| self.problem(database, &error, did))
    }

    /// The same, with the runtime's own error.
    pub(super) fn try_reach(
        &self,
        database: &mut Database,
        goal: &Goal,
    ) -> Result<Finished, (Error, Did)> {
        let teller = Teller::new(self.context, self.target);
        let observer = |event: Event<'_>| teller.tell(&event);
        let migrator = Migrator::new(self.catalog)
            .with_options(self.options.clone())
            .with_observer(&observer);
        let mut ran = Ran::default();
        let ended = migrator.run(database, goal, &mut ran);
        let did = did(&ran);
        match ended {
            Ok(()) => Ok(Finished {
                did,
                at: newest(&ran),
                ..Finished::default()
            }),
            Err(error) => Err((error, did)),
        }
    }

    /// A failed run, with where the database is now.
    pub(super) fn problem(&self, database: &mut Database, error: &Error, did: Did) -> Problem {
        let at = match error {
            Error::Failed(_) => self.where_it_is(database),
            _ => None,
        };
        let again = self.again(did);
        let mut problem = Problem::of_run(self.target, error, Some(&Stopped { at, again }));
        problem.did = did;
        problem.reach = Reach::Others;
        problem
    }

    /// The command that does the rest.
    fn again(&self, did: Did) -> Option<String> {
        let flag = self.target.package_flag();
        match self.asked {
            Asked::Run(goal) => Some(format!("cargo migrate run{flag}{}", goal.rest(did.applied))),
            Asked::Revert(goal) => Some(format!(
                "cargo migrate revert{flag}{}",
                goal.rest(did.reverted)
            )),
            Asked::Other => None,
        }
    }

    fn where_it_is(&self, database: &mut Database) -> Option<String> {
        let history = Migrator::new(self.catalog).history(database).ok()?;
        let newest = history.newest().map(|version| version.to_string());
        Some(newest.unwrap_or_else(|| "zero: nothing is applied".to_owned()))
    }
}

fn did(ran: &Ran) -> Did {
    let applied = ran
        .done
        .iter()
        .filter(|done| done.step.direction == Direction::Up)
        .count();
    Did {
        applied,
        reverted: ran.done.len() - applied,
        pending: 0,
    }
}

fn newest(ran: &Ran) -> Option<String> {
    let last = ran
        .done
        .last()
        .filter(|done| done.step.direction == Direction::Up)?;
    Some(last.step.version.to_string())
}

/// Turns the engine's events into messages.
pub(super) struct Teller<'t> {
    context: &'t Context,
    target: &'t Target,
    state: std::sync::Mutex<Told>,
}

#[derive(Default)]
struct Told {
    number: usize,
    total: usize,
    waiting: Option<Duration>,
}

impl<'t> Teller<'t> {
    pub(super) fn new(context: &'t Context, target: &'t Target) -> Self {
        Self {
            context,
            target,
            state: std::sync::Mutex::default(),
        }
    }

    pub(super) fn tell(&self, event: &Event<'_>) {
        let mut told = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (report, target) = (&self.context.report, self.target);
        match event {
            Event::Planned { steps } => report.tell(Message::Planned {
                target,
                steps: *steps,
            }),
            Event::Note(note) => report.tell(Message::Note {
                target,
                text: &note.to_string(),
            }),
            Event::FileNote { step, note } => {
                let file = step.direction.file_name();
                let place = note.place();
                let text = format!(
                    "migration {}: {note} ({file}:{}:{})",
                    step.name, place.line, place.column
                );
                report.tell(Message::Note {
                    target,
                    text: &text,
                });
            }
            Event::Waiting { holder, waited } => {
                // Short waits are everyday life between replicas.
                let due = told
                    .waiting
                    .map_or(Duration::from_secs(1), |last| last + WAITING_EVERY);
                if *waited >= due {
                    told.waiting = Some(*waited);
                    report.tell(Message::Waiting {
                        target,
                        holder: *holder,
                        waited: *waited,
                    });
                }
            }
            Event::Started {
                step,
                number,
                total,
            } => {
                (told.number, told.total) = (*number, *total);
                report.tell(Message::Running {
                    target,
                    migration: ran(step, *number, *total),
                });
            }
            Event::Statement {
                step,
                number,
                total,
            } => {
                let text = format!("{} (statement {number} of {total})", step.name);
                let migration = report::Ran {
                    name: &text,
                    ..ran(step, told.number, told.total)
                };
                report.tell(Message::Running { target, migration });
            }
            Event::LockTimeout { step, attempt } => {
                let text = format!(
                    "{}: the application holds a lock that it needs; it went first, try {attempt}",
                    step.name
                );
                report.tell(Message::Note {
                    target,
                    text: &text,
                });
            }
            Event::Finished {
                step,
                duration,
                statements,
            } => {
                let migration = ran(step, told.number, told.total);
                let (duration, statements) = (*duration, *statements);
                report.tell(Message::Ran {
                    target,
                    migration,
                    duration,
                    statements,
                });
            }
            _ => {}
        }
    }
}

fn ran(step: &Step, number: usize, total: usize) -> report::Ran<'_> {
    report::Ran {
        name: &step.name,
        version: step.version.as_str(),
        direction: step.direction,
        number,
        total,
    }
}
