//! The fault suite: any number of runners at once, and every sort of crash,
//! against the real binary and real servers. Each row of the table in the
//! design prints and asserts how many faults it injected.

mod canary;
mod disk_full;
mod divergence;
mod gates;
mod german;
mod given_locks;
mod hostile_names;
mod killed_between;
mod killed_inside;
mod killed_servers;
mod killed_writing;
mod large_files;
mod long_statements;
mod lost_answers;
mod lost_locks;
mod missing_rights;
mod own_server;
mod pooled;
mod process;
mod racing;
mod read_only;
mod scenario;
mod signalled;
mod tracer;
mod under_load;
mod user_sql;
mod volume;
