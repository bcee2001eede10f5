//! A session at the prompt, written down: each command line with its exit code,
//! what went to standard output (`1|`) and what to standard error (`2|`). What
//! differs from run to run is blotted out, so that the whole can be a golden
//! text.

use std::path::PathBuf;
use std::process::Command;

use tests::workspace::{Run, Workspace};

/// Commands that were run one after the other, and what they said.
pub(crate) struct Session<'w> {
    workspace: &'w Workspace,
    directory: PathBuf,
    hidden: Vec<(String, &'static str)>,
    text: String,
}

impl<'w> Session<'w> {
    /// A session in the workspace's root.
    pub(crate) fn new(workspace: &'w Workspace) -> Self {
        Self {
            workspace,
            directory: workspace.root().to_owned(),
            hidden: Vec::new(),
            text: String::new(),
        }
    }

    /// From here on in this directory of the workspace.
    pub(crate) fn cd(&mut self, below: &str) -> &mut Self {
        self.directory = self.workspace.path(below);
        self.text.push_str(&format!("$ cd {below}\n"));
        self
    }

    /// From here on `text` is shown as `name`.
    pub(crate) fn hide(&mut self, text: impl Into<String>, name: &'static str) -> &mut Self {
        self.hidden.push((text.into(), name));
        // One name may begin another: the longest first.
        self.hidden
            .sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        self
    }

    /// Runs `cargo migrate ARGS` and writes it down.
    pub(crate) fn run(&mut self, args: &[&str]) -> &mut Self {
        let mut command = self.workspace.command(args);
        command.current_dir(&self.directory);
        let run = self.workspace.finish(command);
        let typed: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
        let line = self.blot(&typed.join(" "));
        self.write(&line, &run);
        self
    }

    /// Runs a command that was made elsewhere and writes it down as `line`.
    pub(crate) fn run_as(&mut self, command: Command, line: &str) -> &mut Self {
        let run = self.workspace.finish(command);
        self.write(line, &run);
        self
    }

    fn write(&mut self, line: &str, run: &Run) {
        let code = match run.code {
            Some(0) => String::new(),
            Some(code) => format!("  # exits {code}"),
            None => "  # ended by a signal".to_owned(),
        };
        let mut text = format!("$ cargo migrate {line}{code}\n");
        for (mark, stream) in [("1|", &run.stdout), ("2|", &run.stderr)] {
            for line in self.blot(stream).lines() {
                text.push_str(format!("{mark} {line}").trim_end());
                text.push('\n');
            }
        }
        self.text.push_str(&text);
    }

    /// What was written down.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn blot(&self, text: &str) -> String {
        let text = self
            .hidden
            .iter()
            .fold(text.to_owned(), |text, (from, to)| {
                text.replace(from.as_str(), to)
            });
        // The harness leaves the space after a duration's unit.
        let text = text.replace("[TIME]  (", "[TIME] (");
        let lines: Vec<String> = text.lines().map(|line| who(&stamps(line))).collect();
        lines.join("\n")
    }
}

fn quoted(arg: &str) -> String {
    if arg.is_empty() || arg.contains(' ') {
        format!("\"{arg}\"")
    } else {
        arg.to_owned()
    }
}

/// The version of a migration that was written today or at a later date.
fn stamps(line: &str) -> String {
    let mut text = line.to_owned();
    let shape = |candidate: &str| {
        let bytes = candidate.as_bytes();
        bytes.len() == 17
            && bytes.iter().enumerate().all(|(n, byte)| match n {
                4 | 7 | 10 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    };
    for start in (0..text.len().saturating_sub(16)).rev() {
        let fixture = text.get(start + 10..start + 17).is_some_and(is_ours);
        if !fixture && text.get(start..start + 17).is_some_and(shape) {
            text.replace_range(start..start + 17, "[STAMP]");
        }
    }
    text
}

/// The times of the tests' own migrations are full hours.
fn is_ours(clock: &str) -> bool {
    clock.ends_with("0000")
}

/// `user@host`, and the space before a duration, which is as wide as the
/// duration is short.
fn who(line: &str) -> String {
    let Some(word) = line
        .split(' ')
        .rfind(|word| word.contains('@') && !word.contains('/'))
    else {
        return line.to_owned();
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    format!("  {}", words.join(" ")).replace(word, "[WHO]")
}
