//! The files that tidy looks at: what git tracks or would track, as text.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use super::rust::{self, Views};

/// A text file of the workspace.
#[derive(Debug)]
pub(super) struct Source {
    /// Relative to the workspace's root, with forward slashes.
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    /// Whether the rules for our own Rust code apply; fixtures are samples of
    /// other people's.
    pub(super) fn is_our_rust(&self) -> bool {
        self.path.ends_with(".rs") && !self.path.starts_with("fixtures/")
    }

    /// The file's code and comments apart.
    pub(super) fn views(&self) -> Views {
        rust::views(&self.text)
    }

    /// The code that is compiled outside of tests.
    pub(super) fn shipped_code(&self) -> String {
        if self.path.ends_with("/tests.rs") || self.path.contains("/tests/") {
            return String::new();
        }
        rust::without_tests(&self.views().code)
    }
}

/// Reads every file; those that aren't text are left out.
pub(super) fn read(root: &Path) -> Result<Vec<Source>> {
    let mut paths = tracked(root).or_else(|_| walked(root))?;
    paths.sort();
    paths.dedup();
    let mut sources = Vec::new();
    for path in paths {
        let file = root.join(&path);
        // Links point at files that are listed themselves; what git still
        // tracks may already be deleted.
        let is_file = fs::symlink_metadata(&file).is_ok_and(|metadata| metadata.is_file());
        if !is_file {
            continue;
        }
        let bytes = fs::read(&file).with_context(|| format!("failed to read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path, text });
        }
    }
    if sources.is_empty() {
        bail!("found no files under {}", root.display());
    }
    Ok(sources)
}

fn tracked(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .context("failed to start git")?;
    if !output.status.success() {
        bail!("git ls-files ended with {}", output.status);
    }
    let names = String::from_utf8(output.stdout).context("a file's name is not UTF-8")?;
    Ok(names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(String::from)
        .collect())
}

/// For a source archive, which has no git repository.
fn walked(root: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    let entries = WalkDir::new(root)
        .into_iter()
        .filter_entry(|entry| entry.file_name() != "target" && entry.file_name() != ".git");
    for entry in entries {
        let entry = entry?;
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(root)?;
            paths.push(path.to_string_lossy().replace('\\', "/"));
        }
    }
    Ok(paths)
}

/// A source for the checks' own tests.
#[cfg(test)]
pub(super) fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_code_is_not_shipped() {
        let inline = source("a/src/b.rs", "use x;\n#[cfg(test)]\nmod tests { use y; }\n");
        assert!(inline.shipped_code().contains("use x"));
        assert!(!inline.shipped_code().contains("use y"));
        assert_eq!(source("a/src/b/tests.rs", "use z;").shipped_code(), "");
    }

    #[test]
    fn an_archive_without_git_is_walked() {
        let root = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir_all(root.path().join("target")).expect("a directory");
        fs::create_dir_all(root.path().join("src")).expect("a directory");
        fs::write(root.path().join("target/x.rs"), "").expect("a file");
        fs::write(root.path().join("src/lib.rs"), "").expect("a file");
        assert_eq!(walked(root.path()).expect("files"), ["src/lib.rs"]);
    }
}
