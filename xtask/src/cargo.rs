//! How this tool calls Cargo: the same one that started it, from the
//! workspace's root, without what `cargo run` put into our environment.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::{CargoOpt, Metadata, MetadataCommand};

/// The directory of the workspace's manifest.
pub(crate) fn workspace_root() -> Result<PathBuf> {
    // `cargo run` says where we are; the path that was compiled in is wrong
    // when several checkouts share a target directory.
    let manifest_dir = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let root = manifest_dir
        .parent()
        .context("xtask's manifest directory has no parent")?;
    Ok(root.to_owned())
}

/// A call of Cargo in the workspace's root.
pub(crate) fn command(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name.as_ref());
        }
    }
    command
}

/// Runs a call of Cargo with our own standard streams.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let status = command.status().context("failed to start cargo")?;
    if !status.success() {
        bail!("cargo ended with {status}");
    }
    Ok(())
}

/// The members of the workspace, without their dependencies.
pub(crate) fn members(root: &Path) -> Result<Metadata> {
    MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("failed to read the workspace by `cargo metadata --no-deps`")
}

/// The workspace with every dependency that a build here uses.
///
/// Only this machine's platform is asked for: Cargo has those packages
/// already, so that nothing has to be downloaded.
pub(crate) fn resolved(root: &Path) -> Result<Metadata> {
    let options = ["--locked", "--filter-platform", &host()?].map(String::from);
    MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .other_options(options)
        .exec()
        .context("failed to resolve the dependencies by `cargo metadata --locked`")
}

/// The platform that this toolchain builds for.
pub(crate) fn host() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .context("failed to start rustc")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(String::from)
        .context("`rustc -vV` names no host")
}

/// Cargo's home directory.
pub(crate) fn home() -> Result<PathBuf> {
    if let Some(home) = env::var_os("CARGO_HOME").filter(|home| !home.is_empty()) {
        return Ok(home.into());
    }
    let home = env::home_dir().context("there is no home directory")?;
    Ok(home.join(".cargo"))
}
