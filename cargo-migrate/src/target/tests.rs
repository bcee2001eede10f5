//! The order of the sources, and what becomes of a database without a URL.

use std::fs;

use super::*;
use crate::config::sample::{Shop, shop};

const UP: &str = "SELECT 1;";

fn around(shop: &Shop, variable: fn(&str) -> Option<OsString>) -> Surroundings {
    Surroundings {
        workspace_root: shop.workspace.root.clone(),
        directory: shop.workspace.root.join("elsewhere"),
        variable,
    }
}

fn nothing(_: &str) -> Option<OsString> {
    None
}

fn resolved(
    shop: &Shop,
    request: &Request,
    variable: fn(&str) -> Option<OsString>,
) -> Result<Resolution, TargetError> {
    resolve(&shop.services().unwrap(), request, &around(shop, variable))
}

/// The URL and its origin, or the complaint; paths without the temporary root.
fn only(shop: &Shop, request: &Request, variable: fn(&str) -> Option<OsString>) -> String {
    let resolution = resolved(shop, request, variable).unwrap();
    let text = match (&resolution.targets[..], &resolution.unresolved[..]) {
        ([target], []) => format!("{} by {}", target.url.expose(), target.url_origin),
        ([], [unresolved]) => unresolved.to_string(),
        other => panic!("{other:?}"),
    };
    text.replace(&format!("{}/", shop.workspace.root.display()), "")
}

fn cart(files: &[(&str, &str)], table: &str) -> Shop {
    let manifest = format!("[package.metadata.migrate]\n{table}");
    shop(
        &[
            files,
            &[
                ("cart/Cargo.toml", &manifest),
                ("cart/migrations/001_a/up.sql", UP),
            ],
        ]
        .concat(),
    )
}

#[test]
fn the_sources_are_asked_in_order() {
    let all = "default-url = 'sqlite:default.db'\ndatabase-url-command = 'echo sqlite:command.db'";
    let package = ("cart/.env", "CART_DATABASE_URL=sqlite:package.db");
    let workspace = (
        ".env",
        "CART_DATABASE_URL=sqlite:workspace.db\nDATABASE_URL=sqlite:shared.db",
    );
    let both = |name: &str| match name {
        "CART_DATABASE_URL" => Some("sqlite:environment.db".into()),
        "DATABASE_URL" => Some("sqlite:other.db".into()),
        _ => None,
    };
    let general = |name: &str| (name == "DATABASE_URL").then(|| "sqlite:other.db".into());
    let empty = |_: &str| Some(" ".into());
    let flag = Request {
        database_url: Some("sqlite:flag.db".to_owned().into()),
        ..Request::default()
    };
    let none = Request::default();
    let files = [package, workspace];
    for (files, table, request, variable, expected) in [
        (
            &files[..],
            all,
            &flag,
            both as fn(&str) -> Option<OsString>,
            "elsewhere/flag.db by --database-url",
        ),
        (
            &files,
            all,
            &none,
            both,
            "elsewhere/environment.db by the variable CART_DATABASE_URL",
        ),
        (
            &files,
            all,
            &none,
            nothing,
            "cart/package.db by CART_DATABASE_URL in cart/.env",
        ),
        // One's own variable goes before the general one, wherever it is set.
        (
            &files,
            all,
            &none,
            general,
            "cart/package.db by CART_DATABASE_URL in cart/.env",
        ),
        (
            &files,
            all,
            &none,
            empty,
            "cart/package.db by CART_DATABASE_URL in cart/.env",
        ),
        (
            &files[1..],
            all,
            &none,
            nothing,
            "workspace.db by CART_DATABASE_URL in .env",
        ),
        (
            &[(".env", "DATABASE_URL=sqlite:shared.db")],
            all,
            &none,
            nothing,
            "shared.db by DATABASE_URL in .env",
        ),
        (
            &[],
            all,
            &none,
            general,
            "elsewhere/other.db by the variable DATABASE_URL",
        ),
        (
            &[],
            all,
            &none,
            nothing,
            "command.db by database-url-command",
        ),
        (
            &[],
            "default-url = 'sqlite:default.db'",
            &none,
            nothing,
            "default.db by default-url",
        ),
        (&[], "", &none, nothing, "cart: no database URL"),
        (
            &[],
            "database-url-env = 'X'\ndefault-url = 'd.db'",
            &none,
            both,
            "d.db by default-url",
        ),
    ] {
        assert_eq!(only(&cart(files, table), request, variable), expected);
    }
}

