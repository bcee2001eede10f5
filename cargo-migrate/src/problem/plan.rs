//! Why there is no plan, as a problem: each divergence with its file, and a
//! statement in doubt with its place.

use std::path::Path;

use migrate_core::{Direction, Divergence, PlanError, RunMode, Script};

use super::{Excerpt, Problem, Subject};
use crate::exit::Exit;
use crate::target::{MERGED, Target};

/// Why there is no plan for `target`.
pub(super) fn problem(target: &Target, error: &PlanError) -> Problem {
    let flag = target.package_flag();
    match error {
        PlanError::Diverged(found) => {
            let mut problems = found
                .iter()
                .map(|divergence| divergence_problem(target, divergence));
            let mut first = problems.next().unwrap_or_default();
            first.others = problems.collect();
            first.notes.push("nothing was run".into());
            first
        }
        PlanError::Behind { version, .. } => Problem::new(Exit::Failed, error.to_string())
            .with_help(format!(
                "revert to it with `cargo migrate revert{flag} --to {version}`"
            )),
        PlanError::NotApplied(_) => Problem::new(Exit::Failed, error.to_string())
            .with_help(format!("`cargo migrate status{flag}` lists what is")),
        PlanError::NotInCatalog(_) => Problem::new(Exit::Failed, error.to_string()),
        PlanError::Irreversible { name, .. } => {
            let mut problem = Problem::new(Exit::Failed, error.to_string());
            problem.notes.push("nothing was reverted".into());
            problem.with_help(format!(
                "stop after it with `cargo migrate revert{flag} --to {name}`, or write its down.sql"
            ))
        }
    }
}

fn divergence_problem(target: &Target, divergence: &Divergence) -> Problem {
    let mut problem =
        Problem::new(Exit::Failed, divergence.to_string()).with_help(help(target, divergence));
    problem.alike = alike(divergence);
    // A set of several directories knows how it is done.
    if let (Divergence::Missing { .. }, [_]) = (divergence, &target.directories[..]) {
        problem.help.push(format!(
            "where another crate's migrations were merged into this set, name its directory, too: {MERGED} in {}",
            target.section()
        ));
    }
    let direction = divergence.direction();
    let statement = match divergence {
        Divergence::InDoubt { statement, .. } | Divergence::EditedHalfApplied { statement, .. } => {
            Some(*statement)
        }
        _ => None,
    };
    problem.migration = Some(Subject {
        name: divergence.name().to_owned(),
        version: divergence.version().to_string(),
        direction,
        statement,
    });
    let directory = target.migration(divergence.name());
    problem.excerpts.extend(directory.map(|path| {
        let path = path.join(direction.file_name());
        statement
            .and_then(|n| place(target, &path, n, divergence))
            .unwrap_or_else(|| Excerpt::path(&path))
    }));
    problem
}

/// What to do about it, with the target where a command is to be typed.
fn help(target: &Target, divergence: &Divergence) -> String {
    let flag = target.package_flag();
    match divergence {
        Divergence::HalfApplied {
            direction: Direction::Up,
            ..
        } => format!("`cargo migrate run{flag}` resumes at the next statement"),
        Divergence::HalfApplied {
            direction: Direction::Down,
            version,
            ..
        } => format!("`cargo migrate revert{flag} --only {version}` resumes at the next statement"),
        Divergence::InDoubt {
            version, statement, ..
        } => format!(
            "look whether statement {statement} took effect, then `cargo migrate resolve {version} --step {statement}{flag} --done` or `--retry`"
        ),
        Divergence::Edited { .. }
        | Divergence::Missing { .. }
        | Divergence::OutOfOrder { .. }
        | Divergence::EditedHalfApplied { .. } => divergence.help(),
    }
}

/// What several of them are together; nothing where each has a remedy of its
/// own.
fn alike(divergence: &Divergence) -> Option<String> {
    match divergence {
        Divergence::Edited { .. } => Some("were edited after they were applied".to_owned()),
        Divergence::Missing { .. } => {
            Some("are in the database, but not in the catalog".to_owned())
        }
        Divergence::OutOfOrder { newest, .. } => Some(format!(
            "are pending, but sort before {newest}, which is applied"
        )),
        Divergence::HalfApplied { .. }
        | Divergence::EditedHalfApplied { .. }
        | Divergence::InDoubt { .. } => None,
    }
}

/// Statement `n` (from 1) of a file, as long as the file can be read.
fn place(target: &Target, path: &Path, n: usize, divergence: &Divergence) -> Option<Excerpt> {
    let text = migrate_core::decode(std::fs::read(path).ok()?).ok()?;
    let script = Script::admit(&text, target.dialect, RunMode::Steps).ok()?;
    let range = script.statements.get(n.checked_sub(1)?)?.range.clone();
    let line = text[range.clone()]
        .find('\n')
        .map_or(range.end, |at| range.start + at);
    Some(Excerpt {
        range: Some(range.start..line),
        label: match divergence {
            Divergence::EditedHalfApplied { .. } => "this is not what was run",
            _ => "nobody knows whether this took effect",
        }
        .to_owned(),
        text,
        ..Excerpt::path(path)
    })
}
