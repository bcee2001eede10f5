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

impl DotenvError {
    /// What to do about it.
    pub(super) fn help(&self) -> &'static str {
        match self {
            Self::Read { .. } => "make the file readable UTF-8, or remove it",
            Self::Line { .. } => "quote the value in '…'",
        }
    }
}

/// The variables of a `.env` file.
#[derive(Debug, Clone, Default)]
struct Variables {
    values: BTreeMap<String, Value>,
    /// How many lines begin with a name, whether they could be parsed or not.
    lines: BTreeMap<String, usize>,
    /// The first mistake in the file.
    mistake: Option<DotenvError>,
}

/// What a variable was given.
#[derive(Debug, Clone)]
struct Value {
    /// The first text: as for everyone who uses dotenv, that one counts.
    text: String,
    /// How many assignments could be parsed.
    count: usize,
    /// Whether there was a mistake before the first.
    is_late: bool,
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
    /// It may be set, where the file cannot be read.
    Hidden(DotenvError),
    /// Not set, and a mistake elsewhere in the file.
    Mistake(DotenvError),
}

impl Dotenv {
    /// Looks for `variable` in the file at `path`. Empty is not set.
    pub(super) fn lookup(&mut self, path: &Path, variable: &str) -> Lookup {
        let file = self
            .files
            .entry(path.to_owned())
            .or_insert_with(|| read(path));
        let value = file.values.get(variable);
        let set = value.filter(|value| !value.text.trim().is_empty());
        match (set, &file.mistake) {
            (Some(value), None) => Lookup::Set(value.text.clone()),
            (Some(value), Some(_)) if !value.is_late => Lookup::Set(value.text.clone()),
            (_, Some(mistake)) if file.may_hide(variable, mistake) => {
                Lookup::Hidden(mistake.clone())
            }
            (Some(value), Some(_)) => Lookup::Set(value.text.clone()),
            (None, Some(mistake)) => Lookup::Mistake(mistake.clone()),
            (None, None) => Lookup::Unset,
        }
    }
}

impl Variables {
    /// Whether `variable` may be set where `mistake` is: where the file ends
    /// for us, or in a line that begins with its name and was not parsed, be
    /// it only that an open quote before it swallowed the line.
    fn may_hide(&self, variable: &str, mistake: &DotenvError) -> bool {
        let parsed = self.values.get(variable).map_or(0, |value| value.count);
        match mistake {
            DotenvError::Read { .. } => true,
            DotenvError::Line { .. } => self.lines.get(variable).is_some_and(|n| *n > parsed),
        }
    }
}

fn read(path: &Path) -> Variables {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        // A link that leads nowhere is no missing file: somebody meant one.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            return Variables::default();
        }
        // Python's tools make virtual environments of that name.
        Err(_) if path.is_dir() => return Variables::default(),
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
    for line in String::from_utf8_lossy(text).lines() {
        if let Some(name) = name(line) {
            *variables.lines.entry(name.to_owned()).or_default() += 1;
        }
    }
    for item in dotenvy::Iter::new(text) {
        match item {
            Ok((name, text)) => {
                let value = variables.values.entry(name).or_insert(Value {
                    text,
                    count: 0,
                    is_late: variables.mistake.is_some(),
                });
                value.count += 1;
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

/// The name that a line begins with.
fn name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with(char::is_whitespace) => rest.trim_start(),
        _ => line,
    };
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
    let name = &line[..end.unwrap_or(line.len())];
    (!name.is_empty()).then_some(name)
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
            Lookup::Hidden(DotenvError::Line { .. }) => Ok(Some("hidden".into())),
            Lookup::Hidden(other) | Lookup::Mistake(other) => Err(other),
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

    #[test]
    fn a_mistake_that_may_hide_the_variable_is_told_from_one_that_cannot() {
        let hidden = Ok(Some("hidden".into()));
        for text in [
            "X=a b\n",
            "  export X = a b\n",
            "X a\n",
            "X='a\nB=c\n",
            // The open quote swallows what follows.
            "B=\"c\nX=a\n",
            "X=a b\nX=c\n",
            "A=a b\nX=\nX=c d\n",
        ] {
            assert_eq!(lookup(text, "X"), hidden, "{text}");
        }
        assert_eq!(lookup("X=a\nX=b c\n", "X"), Ok(Some("a".into())));
        assert_eq!(lookup("B=b c\nX=a\n", "X"), Ok(Some("a".into())));
        for text in ["X_Y=a b\n", "# X=a\nB=a b\n", "AX=a b\n", "B=a b\nX=\n"] {
            assert!(lookup(text, "X").is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_hides_everything_and_a_directory_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".env");
        fs::write(&path, b"A=1\nB=\xff\nX=1\n").unwrap();
        let mut files = Dotenv::default();
        assert!(matches!(files.lookup(&path, "A"), Lookup::Set(_)));
        assert!(matches!(files.lookup(&path, "X"), Lookup::Hidden(_)));
        assert!(matches!(files.lookup(home.path(), "X"), Lookup::Unset));
        let nothing = home.path().join("nothing");
        assert!(matches!(files.lookup(&nothing, "X"), Lookup::Unset));
        #[cfg(unix)]
        {
            let link = home.path().join("link");
            std::os::unix::fs::symlink("nowhere", &link).unwrap();
            assert!(matches!(files.lookup(&link, "X"), Lookup::Hidden(_)));
        }
    }
}
