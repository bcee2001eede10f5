//! One piece of work over every selected target: who they are, what becomes of
//! those that cannot be worked on, and how the whole exits.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Context;
use crate::config::{self, Purpose, Service};
use crate::exit::Exit;
use crate::fleet::{self, Gate, Outcome};
use crate::problem::{Problem, Reach};
use crate::report::{Because, Did, Message};
use crate::target::{self, Request, Resolution, Surroundings, Target};
use crate::workspace::{Discovery, Workspace};

/// What the work on one target came to.
#[derive(Debug, Default)]
pub(super) struct Finished {
    pub(super) exit: Exit,
    pub(super) did: Did,
    /// The newest applied version, where it is known.
    pub(super) at: Option<String>,
}

/// Whether the line that sums up is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Summary {
    /// After work.
    Told,
    /// After a look: the results are the summary.
    Silent,
}

/// Whether a failure keeps other targets from being begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnFailure {
    /// Unless `--keep-going`.
    Stop,
    /// Never: looking harms nobody.
    GoOn,
}

/// How to go over the targets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) summary: Summary,
    pub(super) on_failure: OnFailure,
}

/// Commands that look.
pub(super) const LOOK: Manner = Manner {
    summary: Summary::Silent,
    on_failure: OnFailure::GoOn,
};
/// Commands that work.
pub(super) const WORK: Manner = Manner {
    summary: Summary::Told,
    on_failure: OnFailure::Stop,
};
/// Commands that make or drop something: what they tell is the summary.
pub(super) const MAKE: Manner = Manner {
    summary: Summary::Silent,
    on_failure: OnFailure::Stop,
};

/// What the work on all targets has come to so far.
#[derive(Debug)]
pub(super) struct Tally<'t> {
    exit: Exit,
    did: Did,
    /// Targets that were not begun.
    pub(super) skipped: Vec<&'t Target>,
    /// Whether a failure keeps other targets from being begun.
    pub(super) stopped: bool,
    several: bool,
}

impl Tally<'_> {
    /// Nothing yet.
    pub(super) fn of(resolution: &Resolution) -> Self {
        Self {
            exit: Exit::Fine,
            did: Did::default(),
            skipped: Vec::new(),
            stopped: false,
            several: resolution.targets.len() + resolution.unresolved.len() > 1,
        }
    }
}

struct Stop<'c> {
    failed: AtomicBool,
    context: &'c Context,
}

impl Gate for Stop<'_> {
    fn is_open(&self) -> bool {
        !self.failed.load(Ordering::Relaxed) && !self.context.interrupt.is_asked()
    }
}

impl Context {
    /// The workspace around us.
    pub(super) fn workspace(&self) -> Result<Workspace, Problem> {
        Ok(Discovery::start(self.selection.manifest_path.as_deref())?.finish()?)
    }

    /// The selected services.
    pub(super) fn services(
        &self,
        workspace: &Workspace,
        purpose: Purpose,
    ) -> Result<Vec<Service>, Problem> {
        let chosen = workspace
            .select(&self.selection.packages())
            .map_err(|error| {
                Problem::of_selection(&error, &config::names_of_services(workspace))
            })?;
        for pattern in &chosen.unmatched_excludes {
            let text = format!("`--exclude {pattern}` matches no member");
            self.report.tell(Message::Warning {
                text: &text,
                help: None,
            });
        }
        Ok(config::services(workspace, &chosen, purpose)?)
    }

    /// The selected targets.
    pub(super) fn targets(&self) -> Result<Resolution, Problem> {
        self.targets_of(&self.workspace()?)
    }

    /// The selected targets of a workspace that is known already.
    pub(super) fn targets_of(&self, workspace: &Workspace) -> Result<Resolution, Problem> {
        let services = self.services(workspace, Purpose::Databases)?;
        let request = Request {
            database_url: self.global.database_url.clone(),
            database: self.selection.database.clone(),
            backend: self.selection.backend,
        };
        let around = Surroundings::of_process(&workspace.root).map_err(|error| {
            Problem::new(
                Exit::Usage,
                format!("the current directory cannot be read: {error}"),
            )
        })?;
        Ok(target::resolve(&services, &request, &around)?)
    }

    /// Does `work` on every target, a few at a time, and `show`s each result in
    /// the order of the targets.
    pub(super) fn over_targets<R: Send>(
        &self,
        manner: Manner,
        work: impl Fn(&Target) -> Result<R, Problem> + Sync,
        show: impl FnMut(&Target, R) -> Finished,
    ) -> Result<Exit, Problem> {
        self.over(&self.targets()?, manner, work, show)
    }

