//! Which modules are pure: no file system, clock, environment, database,
//! process, network or printing (DESIGN §3). The tables here are that list.

use super::Finding;
use super::rust::{self, PathUse};
use super::sources::Source;

/// Where only pure code may be: a file, or the module with all below it.
const PURE: &[&str] = &[
    "migrate-runtime/core/src/",
    "cargo-migrate/src/lint",
    "cargo-migrate/src/report",
    "cargo-migrate/src/schema/diesel",
    "cargo-migrate/src/schema/diff",
    "cargo-migrate/src/schema/render",
    "cargo-migrate/src/verify/compare",
];

/// What has to read files all the same: the catalog's loader.
const EXEMPT: &[&str] = &["migrate-runtime/core/src/catalog"];

/// Neighbouring names in a path that reach the outside world.
const IMPURE: &[&[&str]] = &[
    &["std", "env"],
    &["std", "fs"],
    &["std", "io", "stderr"],
    &["std", "io", "stdin"],
    &["std", "io", "stdout"],
    &["std", "net"],
    &["std", "process"],
    &["std", "thread"],
    &["time", "Instant"],
    &["time", "SystemTime"],
    &["Instant", "now"],
    &["SystemTime", "now"],
];

/// Packages whose whole purpose is the outside world.
const IMPURE_PACKAGES: [&str; 4] = ["diesel", "tempfile", "walkdir", "whoami"];

const IMPURE_MACROS: [&str; 5] = ["println!", "print!", "eprintln!", "eprint!", "dbg!"];

/// The outside world in modules that promise to be pure.
pub(super) fn pure_modules(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        if !source.is_our_rust() || !is_pure(&source.path) {
            continue;
        }
        let code = source.shipped_code();
        for path in rust::paths(&code) {
            if is_impure(&path) {
                findings.push(finding(source, path.line, &path.segments.join("::")));
            }
        }
        for name in IMPURE_MACROS {
            for line in rust::lines_with(&code, name) {
                findings.push(finding(source, line, name));
            }
        }
    }
    findings
}

fn finding(source: &Source, line: usize, what: &str) -> Finding {
    Finding::error(source, line, format!("`{what}` in a module that is pure"))
}

fn is_pure(path: &str) -> bool {
    PURE.iter().any(|entry| is_within(path, entry))
        && !EXEMPT.iter().any(|entry| is_within(path, entry))
}

/// `a/b` means `a/b.rs` and all of `a/b/`.
fn is_within(path: &str, entry: &str) -> bool {
    path.strip_prefix(entry)
        .is_some_and(|rest| entry.ends_with('/') || rest == ".rs" || rest.starts_with('/'))
}

fn is_impure(path: &PathUse) -> bool {
    let segments = &path.segments;
    let package = segments.first().map(String::as_str);
    package.is_some_and(|package| IMPURE_PACKAGES.contains(&package))
        || IMPURE
            .iter()
            .any(|known| segments.windows(known.len()).any(|window| window == *known))
}

#[cfg(test)]
mod tests {
    use super::super::sources::source;
    use super::*;

    #[test]
    fn the_outside_world_is_found_in_pure_modules() {
        let planted = [
            source(
                "migrate-runtime/core/src/plan.rs",
                "use std::{\n  fs,\n  time::Instant,\n};",
            ),
            source("migrate-runtime/core/src/plan/up.rs", "std::env::var(a);"),
            source("cargo-migrate/src/schema/diff/order.rs", "println!();"),
            source("cargo-migrate/src/lint.rs", "use diesel::prelude::*;"),
        ];
        let lines: Vec<usize> = pure_modules(&planted).iter().map(|f| f.line).collect();
        assert_eq!(lines, [2, 3, 1, 1, 1]);
    }

    #[test]
    fn loaders_tests_and_impure_modules_may_reach_out() {
        let fine = [
            source("migrate-runtime/core/src/catalog.rs", "use std::fs;"),
            source("migrate-runtime/core/src/catalog/load.rs", "use std::fs;"),
            source(
                "migrate-runtime/core/src/plan.rs",
                "#[cfg(test)]\nmod tests { use std::fs; }",
            ),
            source(
                "migrate-runtime/core/src/time.rs",
                "use std::time::Duration;",
            ),
            source(
                "cargo-migrate/src/schema/inspect.rs",
                "use diesel::prelude::*;",
            ),
        ];
        assert_eq!(pure_modules(&fine), []);
    }
}
