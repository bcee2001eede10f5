//! Finding the programs that others install. Knows places, not purposes.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SYSTEM: [&str; 3] = ["/usr/sbin", "/usr/libexec", "/usr/local/sbin"];

/// Where a program lies on PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(&file))
        .find(|path| path.is_file())
}

/// Where a server's program lies: on PATH, or in the directories of the
/// system's programs, which an account's PATH may not have.
pub(crate) fn find_daemon(name: &str) -> Option<PathBuf> {
    find(name).or_else(|| {
        let mut places = SYSTEM.iter().map(|place| Path::new(place).join(name));
        places.find(|path| path.is_file())
    })
}

/// Whether a program can be started with these arguments and succeeds.
pub(crate) fn succeeds(name: &str, arguments: &[&str]) -> bool {
    Command::new(name)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// This very program. `cargo test` may have built it anew while it runs: Linux
/// then has the running one under a name of its own alone.
pub(crate) fn ourselves() -> std::io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        return Ok(running.to_owned());
    }
    env::current_exe()
}
