//! What was edited: the text that was applied beside what the file says now, as
//! a unified diff.

use std::path::{Path, PathBuf};
use std::time::Duration;

use migrate_core::Checksum;
use similar::TextDiff;

use crate::git::{self, Revision};
use crate::target::Target;

/// Larger files are not compared by lines.
const LARGEST: u64 = 1024 * 1024;

/// After this long the rest is told as one change.
const LONGEST: Duration = Duration::from_millis(500);

/// An edit of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// The file.
    pub path: PathBuf,
    /// The hunks of a unified diff, without the lines that name the files.
    pub hunks: String,
}

/// What there is to show of an applied migration whose file was edited.
#[derive(Debug)]
pub(crate) struct Edited {
    /// The file.
    pub(crate) file: Option<PathBuf>,
    /// The revision that has what was applied, where version control was asked.
    pub(crate) revision: Option<Revision>,
    /// The edit, or why none can be shown.
    pub(crate) diff: Result<Diff, &'static str>,
}

impl Edited {
    /// Compares the file of migration `name` with what was applied: `kept` is
    /// the journal's text, `wanted` the checksum by which version control is
    /// asked.
    pub(crate) fn look(
        target: &Target,
        name: &str,
        kept: Option<&str>,
        wanted: Option<&Checksum>,
    ) -> Self {
        let file = target.migration(name).map(|path| path.join("up.sql"));
        let revision = file
            .as_deref()
            .zip(wanted)
            .and_then(|(file, wanted)| git::revision_of(file, wanted));
        let applied = kept.or(revision.as_ref().map(|revision| revision.text.as_str()));
        let diff = match file.as_deref().zip(applied) {
            Some((file, applied)) => Diff::of(file, applied),
            None => Err("the text as it was applied is not known"),
        };
        Self {
            file,
            revision,
            diff,
        }
    }
}

impl Diff {
    /// From the text that was applied to what `path` says now, or why they are
    /// not compared.
    ///
    /// # Errors
    /// Where the file is too large, or cannot be read.
    pub fn of(path: &Path, applied: &str) -> Result<Self, &'static str> {
        let unreadable = "the file cannot be read to be compared";
        let length = std::fs::metadata(path).map_err(|_| unreadable)?.len();
        if length > LARGEST || applied.len() as u64 > LARGEST {
            return Err("the file is too large to compare with what was applied");
        }
        let now = std::fs::read(path).map_err(|_| unreadable)?;
        let now = migrate_core::decode(now).map_err(|_| unreadable)?;
        Ok(Self {
            path: path.to_owned(),
            hunks: hunks(applied, &now),
        })
    }
}

fn hunks(applied: &str, now: &str) -> String {
    let (applied, now) = (plain(applied), plain(now));
    let mut config = TextDiff::configure();
    let diff = config.timeout(LONGEST).diff_lines(&applied, &now);
    diff.unified_diff()
        .context_radius(3)
        .missing_newline_hint(false)
        .to_string()
}

/// Without what a checkout does to a file, which is no edit; nor is a newline
/// at the end.
fn plain(text: &str) -> String {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    text.replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_no_edit_and_a_changed_line_is_one() {
        let applied = "CREATE TABLE a (\n  id INTEGER\n);\n";
        assert_eq!(hunks(applied, &applied.replace('\n', "\r\n")), "");
        assert_eq!(
            hunks(applied, &applied.replace("INTEGER", "BIGINT")),
            "@@ -1,3 +1,3 @@\n CREATE TABLE a (\n-  id INTEGER\n+  id BIGINT\n );\n"
        );
    }
}
