//! What the killed and the signalled runners run: sets in which every
//! statement leaves a mark, and the oracle, which is what an undisturbed
//! command leaves. No table of marks has a key: a statement that ran twice
//! shows.

use std::fmt;
use std::process::{Child, Stdio};
use std::time::Duration;

use tests::chance::Chance;
use tests::relay::{Relay, Stop};
use tests::service::{Engine, Shop};
use tests::tally::Tally;
use tests::workspace::Run;

/// A command on a set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) engine: Engine,
    /// Under [package.metadata.migrate].
    pub(crate) metadata: &'static str,
    /// Writes the migrations.
    pub(crate) set: fn(&Shop),
    /// What ran before, undisturbed.
    pub(crate) before: &'static [&'static str],
    pub(crate) args: &'static [&'static str],
    pub(crate) doubts: &'static [Doubt],
}

/// A statement that a crash may leave in doubt, and how a person looks whether
/// it took effect.
#[derive(Debug)]
pub(crate) struct Doubt {
    pub(crate) version: &'static str,
    pub(crate) step: usize,
    /// Has a row if it did.
    pub(crate) took_effect: &'static str,
}

/// A command whose conversation with its server has stopped.
pub(crate) struct Held {
    pub(crate) child: Child,
    pub(crate) relay: Relay,
}

/// What happened where, for messages.
pub(crate) struct At(pub(crate) &'static str, pub(crate) Stop);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}", self.0, self.1)
    }
}

/// Each gap between `trips` round trips once, and those before and after them.
/// Whether the server has answered or has not yet been asked is one state of
/// the database, and two of the connection: chance decides.
pub(crate) fn gaps(trips: usize, chance: &mut Chance) -> Vec<Stop> {
    let gap = |after: usize, chance: &mut Chance| match after {
        0 => Stop::Unsent(1),
        _ if after == trips || chance.below(2) == 0 => Stop::Unanswered(after),
        _ => Stop::Unsent(after + 1),
    };
    (0..=trips).map(|after| gap(after, chance)).collect()
}

/// What a command leaves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    schema: String,
    history: Vec<String>,
    marks: Vec<String>,
    /// All but those that failed and of which nothing is left.
    attempts: Vec<String>,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.engine, self.name)
    }
}

impl Scenario {
    /// A database on which the command can be run.
    pub(crate) fn shop(&self) -> Shop {
        let shop = Shop::with(self.engine, self.metadata);
        (self.set)(&shop);
        if !self.before.is_empty() {
            shop.run(self.before).ok();
        }
        shop
    }

    /// What the command leaves when nobody disturbs it.
    pub(crate) fn oracle(&self) -> Outcome {
        let shop = self.shop();
        shop.run(self.args).ok();
        Outcome::of(&shop)
    }

    /// The next command after a fault, by a person who does what it says: it
    /// completes unaided, or stops with `resolve`.
    #[track_caller]
    pub(crate) fn complete(&self, shop: &Shop, tally: &mut Tally, at: &dyn fmt::Display) {
        let next = shop.run(self.args);
        self.complete_after(shop, next, tally, at);
    }

    /// The same when that command has been run.
    #[track_caller]
    pub(crate) fn complete_after(
        &self,
        shop: &Shop,
        next: Run,
        tally: &mut Tally,
        at: &dyn fmt::Display,
    ) {
        tally.add_many("resolves", 0);
        let mut next = next;
        // One statement at a time can be in doubt.
        if next.code == Some(7) {
            tally.add("resolves");
            self.resolve(shop, &next, at);
            next = shop.run(self.args);
        }
        assert_eq!(next.code, Some(0), "{self}, {at}: {}", next.stderr);
    }

