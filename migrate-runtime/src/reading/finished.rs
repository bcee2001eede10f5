//! Whether the finished part of a half-applied file is what was run: what it
//! says decides about the rest, also before anybody goes on in it.

use std::collections::BTreeMap;

use migrate_core::{Catalog, Checksum, Direction, History, RunMode, Script, Statement, Version};

use crate::backend::{Backend, HistoryRow, StepRow};
use crate::error::Error;

/// The checksums of the files that were begun and are not finished.
pub(super) fn checksums(rows: &[HistoryRow]) -> BTreeMap<Version, Checksum> {
    let begun = rows
        .iter()
        .filter(|row| matches!(row.state.as_deref(), Some("failed" | "running")));
    let checksum = |row: &HistoryRow| {
        let raw = row.raw_checksum.as_deref()?.parse().ok()?;
        Some((Version::recorded(&row.version), raw))
    };
    begun.filter_map(checksum).collect()
}

/// Notes which finished statements the catalog's files have no more; `begun`
/// has the checksums of the files as they were run.
pub(super) fn compare(
    backend: &mut dyn Backend,
    catalog: &Catalog,
    history: &mut History,
    begun: &BTreeMap<Version, Checksum>,
) -> Result<(), Error> {
    for (version, unfinished) in &mut history.unfinished {
        let Some(migration) = catalog.get(version) else {
            continue;
        };
        let begun = begun.get(version);
        let text = match unfinished.direction {
            // Whoever waits for its runner asks again and again.
            Direction::Up if begun == Some(&migration.raw) => continue,
            Direction::Up => migration.up()?,
            Direction::Down => migration.down()?.unwrap_or_default(),
        };
        if begun == Some(&Checksum::raw(&text)) {
            continue;
        }
        // What cannot be read as statements is refused with a place of its own.
        let Ok(script) = Script::admit(&text, backend.dialect(), RunMode::Steps) else {
            continue;
        };
        let steps = backend
            .read_steps(unfinished.attempt)
            .map_err(Error::database("cannot read the migration steps"))?;
        unfinished.edited = edited(&text, &script.statements, &steps);
        if unfinished.edited.is_some() {
            unfinished.text = begun_with(backend, unfinished.attempt, unfinished.direction)?;
        }
    }
    Ok(())
}

/// The text that an attempt was begun with, where the journal has kept it.
pub(crate) fn begun_with(
    backend: &mut dyn Backend,
    attempt: i64,
    direction: Direction,
) -> Result<Option<String>, Error> {
    let texts = backend
        .read_texts(&[attempt])
        .map_err(Error::database("cannot read the journal"))?;
    let texts = texts.into_iter().next();
    Ok(texts.and_then(|texts| match direction {
        Direction::Up => texts.up_sql,
        Direction::Down => texts.down_sql,
    }))
}

/// The first finished statement, from 1, whose text is not the one that was
/// run.
pub(crate) fn edited(text: &str, statements: &[Statement], steps: &[StepRow]) -> Option<usize> {
    steps
        .iter()
        .filter(|row| row.state == "done")
        .find(|row| !is_unedited(text, statements, row))
        .map(|row| usize::try_from(row.n).unwrap_or_default())
}

/// Whether a step's statement is in the file as it was run.
pub(crate) fn is_unedited(text: &str, statements: &[Statement], row: &StepRow) -> bool {
    let index = usize::try_from(row.n).unwrap_or_default().checked_sub(1);
    let now = index.and_then(|index| statements.get(index));
    now.is_some_and(|now| Checksum::statement(&text[now.range.clone()]).to_string() == row.sha256)
}
