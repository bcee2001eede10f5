//! The macro's arguments: no path, or some paths as string literals. Without a
//! parser of Rust's grammar, so that a service compiles none for this macro.

use proc_macro::{Delimiter, Literal, Span, TokenStream, TokenTree};

/// Tokens that are no list of paths.
pub(crate) struct Unreadable {
    pub(crate) span: Span,
    pub(crate) message: String,
}

/// The paths, each with the place where it is written.
pub(crate) fn read(input: TokenStream) -> Result<Vec<(String, Span)>, Unreadable> {
    let mut paths = Vec::new();
    let mut tokens = input.into_iter();
    while let Some(token) = tokens.next() {
        let span = token.span();
        let path = literal(token).and_then(|literal| text(&literal.to_string()));
        let path = path.ok_or_else(|| Unreadable {
            span,
            message: "expected the path of a directory as a plain string literal".to_owned(),
        })?;
        paths.push((path, span));
        match tokens.next() {
            Some(TokenTree::Punct(comma)) if comma.as_char() == ',' => {}
            None => break,
            Some(other) => {
                return Err(Unreadable {
                    span: other.span(),
                    message: "expected a comma between two paths".to_owned(),
                });
            }
        }
    }
    Ok(paths)
}

/// The literal, also out of the invisible group that another macro's `$path`
/// puts around it.
fn literal(token: TokenTree) -> Option<Literal> {
    match token {
        TokenTree::Literal(literal) => Some(literal),
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            let mut inner = group.stream().into_iter();
            let only = inner.next()?;
            inner.next().is_none().then(|| literal(only))?
        }
        _ => None,
    }
}

/// What a string literal stands for, as it is written in the source; nothing
/// for other literals and for escapes that no path needs.
pub(crate) fn text(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let (fence, rest) = raw.split_at(hashes);
        let inner = rest.strip_prefix('"')?.strip_suffix(fence)?;
        return inner.strip_suffix('"').map(str::to_owned);
    }
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next().filter(|c| matches!(c, '\\' | '"' | '\''))?),
            c => text.push(c),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_string_literal_stands_for_its_text() {
        let cases = [
            (r#""migrations/sqlite""#, Some("migrations/sqlite")),
            (r#""a\\b\"c""#, Some(r#"a\b"c"#)),
            (r#"r"a\b""#, Some(r"a\b")),
            (r###"r#"a"b"#"###, Some(r#"a"b"#)),
            (r#""""#, Some("")),
        ];
        for (literal, expected) in cases {
            assert_eq!(text(literal).as_deref(), expected, "{literal}");
        }
    }

    #[test]
    fn what_is_no_plain_string_is_nothing() {
        for literal in ["1", "'a'", "b\"a\"", "c\"a\"", r#""\n""#, r#""\u{41}""#] {
            assert_eq!(text(literal), None, "{literal}");
        }
    }
}
