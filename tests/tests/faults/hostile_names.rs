//! Row 14: names that somebody has chosen to break us: of migrations, tables,
//! schemas, history tables, files, directories and databases. Each is quoted
//! wherever it goes, comes back as it was, and costs nobody a table.

use std::process::Command;

use migrate_core::is_invisible;
use tests::service::{ALL, Engine, Shop};
use tests::tally::Tally;
use tests::workspace::Workspace;

/// Each would end a literal, an identifier, a line, a comment or a format.
const HOSTILE: [&str; 28] = [
    "it's",
    "a''b",
    "say \"x\"",
    "back`tick",
    "back\\slash\\'",
    "$$ body $$",
    "$migrate$",
    "%s %n %d {} {0} {{",
    "'; DROP TABLE victims; --",
    "\"; DROP TABLE victims; --",
    "`; DROP TABLE victims; #",
    "x'); DELETE FROM victims; SELECT ('",
    "*/ DROP TABLE victims; /*",
    "-- not a comment",
    "# nor this",
    "two\nlines",
    "tab\tand\rreturn",
    "\u{1b}[31mred\u{1b}[0m",
    "\u{7}bell\u{8}",
    "right\u{202e}tfel\u{202c}",
    "zero\u{200b}width\u{feff}",
    "größe 日本 🦀",
    "e\u{301} \u{212b}",
    "$(touch pwned) `touch pwned` ;touch pwned",
    "  spaces  ",
    "..",
    "NULL",
    ":bind ?1 @var $1",
];

fn marks(shop: &Shop) -> Vec<String> {
    shop.texts("SELECT concat(n, '') AS text FROM marks ORDER BY n")
}

fn with_victims(engine: Engine, metadata: &str) -> Shop {
    let shop = Shop::with(engine, metadata);
    let mut link = shop.connect();
    link.execute("CREATE TABLE victims (n INTEGER)");
    link.execute("INSERT INTO victims VALUES (1)");
    link.execute("CREATE TABLE marks (n INTEGER)");
    shop
}

#[track_caller]
fn the_victims_live(shop: &Shop, name: &str) {
    let rows = shop.texts("SELECT concat(n, '') AS text FROM victims");
    assert_eq!(rows, ["1"], "{name:?}");
    assert!(!shop.workspace.path("pwned").exists(), "{name:?}");
    assert!(
        !shop.workspace.path("services/shop/pwned").exists(),
        "{name:?}"
    );
}

/// TOML's basic strings escape as JSON's do.
fn toml(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' => quoted.push(c),
            _ => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

/// A slash is the one character that no file's name can hold.
fn in_a_path(hostile: &str) -> String {
    hostile.replace('/', "|")
}

/// Names in the configuration are one word each: quotes in them are refused
/// by name, and whatever is not refused is that name.
fn is_refused(shop: &Shop) -> bool {
    let run = shop.run(&["run"]);
    if run.code == Some(2) {
        run.says(&["expected one name"]);
        return true;
    }
    run.ok();
    false
}

/// The names that migrations can have: what nobody sees is refused.
fn visible() -> impl Iterator<Item = &'static str> {
    let visible = |name: &&str| !name.contains(is_invisible);
    HOSTILE.into_iter().filter(visible)
}

#[test]
fn a_migration_named_by_what_nobody_sees_is_refused_and_shown() {
    let mut tally = Tally::new(14, "invisible names");
    for hostile in HOSTILE
        .into_iter()
        .filter(|name| name.contains(is_invisible))
    {
        let shop = Shop::new(Engine::Sqlite);
        shop.migration("0_before", "CREATE TABLE a (id INTEGER);", "");
        shop.migration(&format!("1_{hostile}"), "SELECT 1;", "");
        for args in [&["run"][..], &["status"], &["plan"]] {
            let run = shop.run(args).exits(1);
            let run = run.says(&[
                "the invisible character U+",
                "\\u{",
                "nothing was run",
                "help: ",
            ]);
            let seen = run.stderr.replace('\n', "");
            assert!(!seen.contains(is_invisible), "{seen:?}");
        }
        assert!(!shop.workspace.path("shop.db").exists());
        tally.add("names");
    }
    tally.finish("names", 5);
}

