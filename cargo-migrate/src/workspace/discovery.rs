//! Asking Cargo: one `cargo metadata --no-deps`, started as early as possible
//! so that its milliseconds pass while we do other work.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Member, Workspace};
use crate::config::blot_passwords;

/// A question to Cargo that is under way.
#[derive(Debug)]
pub struct Discovery {
    child: Child,
    /// Where the command was started, or the directory of `--manifest-path`.
    directory: PathBuf,
}

/// Why the workspace could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// Cargo could not be started.
    #[error("failed to start `{}`", .cargo.display())]
    Start {
        /// Which Cargo.
        cargo: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `--manifest-path` names no file.
    #[error("manifest path `{}` does not exist", .path.display())]
    NoManifest {
        /// As it was typed.
        path: PathBuf,
    },
    /// The current directory is gone.
    #[error("failed to find the current directory")]
    NoDirectory(#[source] io::Error),
    /// Cargo refused; the text is its own, but for the passwords in lines of
    /// manifests that it quotes.
    #[error("{message}")]
    Cargo {
        /// What Cargo said, without its `error: `.
        message: String,
    },
    /// Cargo was stopped, or its answer could not be read.
    #[error("failed to read the answer of `cargo metadata`")]
    Answer(#[source] cargo_metadata::Error),
}

impl DiscoveryError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Start { .. } => Some("install Cargo, or name it in the variable CARGO".into()),
            Self::NoManifest { .. } => Some("give the path of a Cargo.toml".into()),
            Self::Cargo { message } if message.contains("could not find `Cargo.toml`") => {
                Some("go to a Cargo workspace, or name one with --manifest-path".into())
            }
            Self::NoDirectory(_) | Self::Cargo { .. } | Self::Answer(_) => None,
        }
    }
}

impl Discovery {
    /// Starts Cargo on the workspace around the current directory, or around
    /// `manifest_path`.
    ///
    /// # Errors
    /// When there is no such manifest, or Cargo cannot be started.
    pub fn start(manifest_path: Option<&Path>) -> Result<Self, DiscoveryError> {
        let directory = env::current_dir().map_err(DiscoveryError::NoDirectory)?;
        // Cargo sets CARGO for the plugins that it starts: so we ask the very
        // toolchain that the user chose, and skip rustup's proxy.
        let cargo = env::var_os("CARGO")
            .filter(|cargo| !cargo.is_empty())
            .map_or_else(|| "cargo".into(), PathBuf::from);
        Self::start_in(&directory, manifest_path, cargo)
    }

    fn start_in(
        directory: &Path,
        manifest_path: Option<&Path>,
        cargo: PathBuf,
    ) -> Result<Self, DiscoveryError> {
        let mut command = Command::new(&cargo);
        command.args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--color",
            "never",
        ]);
        command
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut around = directory.to_owned();
        if let Some(path) = manifest_path {
            let full = directory.join(path);
            if !full.is_file() {
                return Err(DiscoveryError::NoManifest {
                    path: path.to_owned(),
                });
            }
            command.arg("--manifest-path").arg(&full);
            around = full.parent().map_or(full.clone(), Path::to_owned);
        }
        let child = command
            .spawn()
            .map_err(|source| DiscoveryError::Start { cargo, source })?;
        Ok(Self {
            child,
            directory: around,
        })
    }

    /// Waits for Cargo's answer.
    ///
    /// # Errors
    /// When Cargo refuses, or its answer cannot be read.
    pub fn finish(self) -> Result<Workspace, DiscoveryError> {
        let answer = self
            .child
            .wait_with_output()
            .map_err(|error| DiscoveryError::Answer(error.into()))?;
        if !answer.status.success() {
            let said = String::from_utf8_lossy(&answer.stderr);
            let message = said.trim().strip_prefix("error: ").unwrap_or(said.trim());
            return Err(DiscoveryError::Cargo {
                message: blot_passwords(message),
            });
        }
        let text = std::str::from_utf8(&answer.stdout)
            .map_err(|error| DiscoveryError::Answer(error.into()))?;
        let metadata =
            cargo_metadata::MetadataCommand::parse(text).map_err(DiscoveryError::Answer)?;
        Ok(Workspace::new(metadata, &self.directory))
    }
}

