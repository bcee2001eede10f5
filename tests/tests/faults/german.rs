//! Row 17: a server that complains in German. Whatever goes wrong, the command
//! exits as it does on a server that speaks English, and tells the same remedy:
//! nothing of ours depends on the server's words.

use std::collections::BTreeMap;
use std::process::Stdio;

use diesel::{Connection, MysqlConnection, PgConnection};
use tests::service::{Engine, Link};
use tests::tally::Tally;
use tests::workspace::{CANARY, Run, Workspace, eventually};

use crate::own_server::{OwnServer, Words};

/// A service on a server of either language.
struct Site<'s> {
    server: &'s OwnServer,
    engine: Engine,
    workspace: Workspace,
    database: String,
}

impl<'s> Site<'s> {
    /// With one migration applied.
    fn new(engine: Engine, server: &'s OwnServer, database: &str, metadata: &str) -> Self {
        let workspace = Workspace::new();
        workspace.service("shop", "");
        let site = Self {
            server,
            engine,
            workspace,
            database: database.to_owned(),
        };
        site.at(&server.url())
            .execute(&format!("CREATE DATABASE {database}"));
        site.migration(
            "1_a",
            "CREATE TABLE a (id INTEGER PRIMARY KEY);\nINSERT INTO a VALUES (1);",
        );
        site.run(&["run"]).ok();
        site.workspace.service("shop", metadata);
        site
    }

    fn migration(&self, name: &str, up: &str) {
        self.workspace.migration("shop", name, up, "SELECT 1;");
    }

    fn at(&self, url: &str) -> Link {
        match self.engine {
            Engine::Mariadb => {
                Link::Mariadb(MysqlConnection::establish(url).expect("a connection"))
            }
            Engine::Postgres | Engine::Sqlite => {
                Link::Postgres(PgConnection::establish(url).expect("a connection"))
            }
        }
    }

    fn url(&self) -> String {
        let url = self.server.url();
        let (server, _) = url.rsplit_once('/').expect("a database");
        format!("{server}/{}", self.database)
    }

    fn connect(&self) -> Link {
        self.at(&self.url())
    }

    fn run_at(&self, url: &str, args: &[&str]) -> Run {
        let mut command = self.workspace.command(args);
        command.env("SHOP_DATABASE_URL", url);
        self.workspace.finish(command)
    }

    fn run(&self, args: &[&str]) -> Run {
        self.run_at(&self.url(), args)
    }

    /// The URL of a role that may do what `grants` say.
    fn role(&self, grants: &[&str]) -> String {
        let (mut link, role) = (self.connect(), format!("{}_role", self.database));
        let create = match self.engine {
            Engine::Mariadb => format!("CREATE USER {role} IDENTIFIED BY '{CANARY}'"),
            Engine::Postgres | Engine::Sqlite => {
                format!("CREATE ROLE {role} LOGIN PASSWORD '{CANARY}'")
            }
        };
        link.execute(&create);
        for grant in grants {
            let grant = grant.replace("{database}", &self.database);
            link.execute(&grant.replace("{role}", &role));
        }
        let url = self.url();
        let (_, place) = url.rsplit_once('@').expect("a user");
        let (scheme, _) = url.split_once("://").expect("a scheme");
        format!("{scheme}://{role}:{CANARY}@{place}")
    }
}

/// Something that goes wrong, and how the command ends.
struct Case {
    name: &'static str,
    metadata: &'static str,
    happens: fn(&Site<'_>) -> Run,
    /// None where it is enough that both are alike.
    exits: Option<i32>,
}

const fn case(name: &'static str, exits: i32, happens: fn(&Site<'_>) -> Run) -> Case {
    Case {
        name,
        metadata: "",
        happens,
        exits: Some(exits),
    }
}

