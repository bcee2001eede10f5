//! What is measured: sets of migrations, workspaces of services around them,
//! and the same work as a script for a database's own client.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Diesel's own, so that every contender writes the same row.
const HISTORY_TABLE: &str = "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);\n";

/// A directory of migrations.
#[derive(Debug, Clone)]
pub(super) struct Set {
    pub(super) directory: PathBuf,
    pub(super) count: usize,
}

/// How the client's script groups its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transactions {
    Each,
    One,
}

/// A Cargo workspace of services with sets of the same size.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) root: PathBuf,
    pub(super) services: Vec<Service>,
}

/// A member of a fleet.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) set: Set,
}

impl Set {
    /// Writes `count` migrations, each of two DDL statements, with their downs.
    fn write(directory: PathBuf, count: usize) -> Result<Self> {
        for n in 1..=count {
            let migration = directory.join(format!("2026-01-01-{n:06}_create_t{n}"));
            fs::create_dir_all(&migration)?;
            fs::write(migration.join("up.sql"), up(n))?;
            fs::write(migration.join("down.sql"), format!("DROP TABLE t{n};\n"))?;
        }
        Ok(Self { directory, count })
    }

    /// The whole set as a script that also writes the history.
    pub(super) fn script(&self, path: &Path, transactions: Transactions) -> Result<()> {
        let mut script = String::new();
        if transactions == Transactions::One {
            script.push_str("BEGIN;\n");
        }
        script.push_str(HISTORY_TABLE);
        for n in 1..=self.count {
            if transactions == Transactions::Each {
                script.push_str("BEGIN;\n");
            }
            script.push_str(&up(n));
            writeln!(
                script,
                "INSERT INTO __diesel_schema_migrations (version) VALUES ('20260101{n:06}');"
            )?;
            if transactions == Transactions::Each {
                script.push_str("COMMIT;\n");
            }
        }
        if transactions == Transactions::One {
            script.push_str("COMMIT;\n");
        }
        fs::write(path, script).context("failed to write the client's script")
    }
}

/// The same for each engine: MySQL has no index on the whole of a `text`.
fn up(n: usize) -> String {
    format!(
        "CREATE TABLE t{n} (id integer PRIMARY KEY, name varchar(100) NOT NULL, created_at timestamp);\n\
         CREATE INDEX t{n}_name ON t{n} (name);\n"
    )
}

impl Fleet {
    /// Writes a workspace; every service's database is the SQLite file
    /// `<name>.db` in its root, unless the environment names another.
    pub(super) fn write(root: &Path, services: usize, migrations: usize) -> Result<Self> {
        let manifest = "[workspace]\nresolver = \"3\"\nmembers = [\"services/*\"]\n";
        fs::create_dir_all(root)?;
        fs::write(root.join("Cargo.toml"), manifest)?;
        let services = (1..=services)
            .map(|n| {
                let name = format!("s{n:02}");
                let directory = root.join("services").join(&name);
                fs::create_dir_all(directory.join("src"))?;
                fs::write(directory.join("src/lib.rs"), "")?;
                let manifest = format!(
                    "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
                     [package.metadata.migrate]\ndefault-url = \"sqlite:{name}.db\"\n"
                );
                fs::write(directory.join("Cargo.toml"), manifest)?;
                let set = Set::write(directory.join("migrations"), migrations)?;
                Ok(Service { name, set })
            })
            .collect::<Result<_>>()
            .context("failed to write the workspace to measure")?;
        Ok(Self {
            root: root.to_owned(),
            services,
        })
    }

    pub(super) fn manifest(&self) -> PathBuf {
        self.root.join("Cargo.toml")
    }

    /// The set of a fleet of one.
    pub(super) fn set(&self) -> &Set {
        &self.services[0].set
    }

    /// The SQLite file of a service.
    pub(super) fn file(&self, service: &Service) -> PathBuf {
        self.root.join(format!("{}.db", service.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_does_what_the_set_does() {
        let home = tempfile::tempdir().expect("a directory");
        let fleet = Fleet::write(home.path(), 2, 3).expect("a fleet");
        assert_eq!(fleet.services.len(), 2);
        let path = home.path().join("script.sql");
        fleet
            .set()
            .script(&path, Transactions::Each)
            .expect("a script");
        let script = fs::read_to_string(&path).expect("the script");
        let mut directories: Vec<_> = fs::read_dir(&fleet.set().directory)
            .expect("the set")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        directories.sort();
        assert_eq!(directories.len(), 3);
        for directory in directories {
            let up = fs::read_to_string(directory.join("up.sql")).expect("up.sql");
            assert!(script.contains(&up));
            let name = directory.file_name().expect("a name").to_string_lossy();
            let version = name.split('_').next().expect("a version").replace('-', "");
            assert!(script.contains(&format!("VALUES ('{version}')")));
        }
        assert_eq!(script.matches("BEGIN;").count(), 3);
        fleet
            .set()
            .script(&path, Transactions::One)
            .expect("a script");
        let script = fs::read_to_string(&path).expect("the script");
        assert_eq!(script.matches("BEGIN;").count(), 1);
    }
}
