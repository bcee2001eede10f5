//! From the bytes of a migration's file to SQL text, or the reason why they
//! are none. Knows nothing of SQL: only what no server takes, wherever it
//! stands, is refused here.

use crate::Place;

/// The byte order mark that Windows editors put before UTF-8 text.
const BOM: char = '\u{FEFF}';

/// The text of a file, without the byte order mark that it may begin with.
///
/// # Errors
/// [`TextError`] where the bytes aren't UTF-8, or hold a NUL or a second byte
/// order mark, which servers reject with messages that name neither.
pub fn decode(bytes: Vec<u8>) -> Result<String, TextError> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(TextError::Utf16);
    }
    let mut text = String::from_utf8(bytes).map_err(|error| TextError::InvalidUtf8 {
        offset: error.utf8_error().valid_up_to(),
    })?;
    let marked = text.starts_with(BOM);
    if marked {
        text.drain(..BOM.len_utf8());
    }
    // Offsets count the file's bytes, as an editor and `xxd` show them.
    let skipped = if marked { BOM.len_utf8() } else { 0 };
    if let Some(at) = text.find('\0') {
        return Err(TextError::Nul {
            offset: skipped + at,
            place: Place::of(&text, at),
        });
    }
    if let Some(at) = text.find(BOM) {
        return Err(TextError::Bom {
            offset: skipped + at,
            place: Place::of(&text, at),
        });
    }
    Ok(text)
}

/// Why the bytes of a file are no SQL text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A byte sequence that is not UTF-8.
    #[error("invalid UTF-8 at byte {offset}")]
    InvalidUtf8 {
        /// The first byte that is wrong, counted from the start of the file.
        offset: usize,
    },
    /// The byte order mark of UTF-16 at the start.
    #[error("the file looks like UTF-16: its byte 0 begins a UTF-16 byte order mark")]
    Utf16,
    /// A NUL character, which ends a string for every client library.
    #[error("NUL character at byte {offset}")]
    Nul {
        /// Its byte, counted from the start of the file.
        offset: usize,
        /// Its line and column.
        place: Place,
    },
    /// A byte order mark elsewhere than at the start, as files that were
    /// joined have it.
    #[error("byte order mark (U+FEFF) inside the text at byte {offset}")]
    Bom {
        /// Its byte, counted from the start of the file.
        offset: usize,
        /// Its line and column.
        place: Place,
    },
}

impl TextError {
    /// Where it is, if what is before it is text.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::InvalidUtf8 { .. } | Self::Utf16 => None,
            Self::Nul { place, .. } | Self::Bom { place, .. } => Some(*place),
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::InvalidUtf8 { .. } | Self::Utf16 => "save the file as UTF-8",
            Self::Nul { .. } => {
                "remove the NUL; files with many of them are often UTF-16: save as UTF-8"
            }
            Self::Bom { .. } => {
                "remove the invisible character U+FEFF; only the first one of a file is skipped"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_leading_byte_order_mark_is_skipped() {
        assert_eq!(
            decode(b"\xEF\xBB\xBFselect 1".to_vec()),
            Ok("select 1".to_owned())
        );
        assert_eq!(decode("sélect".into()), Ok("sélect".to_owned()));
        assert_eq!(decode(Vec::new()), Ok(String::new()));
    }

    #[test]
    fn a_place_is_given_where_there_are_lines() {
        let place = |bytes: &[u8]| decode(bytes.to_vec()).map_err(|e| e.place());
        assert_eq!(
            place(b"\xEF\xBB\xBFa\nb\0"),
            Err(Some(Place { line: 2, column: 2 }))
        );
        assert_eq!(place(b"\xFF"), Err(None));
    }

    #[test]
    fn what_is_no_text_is_named_with_its_byte() {
        let error = |bytes: &[u8]| decode(bytes.to_vec()).map_err(|e| e.to_string());
        let cases: [(&[u8], &str); 6] = [
            (b"ab\xFFc", "invalid UTF-8 at byte 2"),
            (b"\xEF\xBB\xBFab\xC3", "invalid UTF-8 at byte 5"),
            (
                b"\xFF\xFEa\0",
                "the file looks like UTF-16: its byte 0 begins a UTF-16 byte order mark",
            ),
            (
                b"\xFE\xFF\0a",
                "the file looks like UTF-16: its byte 0 begins a UTF-16 byte order mark",
            ),
            (b"\xEF\xBB\xBFa\n\0", "NUL character at byte 5"),
            (
                b"a\n\xEF\xBB\xBFb",
                "byte order mark (U+FEFF) inside the text at byte 2",
            ),
        ];
        for (bytes, message) in cases {
            assert_eq!(error(bytes), Err(message.to_owned()));
        }
    }
}
