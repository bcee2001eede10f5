//! Row 10: a role or an account that lacks one right of those that a run needs.
//! What it lacks is named, with a remedy, and nothing is changed; with the right
//! the same command does its work.

use std::process::Command;

use tests::env::postgres_program;
use tests::service::{Engine, Link, Shop};
use tests::tally::Tally;
use tests::workspace::{CANARY, Run};

/// One right that is taken away. `{role}` and `{database}` stand for the
/// test's own.
struct Case {
    /// What is taken away, for whoever reads a failure.
    without: &'static str,
    begin: Begin,
    take: &'static str,
    give: &'static str,
    /// The file that is pending, and where it runs.
    up: &'static str,
    mode: Mode,
    args: &'static [&'static str],
    says: &'static [&'static str],
}

/// What is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    Empty,
    /// The administrator has run the first migration, and the role has all
    /// rights on our tables, and none on the service's.
    Migrated,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Transaction,
    Steps,
}

const HARMLESS: &str = "CREATE TABLE b (id INTEGER);";

const POSTGRES: [Case; 23] = [
    Case {
        without: "CONNECT on the database",
        begin: Begin::Empty,
        take: "REVOKE CONNECT ON DATABASE {database} FROM {role}",
        give: "GRANT CONNECT ON DATABASE {database} TO {role}",
        up: HARMLESS,
        mode: Mode::Transaction,
        args: &["run"],
        says: &["permission denied for database", "help: "],
    },
    Case {
        without: "USAGE on the schema",
        begin: Begin::Migrated,
        take: "REVOKE USAGE ON SCHEMA public FROM {role}",
        give: "GRANT USAGE ON SCHEMA public TO {role}",
        up: HARMLESS,
        mode: Mode::Transaction,
        args: &["run"],
        says: &["schema", "help: ", "USAGE"],
    },
    Case {
        without: "USAGE on an empty schema",
        begin: Begin::Empty,
        take: "REVOKE USAGE ON SCHEMA public FROM {role}",
        give: "GRANT USAGE ON SCHEMA public TO {role}",
        up: HARMLESS,
        mode: Mode::Transaction,
        args: &["run"],
        says: &["schema", "help: ", "USAGE"],
    },
    Case {
        without: "CREATE on the schema",
        begin: Begin::Empty,
        take: "REVOKE CREATE ON SCHEMA public FROM {role}",
        give: "GRANT CREATE ON SCHEMA public TO {role}",
        up: HARMLESS,
        mode: Mode::Transaction,
        args: &["run"],
        says: &["permission denied for schema public", "help: ", "CREATE"],
    },
    Case {
        without: "CREATE on the schema, by steps",
        begin: Begin::Empty,
        take: "REVOKE CREATE ON SCHEMA public FROM {role}",
        give: "GRANT CREATE ON SCHEMA public TO {role}",
        up: HARMLESS,
        mode: Mode::Steps,
        args: &["run"],
        says: &["permission denied for schema public", "help: ", "CREATE"],
    },
    Case {
        without: "CREATE on the schema, in a single transaction",
        begin: Begin::Empty,
        take: "REVOKE CREATE ON SCHEMA public FROM {role}",
        give: "GRANT CREATE ON SCHEMA public TO {role}",
        up: HARMLESS,
        mode: Mode::Transaction,
        args: &["run", "--single-transaction"],
        says: &["permission denied for schema public", "help: ", "CREATE"],
    },
    Case {
        without: "EXECUTE on the transaction's lock",
        begin: Begin::Migrated,
        take: "REVOKE EXECUTE ON FUNCTION pg_try_advisory_xact_lock(bigint) FROM PUBLIC",
        give: "GRANT EXECUTE ON FUNCTION pg_try_advisory_xact_lock(bigint) TO {role}",
        up: HARMLESS,
        mode: Mode::Transaction,
        args: &["run"],
        says: &[
            "permission denied for function pg_try_advisory_xact_lock",
            "help: ",
        ],
    },
    Case {
        without: "EXECUTE on the session's lock",
        begin: Begin::Migrated,
        take: "REVOKE EXECUTE ON FUNCTION pg_try_advisory_lock(bigint) FROM PUBLIC",
        give: "GRANT EXECUTE ON FUNCTION pg_try_advisory_lock(bigint) TO {role}",
        up: HARMLESS,
        mode: Mode::Steps,
        args: &["run"],
        says: &[
            "permission denied for function pg_try_advisory_lock",
            "help: ",
        ],
    },
    Case {
        without: "SELECT on the history",
        begin: Begin::Migrated,
        take: "REVOKE SELECT ON __diesel_schema_migrations FROM {role}",
        give: "GRANT SELECT ON __diesel_schema_migrations TO {role}",
        up: HARMLESS,
        mode: Mode::Transaction,
        args: &["run"],
        says: &[
            "permission denied for table __diesel_schema_migrations",
            "help: ",
            "SELECT",
        ],
    },
    Case {
        without: "INSERT on the history",
        begin: Begin::Migrated,
        take: "REVOKE INSERT ON __diesel_schema_migrations FROM {role}",
        give: "GRANT INSERT ON __diesel_schema_migrations TO {role}",
        up: HARMLESS,
        mode: Mode::Transaction,
        args: &["run"],
        says: &[
            "permission denied for table __diesel_schema_migrations",
            "help: ",
            "INSERT",
        ],
    },
    Case {
        without: "INSERT on the history, in a single transaction",
        begin: Begin::Migrated,
        take: "REVOKE INSERT ON __diesel_schema_migrations FROM {role}",
        give: "GRANT INSERT ON __diesel_schema_migrations TO {role}",
        up: HARMLESS,
        mode: Mode::Transaction,
        args: &["run", "--single-transaction"],
        says: &[
            "permission denied for table __diesel_schema_migrations",
            "help: ",
            "INSERT",
        ],
    },
    Case {
        without: "INSERT on the history, by steps",
        begin: Begin::Migrated,
        take: "REVOKE INSERT ON __diesel_schema_migrations FROM {role}",
        give: "GRANT INSERT ON __diesel_schema_migrations TO {role}",
        up: HARMLESS,
        mode: Mode::Steps,
        args: &["run"],
        says: &[
            "permission denied for table __diesel_schema_migrations",
            "help: ",
            "INSERT",
        ],
    },
    Case {
        without: "DELETE on the history",
        begin: Begin::Migrated,
        take: "REVOKE DELETE ON __diesel_schema_migrations FROM {role}",
        give: "GRANT DELETE ON __diesel_schema_migrations TO {role}; ALTER TABLE a OWNER TO {role}",
        up: HARMLESS,
        mode: Mode::Transaction,
        args: &["revert"],
        says: &[
            "permission denied for table __diesel_schema_migrations",
            "help: ",
            "DELETE",
        ],
    },
    Case {
        without: "INSERT on the journal",
        begin: Begin::Migrated,
        take: "REVOKE INSERT ON __migrate_journal FROM {role}",
        give: "GRANT INSERT ON __migrate_journal TO {role}",
        up: HARMLESS,
        mode: Mode::Transaction,
        args: &["run"],
        says: &[
            "permission denied for table __migrate_journal",
            "help: ",
            "INSERT",
        ],
    },
    Case {
        without: "INSERT on the journal, by steps",
        begin: Begin::Migrated,
        take: "REVOKE INSERT ON __migrate_journal FROM {role}",
        give: "GRANT INSERT ON __migrate_journal TO {role}",
        up: HARMLESS,
        mode: Mode::Steps,
        args: &["run"],
        says: &[
            "permission denied for table __migrate_journal",
            "help: ",
            "INSERT",
        ],
    },
    Case {
        without: "INSERT on the steps",
        begin: Begin::Migrated,
        take: "REVOKE INSERT ON __migrate_steps FROM {role}",
        give: "GRANT INSERT ON __migrate_steps TO {role}",
        up: HARMLESS,
        mode: Mode::Steps,
        args: &["run"],
        says: &["permission denied for table __migrate_steps", "help: "],
    },
    Case {
        without: "SELECT on the journal",
        begin: Begin::Migrated,
        take: "REVOKE SELECT ON __migrate_journal FROM {role}",
        give: "GRANT SELECT ON __migrate_journal TO {role}",
        up: HARMLESS,
        mode: Mode::Steps,
        args: &["run"],
        says: &["table __migrate_journal", "help: ", "SELECT"],
    },
    Case {
        without: "the ownership of a table",
        begin: Begin::Migrated,
        take: "SELECT 1",
        give: "ALTER TABLE a OWNER TO {role}",
        up: "CREATE TABLE b (id INTEGER);\nALTER TABLE a ADD COLUMN note TEXT;",
        mode: Mode::Transaction,
        args: &["run"],
        says: &[
            "up.sql:2",
            "must be owner of table a",
            "help: grant the right that is missing",
        ],
    },
    Case {
        without: "INSERT on the service's table",
        begin: Begin::Migrated,
        take: "SELECT 1",
        give: "GRANT INSERT ON a TO {role}",
        up: "CREATE TABLE b (id INTEGER);\nINSERT INTO a VALUES (1);",
        mode: Mode::Transaction,
        args: &["run"],
        says: &[
            "up.sql:2",
            "permission denied for table a",
            "help: grant the right that is missing",
        ],
    },
    Case {
        without: "a right that LOCK wants",
        begin: Begin::Migrated,
        take: "GRANT SELECT ON a TO {role}",
        give: "GRANT UPDATE ON a TO {role}",
        up: "LOCK TABLE a IN EXCLUSIVE MODE;\nCREATE TABLE b (id INTEGER);",
        mode: Mode::Transaction,
        args: &["run"],
        says: &[
            "up.sql:1",
            "permission denied for table a",
            "help: grant the right that is missing",
        ],
    },
    Case {
        without: "CREATEROLE",
        begin: Begin::Migrated,
        take: "SELECT 1",
        give: "ALTER ROLE {role} CREATEROLE",
        up: "CREATE TABLE b (id INTEGER);\nCREATE ROLE {role}_more;\nDROP ROLE {role}_more;",
        mode: Mode::Transaction,
        args: &["run"],
        says: &[
            "up.sql:2",
            "permission denied to create role",
            "help: grant the right that is missing",
        ],
    },
    Case {
        without: "a database that may be written",
        begin: Begin::Migrated,
        take: "ALTER DATABASE {database} SET default_transaction_read_only = on",
        give: "ALTER DATABASE {database} RESET default_transaction_read_only",
        up: HARMLESS,
        mode: Mode::Transaction,
        args: &["run"],
        says: &["read-only", "help: "],
    },
    Case {
        without: "a database that may be written, by steps",
        begin: Begin::Migrated,
        take: "ALTER DATABASE {database} SET default_transaction_read_only = on",
        give: "ALTER DATABASE {database} RESET default_transaction_read_only",
        up: HARMLESS,
        mode: Mode::Steps,
        args: &["run"],
        says: &["read-only", "help: "],
    },
];

