//! strace around the command: it counts the system calls by which SQLite
//! writes, and sends a signal at one of them, before the kernel does it. So
//! the very binary that users run stops between any two writes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tests::chance::Chance;
use tests::service::Shop;

/// What changes a file, or its lock. strace counts each name by itself, and
/// by thread: one thread works on the database.
const WRITES: [&str; 6] = [
    "flock",
    "fsync",
    "fdatasync",
    "ftruncate",
    "pwrite64",
    "unlink",
];

/// A system call: the n-th (from 1) of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    name: &'static str,
    n: usize,
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.n)
    }
}

/// The shop's command under strace, which writes to the log.
fn traced(shop: &Shop, args: &[&str], inject: Option<(Call, &str)>) -> Command {
    let command = shop.command(args);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(log(shop));
    strace.arg(format!("--trace={}", WRITES.join(",")));
    // Signals and ends are told by the test itself.
    strace.arg("--signal=none");
    if let Some((call, signal)) = inject {
        let Call { name, n } = call;
        strace.arg(format!("--inject={name}:signal={signal}:when={n}"));
    }
    strace.arg(command.get_program()).args(command.get_args());
    strace.current_dir(shop.workspace.root());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace
}

fn log(shop: &Shop) -> PathBuf {
    shop.workspace.path("strace.log")
}

/// The calls of an undisturbed command, in the order of their names.
///
/// # Panics
/// Where strace is missing, or may not trace.
pub(crate) fn calls(shop: &Shop, args: &[&str]) -> Vec<Call> {
    shop.workspace.finish(traced(shop, args, None)).ok();
    let log = fs::read_to_string(log(shop)).expect("a log");
    let mut calls = Vec::new();
    for name in WRITES {
        let begins = format!(" {name}(");
        let count = log.lines().filter(|line| line.contains(&begins)).count();
        calls.extend((1..=count).map(|n| Call { name, n }));
    }
    calls
}

/// The command, to which `signal` is sent at a call.
pub(crate) fn signalled_at(shop: &Shop, args: &[&str], call: Call, signal: &str) -> Command {
    traced(shop, args, Some((call, signal)))
}

/// About `count` of the calls, by chance; all of them if there are no more.
pub(crate) fn some(calls: &[Call], count: usize, chance: &mut Chance) -> Vec<Call> {
    let mut left = calls.to_vec();
    let mut chosen = Vec::new();
    while !left.is_empty() && chosen.len() < count {
        let at = chance.below(left.len() as u64);
        chosen.push(left.swap_remove(usize::try_from(at).expect("an index")));
    }
    chosen
}