    /// Looks, and types what the help says.
    #[track_caller]
    fn resolve(&self, shop: &Shop, stopped: &Run, at: &dyn fmt::Display) {
        let (_, rest) = stopped
            .stderr
            .split_once("`cargo migrate resolve ")
            .unwrap_or_else(|| panic!("{self}, {at}: {}", stopped.stderr));
        let words: Vec<&str> = rest.split([' ', '`']).collect();
        let (version, step) = (words[0], words[2].parse::<usize>().expect("a number"));
        let doubt = self
            .doubts
            .iter()
            .find(|doubt| doubt.version == version && doubt.step == step)
            .unwrap_or_else(|| panic!("{self}, {at}: no need to ask: {}", stopped.stderr));
        let how = if shop.texts(doubt.took_effect).is_empty() {
            "--retry"
        } else {
            "--done"
        };
        let step = step.to_string();
        shop.run(&["resolve", version, "--step", &step, how]).ok();
    }

    /// A relay before the shop's server, in clear, so that it sees whose turn
    /// it is.
    pub(crate) fn relay(shop: &Shop) -> (Relay, String) {
        let (url, parameter) = match shop.engine {
            Engine::Mariadb => (shop.mariadb().url(), "ssl-mode=disabled"),
            Engine::Sqlite | Engine::Postgres => (shop.postgres().url(), "sslmode=disable"),
        };
        let relay = Relay::before(url);
        let url = format!("{}?{parameter}", relay.url());
        (relay, url)
    }

    /// Starts the command, and comes back when its conversation stops.
    #[track_caller]
    pub(crate) fn start_until(&self, shop: &Shop, stop: Stop) -> Held {
        let (relay, url) = Self::relay(shop);
        relay.begin(Some(stop));
        let mut child = shop
            .command(self.args)
            .env("SHOP_DATABASE_URL", &url)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        while !relay.holds_within(Duration::from_secs(1)) {
            let ended = child.try_wait().expect("a child");
            assert_eq!(ended, None, "{self} ended before {stop:?}");
        }
        Held { child, relay }
    }

    /// The round trips of the undisturbed command.
    pub(crate) fn trips(&self) -> usize {
        let shop = self.shop();
        let (relay, url) = Self::relay(&shop);
        let mut command = shop.command(self.args);
        command.env("SHOP_DATABASE_URL", &url);
        shop.workspace.finish(command).ok();
        relay.trips()
    }
}

impl Outcome {
    /// What is there now; the migration of the marks has been applied.
    pub(crate) fn of(shop: &Shop) -> Self {
        let mut link = shop.connect();
        Self {
            schema: shop.schema(),
            history: shop.history(),
            marks: link.texts("SELECT concat(n, '') AS text FROM marks ORDER BY n"),
            attempts: link.texts(
                "SELECT concat(version, ' ', direction, ' ', state) AS text FROM __migrate_journal \
                 WHERE state <> 'failed' ORDER BY version, direction",
            ),
        }
    }
}

/// Every scenario of a server.
pub(crate) fn all(engine: Engine) -> Vec<Scenario> {
    match engine {
        Engine::Sqlite => sqlite(),
        Engine::Postgres => postgres(),
        Engine::Mariadb => mariadb(),
    }
}

const RUN: &[&str] = &["run"];
const WHOLE: &[&str] = &["run", "--single-transaction"];
const REVERT: &[&str] = &["revert", "--to", "0"];

fn postgres() -> Vec<Scenario> {
    let transactions = Scenario {
        name: "in transactions",
        engine: Engine::Postgres,
        metadata: "lock-timeout = \"0\"",
        set: in_transactions,
        before: &[],
        args: RUN,
        doubts: &[],
    };
    let steps = Scenario {
        name: "by steps",
        set: by_steps_on_postgres,
        doubts: &[
            Doubt {
                version: "1",
                step: 4,
                took_effect: "SELECT enumlabel::text AS text FROM pg_enum WHERE enumlabel = 'late'",
            },
            // Nothing that a second time would change.
            Doubt {
                version: "1",
                step: 6,
                took_effect: "SELECT 'x' AS text WHERE false",
            },
            Doubt {
                version: "1",
                step: 7,
                took_effect: "SELECT 'x' AS text WHERE false",
            },
            Doubt {
                version: "2",
                step: 1,
                took_effect: "SELECT n::text AS text FROM marks WHERE n = 5",
            },
        ],
        ..transactions
    };
    let revert = |scenario: Scenario, name, doubts| Scenario {
        name,
        before: RUN,
        args: REVERT,
        doubts,
        ..scenario
    };
    vec![
        transactions,
        steps,
        Scenario {
            name: "in a single transaction",
            args: WHOLE,
            ..transactions
        },
        revert(transactions, "reverting", &[]),
        revert(
            steps,
            "reverting by steps",
            &[
                Doubt {
                    version: "2",
                    step: 1,
                    took_effect: "SELECT n::text AS text FROM marks WHERE n = -5",
                },
                Doubt {
                    version: "1",
                    step: 2,
                    took_effect: "SELECT 'x' AS text WHERE to_regclass('marks_n') IS NULL",
                },
            ],
        ),
    ]
}

