//! Traces of a developer's machine: absolute paths of working directories,
//! and packages locked to a registry that others cannot reach.

use super::Finding;
use super::sources::Source;

/// Directories in which people work. In two halves, because this file is
/// searched as well; the flag says that a name has to follow.
const WORKPLACES: [(&str, &str, bool); 4] = [
    ("/wo", "rk/", false),
    ("/ro", "ot/", false),
    ("/ho", "me/", true),
    ("/Us", "ers/", true),
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Absolute paths of somebody's machine, in any file.
pub(super) fn paths(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for (index, line) in source.text.lines().enumerate() {
            for (first, second, name_follows) in WORKPLACES {
                let workplace = format!("{first}{second}");
                if has_path(line, &workplace, name_follows) {
                    let message = format!("a path of a developer's machine, under `{workplace}`");
                    findings.push(Finding::error(source, index + 1, message));
                }
            }
        }
    }
    findings
}

/// Locked packages that don't come from crates.io.
pub(super) fn registries(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        if source.path.rsplit('/').next() != Some("Cargo.lock") {
            continue;
        }
        for (index, line) in source.text.lines().enumerate() {
            let Some(value) = line.strip_prefix("source = ") else {
                continue;
            };
            if value.trim_matches('"') != REGISTRY {
                let message = "a package that is not from crates.io";
                findings.push(Finding::error(source, index + 1, message));
            }
        }
    }
    findings
}

/// Whether the line holds this directory as the start of a path, and not in
/// the middle of a longer one or of an address.
fn has_path(line: &str, workplace: &str, name_follows: bool) -> bool {
    line.match_indices(workplace).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + workplace.len()..].chars().next();
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && !"/._-~{}<>$".contains(c));
        let goes_on = after.is_some_and(char::is_alphanumeric);
        starts && (goes_on || !name_follows)
    })
}

#[cfg(test)]
mod tests {
    use super::super::sources::source;
    use super::*;

    #[test]
    fn a_path_of_somebodys_machine_is_found() {
        for (first, second, _) in WORKPLACES {
            let text = format!("first\nlet path = \"{first}{second}ann/x\";\n");
            let found = paths(&[source("a.md", &text)]);
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].line, 2);
        }
    }

    #[test]
    fn a_folder_of_that_name_elsewhere_is_fine() {
        for (first, second, _) in WORKPLACES {
            let text = format!("target{first}{second}x, https://a.org{first}{second}x");
            assert_eq!(paths(&[source("a.md", &text)]), []);
        }
        let (first, second, _) = WORKPLACES[2];
        let text = format!("somewhere below {first}{second}");
        assert_eq!(paths(&[source("a.md", &text)]), []);
    }

    #[test]
    fn a_package_of_another_registry_is_found() {
        let lock = format!("source = \"{REGISTRY}\"\nsource = \"sparse+https://a.example/\"\n");
        let found = registries(&[source("Cargo.lock", &lock)]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 2);
    }
}
