//! The commands: one file each. They read the workspace, call the runtime and
//! tell the report; only they see all three.

mod create;
mod current;
mod doomed;
mod drop;
mod goal;
mod history;
mod init;
mod new;
mod open;
mod over;
mod plan;
mod redo;
mod repair;
mod reset;
mod resolve;
mod revert;
mod run;
mod running;
mod show;
mod status;
mod wait;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use migrate_runtime::{Interrupt, Runner};

use crate::cli::{self, Cli, Command, GlobalArgs, MessageFormat, SelectionArgs};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::{Did, Message, Report};
use crate::term::{Bars, Term, Verbosity};

/// What every command works with.
struct Context {
    selection: SelectionArgs,
    global: GlobalArgs,
    report: Arc<Report>,
    interrupt: Interrupt,
    runner: Runner,
    began: Instant,
}

/// Runs the command line `arguments`, the program's own name first.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let began = Instant::now();
    let cli = match Cli::parse_from(arguments) {
        Ok(cli) => cli,
        // Help and version are errors to clap, too; it knows the stream.
        Err(error) => {
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code()));
        }
    };
    let Cli {
        command,
        selection,
        global,
    } = cli;
    let verbosity = match (global.quiet, global.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, 0) => Verbosity::Normal,
        (false, _) => Verbosity::Verbose,
    };
    let term = Term::new(
        global.color,
        verbosity,
        match global.message_format {
            MessageFormat::Human => Bars::Allowed,
            MessageFormat::Json => Bars::Off,
        },
    );
    let here = std::env::current_dir().unwrap_or_default();
    let report = Arc::new(Report::new(term, global.message_format, here));
    let context = Context {
        selection,
        global,
        report,
        interrupt: Interrupt::default(),
        runner: Runner::this_process(concat!("cargo-migrate ", env!("CARGO_PKG_VERSION"))),
        began,
    };
    let exit = context.dispatch(&command);
    let Some(reason) = context.report.broken() else {
        return exit.into();
    };
    let text = format!("the results could not be written to standard output: {reason}");
    context.report.tell(Message::Problem {
        target: None,
        problem: &Problem::new(Exit::Failed, text),
    });
    exit.and(Exit::Failed).into()
}

impl Context {
    fn dispatch(&self, command: &Command) -> Exit {
        if let Command::Completions(args) = command {
            self.report.raw(&cli::completions(args.shell));
            return Exit::Fine;
        }
        self.report.tell(Message::Started {
            command: name(command),
        });
        let ended = match command {
            Command::Init(args) => init::run(self, args),
            Command::New(args) => new::run(self, args),
            Command::Run(args) => run::run(self, args),
            Command::Revert(args) => revert::run(self, args),
            Command::Redo(args) => redo::run(self, args),
            Command::Reset(args) => reset::run(self, args),
            Command::Create(args) => create::run(self, args),
            Command::Drop(_) => drop::run(self),
            Command::Status(args) => status::run(self, args),
            Command::History(args) => history::run(self, args),
            Command::Current(_) => current::run(self),
            Command::Show(args) => show::run(self, args),
            Command::Plan(args) => plan::run(self, &args.goal),
            Command::Repair(args) => repair::run(self, args),
            Command::Resolve(args) => resolve::run(self, args),
            Command::Wait(args) => wait::run(self, args),
            Command::Completions(_) => Ok(Exit::Fine),
        };
        ended.unwrap_or_else(|problem| {
            self.report.tell(Message::Problem {
                target: None,
                problem: &problem,
            });
            let did = Did::default();
            if self.global.message_format == MessageFormat::Json {
                let elapsed = self.began.elapsed();
                self.report.tell(Message::Finished {
                    exit: problem.exit,
                    targets: 0,
                    did,
                    elapsed,
                });
            }
            problem.exit
        })
    }

    /// Asks before something is destroyed.
    fn confirm(&self, question: &str) -> Result<(), Problem> {
        self.confirm_of(None, question)
    }

    /// Asks before something is done to a target.
    fn confirm_of(&self, label: Option<&str>, question: &str) -> Result<(), Problem> {
        let of = |problem: Problem| Problem {
            label: label.map(str::to_owned),
            ..problem
        };
        if self.global.yes {
            return Ok(());
        }
        if !self.report.may_ask() {
            let text = format!("nobody is there to be asked: {question}");
            return Err(of(Problem::new(Exit::Usage, text)
                .with_note("nothing was changed")
                .with_help("say yes with `--yes`")));
        }
        let asked = match label {
            Some(label) => self.report.ask(&format!("{label}: {question}")),
            None => self.report.ask(question),
        };
        if asked {
            return Ok(());
        }
        let text = "not confirmed; nothing was changed";
        Err(of(Problem::new(Exit::Failed, text)))
    }

    /// From here on a signal stops the runs in good order.
    fn heed_signals(&self) {
        let report = Arc::clone(&self.report);
        let asked = move || {
            report.tell(Message::Warning {
                text: "interrupted; stopping in good order, once more stops at once",
                help: None,
            })
        };
        if let Err(error) = crate::signal::watch(self.interrupt.clone(), asked) {
            let text = format!("signals end the process at once: {error}");
            self.report.tell(Message::Warning {
                text: &text,
                help: None,
            });
        }
    }
}

/// The command's own name, whatever alias was typed.
fn name(command: &Command) -> &'static str {
    match command {
        Command::Init(_) => "init",
        Command::New(_) => "new",
        Command::Run(_) => "run",
        Command::Revert(_) => "revert",
        Command::Redo(_) => "redo",
        Command::Reset(_) => "reset",
        Command::Create(_) => "create",
        Command::Drop(_) => "drop",
        Command::Status(_) => "status",
        Command::History(_) => "history",
        Command::Current(_) => "current",
        Command::Show(_) => "show",
        Command::Plan(_) => "plan",
        Command::Repair(_) => "repair",
        Command::Resolve(_) => "resolve",
        Command::Wait(_) => "wait",
        Command::Completions(_) => "completions",
    }
}

impl From<cli::UsageError> for Problem {
    fn from(error: cli::UsageError) -> Self {
        let mut problem = Self::new(Exit::Usage, error.to_string());
        problem.help.extend(error.help());
        problem
    }
}
