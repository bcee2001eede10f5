//! The migration engine that each service embeds and that `cargo migrate`
//! calls: reads what a database says was applied, plans, and executes, safely
//! with any number of concurrent runners.

mod admin;
mod backend;
mod error;
mod event;
mod execute;
mod interrupt;
mod lock;
mod migrator;
mod open;
mod quote;
mod reading;
mod store;
mod url;

pub use admin::{AdminError, Created, Dropped, create_database, drop_database, is_reachable};
pub use backend::AttemptRow;
pub use error::{
    DatabaseError, DatabaseErrorKind, Error, Failure, OpenError, OpenReason, RefusedFile, Remains,
};
pub use event::{Event, Observer};
pub use execute::{Done, Report};
pub use interrupt::Interrupt;
pub use lock::DEFAULT_LOCK_WAIT;
pub use migrate_core as core;
pub use migrator::{Migrator, Options, Resolution, Scope};
pub use open::{Access, Database, Session};
pub use store::{DEFAULT_HISTORY_TABLE, Runner};
pub use url::{DatabaseUrl, UrlError};
