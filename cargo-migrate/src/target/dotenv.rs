//! `.env` files: read into a map of their own. The process's environment stays
//! as it is: with services in parallel, one's variables are not another's.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a `.env` file could not be used. Holds no line of it: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DotenvError {
    /// The file system says no.
    #[error("{} cannot be read: {kind}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
    /// A line that is no assignment.
    #[error("{}:{line} cannot be parsed, expected NAME=value", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
}

/// The variables of a `.env` file.
#[derive(Debug, Clone, Default)]
struct Variables {
    values: BTreeMap<String, String>,
    /// A mistake in the file: of interest only if no variable is found.
    mistake: Option<DotenvError>,
}

/// The `.env` files of a workspace, each read once.
#[derive(Debug, Default)]
pub(super) struct Dotenv {
    files: HashMap<PathBuf, Variables>,
}

/// What a `.env` file says about a variable.
pub(super) enum Lookup {
    Set(String),
    Unset,
    /// Not set, as far as the file could be read.
    Mistake(DotenvError),
}

impl Dotenv {
    /// Looks for `variable` in the file at `path`. Empty is not set.
    pub(super) fn lookup(&mut self, path: &Path, variable: &str) -> Lookup {
        let file = self
            .files
            .entry(path.to_owned())
            .or_insert_with(|| read(path));
        match (file.values.get(variable), &file.mistake) {
            (Some(value), _) if !value.trim().is_empty() => Lookup::Set(value.clone()),
            (_, Some(mistake)) => Lookup::Mistake(mistake.clone()),
            (_, None) => Lookup::Unset,
        }
    }
}

fn read(path: &Path) -> Variables {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Variables::default(),
        Err(error) => {
            let mistake = DotenvError::Read {
                path: path.to_owned(),
                kind: error.kind(),
            };
            return Variables {
                mistake: Some(mistake),
                ..Variables::default()
            };
        }
    };
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let mut variables = Variables::default();
    for item in dotenvy::Iter::new(text) {
        match item {
            // The first of two counts, as for everyone who uses dotenv.
            Ok((name, value)) => {
                variables.values.entry(name).or_insert(value);
            }
            Err(error) => {
                variables
                    .mistake
                    .get_or_insert_with(|| mistake(path, text, &error));
                if matches!(error, dotenvy::Error::Io(_)) {
                    break;
                }
            }
        }
    }
    variables
}

fn mistake(path: &Path, text: &[u8], error: &dotenvy::Error) -> DotenvError {
    let path = path.to_owned();
    match error {
        dotenvy::Error::LineParse(line, _) => {
            let text = String::from_utf8_lossy(text);
            let before = text.find(line.trim_end()).map_or("", |at| &text[..at]);
            DotenvError::Line {
                path,
                line: before.matches('\n').count() + 1,
            }
        }
        dotenvy::Error::Io(error) => DotenvError::Read {
            path,
            kind: error.kind(),
        },
        _ => DotenvError::Read {
            path,
            kind: io::ErrorKind::InvalidData,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(text: &str, variable: &str) -> Result<Option<String>, DotenvError> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".env");
        fs::write(&path, text).unwrap();
        match Dotenv::default().lookup(&path, variable) {
            Lookup::Set(value) => Ok(Some(value)),
            Lookup::Unset => Ok(None),
            Lookup::Mistake(DotenvError::Line { line, .. }) => Err(DotenvError::Line {
                path: PathBuf::new(),
                line,
            }),
            Lookup::Mistake(other) => Err(other),
        }
    }

    #[test]
    fn the_first_assignment_counts_and_an_empty_one_is_none() {
        assert_eq!(
            lookup("\u{feff}A=1\nexport B='x y' # c\nA=2\n", "A"),
            Ok(Some("1".into()))
        );
        assert_eq!(
            lookup("A=1\nexport B='x y' # c\n", "B"),
            Ok(Some("x y".into()))
        );
        assert_eq!(lookup("A=\nB=\"\"\n", "A"), Ok(None));
        assert_eq!(lookup("A=\nB=\"\"\n", "B"), Ok(None));
    }

    #[test]
    fn a_mistake_counts_only_where_the_variable_is_missing() {
        let text = "A=1\nthis is no assignment s3cret\nB=2\n";
        assert_eq!(lookup(text, "B"), Ok(Some("2".into())));
        let error = lookup(text, "C").unwrap_err();
        assert_eq!(
            error,
            DotenvError::Line {
                path: PathBuf::new(),
                line: 2
            }
        );
        assert!(!error.to_string().contains("s3cret"));
    }
}
