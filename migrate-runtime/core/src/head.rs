//! The `HEAD` file of a set: one line, the name of the newest migration.
//!
//! Two branches that both add a migration both change that line, so git stops
//! at a conflict where a list of versions would have merged in silence.

/// The file's name; Diesel ignores plain files beside the migrations.
pub const FILE_NAME: &str = "HEAD";

/// The migration that the text of a `HEAD` file names; none if it is empty.
#[must_use]
pub fn parse(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty())
}

/// The text of a `HEAD` file that names `migration`.
#[must_use]
pub fn render(migration: &str) -> String {
    format!("{migration}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rendered_is_parsed() {
        assert_eq!(
            parse(&render("2026-01-01-000000_a")),
            Some("2026-01-01-000000_a")
        );
        assert_eq!(parse("\r\n 001_a \r\n"), Some("001_a"));
        assert_eq!(parse("\n"), None);
    }
}
