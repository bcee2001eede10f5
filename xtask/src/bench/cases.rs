//! The cases, and what they share: the programs, the engines and a directory
//! on disk.

mod apply;
mod fleet;
mod one;
mod remote;
mod start;
mod thousands;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;

use super::binaries::Binaries;
use super::database::Engine;
use super::figures::{Row, Series};
use super::process::Invocation;
use super::race::{Contender, race};
use crate::servers::{Durability, Servers};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// 200 migrations of one service into an empty SQLite file.
    ApplySqlite,
    /// The same on PostgreSQL.
    ApplyPostgres,
    /// The same on MariaDB.
    ApplyMariadb,
    /// A server that is 1 and 10 ms away.
    Remote,
    /// One service of 200 migrations, of which none is pending.
    IdleSqlite,
    /// The same on PostgreSQL.
    IdlePostgres,
    /// The same on MariaDB.
    IdleMariadb,
    /// 50 services of 20 migrations, of which none is pending.
    FleetSqlite,
    /// The same on 50 databases of PostgreSQL.
    FleetPostgres,
    /// One service of 5,000 migrations.
    Thousands,
    /// Starting, size and build.
    Start,
}

/// What every case is given.
pub(super) struct Course {
    pub(super) binaries: Binaries,
    pub(super) directory: PathBuf,
    /// Of the cases that take long; the short ones run three times as many.
    pub(super) rounds: usize,
    sqlite: Engine,
    postgres: OnceCell<Engine>,
    mariadb: OnceCell<Engine>,
    servers: OnceCell<Servers>,
}

impl Course {
    pub(super) fn new(binaries: Binaries, directory: &Path, rounds: usize) -> Result<Self> {
        Ok(Self {
            binaries,
            directory: directory.to_owned(),
            rounds,
            sqlite: Engine::sqlite(directory)?,
            postgres: OnceCell::new(),
            mariadb: OnceCell::new(),
            servers: OnceCell::new(),
        })
    }

    fn sqlite(&self) -> &Engine {
        &self.sqlite
    }

    fn postgres(&self) -> Result<&Engine> {
        once(&self.postgres, || Engine::postgres(self.servers()?))
    }

    fn mariadb(&self) -> Result<&Engine> {
        once(&self.mariadb, || Engine::mariadb(self.servers()?))
    }

    /// The servers, which write through to the disk; started by the first case
    /// that wants one.
    fn servers(&self) -> Result<&Servers> {
        once(&self.servers, || Servers::start(Durability::Durable))
    }

    fn directory_of(&self, case: &str) -> PathBuf {
        self.directory.join(case)
    }

    /// A race of the long kind.
    fn race(&self, contenders: &[Contender<'_>]) -> Result<Vec<Series>> {
        race(self.rounds, contenders, &self.directory.join("talk"))
    }

    /// A race of short runs, of which more are needed.
    fn sprint(&self, contenders: &[Contender<'_>]) -> Result<Vec<Series>> {
        race(self.rounds * 3, contenders, &self.directory.join("talk"))
    }

    /// Runs something that is only to be done, not compared.
    fn once(&self, invocation: &Invocation) -> Result<super::process::Sample> {
        invocation.measure(&self.directory.join("talk"))
    }

    pub(super) fn run(&self, case: Case) -> Result<Vec<Row>> {
        match case {
            Case::ApplySqlite => apply::run(self, self.sqlite()),
            Case::ApplyPostgres => apply::run(self, self.postgres()?),
            Case::ApplyMariadb => apply::run(self, self.mariadb()?),
            Case::Remote => remote::run(self, self.postgres()?),
            Case::IdleSqlite => one::run(self, self.sqlite()),
            Case::IdlePostgres => one::run(self, self.postgres()?),
            Case::IdleMariadb => one::run(self, self.mariadb()?),
            Case::FleetSqlite => fleet::run(self, self.sqlite()),
            Case::FleetPostgres => fleet::run(self, self.postgres()?),
            Case::Thousands => thousands::run(self, self.sqlite()),
            Case::Start => start::run(self),
        }
    }
}

/// What the cell holds, made by the first who asks.
fn once<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}