#[test]
fn a_database_without_url_leaves_the_others_alone_and_names_the_variable() {
    let shop = shop(&[
        ("a/Cargo.toml", ""),
        ("a/migrations/001_a/up.sql", UP),
        (
            "b/Cargo.toml",
            "[package.metadata.migrate]\ndefault-url = 'b.db'",
        ),
        ("b/migrations/001_a/up.sql", UP),
    ]);
    let resolution = resolved(&shop, &Request::default(), nothing).unwrap();
    assert_eq!(
        resolution
            .targets
            .iter()
            .map(Target::label)
            .collect::<Vec<_>>(),
        ["b"]
    );
    let unresolved = &resolution.unresolved[0];
    assert_eq!(unresolved.to_string(), "a: no database URL");
    assert!(
        unresolved
            .help()
            .unwrap()
            .starts_with("set A_DATABASE_URL "),
        "{unresolved:?}"
    );
}

#[test]
fn the_command_is_asked_once_and_its_output_never_shown() {
    let count = "database-url-command = 'echo asked >> asked; echo postgres://me:c4nary@host/db'";
    let found = cart(&[], count);
    let target = &resolved(&found, &Request::default(), nothing)
        .unwrap()
        .targets[0];
    assert_eq!(
        (target.dialect, target.url.expose()),
        (Dialect::Postgres, "postgresql://me:c4nary@host/db")
    );
    assert_eq!(
        fs::read_to_string(found.home.path().join("cart/asked")).unwrap(),
        "asked\n"
    );
    for (command, expected) in [
        (
            "echo c4nary; echo no token >&2; exit 3",
            "cart: database-url-command failed (exit status: 3): no token",
        ),
        (
            "echo c4nary; echo tried postgres://me:c4nary@host >&2; exit 3",
            "cart: database-url-command failed (exit status: 3): tried postgres://*********@host",
        ),
        ("true", "cart: database-url-command printed nothing"),
        (
            "echo c4nary; echo c4nary",
            "cart: database-url-command printed something else than one line of text",
        ),
        (
            "echo oracle://me:c4nary@host",
            "cart: the URL from database-url-command cannot be used: no backend speaks `oracle://`, expected postgres://, mysql://, sqlite: or a path",
        ),
    ] {
        let found = cart(&[], &format!("database-url-command = '{command}'"));
        assert_eq!(only(&found, &Request::default(), nothing), expected);
        let resolution = resolved(&found, &Request::default(), nothing).unwrap();
        assert!(!format!("{resolution:?}").contains("c4nary"));
    }
}

#[test]
fn an_unreadable_env_file_is_named_where_its_url_is_missed() {
    let bad = [("cart/.env", "A=1\nnot an assignment c4nary\n")];
    assert_eq!(
        only(&cart(&bad, ""), &Request::default(), nothing),
        "cart: cart/.env:2 cannot be parsed, expected NAME=value"
    );
    assert_eq!(
        only(
            &cart(&bad, "default-url = 'd.db'"),
            &Request::default(),
            nothing
        ),
        "d.db by default-url"
    );
}

#[test]
fn the_flag_is_for_one_database() {
    let found = shop(&[
        (
            "a/Cargo.toml",
            "[package.metadata.migrate]\ndirectory = 'm'\n[package.metadata.migrate.database.x]\ndirectory = 'x'",
        ),
        ("a/m/001_a/up.sql", UP),
        ("a/x/001_a/up.sql", UP),
    ]);
    let request = |database: Option<&str>| Request {
        database_url: Some("sqlite:a.db".to_owned().into()),
        database: database.map(str::to_owned),
        backend: None,
    };
    let error = resolved(&found, &request(None), nothing).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`--database-url` is for one database, but 2 are selected: a, a/x"
    );
    assert_eq!(
        resolved(&found, &request(Some("x")), nothing)
            .unwrap()
            .targets[0]
            .label(),
        "a/x"
    );
    assert_eq!(
        resolved(&found, &request(Some("default")), nothing)
            .unwrap()
            .targets[0]
            .label(),
        "a"
    );
    let error = resolved(&found, &request(Some("y")), nothing).unwrap_err();
    assert_eq!(error.to_string(), "no selected service has a database `y`");
    assert_eq!(error.help(), "there are: default, x");
}