fn mariadb() -> Vec<Scenario> {
    let run = Scenario {
        name: "running",
        engine: Engine::Mariadb,
        metadata: "lock-timeout = \"0\"",
        set: on_mariadb,
        before: &[],
        args: RUN,
        doubts: &[Doubt {
            version: "3",
            step: 1,
            took_effect: "SELECT concat(n, '') AS text FROM marks WHERE n = 4",
        }],
    };
    vec![
        run,
        Scenario {
            name: "reverting",
            before: RUN,
            args: REVERT,
            doubts: &[],
            ..run
        },
    ]
}

fn sqlite() -> Vec<Scenario> {
    let transactions = Scenario {
        name: "in transactions",
        engine: Engine::Sqlite,
        metadata: "",
        set: in_transactions,
        before: &[],
        args: RUN,
        doubts: &[],
    };
    let steps = Scenario {
        name: "by steps",
        set: by_steps_on_sqlite,
        ..transactions
    };
    vec![
        transactions,
        steps,
        Scenario {
            name: "in a single transaction",
            args: WHOLE,
            ..transactions
        },
        Scenario {
            name: "with a write-ahead log",
            metadata: "session-setup = [\"PRAGMA journal_mode = WAL\"]",
            ..transactions
        },
        Scenario {
            name: "reverting",
            before: RUN,
            args: REVERT,
            ..transactions
        },
        Scenario {
            name: "reverting by steps",
            before: RUN,
            args: REVERT,
            ..steps
        },
    ]
}

/// The migration that is never reverted.
fn marks(shop: &Shop) {
    shop.migration(
        "0_marks",
        "CREATE TABLE marks (n INTEGER NOT NULL);\nINSERT INTO marks VALUES (0);\n",
        "DROP TABLE marks;\n",
    );
}

fn in_transactions(shop: &Shop) {
    marks(shop);
    shop.migration(
        "1_items",
        "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO marks VALUES (1);\n",
        "INSERT INTO marks VALUES (-1);\nDROP TABLE items;\n",
    );
    shop.migration(
        "2_sku",
        "INSERT INTO marks VALUES (2);\nALTER TABLE items ADD COLUMN sku TEXT;\n\
         CREATE INDEX items_sku ON items (sku);\nINSERT INTO marks VALUES (3);\n",
        "INSERT INTO marks VALUES (-3);\nDROP INDEX items_sku;\nALTER TABLE items DROP COLUMN sku;\n\
         INSERT INTO marks VALUES (-2);\n",
    );
    shop.migration(
        "3_view",
        "CREATE VIEW named AS SELECT id FROM items WHERE name IS NOT NULL;\nINSERT INTO marks VALUES (4);\n",
        "DROP VIEW named;\nINSERT INTO marks VALUES (-4);\n",
    );
}

