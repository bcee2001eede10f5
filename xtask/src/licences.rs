//! `cargo xtask licences`: the licence of every package that a build here
//! uses, against the list in deny.toml. It reads cargo-deny's format and
//! needs neither cargo-deny nor the network; where cargo-deny is installed it
//! runs too, for what it knows beyond licences.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cargo_metadata::Package;
use spdx::{Expression, LicenseReq, Licensee, ParseMode};
use toml::{Table, Value};

use crate::{cargo, program};

const POLICY_FILE: &str = "deny.toml";

/// The part of cargo-deny's configuration that we read.
#[derive(Debug, Default)]
struct Policy {
    allowed: Vec<Licensee>,
    exceptions: BTreeMap<String, Vec<Licensee>>,
}

/// What a package's licence comes to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Allowed(Vec<String>),
    Refused(String),
}

/// Checks every package and prints all that are refused.
pub(crate) fn run() -> Result<()> {
    let root = cargo::workspace_root()?;
    let text = fs::read_to_string(root.join(POLICY_FILE))
        .with_context(|| format!("failed to read {POLICY_FILE}"))?;
    let policy =
        Policy::parse(&text).with_context(|| format!("failed to understand {POLICY_FILE}"))?;

    let packages = used_packages(&root)?;
    let mut used = BTreeSet::new();
    let mut refused = 0_usize;
    for package in &packages {
        match policy.judge(package.name.as_str(), package.license.as_deref()) {
            Verdict::Allowed(licences) => used.extend(licences),
            Verdict::Refused(why) => {
                refused += 1;
                println!("{} {}: {why}", package.name, package.version);
            }
        }
    }
    for licence in policy.unused(&used) {
        println!("warning: {POLICY_FILE} allows {licence}, which nothing has");
    }
    if refused > 0 {
        bail!("{refused} packages have licences that {POLICY_FILE} does not allow");
    }
    println!("{} packages have allowed licences", packages.len());
    run_cargo_deny(&root)
}

impl Policy {
    fn parse(text: &str) -> Result<Self> {
        let table: Table = toml::from_str(text)?;
        let licenses = table
            .get("licenses")
            .and_then(Value::as_table)
            .context("there is no [licenses]")?;
        let mut policy = Self {
            allowed: licensees(licenses)?,
            exceptions: BTreeMap::new(),
        };
        let exceptions = licenses.get("exceptions").and_then(Value::as_array);
        for exception in exceptions.into_iter().flatten() {
            let exception = exception.as_table().context("an exception is no table")?;
            let name = exception
                .get("crate")
                .and_then(Value::as_str)
                .context("an exception names no `crate`")?;
            policy
                .exceptions
                .insert(name.to_owned(), licensees(exception)?);
        }
        Ok(policy)
    }

    /// Judges a package by the licence expression in its manifest.
    fn judge(&self, package: &str, licence: Option<&str>) -> Verdict {
        let Some(licence) = licence else {
            return Verdict::Refused("its manifest names no licence".to_owned());
        };
        // As crates.io: `MIT/Apache-2.0` is an old way to write OR.
        let expression = match Expression::parse_mode(licence, ParseMode::LAX) {
            Ok(expression) => expression,
            Err(error) => {
                return Verdict::Refused(format!("`{licence}` is no expression: {}", error.reason));
            }
        };
        match expression.evaluate_with_failures(|wanted| self.allows(package, wanted)) {
            Ok(()) => Verdict::Allowed(
                expression
                    .requirements()
                    .filter(|wanted| self.allows(package, &wanted.req))
                    .map(|wanted| wanted.req.to_string())
                    .collect(),
            ),
            Err(_) => Verdict::Refused(format!("`{licence}` is not allowed")),
        }
    }

    fn allows(&self, package: &str, wanted: &LicenseReq) -> bool {
        let exceptions = self.exceptions.get(package).into_iter().flatten();
        self.allowed
            .iter()
            .chain(exceptions)
            .any(|licence| licence.satisfies(wanted))
    }

