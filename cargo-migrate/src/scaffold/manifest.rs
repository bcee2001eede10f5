//! Editing a Cargo.toml: what is there keeps its formatting.

use std::path::Path;

use migrate_core::{Dialect, Place};
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

use super::ScaffoldError;
use super::service::{Change, RuntimeDependency, RuntimeSource};

const RUNTIME: &str = "migrate-runtime";

/// The edited text of a manifest, and what was changed; none if all was there.
pub(super) fn edit(
    text: &str,
    path: &Path,
    runtime: &RuntimeDependency,
    backend: Option<Dialect>,
    variable: &str,
) -> Result<Option<(String, Vec<Change>)>, ScaffoldError> {
    let mut document: DocumentMut =
        text.parse()
            .map_err(|error: toml_edit::TomlError| ScaffoldError::Manifest {
                path: path.to_owned(),
                place: error.span().map(|span| Place::of(text, span.start)),
                message: error.message().trim().to_owned(),
            })?;
    let mut changes = Vec::new();
    if add_dependency(&mut document, path, runtime)? {
        changes.push(Change::DependencyAdded {
            manifest: path.to_owned(),
            package: RUNTIME.to_owned(),
        });
    }
    if add_metadata(&mut document, path, backend, variable)? {
        changes.push(Change::MetadataAdded {
            manifest: path.to_owned(),
        });
    }
    Ok((!changes.is_empty()).then(|| (document.to_string(), changes)))
}

fn add_dependency(
    document: &mut DocumentMut,
    path: &Path,
    runtime: &RuntimeDependency,
) -> Result<bool, ScaffoldError> {
    let dependencies = table(document.as_table_mut(), "dependencies", path, Table::new)?;
    let renamed = |item: &Item| item.get("package").and_then(Item::as_str) == Some(RUNTIME);
    if dependencies
        .iter()
        .any(|(name, item)| name == RUNTIME || renamed(item))
    {
        return Ok(false);
    }
    dependencies.insert(RUNTIME, dependency(runtime));
    Ok(true)
}

fn dependency(runtime: &RuntimeDependency) -> Item {
    let mut table = InlineTable::new();
    match &runtime.source {
        RuntimeSource::Version(version) if runtime.features.is_empty() => {
            return value(version.as_str());
        }
        RuntimeSource::Version(version) => {
            table.insert("version", version.as_str().into());
        }
        // Cargo takes `/` on every system, and a manifest is shared by all.
        RuntimeSource::Path(path) => {
            table.insert("path", path.to_string_lossy().replace('\\', "/").into());
        }
        RuntimeSource::Workspace => {
            table.insert("workspace", true.into());
        }
    }
    if !runtime.features.is_empty() {
        table.insert(
            "features",
            Value::Array(runtime.features.iter().map(String::as_str).collect()),
        );
    }
    value(table)
}

fn add_metadata(
    document: &mut DocumentMut,
    path: &Path,
    backend: Option<Dialect>,
    variable: &str,
) -> Result<bool, ScaffoldError> {
    let implicit = || {
        let mut table = Table::new();
        table.set_implicit(true);
        table
    };
    let package = table(document.as_table_mut(), "package", path, Table::new)?;
    let metadata = table(package, "metadata", path, implicit)?;
    let missing = !metadata.contains_key("migrate");
    let commented = || {
        let mut table = Table::new();
        table.decor_mut().set_prefix(format!(
            "\n# The database's URL is in {variable}, or else in DATABASE_URL;\n# `database-url-env` names another variable, `default-url` a URL.\n"
        ));
        table
    };
    let migrate = table(metadata, "migrate", path, commented)?;
    if let Some(dialect) = backend.filter(|_| !migrate.contains_key("backend")) {
        migrate.insert("backend", value(dialect.as_str()));
        return Ok(true);
    }
    Ok(missing)
}

/// The table at `key`, in whichever form it is written.
fn table<'t>(
    parent: &'t mut dyn TableLike,
    key: &str,
    path: &Path,
    new: impl FnOnce() -> Table,
) -> Result<&'t mut dyn TableLike, ScaffoldError> {
    let item = parent.entry(key).or_insert_with(|| Item::Table(new()));
    item.as_table_like_mut()
        .ok_or_else(|| ScaffoldError::Manifest {
            path: path.to_owned(),
            place: None,
            message: format!("`{key}` is not a table"),
        })
}
