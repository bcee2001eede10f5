//! Row 14: a password. However it comes to us, whatever goes wrong then, and
//! wherever something is written: it is nowhere but where its owner put it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use migrate_runtime::{Access, Database, DatabaseUrl, Session};
use tests::env::postgres_program;
use tests::service::{Engine, Link, Shop};
use tests::tally::Tally;
use tests::workspace::{CANARY, Run, Workspace};

/// A command that says all it knows, to a terminal's eye and to a machine's.
fn talkative(workspace: &Workspace, args: &[&str]) -> Command {
    let mut command = workspace.command(args);
    command
        .env("RUST_BACKTRACE", "full")
        .env("RUST_LOG", "trace")
        .env("RUST_LIB_BACKTRACE", "1");
    command
}

const COMMANDS: [&[&str]; 14] = [
    &["status", "-vv"],
    &["status", "--message-format", "json", "-vv"],
    &["plan", "-vv"],
    &["run", "-vv"],
    &["run", "-vv", "--message-format", "json"],
    &["run", "--create-database", "-vv"],
    &["run", "--single-transaction"],
    &["revert", "-vv"],
    &["history", "-vv", "--message-format", "json"],
    &["current", "-vv"],
    &["show", "1"],
    &["wait", "--timeout", "0", "-vv"],
    &["create", "-vv"],
    &["drop"],
];

/// Where a URL can stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Flag,
    Environment,
    PackageEnv,
    WorkspaceEnv,
    Command,
    Manifest,
}

const PLACES: [Place; 6] = [
    Place::Flag,
    Place::Environment,
    Place::PackageEnv,
    Place::WorkspaceEnv,
    Place::Command,
    Place::Manifest,
];

/// A service whose URL stands in its place.
struct Teller {
    workspace: Workspace,
    place: Place,
    url: String,
}

impl Teller {
    fn new(place: Place, url: &str) -> Self {
        let workspace = Workspace::new();
        let metadata = match place {
            Place::Command => "database-url-command = \"cat url\"".to_owned(),
            Place::Manifest => format!("default-url = {url:?}"),
            Place::Flag | Place::Environment | Place::PackageEnv | Place::WorkspaceEnv => {
                String::new()
            }
        };
        workspace.service("shop", &metadata);
        workspace.migration(
            "shop",
            "1_a",
            "CREATE TABLE a (id INTEGER);",
            "DROP TABLE a;",
        );
        workspace.migration("shop", "2_b", "SELECT nothing FROM nowhere;", "SELECT 1;");
        let line = format!("SHOP_DATABASE_URL='{url}'\n");
        match place {
            Place::PackageEnv => workspace.write("services/shop/.env", line),
            Place::WorkspaceEnv => workspace.write(".env", line),
            Place::Command => workspace.write("services/shop/url", url),
            Place::Flag | Place::Environment | Place::Manifest => {}
        }
        Self {
            workspace,
            place,
            url: url.to_owned(),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = talkative(&self.workspace, args);
        match self.place {
            Place::Flag => command.arg("--database-url").arg(&self.url),
            Place::Environment => command.env("SHOP_DATABASE_URL", &self.url),
            Place::PackageEnv | Place::WorkspaceEnv | Place::Command | Place::Manifest => {
                &mut command
            }
        };
        command
    }

    /// Every run is looked through for the canary.
    fn run(&self, args: &[&str]) -> Run {
        let run = self.workspace.finish(self.command(args));
        assert!(!run.stderr.contains("panicked"), "{args:?}: {}", run.stderr);
        run
    }
}

#[test]
fn a_password_is_in_no_output_wherever_its_url_stands() {
    let mut tally = Tally::new(14, "outputs");
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let owned = Owned::new(engine);
        for place in PLACES {
            let teller = Teller::new(place, &owned.url);
            for args in COMMANDS {
                let _ = teller.run(args);
                tally.add("outputs");
            }
        }
    }
    tally.finish("outputs", 2 * PLACES.len() * COMMANDS.len());
}

