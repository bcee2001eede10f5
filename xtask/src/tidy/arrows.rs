//! Who may know whom, between crates and within the command, as DESIGN §3
//! draws it. The tables here are that drawing.

use std::fs;
use std::path::Path;

use cargo_metadata::Metadata;

use super::rust::{self, PathUse};
use super::sources::Source;
use super::{Finding, Weight};

/// Each member with those of our crates that it may depend on.
const CRATES: &[(&str, &[&str])] = &[
    ("migrate-core", &[]),
    ("migrate-macros", &["migrate-core"]),
    ("migrate-runtime", &["migrate-core", "migrate-macros"]),
    (
        "cargo-migrate",
        &["migrate-core", "migrate-macros", "migrate-runtime"],
    ),
    (
        "tests",
        &[
            "migrate-core",
            "migrate-macros",
            "migrate-runtime",
            "cargo-migrate",
        ],
    ),
    ("xtask", &[]),
];

/// Modules of the command with the only modules that may use them.
const MODULES: &[(&str, &[&str])] = &[
    ("commands", &["main", "lib", "cli"]),
    ("report", &["commands"]),
    ("term", &["report", "commands"]),
];

const COMMAND: &str = "cargo-migrate/src/";
/// The only module that writes to the terminal.
const PRINTER: &str = "term";
const PRINTING_MACROS: [&str; 5] = ["println!", "print!", "eprintln!", "eprint!", "dbg!"];
const PRINTING_PATHS: &[&[&str]] = &[
    &["io", "stdout"],
    &["io", "stderr"],
    &["io", "Stdout"],
    &["io", "Stderr"],
    &["anstream"],
    &["indicatif"],
];

/// Dependencies between members that the drawing doesn't have.
pub(super) fn between_crates(members: &Metadata, root: &Path) -> Vec<Finding> {
    let ours: Vec<&str> = members
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut findings = Vec::new();
    for package in &members.packages {
        let manifest = package.manifest_path.as_std_path();
        let names: Vec<&str> = package
            .dependencies
            .iter()
            .map(|dependency| dependency.name.as_str())
            .filter(|name| ours.contains(name))
            .collect();
        let text = fs::read_to_string(manifest).unwrap_or_default();
        let file = manifest.strip_prefix(root).unwrap_or(manifest);
        let file = file.to_string_lossy().replace('\\', "/");
        findings.extend(forbidden_dependencies(package.name.as_str(), &names).map(
            |(name, message)| Finding {
                file: file.clone(),
                line: line_of_dependency(&text, name),
                weight: Weight::Error,
                message,
            },
        ));
    }
    findings
}

/// Uses of the command's outer modules by its inner ones.
pub(super) fn between_modules(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (source, module) in command_modules(sources) {
        for path in rust::paths(&source.shipped_code()) {
            let Some(used) = module_used(&path, &source.path) else {
                continue;
            };
            let Some((_, allowed)) = MODULES.iter().find(|(name, _)| *name == used) else {
                continue;
            };
            if used != module && !allowed.contains(&module) {
                findings.push(Finding::error(
                    source,
                    path.line,
                    format!(
                        "`{module}` uses `{used}`, which only {} may",
                        allowed.join(", ")
                    ),
                ));
            }
        }
    }
    findings
}

/// Printing outside of the one module that prints.
pub(super) fn printing(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (source, module) in command_modules(sources) {
        if module == PRINTER {
            continue;
        }
        let code = source.shipped_code();
        let mut places: Vec<(usize, String)> = Vec::new();
        for name in PRINTING_MACROS {
            let lines = rust::lines_with(&code, name);
            places.extend(lines.into_iter().map(|line| (line, name.to_owned())));
        }
        for path in rust::paths(&code) {
            if PRINTING_PATHS.iter().any(|known| names(&path, known)) {
                places.push((path.line, path.segments.join("::")));
            }
        }
        findings.extend(places.into_iter().map(|(line, what)| {
            Finding::error(
                source,
                line,
                format!("`{what}` outside of `{PRINTER}`, the only module that prints"),
            )
        }));
    }
    findings
}

fn forbidden_dependencies<'a>(
    package: &'a str,
    ours: &'a [&'a str],
) -> impl Iterator<Item = (&'a str, String)> {
    let allowed = CRATES.iter().find(|(name, _)| *name == package);
    ours.iter().filter_map(move |dependency| match allowed {
        None => Some((
            *dependency,
            format!("`{package}` has no place in tidy's table of crates"),
        )),
        Some((_, allowed)) if allowed.contains(dependency) => None,
        Some(_) => Some((
            *dependency,
            format!("`{package}` must not depend on `{dependency}`"),
        )),
    })
}

