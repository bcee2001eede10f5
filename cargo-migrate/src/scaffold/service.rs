//! `init`: a member of the workspace becomes a service with migrations. Asks
//! first what is there already, so that a second run changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use migrate_core::{Dialect, head};

use super::migration::existing_in;
use super::staging::Staging;
use super::{ScaffoldError, manifest};
use crate::config::{Layout, Service};
use crate::workspace::Member;

/// What a member gets.
#[derive(Debug, Clone)]
pub struct NewService {
    /// How the service's library comes into the manifest.
    pub runtime: RuntimeDependency,
    /// The backend to write into the configuration; the URL decides where none
    /// is given.
    pub backend: Option<Dialect>,
}

/// The dependency on migrate-runtime.
#[derive(Debug, Clone)]
pub struct RuntimeDependency {
    /// Where it comes from.
    pub source: RuntimeSource,
    /// Its features: the backends.
    pub features: Vec<String>,
}

/// Where a dependency comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeSource {
    /// The registry.
    Version(String),
    /// A directory, relative to the manifest's.
    Path(PathBuf),
    /// `[workspace.dependencies]`.
    Workspace,
}

/// Something that `init` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A migrations directory.
    DirectoryCreated(PathBuf),
    /// A HEAD file.
    HeadCreated(PathBuf),
    /// A dependency.
    DependencyAdded {
        /// In which manifest.
        manifest: PathBuf,
        /// On what.
        package: String,
    },
    /// `[package.metadata.migrate]`, or a key in it.
    MetadataAdded {
        /// In which manifest.
        manifest: PathBuf,
    },
}

impl Change {
    /// The file or directory that is new or different.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::DirectoryCreated(path) | Self::HeadCreated(path) => path,
            Self::DependencyAdded { manifest, .. } | Self::MetadataAdded { manifest } => manifest,
        }
    }
}

/// Gives `member` whatever it lacks of a service; `service` is what the
/// configuration makes of it already. An empty list: it lacked nothing.
///
/// # Errors
/// When the manifest cannot be edited, or the file system refuses; then nothing
/// has been changed.
pub fn init_service(
    member: &Member,
    service: Option<&Service>,
    request: &NewService,
) -> Result<Vec<Change>, ScaffoldError> {
    let text = fs::read_to_string(&member.manifest)
        .map_err(ScaffoldError::io("read", &member.manifest))?;
    let variable = variable(member, service);
    let edited = manifest::edit(
        &text,
        &member.manifest,
        &request.runtime,
        request.backend,
        &variable,
    )?;

    let mut staging = Staging::default();
    let mut changes = Vec::new();
    for set in sets(member, service) {
        if !set.exists() {
            staging.make_directory(&set)?;
            changes.push(Change::DirectoryCreated(set.clone()));
        }
        let head = set.join(head::FILE_NAME);
        if !head.exists() {
            let newest = existing_in(&set)?.pop_last();
            let text = newest.map_or_else(String::new, |(_, name)| head::render(&name));
            staging.replace_file(&head, &text)?;
            changes.push(Change::HeadCreated(head));
        }
    }
    if let Some((text, edits)) = edited {
        staging.replace_file(&member.manifest, &text)?;
        changes.extend(edits);
    }
    staging.commit();
    Ok(changes)
}

fn variable(member: &Member, service: Option<&Service>) -> String {
    let configured = service.and_then(|service| service.databases.first()?.url.variables.first());
    configured
        .cloned()
        .unwrap_or_else(|| crate::config::default_variable(&member.name))
}

/// The sets that are the member's own. Those of another crate are its business.
fn sets(member: &Member, service: Option<&Service>) -> Vec<PathBuf> {
    let Some(service) = service else {
        return vec![member.root.join("migrations")];
    };
    let directories = service
        .databases
        .iter()
        .flat_map(|database| &database.directories);
    let sets = directories.filter(|directory| directory.path.starts_with(&member.root));
    let sets = sets.flat_map(|directory| match &directory.layout {
        Layout::Missing | Layout::Single => vec![directory.path.clone()],
        Layout::Variants(variants) => variants.values().cloned().collect(),
    });
    sets.collect()
}

#[cfg(test)]
mod tests;
