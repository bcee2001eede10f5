//! What the kernel says of this process's children. The one place of the
//! benchmark that is only for Unix.

use std::io;
use std::time::Duration;

/// CPU time and memory of all children that have ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// In user and kernel mode.
    pub(super) cpu: Duration,
    /// Of the largest of them, in bytes.
    pub(super) peak: u64,
}

#[cfg(unix)]
pub(super) fn of_children() -> io::Result<Usage> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeVal;

    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = |value: TimeVal| {
        let seconds = u64::try_from(value.tv_sec()).unwrap_or_default();
        let micros = u64::try_from(value.tv_usec()).unwrap_or_default();
        Duration::from_secs(seconds) + Duration::from_micros(micros)
    };
    // macOS counts bytes, everybody else KiB.
    let unit = if cfg!(target_vendor = "apple") {
        1
    } else {
        1024
    };
    Ok(Usage {
        cpu: time(usage.user_time()) + time(usage.system_time()),
        peak: u64::try_from(usage.max_rss()).unwrap_or_default() * unit,
    })
}

#[cfg(not(unix))]
pub(super) fn of_children() -> io::Result<Usage> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "the benchmark measures on Unix only",
    ))
}