fn line_of_dependency(manifest: &str, name: &str) -> usize {
    manifest
        .lines()
        .position(|line| line.contains(name) && !line.starts_with("name"))
        .map_or(1, |index| index + 1)
}

/// The command's Rust files, each with the name of its top module.
fn command_modules(sources: &[Source]) -> impl Iterator<Item = (&Source, &str)> {
    sources.iter().filter_map(|source| {
        let inner = source.path.strip_prefix(COMMAND)?;
        let module = inner.split('/').next()?;
        inner
            .ends_with(".rs")
            .then_some((source, module.strip_suffix(".rs").unwrap_or(module)))
    })
}

/// The top module of the command that a path leads to, if it leads there.
fn module_used<'a>(path: &'a PathUse, file: &str) -> Option<&'a str> {
    let segments = &path.segments;
    let first = segments.first()?;
    if first == "crate" || first == "cargo_migrate" {
        return segments.get(1).map(String::as_str);
    }
    let supers = segments.iter().take_while(|name| *name == "super").count();
    let inner = file.strip_prefix(COMMAND)?;
    let depth = inner.split('/').count();
    (supers > 0 && supers == depth)
        .then(|| segments.get(supers).map(String::as_str))
        .flatten()
}

/// Whether the known names stand next to each other in the path; a single one
/// must come first.
fn names(path: &PathUse, known: &[&str]) -> bool {
    match known {
        [single] => path.segments.first().is_some_and(|first| first == single),
        _ => path
            .segments
            .windows(known.len())
            .any(|window| window == known),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sources::source;
    use super::*;

    #[test]
    fn a_dependency_against_the_arrows_is_found() {
        let found: Vec<_> = forbidden_dependencies("migrate-core", &["migrate-runtime"]).collect();
        assert_eq!(
            found,
            [(
                "migrate-runtime",
                "`migrate-core` must not depend on `migrate-runtime`".to_owned()
            )]
        );
        assert_eq!(
            forbidden_dependencies("tests", &["cargo-migrate"]).count(),
            0
        );
        assert_eq!(
            forbidden_dependencies("newcomer", &["migrate-core"]).count(),
            1
        );
        assert_eq!(
            line_of_dependency(
                "[dependencies]\nmigrate-core.workspace = true",
                "migrate-core"
            ),
            2
        );
    }

    #[test]
    fn an_inner_module_that_uses_an_outer_one_is_found() {
        let planted = [
            source(
                "cargo-migrate/src/fleet.rs",
                "use crate::{config, report::Text};\n",
            ),
            source(
                "cargo-migrate/src/schema/diff.rs",
                "\nuse super::super::term;\n",
            ),
            source(
                "cargo-migrate/src/config.rs",
                "fn f() { crate::commands::run::g() }\n",
            ),
        ];
        let lines: Vec<_> = between_modules(&planted)
            .into_iter()
            .map(|finding| (finding.file, finding.line))
            .collect();
        let expected = [
            ("cargo-migrate/src/fleet.rs", 1),
            ("cargo-migrate/src/schema/diff.rs", 2),
            ("cargo-migrate/src/config.rs", 1),
        ];
        assert_eq!(lines, expected.map(|(file, line)| (file.to_owned(), line)));
    }

    #[test]
    fn the_drawn_arrows_are_not_found() {
        let fine = [
            source(
                "cargo-migrate/src/commands/run.rs",
                "use crate::{report, term};",
            ),
            source(
                "cargo-migrate/src/report/json.rs",
                "use super::Row; use crate::term;",
            ),
            source(
                "cargo-migrate/src/main.rs",
                "cargo_migrate::commands::main()",
            ),
            source(
                "cargo-migrate/src/plan.rs",
                "// crate::term\nlet a = \"crate::term\";",
            ),
            source("migrate-runtime/src/report.rs", "use crate::term;"),
        ];
        assert_eq!(between_modules(&fine), []);
    }

    #[test]
    fn printing_outside_the_terminals_module_is_found() {
        let planted = [
            source(
                "cargo-migrate/src/fleet.rs",
                "fn f() {\n  eprintln!(\"a\");\n}",
            ),
            source(
                "cargo-migrate/src/report.rs",
                "use std::io::{self, stdout};",
            ),
            source(
                "cargo-migrate/src/commands.rs",
                "let a = indicatif::Bar::new();",
            ),
        ];
        let lines: Vec<usize> = printing(&planted).iter().map(|f| f.line).collect();
        assert_eq!(lines, [2, 1, 1]);
        let fine = [
            source("cargo-migrate/src/term.rs", "println!()"),
            source(
                "cargo-migrate/src/config.rs",
                "command.stdout(Stdio::piped())",
            ),
        ];
        assert_eq!(printing(&fine), []);
    }
}