#[test]
fn a_schema_is_postgresqls_alone() {
    let found = shop(&[
        ("a/Cargo.toml", "[package.metadata.migrate]\nschema = 'a'"),
        ("a/migrations/001_a/up.sql", UP),
    ]);
    let schema = |url: fn(&str) -> Option<OsString>| {
        let resolution = resolved(&found, &Request::default(), url).unwrap();
        resolution.targets[0].settings.schema.clone()
    };
    assert_eq!(schema(|_| Some("sqlite:a.db".into())), None);
    assert_eq!(schema(|_| Some("mysql://u@h/d".into())), None);
    assert_eq!(
        schema(|_| Some("postgres://u@h/d".into())).as_deref(),
        Some("a")
    );
}

#[test]
fn the_backend_and_the_url_must_agree_and_choose_the_variant() {
    let files = [
        (
            "a/Cargo.toml",
            "[package.metadata.migrate]\ndefault-url = 'sqlite:a.db'\nschema = 'a'",
        ),
        ("a/migrations/sqlite/001_a/up.sql", UP),
        ("a/migrations/postgres/001_a/up.sql", UP),
    ];
    let found = shop(&files);
    let target = &resolved(&found, &Request::default(), nothing)
        .unwrap()
        .targets[0];
    assert!(
        target.directories[0].ends_with("a/migrations/sqlite") && target.settings.schema.is_none()
    );
    let postgres =
        |name: &str| (name == "A_DATABASE_URL").then(|| "postgresql+asyncpg://u@h/db".into());
    let target = &resolved(&found, &Request::default(), postgres)
        .unwrap()
        .targets[0];
    assert!(target.directories[0].ends_with("a/migrations/postgres"));
    assert_eq!(target.settings.schema.as_deref(), Some("a"));
    let wanted = Request {
        backend: Some(Dialect::Postgres),
        ..Request::default()
    };
    assert_eq!(
        only(&found, &wanted, nothing),
        "a: the URL from default-url is for sqlite, but the backend is to be postgres"
    );
    let mysql = |_: &str| Some("mysql://h/db".into());
    assert!(
        only(&found, &Request::default(), mysql)
            .ends_with("has no migrations for mysql, only for postgres and sqlite")
    );
}

#[test]
fn two_targets_with_one_history_table_are_refused_by_name() {
    let fleet = |tables: [&str; 2]| {
        let manifest = |table: &str| format!("[package.metadata.migrate]\n{table}");
        shop(&[
            ("a/Cargo.toml", &manifest(tables[0])),
            ("a/migrations/001_a/up.sql", UP),
            ("b/Cargo.toml", &manifest(tables[1])),
            ("b/migrations/001_a/up.sql", UP),
        ])
    };
    let shared =
        |name: &str| (name == "DATABASE_URL").then(|| "postgres://me:c4nary@host/db".into());
    let error = resolved(&fleet(["", ""]), &Request::default(), shared).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a and b share the history table __diesel_schema_migrations of one database (both by the variable DATABASE_URL)"
    );
    assert!(error.help().contains("`schema`"), "{}", error.help());
    assert!(!format!("{error:?}").contains("c4nary"));
    for tables in [
        ["schema = 'a'", "schema = 'b'"],
        ["", "schema = 'b'"],
        ["history-table = 'h'", ""],
    ] {
        assert_eq!(
            resolved(&fleet(tables), &Request::default(), shared)
                .unwrap()
                .targets
                .len(),
            2
        );
    }
    let file = "default-url = 'sqlite:one.db'";
    let error = resolved(
        &fleet([file, "default-url = './one.db'"]),
        &Request::default(),
        nothing,
    )
    .unwrap_err();
    assert!(!error.help().contains("`schema`"));
    let memory = "default-url = ':memory:'";
    assert_eq!(
        resolved(&fleet([memory, memory]), &Request::default(), nothing)
            .unwrap()
            .targets
            .len(),
        2
    );
}

#[test]
fn a_configured_service_without_directory_is_unresolved() {
    let found = shop(&[(
        "cart/Cargo.toml",
        "[package.metadata.migrate]\ndefault-url = 'd.db'",
    )]);
    assert_eq!(
        only(&found, &Request::default(), nothing),
        "cart: the migrations directory `cart/migrations` does not exist"
    );
}
