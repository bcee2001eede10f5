//! End to end: the real binary, in workspaces that aren't ours, on SQLite files
//! and a real PostgreSQL server.

mod first_steps;
mod differential;
mod service;
