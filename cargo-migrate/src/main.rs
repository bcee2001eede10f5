//! The `cargo-migrate` binary; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    cargo_migrate::commands::main(std::env::args_os())
}
