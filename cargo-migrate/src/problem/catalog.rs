//! What is wrong with a set of migrations on disk, as a problem with its place
//! in the file. Reads the files again, to show the line.

use std::path::Path;

use migrate_core::{CatalogFinding, CatalogProblem, Place, legible};

use super::{Excerpt, Problem};
use crate::exit::Exit;
use crate::target::Target;
use crate::workspace::from_to;

/// One thing that is wrong with the set of `target`, told to somebody in the
/// directory `here`.
pub(super) fn problem(target: &Target, finding: &CatalogFinding, here: &Path) -> Problem {
    // The migration's directory is the first name below the set's own.
    let migration = target
        .directories
        .iter()
        .filter_map(|set| finding.path.strip_prefix(set).ok()?.components().next())
        .map(|name| legible(&name.as_os_str().to_string_lossy()).into_owned())
        .next();
    let what = told(finding, here);
    let title = match migration {
        Some(name) => format!("migration {name}: {what}"),
        None => what,
    };
    let mut problem = Problem::new(Exit::Failed, title)
        .with_help(help(target, &finding.problem))
        .of(&target.label());
    let mut excerpt = Excerpt::path(&finding.path);
    if let Some(place) = finding.place
        && let Ok(text) = std::fs::read_to_string(&finding.path)
    {
        // The place counts from behind a byte order mark.
        let text = text.trim_start_matches('\u{feff}').to_owned();
        let offset = byte_of(&text, place);
        excerpt.range =
            Some(offset..offset + text[offset..].chars().next().map_or(0, char::len_utf8));
        excerpt.text = text;
    }
    problem.excerpts.push(excerpt);
    problem
}

/// The finding in words. Where it names a second path, that is written as the
/// first one will be: from `here`, if the first lies below.
fn told(finding: &CatalogFinding, here: &Path) -> String {
    let shown = |other: &Path| {
        if finding.path.starts_with(here) {
            from_to(here, other)
        } else {
            other.to_owned()
        }
    };
    match &finding.problem {
        CatalogProblem::Duplicate { version, other } => CatalogProblem::Duplicate {
            version: version.clone(),
            other: shown(other),
        }
        .to_string(),
        CatalogProblem::Conflict { version, other } => CatalogProblem::Conflict {
            version: version.clone(),
            other: shown(other),
        }
        .to_string(),
        _ => finding.to_string(),
    }
}

fn help(target: &Target, problem: &CatalogProblem) -> String {
    match problem {
        CatalogProblem::Conflict { .. } => format!(
            "make the two alike, or say `same-version = \"last\"` in {}: the directory that `directory` names last wins",
            target.section()
        ),
        _ => problem.help(),
    }
}

fn byte_of(text: &str, place: Place) -> usize {
    let line_start: usize = text
        .split_inclusive('\n')
        .take(place.line - 1)
        .map(str::len)
        .sum();
    let column = text[line_start..]
        .char_indices()
        .nth(place.column - 1)
        .map_or(text.len() - line_start, |(byte, _)| byte);
    line_start + column
}