const MARIADB: [Case; 12] = [
    Case {
        without: "everything",
        begin: Begin::Empty,
        take: "REVOKE ALL ON {database}.* FROM {role}",
        give: "GRANT ALL ON {database}.* TO {role}",
        up: HARMLESS,
        mode: Mode::Steps,
        args: &["run"],
        says: &["ccess denied", "help: "],
    },
    Case {
        without: "CREATE",
        begin: Begin::Empty,
        take: "REVOKE CREATE ON {database}.* FROM {role}",
        give: "GRANT CREATE ON {database}.* TO {role}",
        up: HARMLESS,
        mode: Mode::Steps,
        args: &["run"],
        says: &["CREATE command denied", "help: ", "CREATE"],
    },
    Case {
        without: "SELECT",
        begin: Begin::Migrated,
        take: "REVOKE SELECT ON {database}.* FROM {role}",
        give: "GRANT SELECT ON {database}.* TO {role}",
        up: HARMLESS,
        mode: Mode::Steps,
        args: &["run"],
        says: &["SELECT command denied", "help: ", "SELECT"],
    },
    Case {
        without: "INSERT",
        begin: Begin::Migrated,
        take: "REVOKE INSERT ON {database}.* FROM {role}",
        give: "GRANT INSERT ON {database}.* TO {role}",
        up: HARMLESS,
        mode: Mode::Steps,
        args: &["run"],
        says: &["INSERT command denied", "help: ", "INSERT"],
    },
    Case {
        without: "INSERT, in a transaction",
        begin: Begin::Migrated,
        take: "REVOKE INSERT ON {database}.* FROM {role}",
        give: "GRANT INSERT ON {database}.* TO {role}",
        up: "UPDATE a SET id = id + 1;",
        mode: Mode::Transaction,
        args: &["run"],
        says: &["INSERT command denied", "help: ", "INSERT"],
    },
    Case {
        without: "DELETE",
        begin: Begin::Migrated,
        take: "REVOKE DELETE ON {database}.* FROM {role}",
        give: "GRANT DELETE ON {database}.* TO {role}",
        up: HARMLESS,
        mode: Mode::Steps,
        args: &["revert"],
        says: &["DELETE command denied", "help: ", "DELETE"],
    },
    Case {
        without: "ALTER",
        begin: Begin::Migrated,
        take: "REVOKE ALTER ON {database}.* FROM {role}",
        give: "GRANT ALTER ON {database}.* TO {role}",
        up: "ALTER TABLE a ADD COLUMN note TEXT;",
        mode: Mode::Steps,
        args: &["run"],
        says: &[
            "up.sql:1",
            "ALTER command denied",
            "help: grant the right that is missing",
        ],
    },
    Case {
        without: "DROP",
        begin: Begin::Migrated,
        take: "REVOKE DROP ON {database}.* FROM {role}",
        give: "GRANT DROP ON {database}.* TO {role}",
        up: "DROP TABLE a;\nCREATE TABLE a (id INTEGER);",
        mode: Mode::Steps,
        args: &["run"],
        says: &[
            "up.sql:1",
            "DROP command denied",
            "help: grant the right that is missing",
        ],
    },
    Case {
        without: "INDEX",
        begin: Begin::Migrated,
        take: "REVOKE INDEX ON {database}.* FROM {role}",
        give: "GRANT INDEX ON {database}.* TO {role}",
        up: "CREATE INDEX a_id ON a (id);",
        mode: Mode::Steps,
        args: &["run"],
        says: &[
            "up.sql:1",
            "INDEX command denied",
            "help: grant the right that is missing",
        ],
    },
    Case {
        without: "CREATE VIEW",
        begin: Begin::Migrated,
        take: "REVOKE CREATE VIEW ON {database}.* FROM {role}",
        give: "GRANT CREATE VIEW ON {database}.* TO {role}",
        up: "CREATE VIEW v AS SELECT id FROM a;",
        mode: Mode::Steps,
        args: &["run"],
        says: &[
            "up.sql:1",
            "CREATE VIEW command denied",
            "help: grant the right that is missing",
        ],
    },
    Case {
        without: "TRIGGER",
        begin: Begin::Migrated,
        take: "REVOKE TRIGGER ON {database}.* FROM {role}",
        give: "GRANT TRIGGER ON {database}.* TO {role}",
        up: "CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW SET NEW.id = 1;",
        mode: Mode::Steps,
        args: &["run"],
        says: &[
            "up.sql:1",
            "TRIGGER command denied",
            "help: grant the right that is missing",
        ],
    },
    Case {
        without: "CREATE ROUTINE",
        begin: Begin::Migrated,
        take: "REVOKE CREATE ROUTINE ON {database}.* FROM {role}",
        give: "GRANT CREATE ROUTINE ON {database}.* TO {role}",
        up: "CREATE PROCEDURE p() SELECT 1;",
        mode: Mode::Steps,
        args: &["run"],
        says: &[
            "up.sql:1",
            "ccess denied",
            "help: grant the right that is missing",
        ],
    },
];

