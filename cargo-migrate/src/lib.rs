//! The parts of the `cargo-migrate` command, as a library for its binary and
//! its tests. Its API follows the command's needs and promises nothing else.

pub mod cli;
pub mod commands;
pub mod config;
pub mod exit;
pub mod fleet;
mod git;
pub mod problem;
pub mod report;
pub mod scaffold;
mod signal;
pub mod target;
pub mod term;
pub mod workspace;
