//! What version control knows of a migration's file: the revision in which it
//! was what a database has applied. Only looks; without git, or outside a
//! repository, nothing is known.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use migrate_core::Checksum;

/// How many of a file's revisions are looked at, the newest first.
const MOST_REVISIONS: usize = 20;

/// A revision in which a file was what it is to be again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    /// Its name, as git shortens it.
    pub(crate) name: String,
    /// The file's text there.
    pub(crate) text: String,
    /// The repository's top directory.
    pub(crate) top: PathBuf,
}

/// The newest revision in which `file`, which may be gone by now, has the
/// checksum `wanted`.
#[must_use]
pub(crate) fn revision_of(file: &Path, wanted: &Checksum) -> Option<Revision> {
    let there = file.ancestors().skip(1).find(|above| above.is_dir())?;
    // Most of those who have no repository are spared the process.
    there
        .ancestors()
        .find(|above| above.join(".git").exists())?;
    let within = file.strip_prefix(there).ok()?.to_str()?;
    let most = MOST_REVISIONS.to_string();
    let log = git(
        there,
        &[
            "log",
            "-n",
            &most,
            "--format=%h",
            "--",
            &format!("./{within}"),
        ],
    )?;
    let log = String::from_utf8(log).ok()?;
    // What is edited and not committed is put back from where one stands.
    let names = std::iter::once("HEAD").chain(log.lines());
    for name in names {
        let Some(blob) = git(there, &["cat-file", "blob", &format!("{name}:./{within}")]) else {
            continue;
        };
        match migrate_core::decode(blob) {
            Ok(text) if Checksum::raw(&text) == *wanted => {
                let top = git(there, &["rev-parse", "--show-toplevel"])?;
                let top = String::from_utf8(top).ok()?;
                return Some(Revision {
                    name: name.to_owned(),
                    text,
                    top: top.trim_end().into(),
                });
            }
            _ => {}
        }
    }
    None
}

impl Revision {
    /// The command that puts `path` back, for somebody in the current
    /// directory.
    #[must_use]
    pub(crate) fn checkout(&self, path: &Path) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let name = &self.name;
        match path.strip_prefix(&here) {
            Ok(below) if here.starts_with(&self.top) => {
                format!("git checkout {name} -- {}", word(below))
            }
            _ => {
                let below = path.strip_prefix(&self.top).unwrap_or(path);
                format!(
                    "git -C {} checkout {name} -- {}",
                    word(&self.top),
                    word(below)
                )
            }
        }
    }
}

fn git(directory: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}

/// A path as one word of a shell.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@".contains(c);
    if text.chars().all(is_plain) && !text.is_empty() {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(word(Path::new("a/1_b/up.sql")), "a/1_b/up.sql");
        assert_eq!(word(Path::new("a b/it's")), r"'a b/it'\''s'");
    }
}
