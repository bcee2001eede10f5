//! What is read out of manifests, and where their mistakes are shown.

use std::path::Path;

use super::sample::shop;
use super::*;
use crate::workspace::Choice;

const UP: &str = "SELECT 1;";

#[test]
fn a_member_with_a_migrations_directory_is_a_service_without_a_word() {
    let shop = shop(&[
        ("lib/Cargo.toml", ""),
        ("cart-api/Cargo.toml", ""),
        ("cart-api/migrations/001_a/up.sql", UP),
    ]);
    let service = shop.only_service();
    assert_eq!(service.name, "cart-api");
    let database = &service.databases[0];
    assert_eq!(
        shop.paths(database, Dialect::Sqlite),
        ["cart-api/migrations"]
    );
    assert_eq!(
        database.url.variables,
        ["CART_API_DATABASE_URL", "DATABASE_URL"]
    );
    assert_eq!(database.settings, Settings::default());
    assert_eq!(names_of_services(&shop.workspace), ["cart-api"]);
}

#[test]
fn every_key_is_read_and_the_package_overrides_the_workspace() {
    let shop = shop(&[
        (
            "Cargo.toml",
            "[workspace.metadata.migrate]\nlock-timeout = '5s'\nstatement-timeout = '1min'\nout-of-order = 'warn'\nhistory-table = 'history'",
        ),
        (
            "cart/Cargo.toml",
            r#"
            [package.metadata.migrate]
            directory = ["../base/migrations", "migrations", "./migrations"]
            backend = "postgresql"
            database-url-env = "CART"
            default-url = "sqlite:target/cart.db"
            schema = "cart"
            out-of-order = "allow"
            ahead = "fail"
            same-version = "last"
            lock-timeout = "500ms"
            lock-tries = 7
            statement-timeout = "0"
            schema-file = "src/schema.rs"
            shadow-url-env = "CART_SHADOW"
            database-url-command = "print-url"
            bin = "cart"
            lint = { deny = ["a"], allow = ["b"] }
            session-setup = ["SET x = 1"]
            [package.metadata.migrate.database.reporting]
            directory = "reporting/migrations"
            lock-timeout = "1s"
        "#,
        ),
        ("cart/migrations/001_a/up.sql", UP),
        ("base/migrations/001_a/up.sql", UP),
    ]);
    let service = shop.only_service();
    let [main, reporting] = &service.databases[..] else {
        panic!()
    };
    assert_eq!(
        shop.paths(main, Dialect::Postgres),
        ["base/migrations", "cart/migrations"]
    );
    assert_eq!(main.backend, Some(Dialect::Postgres));
    assert_eq!(main.url.variables, ["CART"]);
    assert_eq!(
        main.url.command.as_ref().map(Secret::expose),
        Some("print-url")
    );
    let default = main
        .url
        .default
        .as_ref()
        .and_then(|url| url.sqlite_path().map(Path::to_owned));
    assert_eq!(default, Some(shop.workspace.root.join("target/cart.db")));
    assert_eq!(
        main.settings,
        Settings {
            schema: Some("cart".into()),
            out_of_order: OutOfOrder::Allow,
            ahead: Ahead::Fail,
            same_version: SameVersion::Last,
            lock_timeout: Some(Duration::from_millis(500)),
            lock_tries: 7,
            statement_timeout: None,
            history_table: "history".into(),
            session_setup: vec!["SET x = 1".into()],
            schema_file: Some(service.root.join("src/schema.rs")),
            shadow_url_env: Some("CART_SHADOW".into()),
            bin: Some("cart".into()),
            lint: Lint {
                deny: vec!["a".into()],
                allow: vec!["b".into()]
            },
        }
    );
    // A further database takes over how, but never what and where.
    assert_eq!(reporting.name.as_deref(), Some("reporting"));
    assert_eq!(reporting.url.variables, ["CART_REPORTING_DATABASE_URL"]);
    assert!(
        reporting.url.command.is_none()
            && reporting.url.default.is_none()
            && reporting.backend.is_none()
    );
    assert_eq!(
        reporting.settings,
        Settings {
            out_of_order: OutOfOrder::Allow,
            ahead: Ahead::Fail,
            same_version: SameVersion::Last,
            lock_timeout: Some(Duration::from_secs(1)),
            lock_tries: 7,
            history_table: "history".into(),
            bin: Some("cart".into()),
            lint: Lint {
                deny: vec!["a".into()],
                allow: vec!["b".into()]
            },
            ..Settings::default()
        }
    );
}

