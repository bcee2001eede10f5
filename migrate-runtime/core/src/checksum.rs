//! Checksums of migrations: of the text, to see that a file was edited, and of
//! its tokens, to see that the edit changed nothing but comments and layout.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::token::tokenize;
use crate::{Dialect, TokenKind};

/// A SHA-256 checksum; shown and parsed as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// Of a file's text, whatever a checkout did to its line ends: without a
    /// leading byte order mark, CRLF and lone CR counted as LF. For a file
    /// with plain line ends this is what `sha256sum` prints.
    #[must_use]
    pub fn raw(text: &str) -> Self {
        let mut hasher = Sha256::new();
        update_lines(&mut hasher, without_mark(text));
        Self(hasher.finalize().into())
    }

    /// Of a statement's text; the same as [`raw`](Self::raw).
    #[must_use]
    pub fn statement(text: &str) -> Self {
        Self::raw(text)
    }

    /// Of what the text means: its tokens without comments and white space.
    ///
    /// Equal only if no server can tell the texts apart. The reverse doesn't
    /// hold: case counts, and so does the semicolon at the end. Comments that
    /// are acted on count, and so does white space where it has a meaning.
    #[must_use]
    pub fn semantic(text: &str, dialect: Dialect) -> Self {
        let text = without_mark(text);
        let mut hasher = Sha256::new();
        // The number goes up when the same text gets another checksum.
        hasher.update(b"cargo-migrate semantic 1\0");
        let mut tokens = tokenize(text, dialect);
        let mut before = None;
        let mut apart = false;
        while let Some(token) = tokens.next() {
            if token.is_blank() {
                apart = true;
                continue;
            }
            let words = &text[token.range];
            if dialect == Dialect::MySql && words == "(" && apart && before == Some(TokenKind::Word)
            {
                // `count (` is a stored function, `count(` a built-in one.
                hasher.update(MARK_SPACE);
            }
            if tokens.continued() {
                // Two strings on two lines are one string to PostgreSQL.
                hasher.update(MARK_CONTINUES);
            }
            hasher.update(lines_len(words).to_le_bytes());
            update_lines(&mut hasher, words);
            before = Some(token.kind);
            apart = false;
        }
        Self(hasher.finalize().into())
    }

    /// The bytes of the checksum.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Lengths that no token has.
const MARK_SPACE: [u8; 8] = u64::MAX.to_le_bytes();
const MARK_CONTINUES: [u8; 8] = (u64::MAX - 1).to_le_bytes();

fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{FEFF}').unwrap_or(text)
}

/// Hashes `text` with its line ends as LF, in the pieces between them.
fn update_lines(hasher: &mut Sha256, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&b| b == b'\r') {
        hasher.update(&rest[..at]);
        hasher.update(b"\n");
        rest = &rest[at + 1..];
        rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    }
    hasher.update(rest);
}

