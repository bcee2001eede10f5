//! Places in a text that is walked once, from front to back: counting lines
//! anew for each statement would be quadratic in long files.

use crate::Place;

/// Knows the place of one byte and goes on from there.
#[derive(Debug)]
pub(crate) struct PlaceCursor<'t> {
    text: &'t str,
    at: usize,
    place: Place,
}

impl<'t> PlaceCursor<'t> {
    /// At the start of `text`.
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            place: Place { line: 1, column: 1 },
        }
    }

    /// The place of the byte `offset`; going back costs a walk from the start.
    pub(crate) fn place(&mut self, offset: usize) -> Place {
        if offset < self.at {
            return Place::of(self.text, offset);
        }
        for &byte in &self.text.as_bytes()[self.at..offset] {
            if byte == b'\n' {
                self.place.line += 1;
                self.place.column = 1;
            } else if (byte as i8) >= -0x40 {
                self.place.column += 1;
            }
        }
        self.at = offset;
        self.place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_that_counting_from_the_start_gives() {
        let text = "aé\nüx\n\nlast";
        let mut cursor = PlaceCursor::new(text);
        for (offset, _) in text.char_indices() {
            assert_eq!(cursor.place(offset), Place::of(text, offset));
        }
        assert_eq!(cursor.place(1), Place::of(text, 1));
    }
}
