//! `cargo xtask supervise`: the process that owns the tests' servers. It says
//! on one line of standard output where they are, waits for the end of its
//! standard input, stops them and removes their directory. It must not print
//! anything else once they run: whoever listened may be gone.

use std::io::{self, Read, Write};
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, anyhow};
use clap::Args;

use crate::account;
use crate::servers::mariadb::Mariadb;
use crate::servers::postgres::Postgres;
use crate::servers::{Durability, Variables};

/// Options of the hidden `supervise`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What the servers' data is worth.
    #[arg(long, value_enum)]
    durability: Durability,
}

/// Starts the servers and owns them until standard input closes.
pub(crate) fn run(options: &Options) -> Result<()> {
    // Before anything is started: a directory of our own that goes last.
    let directory = tempfile::Builder::new()
        .prefix("cargo-migrate-servers-")
        .tempdir()
        .context("failed to create a directory for the servers")?;
    account::let_pass(directory.path())?;
    let outcome = serve(directory.path(), options.durability);
    directory
        .close()
        .context("failed to remove the servers' directory")?;
    outcome
}

fn serve(directory: &Path, durability: Durability) -> Result<()> {
    let (postgres, mariadb) = start(directory, durability)?;
    let mut variables = Variables::new();
    variables.extend(postgres.variables());
    variables.extend(mariadb.variables());
    let mut answer = serde_json::to_string(&variables)?;
    answer.push('\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(answer.as_bytes())?;
    stdout.flush()?;

    // Ends when the other side closes the pipe or dies, whatever killed it.
    io::stdin().lock().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Starts both at once: each spends its time waiting for its own programs.
fn start(directory: &Path, durability: Durability) -> Result<(Postgres, Mariadb)> {
    thread::scope(|scope| {
        let postgres = scope.spawn(|| Postgres::start(&directory.join("postgres"), durability));
        let mariadb = Mariadb::start(&directory.join("mariadb"), durability);
        let postgres = postgres
            .join()
            .map_err(|_| anyhow!("starting PostgreSQL panicked"))?;
        // Neither is left running where the other did not come up.
        Ok((postgres?, mariadb?))
    })
}
