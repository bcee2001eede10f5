//! Literals and identifiers inside SQL text. The batches that we send carry
//! their values in their text, because a batch has no parameters; this is the
//! one place where a value becomes text.

use migrate_core::Dialect;

/// `text` as a string literal that no setting of the server changes.
pub(crate) fn literal(dialect: Dialect, text: &str) -> String {
    match dialect {
        // E'' reads backslashes whatever standard_conforming_strings says.
        Dialect::Postgres => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        // Hexadecimal: NO_BACKSLASH_ESCAPES decides what '\' means elsewhere.
        Dialect::MySql => {
            let hex: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
            format!("CONVERT(X'{hex}' USING utf8mb4)")
        }
        Dialect::Sqlite => format!("'{}'", text.replace('\'', "''")),
    }
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
        assert_eq!(
            literal(Dialect::MySql, "a'"),
            "CONVERT(X'6127' USING utf8mb4)"
        );
        assert_eq!(identifier(Dialect::Postgres, "a\"b"), "\"a\"\"b\"");
        assert_eq!(identifier(Dialect::MySql, "a`b"), "`a``b`");
        assert_eq!(dollar("x $migrate$ y"), "$migrate1$x $migrate$ y$migrate1$");
    }
}
