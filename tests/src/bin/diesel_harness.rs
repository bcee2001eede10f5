//! Diesel's own harness as a program, for `cargo xtask bench` to run beside
//! ours: what diesel_cli does, without its command line and system libraries.

use std::error::Error;
use std::process::ExitCode;

use diesel::{Connection, MysqlConnection, PgConnection, SqliteConnection};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

/// Either result of the crate's boxed errors.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, directory, verb] = arguments.as_slice() else {
        return Err("usage: diesel_harness <url> <directory> connect|run|revert|pending".into());
    };
    let migrations = FileBasedMigrations::from_path(directory)?;
    if url.starts_with("postgres") {
        work(&mut PgConnection::establish(url)?, migrations, verb)?;
    } else if url.starts_with("mysql") {
        work(&mut MysqlConnection::establish(url)?, migrations, verb)?;
    } else {
        work(&mut SqliteConnection::establish(url)?, migrations, verb)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn work<C>(connection: &mut C, migrations: FileBasedMigrations, verb: &str) -> Result<(), Failure>
where
    C: MigrationHarness<C::Backend> + Connection,
{
    match verb {
        // What the connection itself costs.
        "connect" => {}
        "run" => {
            connection.run_pending_migrations(migrations)?;
        }
        "revert" => {
            connection.revert_all_migrations(migrations)?;
        }
        "pending" => {
            connection.pending_migrations(migrations)?;
        }
        other => return Err(format!("no such verb: {other}").into()),
    }
    Ok(())
}
