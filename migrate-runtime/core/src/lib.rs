//! The pure heart of `cargo migrate`: what a migration is, what a set of them
//! says, and what has to be done to a database. Apart from the catalog's
//! loader nothing here touches a file, a clock, the environment or a database.

mod admit;
mod catalog;
mod checksum;
mod dialect;
mod divergence;
mod excerpt;
pub mod head;
mod history;
mod legible;
mod metadata;
mod place;
mod plan;
mod selector;
mod split;
mod state;
mod text;
mod token;
mod version;

pub use admit::{Note, Refusal, RefusalKind, RunMode, Script};
pub use catalog::{
    Catalog, CatalogError, CatalogFinding, CatalogProblem, CatalogWarning, DownScript, Migration,
    ReadError, ReadProblem, SameVersion,
};
pub use checksum::{Checksum, ChecksumError};
pub use dialect::{Dialect, UnknownDialect};
pub use divergence::Divergence;
pub use excerpt::Excerpt;
pub use history::{Applied, AttemptState, Direction, Edit, History, Recorded, Unfinished};
pub use legible::{is_invisible, legible};
pub use metadata::{Kind, Metadata, MetadataError, Transaction};
pub use place::Place;
pub use plan::{
    Ahead, Down, Goal, Note as PlanNote, OutOfOrder, Plan, PlanError, Policy, Resume, Step,
    StepSource, StoredDown, Up, plan,
};
pub use selector::{Selector, SelectorError, find};
pub use split::{
    Lexeme, Lost, SplitError, Statement, StatementKind, TemporaryTable, Unterminated,
    assigns_variables, lexemes, replay, split, temporary_tables, under_settings,
};
pub use state::{Entry, State, inspect};
pub use text::{TextError, decode};
pub use token::{Token, TokenKind, Tokens, tokenize};
pub use version::{MAX_VERSION_CHARS, Version, VersionError};
