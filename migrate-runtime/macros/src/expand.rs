//! From directories to the code that embeds them, as text. Knows no tokens, so
//! that it can be tested; the catalog's loader decides what a set is.

use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

use migrate_core::{Catalog, CatalogError, CatalogFinding, Dialect, DownScript, Migration, head};

/// Where Diesel and `cargo migrate` put migrations.
const DEFAULT: &str = "migrations";

/// An expression of type `Migrations` for the directories, which are named
/// relative to `package`.
///
/// # Errors
/// The messages to stop the compiler with.
pub(crate) fn expand(package: &Path, named: &[String]) -> Result<String, Vec<String>> {
    let default = [DEFAULT.to_owned()];
    let named = if named.is_empty() { &default } else { named };
    let directories = named
        .iter()
        .map(|name| within(package, name))
        .collect::<Result<Vec<PathBuf>, String>>()
        .map_err(|message| vec![message])?;
    let catalog = Catalog::load(&directories)
        .map_err(|error| messages(package, named, &directories, &error))?;
    code(&catalog, &directories).map_err(|message| vec![message])
}

/// The directory, which must lie in the package: a member without migrations
/// must not silently take those of the workspace above it, as Diesel's macro
/// does.
fn within(package: &Path, name: &str) -> Result<PathBuf, String> {
    let mut depth = 0_usize;
    for part in Path::new(name).components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(format!(
                    "`{name}` leads out of the package; \
                     help: name a directory relative to the package's Cargo.toml"
                ));
            }
        }
    }
    if depth == 0 {
        return Err(format!(
            "`{name}` is not a directory of migrations, but the package itself"
        ));
    }
    Ok(package.join(name))
}

/// All that is wrong with the set, or the one thing that explains it.
fn messages(
    package: &Path,
    named: &[String],
    directories: &[PathBuf],
    error: &CatalogError,
) -> Vec<String> {
    for (name, directory) in named.iter().zip(directories) {
        let variants = variants(directory);
        if !variants.is_empty() {
            let calls: Vec<String> = variants
                .iter()
                .map(|variant| format!("`embed_migrations!(\"{name}/{variant}\")`"))
                .collect();
            return vec![format!(
                "`{name}` holds a set of migrations for each backend; help: name one, {}",
                calls.join(" or ")
            )];
        }
    }
    error
        .findings
        .iter()
        .map(|finding| message(package, finding))
        .collect()
}

fn message(package: &Path, finding: &CatalogFinding) -> String {
    let path = finding.path.strip_prefix(package).unwrap_or(&finding.path);
    let place = finding
        .place
        .map(|place| format!(":{place}"))
        .unwrap_or_default();
    format!(
        "{}{place}: {finding}; help: {}",
        path.display(),
        finding.problem.help()
    )
}

/// The sets for one backend each that lie in a directory instead of migrations.
fn variants(directory: &Path) -> Vec<&'static str> {
    Dialect::ALL
        .into_iter()
        .flat_map(Dialect::directory_names)
        .copied()
        .filter(|name| {
            let set = directory.join(name);
            set.is_dir() && !set.join("up.sql").exists()
        })
        .collect()
}

fn code(catalog: &Catalog, directories: &[PathBuf]) -> Result<String, String> {
    let mut set = String::new();
    for migration in catalog.iter() {
        set.push_str(&entry(migration)?);
    }
    // Nothing reads the HEAD files: to embed their text makes the compiler run
    // the macro again once they name a new migration.
    let mut heads = String::new();
    for directory in directories {
        let head = directory.join(head::FILE_NAME);
        if head.is_file() {
            let _ = write!(heads, "{},", included(&head)?);
        }
    }
    Ok(format!(
        "{{ const _: &[&str] = &[{heads}]; \
           const SET: &[EmbeddedMigration] = &[{set}]; \
           Migrations::new(SET) }}"
    ))
}

fn entry(migration: &Migration) -> Result<String, String> {
    let directory = migration
        .directory()
        .ok_or_else(|| format!("{} has no directory", migration.name))?;
    let optional = |present: bool, file: &str| {
        if present {
            included(&directory.join(file)).map(|text| format!("Some({text})"))
        } else {
            Ok("None".to_owned())
        }
    };
    Ok(format!(
        "EmbeddedMigration {{ name: {:?}, up: {}, down: {}, metadata: {} }},",
        migration.name,
        included(&directory.join("up.sql"))?,
        optional(migration.down == DownScript::Present, "down.sql")?,
        optional(directory.join("metadata.toml").exists(), "metadata.toml")?,
    ))
}

