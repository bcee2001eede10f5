//! What a plan promises: tables for each rule, properties for the whole.

use proptest::prelude::*;

use super::*;
use crate::checksum::Checksum;
use crate::history::{Applied, Recorded};
use crate::metadata::Metadata;

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn only(text: &str) -> Up {
    Up::Only([version(text)].into())
}

fn catalog(set: &[(&str, &'static str)]) -> Catalog {
    let migrations = set.iter().map(|(v, up)| {
        Migration::embedded(
            version(v),
            &format!("{v}_m"),
            Metadata::default(),
            up,
            Some("select 1"),
        )
    });
    Catalog::from_embedded(migrations).unwrap()
}

fn applied(set: &[(&str, &str)]) -> History {
    let rows = set.iter().map(|(v, up)| {
        let recorded = Recorded {
            name: format!("{v}_m"),
            raw: Checksum::raw(up),
            semantic: Checksum::raw(up),
            edit: Edit::None,
            attempt: 1,
            up: None,
        };
        (
            version(v),
            Applied {
                run_on: String::new(),
                recorded: Some(recorded),
            },
        )
    });
    History {
        applied: rows.collect(),
        ..History::default()
    }
}

fn versions(plan: &Plan) -> Vec<&str> {
    plan.steps
        .iter()
        .map(|step| step.version.as_str())
        .collect()
}

fn up(catalog: &Catalog, history: &History, up: Up) -> Result<Plan, PlanError> {
    plan(catalog, history, &Goal::Up(up), Policy::default())
}

fn down(catalog: &Catalog, history: &History, down: Down) -> Result<Plan, PlanError> {
    plan(catalog, history, &Goal::Down(down), Policy::default())
}

const ABC: [(&str, &str); 3] = [("1", "a"), ("2", "b"), ("3", "c")];

#[test]
fn what_is_pending_is_applied_in_order_up_to_the_goal() {
    let (catalog, history) = (catalog(&ABC), applied(&ABC[..1]));
    assert_eq!(
        versions(&up(&catalog, &history, Up::Latest).unwrap()),
        ["2", "3"]
    );
    assert_eq!(
        versions(&up(&catalog, &history, Up::Count(1)).unwrap()),
        ["2"]
    );
    assert_eq!(
        versions(&up(&catalog, &history, Up::Through(version("2"))).unwrap()),
        ["2"]
    );
    assert_eq!(versions(&up(&catalog, &history, only("3")).unwrap()), ["3"]);
    assert!(up(&catalog, &history, only("1")).unwrap().is_empty());
    assert!(
        up(&catalog, &history, Up::Through(version("1")))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_version_that_neither_disk_nor_history_has_is_an_error() {
    let (catalog, history) = (catalog(&ABC), applied(&ABC[..1]));
    assert_eq!(
        up(&catalog, &history, only("9")),
        Err(PlanError::NotInCatalog(version("9")))
    );
    let plan = up(&catalog, &history, only("1")).unwrap();
    assert!(plan.is_empty());
    assert!(!up(&catalog, &history, only("2")).unwrap().is_empty());
}

#[test]
fn everything_that_contradicts_is_told_at_once() {
    let history = applied(&[("1", "x"), ("2", "b"), ("3", "y")]);
    let told = up(&catalog(&ABC), &history, Up::Latest)
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("1_m") && told.contains("; ") && told.contains("3_m"),
        "{told}"
    );
    assert!(!told.contains("2_m"), "{told}");
}

#[test]
fn reverting_goes_from_the_newest_down() {
    let (catalog, history) = (catalog(&ABC), applied(&ABC));
    assert_eq!(
        versions(&down(&catalog, &history, Down::Zero).unwrap()),
        ["3", "2", "1"]
    );
    assert_eq!(
        versions(&down(&catalog, &history, Down::Count(2)).unwrap()),
        ["3", "2"]
    );
    assert_eq!(
        versions(&down(&catalog, &history, Down::To(version("1"))).unwrap()),
        ["3", "2"]
    );
    assert_eq!(
        versions(&down(&catalog, &history, Down::Only(version("2"))).unwrap()),
        ["2"]
    );
    assert_eq!(
        versions(&down(&catalog, &history, Down::Count(9)).unwrap()).len(),
        3
    );
}

#[test]
fn an_edited_migration_is_refused_and_named() {
    let history = applied(&[("1", "a"), ("2", "before")]);
    let edited = Divergence::Edited {
        version: version("2"),
        name: "2_m".into(),
        raw: Checksum::raw("before"),
        up: None,
    };
    assert_eq!(
        up(&catalog(&ABC), &history, Up::Latest),
        Err(PlanError::Diverged(vec![edited]))
    );
}

#[test]
fn an_edit_of_comments_is_a_note() {
    let mut history = applied(&[("1", "before"), ("2", "b"), ("3", "c")]);
    history.mark_cosmetic(&version("1"));
    let plan = up(&catalog(&ABC), &history, Up::Latest).unwrap();
    assert_eq!(plan.notes, [Note::Cosmetic { name: "1_m".into() }]);
}

#[test]
fn a_way_back_is_promised_only_where_the_journal_keeps_one() {
    let two = catalog(&[("1", "a"), ("3", "c")]);
    let promised = |history: &History| match up(&two, history, Up::Latest) {
        Err(PlanError::Diverged(found)) => match &found[..] {
            [Divergence::Missing { stored_down, .. }] => *stored_down,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let mut history = applied(&ABC);
    assert!(promised(&history));
    history.without_way_back.insert(1);
    assert!(!promised(&history));
    let mut history = applied(&ABC);
    history.applied.get_mut(&version("2")).unwrap().recorded = None;
    assert!(!promised(&history));
}

#[test]
fn a_version_of_another_tool_is_adopted() {
    let mut history = applied(&ABC);
    history
        .applied
        .values_mut()
        .for_each(|row| row.recorded = None);
    assert!(up(&catalog(&ABC), &history, Up::Latest).unwrap().is_empty());
}

#[test]
fn a_missing_migration_is_refused_but_a_newer_one_is_only_ahead() {
    let two = catalog(&[("1", "a"), ("3", "c")]);
    let missing = Divergence::Missing {
        version: version("2"),
        name: "2_m".into(),
        raw: Some(Checksum::raw("b")),
        stored_down: true,
    };
    assert_eq!(
        up(&two, &applied(&ABC), Up::Latest),
        Err(PlanError::Diverged(vec![missing]))
    );
    let old_build = catalog(&ABC[..2]);
    let ahead = up(&old_build, &applied(&ABC), Up::Latest).unwrap();
    assert_eq!(
        ahead.notes,
        [Note::Ahead {
            count: 1,
            newest: version("3"),
            policy: Ahead::Ok,
        }]
    );
    let policy = |ahead| Policy {
        ahead,
        ..Policy::default()
    };
    let with = |ahead| {
        let goal = Goal::Up(Up::Latest);
        plan(&old_build, &applied(&ABC), &goal, policy(ahead))
    };
    assert!(with(Ahead::Warn).unwrap().notes[0].is_warning());
    assert!(!with(Ahead::Ok).unwrap().notes[0].is_warning());
    assert!(matches!(
        with(Ahead::Fail),
        Err(PlanError::Diverged(found)) if matches!(found[..], [Divergence::Ahead { count: 1, .. }])
    ));
}

#[test]
fn what_a_newer_build_is_in_the_middle_of_is_ahead_too() {
    let mut history = applied(&ABC[..2]);
    let running = unfinished(Direction::Up, AttemptState::Running);
    history.unfinished.insert(version("3"), running);
    let plan = up(&catalog(&ABC[..2]), &history, Up::Latest).unwrap();
    assert!(plan.is_empty());
    assert!(matches!(plan.notes[..], [Note::Ahead { count: 1, .. }]));
}

#[test]
fn what_is_not_in_the_catalog_is_reverted_by_the_journal_only_where_that_was_said() {
    let catalog = catalog(&[ABC[0]]);
    let mut history = applied(&ABC);
    let policy = Policy {
        stored_down: StoredDown::Use,
        ..Policy::default()
    };
    let sources = |history: &History, down: Down, policy| {
        plan(&catalog, history, &Goal::Down(down), policy).map(|plan| {
            let step = |step: Step| (step.version.to_string(), step.source);
            plan.steps.into_iter().map(step).collect::<Vec<_>>()
        })
    };
    let stored = StepSource::Journal { attempt: 1 };
    assert!(matches!(
        sources(&history, Down::Zero, Policy::default()),
        Err(PlanError::Diverged(found)) if found.len() == 2
    ));
    assert_eq!(
        sources(&history, Down::Zero, policy),
        Ok(vec![
            ("3".to_owned(), stored),
            ("2".to_owned(), stored),
            ("1".to_owned(), StepSource::Catalog),
        ])
    );
    assert_eq!(
        sources(&history, Down::Only(version("2")), policy),
        Ok(vec![("2".to_owned(), stored)])
    );
    // What is half reverted goes on with its own text.
    let begun = unfinished(Direction::Down, AttemptState::Failed);
    history.unfinished.insert(version("3"), begun);
    assert_eq!(
        sources(&history, Down::Count(1), policy),
        Ok(vec![("3".to_owned(), StepSource::Journal { attempt: 7 })])
    );
    history.unfinished.clear();
    history.applied.get_mut(&version("3")).unwrap().recorded = None;
    let error = sources(&history, Down::Zero, policy).unwrap_err();
    assert!(
        error.to_string().contains("another tool applied it"),
        "{error}"
    );
}

#[test]
fn a_late_arrival_is_refused_unless_the_policy_or_its_name_lets_it_in() {
    let (catalog, history) = (catalog(&ABC), applied(&[ABC[0], ABC[2]]));
    assert!(matches!(
        up(&catalog, &history, Up::Latest),
        Err(PlanError::Diverged(_))
    ));
    assert_eq!(versions(&up(&catalog, &history, only("2")).unwrap()), ["2"]);
    let warn = plan(
        &catalog,
        &history,
        &Goal::Up(Up::Latest),
        Policy {
            out_of_order: OutOfOrder::Warn,
            ..Policy::default()
        },
    )
    .unwrap();
    assert_eq!((versions(&warn), warn.notes.len()), (vec!["2"], 1));
    let allow = plan(
        &catalog,
        &history,
        &Goal::Up(Up::Latest),
        Policy {
            out_of_order: OutOfOrder::Allow,
            ..Policy::default()
        },
    )
    .unwrap();
    assert_eq!((versions(&allow), allow.notes.len()), (vec!["2"], 0));
}

#[test]
fn a_goal_behind_the_database_is_not_taken_for_nothing_to_do() {
    let behind = PlanError::Behind {
        version: version("1"),
        newest: version("3"),
    };
    assert_eq!(
        up(&catalog(&ABC), &applied(&ABC), Up::Through(version("1"))),
        Err(behind)
    );
}

#[test]
fn a_migration_without_a_way_back_stops_the_revert_before_anything_is_reverted() {
    let mut migrations: Vec<Migration> = catalog(&ABC).iter().cloned().collect();
    migrations[1].metadata.irreversible = Some("drops mail".into());
    let catalog = Catalog::from_embedded(migrations).unwrap();
    let error = down(&catalog, &applied(&ABC), Down::Zero).unwrap_err();
    assert_eq!(
        error.to_string(),
        "migration 2_m cannot be reverted: drops mail"
    );
    assert_eq!(
        versions(&down(&catalog, &applied(&ABC), Down::Count(1)).unwrap()),
        ["3"]
    );
}

fn unfinished(direction: Direction, state: AttemptState) -> Unfinished {
    Unfinished {
        attempt: 7,
        name: "2_m".into(),
        direction,
        state,
        done: 1,
        total: 3,
        error: None,
        edited: None,
        text: None,
    }
}

#[test]
fn a_half_applied_migration_is_resumed_in_its_own_direction_only() {
    let (catalog, mut history) = (catalog(&ABC), applied(&ABC[..1]));
    history.unfinished.insert(
        version("2"),
        unfinished(Direction::Up, AttemptState::Failed),
    );
    let plan = up(&catalog, &history, Up::Latest).unwrap();
    assert_eq!(
        plan.steps[0].resume,
        Some(Resume {
            attempt: 7,
            done: 1
        })
    );
    assert!(matches!(
        down(&catalog, &history, Down::Zero),
        Err(PlanError::Diverged(_))
    ));

    let mut history = applied(&ABC[..2]);
    history.unfinished.insert(
        version("2"),
        unfinished(Direction::Down, AttemptState::Running),
    );
    assert!(matches!(
        up(&catalog, &history, Up::Latest),
        Err(PlanError::Diverged(_))
    ));
    let plan = down(&catalog, &history, Down::Count(1)).unwrap();
    assert_eq!(
        plan.steps[0].resume,
        Some(Resume {
            attempt: 7,
            done: 1
        })
    );
}

#[test]
fn a_statement_in_doubt_stops_everything() {
    let (catalog, mut history) = (catalog(&ABC), applied(&ABC[..1]));
    let doubt = AttemptState::InDoubt { statement: 2 };
    history
        .unfinished
        .insert(version("2"), unfinished(Direction::Up, doubt));
    let error = up(&catalog, &history, Up::Latest).unwrap_err();
    assert!(
        matches!(&error, PlanError::Diverged(all) if matches!(all[..], [Divergence::InDoubt { statement: 2, .. }]))
    );
    assert!(matches!(
        down(&catalog, &history, Down::Zero),
        Err(PlanError::Diverged(_))
    ));
}

/// Carries a plan out on a history, as the engine does on a database.
fn execute(catalog: &Catalog, history: &mut History, plan: &Plan) {
    for step in &plan.steps {
        match step.direction {
            Direction::Up => {
                let migration = catalog.get(&step.version).unwrap();
                let recorded = Recorded {
                    name: migration.name.clone(),
                    raw: migration.raw,
                    semantic: migration.raw,
                    edit: Edit::None,
                    attempt: 1,
                    up: None,
                };
                let row = Applied {
                    run_on: String::new(),
                    recorded: Some(recorded),
                };
                assert!(
                    history.applied.insert(step.version.clone(), row).is_none(),
                    "applied twice"
                );
            }
            Direction::Down => assert!(
                history.applied.remove(&step.version).is_some(),
                "reverted twice"
            ),
        }
    }
}

fn any_goal() -> impl Strategy<Value = Goal> {
    let any_version = (1..30u8).prop_map(|n| version(&format!("{n:02}")));
    prop_oneof![
        Just(Goal::Up(Up::Latest)),
        (0..9usize).prop_map(|n| Goal::Up(Up::Count(n))),
        any_version.clone().prop_map(|v| Goal::Up(Up::Through(v))),
        any_version
            .clone()
            .prop_map(|v| Goal::Up(Up::Only([v].into()))),
        Just(Goal::Down(Down::Zero)),
        any_version.clone().prop_map(|v| Goal::Down(Down::To(v))),
        (0..9usize).prop_map(|n| Goal::Down(Down::Count(n))),
        any_version.prop_map(|v| Goal::Down(Down::Only(v))),
    ]
}

proptest! {
    #[test]
    fn a_plan_executed_and_planned_again_is_empty(
        on_disk in proptest::collection::btree_set(1..30u8, 0..20),
        applied_share in proptest::collection::vec(any::<bool>(), 20),
        goal in any_goal(),
    ) {
        let names: Vec<String> = on_disk.iter().map(|n| format!("{n:02}")).collect();
        let set: Vec<(&str, &'static str)> = names.iter().map(|n| (n.as_str(), "x")).collect();
        let catalog = catalog(&set);
        let some: Vec<(&str, &str)> =
            set.iter().zip(&applied_share).filter(|(_, share)| **share).map(|(m, _)| (m.0, m.1)).collect();
        let mut history = applied(&some);
        let policy = Policy { out_of_order: OutOfOrder::Allow, ..Policy::default() };
        if let Ok(first) = plan(&catalog, &history, &goal, policy) {
            let ordered = first.steps.windows(2).all(|pair| match pair[0].direction {
                Direction::Up => pair[0].version < pair[1].version,
                Direction::Down => pair[0].version > pair[1].version,
            });
            prop_assert!(ordered);
            execute(&catalog, &mut history, &first);
            match plan(&catalog, &history, &goal, policy) {
                // A count goes on from where the database is.
                Ok(_) if matches!(goal, Goal::Up(Up::Count(_)) | Goal::Down(Down::Count(_))) => {}
                Ok(second) => prop_assert!(second.is_empty()),
                Err(PlanError::NotApplied(_)) => prop_assert!(matches!(goal, Goal::Down(Down::Only(_)))),
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
    }

    #[test]
    fn all_up_and_all_down_again_leaves_an_empty_history(on_disk in proptest::collection::btree_set(1..30u8, 0..20)) {
        let names: Vec<String> = on_disk.iter().map(|n| format!("{n:02}")).collect();
        let set: Vec<(&str, &'static str)> = names.iter().map(|n| (n.as_str(), "x")).collect();
        let (catalog, mut history) = (catalog(&set), History::default());
        let first = up(&catalog, &history, Up::Latest).unwrap();
        prop_assert_eq!(first.steps.len(), set.len());
        execute(&catalog, &mut history, &first);
        let back = down(&catalog, &history, Down::Zero).unwrap();
        execute(&catalog, &mut history, &back);
        prop_assert_eq!(history, History::default());
    }
}
