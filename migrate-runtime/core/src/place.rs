//! Lines and columns: where in a text a byte stands, as a person counts.

use std::fmt;

/// A position in a file; both count from 1, `column` in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Place {
    /// The place of the byte `offset` of `text`; past its end, the end.
    #[must_use]
    pub fn of(text: &str, offset: usize) -> Self {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let line_start = before
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |i| i + 1);
        let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
        // Counting the bytes that begin a character works inside one, too.
        let column = before[line_start..]
            .iter()
            .filter(|&&b| (b as i8) >= -0x40)
            .count()
            + 1;
        Self { line, column }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_newlines() {
        let text = "aé\nüx";
        let at = |offset| Place::of(text, offset).to_string();
        assert_eq!(
            ["1:1", "1:2", "2:1", "2:2"],
            [at(0), at(1), at(4), at(6)].each_ref().map(|s| s.as_str())
        );
        assert_eq!(Place::of(text, 999).to_string(), "2:3");
    }
}