/// The file's text, in a form that makes the compiler watch the file. Only the
/// text comes into the binary, so where it was built doesn't show.
fn included(path: &Path) -> Result<String, String> {
    let text = path
        .to_str()
        .ok_or_else(|| format!("{} is not UTF-8", path.display()))?;
    Ok(format!("::core::include_str!({text:?})"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn package(files: &[(&str, &str)]) -> TempDir {
        let package = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = package.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        package
    }

    fn expansion(package: &TempDir, named: &[&str]) -> Result<String, Vec<String>> {
        let named: Vec<String> = named.iter().map(|&name| name.to_owned()).collect();
        let root = package.path().to_str().unwrap().to_owned();
        expand(package.path(), &named).map(|code| code.replace(&root, ""))
    }

    fn refusals(package: &TempDir, named: &[&str]) -> Vec<String> {
        expansion(package, named).unwrap_err()
    }

    #[test]
    fn every_file_of_the_set_is_watched_and_nothing_else() {
        let package = package(&[
            ("migrations/2_b/up.sql", "b"),
            ("migrations/1_a/up.sql", "a"),
            ("migrations/1_a/down.sql", ""),
            ("migrations/1_a/metadata.toml", "run_in_transaction = false"),
            ("migrations/1_a/notes.md", ""),
            ("migrations/HEAD", "2_b\n"),
        ]);
        assert_eq!(
            expansion(&package, &[]).unwrap(),
            "{ const _: &[&str] = &[::core::include_str!(\"/migrations/HEAD\"),]; \
             const SET: &[EmbeddedMigration] = &[\
             EmbeddedMigration { name: \"1_a\", \
             up: ::core::include_str!(\"/migrations/1_a/up.sql\"), \
             down: Some(::core::include_str!(\"/migrations/1_a/down.sql\")), \
             metadata: Some(::core::include_str!(\"/migrations/1_a/metadata.toml\")) },\
             EmbeddedMigration { name: \"2_b\", \
             up: ::core::include_str!(\"/migrations/2_b/up.sql\"), down: None, metadata: None },\
             ]; Migrations::new(SET) }"
        );
    }

    #[test]
    fn several_directories_are_one_set() {
        let package = package(&[
            ("own/2_b/up.sql", "b"),
            ("base/1_a/up.sql", "a"),
            ("own/1_a/up.sql", "a"),
        ]);
        let code = expansion(&package, &["base", "own"]).unwrap();
        assert!(code.contains("/base/1_a/up.sql") && code.contains("/own/2_b/up.sql"));
        assert!(!code.contains("/own/1_a"), "{code}");
    }

    #[test]
    fn a_directory_above_the_package_is_never_taken() {
        let workspace = package(&[("migrations/1_a/up.sql", "a"), ("cart/Cargo.toml", "")]);
        let cart = workspace.path().join("cart");
        let missing = expand(&cart, &[]).unwrap_err();
        assert_eq!(
            missing,
            ["migrations: no such migrations directory; \
              help: `cargo migrate init` makes a member a migrating service"]
        );
        for name in ["../migrations", "a/../../migrations", "/migrations"] {
            let refused = expand(&cart, &[name.to_owned()]).unwrap_err();
            assert!(
                refused[0].contains("leads out of the package"),
                "{refused:?}"
            );
        }
        assert!(expand(&cart, &[".".to_owned()]).is_err());
    }

    #[test]
    fn every_mistake_in_a_set_is_an_error_that_names_its_place() {
        let package = package(&[
            ("migrations/1_a/up.sql", "a"),
            ("migrations/1_b/up.sql", "b"),
            ("migrations/2_c/down.sql", ""),
            ("migrations/3_d/up.sql", "d"),
            ("migrations/3_d/metadata.toml", "run_in_transaction = 1"),
        ]);
        let refusals = refusals(&package, &[]);
        assert_eq!(refusals.len(), 3, "{refusals:?}");
        assert!(refusals[0].starts_with("migrations/1_b: the same version 1 as "));
        assert!(refusals[1].starts_with("migrations/2_c: the migration has no up.sql; help: "));
        assert!(refusals[2].starts_with("migrations/3_d/metadata.toml:1:22: "));
    }

    #[test]
    fn a_set_for_each_backend_wants_one_to_be_named() {
        let package = package(&[
            ("migrations/postgres/1_a/up.sql", "a"),
            ("migrations/sqlite/1_a/up.sql", "a"),
        ]);
        assert_eq!(
            refusals(&package, &[]),
            [
                "`migrations` holds a set of migrations for each backend; help: name one, \
              `embed_migrations!(\"migrations/postgres\")` or \
              `embed_migrations!(\"migrations/sqlite\")`"
            ]
        );
        assert!(expansion(&package, &["migrations/sqlite"]).is_ok());
    }
}
