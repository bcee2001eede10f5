//! Where a database's URL comes from and how it is read: no other database
//! than the one that is meant, and no password on the screen, however the URL
//! is mistyped. Every run here is checked for the canary.

use std::process;

use tests::env::{PostgresDatabase, postgres_url};
use tests::workspace::{CANARY, Workspace};

use crate::tree::Tree;

const UP: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY);\n";
const DOWN: &str = "DROP TABLE items;\n";

/// A service whose `default-url` is `url`, with one migration.
fn cart(url: &str) -> Workspace {
    let workspace = Workspace::new();
    workspace.service("cart", &format!("default-url = {url:?}"));
    workspace.migration("cart", "2026-01-01-000000_first", UP, DOWN);
    workspace
}

#[test]
fn a_broken_env_file_never_lets_another_database_be_reset() {
    let workspace = cart("sqlite:default.db");
    workspace.run(&["run"]).ok();
    for env in [
        format!("CART_DATABASE_URL=postgres://u:{CANARY} x@h/d\n"),
        format!("CART_DATABASE_URL='postgres://u:{CANARY}@h/d\n"),
        format!("OTHER=\"{CANARY}\nexport CART_DATABASE_URL=postgres://h/d\n"),
    ] {
        workspace.write("services/cart/.env", env);
        let before = Tree::of(workspace.root());
        for command in [&["reset", "-y"][..], &["run"], &["drop", "-y"]] {
            let said = workspace.run(command).exits(1);
            said.says(&[".env:1 cannot be parsed", "quote the value in '…'"]);
        }
        before.is_still(workspace.root());
    }
    // Bytes that are no text end what can be read of the file.
    workspace.write(
        "services/cart/.env",
        b"A=\xff\nCART_DATABASE_URL=other.db\n",
    );
    workspace.run(&["run"]).exits(1).says(&["cannot be read"]);
    // A mistake elsewhere doesn't matter.
    workspace.write("services/cart/.env", "OTHER=a b\n");
    workspace.run(&["status"]).ok().prints(&["applied"]);
}

#[test]
fn a_mistyped_url_shows_no_password_and_makes_no_file() {
    let workspace = cart("sqlite:default.db");
    let before = Tree::of(workspace.root());
    let end = "@127.0.0.1:1/d";
    for url in [
        format!("postgres://u:{CANARY}?x{end}"),
        format!("postgres://u:{CANARY}#x{end}"),
        format!("postgres://u:{CANARY}/x{end}"),
        format!("postgres://u:x/{CANARY}{end}"),
        format!("postgres://u:x@{CANARY}{end}"),
        format!("postgres://u:x?{CANARY}{end}"),
        format!("postgres://u:12/{CANARY}{end}"),
        format!("postgres://u:%zz{CANARY}{end}"),
        format!("postgres://u:{CANARY}"),
        format!("postgres://u:{CANARY}@[::1]x:1/d"),
        format!("postgres://u:{CANARY}@[::1/d"),
        format!("postgres://127.0.0.1:1/d?user=u&password={CANARY}%zz"),
        format!("postgres://127.0.0.1:1/d?password=x&{CANARY}"),
        format!("postgres://u:{CANARY}{end}?nonsense=1"),
        format!("postgres//u:{CANARY}{end}"),
        format!("postgres:u:{CANARY}{end}"),
        format!("u:{CANARY}{end}"),
        format!("jdbc:postgresql://h/d?password={CANARY}"),
        format!("sslmode=disable host=127.0.0.1 port=1 password={CANARY}"),
        format!("connect_timeout = 1 user = u password = '{CANARY}'"),
        format!("Server=127.0.0.1;Uid=root;Pwd={CANARY};Database=x"),
        format!("user id=root;pwd={CANARY}"),
        format!("mysql -uroot -p{CANARY} db"),
        format!("MYSQL_PWD={CANARY} mysql -uroot db"),
    ] {
        for command in [
            &["run", "-v"][..],
            &["status", "-v"],
            &["create"],
            &["drop", "-y"],
        ] {
            let mut run = workspace.command(command);
            run.env("CART_DATABASE_URL", &url);
            workspace.finish(run).exits(1).says(&["error: cart: "]);
        }
        let mut json = workspace.command(&["run", "--message-format", "json"]);
        json.env("CART_DATABASE_URL", &url);
        let _ = workspace.finish(json).exits(1);
        let _ = workspace.run(&["run", "--database-url", &url]).exits(1);
    }
    before.is_still(workspace.root());
    let mut run = workspace.command(&["run"]);
    run.env("CART_DATABASE_URL", format!("postgres://u:x@{CANARY}{end}"));
    workspace.finish(run).says(&[
        "the password in the database URL has to be percent-encoded",
        "write %40 for @",
    ]);
    let mut run = workspace.command(&["run"]);
    run.env("CART_DATABASE_URL", format!("mysql -uroot -p{CANARY} d"));
    workspace.finish(run).says(&[
        "the database URL is a client's command line",
        "mysql://user@host/database",
    ]);
}