#[test]
fn a_mistake_is_shown_where_it_stands() {
    for (table, expected) in [
        (
            "scheme = 'x'",
            "2:1 scheme: cart: unknown key `scheme` (did you mean `schema`?)",
        ),
        (
            "default_url = 'x'",
            "2:1 default_url: cart: unknown key `default_url` (did you mean `default-url`?)",
        ),
        (
            "lock-timeout = 5",
            "2:16 5: cart: `lock-timeout` must be a string, not an integer (write lock-timeout = \"5s\")",
        ),
        (
            "lock-timeout = 'soon'",
            "2:16 'soon': cart: `lock-timeout`: `soon` is no duration, write 500ms, 2s, 10min, or 0 for no limit",
        ),
        (
            "  backend = 'oracle'",
            "2:13 'oracle': cart: `backend`: unknown backend `oracle`, expected postgres, mysql or sqlite",
        ),
        (
            "out-of-order = 'alow'",
            "2:16 'alow': cart: `out-of-order`: unknown choice `alow`, expected refuse, warn, allow (did you mean `allow`?)",
        ),
        (
            "same-version = 'first'",
            "2:16 'first': cart: `same-version`: unknown choice `first`, expected refuse, last",
        ),
        (
            "service = 'no'",
            "2:11 'no': cart: `service` must be true or false, not a string",
        ),
        (
            "[package.metadata.migrate.database.x]\nservice = false\ndirectory = 'm'",
            "3:1 service: cart: unknown key `service` (it belongs in [package.metadata.migrate])",
        ),
        ("directory = []", "2:13 []: cart: `directory` is empty"),
        (
            "directory = ['a', 1]",
            "2:19 1: cart: `directory` must be a list of strings, and this is an integer",
        ),
        (
            "directory = true",
            "2:13 true: cart: `directory` must be a string or a list of strings, not a boolean",
        ),
        (
            "schema = 'a.b'",
            "2:10 'a.b': cart: `schema`: expected one name without quotes, but it holds '.'",
        ),
        (
            "history-table = ''",
            "2:17 '': cart: `history-table`: it is empty",
        ),
        (
            "database-url-env = '$CART'",
            "2:20 '$CART': cart: `database-url-env`: expected the name of a variable, such as CART_DATABASE_URL",
        ),
        (
            "lint = { deny = 'x' }",
            "2:17 'x': cart: `deny` must be a list of strings, not a string",
        ),
        (
            "lint = { warn = [] }",
            "2:10 warn: cart: unknown key `warn` (the keys are allow, deny)",
        ),
        (
            "[package.metadata.migrate.database.x]\nschem = 'y'\ndirectory = 'm'",
            "3:1 schem: cart: unknown key `schem` (did you mean `schema`?)",
        ),
        (
            "[package.metadata.migrate.database.x]",
            "2:36 x: cart: database `x` names no `directory` (add directory = \"x/migrations\")",
        ),
        (
            "database = 1",
            "2:1 database: cart: `database` must be a table, not an integer",
        ),
        (
            "[package.metadata.migrate.database.default]\ndirectory = 'm'",
            "2:36 default: cart: `default` is the name of the service's main database (configure that one in [package.metadata.migrate] itself)",
        ),
    ] {
        let shop = shop(&[(
            "cart/Cargo.toml",
            &format!("[package.metadata.migrate]\n{table}"),
        )]);
        assert_eq!(shop.findings(), [expected]);
    }
    let shop = shop(&[("cart/Cargo.toml", "[package]\nmetadata.migrate = 'yes'")]);
    assert_eq!(
        shop.findings(),
        ["2:10 migrate: cart: `migrate` must be a table, not a string"]
    );
}

#[test]
fn all_mistakes_of_all_manifests_are_found_at_once() {
    let shop = shop(&[
        (
            "Cargo.toml",
            "[workspace.metadata.migrate]\nlock-timeout = 1\n[workspace.metadata.migrate.database.x]",
        ),
        (
            "a/Cargo.toml",
            "[package.metadata.migrate]\nbacken = 'sqlite'\nschema = 1",
        ),
        ("b/Cargo.toml", "[package.metadata.migrate]\nx = 1"),
    ]);
    let findings = shop.findings();
    assert_eq!(findings.len(), 5, "{findings:#?}");
    assert!(
        findings[1].contains("it belongs in the Cargo.toml of one package"),
        "{findings:#?}"
    );
}

