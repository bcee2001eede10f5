//! SIGINT and SIGTERM: the first asks every run to stop and record, the second
//! ends the process at once. The one module that is only for Unix.

use migrate_runtime::Interrupt;

/// Calls `asked` and triggers `interrupt` at the first signal; ends the process
/// at the second, or five seconds after the first.
#[cfg(unix)]
pub(crate) fn watch(
    interrupt: Interrupt,
    asked: impl Fn() + Send + 'static,
) -> std::io::Result<()> {
    use std::sync::mpsc;
    use std::time::Duration;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    /// What is in a transaction is rolled back by the server, what is outside
    /// is recorded as begun: ending the process loses nothing.
    const PATIENCE: Duration = Duration::from_secs(4);

    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        let mut arrived = signals.forever();
        if arrived.next().is_none() {
            return;
        }
        let (second, wait) = mpsc::channel();
        std::thread::spawn(move || {
            let ended: Result<(), _> = wait.recv_timeout(PATIENCE);
            std::process::exit(if ended.is_ok() { 130 } else { 1 });
        });
        // First, so that nothing begins any more once it is told.
        interrupt.trigger();
        asked();
        if arrived.next().is_some() {
            let _ = second.send(());
        }
    });
    Ok(())
}

/// Elsewhere the system's own handling stays.
#[cfg(not(unix))]
pub(crate) fn watch(_: Interrupt, _: impl Fn() + Send + 'static) -> std::io::Result<()> {
    Ok(())
}
