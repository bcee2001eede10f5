//! What `init` adds to a package, and that it adds it once.

use super::*;
use crate::config;
use crate::config::sample::{Shop, shop};

fn request(backend: Option<Dialect>) -> NewService {
    let runtime = RuntimeDependency {
        source: RuntimeSource::Version("0.1".into()),
        features: vec!["sqlite".into()],
    };
    NewService { runtime, backend }
}

fn init(shop: &Shop, backend: Option<Dialect>) -> Result<Vec<Change>, ScaffoldError> {
    let member = &shop.workspace.members[0];
    let service = config::service_of(&shop.workspace, member).unwrap();
    init_service(member, service.as_ref(), &request(backend))
}

fn manifest(shop: &Shop) -> String {
    fs::read_to_string(&shop.workspace.members[0].manifest).unwrap()
}

#[test]
fn a_package_becomes_a_service_and_keeps_its_formatting() {
    let shop = shop(&[(
        "cart/Cargo.toml",
        "# ours\n[package]\nname   = \"cart\"   # the cart\n\n[dependencies]\nserde = { version = \"1\" }   # keep\n",
    )]);
    let changes = init(&shop, None).unwrap();
    let root = shop.workspace.root.join("cart");
    assert_eq!(
        changes
            .iter()
            .map(|change| change.path().strip_prefix(&root).unwrap().to_str().unwrap())
            .collect::<Vec<_>>(),
        ["migrations", "migrations/HEAD", "Cargo.toml", "Cargo.toml",]
    );
    assert_eq!(
        manifest(&shop),
        "\
# ours
[package]
name   = \"cart\"   # the cart

# The database's URL is in CART_DATABASE_URL, or else in DATABASE_URL;
# `database-url-env` names another variable, `default-url` a URL.
[package.metadata.migrate]

[dependencies]
serde = { version = \"1\" }   # keep
migrate-runtime = { version = \"0.1\", features = [\"sqlite\"] }
"
    );
}

#[test]
fn a_second_run_changes_nothing() {
    let mut shop = shop(&[
        ("cart/Cargo.toml", "[package]\nname = \"cart\"\n"),
        ("cart/migrations/001_a/up.sql", ""),
    ]);
    assert_eq!(init(&shop, Some(Dialect::Sqlite)).unwrap().len(), 3);
    assert_eq!(
        fs::read_to_string(shop.workspace.root.join("cart/migrations/HEAD")).unwrap(),
        "001_a\n"
    );
    let text = manifest(&shop);
    assert!(
        text.contains("[package.metadata.migrate]\nbackend = \"sqlite\"\n"),
        "{text}"
    );
    let json: serde_json::Value = toml::from_str(&text).unwrap();
    shop.workspace.members[0].metadata = json["package"]["metadata"].clone();
    assert_eq!(init(&shop, Some(Dialect::Sqlite)).unwrap(), []);
    assert_eq!(manifest(&shop), text);
}

#[test]
fn a_manifest_in_another_form_is_understood() {
    for text in [
        "package = { name = \"cart\", metadata = { docs = 1 } }\ndependencies.migrate-runtime.workspace = true\n",
        "[package]\nname = \"cart\"\nmetadata.docs = 1\n[dependencies]\nm = { package = \"migrate-runtime\", version = \"1\" }\n",
        "[package]\r\nname = \"cart\"\r\n[package.metadata.docs]\r\nx = 1\r\n[dependencies.migrate-runtime]\r\npath = \"x\"\r\n",
    ] {
        let shop = shop(&[("cart/Cargo.toml", text)]);
        let changes = init(&shop, Some(Dialect::Postgres)).unwrap();
        assert_eq!(changes.len(), 3, "{changes:?}");
        let edited = manifest(&shop);
        let json: serde_json::Value = toml::from_str(&edited).unwrap();
        assert_eq!(
            json["package"]["metadata"]["migrate"]["backend"], "postgres",
            "{edited}"
        );
        assert!(!json["package"]["metadata"]["docs"].is_null(), "{edited}");
    }
}

#[test]
fn a_manifest_that_cannot_be_edited_leaves_everything_as_it_was() {
    let shop = shop(&[("cart/Cargo.toml", "dependencies = 1\n")]);
    let error = init(&shop, None).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("Cargo.toml cannot be parsed: `dependencies` is not a table"),
        "{error}"
    );
    assert!(!shop.workspace.root.join("cart/migrations").exists());
}