#[test]
fn a_directory_that_is_named_twice_stands_where_it_was_named_last() {
    let shop = shop(&[
        (
            "cart/Cargo.toml",
            "[package.metadata.migrate]\ndirectory = ['migrations', '../base', './migrations']",
        ),
        ("cart/migrations/001_a/up.sql", UP),
        ("base/001_b/up.sql", UP),
    ]);
    let service = shop.only_service();
    assert_eq!(
        shop.paths(&service.databases[0], Dialect::Sqlite),
        ["base", "cart/migrations"]
    );
}

#[test]
fn a_member_that_is_no_service_is_passed_over_unless_it_is_named_for_its_files() {
    let shop = shop(&[
        ("cart/Cargo.toml", ""),
        ("cart/migrations/001_a/up.sql", UP),
        (
            "framework/Cargo.toml",
            "[package.metadata.migrate]\nservice = false",
        ),
        ("framework/migrations/001_a/up.sql", UP),
    ]);
    assert_eq!(shop.only_service().name, "cart");
    assert_eq!(names_of_services(&shop.workspace), ["cart"]);
    let framework = &shop.workspace.members[1];
    assert!(service_of(&shop.workspace, framework).unwrap().is_none());
    let chosen = |choice| Chosen {
        members: vec![(framework, choice)],
        unmatched_excludes: Vec::new(),
    };
    let found = |choice, purpose| services(&shop.workspace, &chosen(choice), purpose);
    assert!(found(Choice::Named, Purpose::Files).is_ok());
    assert!(matches!(
        found(Choice::Named, Purpose::Databases),
        Err(ConfigError::Invalid(_))
    ));
    for purpose in [Purpose::Files, Purpose::Databases] {
        assert!(matches!(
            found(Choice::Swept, purpose),
            Err(ConfigError::NoService { .. })
        ));
    }
}

#[test]
fn a_bad_default_url_is_named_and_its_password_is_not() {
    let shop = shop(&[(
        "cart/Cargo.toml",
        "[package.metadata.migrate]\ndefault-url = 'oracle://me:c4n@ry@host/db' # or x://me:c4n@ry@h\n",
    )]);
    let Err(ConfigError::Invalid(findings)) = shop.services() else {
        panic!()
    };
    let shown = format!("{findings:?}");
    assert!(!shown.contains("c4n") && !shown.contains("ry@"), "{shown}");
    assert_eq!(
        findings[0].excerpt.as_ref().unwrap().line,
        "default-url = **************************** # or x://*********@h"
    );
}

#[test]
fn variants_by_backend_are_one_set_each() {
    let shop = shop(&[
        ("cart/Cargo.toml", ""),
        ("cart/migrations/README.md", ""),
        ("cart/migrations/.keep/x", ""),
        ("cart/migrations/sqlite/001_a/up.sql", UP),
        ("cart/migrations/postgresql/001_a/up.sql", UP),
    ]);
    let service = shop.only_service();
    let database = &service.databases[0];
    assert_eq!(
        shop.paths(database, Dialect::Sqlite),
        ["cart/migrations/sqlite"]
    );
    assert_eq!(
        shop.paths(database, Dialect::Postgres),
        ["cart/migrations/postgresql"]
    );
    let error = database.directories_for(Dialect::MySql).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("has no migrations for mysql, only for postgres and sqlite"),
        "{error}"
    );
}

#[test]
fn a_directory_with_other_migrations_has_no_variants() {
    let shop = shop(&[
        ("cart/Cargo.toml", ""),
        ("cart/migrations/sqlite/up.sql", UP),
        ("cart/migrations/002_b/up.sql", UP),
    ]);
    let layout = shop.only_service().databases[0].directories[0]
        .layout
        .clone();
    assert_eq!(layout, Layout::Single);
}

#[test]
fn two_directories_for_one_backend_are_refused() {
    let shop = shop(&[
        ("cart/Cargo.toml", ""),
        ("cart/migrations/postgres/001_a/up.sql", UP),
        ("cart/migrations/postgresql/001_a/up.sql", UP),
    ]);
    assert!(
        shop.findings()[0].ends_with("are for the same backend (keep one of them)"),
        "{:?}",
        shop.findings()
    );
}

