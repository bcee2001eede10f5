//! `database-url-command`: a shell command that prints a URL, such as one with
//! a token that a cloud gives out. What it prints on standard output is a
//! secret and shows up nowhere; its complaints are shown without passwords.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{io, thread};

use crate::config::blot_passwords;

/// More at the same time wouldn't be kind to whoever gives out the tokens.
const MAX_AT_ONCE: usize = 8;

/// Why `database-url-command` gave no URL. Names neither command nor output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The shell could not be started.
    #[error("database-url-command could not be started: {0}")]
    Start(io::ErrorKind),
    /// It exited with an error.
    #[error("database-url-command failed ({status}){}", said(.stderr))]
    Failed {
        /// How it exited.
        status: String,
        /// What it said on standard error.
        stderr: String,
    },
    /// It printed nothing.
    #[error("database-url-command printed nothing{}", said(.stderr))]
    Silent {
        /// What it said on standard error.
        stderr: String,
    },
    /// It printed several lines, or no text.
    #[error("database-url-command printed something else than one line of text")]
    NotOneLine,
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!(": {stderr}")
    }
}

impl CommandError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Start(_) | Self::Failed { .. } => None,
            Self::Silent { .. } | Self::NotOneLine => {
                Some("it has to print the URL, and nothing else, on standard output".into())
            }
        }
    }
}

/// Runs each command in its directory, several at a time; the answers are in
/// the order of the commands.
pub(super) fn run_all(commands: &[(&str, &Path)]) -> Vec<Result<String, CommandError>> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::with_capacity(commands.len()));
    thread::scope(|scope| {
        for _ in 0..commands.len().min(MAX_AT_ONCE) {
            scope.spawn(|| {
                while let Some((index, (command, directory))) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    commands.get(index).map(|command| (index, command))
                } {
                    let answer = run(command, directory);
                    answers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((index, answer));
                }
            });
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn run(command: &str, directory: &Path) -> Result<String, CommandError> {
    let (shell, flag) = if cfg!(windows) {
        ("cmd", "/C")
    } else {
        ("sh", "-c")
    };
    let output = Command::new(shell)
        .arg(flag)
        .arg(command)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| CommandError::Start(error.kind()))?;
    let stderr = blot_passwords(String::from_utf8_lossy(&output.stderr).trim());
    if !output.status.success() {
        return Err(CommandError::Failed {
            status: output.status.to_string(),
            stderr,
        });
    }
    let Ok(stdout) = String::from_utf8(output.stdout) else {
        return Err(CommandError::NotOneLine);
    };
    match stdout.trim() {
        "" => Err(CommandError::Silent { stderr }),
        url if url.contains('\n') => Err(CommandError::NotOneLine),
        url => Ok(url.to_owned()),
    }
}