#[test]
fn names_of_migrations_are_text_wherever_they_go() {
    for engine in ALL {
        let mut tally = Tally::new(14, format!("{engine}, migrations"));
        let shop = with_victims(engine, "");
        let names: Vec<String> = (0..)
            .zip(visible())
            .map(|(n, hostile)| format!("{n:03}_{}", in_a_path(hostile)))
            .collect();
        for (n, name) in names.iter().enumerate() {
            let (up, down) = (
                format!("INSERT INTO marks VALUES ({n});"),
                format!("DELETE FROM marks WHERE n = {n};"),
            );
            // Half of them by steps.
            if n % 2 == 0 {
                shop.migration(name, &up, &down);
            } else {
                shop.steps(name, &up, &down);
            }
        }
        for args in [
            &["status"][..],
            &["plan"],
            &["run"],
            &["status", "--exit-code"],
            &["history"],
            &["current"],
        ] {
            let run = shop.run(args).ok();
            for text in [&run.stdout, &run.stderr] {
                let text = text.replace('\n', "");
                assert!(!text.contains(is_invisible), "{engine} {args:?}: {text:?}");
            }
        }
        let known: Vec<String> = shop.states().into_iter().map(|(name, _)| name).collect();
        assert_eq!(known, names, "{engine}");
        let journal = shop.texts("SELECT name AS text FROM __migrate_journal ORDER BY version");
        assert_eq!(journal, names, "{engine}");
        for name in &names {
            shop.run(&["show", name])
                .ok()
                .prints(&["INSERT INTO marks"]);
            shop.run(&["revert", "--only", name]).ok();
            the_victims_live(&shop, name);
            tally.add("names");
        }
        assert!(marks(&shop).is_empty() && shop.history().is_empty());
        shop.run(&["run"]).ok();
        assert_eq!(marks(&shop).len(), names.len());
        tally.finish("names", visible().count());
    }
}

#[test]
fn a_failing_migration_of_any_name_is_told_in_order() {
    let mut tally = Tally::new(14, "errors");
    for hostile in visible() {
        let shop = Shop::new(Engine::Sqlite);
        let name = format!("1_{}", in_a_path(hostile));
        shop.migration(&name, "SELECT nix;", "");
        let run = shop
            .run(&["run"])
            .exits(1)
            .says(&["up.sql:1", "no such column", "help: "]);
        assert!(
            !run.stderr.replace('\n', "").contains(is_invisible),
            "{:?}",
            run.stderr
        );
        let json = shop
            .run(&["run", "--message-format", "json"])
            .exits(1)
            .json();
        let failed = json
            .iter()
            .find(|line| line["reason"] == "migration-failed");
        let failed = failed.expect("a line about the failure");
        assert_eq!(failed["migration"], name);
        tally.add("names");
    }
    tally.finish("names", visible().count());
}

