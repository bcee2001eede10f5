//! Row 4: kill -9 while the server is inside of a batch or of a statement. Its
//! session may go on to the end before it notices; the next runner begins
//! before or after that, by chance, and nothing is done twice.

use std::process::Child;

use tests::chance::Chance;
use tests::service::Engine;
use tests::tally::{Tally, scaled};
use tests::workspace::eventually;

use crate::gates::{Gated, Inside, everywhere};
use crate::scenario::Outcome;

/// When the gate opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opened {
    /// Before the next runner starts.
    Before,
    /// When the next runner is there, too.
    Meanwhile,
}

/// Starts another runner and opens the gate as soon as it is connected.
fn opened_meanwhile(gated: &mut Gated, inside: &Inside, orphan: &str) -> Child {
    let next = gated.shop.start(inside.scenario.args);
    eventually("the next runner is there", || {
        gated.runners().iter().any(|session| session != orphan)
    });
    gated.open();
    next
}

fn killed_inside(engine: Engine, at_least: usize) {
    let mut tally = Tally::new(4, format_args!("{engine}, inside of batches"));
    let mut chance = Chance::of("inside of batches");
    for inside in (0..scaled(1)).flat_map(|_| everywhere(engine)) {
        let undisturbed = inside.open();
        undisturbed.run(inside.scenario.args).ok();
        let oracle = Outcome::of(&undisturbed);
        let mut gated = inside.closed();
        let (mut child, orphan) = gated.start(&inside);
        child.kill().expect("killed");
        child.wait().expect("gone");
        tally.add("kills inside");
        let opened = [Opened::Before, Opened::Meanwhile][usize::from(chance.below(2) == 1)];
        let at = format!("{inside}, gate opened {opened:?}");
        let next = match opened {
            Opened::Before => {
                gated.open();
                gated.shop.run(inside.scenario.args)
            }
            Opened::Meanwhile => {
                let next = opened_meanwhile(&mut gated, &inside, &orphan);
                gated.shop.finish(next)
            }
        };
        inside
            .scenario
            .complete_after(&gated.shop, next, &mut tally, &at);
        assert_eq!(Outcome::of(&gated.shop), oracle, "{at}");
    }
    tally.finish("kills inside", at_least);
}

#[test]
fn a_command_on_postgresql_killed_inside_of_a_batch_is_completed_by_the_next() {
    killed_inside(Engine::Postgres, 44);
}

#[test]
fn a_command_on_mariadb_killed_inside_of_a_statement_is_completed_by_the_next() {
    killed_inside(Engine::Mariadb, 10);
}