const CASES: &[Case] = &[
    case("nothing", 0, |site| {
        site.migration("2_b", "CREATE TABLE b (id INTEGER);");
        site.run(&["run"])
    }),
    case("no_database", 1, |site| {
        let url = format!("{}_that_is_not_there", site.url());
        site.run_at(&url, &["run"])
    }),
    case("no_database_for_status", 1, |site| {
        let url = format!("{}_that_is_not_there", site.url());
        site.run_at(&url, &["status"])
    }),
    case("a_wrong_password", 1, |site| {
        let url = site.url().replacen(":own@", ":wrong@", 1);
        site.run_at(&url, &["run"])
    }),
    case("nobody_there", 1, |site| {
        let url = site.url();
        let (head, _) = url.rsplit_once('@').expect("a user");
        site.run_at(&format!("{head}@127.0.0.1:1/d"), &["run"])
    }),
    case("a_syntax_error", 1, |site| {
        site.migration("2_b", "SELECT 1;\nCREATE TABEL b (id INTEGER);");
        site.run(&["run"])
    }),
    case("a_table_that_is_there", 1, |site| {
        site.migration("2_b", "CREATE TABLE a (id INTEGER);");
        site.run(&["run"])
    }),
    case("a_row_that_is_there", 1, |site| {
        site.migration("2_b", "INSERT INTO a VALUES (1);");
        site.run(&["run"])
    }),
    case("no_rights_at_all", 1, |site| {
        site.migration("2_b", "CREATE TABLE b (id INTEGER);");
        let url = site.role(&[]);
        site.run_at(&url, &["run"])
    }),
    case("only_select", 1, |site| {
        site.migration("2_b", "CREATE TABLE b (id INTEGER);");
        let grant = match site.engine {
            Engine::Mariadb => "GRANT SELECT ON {database}.* TO {role}",
            Engine::Postgres | Engine::Sqlite => {
                "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
            }
        };
        let url = site.role(&[grant]);
        site.run_at(&url, &["run"])
    }),
    case("a_right_on_our_tables_alone", 1, |site| {
        site.migration("2_b", "ALTER TABLE a ADD COLUMN note TEXT;");
        let grants: &[&str] = match site.engine {
            Engine::Mariadb => {
                &["GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON {database}.* TO {role}"]
            }
            Engine::Postgres | Engine::Sqlite => &[
                "GRANT CREATE ON SCHEMA public TO {role}",
                "GRANT ALL ON __diesel_schema_migrations, __migrate_journal, __migrate_steps TO {role}",
            ],
        };
        let url = site.role(grants);
        site.run_at(&url, &["run"])
    }),
    case("no_right_to_create_databases", 1, |site| {
        let url = format!("{}_more", site.role(&[]));
        site.run_at(&url, &["create"])
    }),
    case("a_session_that_may_only_read", 1, |site| {
        let setup = match site.engine {
            Engine::Mariadb => "SET SESSION TRANSACTION READ ONLY",
            Engine::Postgres | Engine::Sqlite => "SET default_transaction_read_only = on",
        };
        let setup = format!("session-setup = [\"{setup}\"]");
        site.workspace.service("shop", &setup);
        site.migration("2_b", "CREATE TABLE b (id INTEGER);");
        site.run(&["run"])
    }),
    Case {
        metadata: "statement-timeout = \"200ms\"",
        ..case("a_statement_that_takes_too_long", 1, |site| {
            site.migration(
                "2_b",
                match site.engine {
                    // A function of MariaDB's own gives up without an error.
                    Engine::Mariadb => "CREATE TABLE b AS WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g) SELECT max(n) AS n FROM g;",
                    Engine::Postgres | Engine::Sqlite => "SELECT pg_sleep(30);",
                },
            );
            site.run(&["run"])
        })
    },
    Case {
        metadata: "lock-timeout = \"1s\"",
        ..case("a_table_that_is_locked_for_a_while", 0, |site| {
            site.migration("2_b", "ALTER TABLE a ADD COLUMN note TEXT;");
            let mut reader = site.connect();
            let reading = match site.engine {
                Engine::Mariadb => "BEGIN; SELECT * FROM a; DO SLEEP(3); COMMIT",
                Engine::Postgres | Engine::Sqlite => {
                    "BEGIN; SELECT * FROM a; SELECT pg_sleep(3); COMMIT"
                }
            };
            std::thread::scope(|scope| {
                scope.spawn(move || reader.execute(reading));
                let mut watch = site.connect();
                eventually("the reader reads", || {
                    !watch
                        .texts(match site.engine {
                            Engine::Mariadb => "SELECT 'x' AS text FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE = 'User sleep'",
                            Engine::Postgres | Engine::Sqlite => "SELECT 'x' AS text FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
                        })
                        .is_empty()
                });
                site.run(&["run"])
            })
        })
    },
    Case {
        metadata: "lock-timeout = \"0\"",
        exits: None,
        ..case("a_session_that_is_terminated", 0, terminated)
    },
    case("another_runner", 0, |site| {
        for n in 2..8 {
            site.migration(
                &format!("{n}_t"),
                &format!("CREATE TABLE t{n} (id INTEGER);"),
            );
        }
        let url = site.url();
        let children: Vec<_> = (0..4)
            .map(|_| {
                let mut command = site.workspace.command(&["run"]);
                command
                    .env("SHOP_DATABASE_URL", &url)
                    .stdout(Stdio::null())
                    .stderr(Stdio::null());
                command.spawn().expect("the command starts")
            })
            .collect();
        for mut child in children {
            assert!(child.wait().expect("a child").success());
        }
        site.run(&["run"])
    }),
];

