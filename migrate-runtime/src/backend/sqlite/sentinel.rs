//! The sentinel: a file beside the database, locked by the operating system
//! for a whole run and freed by it however the runner ends. The file stays;
//! removing it would let two runners lock two files of one name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::DatabaseError;

/// The lock, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Sentinel {
    _file: File,
}

/// Beside the real file: by whatever link it is opened, it is one database.
fn path_beside(database: &Path) -> PathBuf {
    let mut name = crate::url::canonical(database).into_os_string();
    name.push(".migrate-lock");
    PathBuf::from(name)
}

impl Sentinel {
    /// Tries once; nothing if another runner has it. `who` is told to those who
    /// wait.
    pub(crate) fn acquire(database: &Path, who: &str) -> Result<Option<Self>, DatabaseError> {
        let path = path_beside(database);
        let failed = |doing: &str, error: std::io::Error| {
            DatabaseError::other(format!(
                "cannot {doing} the lock file {}: {error}",
                path.display()
            ))
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| failed("open", error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(failed("lock", error)),
        }
        // Only for those who wait and want to know for whom: best effort.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(who.as_bytes()));
        Ok(Some(Self { _file: file }))
    }
}

/// What the holder wrote of itself, if there is one.
pub(super) fn holder(database: &Path) -> Option<String> {
    let file = File::open(path_beside(database)).ok()?;
    // Nobody has it: what stands there is of somebody who is gone.
    if file.try_lock_shared().is_ok() {
        return None;
    }
    let mut text = String::new();
    file.take(512).read_to_string(&mut text).ok()?;
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_runner_has_the_sentinel_and_its_end_frees_it() {
        let name = format!(
            "migrate-sentinel-{}-{}.db",
            std::process::id(),
            crate::lock::random()
        );
        let database = std::env::temp_dir().join(name);
        let first = Sentinel::acquire(&database, "cart, the first")
            .unwrap()
            .unwrap();
        assert!(Sentinel::acquire(&database, "b").unwrap().is_none());
        assert_eq!(holder(&database).as_deref(), Some("cart, the first"));
        drop(first);
        assert_eq!(holder(&database), None);
        assert!(Sentinel::acquire(&database, "c").unwrap().is_some());
        std::fs::remove_file(path_beside(&database)).unwrap();
    }
}
