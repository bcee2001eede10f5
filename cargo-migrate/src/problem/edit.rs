//! What was edited: the text that was applied beside what the file says now, as
//! a unified diff.

use std::path::{Path, PathBuf};
use std::time::Duration;

use similar::TextDiff;

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

impl Diff {
    /// From the text that was applied to what `path` says now; none where it
    /// cannot be read.
    #[must_use]
    pub fn of(path: &Path, applied: &str) -> Option<Self> {
        if std::fs::metadata(path).ok()?.len() > LARGEST {
            return None;
        }
        let now = migrate_core::decode(std::fs::read(path).ok()?).ok()?;
        Some(Self {
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
