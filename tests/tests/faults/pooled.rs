//! Runners behind a pooler that gives each transaction another session of the
//! server: what is a transaction is safe there, and whatever needs a session
//! of its own is refused before anything is sent.

use std::process::Command;

use tests::daemon::{Daemon, Home, free_port, program};
use tests::env::postgres_url;
use tests::service::{Engine, Shop};
use tests::tally::{Tally, scaled};

use crate::racing::{concurrent_indexes, each_ran_once, marking, nothing_is_left, race};

const RUNNERS: usize = 16;
const ROUNDS: usize = 3;
/// Sessions of the server for all of them.
const POOL: usize = 2;

/// A pgbouncer in transaction mode before the tests' PostgreSQL.
struct Pooler {
    port: u16,
    _daemon: Daemon,
    _home: Home,
}

impl Pooler {
    fn start() -> Self {
        Self::with_room_for(200)
    }

    fn with_room_for(clients: usize) -> Self {
        let home = Home::create(&["postgres", "nobody"]);
        let (user, password, server) = parts(postgres_url());
        let (host, server_port) = server.split_once(':').expect("a port");
        let users = home.write("users", &format!("\"{user}\" \"{password}\"\n"));
        let port = free_port();
        let settings = home.write(
            "settings",
            &format!(
                "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\n\
                 listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
                 auth_type = scram-sha-256\nauth_file = {}\n\
                 pool_mode = transaction\ndefault_pool_size = {POOL}\nmax_client_conn = {clients}\n",
                users.display()
            ),
        );
        let mut command = home.command(program("pgbouncer"));
        command.arg(settings);
        let daemon = home.start(command, || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self {
            port,
            _daemon: daemon,
            _home: home,
        }
    }

    /// The same database through the pooler.
    fn url(&self, shop: &Shop) -> String {
        let url = shop.postgres().url();
        let (user, password, _) = parts(url);
        let (_, name) = url.rsplit_once('/').expect("a database");
        format!(
            "postgres://{user}:{password}@127.0.0.1:{}/{name}",
            self.port
        )
    }

    fn command(&self, shop: &Shop, args: &[&str]) -> Command {
        let mut command = shop.command(args);
        command.env("SHOP_DATABASE_URL", self.url(shop));
        command
    }
}

/// User, password and address of a server's URL.
fn parts(url: &str) -> (&str, &str, &str) {
    let (_, rest) = url.split_once("://").expect("a scheme");
    let (user, rest) = rest.split_once(':').expect("a password");
    let (password, rest) = rest.split_once('@').expect("a host");
    let (server, _) = rest.split_once('/').expect("a database");
    (user, password, server)
}

/// What sessions there are of the pooler's, each with an advisory lock or none.
fn sessions(shop: &Shop) -> usize {
    shop.texts(
        "SELECT pid::text AS text FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .len()
}

#[test]
fn sixteen_runners_share_two_sessions_of_a_pooler() {
    let pooler = Pooler::start();
    let mut tally = Tally::new(3, "PostgreSQL behind pgbouncer");
    for _ in 0..scaled(ROUNDS) {
        let shop = Shop::new(Engine::Postgres);
        marking(&shop);
        let runs = race(&shop, RUNNERS, &pooler.command(&shop, &["run"]));
        let sessions = sessions(&shop);
        assert!((1..=POOL).contains(&sessions), "{sessions} sessions");
        nothing_is_left(&shop);
        each_ran_once(&shop);
        assert_eq!(shop.history().len(), 20);
        let reverts = race(
            &shop,
            RUNNERS,
            &pooler.command(&shop, &["revert", "--to", "zero"]),
        );
        assert!(shop.history().is_empty());
        nothing_is_left(&shop);
        tally.add_many("runners", runs.len() + reverts.len());
        tally.add("rounds");
        tally.add_many("sessions", sessions);
    }
    tally.finish("runners", scaled(ROUNDS) * 2 * RUNNERS);
}

#[test]
fn what_needs_a_session_of_its_own_is_refused_behind_a_pooler() {
    let pooler = Pooler::start();
    let mut tally = Tally::new(3, "PostgreSQL behind pgbouncer, CONCURRENTLY");
    let shop = Shop::new(Engine::Postgres);
    marking(&shop);
    shop.workspace
        .finish(pooler.command(&shop, &["run", "--to", "04"]))
        .ok();
    let before = shop.schema();
    concurrent_indexes(&shop);
    for _ in 0..scaled(8) {
        shop.workspace
            .finish(pooler.command(&shop, &["run"]))
            .exits(1)
            .says(&["pooler", "help: ", "own address", "--database-url"]);
        tally.add("refusals");
        // The server's sessions are those that others get next.
        nothing_is_left(&shop);
        assert_eq!(shop.schema(), before, "nothing has been changed");
        assert_eq!(shop.history().len(), 5);
    }
    // Nor is anything written by hand; that is no migration.
    for (args, says) in [
        (&["repair", "--record"][..], "a repair cannot be recorded"),
        (
            &["resolve", "04", "--step", "1", "--done"],
            "a statement in doubt cannot be settled",
        ),
    ] {
        let adopted =
            "UPDATE __diesel_schema_migrations SET run_on = '2020-01-01' WHERE version = '04'";
        shop.connect().execute(adopted);
        let run = shop
            .workspace
            .finish(pooler.command(&shop, args))
            .exits(1)
            .says(&[says, "pooler", "own address", "nothing was changed"]);
        assert!(!run.stderr.contains("in transactions"), "{}", run.stderr);
        nothing_is_left(&shop);
    }
    shop.run(&["repair", "--record"]).ok();
    // Straight to the server it is the same set as any.
    shop.run(&["run"]).ok();
    each_ran_once(&shop);
    nothing_is_left(&shop);
    // What is pending now stays in transactions.
    shop.migration(
        "99z_more",
        "CREATE TABLE more (id INTEGER);",
        "DROP TABLE more;",
    );
    shop.workspace.finish(pooler.command(&shop, &["run"])).ok();
    tally.finish("refusals", scaled(8));
}

#[test]
fn a_pooler_without_room_for_a_second_connection_is_not_taken_for_none() {
    let pooler = Pooler::with_room_for(1);
    let mut tally = Tally::new(3, "PostgreSQL behind a full pgbouncer");
    let shop = Shop::new(Engine::Postgres);
    shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
    shop.run(&["run"]).ok();
    let before = shop.schema();
    shop.steps("2_b", "VACUUM a;\nVACUUM a;", "SELECT 1;");
    for wait in ["0s", "1s"] {
        shop.workspace
            .finish(pooler.command(&shop, &["run", "--lock-wait", wait]))
            .exits(1)
            .says(&[
                "cannot find out whether a connection pooler is in between",
                "nothing was sent",
                "max_client_conn",
            ]);
        nothing_is_left(&shop);
        assert_eq!(
            (shop.schema(), shop.history()),
            (before.clone(), vec!["1".to_owned()])
        );
        tally.add("refusals");
    }
    shop.run(&["run"]).ok();
    tally.finish("refusals", 2);
}
