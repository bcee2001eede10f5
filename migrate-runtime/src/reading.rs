//! From the rows of a database to a history: what is applied, what stopped in
//! the middle and how.

pub(crate) mod finished;

use std::collections::BTreeSet;

use migrate_core::Checksum;
use migrate_core::{
    Applied, AttemptState, Catalog, Direction, Edit, History, Recorded, Unfinished, Version,
};

use crate::backend::{Backend, HistoryRow};
use crate::error::{DatabaseError, Error};

/// Of so many versions the texts in the journal are read: more than anybody
/// looks at.
const MOST_TEXTS: usize = 100;

/// Reads the history, and compares it with the catalog's files where their
/// checksums differ.
pub(crate) fn read(backend: &mut dyn Backend, catalog: &Catalog) -> Result<History, Error> {
    let rows = backend
        .read()
        .map_err(Error::database("cannot read the migration history"))?;
    let begun = finished::checksums(&rows);
    let mut history =
        history(backend, rows).map_err(Error::database("cannot read the migration steps"))?;
    compare(backend, catalog, &mut history)?;
    finished::compare(backend, catalog, &mut history, &begun)?;
    Ok(history)
}

fn history(backend: &mut dyn Backend, rows: Vec<HistoryRow>) -> Result<History, DatabaseError> {
    let mut history = History::default();
    for row in rows {
        let version = Version::recorded(&row.version);
        // An attempt's end and its history row are one write: where the history
        // says otherwise, another tool has finished what was half done.
        let unfinished =
            unfinished(backend, &row)?.filter(|unfinished| match unfinished.direction {
                Direction::Up => row.run_on.is_none(),
                Direction::Down => row.run_on.is_some(),
            });
        let done = row.state.as_deref() == Some("done");
        let recorded = recorded(&row).filter(|_| done);
        if let Some(unfinished) = unfinished {
            history.unfinished.insert(version.clone(), unfinished);
        }
        if let Some(run_on) = row.run_on {
            history
                .applied
                .insert(version, Applied { run_on, recorded });
        }
    }
    Ok(history)
}

/// What the journal knows of an applied version.
fn recorded(row: &HistoryRow) -> Option<Recorded> {
    if row.direction.as_deref() == Some(Direction::Down.as_str()) {
        return None;
    }
    let checksum = |text: &Option<String>| {
        text.as_deref()
            .and_then(|text| text.parse::<Checksum>().ok())
    };
    Some(Recorded {
        name: row.name.clone()?,
        raw: checksum(&row.raw_checksum)?,
        semantic: checksum(&row.semantic_checksum)?,
        edit: Edit::None,
        attempt: row.attempt?,
        up: None,
    })
}

fn unfinished(
    backend: &mut dyn Backend,
    row: &HistoryRow,
) -> Result<Option<Unfinished>, DatabaseError> {
    let (Some(attempt), Some(state)) = (row.attempt, row.state.as_deref()) else {
        return Ok(None);
    };
    let state = match state {
        "failed" => AttemptState::Failed,
        "running" => {
            let steps = backend.read_steps(attempt)?;
            let running = steps.iter().find(|step| step.state == "running");
            running.map_or(AttemptState::Running, |step| AttemptState::InDoubt {
                statement: number(Some(step.n)),
            })
        }
        _ => return Ok(None),
    };
    let down = row.direction.as_deref() == Some(Direction::Down.as_str());
    Ok(Some(Unfinished {
        attempt,
        name: row.name.clone().unwrap_or_default(),
        direction: if down { Direction::Down } else { Direction::Up },
        state,
        done: number(row.statements_done),
        total: number(row.statements_total),
        error: row.error.clone(),
        edited: None,
        text: None,
    }))
}

fn number(value: Option<i64>) -> usize {
    value
        .and_then(|value| usize::try_from(value).ok())
        .unwrap_or_default()
}

/// Marks the edits that change only comments or white space, and puts the text
/// as it was applied to the others. Of what has no file any more it is asked
/// whether there is a way back; not of what a newer build has brought, for
/// there every old one would ask at each start.
fn compare(
    backend: &mut dyn Backend,
    catalog: &Catalog,
    history: &mut History,
) -> Result<(), Error> {
    let edited = history.applied.iter().filter_map(|(version, row)| {
        let (migration, recorded) = (catalog.get(version)?, row.recorded.as_ref()?);
        (recorded.raw != migration.raw).then_some((migration, recorded))
    });
    let (mut cosmetic, mut changed) = (Vec::new(), Vec::new());
    for (migration, recorded) in edited {
        if Checksum::semantic(&migration.up()?, backend.dialect()) == recorded.semantic {
            cosmetic.push(migration.version.clone());
        } else if changed.len() < MOST_TEXTS {
            changed.push(recorded.attempt);
        }
    }
    for version in &cosmetic {
        history.mark_cosmetic(version);
    }
    let newest = catalog.newest().map(|migration| &migration.version);
    let gone = |version: &Version| {
        catalog.get(version).is_none() && newest.is_none_or(|newest| version < newest)
    };
    let recorded = history.applied.iter().filter_map(|(version, row)| {
        let attempt = row.recorded.as_ref()?.attempt;
        gone(version).then_some(attempt)
    });
    let begun = history.unfinished.iter().filter_map(|(version, begun)| {
        (begun.direction == Direction::Down && gone(version)).then_some(begun.attempt)
    });
    let missing: BTreeSet<i64> = begun.chain(recorded).take(MOST_TEXTS).collect();
    changed.extend(&missing);
    if changed.is_empty() {
        return Ok(());
    }
    let texts = backend
        .read_texts(&changed)
        .map_err(Error::database("cannot read the journal"))?;
    for text in texts {
        let down = text.down_sql.unwrap_or_default();
        if missing.contains(&text.id) && down.trim().is_empty() {
            history.without_way_back.insert(text.id);
        }
        history.keep_text(text.id, text.up_sql);
    }
    Ok(())
}
