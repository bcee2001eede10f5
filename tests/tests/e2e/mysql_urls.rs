//! How a MySQL URL is read: the server that it means, by socket or by address,
//! with as much TLS as it asks for; and no password on the screen. Every run
//! here is checked for the canary.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, MysqlConnection};
use tests::env::{MariadbDatabase, mariadb_authority, mariadb_socket, mariadb_url};
use tests::workspace::{CANARY, Run, Workspace};

use crate::tree::Tree;

const UP: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY);\n";
const DOWN: &str = "DROP TABLE items;\n";

/// A service with one migration, and a database for it with an account of its
/// own, whose password is the canary.
struct Cart {
    workspace: Workspace,
    database: MariadbDatabase,
}

impl Cart {
    /// `demands` is what the account's connections need, such as `REQUIRE SSL`.
    fn new(demands: &str) -> Self {
        let workspace = Workspace::new();
        workspace.service("cart", "");
        workspace.migration("cart", "2026-01-01-000000_first", UP, DOWN);
        let database = MariadbDatabase::create();
        let name = database.name();
        // By socket and by address.
        for host in ["localhost", "127.0.0.1"] {
            root(&format!(
                "CREATE USER {name}@'{host}' IDENTIFIED BY '{CANARY}' {demands};\
                 GRANT ALL ON {name}.* TO {name}@'{host}';"
            ));
        }
        Self {
            workspace,
            database,
        }
    }

    /// The account, which has the database's name.
    fn account(&self) -> &str {
        self.database.name()
    }

    /// A URL with the password: `scheme`, then `place` where the account ends,
    /// then the parameters.
    fn url(&self, scheme: &str, place: &str, parameters: &str) -> String {
        let name = self.account();
        format!("{scheme}://{name}:{CANARY}@{place}/{name}{parameters}")
    }

    fn run(&self, args: &[&str], url: &str) -> Run {
        let mut command = self.workspace.command(args);
        command
            .env_remove("MYSQL_PWD")
            .env("CART_DATABASE_URL", url);
        self.workspace.finish(command)
    }

    /// Applies and reverts over `url`.
    #[track_caller]
    fn is_reached_by(&self, url: &str) {
        self.run(&["run"], url).ok();
        self.run(&["status"], url).ok().prints(&["applied"]);
        self.run(&["revert"], url).ok();
    }
}

impl Drop for Cart {
    fn drop(&mut self) {
        for host in ["localhost", "127.0.0.1"] {
            root(&format!("DROP USER {}@'{host}'", self.account()));
        }
    }
}

fn root(sql: &str) {
    let mut root = MysqlConnection::establish(mariadb_url()).expect("root's connection");
    root.batch_execute(sql)
        .unwrap_or_else(|error| panic!("{error}: {sql}"));
}

/// `host:port` of the server.
fn address() -> &'static str {
    let (_, place) = mariadb_url().rsplit_once('@').expect("a user");
    place.split('/').next().expect("an address")
}

fn port() -> &'static str {
    address().rsplit_once(':').expect("a port").1
}

fn encoded(path: &Path) -> String {
    path.to_string_lossy()
        .replace('%', "%25")
        .replace('/', "%2F")
}

#[test]
fn every_form_of_a_url_reaches_the_server() {
    let cart = Cart::new("");
    let socket = mariadb_socket().to_string_lossy().into_owned();
    for url in [
        cart.url("mysql", address(), ""),
        cart.url("mariadb", address(), "?charset=utf8mb4&connect-timeout=5"),
        cart.url("mysql+pymysql", address(), "?pool_max=3"),
        cart.url("mysql", &format!("localhost:{}", port()), ""),
        cart.url("mysql", "", &format!("?socket={socket}")),
        cart.url("mysql", "elsewhere", &format!("?unix_socket={socket}")),
        cart.url("mariadb", &encoded(mariadb_socket()), ""),
    ] {
        cart.is_reached_by(&url);
    }
}

