//! The lines of a text around some of its bytes: what is shown of a file that
//! may be far too large to be kept for it.

use std::ops::Range;

/// Whole lines of a text, except that very long ones are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The lines.
    pub text: String,
    /// The line that `text` begins at, from 1.
    pub first_line: usize,
    /// The bytes of `text` that are meant.
    pub range: Range<usize>,
}

/// Nobody looks at a longer line, and showing it takes many times its size.
const LONGEST: usize = 16 * 1024;

impl Excerpt {
    /// The lines of `text` that hold `range`, whose bounds are those of
    /// characters. Where it begins too far in a line, the line's beginning
    /// stands for it: a column counted in a part of a line would be wrong.
    #[must_use]
    pub fn of(text: &str, range: &Range<usize>) -> Self {
        let start = range.start.min(text.len());
        let end = range.end.clamp(start, text.len());
        let before = &text[..start];
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        let first_line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let start = if start - line > LONGEST { line } else { start };
        let end = cut(text, start, end.max(start));
        let rest = text[end..]
            .find('\n')
            .map_or(text.len(), |length| end + length);
        let last = cut(text, end, rest);
        Self {
            text: text[line..last].to_owned(),
            first_line,
            range: start - line..end - line,
        }
    }
}

/// `end`, or the end of the longest that is shown from `start` on.
fn cut(text: &str, start: usize, end: usize) -> usize {
    if end - start <= LONGEST {
        return end;
    }
    let is_between = |at: &usize| text.is_char_boundary(*at);
    (start..=start + LONGEST)
        .rev()
        .find(is_between)
        .unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;

    #[test]
    fn an_excerpt_is_the_lines_around_with_the_same_places() {
        let text = "a\nbé c\nd e\nf";
        for (range, lines, first_line) in [
            (0..1, "a", 1),
            (5..6, "bé c", 2),
            (6..9, "bé c\nd e", 2),
            (12..13, "f", 4),
            (13..13, "f", 4),
        ] {
            let excerpt = Excerpt::of(text, &range);
            assert_eq!(
                (excerpt.text.as_str(), excerpt.first_line),
                (lines, first_line)
            );
            assert_eq!(excerpt.text[excerpt.range.clone()], text[range.clone()]);
            let within = Place::of(&excerpt.text, excerpt.range.start);
            let place = Place::of(text, range.start);
            assert_eq!(within.line + first_line - 1, place.line);
            assert_eq!(within.column, place.column);
        }
    }

    #[test]
    fn a_line_without_end_is_cut_and_its_line_is_still_right() {
        let long = "é".repeat(1 << 20);
        let text = format!("a\n{long}x{long}\nb");
        let x = 2 + long.len();
        for range in [2..4, x..x + 1, 2..text.len()] {
            let excerpt = Excerpt::of(&text, &range);
            assert!(excerpt.text.len() <= 4 * LONGEST, "{}", excerpt.text.len());
            assert_eq!((excerpt.first_line, excerpt.range.start), (2, 0));
        }
    }
}
