//! Gates: a statement of a migration waits for a table that the test has
//! locked. So a runner stops inside of a batch or a statement, for as long as
//! the test wants.

use std::fmt;
use std::process::Child;

use tests::service::{Engine, Link, Shop};
use tests::workspace::eventually;

use crate::scenario::{Doubt, Scenario, all};

/// A point inside of a scenario's command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inside {
    pub(crate) scenario: Scenario,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// Before this line of a migration's file, which gets the gate.
    Line(&'static str, &'static str, usize),
    /// The statement that touches this table.
    Table(&'static str),
}

/// A shop whose tables the test has locked.
pub(crate) struct Gated {
    pub(crate) shop: Shop,
    gate: Link,
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Line(migration, file, line) => {
                let scenario = self.scenario;
                write!(f, "{scenario}, before line {line} of {migration}/{file}")
            }
            Place::Table(table) => write!(f, "{}, at {table}", self.scenario),
        }
    }
}

impl Inside {
    /// The shop with the gate still open: for the oracle.
    pub(crate) fn open(&self) -> Shop {
        let shop = self.scenario.shop();
        if let Place::Line(migration, file, line) = self.place {
            shop.connect().execute("CREATE TABLE gate (n INTEGER)");
            let path = shop.migrations().join(migration).join(file);
            let text = std::fs::read_to_string(&path).expect("a file");
            let mut lines: Vec<&str> = text.lines().collect();
            lines.insert(line, "SELECT count(*) FROM gate;");
            std::fs::write(&path, lines.join("\n") + "\n").expect("written");
        }
        shop
    }

    /// The shop with the gate closed.
    pub(crate) fn closed(&self) -> Gated {
        let shop = self.open();
        let table = match self.place {
            Place::Line(..) => "gate",
            Place::Table(table) => table,
        };
        let mut gate = shop.connect();
        gate.execute(&match shop.engine {
            Engine::Postgres => format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
            Engine::Mariadb => format!("LOCK TABLES {table} WRITE"),
            Engine::Sqlite => panic!("SQLite locks no tables"),
        });
        Gated { shop, gate }
    }
}

impl Gated {
    /// The runners' sessions that wait for a lock.
    pub(crate) fn waiting(&mut self) -> Vec<String> {
        self.sessions("wait_event_type = 'Lock'", "STATE LIKE '%metadata lock%'")
    }

    /// All of the runners' sessions.
    pub(crate) fn runners(&mut self) -> Vec<String> {
        self.sessions("true", "TRUE")
    }

    fn sessions(&mut self, on_postgres: &str, on_mariadb: &str) -> Vec<String> {
        if self.shop.engine == Engine::Postgres {
            // In a transaction it would show what it has shown once.
            self.gate.execute("SELECT pg_stat_clear_snapshot()");
        }
        self.gate.texts(&match self.shop.engine {
            Engine::Mariadb => format!(
                "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST \
                 WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND {on_mariadb}"
            ),
            Engine::Sqlite | Engine::Postgres => format!(
                "SELECT pid::text AS text FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name LIKE 'cargo-migrate%' AND {on_postgres}"
            ),
        })
    }

    /// Starts the command, and comes back with the session that has come to
    /// the gate.
    pub(crate) fn start(&mut self, inside: &Inside) -> (Child, String) {
        let mut child = self.shop.start(inside.scenario.args);
        let mut session = None;
        eventually("the statement waits at the gate", || {
            let ended = child.try_wait().expect("a child");
            assert_eq!(ended, None, "{inside}: it ended before the gate");
            session = self.waiting().pop();
            session.is_some()
        });
        (child, session.expect("a session"))
    }

    /// Ends a session as an administrator would.
    pub(crate) fn terminate(&mut self, session: &str) {
        match self.shop.engine {
            Engine::Mariadb => self.gate.execute(&format!("KILL {session}")),
            Engine::Sqlite | Engine::Postgres => {
                self.gate
                    .execute(&format!("SELECT pg_terminate_backend({session})"));
            }
        }
    }

