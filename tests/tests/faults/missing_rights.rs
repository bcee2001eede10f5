//! Row 10: a role or an account that lacks one right of those that a run needs.
//! What it lacks is named, with a remedy, and nothing is changed; with the right
//! the same command does its work.

mod mariadb;
mod postgres;

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
    matrix(Engine::Postgres, &postgres::CASES);
}

#[test]
fn a_right_that_an_account_lacks_is_named_and_nothing_is_changed() {
    matrix(Engine::Mariadb, &mariadb::CASES);
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
