//! Literals and identifiers inside SQL text. The batches that we send carry
//! their values in their text, because a batch has no parameters; this is the
//! one place where a value becomes text.

use migrate_core::Dialect;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// `text` as a string literal that no setting of the server changes.
pub(crate) fn literal(dialect: Dialect, text: &str) -> String {
    match dialect {
        // E'' reads backslashes whatever standard_conforming_strings says.
        Dialect::Postgres => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        Dialect::MySql if text.bytes().all(is_plain) => format!("'{text}'"),
        // NO_BACKSLASH_ESCAPES decides what '\' means, SET NAMES what a byte is.
        Dialect::MySql => {
            let mut hex = String::with_capacity(2 * text.len());
            for byte in text.bytes() {
                hex.push(char::from(HEX[usize::from(byte >> 4)]));
                hex.push(char::from(HEX[usize::from(byte & 15)]));
            }
            format!("_utf8mb4 X'{hex}'")
        }
        Dialect::Sqlite => format!("'{}'", text.replace('\'', "''")),
    }
}

/// Whether a byte means itself between single quotes for every server setting.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\t') && !matches!(byte, b'\'' | b'\\')
}

/// `text` as a literal, or NULL.
pub(crate) fn optional(dialect: Dialect, text: Option<&str>) -> String {
    text.map_or_else(|| "NULL".to_owned(), |text| literal(dialect, text))
}

/// `name` as a quoted identifier.
pub(crate) fn identifier(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
        Dialect::MySql => format!("`{}`", name.replace('`', "``")),
    }
}

/// `body` as a dollar-quoted PostgreSQL string, with a tag that is not in it.
pub(crate) fn dollar(body: &str) -> String {
    let mut tag = "$migrate$".to_owned();
    let mut n = 0;
    while body.contains(&tag) {
        n += 1;
        tag = format!("$migrate{n}$");
    }
    format!("{tag}{body}{tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_ends_its_literal() {
        assert_eq!(literal(Dialect::Postgres, r"a'b\c"), r"E'a''b\\c'");
        assert_eq!(literal(Dialect::Sqlite, r"a'b\c"), r"'a''b\c'");
        assert_eq!(literal(Dialect::MySql, "a b"), "'a b'");
        assert_eq!(literal(Dialect::MySql, "a'"), "_utf8mb4 X'6127'");
        assert_eq!(literal(Dialect::MySql, "\\"), "_utf8mb4 X'5C'");
        assert_eq!(literal(Dialect::MySql, "ä"), "_utf8mb4 X'C3A4'");
        assert_eq!(identifier(Dialect::Postgres, "a\"b"), "\"a\"\"b\"");
        assert_eq!(identifier(Dialect::MySql, "a`b"), "`a``b`");
        assert_eq!(dollar("x $migrate$ y"), "$migrate1$x $migrate$ y$migrate1$");
    }
}