#[test]
fn a_history_table_of_any_name_is_that_table() {
    for engine in ALL {
        let mut tally = Tally::new(14, format!("{engine}, history tables"));
        for hostile in HOSTILE {
            // MySQL's names end in no space.
            let name = hostile.trim_end();
            let beyond_mysql = |c: char| u32::from(c) > 0xffff;
            let name = &*if engine == Engine::Mariadb {
                name.replace(beyond_mysql, "")
            } else {
                name.to_owned()
            };
            let name = name.trim_end();
            let shop = with_victims(engine, &format!("history-table = {}", toml(name)));
            shop.migration("1_a", "INSERT INTO marks VALUES (1);", "DELETE FROM marks;");
            shop.steps("2_b", "INSERT INTO marks VALUES (2);", "DELETE FROM marks;");
            tally.add("names");
            if is_refused(&shop) {
                tally.add("refused");
                continue;
            }
            shop.run(&["status", "--exit-code"]).ok().prints(&["2_b"]);
            let tables = shop.texts(match engine {
                Engine::Sqlite => "SELECT name AS text FROM sqlite_master WHERE type = 'table'",
                Engine::Postgres => {
                    "SELECT relname::text AS text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                }
                Engine::Mariadb => {
                    "SELECT TABLE_NAME AS text FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
                }
            });
            assert!(
                tables.iter().any(|table| table == name),
                "{engine} {name:?}: {tables:?}"
            );
            assert_eq!(tables.len(), 5, "{engine} {name:?}: {tables:?}");
            assert_eq!(marks(&shop), ["1", "2"]);
            shop.run(&["revert", "--to", "zero"]).ok();
            the_victims_live(&shop, name);
        }
        tally.finish("names", HOSTILE.len());
    }
}

#[test]
fn a_schema_of_any_name_is_that_schema() {
    let mut tally = Tally::new(14, "PostgreSQL, schemas");
    for hostile in HOSTILE {
        let shop = with_victims(Engine::Postgres, &format!("schema = {}", toml(hostile)));
        shop.migration("1_a", "CREATE TABLE mine (id int);", "DROP TABLE mine;");
        shop.steps(
            "2_b",
            "CREATE INDEX CONCURRENTLY mine_id ON mine (id);",
            "DROP INDEX mine_id;",
        );
        tally.add("names");
        if is_refused(&shop) {
            tally.add("refused");
            continue;
        }
        shop.run(&["status", "--exit-code"]).ok().prints(&["2_b"]);
        let schemas = shop.texts(
            "SELECT nspname::text AS text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relname IN ('mine', '__diesel_schema_migrations')",
        );
        assert_eq!(schemas, [hostile, hostile]);
        shop.run(&["revert", "--to", "zero"]).ok();
        the_victims_live(&shop, hostile);
    }
    tally.finish("names", HOSTILE.len());
}

#[test]
fn tables_of_any_name_are_migrated() {
    for engine in ALL {
        let mut tally = Tally::new(14, format!("{engine}, tables"));
        let shop = with_victims(engine, "");
        let quote = |name: &str| match engine {
            Engine::Mariadb => format!("`{}`", name.replace('`', "``")),
            Engine::Postgres | Engine::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
        };
        for (n, hostile) in HOSTILE.iter().enumerate() {
            // A byte order mark inside a file is refused by its place.
            let hostile = hostile.trim_end().replace(['🦀', '\u{feff}'], "");
            let table = quote(&format!("t{n} {}", hostile.trim_end()));
            let index = quote(&format!("i{n} {}", hostile.trim_end()));
            let build = match engine {
                Engine::Postgres => "CREATE INDEX CONCURRENTLY",
                Engine::Mariadb | Engine::Sqlite => "CREATE INDEX",
            };
            let of = if engine == Engine::Mariadb {
                format!(" ON {table}")
            } else {
                String::new()
            };
            shop.steps(
                &format!("{n:03}_a"),
                &format!(
                    "CREATE TABLE {table} (id INTEGER);\n{build} {index} ON {table} (id);\nALTER TABLE {table} ADD COLUMN note VARCHAR(9);"
                ),
                &format!("DROP INDEX {index}{of};\nDROP TABLE {table};"),
            );
            tally.add("names");
        }
        let empty = shop.schema();
        shop.run(&["run"]).ok();
        assert_eq!(shop.history().len(), HOSTILE.len());
        shop.run(&["revert", "--to", "zero"]).ok();
        the_victims_live(&shop, "");
        let again = shop.schema();
        assert!(!again.contains("note"), "{engine}: {empty} {again}");
        tally.finish("names", HOSTILE.len());
    }
}

#[test]
fn files_and_directories_of_any_name_are_found() {
    let mut tally = Tally::new(14, "SQLite, files");
    for hostile in HOSTILE {
        // What would end a URL's path, or mean another character in it.
        let file = in_a_path(hostile).replace(['?', '#', '%'], "_");
        if file.trim() != file || file == ".." {
            continue;
        }
        let workspace = Workspace::new();
        let url = format!("sqlite:data {file}/{file}.db");
        let directory = format!("sets/{file}");
        let manifest = format!(
            "default-url = {}\ndirectory = {}",
            toml(&url),
            toml(&directory)
        );
        workspace.service("shop", &manifest);
        for (name, text) in [
            ("up", "CREATE TABLE a (id INTEGER);"),
            ("down", "DROP TABLE a;"),
        ] {
            workspace.write(&format!("services/shop/{directory}/1_a/{name}.sql"), text);
        }
        workspace.run(&["run"]).ok();
        let database = workspace.path(&format!("data {file}/{file}.db"));
        assert!(database.is_file(), "{file:?}");
        workspace
            .run(&["status", "--exit-code"])
            .ok()
            .prints(&["1_a"]);
        workspace.run(&["new", "more"]).ok();
        workspace.run(&["revert", "--to", "zero"]).ok();
        let entries = std::fs::read_dir(workspace.root())
            .expect("a directory")
            .count();
        assert_eq!(entries, 3, "more than manifest, services, data: {file:?}");
        tally.add("names");
    }
    tally.finish("names", HOSTILE.len() - 3);
}

#[test]
fn a_service_of_any_name_that_cargo_takes_is_one() {
    let mut tally = Tally::new(14, "PostgreSQL and SQLite, services");
    let long = "a".repeat(64);
    for name in [
        "größe",
        "日本",
        "select",
        "drop-table",
        "a_-b",
        "_",
        "Null",
        &long,
    ] {
        let shop = Shop::new(Engine::Postgres);
        let workspace = Workspace::new();
        workspace.service(name, "database-url-env = \"URL_OF_IT\"");
        workspace.migration(name, "1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        let set = format!("services/{name}/migrations/2_b");
        workspace.write(
            &format!("{set}/up.sql"),
            "CREATE INDEX CONCURRENTLY a_id ON a (id);",
        );
        workspace.write(
            &format!("{set}/metadata.toml"),
            "run_in_transaction = false\n",
        );
        let check = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(workspace.root())
            .output()
            .expect("cargo starts");
        if !check.status.success() {
            let refused = workspace.run(&["status"]).exits(2);
            assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
            tally.add("names that cargo refuses");
            continue;
        }
        let on_postgres = |args: &[&str]| {
            let mut command = workspace.command(args);
            command.env("URL_OF_IT", shop.postgres().url());
            workspace.finish(command)
        };
        on_postgres(&["run", "-p", name]).ok();
        on_postgres(&["status", "--exit-code"]).ok();
        assert_eq!(shop.history(), ["1", "2"], "{name}");
        tally.add("names");
    }
    tally.finish("names", 5);
}
