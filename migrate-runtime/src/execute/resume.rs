//! What an interrupted attempt left: whether its file still is what was begun,
//! the session that it had, and what became of a statement in doubt.

use migrate_core::{
    AttemptState, Catalog, Dialect, Direction, Divergence, History, Lost, PlanError, RunMode,
    Script, Statement, Step, Version, replay,
};

use super::{prepare::Prepared, stopped, stored};
use crate::backend::{Backend, Settled, StatementError, StepRow};
use crate::error::{DatabaseError, Error};
use crate::event::Event;
use crate::lock::Wait;
use crate::migrator::Options;
use crate::reading::finished::{begun_with, edited, is_unedited};

/// Whether an attempt can go on in this file.
///
/// # Errors
/// Where its finished part is not what was run, or left something in its
/// session that the rest needs.
pub(super) fn check(
    backend: &mut dyn Backend,
    step: &Step,
    attempt: i64,
    prepared: &Prepared,
    steps: &[StepRow],
) -> Result<(), Error> {
    let statements = &prepared.script.statements;
    if let Some(statement) = edited(&prepared.text, statements, steps) {
        let edited = Divergence::EditedHalfApplied {
            version: step.version.clone(),
            name: step.name.clone(),
            direction: step.direction,
            statement,
            total: statements.len(),
            text: begun_with(backend, attempt, step.direction)?,
        };
        return Err(Error::Plan(PlanError::Diverged(vec![edited])));
    }
    let (finished, rest) = statements.split_at(done(steps).min(statements.len()));
    session_again(&prepared.text, finished, rest, prepared.dialect)
        .map(drop)
        .map_err(|lost| Error::LostWithSession {
            version: step.version.clone(),
            name: step.name.clone(),
            statement: lost.statement + 1,
            what: lost.what,
            used_by: finished.len() + lost.used_by + 1,
        })
}

/// How many statements of an attempt are finished: up to the first one that is
/// missing, however many there are.
pub(super) fn done(steps: &[StepRow]) -> usize {
    let finished = steps.iter().filter(|row| row.state == "done");
    (1..)
        .zip(finished)
        .take_while(|(n, row)| row.n == *n)
        .count()
}

/// What failed tries have kept.
pub(super) fn tried(steps: Vec<StepRow>) -> Vec<String> {
    let failed = steps.into_iter().filter(|row| row.state == "failed");
    failed.filter_map(|row| row.fingerprint).collect()
}

/// What to run again on a new connection, before `rest` goes on.
fn session_again<'t>(
    text: &'t str,
    finished: &[Statement],
    rest: &[Statement],
    dialect: Dialect,
) -> Result<Vec<(usize, &'t str)>, Lost> {
    let texts = |statements: &[Statement]| -> Vec<&'t str> {
        let text = |statement: &Statement| &text[statement.range.clone()];
        statements.iter().map(text).collect()
    };
    replay(&texts(finished), &texts(rest), dialect)
}

/// A new session does not have the old one's settings, and a table rebuilt
/// without `foreign_keys = OFF` loses its rows. Fails with the statement's index.
pub(super) fn restore_session(
    backend: &mut dyn Backend,
    text: &str,
    finished: &[Statement],
) -> Result<(), (usize, StatementError)> {
    if finished.is_empty() {
        return Ok(());
    }
    // The rest tells which of the prepared statements are needed.
    let script = Script::admit(text, backend.dialect(), RunMode::Steps);
    let statements = script.map_or_else(|_| Vec::new(), |script| script.statements);
    let rest = statements.get(finished.len()..).unwrap_or_default();
    match session_again(text, finished, rest, backend.dialect()) {
        Ok(again) => run_again(backend, &again),
        // As `check` has told, where it was asked of the same rest.
        Err(lost) => {
            let message = format!("{} has ended with its session", lost.what);
            let error = StatementError::Statement {
                error: DatabaseError::other(message),
                offset: None,
            };
            Err((lost.statement, error))
        }
    }
}