#[test]
fn two_services_in_one_database_are_told_apart_by_no_spelling() {
    let cart = Cart::new("");
    cart.workspace.service("other", "");
    cart.workspace
        .migration("other", "2026-01-01-000000_first", UP, DOWN);
    let mut run = cart.workspace.command(&["run", "--all"]);
    run.env("CART_DATABASE_URL", cart.url("mysql", address(), ""));
    let other = cart.url("mariadb", &format!("LOCALHOST:{}", port()), "?charset=utf8");
    run.env("OTHER_DATABASE_URL", other);
    let said = cart.workspace.finish(run);
    assert_ne!(said.code, Some(0));
    said.says(&["cart", "other", "history-table"]);
}

#[test]
fn ssl_mode_means_what_it_means_to_mysqls_own_client() {
    let cart = Cart::new("REQUIRE SSL");
    let authority = mariadb_authority().display().to_string();
    let other = cart.workspace.path("services/cart/Cargo.toml");
    let other = other.display();
    let url = |place: &str, parameters: &str| cart.url("mysql", place, parameters);
    // Linux takes this address for its own, which the certificate doesn't name.
    let nameless = format!("0.0.0.0:{}", port());
    let localhost = format!("localhost:{}", port());
    for (place, parameters) in [
        (address(), "?ssl-mode=PREFERRED".to_owned()),
        (address(), "?ssl_mode=required".to_owned()),
        (address(), format!("?ssl-ca={authority}")),
        (address(), format!("?ssl-mode=VERIFY_CA&ssl-ca={authority}")),
        (
            address(),
            format!("?sslMode=VERIFY_IDENTITY&sslCa={authority}"),
        ),
        (
            &localhost,
            format!("?ssl-mode=VERIFY_IDENTITY&ssl-ca={authority}"),
        ),
        // Another machine's name: TLS where the server has it.
        (&nameless, String::new()),
        (&nameless, format!("?ssl-ca={authority}")),
    ] {
        cart.is_reached_by(&url(place, &parameters));
    }
    for url in [
        url(address(), ""),
        url(&nameless, "?ssl-mode=DISABLED"),
        url("", &format!("?socket={}", mariadb_socket().display())),
    ] {
        let said = cart.run(&["run"], &url).exits(1);
        said.says(&["Access denied", "add `?ssl-mode=REQUIRED` to the URL"]);
    }
    for (place, parameters, says) in [
        // In plain text, which this account may not.
        (address(), String::new(), "Access denied"),
        (&nameless, "?ssl-mode=DISABLED".to_owned(), "Access denied"),
        // Nobody that browsers trust.
        (address(), "?ssl-mode=VERIFY_CA".to_owned(), "UnknownIssuer"),
        (
            &nameless,
            format!("?ssl-mode=VERIFY_IDENTITY&ssl-ca={authority}"),
            "not valid for name",
        ),
        (
            address(),
            "?ssl-ca=/nowhere/ca.pem".to_owned(),
            "`ssl-ca` /nowhere/ca.pem: ",
        ),
        (
            address(),
            format!("?ssl-ca={other}"),
            "Cargo.toml holds no certificate",
        ),
        (
            "",
            format!("?socket={}&ssl-mode=REQUIRED", mariadb_socket().display()),
            "not to be had over a socket",
        ),
    ] {
        let said = cart.run(&["run"], &url(place, &parameters)).exits(1);
        said.says(&["error: cart: ", says, "help: "]);
    }
}

#[test]
fn a_certificate_is_looked_for_where_the_url_stands() {
    let cart = Cart::new("REQUIRE SSL");
    let authority = std::fs::read(mariadb_authority()).expect("a certificate");
    cart.workspace
        .write("services/cart/certs/ca.pem", &authority);
    let url = cart.url("mysql", address(), "?ssl-ca=certs/ca.pem");
    // From the environment: the current directory, which is the root.
    cart.run(&["run"], &url)
        .exits(1)
        .says(&["`ssl-ca` [ROOT]/certs/ca.pem: "]);
    let env = format!("CART_DATABASE_URL={url}\n");
    cart.workspace.write("services/cart/.env", env);
    cart.workspace.run(&["run"]).ok();
    // A `default-url` starts from the root, wherever it is typed.
    let manifest = format!("default-url = \"{url}\"");
    cart.workspace.write("services/cart/.env", "");
    cart.workspace.service("cart", &manifest);
    cart.workspace.write("certs/ca.pem", &authority);
    let mut status = cart.workspace.command(&["status"]);
    status.current_dir(cart.workspace.path("services/cart/certs"));
    cart.workspace.finish(status).ok().prints(&["applied"]);
}