/// A shop whose commands are run by a role that has all rights but one.
struct Lacking<'c> {
    case: &'c Case,
    shop: Shop,
    administrator: Link,
    role: String,
}

impl<'c> Lacking<'c> {
    fn of(case: &'c Case, engine: Engine) -> Self {
        let shop = Shop::new(engine);
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        let administrator = shop.connect();
        let name = match engine {
            Engine::Mariadb => shop.mariadb().name(),
            Engine::Postgres | Engine::Sqlite => shop.postgres().name(),
        };
        let role = format!("{name}_role");
        let mut lacking = Self {
            case,
            shop,
            administrator,
            role,
        };
        lacking.prepare(engine);
        lacking
    }

    fn prepare(&mut self, engine: Engine) {
        if self.case.begin == Begin::Migrated {
            self.shop.run(&["run"]).ok();
        }
        match engine {
            Engine::Mariadb => {
                self.execute(&format!("CREATE USER {{role}} IDENTIFIED BY '{CANARY}'"));
                self.execute("GRANT ALL ON {database}.* TO {role}");
            }
            Engine::Postgres | Engine::Sqlite => {
                self.execute(&format!("CREATE ROLE {{role}} LOGIN PASSWORD '{CANARY}'"));
                self.execute(
                    "REVOKE ALL ON DATABASE {database} FROM PUBLIC; \
                     REVOKE ALL ON SCHEMA public FROM PUBLIC; \
                     GRANT CONNECT ON DATABASE {database} TO {role}; \
                     GRANT USAGE, CREATE ON SCHEMA public TO {role}",
                );
                if self.case.begin == Begin::Migrated {
                    self.execute(
                        "GRANT ALL ON __diesel_schema_migrations, __migrate_journal, __migrate_steps TO {role}",
                    );
                }
            }
        }
        self.execute(self.case.take);
        if self.case.args[0] == "run" {
            let up = self.case.up.replace("{role}", &self.role);
            match self.case.mode {
                Mode::Transaction => self.shop.migration("2_b", &up, "SELECT 1;"),
                Mode::Steps => self.shop.steps("2_b", &up, "SELECT 1;"),
            }
        }
    }

