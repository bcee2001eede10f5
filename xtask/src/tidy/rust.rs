//! Just enough of Rust's grammar for tidy: telling code from comments and
//! literals, leaving out tests, and reading paths together with the trees of
//! `use`. Not a parser: code that the compiler refuses may come out wrong.

/// A file's code and comments, each with the other and all literals blanked
/// out, line for line.
#[derive(Debug, Default)]
pub(super) struct Views {
    pub(super) code: String,
    pub(super) comments: String,
}

/// A path such as `std::fs::read`, with its place. The members of
/// `use a::{b, c::d}` come out as `a::b` and `a::c::d`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PathUse {
    pub(super) line: usize,
    pub(super) segments: Vec<String>,
}

/// Splits a file into its code and its comments.
pub(super) fn views(text: &str) -> Views {
    let mut scanner = Scanner {
        chars: text.chars().collect(),
        at: 0,
        views: Views::default(),
    };
    while scanner.at < scanner.chars.len() {
        scanner.step();
    }
    scanner.views
}

/// Blanks out the items under `#[cfg(test)]` in a view of code.
pub(super) fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut rest = code;
    let mut shipped = String::with_capacity(code.len());
    while let Some(start) = rest.find(MARK) {
        let (before, item) = rest.split_at(start);
        shipped.push_str(before);
        let (test, after) = item.split_at(item_length(item));
        shipped.extend(test.chars().map(blank));
        rest = after;
    }
    shipped.push_str(rest);
    shipped
}

/// All paths of at least two segments in a view of code.
pub(super) fn paths(code: &str) -> Vec<PathUse> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if matches!(tokens[at].kind, Kind::Name(_)) {
            at = read_path(&tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// The lines on which a word stands by itself.
pub(super) fn lines_with(view: &str, word: &str) -> Vec<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    view.lines()
        .enumerate()
        .filter(|(_, line)| {
            line.match_indices(word).any(|(start, _)| {
                let before = line[..start].chars().next_back();
                let after = line[start + word.len()..].chars().next();
                let open_start = word.starts_with(is_part) && before.is_some_and(is_part);
                let open_end = word.ends_with(is_part) && after.is_some_and(is_part);
                !open_start && !open_end
            })
        })
        .map(|(index, _)| index + 1)
        .collect()
}

fn blank(c: char) -> char {
    if c == '\n' { c } else { ' ' }
}

/// How far the item goes that starts here: to its closing brace or semicolon.
fn item_length(item: &str) -> usize {
    let mut depth = 0_usize;
    for (index, c) in item.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1;
                }
            }
            ';' if depth == 0 => return index + 1,
            _ => {}
        }
    }
    item.len()
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    views: Views,
}

