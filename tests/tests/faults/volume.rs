//! A file system of a size of its own, that can be full, grow, and be read
//! only. It takes root, as in CI: where the kernel refuses to mount it the
//! test fails, because a disk that is never full proves nothing.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A mounted file system; unmounted with its value.
#[derive(Debug)]
pub(crate) struct Volume {
    directory: TempDir,
}

impl Volume {
    /// Of so many KiB, for this process's own user.
    pub(crate) fn new(kib: u64) -> Self {
        Self::mounted(&format!("size={kib}k,mode=755"))
    }

    /// The same for whoever owns `path`.
    pub(crate) fn of_the_owner_of(path: &Path, kib: u64) -> Self {
        let owner = std::fs::metadata(path).unwrap_or_else(|error| {
            panic!("{}: {error}; run the fault suite as root", path.display())
        });
        let (user, group) = (owner.uid(), owner.gid());
        Self::mounted(&format!("size={kib}k,mode=700,uid={user},gid={group}"))
    }

    fn mounted(options: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        mount(&["-t", "tmpfs", "-o", options, "tmpfs"], directory.path());
        Self { directory }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    /// Gives it another size.
    pub(crate) fn resize(&self, kib: u64) {
        self.remount(&format!("remount,size={kib}k"));
    }

    /// Lets nobody write, root neither.
    pub(crate) fn read_only(&self) {
        self.remount("remount,ro");
    }

    pub(crate) fn writable(&self) {
        self.remount("remount,rw");
    }

    fn remount(&self, options: &str) {
        mount(&["-o", options], self.directory.path());
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        unmount(self.directory.path());
    }
}

/// A file or directory that nobody may write, root neither, whatever lies
/// around it or below it; until the value goes.
#[derive(Debug)]
pub(crate) struct ReadOnly {
    path: PathBuf,
}

impl ReadOnly {
    pub(crate) fn over(path: PathBuf) -> Self {
        bind(&path, "remount,bind,ro");
        Self { path }
    }

    /// The opposite, for what lies in a directory that may only be read.
    pub(crate) fn not_for(path: PathBuf) -> Self {
        bind(&path, "remount,bind,rw");
        Self { path }
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}

fn bind(path: &Path, options: &str) {
    let itself = path.to_string_lossy();
    mount(&["--bind", &itself], path);
    mount(&["-o", options], path);
}

/// Somebody may still have a file open: it goes with the last of them.
fn unmount(path: &Path) {
    let done = Command::new("umount").arg("-l").arg(path).status();
    if !done.is_ok_and(|status| status.success()) && !std::thread::panicking() {
        panic!("{} stays mounted", path.display());
    }
}

fn mount(args: &[&str], at: &Path) {
    let output = Command::new("mount")
        .args(args.iter().map(OsStr::new))
        .arg(at)
        .output()
        .expect("mount starts");
    assert!(
        output.status.success(),
        "mount {args:?}: {}; the fault suite runs as root, where it may mount",
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
}
