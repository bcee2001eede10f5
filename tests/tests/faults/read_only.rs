//! Row 10 on SQLite, where rights are those of files: a disk, a directory, a
//! database or a lock file that may only be read. Looking works, writing is
//! refused by name, and nothing is changed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tests::tally::Tally;
use tests::workspace::{Run, Workspace};

use crate::volume::{ReadOnly, Volume};

/// What may only be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Disk,
    Directory,
    Database,
    LockFile,
    ByUrl,
    BySessionSetup,
}

const ALL: [What; 6] = [
    What::Disk,
    What::Directory,
    What::Database,
    What::LockFile,
    What::ByUrl,
    What::BySessionSetup,
];

/// How the pending migration is run.
const WAYS: [(&str, &[&str]); 4] = [
    ("run_in_transaction = true\n", &["run"]),
    ("run_in_transaction = false\n", &["run"]),
    (
        "run_in_transaction = true\n",
        &["run", "--single-transaction"],
    ),
    ("run_in_transaction = true\n", &["revert"]),
];

struct Shop {
    workspace: Workspace,
    volume: Volume,
}

impl Shop {
    fn new(metadata: &str) -> Self {
        let workspace = Workspace::new();
        workspace.service("shop", "");
        workspace.migration(
            "shop",
            "1_a",
            "CREATE TABLE a (id INTEGER);",
            "DROP TABLE a;",
        );
        let shop = Self {
            workspace,
            volume: Volume::new(4096),
        };
        shop.run(&["run"], "").ok();
        let (up, down) = ("CREATE TABLE b (id INTEGER);", "DROP TABLE b;");
        shop.workspace.migration("shop", "2_b", up, down);
        let file = "services/shop/migrations/2_b/metadata.toml";
        shop.workspace.write(file, metadata);
        shop
    }

    /// `parameters` are the URL's.
    fn run(&self, args: &[&str], parameters: &str) -> Run {
        let path = self.volume.path("shop.db");
        let url = match parameters {
            "" => format!("sqlite:{}", path.display()),
            some => format!("file:{}?{some}", path.display()),
        };
        let mut command = self.workspace.command(args);
        command.env("SHOP_DATABASE_URL", url);
        self.workspace.finish(command)
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = std::fs::read_dir(self.volume.path("")).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        // Who holds the lock writes its name there, and that is no data.
        paths
            .filter(|path| !path.ends_with("shop.db.migrate-lock"))
            .map(|path| (path.clone(), std::fs::read(path).expect("a file")))
            .collect()
    }

    fn make(&self, what: What) -> Vec<ReadOnly> {
        let path = |name: &str| self.volume.path(name);
        match what {
            What::Disk => {
                self.volume.read_only();
                Vec::new()
            }
            What::Directory => {
                let _ = std::fs::remove_file(path("shop.db.migrate-lock"));
                let directory = ReadOnly::over(path(""));
                // In reverse, the database's own mount goes first.
                vec![ReadOnly::not_for(path("shop.db")), directory]
            }
            What::Database => vec![ReadOnly::over(path("shop.db"))],
            What::LockFile => {
                std::fs::write(path("shop.db.migrate-lock"), "").expect("written");
                vec![ReadOnly::over(path("shop.db.migrate-lock"))]
            }
            What::BySessionSetup => {
                let setup = "session-setup = [\"PRAGMA query_only = ON\"]";
                self.workspace.service("shop", setup);
                Vec::new()
            }
            What::ByUrl => Vec::new(),
        }
    }
}

#[test]
fn what_may_only_be_read_is_looked_at_named_and_not_written() {
    let mut tally = Tally::new(10, "SQLite, read only");
    for what in ALL {
        for (metadata, args) in WAYS {
            let shop = Shop::new(metadata);
            let made = shop.make(what);
            let parameters = if what == What::ByUrl { "mode=ro" } else { "" };
            let before = shop.files();
            shop.run(&["status"], parameters)
                .ok()
                .prints(&["1_a", "2_b"]);
            shop.run(&["plan"], parameters)
                .ok()
                .prints(&["CREATE TABLE b"]);
            let refused = shop.run(args, parameters);
            assert_eq!(
                refused.code,
                Some(1),
                "{what:?} {args:?}: {}",
                refused.stderr
            );
            for words in ["help: ", "shop"] {
                assert!(
                    refused.stderr.contains(words),
                    "{what:?} {args:?}: {}",
                    refused.stderr
                );
            }
            let names = ["readonly database", "ead-only file system", "read-only"];
            assert!(
                names.iter().any(|words| refused.stderr.contains(words)),
                "{what:?} {args:?}: {}",
                refused.stderr
            );
            let after = shop.files();
            assert!(after == before, "{what:?} {args:?} changed a file");
            tally.add("refusals");
            drop(made);
            if what == What::Disk {
                shop.volume.writable();
            }
            shop.workspace.service("shop", "");
            shop.run(args, "").ok();
        }
    }
    tally.finish("refusals", ALL.len() * WAYS.len());
}

#[test]
fn no_database_is_made_where_none_may_be() {
    let mut tally = Tally::new(10, "SQLite, read only and empty");
    let shop = Shop::new("");
    for name in ["shop.db", "shop.db.migrate-lock"] {
        std::fs::remove_file(shop.volume.path(name)).expect("removed");
    }
    shop.volume.read_only();
    for args in [&["run"][..], &["create"], &["run", "--create-database"]] {
        shop.run(args, "").exits(1).says(&["help: "]);
        tally.add("refusals");
    }
    assert!(shop.files().is_empty());
    shop.volume.writable();
    shop.run(&["run"], "").ok();
    tally.finish("refusals", 3);
}
