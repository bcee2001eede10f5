//! Workspaces in a temporary directory, for the tests. Cargo isn't asked: its
//! JSON is made from the manifests' own text.

use std::fs;

use migrate_core::Dialect;
use serde_json::Value;
use tempfile::TempDir;

use super::{ConfigError, ConfigFinding, Database, Purpose, Service, services};
use crate::workspace::{Choice, Chosen, Member, Workspace};

/// A workspace with the files given; `…/Cargo.toml` files make members.
pub(crate) struct Shop {
    pub(crate) home: TempDir,
    pub(crate) workspace: Workspace,
}

pub(crate) fn shop(files: &[(&str, &str)]) -> Shop {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().canonicalize().unwrap();
    let mut members = Vec::new();
    let mut metadata = Value::Null;
    for (path, text) in files {
        let full = root.join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(&full, text).unwrap();
        let Some(name) = path.strip_suffix("Cargo.toml") else {
            continue;
        };
        let json: Value = toml::from_str(text).unwrap();
        if name.is_empty() {
            metadata = json["workspace"]["metadata"].clone();
        } else {
            let member_root = full.parent().unwrap().to_owned();
            let name = member_root
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            members.push(Member {
                name,
                root: member_root,
                manifest: full,
                metadata: json["package"]["metadata"].clone(),
            });
        }
    }
    Shop {
        workspace: Workspace::of_members(root, metadata, members),
        home,
    }
}

impl Shop {
    pub(crate) fn services(&self) -> Result<Vec<Service>, ConfigError> {
        self.chosen(Choice::Swept)
    }

    pub(super) fn chosen(&self, choice: Choice) -> Result<Vec<Service>, ConfigError> {
        let members = self
            .workspace
            .members
            .iter()
            .map(|member| (member, choice))
            .collect();
        services(
            &self.workspace,
            &Chosen {
                members,
                unmatched_excludes: Vec::new(),
            },
            Purpose::Databases,
        )
    }

    pub(super) fn only_service(&self) -> Service {
        let mut services = self.services().unwrap();
        assert_eq!(services.len(), 1);
        services.remove(0)
    }

    pub(super) fn findings(&self) -> Vec<String> {
        let Err(ConfigError::Invalid(findings)) = self.services() else {
            panic!("no findings")
        };
        let shown = |finding: &ConfigFinding| {
            let place = finding.excerpt.as_ref().map_or("?".to_owned(), |excerpt| {
                let meant: String = excerpt
                    .line
                    .chars()
                    .skip(excerpt.place.column - 1)
                    .take(excerpt.width)
                    .collect();
                format!("{} {meant}", excerpt.place)
            });
            let help = finding
                .help
                .as_ref()
                .map_or(String::new(), |help| format!(" ({help})"));
            format!("{place}: {finding}{help}")
        };
        findings.iter().map(shown).collect()
    }

    pub(super) fn paths(&self, database: &Database, dialect: Dialect) -> Vec<String> {
        let root = &self.workspace.root;
        let paths = database.directories_for(dialect).unwrap();
        paths
            .iter()
            .map(|path| {
                path.strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }
}
