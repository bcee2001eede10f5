//! `cargo xtask package`: what goes to the registry, packaged and built as it
//! will be there. Cargo lays the packages over the registry for each other,
//! so this works before the first release too.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, Package};
use toml::{Table, Value};

use crate::cargo;

/// The licence texts that each package carries, as links to the root's.
const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];
/// A heading alone tells nobody what a package is for.
const SHORTEST_README: usize = 200;

/// Packages all that is published, and checks that nothing is missing.
pub(crate) fn run() -> Result<()> {
    let root = cargo::workspace_root()?;
    let members = cargo::members(&root)?;
    let published: Vec<&Package> = members
        .packages
        .iter()
        .filter(|package| package.publish.as_ref().is_none_or(|to| !to.is_empty()))
        .collect();

    let gaps: Vec<String> = published
        .iter()
        .flat_map(|package| metadata_gaps(package))
        .collect();
    fail_on(&gaps)?;

    build(&root, &published)?;

    let mut gaps = Vec::new();
    for package in &published {
        gaps.extend(content_gaps(&root, &members, package)?);
    }
    fail_on(&gaps)?;
    println!("{} packages are complete and build", published.len());
    Ok(())
}

/// What crates.io shows or asks for, and this manifest doesn't say.
fn metadata_gaps(package: &Package) -> Vec<String> {
    let is_blank =
        |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
    let mut missing = Vec::new();
    if is_blank(&package.description) {
        missing.push("a description".to_owned());
    }
    if is_blank(&package.license) {
        missing.push("a license".to_owned());
    }
    if is_blank(&package.repository) {
        missing.push("a repository".to_owned());
    }
    if package.rust_version.is_none() {
        missing.push("a rust-version".to_owned());
    }
    // crates.io takes at most five of each.
    if !(1..=5).contains(&package.keywords.len()) {
        missing.push("one to five keywords".to_owned());
    }
    if !(1..=5).contains(&package.categories.len()) {
        missing.push("one to five categories".to_owned());
    }
    match package.readme() {
        None => missing.push("a readme".to_owned()),
        Some(path) => {
            let length = fs::read_to_string(path).map_or(0, |text| text.trim().len());
            if length < SHORTEST_README {
                missing.push(format!(
                    "a readme of at least {SHORTEST_README} bytes, it has {length}"
                ));
            }
        }
    }
    missing
        .into_iter()
        .map(|what| format!("{} needs {what}", package.name))
        .collect()
}

fn build(root: &Path, published: &[&Package]) -> Result<()> {
    // Packaging asks the registry's index again for each package. All that it
    // needs is in the lock file, so fetch that and stay off the network.
    let mut fetch = cargo::command(root);
    fetch.args(["fetch", "--locked", "--target", &cargo::host()?]);
    cargo::run(fetch)?;

    forget_earlier_packages(root, published)?;
    let mut command = cargo::command(root);
    command.args(["package", "--offline"]);
    for package in published {
        command.args(["-p", package.name.as_str()]);
    }
    // A packaged manifest has no profiles. Without ours every dependency
    // would be compiled once more with other settings, OpenSSL among them.
    for setting in profile_settings(root)? {
        command.args(["--config", &setting]);
    }
    if std::env::var_os("CI").is_none() {
        command.arg("--allow-dirty");
    }
    cargo::run(command)
}

/// Cargo takes a package of one version for the same one for ever: its source,
/// unpacked in Cargo's home for the registry that it lays over the real one,
/// and what was compiled from it. Between releases ours changes under its
/// version, and the build would be of some earlier day's.
fn forget_earlier_packages(root: &Path, published: &[&Package]) -> Result<()> {
    let mut clean = cargo::command(root);
    clean.args(["clean", "--quiet"]);
    for package in published {
        clean.args(["-p", package.name.as_str()]);
    }
    cargo::run(clean)?;
    for kind in ["src", "cache"] {
        let Ok(registries) = fs::read_dir(cargo::home()?.join("registry").join(kind)) else {
            continue;
        };
        for registry in registries {
            let registry = registry.context("failed to list Cargo's registries")?;
            // Those without a host are such overlays.
            if !registry.file_name().to_string_lossy().starts_with('-') {
                continue;
            }
            for package in published {
                let name = format!("{}-{}", package.name, package.version);
                remove(&registry.path().join(&name))?;
                remove(&registry.path().join(format!("{name}.crate")))?;
            }
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else if path.exists() {
        fs::remove_file(path)
    } else {
        return Ok(());
    };
    removed.with_context(|| format!("failed to remove {}", path.display()))
}

/// What is missing in the package that Cargo has just made.
fn content_gaps(root: &Path, members: &Metadata, package: &Package) -> Result<Vec<String>> {
    let folder = format!("{}-{}", package.name, package.version);
    let unpacked = members.target_directory.join("package").join(folder);
    let mut gaps = Vec::new();
    for name in LICENCES {
        let original =
            fs::read(root.join(name)).with_context(|| format!("failed to read {name}"))?;
        match fs::read(unpacked.join(name)) {
            Ok(text) if text == original => {}
            Ok(_) => gaps.push(format!("{}'s {name} is not the root's", package.name)),
            Err(_) => gaps.push(format!("{} carries no {name}", package.name)),
        }
    }
    if !unpacked.join("README.md").is_file() {
        gaps.push(format!("{} carries no README.md", package.name));
    }
    Ok(gaps)
}

fn fail_on(gaps: &[String]) -> Result<()> {
    for gap in gaps {
        println!("{gap}");
    }
    if !gaps.is_empty() {
        bail!("the packages are not complete");
    }
    Ok(())
}

/// The workspace's development profile as arguments of `--config`.
fn profile_settings(root: &Path) -> Result<Vec<String>> {
    let manifest: Table = toml::from_str(&fs::read_to_string(root.join("Cargo.toml"))?)?;
    let profile = manifest
        .get("profile")
        .and_then(|profiles| profiles.get("dev"));
    let mut settings = Vec::new();
    if let Some(profile) = profile {
        flatten("profile.dev", profile, &mut settings);
    }
    Ok(settings)
}

fn flatten(key: &str, value: &Value, settings: &mut Vec<String>) {
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                flatten(&format!("{key}.{name:?}"), value, settings);
            }
        }
        Value::String(text) => settings.push(format!("{key}={text:?}")),
        Value::Integer(number) => settings.push(format!("{key}={number}")),
        Value::Boolean(switch) => settings.push(format!("{key}={switch}")),
        // Profiles hold nothing else.
        Value::Float(_) | Value::Datetime(_) | Value::Array(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_development_profile_becomes_configuration() {
        let table: Table =
            toml::from_str("debug = \"line-tables-only\"\n[package.\"*\"]\ndebug = false")
                .expect("a table");
        let mut settings = Vec::new();
        flatten("profile.dev", &Value::Table(table), &mut settings);
        settings.sort();
        assert_eq!(
            settings,
            [
                "profile.dev.\"debug\"=\"line-tables-only\"",
                "profile.dev.\"package\".\"*\".\"debug\"=false"
            ]
        );
    }
}
