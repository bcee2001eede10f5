//! The Cargo workspace around us: its members, where they are, and which of
//! them a command means. Knows what Cargo says, nothing of migrations.

mod discovery;
pub(crate) mod nearest;
mod selection;

use std::path::{Component, Path, PathBuf};

pub use discovery::{Discovery, DiscoveryError};
pub use selection::{Choice, Chosen, Scope, Selection, SelectionError};

/// A Cargo workspace, as `cargo metadata` describes it.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The directory of its root manifest.
    pub root: PathBuf,
    /// `[workspace.metadata]`; null where there is none.
    pub metadata: serde_json::Value,
    /// Its members, in Cargo's order.
    pub members: Vec<Member>,
    /// The member whose directory the command was started in.
    current: Option<usize>,
}

/// A package of the workspace.
#[derive(Debug, Clone)]
pub struct Member {
    /// The package's name.
    pub name: String,
    /// The directory of its manifest.
    pub root: PathBuf,
    /// Its Cargo.toml.
    pub manifest: PathBuf,
    /// `[package.metadata]`; null where there is none.
    pub metadata: serde_json::Value,
}

impl Workspace {
    /// The root manifest.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.root.join("Cargo.toml")
    }

    /// The member in whose directory the command was started, or whose
    /// manifest `--manifest-path` names; none at the workspace's root.
    #[must_use]
    pub fn current(&self) -> Option<&Member> {
        self.current.and_then(|index| self.members.get(index))
    }

    /// The member that holds `path`; of nested ones the inner one.
    #[must_use]
    pub fn member_at(&self, path: &Path) -> Option<&Member> {
        self.innermost(path)
            .and_then(|index| self.members.get(index))
    }

    fn innermost(&self, path: &Path) -> Option<usize> {
        let holding = self
            .members
            .iter()
            .enumerate()
            .filter(|(_, member)| path.starts_with(&member.root));
        holding
            .max_by_key(|(_, member)| member.root.components().count())
            .map(|(index, _)| index)
    }
}

/// `path` as people write it: relative to `base` where it lies within.
#[must_use]
pub fn relative<'p>(path: &'p Path, base: &Path) -> &'p Path {
    match path.strip_prefix(base) {
        Ok(rest) if !rest.as_os_str().is_empty() => rest,
        _ => path,
    }
}

/// The way from one directory to another place; absolute where there is none.
#[must_use]
pub fn from_to(from: &Path, to: &Path) -> PathBuf {
    let common = from
        .components()
        .zip(to.components())
        .take_while(|(one, other)| one == other)
        .count();
    if common == 0 {
        return to.to_owned();
    }
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}
