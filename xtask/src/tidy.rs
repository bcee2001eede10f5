//! `cargo xtask tidy`: the rules of this code base that the compiler doesn't
//! know, each a function from the sources to its findings. All findings are
//! printed, not only the first.

mod arrows;
mod machine;
mod manifest;
mod purity;
mod rust;
mod shape;
mod sources;

use std::fmt;

use anyhow::{Result, bail};

use crate::cargo;
use sources::Source;

/// A broken rule, at its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// Relative to the workspace's root, with forward slashes.
    file: String,
    line: usize,
    weight: Weight,
    message: String,
}

/// Whether a finding fails the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Error,
    Warning,
}

/// Checks everything and prints what was found.
pub(crate) fn run() -> Result<()> {
    let root = cargo::workspace_root()?;
    let sources = sources::read(&root)?;
    let members = cargo::members(&root)?;

    let mut findings = Vec::new();
    findings.extend(arrows::between_crates(&members, &root));
    findings.extend(arrows::between_modules(&sources));
    findings.extend(arrows::printing(&sources));
    findings.extend(purity::pure_modules(&sources));
    findings.extend(shape::opening(&sources));
    findings.extend(shape::length(&sources));
    findings.extend(shape::names(&sources));
    findings.extend(shape::attributes(&sources));
    findings.extend(shape::unfinished(&sources));
    findings.extend(manifest::inherited_lints(&sources, &members, &root));
    findings.extend(machine::paths(&sources));
    findings.extend(machine::registries(&sources));
    findings.sort();

    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings
        .iter()
        .filter(|finding| finding.weight == Weight::Error)
        .count();
    if errors > 0 {
        bail!("tidy found {errors} broken rules");
    }
    println!("tidy: {} files are in order", sources.len());
    Ok(())
}

impl Finding {
    fn error(source: &Source, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: source.path.clone(),
            line,
            weight: Weight::Error,
            message: message.into(),
        }
    }

    fn warning(source: &Source, line: usize, message: impl Into<String>) -> Self {
        Self {
            weight: Weight::Warning,
            ..Self::error(source, line, message)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
        };
        write!(f, "{}:{}: {weight}: {}", self.file, self.line, self.message)
    }
}
