//! What an interrupted attempt left: whether its file still is what was begun,
//! the session that it had, and what became of a statement in doubt.

use migrate_core::{
    AttemptState, Catalog, Checksum, Dialect, Direction, History, RunMode, Script, Statement, Step,
    Version, lexemes, lost_with_session, session_statements,
};

use super::prepare::Prepared;
use crate::backend::{Backend, Settled, StatementError, StepRow};
use crate::error::Error;

/// Whether an attempt can go on in this file.
///
/// # Errors
/// Where its finished part is not what was run, or left something in its
/// session that the rest needs.
pub(super) fn check(step: &Step, prepared: &Prepared, steps: &[StepRow]) -> Result<(), Error> {
    unedited(step, prepared, steps)?;
    still_there(step, prepared)
}

/// The finished part of the file must be the text that was run.
fn unedited(step: &Step, prepared: &Prepared, steps: &[StepRow]) -> Result<(), Error> {
    for row in steps.iter().filter(|row| row.state == "done") {
        let n = usize::try_from(row.n).unwrap_or_default();
        let now = n
            .checked_sub(1)
            .and_then(|n| prepared.script.statements.get(n));
        let same = now.is_some_and(|now| {
            Checksum::statement(&prepared.text[now.range.clone()]).to_string() == row.sha256
        });
        if !same {
            return Err(Error::EditedWhileHalfApplied {
                version: step.version.clone(),
                name: step.name.clone(),
                statement: n,
            });
        }
    }
    Ok(())
}

/// What the finished part took from its session's last insert is lost with it:
/// the variable that holds it would hold something else, and so would the
/// function that tells it.
fn still_there(step: &Step, prepared: &Prepared) -> Result<(), Error> {
    let done = step.resume.as_ref().map_or(0, |resume| resume.done);
    let (finished, rest) = prepared.script.statements.split_at(done);
    let text = |statement: &Statement| &prepared.text[statement.range.clone()];
    let lost = |statement: usize, what: &str, used_by: usize| {
        Err(Error::LostWithSession {
            version: step.version.clone(),
            name: step.name.clone(),
            statement: statement + 1,
            what: what.to_owned(),
            used_by: done + used_by + 1,
        })
    };
    for (index, statement) in finished.iter().enumerate() {
        if !lost_with_session(text(statement), prepared.dialect) {
            continue;
        }
        for variable in variables(text(statement), prepared.dialect) {
            let uses = |statement: &Statement| {
                variables(text(statement), prepared.dialect)
                    .any(|used| used.eq_ignore_ascii_case(variable))
            };
            if let Some(user) = rest.iter().position(uses) {
                return lost(index, variable, user);
            }
        }
    }
    if prepared.dialect != Dialect::MySql {
        return Ok(());
    }
    let inserts = |statement: &Statement| {
        let first = lexemes(text(statement), prepared.dialect).next();
        first.is_some_and(|first| first.is("INSERT") || first.is("REPLACE"))
    };
    let asks = |statement: &Statement| {
        lexemes(text(statement), prepared.dialect).any(|lexeme| lexeme.is("LAST_INSERT_ID"))
    };
    let teller = finished.iter().rposition(inserts);
    let asked = rest
        .iter()
        .position(|statement| inserts(statement) || asks(statement));
    match (teller, asked) {
        (Some(teller), Some(asked)) if asks(&rest[asked]) => {
            lost(teller, "LAST_INSERT_ID()", asked)
        }
        _ => Ok(()),
    }
}

fn variables(text: &str, dialect: Dialect) -> impl Iterator<Item = &str> {
    lexemes(text, dialect)
        .map(|lexeme| lexeme.text)
        .filter(|text| text.starts_with('@') && !text.starts_with("@@"))
}

/// A new session does not have the old one's settings, and a table rebuilt
/// without `foreign_keys = OFF` loses its rows. Fails with the statement's index.
pub(super) fn restore_session(
    backend: &mut dyn Backend,
    text: &str,
    finished: &[Statement],
) -> Result<(), (usize, StatementError)> {
    for (index, statement) in finished.iter().enumerate() {
        for setting in session_statements(&text[statement.range.clone()], backend.dialect()) {
            backend
                .run_unrecorded(setting)
                .map_err(|error| (index, error))?;
        }
    }
    Ok(())
}

/// Settles a statement in doubt where the database can tell what became of
/// it; says whether it could.
pub(super) fn settle(
    backend: &mut dyn Backend,
    catalog: &Catalog,
    history: &History,
    version: &Version,
) -> Result<bool, Error> {
    let (Some(unfinished), Some(migration)) =
        (history.unfinished.get(version), catalog.get(version))
    else {
        return Ok(false);
    };
    let AttemptState::InDoubt { statement } = unfinished.state else {
        return Ok(false);
    };
    let text = match unfinished.direction {
        Direction::Up => migration.up()?,
        Direction::Down => migration.down()?.unwrap_or_default(),
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
    let before = steps
        .iter()
        .find(|step| usize::try_from(step.n) == Ok(statement))
        .and_then(|step| step.fingerprint.as_deref());
    // The question was asked in the file's own session.
    if restore_session(backend, &text, &script.statements[..index]).is_err() {
        return Ok(false);
    }
    let settled = backend.settle(&text[in_doubt.range.clone()], before);
    backend.reset_session().map_err(looking())?;
    let sql = match settled.map_err(looking())? {
        Settled::Unknown => return Ok(false),
        Settled::Done => backend.store().finish_step(attempt, statement),
        Settled::Repeat => backend.store().forget_step(attempt, statement),
    };
    backend
        .write(&sql)
        .map_err(Error::database("cannot settle the statement in doubt"))?;
    Ok(true)
}
