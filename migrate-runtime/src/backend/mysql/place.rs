//! Where in a statement a server's message points: at the text that it quotes
//! after "near", or at the one name that it mentions. Reads messages in
//! English only; where they leave a doubt nothing is claimed.

use migrate_core::{Dialect, Token, TokenKind, tokenize};

/// The bytes of the text after "near": servers cut it there, and MariaDB sets
/// three dots.
const NEAR: usize = 80;

/// The byte of `statement` that `message` points at. The statement may stand
/// among others in what was sent: servers count its lines from its own first.
pub(super) fn offset(statement: &str, message: &str) -> Option<usize> {
    match syntax_error(message) {
        Some((near, line)) => near_offset(statement, near, line),
        None => named_offset(statement, &name(message)?),
    }
}

/// `near 'TEXT' at line N`
fn syntax_error(message: &str) -> Option<(&str, usize)> {
    let (_, rest) = message.split_once("to use near '")?;
    let (near, line) = rest.rsplit_once("' at line ")?;
    Some((near, line.trim_end().parse().ok()?))
}

fn near_offset(statement: &str, near: &str, line: usize) -> Option<usize> {
    let end = statement.trim_end().len();
    if near.is_empty() {
        return Some(end);
    }
    let cut = near.len() >= NEAR || near.chars().count() >= NEAR;
    let near = if cut {
        near.strip_suffix("...").unwrap_or(near)
    } else {
        near
    };
    let found: Vec<usize> = statement
        .char_indices()
        .map(|(at, _)| at)
        .chain([end])
        .filter(|&at| at <= end && agrees(&statement[at..end], near, cut))
        .collect();
    // All but the end of a cut text can be found only once; of several places
    // the longer agreement is the first. Its line tells those of a cut one.
    match found[..] {
        [] => None,
        [only] => Some(only),
        [first, ..] if !cut => Some(first),
        _ => {
            let of_line = |&at: &usize| line_of(statement, at) == line;
            let mut there = found.iter().copied().filter(of_line);
            there.next().filter(|_| there.next().is_none())
        }
    }
}

/// Whether `near` begins with the rest of the statement, as far as it goes.
fn agrees(rest: &str, near: &str, cut: bool) -> bool {
    let mut quoted = near.chars();
    for character in rest.chars() {
        match quoted.next() {
            Some(same) if same == character => {}
            // The message is in a smaller character set than the statement.
            Some('?') if !character.is_ascii() => {}
            None => return cut,
            Some(_) => return false,
        }
    }
    // What follows is the next statement of the packet.
    let after = quoted.as_str().trim_start();
    after.is_empty() || after.starts_with(';')
}

/// The line as the servers count: newlines in quotes are none to them.
fn line_of(statement: &str, offset: usize) -> usize {
    let newlines = |token: Token| {
        let text = &statement[token.range.start..token.range.end.min(offset)];
        text.bytes().filter(|&byte| byte == b'\n').count()
    };
    1 + tokenize(statement, Dialect::MySql)
        .take_while(|token| token.range.start < offset)
        .filter(|token| !matches!(token.kind, TokenKind::String | TokenKind::QuotedIdentifier))
        .map(newlines)
        .sum::<usize>()
}

/// The name that the message is about, in its parts.
fn name(message: &str) -> Option<Vec<String>> {
    let name = quoted_name(message).or_else(|| bare_name(message))?;
    let parts: Vec<String> = name
        .split(',')
        .next()?
        .split('.')
        .map(|part| part.trim_matches('`').to_owned())
        .collect();
    parts.iter().all(|part| !part.is_empty()).then_some(parts)
}

fn quoted_name(message: &str) -> Option<&str> {
    let mut names = Quoted { message, at: 0 };
    // These quote a value, and then the key or column.
    if message.starts_with("Duplicate entry") || message.starts_with("Incorrect ") {
        names.next()?;
    }
    match message.split_once("CONSTRAINT `") {
        Some((before, _)) => {
            names.at = before.len();
            names.next()
        }
        None => names.next(),
    }
}

/// `PROCEDURE a.b does not exist`, `Undefined CURSOR: a`
fn bare_name(message: &str) -> Option<&str> {
    let routine = ["PROCEDURE ", "FUNCTION "]
        .iter()
        .find_map(|kind| message.strip_prefix(kind))
        .filter(|rest| rest.ends_with(" does not exist") || rest.ends_with(" already exists"));
    let word = match routine {
        Some(rest) => rest.split(' ').next()?,
        None => message.rsplit_once(": ")?.1,
    };
    (!word.contains(char::is_whitespace)).then_some(word)
}

/// What a message has in quotes: `'a'`, or `` `a`.`b` ``. The apostrophe of
/// "doesn't" is none.
struct Quoted<'m> {
    message: &'m str,
    at: usize,
}

impl<'m> Iterator for Quoted<'m> {
    type Item = &'m str;

    fn next(&mut self) -> Option<&'m str> {
        let bytes = self.message.as_bytes();
        let part_of_word = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
        let opens = |at: usize| match bytes[at] {
            b'`' => true,
            b'\'' => at == 0 || !part_of_word(at - 1),
            _ => false,
        };
        let open = (self.at..bytes.len()).find(|&at| opens(at))?;
        let quote = bytes[open];
        let closes = |at: usize| match quote {
            // Between the parts of a name.
            b'`' => bytes[at] == b'`' && bytes.get(at + 1) != Some(&b'.') && bytes[at - 1] != b'.',
            _ => bytes[at] == b'\'' && !part_of_word(at + 1),
        };
        let close = (open + 1..bytes.len()).find(|&at| closes(at))?;
        self.at = close + 1;
        Some(&self.message[open + 1..close])
    }
}

/// The token that is the name's last part, if it is the only one, or the only
/// one after the part before.
fn named_offset(statement: &str, name: &[String]) -> Option<usize> {
    let (last, before) = name.split_last()?;
    let tokens: Vec<Token> = tokenize(statement, Dialect::MySql)
        .filter(|token| !token.is_blank())
        .collect();
    let text = |token: &Token| &statement[token.range.clone()];
    let is = |token: &Token, name: &str| match token.kind {
        TokenKind::Word => text(token).eq_ignore_ascii_case(name),
        TokenKind::QuotedIdentifier => text(token)
            .trim_matches('`')
            .replace("``", "`")
            .eq_ignore_ascii_case(name),
        _ => false,
    };
    let found: Vec<usize> = (0..tokens.len())
        .filter(|&n| is(&tokens[n], last))
        .collect();
    let qualified = |&&n: &&usize| {
        before.last().is_some_and(|schema| {
            n >= 2 && text(&tokens[n - 1]) == "." && is(&tokens[n - 2], schema)
        })
    };
    let only = match found[..] {
        [only] => only,
        _ => {
            let mut there = found.iter().filter(qualified);
            *there.next().filter(|_| there.next().is_none())?
        }
    };
    Some(tokens[only].range.start)
}

#[cfg(test)]
mod tests;
