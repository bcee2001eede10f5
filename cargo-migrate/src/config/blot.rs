//! Passwords blotted out of what others wrote: lines of manifests, Cargo's
//! complaints, a command's. Each character becomes one `*`, so that columns
//! stay where they are; too much is blotted rather than too little.

use std::ops::Range;

/// The keys whose values are secrets as a whole.
const SECRET_KEYS: [&str; 3] = ["default-url", "database-url", "database-url-command"];

/// What the name of a secret's variable or parameter ends in.
const SECRET_NAMES: [&str; 5] = ["password", "passwd", "pwd", "secret", "token"];

/// What [`blot_credentials`] blots out, and what follows the key of a URL in a
/// line of a manifest that cannot be parsed.
pub(crate) fn blot_passwords(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        let line = blot_assignments(line, |name, value| {
            // To the end: in such a line the quotes say nothing.
            is_secret_key(name).then_some(value.len())
        });
        blot_credentials(&line) + end
    });
    lines.collect()
}

/// Blots out `user:password` in `scheme://user:password@…` and in words like
/// `user:password@…`, and the values of `password=…`, in one line.
pub(super) fn blot_credentials(line: &str) -> String {
    let line = blot_words(&blot_urls(line));
    blot_assignments(&line, |name, value| {
        let name = name.to_ascii_lowercase();
        let is_secret = SECRET_NAMES.iter().any(|secret| name.ends_with(secret));
        is_secret.then(|| value_length(value))
    })
}

/// Whether `name` ends in such a key, also in a usual misspelling.
pub(super) fn is_secret_key(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    SECRET_KEYS.iter().any(|key| name.ends_with(key))
}

/// Puts `*` for every character in `range`.
pub(super) fn blot(text: &str, range: Range<usize>) -> String {
    let stars: String = text[range.clone()].chars().map(|_| '*').collect();
    format!("{}{stars}{}", &text[..range.start], &text[range.end..])
}

fn blot_urls(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        out.push_str(before);
        let end = next_url(after);
        let userinfo = match after[..end].rfind('@') {
            // No host, so no user: `file:///…`, and Cargo's package ids.
            _ if after.starts_with('/') => 0,
            // A password may hold any of `/?#:@`, a quote or a space, encoded
            // or not: what counts is the last `@` before the next URL.
            Some(at) if after[..at].contains(':') => at,
            Some(_) => {
                let authority = after.find(['/', ' ']).unwrap_or(end);
                after[..authority].rfind('@').unwrap_or(0)
            }
            None => 0,
        };
        out.extend(after[..userinfo].chars().map(|_| '*'));
        rest = &after[userinfo..];
    }
    out.push_str(rest);
    out
}

/// Where another URL begins, behind white space; else the end.
fn next_url(text: &str) -> usize {
    let url = text
        .match_indices("://")
        .find(|(at, _)| text[..*at].contains(char::is_whitespace));
    let Some((at, _)) = url else {
        return text.len();
    };
    text[..at].rfind(char::is_whitespace).unwrap_or(at)
}

fn blot_words(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for word in line.split_inclusive(char::is_whitespace) {
        let secret = match (word.find(':'), word.rfind('@')) {
            (Some(colon), Some(at)) if colon < at && !word.contains("://") => colon + 1..at,
            _ => 0..0,
        };
        out.push_str(&blot(word, secret));
    }
    out
}

/// Blots out as much of each value as `secret` says for its name.
fn blot_assignments(line: &str, secret: impl Fn(&str, &str) -> Option<usize>) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(sign) = rest.find('=') {
        let (before, after) = rest.split_at(sign + 1);
        out.push_str(before);
        let value = after.trim_start();
        out.push_str(&after[..after.len() - value.len()]);
        let name = before[..sign].trim_end().trim_end_matches(['"', '\'']);
        let length = secret(name, value).unwrap_or(0);
        out.push_str(&blot(&value[..length], 0..length));
        rest = &value[length..];
    }
    out.push_str(rest);
    out
}

/// The length of a value that may be quoted, in quotes that may be left open.
fn value_length(text: &str) -> usize {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => text[1..]
            .find(quote)
            .map_or(text.len(), |closing| closing + 2),
        _ => text
            .find(|c: char| c.is_whitespace() || c == '&')
            .unwrap_or(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_blotted_out_in_place() {
        for (text, expected) in [
            ("x = 'a://u:p@h' # b://h/", "x = 'a://***@h' # b://h/"),
            ("a://u:p@ss@h", "a://******@h"),
            ("a://u:p'q@h b://v:r@h", "a://*****@h b://***@h"),
            ("x = \"a://u:p q@h", "x = \"a://*****@h"),
            ("a://u:b://p@h", "a://*******@h"),
            ("a://token@h/x", "a://*****@h/x"),
            ("tried me:s3cret@host, no", "tried me:******@host, no"),
            ("1\nPGPASSWORD=s3cret x\n", "1\nPGPASSWORD=****** x\n"),
            ("host=h password = 'a b' x", "host=h password = ***** x"),
            ("password='a b", "password=****"),
            ("a://h/d?password=p&x=y", "a://h/d?password=*&x=y"),
            ("8 | default-url = \"u p", "8 | default-url = ****"),
            // What only looks like it.
            (
                "path+file:///a:b/c#d@0.1.0 is not there",
                "path+file:///a:b/c#d@0.1.0 is not there",
            ),
            (
                "registry+https://h/index#serde@1.0.0",
                "registry+https://h/index#serde@1.0.0",
            ),
            (" --> a/Cargo.toml:7:1", " --> a/Cargo.toml:7:1"),
        ] {
            assert_eq!(blot_passwords(text), expected, "{text}");
        }
    }

    #[test]
    fn blotting_keeps_columns_whatever_the_text() {
        for text in [
            "ä://ü:ö@h 'password=ä\"='",
            "password=password=x default-url=token=\u{1F600}",
            "=@:=://@:= password=",
            "a\r\nb\n\n",
        ] {
            let shown = blot_passwords(text);
            assert_eq!(shown.chars().count(), text.chars().count(), "{shown}");
        }
    }
}