impl Scanner {
    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => {
                while self.at < self.chars.len() && self.peek(0) != '\n' {
                    self.comment(1);
                }
            }
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', '\\') => {
                self.literal(3);
                while self.at < self.chars.len() && self.peek(0) != '\'' {
                    self.literal(1);
                }
                self.literal(1);
            }
            // A lifetime has no closing quote two characters on.
            ('\'', _) if self.peek(2) == '\'' => self.literal(3),
            (c, _) if is_name_start(c) => self.name(),
            _ => self.code(1),
        }
    }

    /// The character so many places ahead; NUL past the end.
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn code(&mut self, count: usize) {
        self.take(count, |views, c| {
            views.code.push(c);
            views.comments.push(blank(c));
        });
    }

    fn comment(&mut self, count: usize) {
        self.take(count, |views, c| {
            views.code.push(blank(c));
            views.comments.push(c);
        });
    }

    fn literal(&mut self, count: usize) {
        self.take(count, |views, c| {
            views.code.push(blank(c));
            views.comments.push(blank(c));
        });
    }

    fn take(&mut self, count: usize, mut push: impl FnMut(&mut Views, char)) {
        let end = (self.at + count).min(self.chars.len());
        for &c in &self.chars[self.at..end] {
            push(&mut self.views, c);
        }
        self.at = end;
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    depth += 1;
                    self.comment(2);
                }
                ('*', '/') => {
                    depth -= 1;
                    self.comment(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.comment(1),
            }
        }
    }

    fn string(&mut self) {
        self.literal(1);
        while self.at < self.chars.len() {
            match self.peek(0) {
                '\\' => self.literal(2),
                '"' => return self.literal(1),
                _ => self.literal(1),
            }
        }
    }

    /// A name, or the prefix of a literal such as `br#"…"#`.
    fn name(&mut self) {
        let length = self.chars[self.at..]
            .iter()
            .take_while(|c| is_name_part(**c))
            .count();
        let name: String = self.chars[self.at..self.at + length].iter().collect();
        self.code(length);
        if !matches!(name.as_str(), "r" | "br" | "cr") {
            return;
        }
        let hashes = self.chars[self.at..]
            .iter()
            .take_while(|c| **c == '#')
            .count();
        if self.peek(hashes) != '"' {
            return;
        }
        self.literal(hashes + 1);
        while self.at < self.chars.len() {
            let closes = self.peek(0) == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == '#');
            if closes {
                return self.literal(hashes + 1);
            }
            self.literal(1);
        }
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[derive(Debug)]
struct Token<'a> {
    line: usize,
    kind: Kind<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind<'a> {
    Name(&'a str),
    Separator,
    Star,
    Open,
    Close,
    Other,
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let length = if is_name_start(c) {
            rest.find(|c| !is_name_part(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            c.len_utf8()
        };
        let (text, after) = rest.split_at(length);
        let kind = match text {
            "::" => Some(Kind::Separator),
            "*" => Some(Kind::Star),
            "{" => Some(Kind::Open),
            "}" => Some(Kind::Close),
            _ if is_name_start(c) => Some(Kind::Name(text)),
            _ if c.is_whitespace() => None,
            _ => Some(Kind::Other),
        };
        tokens.extend(kind.map(|kind| Token { line, kind }));
        line += usize::from(c == '\n');
        rest = after;
    }
    tokens
}

/// Reads the path that starts at this name and returns where it ends.
fn read_path(
    tokens: &[Token<'_>],
    start: usize,
    prefix: &[String],
    found: &mut Vec<PathUse>,
) -> usize {
    let line = tokens[start].line;
    let mut segments = prefix.to_vec();
    let mut at = start;
    if let Kind::Name(name) = tokens[at].kind {
        segments.push(name.to_owned());
        at += 1;
    }
    while tokens.get(at).map(|token| &token.kind) == Some(&Kind::Separator) {
        match tokens.get(at + 1).map(|token| &token.kind) {
            Some(Kind::Name(name)) => segments.push((*name).to_owned()),
            Some(Kind::Star) => segments.push("*".to_owned()),
            Some(Kind::Open) => return read_group(tokens, at + 2, &segments, found),
            _ => break,
        }
        at += 2;
    }
    if segments.len() > 1 {
        found.push(PathUse { line, segments });
    }
    at
}

/// Reads the members of a `use` group up to its closing brace.
fn read_group(
    tokens: &[Token<'_>],
    start: usize,
    prefix: &[String],
    found: &mut Vec<PathUse>,
) -> usize {
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Close => return at + 1,
            // The new name in `a as b` is no path.
            Kind::Name("as") => at += 2,
            Kind::Name(_) => at = read_path(tokens, at, prefix, found),
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str) -> Vec<String> {
        paths(code)
            .into_iter()
            .map(|path| path.segments.join("::"))
            .collect()
    }

    #[test]
    fn literals_and_comments_are_not_code() {
        let text = "a(\"x // y\", 'b', r#\"c\"d\"#); // e\n/* f /* g */ h */ i<'j>('\\n', b\"k\")";
        let views = views(text);
        let code: Vec<&str> = views.code.split_whitespace().collect();
        assert_eq!(code, ["a(", ",", ",", "r", ");", "i<'j>(", ",", "b", ")"]);
        let comments: Vec<&str> = views.comments.split_whitespace().collect();
        assert_eq!(comments, ["//", "e", "/*", "f", "/*", "g", "*/", "h", "*/"]);
        assert_eq!(views.code.lines().count(), text.lines().count());
    }

    #[test]
    fn the_trees_of_use_are_unfolded() {
        let code = "use std::{fs, io::{self, Read as R}, collections::*};\nlet a = ::std::env::var::<X>(b);";
        assert_eq!(
            found(code),
            [
                "std::fs",
                "std::io::self",
                "std::io::Read",
                "std::collections::*",
                "std::env::var"
            ]
        );
        assert_eq!(paths(code)[4].line, 2);
    }

    #[test]
    fn tests_are_left_out_and_lines_are_kept() {
        let code = "a;\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\n#[cfg(test)] use c;\nd;";
        let shipped = without_tests(code);
        assert_eq!(shipped.split_whitespace().collect::<Vec<_>>(), ["a;", "d;"]);
        assert_eq!(lines_with(&shipped, "d"), [7]);
    }

    #[test]
    fn a_word_inside_another_is_not_found() {
        assert_eq!(lines_with("eprintln!()\nprintln!()", "println!"), [2]);
    }
}