/// The administrator ends the session that waits for a reader's table.
fn terminated(site: &Site<'_>) -> Run {
    site.migration("2_b", "ALTER TABLE a ADD COLUMN note TEXT;");
    let mut reader = site.connect();
    reader.execute("BEGIN");
    let _ = reader.texts("SELECT concat(id, '') AS text FROM a");
    let mut command = site.workspace.command(&["run"]);
    let child = command
        .env("SHOP_DATABASE_URL", site.url())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut administrator = site.connect();
    let waiting = match site.engine {
        Engine::Mariadb => {
            "SELECT concat(ID, '') AS text FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE 'ALTER TABLE a%'"
        }
        Engine::Postgres | Engine::Sqlite => {
            "SELECT pid::text AS text FROM pg_locks WHERE NOT granted AND relation = 'a'::regclass"
        }
    };
    let mut found = Vec::new();
    eventually("the ALTER waits", || {
        found = administrator.texts(waiting);
        !found.is_empty()
    });
    let terminate = match site.engine {
        Engine::Mariadb => format!("KILL CONNECTION {}", found[0]),
        Engine::Postgres | Engine::Sqlite => format!("SELECT pg_terminate_backend({})", found[0]),
    };
    administrator.execute(&terminate);
    reader.execute("COMMIT");
    let output = child.wait_with_output().expect("the command ends");
    site.workspace.result(&output)
}

/// What must be the same in both languages: not what the server says, but what
/// becomes of it and what to do.
fn ours(site: &Site<'_>, run: &Run) -> Vec<String> {
    let known = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("= note:") || line.starts_with("= help:") || line.starts_with("Applied")
    };
    let url = site.url();
    let (_, place) = url.rsplit_once('@').expect("a user");
    let (server, _) = place.split_once('/').expect("a database");
    run.stderr
        .lines()
        .filter(known)
        .map(|line| line.replace(server, "[SERVER]"))
        .collect()
}

fn both_alike(engine: Engine, is_german: &str) {
    let mut tally = Tally::new(17, engine);
    let servers =
        [Words::English, Words::German].map(|words| (words, OwnServer::speaking(engine, words)));
    let mut failed = Vec::new();
    let mut german = 0;
    for case in CASES {
        let mut outcomes = BTreeMap::new();
        for (words, server) in &servers {
            let site = Site::new(engine, server, case.name, case.metadata);
            let run = (case.happens)(&site);
            german += usize::from(run.stderr.contains(is_german));
            if case.exits.is_some() && run.code != case.exits {
                failed.push(format!(
                    "{} in {words:?}: exits {:?}\n{}",
                    case.name, run.code, run.stderr
                ));
            }
            outcomes.insert(format!("{words:?}"), (ours(&site, &run), run));
        }
        let (english, german) = (&outcomes["English"], &outcomes["German"]);
        if english.0 != german.0 || english.1.code != german.1.code {
            failed.push(format!(
                "{}:\n--- English\n{}\n--- German\n{}",
                case.name, english.1.stderr, german.1.stderr
            ));
        }
        tally.add("failures in both languages");
    }
    assert!(failed.is_empty(), "{engine}: {}", failed.join("\n"));
    tally.add_many("German sentences seen", german);
    assert!(
        german > 0,
        "nobody spoke German: are the server's translations installed?"
    );
    tally.finish("failures in both languages", CASES.len());
}

#[test]
fn a_postgresql_that_speaks_german_changes_nothing() {
    both_alike(Engine::Postgres, "existiert");
}

#[test]
fn a_mariadb_that_speaks_german_changes_nothing() {
    both_alike(Engine::Mariadb, "Benutzer");
}
