//! One piece of work over every selected target: who they are, what becomes of
//! those that cannot be worked on, and how the whole exits.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Context;
use crate::config::{self, Service};
use crate::exit::Exit;
use crate::fleet::{self, Gate, Outcome};
use crate::problem::{Problem, Reach};
use crate::report::{Did, Message};
use crate::target::{self, Request, Surroundings, Target};
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
    pub(super) fn services(&self, workspace: &Workspace) -> Result<Vec<Service>, Problem> {
        let chosen = workspace
            .select(&self.selection.packages())
            .map_err(|error| {
                Problem::of_selection(&error, &config::names_of_services(workspace))
            })?;
        for pattern in &chosen.unmatched_excludes {
            let text = format!("`--exclude {pattern}` matches no member");
            self.report.tell(Message::Warning { text: &text });
        }
        Ok(config::services(workspace, &chosen)?)
    }

    /// The selected targets.
    pub(super) fn targets(&self) -> Result<target::Resolution, Problem> {
        let workspace = self.workspace()?;
        let services = self.services(&workspace)?;
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
        resolution: &target::Resolution,
        manner: Manner,
        work: impl Fn(&Target) -> Result<R, Problem> + Sync,
        mut show: impl FnMut(&Target, R) -> Finished,
    ) -> Result<Exit, Problem> {
        let stop = Stop {
            failed: AtomicBool::new(false),
            context: self,
        };
        let stops = manner.on_failure == OnFailure::Stop && !self.global.keep_going;
        let guarded = |target: &Target| {
            work(target).inspect_err(|problem| {
                if stops && problem.reach == Reach::Others {
                    stop.failed.store(true, Ordering::Relaxed);
                }
            })
        };
        let mut exit = Exit::Fine;
        let mut did = Did::default();
        let mut skipped = Vec::new();
        let jobs = self
            .global
            .jobs
            .map_or_else(fleet::default_jobs, std::num::NonZeroUsize::get);
        fleet::each(
            &resolution.targets,
            jobs,
            &stop,
            guarded,
            |target, outcome| {
                let finished = match outcome {
                    Outcome::Returned(Ok(result)) => show(target, result),
                    Outcome::Returned(Err(problem)) => self.failed(target, &problem),
                    Outcome::Panicked(text) => {
                        let problem = Problem::new(Exit::Failed, format!("internal error: {text}"))
                            .of(&target.label());
                        self.failed(target, &problem)
                    }
                    Outcome::Skipped => {
                        skipped.push(target.label());
                        return;
                    }
                };
                exit = exit.and(finished.exit);
                did = did.and(finished.did);
                let Finished { exit, did, at } = finished;
                self.report.tell(Message::TargetFinished {
                    target,
                    exit,
                    did,
                    at: at.as_deref(),
                });
            },
        );
        for unresolved in &resolution.unresolved {
            let problem = Problem::from(unresolved);
            self.report.tell(Message::Problem {
                target: None,
                problem: &problem,
            });
            exit = exit.and(problem.exit);
        }
        if !skipped.is_empty() {
            let text = format!(
                "not begun after the failure: {} (`--keep-going` goes on)",
                skipped.join(", ")
            );
            self.report.tell(Message::Warning { text: &text });
            exit = exit.and(Exit::Failed);
        }
        let targets = resolution.targets.len() + resolution.unresolved.len() - skipped.len();
        let told = manner.summary == Summary::Told
            || self.global.message_format == crate::cli::MessageFormat::Json;
        if told {
            self.report.tell(Message::Finished {
                exit,
                targets,
                did,
                elapsed: self.began.elapsed(),
            });
        }
        Ok(exit)
    }

    fn failed(&self, target: &Target, problem: &Problem) -> Finished {
        self.report.tell(Message::Problem {
            target: Some(target),
            problem,
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