impl Workspace {
    /// A workspace that Cargo was not asked about.
    #[cfg(test)]
    pub(crate) fn of_members(
        root: PathBuf,
        metadata: serde_json::Value,
        members: Vec<Member>,
    ) -> Self {
        Self {
            root,
            metadata,
            members,
            current: None,
        }
    }

    fn new(metadata: cargo_metadata::Metadata, directory: &Path) -> Self {
        let members = metadata
            .packages
            .into_iter()
            .filter(|package| metadata.workspace_members.contains(&package.id));
        let members = members
            .map(|package| {
                let manifest = package.manifest_path.into_std_path_buf();
                Member {
                    name: package.name.to_string(),
                    root: manifest.parent().map_or_else(PathBuf::new, Path::to_owned),
                    manifest,
                    metadata: package.metadata,
                }
            })
            .collect();
        let mut workspace = Self {
            root: metadata.workspace_root.into_std_path_buf(),
            metadata: metadata.workspace_metadata,
            members,
            current: None,
        };
        // Cargo gives real paths; the shell's may go through a link.
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let directory = real(directory);
        let root = real(&workspace.root);
        let holding = workspace
            .members
            .iter()
            .enumerate()
            .map(|(index, member)| (index, real(&member.root)));
        // A package at the workspace's root holds all the others: being there
        // means the workspace, not that package.
        let inner = holding.filter(|(_, member)| *member != root && directory.starts_with(member));
        workspace.current = inner
            .max_by_key(|(_, member)| member.components().count())
            .map(|(index, _)| index);
        workspace
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn workspace(root_package: &str) -> TempDir {
        let home = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "Cargo.toml",
            &format!(
                "{root_package}[workspace]\nmembers = [\"services/*\"]\nresolver = \"3\"\n[workspace.metadata.migrate]\nlock-timeout = \"2s\"\n"
            ),
        );
        write("src/lib.rs", "");
        for name in ["users", "cart"] {
            write(
                &format!("services/{name}/Cargo.toml"),
                &format!(
                    "[package]\nname = \"{name}\"\n[package.metadata.migrate]\nschema = \"{name}\"\n"
                ),
            );
            write(&format!("services/{name}/src/lib.rs"), "");
        }
        home
    }

    fn discover(
        directory: &Path,
        manifest_path: Option<&str>,
    ) -> Result<Workspace, DiscoveryError> {
        let cargo = env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
        Discovery::start_in(directory, manifest_path.map(Path::new), cargo)?.finish()
    }

    fn current(directory: &Path, manifest_path: Option<&str>) -> Option<String> {
        discover(directory, manifest_path)
            .unwrap()
            .current()
            .map(|member| member.name.clone())
    }

    #[test]
    fn the_member_around_the_directory_is_the_current_one_and_the_root_is_none() {
        for root_package in ["", "[package]\nname = \"shop\"\n"] {
            let home = workspace(root_package);
            let at = |path: &str| home.path().join(path);
            assert_eq!(current(home.path(), None), None);
            assert_eq!(current(&at("src"), None), None);
            assert_eq!(current(&at("services/cart/src"), None), Some("cart".into()));
            assert_eq!(
                current(home.path(), Some("services/users/Cargo.toml")),
                Some("users".into())
            );
            assert_eq!(
                current(&at("services/cart"), Some("../../Cargo.toml")),
                None
            );
        }
    }

    #[test]
    fn cargos_metadata_tables_arrive() {
        let home = workspace("");
        let found = discover(home.path(), None).unwrap();
        assert_eq!(found.metadata["migrate"]["lock-timeout"], "2s");
        let cart = found
            .members
            .iter()
            .find(|member| member.name == "cart")
            .unwrap();
        assert_eq!(cart.metadata["migrate"]["schema"], "cart");
        assert_eq!(
            found.member_at(&cart.root.join("migrations")).unwrap().name,
            "cart"
        );
    }

    #[test]
    fn what_cargo_says_is_the_message() {
        let home = tempfile::tempdir().unwrap();
        let error = discover(home.path(), None).unwrap_err();
        assert!(
            error.to_string().starts_with("could not find `Cargo.toml`"),
            "{error}"
        );
        assert!(error.help().unwrap().contains("--manifest-path"));
        let error = discover(home.path(), Some("nowhere/Cargo.toml")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "manifest path `nowhere/Cargo.toml` does not exist"
        );
    }
}
