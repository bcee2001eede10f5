//! End to end: the real binary, in workspaces that aren't ours, on SQLite files
//! and a real PostgreSQL server.

mod first_steps;
mod afresh;
mod asking;
mod codes;
mod command_line;
mod errors;
mod everyday;
mod files;
mod habits;
mod manners;
mod json;
mod json_talk;
mod permissions;
mod postgres;
mod remains;
mod roundtrips;
mod scaffold;
mod selection;
mod servers;
mod statements;
mod tree;
mod session;
mod differential;
mod service;
mod oddities;
mod racing;
mod readme;
mod steps;
mod interrupted;
mod urls;