    fn database(&self) -> &str {
        match self.shop.engine {
            Engine::Mariadb => self.shop.mariadb().name(),
            Engine::Postgres | Engine::Sqlite => self.shop.postgres().name(),
        }
    }

    fn execute(&mut self, sql: &str) {
        let sql = sql
            .replace("{role}", &self.role)
            .replace("{database}", self.database());
        self.administrator.execute(&sql);
    }

    fn run(&self, args: &[&str]) -> Run {
        let url = match self.shop.engine {
            Engine::Mariadb => self.shop.mariadb().url_as(&self.role, CANARY),
            Engine::Postgres | Engine::Sqlite => self.shop.postgres().url_as(&self.role, CANARY),
        };
        let mut command = self.shop.command(args);
        command.env("SHOP_DATABASE_URL", url);
        self.shop.workspace.finish(command)
    }

    /// Schema and rows, but for our journal of attempts: that one was made and
    /// failed may be recorded.
    fn dump(&self) -> String {
        let mut command = match self.shop.engine {
            Engine::Mariadb => {
                let mut dump = self.shop.mariadb().program("mariadb-dump");
                dump.args(["--routines", "--triggers", "--skip-extended-insert"])
                    .args(["--skip-comments", "--skip-dump-date", "--skip-lock-tables"])
                    .arg(format!(
                        "--ignore-table={}.__migrate_journal",
                        self.database()
                    ))
                    .arg(format!(
                        "--ignore-table={}.__migrate_steps",
                        self.database()
                    ))
                    .arg(self.database());
                dump
            }
            Engine::Postgres | Engine::Sqlite => {
                let mut dump = Command::new(postgres_program("pg_dump"));
                dump.args(["--inserts", "--exclude-table-data=__migrate_*"])
                    .args(["--exclude-table-data=__migrate_journal_id_seq"])
                    .args(["--dbname", self.shop.postgres().url()]);
                dump
            }
        };
        let output = command.output().expect("the dump starts");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8_lossy(&output.stdout);
        let lines = text.lines().filter(|line| !line.starts_with('\\'));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The refusal, and that the right was what it took.
    #[track_caller]
    fn is_told(&mut self) {
        let case = self.case;
        let before = self.dump();
        let run = self.run(case.args);
        assert_eq!(
            run.code,
            Some(1),
            "without {}: {}",
            case.without,
            run.stderr
        );
        for words in case.says {
            assert!(
                run.stderr.contains(words),
                "without {}, `{words}` is missing in\n{}",
                case.without,
                run.stderr
            );
        }
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        assert_eq!(self.dump(), before, "without {}", case.without);
        self.execute(case.give);
        let again = self.run(case.args);
        assert_eq!(
            again.code,
            Some(0),
            "with {}: {}",
            case.without,
            again.stderr
        );
    }
}

impl Drop for Lacking<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        match self.shop.engine {
            Engine::Mariadb => self.execute("DROP USER {role}"),
            Engine::Postgres | Engine::Sqlite => {
                self.execute("DROP OWNED BY {role} CASCADE");
                self.execute("DROP ROLE {role}");
            }
        }
    }
}

