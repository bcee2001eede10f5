//! Signals to a runner, and the time that it takes to end.

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use tests::workspace::eventually;

/// How long a runner may take that was asked to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends a signal, such as "TERM", to a process.
#[track_caller]
pub(crate) fn send(name: &str, process: u32) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), process.to_string()])
        .status()
        .expect("kill starts");
    assert!(sent.success(), "no signal {name} to {process}");
}

/// Waits for the end of what was asked to stop at `since`, and expects it in
/// time; how long it took.
#[track_caller]
pub(crate) fn ends_in_time(child: &mut Child, since: Instant) -> (ExitStatus, Duration) {
    let mut ended = None;
    eventually("the runner ends", || {
        ended = child.try_wait().expect("a child");
        ended.is_some()
    });
    let took = since.elapsed();
    assert!(took <= PATIENCE, "it took {took:?} to end");
    (ended.expect("ended"), took)
}