#[test]
fn no_line_of_a_manifest_shows_a_password() {
    let workspace = cart("sqlite:default.db");
    for metadata in [
        format!("default-url = \"oracle://u:a {CANARY}@h/d\"\n"),
        format!("default-url = \"sslmode=x password={CANARY}\"\n"),
        format!("default-url = \"u:{CANARY}@h/d\"\n"),
        format!("default_url = \"{CANARY}\"\n"),
        format!("database-url-command = [\"get {CANARY}\"]\n"),
        format!("session-setup = \"x PASSWORD={CANARY}\"\n"),
        format!("database = {{ x = {{ default-url = \"{CANARY}\", nonsense = 1 }} }}\n"),
    ] {
        workspace.service("cart", &metadata);
        let _ = workspace.run(&["run"]).exits(2);
    }
    // What cannot be parsed is quoted by Cargo.
    for metadata in [
        format!("default-url = \"postgres://u:{CANARY}@h/d\n"),
        format!("default-url = \"postgres://u:x'{CANARY}@h/d\n"),
        format!("default-url = {CANARY}\n"),
        format!("x = 'password={CANARY}\n"),
    ] {
        workspace.service("cart", &metadata);
        let said = workspace.run(&["run"]);
        assert_ne!(said.code, Some(0));
        said.says(&["Cargo.toml"]);
    }
}

#[cfg(unix)]
#[test]
fn what_a_url_command_complains_about_shows_no_password() {
    let workspace = cart("sqlite:default.db");
    for complaint in [
        format!("tried u:{CANARY}@h"),
        format!("tried postgres://u:{CANARY}@h"),
        format!("PGPASSWORD={CANARY} is wrong"),
    ] {
        let command = format!("database-url-command = \"echo '{complaint}' >&2; exit 3\"");
        workspace.service("cart", &command);
        workspace
            .run(&["run"])
            .exits(1)
            .says(&["failed (exit status: 3)"]);
    }
}

#[test]
fn a_database_is_missed_whatever_words_its_name_holds() {
    let (server, _) = postgres_url().rsplit_once('/').expect("a database");
    let workspace = cart("sqlite:default.db");
    for (encoded, name) in [
        (
            format!("users_{}", process::id()),
            format!("users_{}", process::id()),
        ),
        (
            format!("role%20user%20{}", process::id()),
            format!("role user {}", process::id()),
        ),
    ] {
        let run = |args: &[&str]| {
            let mut command = workspace.command(args);
            command.env("CART_DATABASE_URL", format!("{server}/{encoded}"));
            workspace.finish(command)
        };
        run(&["run"])
            .exits(1)
            .says(&["does not exist", "--create-database"]);
        run(&["run", "--create-database"]).ok();
        run(&["status"]).ok().prints(&["applied"]);
        run(&["drop", "-y"]).ok();
        run(&["create"]).ok();
        run(&["create"]).ok();
        run(&["drop", "-y"]).ok();
        run(&["status"]).exits(1).says(&[&format!("\"{name}\"")]);
    }
}

#[test]
fn a_database_that_is_there_and_refuses_is_not_called_missing() {
    let database = PostgresDatabase::create();
    let workspace = cart("sqlite:default.db");
    let mut command = workspace.command(&["run", "--create-database"]);
    // The role that the server then names has the database's name.
    let url = database.url_as(database.name(), CANARY);
    command.env("CART_DATABASE_URL", url);
    let said = workspace.finish(command).exits(1);
    assert!(
        !said.stderr.contains("--create-database"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_file_uri_starts_from_the_workspace_root_as_a_path_does() {
    let workspace = cart("file:data/my%20cart.db");
    let mut run = workspace.command(&["run"]);
    run.current_dir(workspace.path("services/cart/src"));
    workspace.finish(run).ok();
    assert!(workspace.path("data/my cart.db").is_file());
    workspace.run(&["status"]).ok().prints(&["applied"]);
    workspace.run(&["reset", "-y"]).ok();
    workspace.run(&["drop", "-y"]).ok();
    assert!(!workspace.path("data/my cart.db").exists());
    workspace.run(&["create"]).ok();
    assert!(workspace.path("data/my cart.db").is_file());
}

#[test]
fn a_path_with_slashes_to_spare_works_in_every_command() {
    let workspace = cart("sqlite:default.db");
    let path = workspace.path("x.db");
    for scheme in [
        "sqlite:///",
        "sqlite:////",
        "sqlite:/",
        "/",
        "//",
        "file:///",
        "file:",
    ] {
        let spare = scheme.trim_end_matches('/');
        let slashes = &scheme[spare.len()..];
        let path = path.to_string_lossy();
        let url = format!("{spare}{slashes}{}", path.trim_start_matches('/'));
        let url = if scheme == "file:" {
            format!("file:{path}")
        } else {
            url
        };
        for command in [
            &["create"][..],
            &["run"],
            &["status"],
            &["plan"],
            &["current"],
            &["history"],
            &["show", "latest"],
            &["redo"],
            &["wait"],
            &["revert"],
            &["reset", "-y"],
            &["drop", "-y"],
        ] {
            let mut run = workspace.command(command);
            run.env("CART_DATABASE_URL", &url);
            let said = workspace.finish(run);
            assert_eq!(said.code, Some(0), "{url} {command:?}\n{}", said.stderr);
        }
        assert!(!workspace.path("x.db").exists(), "{url}");
    }
}