#[test]
fn a_password_is_in_no_error_whatever_is_wrong_with_its_url() {
    let mut tally = Tally::new(14, "errors");
    let owned = Owned::new(Engine::Postgres);
    let on_mariadb = Owned::new(Engine::Mariadb);
    let (_, place) = owned.url.rsplit_once('@').expect("a server");
    let (_, mysql) = on_mariadb.url.rsplit_once('@').expect("a server");
    let (server, _) = place.split_once('/').expect("a database");
    let nobody = "127.0.0.1:1/d";
    let wrong = [
        format!("postgres://u:{CANARY}@{nobody}"),
        format!("postgres://u:{CANARY}-wrong@{place}"),
        format!("postgres://{}:{CANARY}@{server}/not_there", owned.role),
        format!("postgres://u:{CANARY}@{place}?sslmode=nonsense"),
        format!("postgres://u@{nobody}?password={CANARY}"),
        format!("postgres://u@{nobody}?sslpassword={CANARY}&sslkey=/nowhere"),
        format!("postgres://u:{CANARY}@{nobody}?passphrase={CANARY}"),
        format!("postgres://u:{CANARY}@[::1/d"),
        format!("postgres://u:{CANARY}@host:port/d"),
        format!("postgres://u:{CANARY}%zz@{nobody}"),
        format!("postgres://u:{CANARY}#x@{nobody}"),
        format!("postgres://u:{CANARY}/x@{nobody}"),
        format!("postgres://u:{CANARY}?x@{nobody}"),
        format!("postgres://u:{CANARY}@x@{nobody}"),
        format!("postgres:/u:{CANARY}@{nobody}"),
        format!("postgres:u:{CANARY}@{nobody}"),
        format!("u:{CANARY}@{nobody}"),
        format!("oracle://u:{CANARY}@{nobody}"),
        format!("host=127.0.0.1 port=1 user=u password={CANARY} dbname=d"),
        format!("Server=127.0.0.1;Uid=u;Pwd={CANARY};Database=d"),
        format!("psql -h 127.0.0.1 'password={CANARY}'"),
        format!("mysql -h 127.0.0.1 -u u -p{CANARY} d"),
        format!("mysql://u:{CANARY}@{nobody}"),
        format!("mysql://u:{CANARY}-wrong@{mysql}"),
        format!("mysql://u:{CANARY}@{mysql}?ssl-mode=nonsense"),
        format!("mysql://u:{CANARY}@{mysql}?useSSL=true"),
        format!("mysql://u:{CANARY}@{mysql}?ssl-ca=/nowhere"),
        format!("mysql://u:{CANARY}@{mysql}?password={CANARY}"),
        format!("mariadb://u:{CANARY}@/d?socket=/nowhere"),
        format!("jdbc:mysql://127.0.0.1:1/d?user=u&password={CANARY}"),
        format!("postgres://u:{CANARY}@127.0.0.1:1,127.0.0.1:2/d?target_session_attrs=read-write"),
    ];
    for (n, url) in wrong.iter().enumerate() {
        // Each place with some of them; on the command line all.
        for place in [Place::Flag, PLACES[1 + n % (PLACES.len() - 1)]] {
            let teller = Teller::new(place, url);
            for args in [
                &["run", "-vv"][..],
                &["status", "--message-format", "json", "-vv"],
            ] {
                let run = teller.run(args);
                assert_ne!(run.code, Some(0), "{args:?}: {}", run.stderr);
                tally.add("outputs");
            }
        }
    }
    tally.finish("outputs", wrong.len() * 2 * 2);
}

/// What a developer prints in haste.
#[test]
fn a_password_is_in_no_debug_text_of_the_library() {
    let mut tally = Tally::new(14, "Debug and Display");
    let mut texts = Vec::new();
    for url in [
        format!("postgres://u:{CANARY}@127.0.0.1:1/d"),
        format!("mysql://u:{CANARY}@127.0.0.1:1/d?connect-timeout=1"),
        format!("postgres://u@127.0.0.1:1/d?password={CANARY}"),
        format!("nonsense://u:{CANARY}@h/d"),
        format!("postgres://u:{CANARY}@h:port/d"),
    ] {
        match DatabaseUrl::parse(&url) {
            Err(error) => texts.extend([
                format!("{error}"),
                format!("{error:?}"),
                format!("{error:#?}"),
            ]),
            Ok(url) => {
                texts.extend([format!("{url}"), format!("{url:?}"), format!("{url:#?}")]);
                let session = Session::new("shop", Access::Write);
                texts.push(format!("{session:?}"));
                if let Err(error) = Database::open(&url, &session) {
                    texts.extend([
                        format!("{error}"),
                        format!("{error:?}"),
                        format!("{error:#?}"),
                    ]);
                }
                if let Err(error) = migrate_runtime::create_database(&url) {
                    texts.extend([
                        format!("{error}"),
                        format!("{error:?}"),
                        format!("{error:#?}"),
                    ]);
                }
            }
        }
    }
    for text in &texts {
        assert!(!text.contains(CANARY), "{text}");
        tally.add("texts");
    }
    tally.finish("texts", 25);
}

/// A reader that goes away is the usual reason for a panic while printing.
#[test]
fn a_password_is_in_no_panic() {
    let mut tally = Tally::new(14, "closed pipes");
    let owned = Owned::new(Engine::Postgres);
    for place in [Place::Flag, Place::PackageEnv] {
        let teller = Teller::new(place, &owned.url);
        for args in COMMANDS {
            let mut command = teller.command(args);
            let (reader, writer) = std::io::pipe().expect("a pipe");
            drop(reader);
            command.stdout(writer).stderr(Stdio::piped());
            let run = teller.workspace.finish_streams(command);
            assert!(!run.stderr.contains("panicked"), "{args:?}: {}", run.stderr);
            tally.add("outputs");
        }
    }
    tally.finish("outputs", 2 * COMMANDS.len());
}

