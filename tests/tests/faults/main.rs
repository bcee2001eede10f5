//! The fault suite: any number of runners at once, and every sort of crash,
//! against the real binary and real servers. Each row of the table in the
//! design prints and asserts how many faults it injected.

mod disk_full;
mod divergence;
mod gates;
mod killed_between;
mod killed_inside;
mod killed_servers;
mod killed_writing;
mod missing_rights;
mod own_server;
mod pooled;
mod racing;
mod read_only;
mod scenario;
mod tracer;
mod volume;
