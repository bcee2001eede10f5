//! An edit on a terminal: a unified diff in git's colours, no longer than one
//! cares to read. Pure.

use std::path::Path;

use anstyle::{AnsiColor, Style};

use super::{shown, visible};
use crate::problem::Diff;

/// Lines of one diff; JSON has all of them.
const LONGEST: usize = 40;

const GONE: Style = AnsiColor::Red.on_default();
const NEW: Style = AnsiColor::Green.on_default();
const PLACE: Style = AnsiColor::Cyan.on_default();
const FILE: Style = Style::new().bold();

/// The diff as text, its paths as somebody in `here` sees them.
pub(super) fn render(diff: &Diff, here: &Path) -> String {
    let path = shown(&diff.path, here);
    let mut lines = vec![
        format!("{FILE}--- as it was applied{FILE:#}"),
        format!("{FILE}+++ {path}{FILE:#}"),
    ];
    let total = diff.hunks.lines().count();
    // One line more is as long as the line that says so.
    let most = if total == LONGEST + 1 { total } else { LONGEST };
    lines.extend(diff.hunks.lines().take(most).map(line));
    if total > most {
        lines.push(format!("… {} more lines", total - most));
    }
    lines.join("\n")
}

fn line(text: &str) -> String {
    // A file's own escape sequences are shown, not obeyed.
    let shown = visible(text);
    let style = match text.as_bytes().first() {
        Some(b'-') => GONE,
        Some(b'+') => NEW,
        Some(b'@') => PLACE,
        _ => return shown,
    };
    format!("{style}{shown}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(hunks: &str) -> String {
        let diff = Diff {
            path: "/w/a/up.sql".into(),
            hunks: hunks.to_owned(),
        };
        let rendered = render(&diff, Path::new("/w"));
        anstream::adapter::strip_str(&rendered).to_string()
    }

    #[test]
    fn a_long_edit_is_cut_and_counted() {
        let long = "+x\n".repeat(LONGEST + 5);
        let shown = plain(&long);
        assert!(shown.ends_with("\n… 5 more lines"), "{shown}");
        let fits = plain(&"+x\n".repeat(LONGEST + 1));
        assert!(!fits.contains("more lines"), "{fits}");
    }

    #[test]
    fn escape_sequences_of_a_file_are_not_obeyed() {
        assert_eq!(
            plain("@@ -1 +1 @@\n-a\n+\u{1b}[2Jb\tc\u{202e}\n"),
            "--- as it was applied\n+++ a/up.sql\n@@ -1 +1 @@\n-a\n+\\u{1b}[2Jb\tc\\u{202e}"
        );
    }
}
