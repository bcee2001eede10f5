//! What the end-to-end tests and the fault suite share: where the built
//! command and the servers are, a database for each test, a service on it, a
//! relay before it, servers that a test may kill, and the tally of faults. The tests themselves lie in
//! `tests/`.

pub mod chance;
pub mod daemon;
pub mod env;
pub mod relay;
pub mod service;
pub mod tally;
pub mod workspace;
