//! All or nothing: directories are filled beside their place, under a name that
//! Diesel and we pass over, and renamed when all of them are complete. What is
//! not finished is taken back on drop.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ScaffoldError;

/// Tells apart the files that one process writes beside one place.
static WRITES: AtomicUsize = AtomicUsize::new(0);

/// New directories that appear together or not at all.
#[derive(Debug, Default)]
pub(super) struct Staging {
    entries: Vec<Entry>,
    /// Directories that were made on the way, outermost first.
    parents: Vec<PathBuf>,
    /// Replaced files with their former text; none for new ones.
    replaced: Vec<(PathBuf, Option<Vec<u8>>)>,
    committed: bool,
}

#[derive(Debug)]
struct Entry {
    staged: PathBuf,
    finished: Option<PathBuf>,
}

/// Whether a staging directory could be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Ours,
    /// Somebody else is about to write the same.
    Taken,
}

impl Staging {
    /// Makes `directory` and what is missing above it.
    pub(super) fn make_directory(&mut self, directory: &Path) -> Result<(), ScaffoldError> {
        let missing: Vec<&Path> = directory
            .ancestors()
            .take_while(|path| !path.exists())
            .collect();
        for path in missing.into_iter().rev() {
            match fs::create_dir(path) {
                Ok(()) => self.parents.push(path.to_owned()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(ScaffoldError::io("create", path)(error)),
            }
        }
        Ok(())
    }

    /// Makes a directory of ours at `staged`. Making it is what settles a race
    /// between two commands that want the same version.
    pub(super) fn claim(&mut self, staged: PathBuf) -> Result<Claim, ScaffoldError> {
        match fs::create_dir(&staged) {
            Ok(()) => {
                self.entries.push(Entry {
                    staged,
                    finished: None,
                });
                Ok(Claim::Ours)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Claim::Taken),
            Err(error) => Err(ScaffoldError::io("create", staged)(error)),
        }
    }

    /// Takes over what another has begun.
    pub(super) fn take_over(&mut self, mut other: Self) {
        self.entries.append(&mut other.entries);
        self.parents.append(&mut other.parents);
        self.replaced.append(&mut other.replaced);
    }

    /// Gives a staged directory its name.
    pub(super) fn publish(&mut self, staged: &Path, place: PathBuf) -> Result<(), ScaffoldError> {
        fs::rename(staged, &place).map_err(ScaffoldError::io("create", &place))?;
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.staged == staged) {
            entry.finished = Some(place);
        }
        Ok(())
    }

    /// Puts `text` in the place of a file's, or makes it.
    pub(super) fn replace_file(&mut self, path: &Path, text: &str) -> Result<(), ScaffoldError> {
        let former = match fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(ScaffoldError::io("read", path)(error)),
        };
        write_in_place(path, text.as_bytes()).map_err(ScaffoldError::io("write", path))?;
        self.replaced.push((path.to_owned(), former));
        Ok(())
    }

    /// Lets everything stand.
    pub(super) fn commit(mut self) {
        self.committed = true;
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        // Whatever cannot be taken back is left: the first error is the one
        // that counts.
        for (path, former) in self.replaced.drain(..).rev() {
            let _ = match former {
                Some(bytes) => write_in_place(&path, &bytes),
                None => fs::remove_file(&path),
            };
        }
        for entry in &self.entries {
            let _ = fs::remove_dir_all(entry.finished.as_ref().unwrap_or(&entry.staged));
        }
        for parent in self.parents.iter().rev() {
            let _ = fs::remove_dir(parent);
        }
    }
}

/// Writes beside `path` and renames, so that no reader sees half of it.
fn write_in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A manifest may be a link into another tree: that file is meant.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    let beside = path.with_file_name(format!(".{name}.{}-{number}", process::id()));
    let written = write_new(&beside, bytes).and_then(|()| {
        if let Ok(metadata) = fs::metadata(&path) {
            fs::set_permissions(&beside, metadata.permissions())?;
        }
        fs::rename(&beside, &path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Writes a file that must not be there yet.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)?
        .write_all(bytes)
}
