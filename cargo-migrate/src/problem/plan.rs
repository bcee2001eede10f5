//! Why there is no plan, as a problem: each divergence with its file, and a
//! statement in doubt with its place.

use std::path::Path;

use migrate_core::{Checksum, Direction, Divergence, PlanError, RunMode, Script, Version};

use super::{Diff, Edited, Excerpt, Problem, Subject};
use crate::exit::Exit;
use crate::git;
use crate::target::{MERGED, Target};

/// Why there is no plan for `target`.
pub(super) fn problem(target: &Target, error: &PlanError) -> Problem {
    let flag = target.package_flag();
    match error {
        PlanError::Diverged(found) => {
            let mut problems = found
                .iter()
                .enumerate()
                .map(|(n, divergence)| divergence_problem(target, n, divergence));
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
            let way = match target.migration(name) {
                Some(_) => "write its down.sql",
                None => "restore its directory from version control",
            };
            problem.with_help(format!(
                "stop after it with `cargo migrate revert{flag} --to {name}`, or {way}"
            ))
        }
    }
}

/// Of so many divergences the version control is asked.
const LOOKED_UP: usize = 20;

/// One contradiction, the `n`th of them.
pub(super) fn divergence_problem(target: &Target, n: usize, divergence: &Divergence) -> Problem {
    let mut problem = Problem::new(Exit::Failed, divergence.to_string());
    problem.alike = alike(divergence);
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
    problem.excerpts.extend(directory.as_ref().map(|path| {
        let path = path.join(direction.file_name());
        statement
            .and_then(|n| place(target, &path, n, divergence))
            .unwrap_or_else(|| Excerpt::path(&path))
    }));
    let flag = target.package_flag();
    let asks = n < LOOKED_UP;
    match divergence {
        Divergence::Edited {
            version,
            name,
            raw,
            up,
        } => {
            let wanted = asks.then_some(raw);
            let found = Edited::look(target, name, up.as_deref(), wanted);
            edited(target, &mut problem, version, found);
        }
        Divergence::Missing {
            version,
            name,
            raw,
            stored_down,
        } => {
            let wanted = raw.as_ref().filter(|_| asks);
            let stored = stored_down.then(|| format!("{flag} --only {version} --stored-down"));
            missing(target, &mut problem, name, wanted, stored);
        }
        Divergence::HalfApplied {
            direction: Direction::Up,
            ..
        } => problem.help.push(format!(
            "`cargo migrate run{flag}` resumes at the next statement"
        )),
        Divergence::HalfApplied {
            direction: Direction::Down,
            version,
            name,
            ..
        } => {
            let stored = match target.migration(name) {
                Some(_) => "",
                None => " --stored-down",
            };
            problem.help.push(format!(
                "`cargo migrate revert{flag} --only {version}{stored}` resumes at the next statement"
            ));
        }
        Divergence::InDoubt {
            version, statement, ..
        } => problem.help.push(format!(
            "look whether statement {statement} took effect, then `cargo migrate resolve {version} --step {statement}{flag} --done` or `--retry`"
        )),
        Divergence::EditedHalfApplied {
            statement, text, ..
        } => {
            let file = directory.map(|path| path.join(direction.file_name()));
            match file.zip(text.as_deref()).map(|(file, text)| Diff::of(&file, text)) {
                Some(Ok(diff)) => problem.diffs.push(diff),
                Some(Err(why)) => problem.notes.push(why.to_owned()),
                None => {}
            }
            problem.help.push(format!(
                "put statement {statement} back as it was; only what has not run yet may change before it is resumed"
            ));
        }
        Divergence::Ahead { .. } => problem.help.push(
            "run the newer build, or let an older one go on with `ahead = \"ok\"` (or \"warn\") in [package.metadata.migrate]".to_owned(),
        ),
        Divergence::OutOfOrder { .. } => problem.help.push(
            "rename the directory to a newer version if no other database has it, or allow it with `out-of-order = \"allow\"` (or \"warn\") in [package.metadata.migrate]".to_owned(),
        ),
    }
    problem
}

/// The edit itself, and the ways out of it.
fn edited(target: &Target, problem: &mut Problem, version: &Version, found: Edited) {
    let Edited {
        file,
        revision,
        diff,
    } = found;
    match diff {
        Ok(diff) => problem.diffs.push(diff),
        Err(why) => problem.notes.push(why.to_owned()),
    }
    let back = match (&file, revision) {
        (Some(file), Some(revision)) => format!(" with `{}`", revision.checkout(file)),
        _ => " as it was applied".to_owned(),
    };
    let flag = target.package_flag();
    problem.help.push(format!(
        "put the file back{back}, and write a new migration for the change: `cargo migrate new <name>{flag}`"
    ));
    problem.help.push(format!(
        "if the database is as the file says now: `cargo migrate repair --accept-edit {version}{flag} --why \"…\"`"
    ));
}

/// The ways out for a migration that is not on disk: `wanted` is the checksum
/// by which version control is asked, `stored` what `revert` is told where the
/// journal keeps the way back.
fn missing(
    target: &Target,
    problem: &mut Problem,
    name: &str,
    wanted: Option<&Checksum>,
    stored: Option<String>,
) {
    let directories = target.directories.iter().map(|set| set.join(name));
    let known = wanted.and_then(|wanted| {
        directories.into_iter().find_map(|directory| {
            let revision = git::revision_of(&directory.join("up.sql"), wanted)?;
            Some(revision.checkout(&directory))
        })
    });
    let restore = match known {
        Some(command) => format!("restore the directory with `{command}`"),
        None => "restore the directory from version control".to_owned(),
    };
    problem.help.push(match stored {
        Some(flags) => format!(
            "{restore}, or take the migration back by what the journal keeps: `cargo migrate revert{flags}`"
        ),
        None => restore,
    });
    problem.help.push(
        "if another service's set shares this history table, give one of them a `schema` or `history-table` of its own".to_owned(),
    );
    // A set of several directories knows how it is done.
    if let [_] = &target.directories[..] {
        problem.help.push(format!(
            "where another crate's migrations were merged into this set, name its directory, too: {MERGED} in {}",
            target.section()
        ));
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
        Divergence::Ahead { .. } => None,
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