    /// The same for targets that are known already.
    pub(super) fn over<R: Send>(
        &self,
        resolution: &Resolution,
        manner: Manner,
        work: impl Fn(&Target) -> Result<R, Problem> + Sync,
        mut show: impl FnMut(&Target, R) -> Finished,
    ) -> Result<Exit, Problem> {
        let mut tally = Tally::of(resolution);
        let targets: Vec<&Target> = resolution.targets.iter().collect();
        self.fan_out(&targets, manner, &mut tally, work, |target, result| {
            Some(show(target, result))
        });
        Ok(self.conclude(resolution, manner, &tally))
    }

    /// Does `work` on some of the targets. Where `show` gives nothing, the
    /// target is not finished yet.
    pub(super) fn fan_out<'t, R: Send>(
        &self,
        targets: &[&'t Target],
        manner: Manner,
        tally: &mut Tally<'t>,
        work: impl Fn(&Target) -> Result<R, Problem> + Sync,
        mut show: impl FnMut(&'t Target, R) -> Option<Finished>,
    ) {
        let stop = Stop {
            failed: AtomicBool::new(tally.stopped),
            context: self,
        };
        let stops = manner.on_failure == OnFailure::Stop && !self.global.keep_going;
        let guarded = |target: &&'t Target| {
            work(target).inspect_err(|problem| {
                if stops && problem.reach == Reach::Others {
                    stop.failed.store(true, Ordering::Relaxed);
                }
            })
        };
        let jobs = self
            .global
            .jobs
            .map_or_else(fleet::default_jobs, std::num::NonZeroUsize::get);
        fleet::each(targets, jobs, &stop, guarded, |target, outcome| {
            let finished = match outcome {
                Outcome::Returned(Ok(result)) => match show(target, result) {
                    Some(finished) => finished,
                    None => return,
                },
                Outcome::Returned(Err(problem)) => self.failed(target, problem, tally),
                Outcome::Panicked(text) => {
                    let problem = Problem::new(Exit::Failed, format!("internal error: {text}"))
                        .of(&target.label());
                    self.failed(target, problem, tally)
                }
                Outcome::Skipped => {
                    tally.skipped.push(target);
                    return;
                }
            };
            self.finish_target(target, finished, tally);
        });
        tally.stopped = stop.failed.load(Ordering::Relaxed);
    }

    fn finish_target(&self, target: &Target, finished: Finished, tally: &mut Tally<'_>) {
        tally.exit = tally.exit.and(finished.exit);
        tally.did = tally.did.and(finished.did);
        let Finished { exit, did, at } = finished;
        self.report.tell(Message::TargetFinished {
            target,
            exit,
            did,
            at: at.as_deref(),
        });
    }

    /// Ends a target's part with a problem.
    pub(super) fn finish_with_problem(
        &self,
        target: &Target,
        problem: Problem,
        tally: &mut Tally<'_>,
    ) {
        let finished = self.failed(target, problem, tally);
        self.finish_target(target, finished, tally);
    }

    /// Sums up.
    pub(super) fn conclude(
        &self,
        resolution: &Resolution,
        manner: Manner,
        tally: &Tally<'_>,
    ) -> Exit {
        let mut exit = tally.exit;
        for unresolved in &resolution.unresolved {
            let problem = Problem::from(unresolved);
            self.report.tell(Message::Problem {
                target: None,
                problem: &problem,
            });
            exit = exit.and(problem.exit);
        }
        if !tally.skipped.is_empty() {
            let because = if self.interrupt.is_asked() {
                Because::Interrupt
            } else {
                Because::Failure
            };
            self.report.tell(Message::Skipped {
                targets: &tally.skipped,
                because,
            });
            exit = exit.and(Exit::Failed);
        }
        let targets = resolution.targets.len() + resolution.unresolved.len() - tally.skipped.len();
        let told = manner.summary == Summary::Told
            || self.global.message_format == crate::cli::MessageFormat::Json;
        if told {
            self.report.tell(Message::Finished {
                exit,
                targets,
                did: tally.did,
                elapsed: self.began.elapsed(),
            });
        }
        exit
    }

    fn failed(&self, target: &Target, mut problem: Problem, tally: &Tally<'_>) -> Finished {
        // 2 promises that nothing was done; beside others nobody can say that.
        if tally.several {
            let failed = |exit| match exit {
                Exit::Usage => Exit::Failed,
                other => other,
            };
            problem.exit = failed(problem.exit);
            for other in &mut problem.others {
                other.exit = failed(other.exit);
            }
        }
        self.report.tell(Message::Problem {
            target: Some(target),
            problem: &problem,
        });
        let exit = problem
            .others
            .iter()
            .fold(problem.exit, |exit, other| exit.and(other.exit));
        Finished {
            exit,
            did: problem.did,
            ..Finished::default()
        }
    }
}
