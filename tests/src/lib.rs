//! What the end-to-end tests share: where the built command and the servers
//! are, and a database for each test. The tests themselves lie in `tests/`.

pub mod env;
pub mod workspace;
