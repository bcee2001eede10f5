//! Repairs by the library, as a service's own command line will call them.

#![cfg(feature = "sqlite")]

use migrate_runtime::core::{Catalog, Goal, Policy, StepSource, StoredDown, Up, Version};
use migrate_runtime::core::{Divergence, Down, PlanError};
use migrate_runtime::{
    Access, Database, DatabaseUrl, EmbeddedMigration, Error, Migrations, Migrator, Options, Repair,
    RepairError, Report, Session,
};

const fn migration(name: &'static str, up: &'static str) -> EmbeddedMigration {
    EmbeddedMigration {
        name,
        up,
        down: Some("DROP TABLE a"),
        metadata: None,
    }
}

static APPLIED: Migrations = Migrations::new(&[migration("1_a", "CREATE TABLE a (id INTEGER)")]);
static EDITED: Migrations = Migrations::new(&[migration("1_a", "CREATE TABLE a (id BIGINT)")]);
static OTHER: Migrations = Migrations::new(&[migration("2_b", "CREATE TABLE b (id INTEGER)")]);

fn catalog(migrations: &Migrations) -> Catalog {
    migrations.catalog().expect("a set")
}

fn database() -> Database {
    let url = DatabaseUrl::parse("sqlite::memory:").expect("a URL");
    let mut database =
        Database::open(&url, &Session::new("shop", Access::Write)).expect("a database");
    let mut report = Report::default();
    Migrator::new(&catalog(&APPLIED))
        .run(&mut database, &Goal::Up(Up::Latest), &mut report)
        .expect("a run");
    database
}

fn version(text: &str) -> Version {
    Version::new(text).expect("a version")
}

#[test]
fn an_edit_is_refused_with_its_text_until_it_is_accepted_for_a_reason() {
    let (mut database, edited) = (database(), catalog(&EDITED));
    let migrator = Migrator::new(&edited);
    let latest = Goal::Up(Up::Latest);
    let Err(Error::Plan(PlanError::Diverged(found))) = migrator.plan(&mut database, &latest) else {
        panic!("an edit was not seen");
    };
    assert!(
        matches!(&found[..], [Divergence::Edited { up: Some(up), .. }] if up == "CREATE TABLE a (id INTEGER)"),
        "{found:?}"
    );
    let accept = Repair::AcceptEdit(version("1"));
    let silent = migrator.repair(&mut database, &accept, None);
    assert!(matches!(silent, Err(Error::Repair(RepairError::NoReason))));
    let shown = migrator.repair(&mut database, &accept, Some("…"));
    assert!(matches!(shown, Err(Error::Repair(RepairError::NoReason))));
    let due = migrator
        .repairable(&mut database, &accept)
        .expect("an edit");
    let repaired = migrator.repair(&mut database, &accept, Some("widened by hand"));
    assert_eq!(repaired.expect("a repair"), due);
    assert!(migrator.plan(&mut database, &latest).is_ok());
    let attempts = migrator.attempts(&mut database, None).expect("a journal");
    assert_eq!(attempts[0].direction, "repair");
    assert_eq!(attempts[0].reason.as_deref(), Some("widened by hand"));
    assert_eq!(attempts.len(), 2);
    let again = migrator.repair(&mut database, &accept, Some("again"));
    assert!(matches!(
        again,
        Err(Error::Repair(RepairError::NotEdited { .. }))
    ));
}

#[test]
fn a_stored_way_back_runs_only_where_its_attempt_was_agreed_to() {
    let (mut database, other) = (database(), catalog(&OTHER));
    let mut options = Options {
        policy: Policy {
            stored_down: StoredDown::Use,
            ..Policy::default()
        },
        agreed: Some([].into()),
        ..Options::default()
    };
    let goal = Goal::Down(Down::Zero);
    let run = |options: &Options, database: &mut Database| {
        Migrator::new(&other).with_options(options.clone()).run(
            database,
            &goal,
            &mut Report::default(),
        )
    };
    let refused = run(&options, &mut database);
    assert!(matches!(
        refused,
        Err(Error::Plan(PlanError::Diverged(found))) if matches!(found[..], [Divergence::Missing { .. }])
    ));
    let plan = Migrator::new(&other)
        .with_options(options.clone())
        .plan(&mut database, &goal)
        .expect("a plan");
    let StepSource::Journal { attempt } = plan.steps[0].source else {
        panic!("{plan:?}");
    };
    let sql = Migrator::new(&other).stored_down(&mut database, attempt);
    assert_eq!(sql.expect("a journal").as_deref(), Some("DROP TABLE a"));
    options.agreed = Some([attempt].into());
    run(&options, &mut database).expect("a run");
    let history = Migrator::new(&other).history(&mut database);
    assert!(history.expect("a history").applied.is_empty());
}