#[test]
fn diesel_toml_is_honoured_where_nothing_is_configured() {
    let diesel = "[migrations_directory]\ndir = \"db/migrations\"\n[print_schema]\nfile = \"src/schema.rs\"\nfilter = { only_tables = [] }\n";
    let files = [
        ("cart/Cargo.toml", ""),
        ("cart/diesel.toml", diesel),
        ("cart/db/migrations/001_a/up.sql", UP),
    ];
    let mut shop_files = files.to_vec();
    let found = shop(&shop_files);
    let service = found.only_service();
    assert_eq!(
        found.paths(&service.databases[0], Dialect::Sqlite),
        ["cart/db/migrations"]
    );
    assert_eq!(
        service.databases[0].settings.schema_file,
        Some(service.root.join("src/schema.rs"))
    );

    shop_files[0].1 = "[package.metadata.migrate]\ndirectory = 'other'";
    shop_files.push(("cart/other/001_a/up.sql", UP));
    let found = shop(&shop_files);
    assert_eq!(
        found.paths(&found.only_service().databases[0], Dialect::Sqlite),
        ["cart/other"]
    );
}

#[test]
fn a_stale_diesel_toml_gives_way_to_the_migrations_that_are_there() {
    let stale = "[migrations_directory]\ndir = \"/gone/migrations\"\n";
    let found = shop(&[
        ("cart/Cargo.toml", ""),
        ("cart/diesel.toml", stale),
        ("cart/migrations/001_a/up.sql", UP),
    ]);
    assert_eq!(
        found.paths(&found.only_service().databases[0], Dialect::Sqlite),
        ["cart/migrations"]
    );
}

#[test]
fn the_workspaces_diesel_toml_counts_for_the_member_it_points_into() {
    let member = |dir: &str| format!("[migrations_directory]\ndir = \"{dir}\"\n");
    let files = [
        ("cart/Cargo.toml", ""),
        ("users/Cargo.toml", ""),
        ("cart/src/migrations/001_a/up.sql", UP),
    ];
    let with = |diesel: &str| shop(&[&files[..], &[("diesel.toml", diesel)]].concat());
    let found = with(&member("cart/src/migrations"));
    assert_eq!(
        found.paths(&found.only_service().databases[0], Dialect::Sqlite),
        ["cart/src/migrations"]
    );
    for gone in ["cart/gone", "migrations", "../elsewhere"] {
        let error = with(&member(gone)).services().unwrap_err();
        assert_eq!(
            error,
            ConfigError::NoService {
                services: Vec::new(),
                merged: Vec::new(),
            }
        );
    }
}

#[test]
fn a_diesel_toml_that_cannot_be_parsed_is_shown() {
    let found = shop(&[
        ("cart/Cargo.toml", ""),
        ("cart/diesel.toml", "[migrations_directory]\ndir = 1\n"),
    ]);
    assert!(
        found.findings()[0].starts_with("2:7 1: diesel.toml cannot be parsed: "),
        "{:?}",
        found.findings()
    );
}

#[test]
fn a_named_member_without_migrations_is_an_error_and_a_swept_one_is_not() {
    let found = shop(&[
        ("lib/Cargo.toml", ""),
        ("cart/Cargo.toml", ""),
        ("cart/migrations/001_a/up.sql", UP),
    ]);
    assert_eq!(found.services().unwrap().len(), 1);
    let error = found.chosen(Choice::Named).unwrap_err();
    assert_eq!(error.to_string(), "`lib` has no migrations directory");
    assert_eq!(
        error.help().unwrap(),
        "`cargo migrate init -p lib` makes one; packages with migrations: cart"
    );
}

#[test]
fn a_configured_service_keeps_its_place_while_its_directory_is_missing() {
    let found = shop(&[("cart/Cargo.toml", "[package.metadata.migrate]\n")]);
    let service = found.only_service();
    assert_eq!(service.databases[0].directories[0].layout, Layout::Missing);
    assert!(matches!(
        service.databases[0].directories_for(Dialect::Sqlite),
        Err(DirectoryError::Missing(_))
    ));
    // With named databases alone there is no main one.
    let found = shop(&[(
        "cart/Cargo.toml",
        "[package.metadata.migrate.database.x]\ndirectory = 'x'",
    )]);
    assert_eq!(found.only_service().databases.len(), 1);
}
