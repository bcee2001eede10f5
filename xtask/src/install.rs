//! `cargo xtask install`: what the build and the tests need from the system.
//! As root on Debian what is missing is installed; anywhere else it is named.

use std::env;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::servers::{mariadb, postgres};
use crate::{account, program};

/// Options of `install`.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Only say what is missing.
    #[arg(long)]
    check: bool,
}

/// Something that has to be there before anything can be built or tested.
struct Need {
    what: &'static str,
    /// Debian's names, which most people can translate to their system's.
    packages: &'static [&'static str],
    is_there: fn() -> bool,
}

const NEEDS: &[Need] = &[
    Need {
        what: "a C compiler with the C library's headers",
        packages: &["gcc", "libc6-dev"],
        is_there: || {
            let include = ["-E", "-include", "stdio.h", "-x", "c", "/dev/null"];
            program::succeeds("cc", &include)
        },
    },
    Need {
        what: "make",
        packages: &["make"],
        is_there: || program::find("make").is_some(),
    },
    Need {
        // Debian's perl-base has no FindBin, and OpenSSL's Configure wants it.
        what: "perl with its standard modules",
        packages: &["perl"],
        is_there: || {
            let modules = ["-MFindBin", "-MIPC::Cmd", "-MFile::Compare", "-e", "1"];
            program::succeeds("perl", &modules)
        },
    },
    Need {
        what: "the sqlite3 shell",
        packages: &["sqlite3"],
        is_there: || program::find("sqlite3").is_some(),
    },
    Need {
        what: "PostgreSQL's server and client programs",
        packages: &["postgresql"],
        is_there: || postgres::find_programs().is_some(),
    },
    Need {
        what: "MariaDB's server and client programs",
        packages: &["mariadb-server", "mariadb-client"],
        is_there: mariadb::is_installed,
    },
    Need {
        // The fault suite starts one before PostgreSQL.
        what: "pgbouncer",
        packages: &["pgbouncer"],
        is_there: || program::find_daemon("pgbouncer").is_some(),
    },
    Need {
        // The fault suite stops a runner on SQLite between any two writes.
        what: "strace",
        packages: &["strace"],
        is_there: || program::succeeds("strace", &["-V"]),
    },
    Need {
        // For the certificates of the tests' MariaDB.
        what: "the openssl program",
        packages: &["openssl"],
        is_there: || program::succeeds("openssl", &["version"]),
    },
    Need {
        // Only the tests link it: Diesel's own connection to MySQL, which is
        // the oracle there and what a service may bring.
        what: "MySQL's or MariaDB's client library with its headers",
        packages: &["libmariadb-dev", "pkg-config"],
        is_there: || {
            let knows = |library| program::succeeds("pkg-config", &["--exists", library]);
            env::var_os("MYSQLCLIENT_LIB_DIR").is_some()
                || knows("libmariadb")
                || knows("mysqlclient")
                || program::succeeds("mysql_config", &["--version"])
        },
    },
];

/// Makes sure that everything is there.
pub(crate) fn run(options: &Options) -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        for need in NEEDS {
            println!("found {}", need.what);
        }
        return Ok(());
    }
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|need| need.packages)
        .copied()
        .collect();
    if options.check || !account::is_root() || program::find("apt-get").is_none() {
        return Err(instructions(&missing, &packages));
    }

    println!("installing {}", packages.join(" "));
    apt_get(&["update"])?;
    apt_get(&[&["install", "-y", "--no-install-recommends"], &packages[..]].concat())?;

    let still: Vec<&str> = self::missing().iter().map(|need| need.what).collect();
    if !still.is_empty() {
        bail!(
            "apt-get installed {}, and yet {} is missing",
            packages.join(" "),
            still.join(", ")
        );
    }
    Ok(())
}

fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !(need.is_there)()).collect()
}

fn instructions(missing: &[&Need], packages: &[&str]) -> anyhow::Error {
    let what: Vec<&str> = missing.iter().map(|need| need.what).collect();
    anyhow::anyhow!(
        "missing: {}\nhelp: on Debian and Ubuntu: apt-get install {}",
        what.join(", "),
        packages.join(" ")
    )
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("failed to start apt-get")?;
    if !status.success() {
        bail!("apt-get {} ended with {status}", arguments.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_packages_that_bring_it() {
        let need = &NEEDS[0];
        let text = instructions(&[need], need.packages).to_string();
        assert!(text.contains("missing: a C compiler"), "{text}");
        assert!(text.contains("apt-get install gcc libc6-dev"), "{text}");
    }
}
