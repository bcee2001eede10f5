//! What takes root, long, or servers of its own, beside the larger fault suite:
//! networks that go away, a standby that becomes the primary, and processes
//! that get no memory and no files. `cargo xtask soak` runs it.

mod limits;
mod network;
mod promotion;
mod server;
mod started;
