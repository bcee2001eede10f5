//! Migrations in odd places: several directories, elsewhere than usual, named
//! by a diesel.toml; histories in odd schemas and under odd names.

use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use tests::env::PostgresDatabase;
use tests::workspace::Workspace;

use tests::service::{Engine, Shop};

/// Writes a migration that creates `table`, in any directory.
fn migration(workspace: &Workspace, directory: &str, name: &str, table: &str) {
    workspace.write(
        &format!("{directory}/{name}/up.sql"),
        format!("CREATE TABLE {table} (id INTEGER);"),
    );
    workspace.write(
        &format!("{directory}/{name}/down.sql"),
        format!("DROP TABLE {table};"),
    );
}

#[test]
fn several_directories_are_one_set_with_one_history() {
    let metadata = "directory = [\"migrations\", \"../framework/migrations\", \"variant\"]";
    let shop = Shop::with(Engine::Sqlite, metadata);
    let workspace = &shop.workspace;
    migration(workspace, "services/shop/migrations", "2_own", "own");
    migration(workspace, "services/framework/migrations", "1_base", "base");
    migration(workspace, "services/framework/migrations", "3_more", "more");
    migration(workspace, "services/shop/variant", "4_variant", "variant");
    // The same migration in two of them counts once.
    migration(workspace, "services/shop/variant", "1_base", "base");
    workspace.write(
        "services/framework/Cargo.toml",
        "[package]\nname = \"framework\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    workspace.write("services/framework/src/lib.rs", "");
    shop.run(&["run", "-p", "shop"]).ok();
    assert_eq!(shop.history(), ["1", "2", "3", "4"]);
    shop.run(&["revert", "-p", "shop", "--to", "zero"]).ok();
    // Another one under the same version is not.
    migration(workspace, "services/shop/variant", "1_base", "other");
    shop.run(&["run", "-p", "shop"])
        .exits(1)
        .says(&["1_base", "framework", "variant"]);
    assert!(shop.history().is_empty());
}

#[test]
fn a_set_for_each_database_is_chosen_by_the_url() {
    for (engine, chosen) in [
        (Engine::Sqlite, "small"),
        (Engine::Postgres, "big"),
        (Engine::Mariadb, "other"),
    ] {
        let shop = Shop::new(engine);
        migration(
            &shop.workspace,
            "services/shop/migrations/pg",
            "1_a",
            "not_a_set",
        );
        std::fs::remove_dir_all(shop.migrations()).expect("removed");
        migration(
            &shop.workspace,
            "services/shop/migrations/sqlite",
            "1_a",
            "small",
        );
        migration(
            &shop.workspace,
            "services/shop/migrations/postgres",
            "1_a",
            "big",
        );
        migration(
            &shop.workspace,
            "services/shop/migrations/mysql",
            "1_a",
            "other",
        );
        shop.run(&["run"]).ok();
        let schema = shop.schema();
        assert!(schema.contains(chosen), "{schema}");
        let made = ["small", "big", "other"].map(|name| schema.contains(name));
        assert_eq!(made.iter().filter(|made| **made).count(), 1, "{schema}");
    }
}

#[test]
fn directories_of_any_name_and_place_are_found() {
    for directory in [
        "migrations/pg",
        "src/migrations",
        "../other_crate/migrations",
    ] {
        let shop = Shop::with(Engine::Sqlite, &format!("directory = \"{directory}\""));
        std::fs::remove_dir(shop.migrations()).expect("removed");
        migration(
            &shop.workspace,
            &format!("services/shop/{directory}"),
            "1_a",
            "a",
        );
        shop.workspace.write(
            "services/other_crate/Cargo.toml",
            "[package]\nname = \"other_crate\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
        );
        shop.workspace.write("services/other_crate/src/lib.rs", "");
        shop.run(&["run", "-p", "shop"]).ok();
        assert_eq!(shop.history(), ["1"], "{directory}");
    }
}

#[test]
fn a_members_diesel_toml_names_its_directory() {
    let shop = Shop::new(Engine::Sqlite);
    std::fs::remove_dir(shop.migrations()).expect("removed");
    migration(&shop.workspace, "services/shop/database/steps", "1_a", "a");
    shop.workspace.write(
        "services/shop/diesel.toml",
        "[migrations_directory]\ndir = \"database/steps\"\n",
    );
    shop.run(&["run"]).ok();
    assert_eq!(shop.history(), ["1"]);
}

#[test]
fn the_roots_diesel_toml_may_name_a_members_directory() {
    let shop = Shop::new(Engine::Sqlite);
    std::fs::remove_dir(shop.migrations()).expect("removed");
    migration(&shop.workspace, "services/shop/db/migrations", "1_a", "a");
    shop.workspace.write(
        "diesel.toml",
        "[print_schema]\nfile = \"services/shop/src/schema.rs\"\n\n[migrations_directory]\ndir = \"services/shop/db/migrations\"\n",
    );
    shop.run(&["run"]).ok();
    assert_eq!(shop.history(), ["1"]);
}

#[test]
fn the_roots_diesel_toml_may_name_a_directory_that_is_gone() {
    let shop = Shop::new(Engine::Sqlite);
    shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
    for gone in [
        "migrations",
        "services/shop/gone",
        "services/gone/migrations",
    ] {
        shop.workspace.write(
            "diesel.toml",
            format!("[migrations_directory]\ndir = \"{gone}\"\n"),
        );
        shop.run(&["run"]).ok();
        shop.run(&["status", "--exit-code"]).ok();
        assert_eq!(shop.history(), ["1"], "{gone}");
        shop.run(&["revert"]).ok();
    }
}

/// Tables by `schema.name`, in order.
fn tables(database: &PostgresDatabase) -> Vec<String> {
    tests::service::Link::Postgres(database.connect()).texts(
        "SELECT concat(schemaname, '.', tablename) AS text FROM pg_tables \
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1",
    )
}

#[test]
fn a_configured_schema_holds_history_and_tables() {
    let shop = Shop::with(Engine::Postgres, "schema = \"Shop Data\"");
    shop.migration("1_a", "CREATE TABLE a (id int);", "DROP TABLE a;");
    shop.steps(
        "2_b",
        "CREATE TABLE b (id int);\nCREATE INDEX CONCURRENTLY b_id ON b (id);",
        "DROP TABLE b;",
    );
    shop.run(&["run"]).ok();
    assert_eq!(
        tables(shop.postgres()),
        [
            "Shop Data.__diesel_schema_migrations",
            "Shop Data.__migrate_journal",
            "Shop Data.__migrate_steps",
            "Shop Data.a",
            "Shop Data.b",
        ]
    );
    shop.run(&["status", "--exit-code"]).ok();
    shop.run(&["revert", "--to", "zero"]).ok();
    assert_eq!(tables(shop.postgres()).len(), 3);
}

#[test]
fn a_schema_in_front_of_the_historys_begins_another_as_it_does_for_diesel() {
    let shop = Shop::new(Engine::Postgres);
    shop.migration("1_a", "CREATE TABLE a (id int);", "DROP TABLE a;");
    shop.run(&["run"]).ok();
    let source = || FileBasedMigrations::from_path(shop.migrations()).expect("a set");
    let diesel_sees_pending = || {
        let mut connection = shop.postgres().connect();
        connection.has_pending_migration(source()).expect("looked")
    };
    assert!(!diesel_sees_pending());
    // The search path begins with the user's own schema, once there is one.
    shop.connect().execute("CREATE SCHEMA postgres");
    assert_eq!(shop.state("1_a"), "pending");
    assert!(diesel_sees_pending());
    shop.run(&["run"]).ok();
    assert!(!diesel_sees_pending());
    let made = tables(shop.postgres());
    for schema in ["postgres", "public"] {
        let in_it = made
            .iter()
            .filter(|table| table.starts_with(&format!("{schema}.")));
        assert_eq!(in_it.count(), 4, "{made:?}");
    }
    shop.run(&["revert"]).ok();
    shop.connect().execute("DROP SCHEMA postgres CASCADE");
    assert_eq!(shop.state("1_a"), "applied");
}

#[test]
fn two_services_share_a_database_in_two_schemas() {
    let database = PostgresDatabase::create();
    let workspace = Workspace::new();
    for name in ["cart", "users"] {
        workspace.service(
            name,
            &format!("schema = \"{name}\"\ndatabase-url-env = \"SHARED_DATABASE_URL\""),
        );
        migration(
            &workspace,
            &format!("services/{name}/migrations"),
            "1_a",
            "same_name",
        );
        migration(
            &workspace,
            &format!("services/{name}/migrations"),
            "2_b",
            &format!("of_{name}"),
        );
    }
    let run = |args: &[&str]| {
        let mut command = workspace.command(args);
        command.env("SHARED_DATABASE_URL", database.url());
        workspace.finish(command)
    };
    run(&["run", "--all"]).ok();
    run(&["revert", "-p", "cart", "--to", "zero"]).ok();
    let left: Vec<String> = tables(&database)
        .into_iter()
        .filter(|table| !table.contains("__migrate"))
        .collect();
    assert_eq!(
        left,
        [
            "cart.__diesel_schema_migrations",
            "users.__diesel_schema_migrations",
            "users.of_users",
            "users.same_name",
        ]
    );
    run(&["status", "-p", "users", "--exit-code"]).ok();
    run(&["status", "-p", "cart", "--exit-code"]).exits(3);
}

#[test]
fn two_services_on_one_history_table_are_refused_by_name() {
    let database = PostgresDatabase::create();
    let workspace = Workspace::new();
    for name in ["cart", "users"] {
        workspace.service(name, "database-url-env = \"SHARED_DATABASE_URL\"");
        migration(
            &workspace,
            &format!("services/{name}/migrations"),
            "1_a",
            name,
        );
    }
    let mut command = workspace.command(&["run", "--all"]);
    command.env("SHARED_DATABASE_URL", database.url());
    let run = workspace.finish(command);
    assert_ne!(run.code, Some(0));
    run.says(&["cart", "users", "schema", "history-table"]);
    assert!(tables(&database).is_empty());
}

#[test]
fn a_history_table_of_another_name_has_a_journal_of_its_own() {
    for engine in tests::service::ALL {
        let shop = Shop::with(engine, "history-table = \"__shop_Versions\"");
        shop.migration("1_a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a;");
        shop.steps(
            "2_b",
            "CREATE TABLE b (id INTEGER);\nCREATE INDEX b_id ON b (id);",
            "DROP TABLE b;",
        );
        shop.run(&["run"]).ok();
        let table = match engine {
            Engine::Sqlite | Engine::Postgres => "\"__shop_Versions\"",
            Engine::Mariadb => "`__shop_Versions`",
        };
        assert_eq!(
            shop.texts(&format!(
                "SELECT version AS text FROM {table} ORDER BY version"
            )),
            ["1", "2"]
        );
        assert!(!shop.schema().contains("__diesel_schema_migrations"));
        shop.run(&["status", "--exit-code"]).ok();
        shop.run(&["revert", "--to", "zero"]).ok();
        assert!(
            shop.texts(&format!("SELECT version AS text FROM {table}"))
                .is_empty()
        );
    }
}