    /// The allowed licences that no package has.
    fn unused(&self, used: &BTreeSet<String>) -> Vec<String> {
        self.allowed
            .iter()
            .chain(self.exceptions.values().flatten())
            .map(ToString::to_string)
            .filter(|licence| !used.contains(licence))
            .collect()
    }
}

fn licensees(table: &Table) -> Result<Vec<Licensee>> {
    table
        .get("allow")
        .and_then(Value::as_array)
        .context("there is no `allow` list")?
        .iter()
        .map(|value| {
            let name = value.as_str().context("a licence is no string")?;
            Licensee::parse(name).with_context(|| format!("unknown licence `{name}`"))
        })
        .collect()
}

/// What is in the resolved graph; `cargo metadata` lists other platforms' too.
fn used_packages(root: &Path) -> Result<Vec<Package>> {
    let metadata = cargo::resolved(root)?;
    let resolve = metadata
        .resolve
        .context("cargo metadata resolved nothing")?;
    let used: BTreeSet<_> = resolve.nodes.into_iter().map(|node| node.id).collect();
    Ok(metadata
        .packages
        .into_iter()
        .filter(|package| used.contains(&package.id))
        .collect())
}

fn run_cargo_deny(root: &Path) -> Result<()> {
    if program::find("cargo-deny").is_none() {
        println!("cargo-deny was not found: advisories, bans and sources are not checked");
        return Ok(());
    }
    let mut checks = vec!["licenses", "bans", "sources"];
    if has_advisories() {
        checks.push("advisories");
    } else {
        println!("no advisory database on this machine: advisories are not checked");
    }
    let mut command = cargo::command(root);
    command
        .args(["deny", "--offline", "check"])
        .args(checks)
        .env_remove("CARGO_TERM_COLOR");
    cargo::run(command)
}

/// Whether cargo-deny has fetched its database before; offline it fails
/// without one.
fn has_advisories() -> bool {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = std::env::home_dir().map(|home| home.join(".cargo"));
    cargo_home
        .or(home)
        .and_then(|home| fs::read_dir(home.join("advisory-dbs")).ok())
        .is_some_and(|mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        [licenses]
        allow = ["MIT", "Zlib"]
        exceptions = [{ crate = "pq-src", allow = ["PostgreSQL"] }]
    "#;

    fn judge(package: &str, licence: Option<&str>) -> Verdict {
        let policy = Policy::parse(POLICY).expect("a policy");
        policy.judge(package, licence)
    }

    fn is_allowed(package: &str, licence: &str) -> bool {
        matches!(judge(package, Some(licence)), Verdict::Allowed(_))
    }

    #[test]
    fn one_allowed_side_of_a_choice_is_enough() {
        assert!(is_allowed("a", "GPL-3.0-only OR MIT"));
        assert!(is_allowed("a", "MIT/Apache-2.0"));
        assert!(!is_allowed("a", "MIT AND GPL-3.0-only"));
    }

    #[test]
    fn an_exception_holds_for_its_package_alone() {
        assert!(is_allowed("pq-src", "PostgreSQL"));
        assert!(!is_allowed("other", "PostgreSQL"));
    }

    #[test]
    fn a_package_without_a_licence_is_refused() {
        assert!(matches!(judge("a", None), Verdict::Refused(_)));
        assert!(matches!(judge("a", Some("mine")), Verdict::Refused(_)));
    }

    #[test]
    fn a_licence_that_nothing_has_is_named() {
        let policy = Policy::parse(POLICY).expect("a policy");
        let used = ["MIT", "PostgreSQL"].map(String::from).into();
        assert_eq!(policy.unused(&used), ["Zlib"]);
    }

    #[test]
    fn a_policy_with_an_unknown_licence_is_an_error() {
        assert!(Policy::parse("[licenses]\nallow = [\"MTI\"]").is_err());
        assert!(Policy::parse("[bans]").is_err());
    }
}