fn by_steps_on_postgres(shop: &Shop) {
    shop.migration(
        "0_marks",
        "CREATE TABLE marks (n INTEGER NOT NULL);\nINSERT INTO marks VALUES (0);\n\
         CREATE TYPE stage AS ENUM ('early');\n\
         CREATE PROCEDURE mark(number INTEGER) LANGUAGE plpgsql AS $$ BEGIN\n\
         INSERT INTO marks VALUES (number); COMMIT; END $$;\n",
        "DROP PROCEDURE mark; DROP TYPE stage; DROP TABLE marks;\n",
    );
    shop.steps(
        "1_steps",
        "INSERT INTO marks VALUES (1);\n\
         CREATE INDEX CONCURRENTLY marks_n ON marks (n);\n\
         INSERT INTO marks VALUES (2);\n\
         ALTER TYPE stage ADD VALUE 'late';\n\
         ALTER TABLE marks ADD COLUMN stage stage;\n\
         VACUUM marks;\n\
         REINDEX INDEX CONCURRENTLY marks_n;\n\
         INSERT INTO marks VALUES (3, 'late');\n",
        "INSERT INTO marks VALUES (-1);\n\
         DROP INDEX CONCURRENTLY marks_n;\n\
         ALTER TABLE marks DROP COLUMN stage;\n\
         INSERT INTO marks VALUES (-2);\n",
    );
    shop.steps(
        "2_call",
        "CALL mark(5);\nINSERT INTO marks (n) VALUES (6);\n",
        "CALL mark(-5);\nINSERT INTO marks (n) VALUES (-6);\n",
    );
}

/// A statement of every sort: DDL of each kind that is looked up, rows that
/// share a transaction with their record, and a call that nobody can look up.
fn on_mariadb(shop: &Shop) {
    shop.migration(
        "0_marks",
        "CREATE TABLE marks (n INT NOT NULL, note VARCHAR(20));\nINSERT INTO marks (n) VALUES (0);\n",
        "DROP TABLE marks;\n",
    );
    shop.migration(
        "1_items",
        "CREATE TABLE items (id INT PRIMARY KEY);\nINSERT INTO marks (n) VALUES (1);\n",
        "INSERT INTO marks (n) VALUES (-1);\nDROP TABLE items;\n",
    );
    shop.migration(
        "2_mixed",
        "ALTER TABLE marks ADD COLUMN kind VARCHAR(20) NOT NULL DEFAULT 'plain';\n\
         INSERT INTO marks (n) VALUES (2);\n\
         INSERT INTO marks (n) VALUES (3);\n\
         CREATE INDEX marks_kind ON marks (kind);\n\
         DELIMITER //\n\
         CREATE PROCEDURE mark(IN number INT)\nBEGIN\n  INSERT INTO marks (n) VALUES (number);\nEND //\n\
         DELIMITER ;\n\
         CREATE TRIGGER noted BEFORE INSERT ON marks FOR EACH ROW SET NEW.note = 'seen';\n\
         CREATE VIEW all_marks AS SELECT n FROM marks;\n",
        "DROP VIEW all_marks;\nDROP TRIGGER noted;\nDROP PROCEDURE mark;\n\
         INSERT INTO marks (n) VALUES (-3);\nDROP INDEX marks_kind ON marks;\n\
         INSERT INTO marks (n) VALUES (-2);\nALTER TABLE marks DROP COLUMN kind;\n",
    );
    shop.migration(
        "3_call",
        "CALL mark(4);\nINSERT INTO marks (n) VALUES (5);\n",
        "INSERT INTO marks (n) VALUES (-5);\n",
    );
}

/// A table rebuilt as SQLite's documentation has it, and what must stand alone.
fn by_steps_on_sqlite(shop: &Shop) {
    marks(shop);
    shop.steps(
        "1_rebuild",
        "CREATE TABLE items (id INTEGER PRIMARY KEY);\n\
         INSERT INTO marks VALUES (1);\n\
         PRAGMA foreign_keys = OFF;\n\
         BEGIN;\n\
         CREATE TABLE new_items (id INTEGER PRIMARY KEY, name TEXT);\n\
         INSERT INTO new_items (id) SELECT id FROM items;\n\
         DROP TABLE items;\n\
         ALTER TABLE new_items RENAME TO items;\n\
         INSERT INTO marks VALUES (2);\n\
         COMMIT;\n\
         VACUUM;\n\
         INSERT INTO marks VALUES (3);\n",
        "INSERT INTO marks VALUES (-3);\nVACUUM;\nDROP TABLE items;\nINSERT INTO marks VALUES (-1);\n",
    );
    shop.migration(
        "2_more",
        "CREATE INDEX items_name ON items (name);\nINSERT INTO marks VALUES (4);\n",
        "INSERT INTO marks VALUES (-4);\nDROP INDEX items_name;\n",
    );
}
