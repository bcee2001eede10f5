//! Characters that nobody sees and that change what is seen: those that move a
//! terminal's cursor, and those that turn the direction of the text after
//! them. A migration must not be named by them, and no path is shown with them.

use std::borrow::Cow;

/// Whether a character is one of them.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    turns || character.is_control()
}

/// `text` with each of them written as `\u{1b}`.
#[must_use]
pub fn legible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let escape = |character: char| match is_invisible(character) {
        true => character.escape_unicode().to_string(),
        false => character.to_string(),
    };
    Cow::Owned(text.chars().map(escape).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        assert_eq!(legible("a größe 日本"), "a größe 日本");
        assert_eq!(
            legible("\u{1b}[31m a\nb \u{202e}c"),
            r"\u{1b}[31m a\u{a}b \u{202e}c"
        );
    }
}