fn run_again(
    backend: &mut dyn Backend,
    again: &[(usize, &str)],
) -> Result<(), (usize, StatementError)> {
    for (index, statement) in again {
        backend
            .run_unrecorded(statement)
            .map_err(|error| (*index, error))?;
    }
    Ok(())
}

/// What became of a statement, once nobody works at it any more.
///
/// # Errors
/// Where somebody still does after the time to wait for a lock.
pub(super) fn look(
    backend: &mut dyn Backend,
    options: &Options,
    tell: &dyn Fn(Event<'_>),
    statement: &str,
    before: Option<&str>,
) -> Result<Settled, Error> {
    let mut wait = Wait::new(options.lock_wait);
    loop {
        let settled = backend
            .settle(statement, before)
            .map_err(Error::database("cannot look into the statement in doubt"))?;
        let Settled::AtWork(who) = &settled else {
            return Ok(settled);
        };
        let waited = wait.waited();
        let Some(pause) = wait.next_pause() else {
            let who = who.clone();
            return Err(Error::StillAtWork { waited, who });
        };
        let holder = Some(who.as_str());
        tell(Event::Waiting { holder, waited });
        options.interrupt.pause(pause);
        if options.interrupt.is_asked() {
            return Err(Error::Interrupted);
        }
    }
}

/// Settles a statement in doubt where the database can tell what became of
/// it; says whether it could.
pub(super) fn settle(
    backend: &mut dyn Backend,
    catalog: &Catalog,
    history: &History,
    version: &Version,
    options: &Options,
    tell: &dyn Fn(Event<'_>),
) -> Result<bool, Error> {
    let Some(unfinished) = history.unfinished.get(version) else {
        return Ok(false);
    };
    let AttemptState::InDoubt { statement } = unfinished.state else {
        return Ok(false);
    };
    let text = match (catalog.get(version), unfinished.direction) {
        (Some(migration), Direction::Up) => migration.up()?,
        (Some(migration), Direction::Down) => migration.down()?.unwrap_or_default(),
        (None, Direction::Up) => return Ok(false),
        (None, Direction::Down) => stored::begun(backend, unfinished.attempt)
            .map_err(Error::database("cannot read the journal"))?,
    };
    let Ok(script) = Script::admit(&text, backend.dialect(), RunMode::Steps) else {
        return Ok(false);
    };
    let Some(index) = statement.checked_sub(1) else {
        return Ok(false);
    };
    let Some(in_doubt) = script.statements.get(index) else {
        return Ok(false);
    };
    let attempt = unfinished.attempt;
    let looking = || Error::database("cannot look into the statement in doubt");
    let steps = backend.read_steps(attempt).map_err(looking())?;
    let row = steps
        .iter()
        .find(|step| usize::try_from(step.n) == Ok(statement));
    // What the file says now is not what was run: whose answer would it be?
    let Some(row) = row.filter(|row| is_unedited(&text, &script.statements, row)) else {
        return Ok(false);
    };
    if edited(&text, &script.statements, &steps).is_some() {
        return Ok(false);
    }
    // The question was asked in the file's own session. What comes after the
    // statement may need more of it, and is told so once this one is settled.
    let (finished, asked) = (&script.statements[..index], std::slice::from_ref(in_doubt));
    let Ok(again) = session_again(&text, finished, asked, backend.dialect()) else {
        return Ok(false);
    };
    if run_again(backend, &again).is_err() {
        backend.reset_session().map_err(looking())?;
        return Ok(false);
    }
    let before = row.fingerprint.as_deref();
    let asked = &text[in_doubt.range.clone()];
    let settled = look(backend, options, tell, asked, before);
    backend.reset_session().map_err(looking())?;
    let sql = match settled? {
        Settled::Unknown | Settled::AtWork(_) => return Ok(false),
        Settled::Done => backend.store().finish_step(attempt, statement),
        Settled::Repeat => backend.store().abandon_step(attempt, statement),
    };
    backend
        .write(&sql)
        .map_err(|source| stopped(backend, "cannot settle the statement in doubt", source))?;
    Ok(true)
}