    /// Opens the gate for good.
    pub(crate) fn open(&mut self) {
        self.gate.execute(match self.shop.engine {
            Engine::Mariadb => "UNLOCK TABLES",
            Engine::Sqlite | Engine::Postgres => "ROLLBACK",
        });
    }
}

/// Every point inside of an engine's commands.
pub(crate) fn everywhere(engine: Engine) -> Vec<Inside> {
    let batches = all(engine).into_iter().flat_map(|scenario| {
        // From where the marks are: the gate's table is made by hand.
        let from_marks = Scenario {
            before: &["run", "--to", "0"],
            ..scenario
        };
        match (engine, scenario.name) {
            (Engine::Postgres, "in transactions" | "in a single transaction") => {
                lines(from_marks, "up.sql")
            }
            (Engine::Postgres, "reverting") => lines(scenario, "down.sql"),
            _ => Vec::new(),
        }
    });
    batches.chain(statements(engine)).collect()
}

/// Before, between and behind the statements of `in_transactions`.
fn lines(scenario: Scenario, file: &'static str) -> Vec<Inside> {
    let migrations = [("1_items", 2), ("2_sku", 4), ("3_view", 2)];
    let lines = migrations.into_iter().flat_map(|(migration, statements)| {
        (0..=statements).map(move |line| Place::Line(migration, file, line))
    });
    lines.map(|place| Inside { scenario, place }).collect()
}

fn statements(engine: Engine) -> Vec<Inside> {
    let running = Scenario {
        name: "by gated steps",
        engine,
        metadata: "lock-timeout = \"0\"",
        set: on_postgres,
        before: &[],
        args: &["run"],
        doubts: DOUBTS_ON_POSTGRES,
    };
    let (running, up, down): (_, &[&str], &[&str]) = match engine {
        Engine::Sqlite => return Vec::new(),
        Engine::Postgres => (
            running,
            &["g1", "g2", "g3", "g4", "g5", "g6", "g7"],
            &["g1", "g4", "g6", "g7"],
        ),
        Engine::Mariadb => (
            Scenario {
                set: on_mariadb,
                doubts: DOUBTS_ON_MARIADB,
                ..running
            },
            &["g1", "g2", "g3", "g4", "g5", "g6"],
            &["g1", "g2", "g3", "g4"],
        ),
    };
    let running = Scenario {
        before: &["run", "--to", "0"],
        ..running
    };
    let reverting = Scenario {
        name: "reverting by gated steps",
        before: &["run"],
        args: &["revert", "--to", "0"],
        doubts: match engine {
            Engine::Mariadb => &[],
            Engine::Sqlite | Engine::Postgres => DOUBTS_REVERTING_ON_POSTGRES,
        },
        ..running
    };
    let at = |scenario, tables: &[&'static str]| -> Vec<Inside> {
        let place = |table: &&'static str| Inside {
            scenario,
            place: Place::Table(table),
        };
        tables.iter().map(place).collect()
    };
    [at(running, up), at(reverting, down)].concat()
}

