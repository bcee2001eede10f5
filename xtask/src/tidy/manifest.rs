//! The manifests of our members.

use std::path::Path;

use cargo_metadata::Metadata;

use super::Finding;
use super::sources::Source;

/// Members that don't take the workspace's lints.
pub(super) fn inherited_lints(sources: &[Source], members: &Metadata, root: &Path) -> Vec<Finding> {
    let manifests: Vec<String> = members
        .packages
        .iter()
        .filter_map(|package| {
            let path = package
                .manifest_path
                .as_std_path()
                .strip_prefix(root)
                .ok()?;
            Some(path.to_string_lossy().replace('\\', "/"))
        })
        .collect();
    sources
        .iter()
        .filter(|source| manifests.contains(&source.path))
        .filter(|source| !inherits_lints(&source.text))
        .map(|source| Finding::error(source, 1, "has no `[lints] workspace = true`"))
        .collect()
}

fn inherits_lints(manifest: &str) -> bool {
    toml::from_str::<toml::Table>(manifest)
        .ok()
        .and_then(|table| table.get("lints")?.get("workspace")?.as_bool())
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_without_the_workspaces_lints_is_found() {
        assert!(inherits_lints(
            "[package]\nname = \"a\"\n[lints]\nworkspace = true"
        ));
        assert!(!inherits_lints("[package]\nname = \"a\""));
        assert!(!inherits_lints("[lints.rust]\nmissing_docs = \"warn\""));
    }
}
