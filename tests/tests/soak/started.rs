//! The command, started by another program that gives it another network or
//! other limits.

use std::process::{Child, Command, Stdio};

/// `command` as an argument of `program`.
pub(crate) fn by(program: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(program[0]);
    outer
        .args(&program[1..])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    if let Some(directory) = command.get_current_dir() {
        outer.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

/// Leaves it running, with its output piped.
pub(crate) fn start(mut command: Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}
