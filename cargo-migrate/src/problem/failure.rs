//! A statement that failed, as a problem: where, what remains of its migration,
//! who stood in the way, and how to go on.

use migrate_core::{Dialect, Direction};
use migrate_runtime::{Certainty, DatabaseErrorKind, Failure, Remains};

use super::remedy::before_again;
use super::{Excerpt, Problem, Subject};
use crate::exit::Exit;
use crate::target::Target;

/// What the database refused; `again` is the command that does the rest of what
/// was asked for.
pub(super) fn problem(target: &Target, failure: &Failure, again: Option<&str>) -> Problem {
    let at = match failure.statement {
        Some(n) => format!(" at statement {n} of {}", failure.total),
        None => String::new(),
    };
    let down = if failure.direction == Direction::Down {
        " (down)"
    } else {
        ""
    };
    let mut problem = Problem::new(
        Exit::Failed,
        format!("migration {}{down} stopped{at}", failure.name),
    );
    problem.migration = Some(Subject {
        name: failure.name.clone(),
        version: failure.version.to_string(),
        direction: failure.direction,
        statement: failure.statement,
    });
    let path = failure
        .file
        .clone()
        .unwrap_or_else(|| failure.name.clone().into());
    problem.excerpts.push(Excerpt {
        label: failure.message.clone(),
        ..failure
            .excerpt
            .as_ref()
            .map_or_else(|| Excerpt::path(&path), |lines| Excerpt::of(&path, lines))
    });
    if failure.excerpt.is_none() {
        problem.title = format!("{}: {}", problem.title, failure.message);
        if failure.statement.is_none() {
            problem.notes.push(
                "every statement ran; COMMIT failed, as it does for deferred constraints".into(),
            );
        }
    }
    for blocker in &failure.blockers {
        let how = match blocker.certainty {
            Certainty::Seen => "in the way",
            Certainty::Likely => "may be in the way",
            Certainty::Hidden(_) => {
                "may be in the way (the server does not show its metadata locks)"
            }
        };
        problem.notes.push(format!("{how}: {}", blocker.session));
    }
    let verb = match failure.direction {
        Direction::Up => "run",
        Direction::Down => "revert",
    };
    let command = again.map_or_else(
        || format!("cargo migrate {verb}{}", target.package_flag()),
        str::to_owned,
    );
    let first = before_again(target.dialect, failure);
    match &failure.remains {
        Remains::RolledBack => {
            problem.notes.push("the migration was rolled back".into());
            problem.help.push(format!("{first}, then `{command}`"));
        }
        Remains::RunRolledBack => {
            problem.notes.push("the whole run was rolled back".into());
            problem
                .help
                .push(format!("{first}, then `{command} --single-transaction`"));
        }
        Remains::Statements(0) => {
            problem
                .notes
                .push("no statement of it is applied; the lock is released".into());
            problem.help.push(format!("{first}, then `{command}`"));
        }
        Remains::Statements(done) => {
            let which = if *done == 1 {
                "statement 1 is".to_owned()
            } else {
                format!("statements 1–{done} are")
            };
            problem.notes.push(format!(
                "{which} applied and recorded; the lock is released"
            ));
            problem.help.push(format!(
                "{first}, then `{command}` to resume at statement {}",
                done + 1
            ));
        }
        Remains::InDoubt { done, last } => {
            let first = done + 1;
            let which = if first == *last {
                format!("statement {first} is")
            } else {
                format!("statements {first}–{last} are")
            };
            let stays = match target.dialect {
                Dialect::Postgres => "what it had committed before the error stays",
                Dialect::MySql | Dialect::Sqlite => {
                    "a part of what it did may stay, as a program has committed it or in tables without transactions"
                }
            };
            problem.notes.push(format!("{stays}: {which} in doubt"));
            problem.help.push(format!(
                "look what is there of statement {first}, then `cargo migrate resolve {} --step {first}{} --done` or `--retry`",
                failure.version,
                target.package_flag()
            ));
        }
    }
    let ends: Vec<String> = failure
        .blockers
        .iter()
        .filter_map(|blocker| Some(format!("`{}`", blocker.ended_by.as_ref()?)))
        .collect();
    if !ends.is_empty() {
        problem.help.push(format!(
            "whose sessions those are decides whether they may be ended: {}",
            ends.join(", ")
        ));
    }
    let shown_by = failure
        .blockers
        .iter()
        .find_map(|blocker| match blocker.certainty {
            Certainty::Hidden(shown_by) => shown_by,
            Certainty::Seen | Certainty::Likely => None,
        });
    if let Some(statement) = shown_by {
        problem.help.push(format!(
            "`{statement}` makes the server show who holds what"
        ));
    }
    if failure.kind == DatabaseErrorKind::LockTimeout {
        problem.help.push(format!(
            "`lock-tries` and `lock-timeout` in {} say how long it is tried",
            target.section()
        ));
    }
    problem
}