/// What must stand alone, what shares a transaction with its record, and each
/// at a table of its own.
fn on_postgres(shop: &Shop) {
    let tables: String = (1..=7)
        .map(|n| format!("CREATE TABLE g{n} (n INTEGER);\n"))
        .collect();
    shop.migration(
        "0_marks",
        &format!(
            "CREATE TABLE marks (n INTEGER NOT NULL);\nINSERT INTO marks VALUES (0);\n{tables}\
             CREATE INDEX g3_n ON g3 (n);\nCREATE INDEX g4_n ON g4 (n);\n\
             CREATE PROCEDURE mark(number INTEGER) LANGUAGE plpgsql AS $$ BEGIN\n\
             INSERT INTO marks VALUES (number); COMMIT; PERFORM count(*) FROM g5; END $$;\n"
        ),
        "SELECT 1;\n",
    );
    shop.steps(
        "1_steps",
        "INSERT INTO marks VALUES (1);\n\
         CREATE INDEX CONCURRENTLY g1_n ON g1 (n);\n\
         INSERT INTO marks VALUES (2);\n\
         VACUUM g2;\n\
         REINDEX TABLE CONCURRENTLY g3;\n\
         DROP INDEX CONCURRENTLY g4_n;\n\
         CALL mark(3);\n\
         INSERT INTO marks SELECT 4 FROM (SELECT count(*) FROM g6) waits;\n\
         ALTER TABLE g7 ADD COLUMN note TEXT;\n\
         INSERT INTO marks VALUES (5);\n",
        "INSERT INTO marks VALUES (-5);\n\
         ALTER TABLE g7 DROP COLUMN note;\n\
         INSERT INTO marks SELECT -4 FROM (SELECT count(*) FROM g6) waits;\n\
         DROP INDEX CONCURRENTLY g1_n;\n\
         CREATE INDEX CONCURRENTLY g4_n ON g4 (n);\n\
         INSERT INTO marks VALUES (-1);\n",
    );
}

const DOUBTS_ON_POSTGRES: &[Doubt] = &[
    // Nothing that a second time would change.
    Doubt {
        version: "1",
        step: 4,
        took_effect: "SELECT 'x' AS text WHERE false",
    },
    Doubt {
        version: "1",
        step: 5,
        took_effect: "SELECT 'x' AS text WHERE false",
    },
    Doubt {
        version: "1",
        step: 6,
        took_effect: "SELECT 'x' AS text WHERE to_regclass('g4_n') IS NULL",
    },
    Doubt {
        version: "1",
        step: 7,
        took_effect: "SELECT n::text AS text FROM marks WHERE n = 3",
    },
];

const DOUBTS_REVERTING_ON_POSTGRES: &[Doubt] = &[Doubt {
    version: "1",
    step: 4,
    took_effect: "SELECT 'x' AS text WHERE to_regclass('g1_n') IS NULL",
}];

/// The same where all DDL commits, and only a call cannot be looked up.
fn on_mariadb(shop: &Shop) {
    let tables: String = (1..=6)
        .map(|n| format!("CREATE TABLE g{n} (n INT);\n"))
        .collect();
    shop.migration(
        "0_marks",
        &format!(
            "CREATE TABLE marks (n INT NOT NULL);\nINSERT INTO marks VALUES (0);\n{tables}\
             DELIMITER //\nCREATE PROCEDURE mark(IN number INT)\nBEGIN\n  INSERT INTO marks VALUES (number);\n  \
             SELECT count(*) INTO @waits FROM g6;\nEND //\nDELIMITER ;\n"
        ),
        "SELECT 1;\n",
    );
    shop.migration(
        "1_steps",
        "INSERT INTO marks VALUES (1);\n\
         ALTER TABLE g1 ADD COLUMN note TEXT;\n\
         INSERT INTO marks VALUES (2);\n\
         INSERT INTO marks SELECT 3 FROM (SELECT count(*) FROM g2) waits;\n\
         CREATE INDEX g3_n ON g3 (n);\n\
         CREATE TRIGGER g4_noted BEFORE INSERT ON g4 FOR EACH ROW SET NEW.n = 1;\n\
         DROP TABLE g5;\n\
         CALL mark(4);\n\
         INSERT INTO marks VALUES (5);\n",
        "INSERT INTO marks VALUES (-5);\n\
         CREATE TABLE g5 (n INT);\n\
         DROP TRIGGER g4_noted;\n\
         DROP INDEX g3_n ON g3;\n\
         INSERT INTO marks SELECT -3 FROM (SELECT count(*) FROM g2) waits;\n\
         ALTER TABLE g1 DROP COLUMN note;\n\
         INSERT INTO marks VALUES (-1);\n",
    );
}

const DOUBTS_ON_MARIADB: &[Doubt] = &[Doubt {
    version: "1",
    step: 8,
    took_effect: "SELECT concat(n, '') AS text FROM marks WHERE n = 4",
}];
