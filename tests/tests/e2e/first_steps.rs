//! The first minutes of a new user.

use tests::workspace::Workspace;

#[test]
fn a_fleet_migrates_once_and_then_has_nothing_to_do() {
    let workspace = Workspace::new();
    workspace.sqlite_service("cart");
    workspace.sqlite_service("users");
    workspace.migration(
        "cart",
        "2026-01-01-000000_a",
        "CREATE TABLE a (id INTEGER);",
        "DROP TABLE a;",
    );
    workspace.migration(
        "users",
        "2026-01-02-000000_b",
        "CREATE TABLE b (id INTEGER);",
        "DROP TABLE b;",
    );
    workspace.run(&["run", "--all"]).ok().says(&[
        "cart 2026-01-01-000000_a",
        "users 2026-01-02-000000_b",
        "2 applied",
    ]);
    workspace
        .run(&["run", "--all"])
        .ok()
        .says(&["nothing to do"]);
    workspace
        .run(&["revert", "--all", "--to", "zero"])
        .ok()
        .says(&["2 reverted"]);
}
