//! The migration engine that each service embeds and that `cargo migrate`
//! calls: reads what a database says was applied, plans, and executes, safely
//! with any number of concurrent runners.
//!
//! A service that brings its database up to date when it starts, with any
//! number of replicas at once:
//!
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use migrate_runtime::core::{Goal, Up};
//! use migrate_runtime::{
//!     Access, Database, DatabaseUrl, Migrations, Migrator, Report, Session, embed_migrations,
//! };
//!
//! static MIGRATIONS: Migrations = embed_migrations!("tests/sets/cart");
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = DatabaseUrl::parse("sqlite::memory:")?;
//! let catalog = MIGRATIONS.catalog()?;
//! let mut database = Database::open(&url, &Session::new("cart", Access::Write))?;
//! let mut report = Report::default();
//! Migrator::new(&catalog).run(&mut database, &Goal::Up(Up::Latest), &mut report)?;
//! assert_eq!(report.done.len(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! None is on by default; each adds a database.
//!
//! - `postgres`: PostgreSQL by Diesel's `PgConnection`, over libpq.
//! - `sqlite`: SQLite by Diesel's `SqliteConnection`.
//! - `mysql`: MySQL and MariaDB by a client in pure Rust with TLS of its own,
//!   which needs no system library, but a runtime of Tokio's that it brings
//!   along. It blocks as all others do, also within a runtime of the service's.
//! - `mysql-backend`: the engine alone, over a MySQL connection that the service
//!   has already: `Database::over_mysql`.

// A build with one backend leaves unused what only another one needs.
#![cfg_attr(
    not(all(feature = "mysql", feature = "postgres", feature = "sqlite")),
    allow(
        dead_code,
        unreachable_code,
        unused_imports,
        unused_variables,
        reason = "some parts are one backend's alone"
    )
)]

mod admin;
mod backend;
mod cancelling;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
mod client;
mod embedded;
mod error;
mod event;
mod execute;
mod interrupt;
mod lock;
#[cfg(any(feature = "mysql-backend", feature = "postgres"))]
mod masked;
mod migrator;
mod open;
mod quote;
mod reading;
mod repair;
mod store;
mod url;

pub use admin::{
    AdminError, Created, Dropped, create_database, drop_database, is_reachable, may_be_dropped,
};
pub use backend::AttemptRow;
pub use embedded::{EmbeddedError, EmbeddedMigration, Migrations};
pub use error::{
    Blocker, Certainty, DatabaseError, DatabaseErrorKind, Error, ErrorCode, Failure, OpenError,
    OpenReason, RefusedFile, Remains,
};
pub use event::{Event, Observer};
pub use execute::{Done, Report};
pub use interrupt::Interrupt;
pub use lock::{DEFAULT_LOCK_TRIES, DEFAULT_LOCK_WAIT};
pub use migrate_core as core;
#[doc(hidden)]
pub use migrate_macros::embed_migrations as __embed_migrations;
pub use migrator::{Migrator, Options, Resolution, Scope};
pub use open::{Access, Database, Session};
pub use repair::{Repair, RepairError, Repaired};
pub use store::{DEFAULT_HISTORY_TABLE, Runner};
pub use url::{DatabaseUrl, UrlError};