#[test]
fn a_server_that_another_authority_certified_is_refused() {
    let cart = Cart::new("");
    // A certificate that is its own authority, and not the server's.
    let made = std::process::Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=other",
            "-keyout",
            "other.key",
            "-out",
            "other.pem",
        ])
        .current_dir(cart.workspace.root())
        .output()
        .expect("openssl starts");
    assert!(made.status.success(), "{made:?}");
    let other = cart.workspace.path("other.pem");
    for mode in ["", "&ssl-mode=VERIFY_CA", "&ssl-mode=VERIFY_IDENTITY"] {
        let url = cart.url(
            "mysql",
            address(),
            &format!("?ssl-ca={}{mode}", other.display()),
        );
        let said = cart.run(&["run"], &url).exits(1);
        said.says(&["TLS: ", "`ssl-ca` names the authority"]);
    }
}

#[test]
fn a_password_may_come_by_the_environment_and_is_never_shown() {
    let cart = Cart::new("");
    let name = cart.account();
    let bare = format!("mysql://{name}@{}/{name}", address());
    let with = |password: &str, url: &str, args: &[&str]| {
        let mut command = cart.workspace.command(args);
        command
            .env("MYSQL_PWD", password)
            .env("CART_DATABASE_URL", url);
        cart.workspace.finish(command)
    };
    with(CANARY, &bare, &["run"]).ok();
    with(CANARY, &bare, &["status", "-v"])
        .ok()
        .prints(&["applied"]);
    // The URL's own goes first.
    let own = cart.url("mysql", address(), "");
    with("wrong", &own, &["status"]).ok();
    for args in [
        &["run", "-v"][..],
        &["status", "-v"],
        &["create"],
        &["drop", "-y"],
        &["wait", "--timeout", "0s"],
        &["run", "--message-format", "json"],
    ] {
        // The canary is wrong for root, whom the server names in its refusal.
        let wrong = format!("mysql://root@{}/{name}", address());
        let said = with(CANARY, &wrong, args);
        assert_ne!(said.code, Some(0), "{args:?}");
        let wrong = format!("mysql://root:{CANARY}@{}/{name}", address());
        let said = with("", &wrong, args);
        assert_ne!(said.code, Some(0), "{args:?}");
    }
    with(
        CANARY,
        &format!("mysql://root@{}/{name}", address()),
        &["run"],
    )
    .exits(1)
    .says(&["Access denied", "role or password"]);
}

#[test]
fn what_a_url_asks_for_in_vain_is_refused_before_anything_is_done() {
    let cart = Cart::new("");
    let before = Tree::of(cart.workspace.root());
    for (parameters, says) in [
        (format!("?useSSL={CANARY}"), "parameter `useSSL` is unknown"),
        (format!("?require_ssl={CANARY}"), "`require_ssl` is unknown"),
        (format!("?password={CANARY}"), "`password` is unknown"),
        (
            "?ssl-mode=on".to_owned(),
            "`ssl-mode` is none that MySQL has",
        ),
        (
            "?connect-timeout=soon".to_owned(),
            "`connect-timeout` is no number of seconds",
        ),
        ("?ssl-cert=/c.pem".to_owned(), "`ssl-cert` and no `ssl-key`"),
        (
            "?ssl-ca=/c.pem&ssl-mode=REQUIRED".to_owned(),
            "`ssl-ca` does nothing with `ssl-mode=REQUIRED`",
        ),
        ("?charset=latin1".to_owned(), "`charset` is not utf8mb4"),
        (
            "?time-zone=Europe/Berlin".to_owned(),
            "`time-zone` is not UTC",
        ),
    ] {
        let url = cart.url("mysql", address(), &parameters);
        for args in [
            &["run"][..],
            &["status"],
            &["create"],
            &["reset", "-y"],
            &["wait"],
        ] {
            let said = cart.run(args, &url).exits(1);
            said.says(&["error: cart: cannot use mysql://", says, "help: "]);
        }
    }
    let unnamed = format!("mysql://{}:{CANARY}@{}", cart.account(), address());
    for url in [unnamed.clone(), format!("{unnamed}/")] {
        for args in [&["run"][..], &["create"], &["drop", "-y"]] {
            let said = cart.run(args, &url).exits(1);
            said.says(&["it names no database", "MySQL has no default"]);
        }
    }
    before.is_still(cart.workspace.root());
}

