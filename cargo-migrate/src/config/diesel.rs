//! The two keys of a diesel.toml that concern us: where the migrations are, and
//! where the schema. Everything else in it is Diesel's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::finding::{ConfigFinding, Excerpt};

/// What a diesel.toml says; paths are in full.
#[derive(Debug, Clone, Default)]
pub(super) struct DieselToml {
    pub(super) migrations: Option<PathBuf>,
    pub(super) schema: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Raw {
    migrations_directory: Option<RawMigrations>,
    print_schema: Option<RawSchema>,
}

#[derive(Deserialize)]
struct RawMigrations {
    dir: PathBuf,
}

// `[print_schema.<key>]` tables describe several files; then there is no one
// desired schema, and `schema-file` has to name it.
#[derive(Deserialize)]
struct RawSchema {
    file: Option<toml::Value>,
}

impl DieselToml {
    /// Reads the diesel.toml in `directory`, if there is one. Its paths start
    /// from there, as they do for diesel_cli.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>, ConfigFinding> {
        let file = directory.join("diesel.toml");
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let message = format!("diesel.toml cannot be read: {error}");
                return Err(ConfigFinding {
                    file,
                    excerpt: None,
                    message,
                    help: None,
                });
            }
        };
        let raw: Raw = toml::from_str(&text).map_err(|error| ConfigFinding {
            excerpt: error.span().map(|span| Excerpt::of(&text, span)),
            message: format!("diesel.toml cannot be parsed: {}", error.message().trim()),
            help: None,
            file,
        })?;
        let schema = raw
            .print_schema
            .and_then(|schema| schema.file?.as_str().map(|file| directory.join(file)));
        Ok(Some(Self {
            migrations: raw
                .migrations_directory
                .map(|migrations| directory.join(migrations.dir)),
            schema,
        }))
    }
}
