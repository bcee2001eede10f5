//! The terminal: the only module that prints. Results go to standard output,
//! talk to standard error; bars are drawn only where somebody watches.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::ColorChoice;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

const GOOD: Style = AnsiColor::BrightGreen.on_default().bold();
const BUSY: Style = AnsiColor::BrightCyan.on_default().bold();
const BAD: Style = AnsiColor::BrightRed.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// How much to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Only what went wrong.
    Quiet,
    /// What was done.
    Normal,
    /// And why, and from where.
    Verbose,
}

/// What colour a verb has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Done.
    Good,
    /// Under way.
    Busy,
    /// Not as it should be.
    Bad,
}

/// Whether bars may be drawn, should there be a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bars {
    /// While migrations run.
    Allowed,
    /// Never.
    Off,
}

/// The bar of one target; gone when finished.
#[derive(Debug, Clone)]
pub struct Bar(ProgressBar);

impl Bar {
    /// What it is about now.
    pub fn on(&self, text: &str) {
        self.0.set_message(text.to_owned());
    }

    /// One more is done.
    pub fn advance(&self) {
        self.0.inc(1);
    }

    /// All are done.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// Both output streams.
#[derive(Debug)]
pub struct Term {
    color: anstream::ColorChoice,
    verbosity: Verbosity,
    bars: Option<MultiProgress>,
    /// The first failure to write a result.
    broken: Mutex<Option<io::Error>>,
}

impl Term {
    /// The terminal as the flags want it.
    #[must_use]
    pub fn new(color: ColorChoice, verbosity: Verbosity, bars: Bars) -> Self {
        let color = match color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        let drawn = bars == Bars::Allowed
            && verbosity > Verbosity::Quiet
            && std::io::stderr().is_terminal();
        Self {
            color,
            verbosity,
            bars: drawn.then(MultiProgress::new),
            broken: Mutex::default(),
        }
    }

    /// How much to say.
    #[must_use]
    pub fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Whether somebody sits there who can be asked.
    #[must_use]
    pub fn is_interactive() -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }

    /// A right-aligned verb and what it is about, as Cargo's.
    pub fn status(&self, tone: Tone, verb: &str, text: &str) {
        if self.verbosity > Verbosity::Quiet {
            let style = match tone {
                Tone::Good => GOOD,
                Tone::Busy => BUSY,
                Tone::Bad => BAD,
            };
            self.error_line(&format!("{style}{verb:>12}{style:#} {text}"));
        }
    }

    /// A warning.
    pub fn warning(&self, text: &str) {
        if self.verbosity > Verbosity::Quiet {
            self.error_line(&format!("{WARNING}warning{WARNING:#}: {text}"));
        }
    }

    /// A line, or several, on standard error.
    pub fn error_line(&self, text: &str) {
        // A reader that went away is no reason to stop a migration.
        let print = || {
            drop(writeln!(
                anstream::AutoStream::new(std::io::stderr().lock(), self.color),
                "{text}"
            ))
        };
        self.between_bars(print);
    }

    /// A line, or several, on standard output.
    pub fn line(&self, text: &str) {
        let print = || {
            self.wrote(writeln!(
                anstream::AutoStream::new(io::stdout().lock(), self.color),
                "{text}"
            ))
        };
        self.between_bars(print);
    }

    /// Bytes on standard output as they are.
    pub fn raw(&self, bytes: &[u8]) {
        self.wrote(io::stdout().lock().write_all(bytes));
    }

    /// Why a result could not be written, if one could not. A reader that went
    /// away, as `head` does, had enough of them: that is none.
    #[must_use]
    pub fn broken(&self) -> Option<String> {
        self.wrote(io::stdout().lock().flush());
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.as_ref().map(io::Error::to_string)
    }

    fn wrote(&self, outcome: io::Result<()>) {
        if let Err(error) = outcome
            && error.kind() != ErrorKind::BrokenPipe
        {
            let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
            broken.get_or_insert(error);
        }
    }

    fn between_bars(&self, print: impl FnOnce()) {
        match &self.bars {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }

    /// A bar of `length` migrations for one target.
    #[must_use]
    pub fn bar(&self, label: &str, length: usize) -> Option<Bar> {
        let bars = self.bars.as_ref()?;
        let bar = bars.add(ProgressBar::new(length as u64));
        let template = if self.color == anstream::ColorChoice::Never {
            "{prefix:>12} {bar:24} {pos}/{len} {elapsed:>4} {wide_msg}"
        } else {
            "{prefix:>12.cyan.bold} {bar:24} {pos}/{len} {elapsed:>4} {wide_msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(label.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        Some(Bar(bar))
    }

    /// Asks for a yes; anything else is a no.
    #[must_use]
    pub fn ask(&self, question: &str) -> bool {
        let mut answer = String::new();
        self.between_bars(|| drop(write!(std::io::stderr(), "{question} [y/N] ")));
        let read = std::io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }

    /// Asks for a line of text.
    #[must_use]
    pub fn ask_text(&self, question: &str) -> Option<String> {
        let mut answer = String::new();
        self.between_bars(|| drop(write!(std::io::stderr(), "{question} ")));
        std::io::stdin().read_line(&mut answer).ok()?;
        let answer = answer.trim();
        (!answer.is_empty()).then(|| answer.to_owned())
    }
}