#[test]
fn a_database_that_is_not_there_is_made_and_dropped_by_its_own_name() {
    let cart = Cart::new("");
    let name = format!("{}_`x y", cart.account());
    root(&format!(
        "GRANT ALL ON `{}`.* TO {}@'127.0.0.1'",
        name.replace('`', "``").replace('_', "\\_"),
        cart.account()
    ));
    let (server, _) = cart
        .url("mysql", address(), "")
        .rsplit_once('/')
        .map(|(server, name)| (server.to_owned(), name.to_owned()))
        .expect("a database");
    let url = format!("{server}/{}", name.replace('`', "%60").replace(' ', "%20"));
    cart.run(&["run"], &url)
        .exits(1)
        .says(&["Unknown database", "--create-database"]);
    cart.run(&["wait", "--timeout", "1s"], &url).ok();
    cart.run(&["run", "--create-database"], &url).ok();
    cart.run(&["status"], &url).ok().prints(&["applied"]);
    cart.run(&["reset", "-y"], &url).ok();
    cart.run(&["drop", "-y"], &url).ok();
    cart.run(&["drop", "-y"], &url).ok();
    cart.run(&["create"], &url).ok();
    cart.run(&["create"], &url).ok();
    cart.run(&["drop", "-y"], &url).ok();
    // One that the account may not even see is refused, not missed.
    let said = cart
        .run(&["run", "--create-database"], &format!("{server}/mysql"))
        .exits(1);
    said.says(&["Access denied"]);
}

#[test]
fn every_connection_takes_its_leave_of_the_server() {
    let cart = Cart::new("");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let between = listener.local_addr().expect("an address").to_string();
    let (say, said) = mpsc::channel();
    // It ends with the test's process; nothing else waits for it.
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let say = say.clone();
            thread::spawn(move || say.send(last_words(client)));
        }
    });
    let url = cart.url("mysql", &between, "");
    cart.is_reached_by(&url);
    cart.run(&["create"], &url).ok();
    // A run that fails goes in good order, too.
    cart.workspace.migration(
        "cart",
        "2026-01-02-000000_wrong",
        "SELECT wrong;\n",
        "SELECT 1;\n",
    );
    cart.run(&["run"], &url).exits(1);
    // Each command has one connection.
    for n in 1..=5 {
        let last = said.recv_timeout(Duration::from_secs(60));
        assert_eq!(last.as_deref(), Ok(&COM_QUIT[..]), "connection {n}");
    }
}

/// The whole packet: one byte, the first of its exchange.
const COM_QUIT: [u8; 5] = [1, 0, 0, 0, 1];

/// Passes on both ways, and returns the last bytes that the client sent.
fn last_words(mut client: TcpStream) -> Vec<u8> {
    let mut server = TcpStream::connect(address()).expect("the server is there");
    let mut answers = server.try_clone().expect("a second handle");
    let mut back = client.try_clone().expect("a second handle");
    thread::spawn(move || io::copy(&mut answers, &mut back));
    let mut last = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        last = buffer[..read].to_vec();
        server.write_all(&last).expect("the server listens");
    }
    server.shutdown(Shutdown::Write).ok();
    last
}