/// How many bytes [`update_lines`] hashes.
fn lines_len(text: &str) -> u64 {
    let pairs = text
        .as_bytes()
        .windows(2)
        .filter(|pair| pair == b"\r\n")
        .count();
    (text.len() - pairs) as u64
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checksum(")?;
        self.0[..4]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

/// A text that is no checksum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no checksum, expected 64 lowercase hexadecimal digits")]
pub struct ChecksumError(pub String);

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        let error = || ChecksumError(text.to_owned());
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return Err(error());
        };
        let bytes: Option<Vec<u8>> = pairs
            .iter()
            .map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?))
            .collect();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_checkout_that_changes_line_ends_or_adds_a_mark_changes_no_checksum() {
        let unix = "select 'a\nb';\n\n-- c\nselect 2;\n";
        let windows = format!("\u{FEFF}{}", unix.replace('\n', "\r\n"));
        assert_eq!(Checksum::raw(unix), Checksum::raw(&windows));
        assert_eq!(
            Checksum::raw(unix),
            Checksum::raw(&unix.replace('\n', "\r"))
        );
        for dialect in Dialect::ALL {
            assert_eq!(
                Checksum::semantic(unix, dialect),
                Checksum::semantic(&windows, dialect)
            );
        }
        assert_ne!(Checksum::raw("a\n\nb"), Checksum::raw("a\nb"));
    }

    #[test]
    fn a_checksum_is_sha256_and_reads_back() {
        let sum = Checksum::raw("");
        assert_eq!(sum.to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(sum));
        assert_eq!(format!("{sum:?}"), "Checksum(e3b0c442…)");
        for wrong in [
            "",
            "e3",
            &EMPTY[1..],
            &EMPTY.to_uppercase(),
            &format!("{EMPTY}00"),
        ] {
            assert_eq!(
                wrong.parse::<Checksum>(),
                Err(ChecksumError(wrong.to_owned()))
            );
        }
    }

    fn same(dialect: Dialect, a: &str, b: &str) -> bool {
        Checksum::semantic(a, dialect) == Checksum::semantic(b, dialect)
    }

    #[test]
    fn comments_and_layout_have_no_meaning() {
        for dialect in Dialect::ALL {
            assert!(same(
                dialect,
                "create table a(b int);",
                "-- why\ncreate table a ( b /* c */\n\tint ) ;\n"
                    .replace("a (", "a(")
                    .as_str()
            ));
            assert!(same(dialect, "", " -- only a comment"));
            assert!(!same(dialect, "select 'a b'", "select 'a  b'"));
            assert!(!same(dialect, "select 'a -- b'", "select 'a'"));
            assert!(!same(dialect, "select ab", "select a b"));
            assert!(!same(dialect, "select a < = b", "select a <= b"));
            assert!(!same(dialect, "select 1 .5", "select 1.5"));
            assert!(!same(dialect, "select 1;", "select 1"));
        }
    }

    #[test]
    fn hints_and_telling_white_space_have_a_meaning() {
        use Dialect::{MySql, Postgres, Sqlite};
        assert!(!same(MySql, "select 1 /*!40000 + 1 */", "select 1"));
        assert!(!same(
            MySql,
            "select /*+ max_execution_time(1) */ 1",
            "select 1"
        ));
        assert!(!same(Postgres, "/*+ seqscan(a) */ select 1", "select 1"));
        assert!(same(Sqlite, "/*+ nothing */ select 1", "select 1"));
        assert!(!same(MySql, "select count (a)", "select count(a)"));
        assert!(same(Postgres, "select count (a)", "select count(a)"));
        assert!(same(
            Postgres,
            "select 'a'\n'b'",
            "select 'a' -- c\n\n  'b'"
        ));
        assert!(!same(Postgres, "select 'a'\n'b'", "select 'a' 'b'"));
        assert!(!same(Postgres, "select n 'a'", "select n'a'"));
        assert!(!same(MySql, "select n 'a'", "select n'a'"));
        assert!(!same(
            MySql,
            "delimiter //\nselect 1//",
            "delimiter $$\nselect 1$$"
        ));
    }

    proptest! {
        #[test]
        fn layout_between_any_two_tokens_changes_nothing(
            blanks in prop::collection::vec(prop::sample::select(vec![" ", "\n", "\t", "/* ' */", " -- c;\n", "\r\n"]), 13)
        ) {
            let tokens = ["select", "a", ",", "'x  y'", "as", "b", "from", "t", "where", "c", ">=", "1.5", ";"];
            let laid_out: String = tokens.iter().zip(&blanks).map(|(token, blank)| format!("{token}{blank}")).collect();
            for dialect in Dialect::ALL {
                prop_assert!(same(dialect, &tokens.join(" "), &laid_out), "{}", laid_out);
            }
        }

        #[test]
        fn lines_are_counted_as_they_are_hashed(text in "[a\r\n\u{e9}]{0,20}") {
            let plain = text.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(lines_len(&text), plain.len() as u64);
            prop_assert_eq!(Checksum::raw(&text), Checksum::raw(&plain));
        }
    }
}
