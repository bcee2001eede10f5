//! SQLite's files: the path in a `file:` URI, and where a path really leads.

use std::path::{Path, PathBuf};

use super::decode;

/// How many links are followed: the kernel's own limit on Linux.
const MAX_LINKS: usize = 40;

/// Everything in a path that a URI reads as something else.
const URI_PATH: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'%')
    .add(b'?')
    .add(b'#');

/// The `file:` URI of a path, without a query.
pub(crate) fn uri(path: &Path) -> String {
    let path = path.to_string_lossy();
    let encoded = percent_encoding::utf8_percent_encode(&path, URI_PATH).to_string();
    if cfg!(windows) && path.get(1..2) == Some(":") {
        return format!("file:///{}", encoded.replace('\\', "/"));
    }
    // Two slashes at the beginning would make the first name a host.
    format!("file:{encoded}")
}

/// The path and the rest, from its `?` or `#`, of a URI without `file:`.
pub(super) fn split_uri(uri: &str) -> (&str, &str) {
    uri.split_at(uri.find(['?', '#']).unwrap_or(uri.len()))
}

/// The file that a client's text names; none in memory.
pub(super) fn path_of(text: &str) -> Option<PathBuf> {
    let Some(uri) = text.strip_prefix("file:") else {
        return (text != ":memory:").then(|| PathBuf::from(text));
    };
    let (path, rest) = split_uri(uri);
    let query = rest.split('#').next().unwrap_or_default();
    let mut pairs = query.trim_start_matches('?').split('&');
    if path.is_empty() || path == ":memory:" || pairs.any(|pair| pair == "mode=memory") {
        return None;
    }
    let path = path
        .strip_prefix("//localhost")
        .or_else(|| path.strip_prefix("//"))
        .unwrap_or(path);
    Some(PathBuf::from(decode(one_slash(path))))
}

/// `path` with one slash where it begins with several, as in SQLAlchemy's
/// `sqlite:////abs/x.db`.
pub(super) fn one_slash(path: &str) -> &str {
    let rest = path.trim_start_matches('/');
    match path.len() - rest.len() {
        0 | 1 => path,
        slashes => &path[slashes - 1..],
    }
}

/// The file's real path, also where it does not exist yet: links to one file
/// are one database.
pub(crate) fn canonical(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        if let Ok(real) = path.canonicalize() {
            return real;
        }
        // SQLite makes the file that a dangling link points at.
        match std::fs::read_link(&path) {
            Ok(to) => path = parent(&path).join(to),
            Err(_) => break,
        }
    }
    match path.file_name() {
        Some(name) => parent(&path)
            .canonicalize()
            .unwrap_or_else(|_| parent(&path).to_owned())
            .join(name),
        None => path,
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