fn matrix(engine: Engine, cases: &[Case]) {
    let mut tally = Tally::new(10, engine);
    for case in cases {
        Lacking::of(case, engine).is_told();
        tally.add("missing rights");
    }
    tally.finish("missing rights", cases.len());
}

#[test]
fn a_right_that_a_role_lacks_is_named_and_nothing_is_changed() {
    matrix(Engine::Postgres, &POSTGRES);
}

#[test]
fn a_right_that_an_account_lacks_is_named_and_nothing_is_changed() {
    matrix(Engine::Mariadb, &MARIADB);
}

#[test]
fn a_session_that_may_only_read_is_told_so_on_mariadb() {
    let mut tally = Tally::new(10, "Mariadb, read only");
    for mode in [Mode::Transaction, Mode::Steps] {
        let setup = "session-setup = [\"SET SESSION TRANSACTION READ ONLY\"]";
        let shop = Shop::with(Engine::Mariadb, setup);
        match mode {
            Mode::Transaction => shop.migration("1_a", "CREATE TABLE a (id INT);", ""),
            Mode::Steps => shop.steps("1_a", "CREATE TABLE a (id INT);", ""),
        }
        let before = shop.schema();
        shop.run(&["run"]).exits(1).says(&["read-only", "help: "]);
        assert_eq!(shop.schema(), before);
        tally.add("refusals");
    }
    tally.finish("refusals", 2);
}