#[test]
fn a_password_is_in_no_file_and_in_no_database() {
    let mut tally = Tally::new(14, "what is kept");
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let owned = Owned::new(engine);
        let teller = Teller::new(Place::PackageEnv, &owned.url);
        for args in COMMANDS {
            let _ = teller.run(args);
        }
        let _ = teller.run(&["new", "more"]);
        let dump = owned.dump();
        assert!(dump.contains("__migrate_journal"), "{dump}");
        assert!(!dump.contains(CANARY), "{dump}");
        tally.add_many("rows and definitions", dump.lines().count());
        let mut files = Vec::new();
        files_below(teller.workspace.root(), &mut files);
        for file in files {
            let bytes = fs::read(&file).expect("a file");
            let holds = bytes
                .windows(CANARY.len())
                .any(|part| part == CANARY.as_bytes());
            assert_eq!(
                holds,
                file.ends_with("services/shop/.env"),
                "{}",
                file.display()
            );
            tally.add("files");
        }
    }
    tally.finish("files", 10);
}

/// What `ps` and the server's list of sessions show to everybody.
#[test]
fn a_password_is_in_no_list_of_processes_or_sessions() {
    let mut tally = Tally::new(14, "lists");
    let owned = Owned::new(Engine::Postgres);
    let teller = Teller::new(Place::Environment, &owned.url);
    teller.workspace.migration(
        "shop",
        "2_b",
        "SELECT pg_advisory_xact_lock(42);",
        "SELECT 1;",
    );
    let mut gate = owned.shop.connect();
    gate.execute("SELECT pg_advisory_lock(42)");
    let mut command = teller.command(&["run"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let sessions = "SELECT concat_ws(' ', application_name, query) AS text FROM pg_stat_activity WHERE datname = current_database()";
    tests::workspace::eventually("the migration waits at the gate", || {
        let all = gate.texts(sessions);
        all.iter().any(|session| {
            session.contains("pg_advisory_xact_lock(42)") && session.contains("cargo-migrate")
        })
    });
    let all = gate.texts(sessions).join("\n");
    assert!(!all.contains(CANARY), "{all}");
    let line = fs::read(format!("/proc/{}/cmdline", child.id())).expect("the process is there");
    assert!(!String::from_utf8_lossy(&line).contains(CANARY));
    tally.add_many("lists", 2);
    gate.execute("SELECT pg_advisory_unlock(42)");
    teller
        .workspace
        .result(&child.wait_with_output().expect("it ends"))
        .ok();
    tally.finish("lists", 2);
}

fn files_below(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// A database whose owner's password is the canary.
struct Owned {
    shop: Shop,
    role: String,
    url: String,
}

impl Owned {
    fn new(engine: Engine) -> Self {
        let shop = Shop::new(engine);
        let (role, url, sql) = if engine == Engine::Mariadb {
            let name = shop.mariadb().name();
            let role = format!("{name}_owner");
            let sql = format!(
                "CREATE USER {role} IDENTIFIED BY '{CANARY}'; GRANT ALL ON {name}.* TO {role}"
            );
            let url = shop.mariadb().url_as(&role, CANARY);
            (role, url, sql)
        } else {
            let name = shop.postgres().name();
            let role = format!("{name}_owner");
            let sql = format!(
                "CREATE ROLE {role} LOGIN PASSWORD '{CANARY}'; ALTER DATABASE {name} OWNER TO {role}; GRANT ALL ON SCHEMA public TO {role}"
            );
            let url = shop.postgres().url_as(&role, CANARY);
            (role, url, sql)
        };
        let mut link: Link = shop.connect();
        for sql in sql.split("; ") {
            link.execute(sql);
        }
        Self { shop, role, url }
    }

    fn dump(&self) -> String {
        let output = if self.shop.engine == Engine::Mariadb {
            let mut dump = self.shop.mariadb().program("mariadb-dump");
            dump.args(["--routines", "--events", "--triggers", "--skip-lock-tables"]);
            dump.arg(self.shop.mariadb().name()).output()
        } else {
            let mut dump = Command::new(postgres_program("pg_dump"));
            dump.args(["--inserts", "--dbname", self.shop.postgres().url()]);
            dump.output()
        };
        let output = output.expect("the dump starts");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut link = self.shop.connect();
        if self.shop.engine == Engine::Mariadb {
            link.execute(&format!("DROP USER {}", self.role));
        } else {
            let role = &self.role;
            link.execute(&format!("REASSIGN OWNED BY {role} TO postgres"));
            link.execute(&format!("DROP OWNED BY {role}"));
            link.execute(&format!("DROP ROLE {role}"));
        }
    }
}
