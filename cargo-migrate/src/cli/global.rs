//! The flags that every command takes: which services, and how to go about it.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ColorChoice, ValueEnum};
use migrate_core::Dialect;

use crate::config::Secret;
use crate::workspace::{Scope, Selection};

/// Which services, as Cargo selects packages.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Selection")]
pub struct SelectionArgs {
    /// Service to work on; repeatable, may be a glob.
    #[arg(short, long, value_name = "SPEC", global = true)]
    pub package: Vec<String>,
    /// All services of the workspace.
    #[arg(long, global = true)]
    pub workspace: bool,
    /// The same as --workspace.
    #[arg(long, global = true)]
    pub all: bool,
    /// Service to leave out; repeatable, may be a glob.
    #[arg(long, value_name = "SPEC", global = true)]
    pub exclude: Vec<String>,
    /// Path to the Cargo.toml of the workspace or of one service.
    #[arg(long, value_name = "PATH", global = true)]
    pub manifest_path: Option<PathBuf>,
    /// One database of a service that has several; `default` is the unnamed one.
    #[arg(long, value_name = "NAME", global = true)]
    pub database: Option<String>,
    /// The set of migrations to use where there is one for each backend.
    #[arg(long, value_name = "BACKEND", value_parser = backend_parser(), global = true)]
    pub backend: Option<Dialect>,
}

impl SelectionArgs {
    /// The packages that the flags select.
    #[must_use]
    pub fn packages(&self) -> Selection {
        Selection {
            packages: self.package.clone(),
            exclude: self.exclude.clone(),
            scope: if self.workspace || self.all {
                Scope::Workspace
            } else {
                Scope::Default
            },
        }
    }
}

fn backend_parser() -> impl TypedValueParser<Value = Dialect> {
    let values = [
        ("postgres", "postgresql"),
        ("mysql", "mariadb"),
        ("sqlite", "sqlite3"),
    ];
    let values = values.map(|(name, alias)| PossibleValue::new(name).alias(alias));
    PossibleValuesParser::new(values).try_map(|name| match name.as_str() {
        "sqlite3" => Ok(Dialect::Sqlite),
        other => other.parse::<Dialect>(),
    })
}

/// How to go about it.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// The database, before every other source; for one service only.
    #[arg(long, value_name = "URL", global = true)]
    pub database_url: Option<Secret>,
    /// Services to work on at the same time.
    #[arg(short, long, value_name = "N", global = true)]
    pub jobs: Option<NonZeroUsize>,
    /// Go on with the other services when one fails.
    #[arg(long, global = true)]
    pub keep_going: bool,
    /// The form of the results on standard output.
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        global = true
    )]
    pub message_format: MessageFormat,
    /// When to use colour.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColorChoice::Auto, global = true)]
    pub color: ColorChoice,
    /// Say only what went wrong.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more: `status -v` tells where each URL came from.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Answer yes to every question.
    #[arg(short, long, global = true)]
    pub yes: bool,
}

/// The form of the results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}
