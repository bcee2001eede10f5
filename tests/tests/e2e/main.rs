//! End to end: the real binary, in workspaces that aren't ours, on SQLite files
//! and a real PostgreSQL server.

mod afresh;
mod asking;
mod codes;
mod command_line;
mod differential;
mod engine;
mod errors;
mod everyday;
mod files;
mod first_steps;
mod frameworks;
mod habits;
mod interrupted;
mod json;
mod json_talk;
mod long_sets;
mod manners;
mod mariadb;
mod mysql_urls;
mod oddities;
mod permissions;
mod postgres;
mod racing;
mod readme;
mod remains;
mod roundtrips;
mod scaffold;
mod selection;
mod servers;
mod session;
mod shop;
mod statements;
mod steps;
mod tree;
mod urls;
