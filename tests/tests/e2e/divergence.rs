//! Where database and files contradict each other: what is said, and that the
//! commands of the help, run as they are typed, put it right.

mod ahead;
mod asked;
mod edited;
mod remedies;
mod repaired;
mod stored_down;

use std::process::Command;

use tests::env::binary;
use tests::workspace::Run;

use tests::service::{Engine, Shop};

/// A shop with three tables, each of a migration of its own, applied.
fn applied(engine: Engine) -> Shop {
    let shop = Shop::new(engine);
    for (n, table) in [(1, "a"), (2, "b"), (3, "c")] {
        shop.migration(
            &format!("{n}_{table}"),
            &format!("CREATE TABLE {table} (id INTEGER);\n"),
            &format!("DROP TABLE {table};\n"),
        );
    }
    shop.run(&["run"]).ok();
    shop
}

fn remove(shop: &Shop, migration: &str) {
    std::fs::remove_dir_all(shop.migrations().join(migration)).expect("removed");
}

/// The command in backticks of an error's text that begins so.
#[track_caller]
fn command_in(run: &Run, beginning: &str) -> String {
    let said = run.stderr.split('`').skip(1).step_by(2);
    said.into_iter()
        .find(|command| command.starts_with(beginning))
        .unwrap_or_else(|| panic!("no `{beginning}…` in\n{}", run.stderr))
        .to_owned()
}

/// Runs a line as somebody types it into a shell in the workspace's root.
fn typed(shop: &Shop, line: &str) -> Run {
    let ours = shop.command(&[]);
    let mut shell = Command::new("sh");
    let binary = binary();
    let line = line.replace("cargo migrate", &format!("'{}' migrate", binary.display()));
    shell.args(["-c", &line]).current_dir(shop.workspace.root());
    for (name, value) in ours.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shop.workspace.finish(shell)
}

/// Puts everything in the workspace under version control.
fn commit(shop: &Shop, message: &str) {
    let identity = "-c user.name=Ana -c user.email=ana@example.org";
    let line = format!(
        "git init -q . && git add -A . && git {identity} commit -q -m '{message}' --no-gpg-sign"
    );
    typed(shop, &line).ok();
}
