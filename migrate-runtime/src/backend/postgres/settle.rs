//! What became of a statement that was interrupted: the catalogue is asked
//! again, an earlier try's leftovers are removed, and while somebody is still
//! at it nothing is decided.

use diesel::Connection;
use diesel::connection::LoadConnection;
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Nullable, Text};
use migrate_core::Dialect;

use super::facts::TextRow;
use super::index::{self, IndexRow};
use super::probe::{self, Built, Judgement, Probe, Question, Subject};
use super::{Backend as _, Postgres};
use crate::backend::Settled;
use crate::error::DatabaseError;
use crate::quote::literal;

/// The name of the setting that carries a fingerprint from the file's own
/// session to our record, which is written as whoever came.
const BEFORE: &str = "cargo_migrate.before";

/// What removes leftovers waits without stopping anybody, as what left them did.
const PATIENT: &str = "SET lock_timeout = 0; SET statement_timeout = 0";

/// As much of a statement as pg_stat_activity shows for certain: its
/// `track_activity_query_size` is 100 at least.
const SHOWN: usize = 99;

/// An attempt that begins, with what failed tries have kept.
#[derive(Debug, diesel::QueryableByName)]
pub(super) struct TriedRow {
    #[diesel(sql_type = BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) tried: Option<String>,
}

#[derive(Debug, diesel::QueryableByName)]
struct AnswerRow {
    #[diesel(sql_type = Nullable<Text>)]
    answer: Option<String>,
}

/// Asks the question of a statement with its session's role and search path.
pub(super) fn ask(statement: &str) -> String {
    match probe::of(statement) {
        Probe::Ask(question) => format!(
            "SELECT pg_catalog.set_config('{BEFORE}', {}, true);\n",
            question.expression()
        ),
        Probe::Repeat | Probe::Unknown => String::new(),
    }
}

/// The answer, in the same transaction.
pub(super) fn asked(statement: &str) -> Option<String> {
    match probe::of(statement) {
        Probe::Ask(_) => Some(format!("pg_catalog.current_setting('{BEFORE}')")),
        Probe::Repeat | Probe::Unknown => None,
    }
}

/// Which of what earlier tries have kept is about the same as `statement`.
pub(super) fn kept<'t>(statement: &str, tried: &'t [String]) -> Option<&'t str> {
    let Probe::Ask(question) = probe::of(statement) else {
        return None;
    };
    let mut kept = tried.iter().map(String::as_str);
    kept.find(|kept| question.answer(kept).is_some())
}

/// What refuses a statement before it runs, if anything does.
pub(super) fn refuse(statement: &str) -> String {
    match probe::of(statement) {
        Probe::Ask(Question {
            subject: Subject::Build(built),
            ..
        }) => built.refuse_invalid().unwrap_or_default(),
        _ => String::new(),
    }
}

/// The error in the user's words, if it is one that [`refuse`] raises.
pub(super) fn refusal(error: &DatabaseError) -> Option<DatabaseError> {
    let (_, name) = error.message.split_once(index::INVALID)?;
    let name = name.lines().next().unwrap_or(name);
    Some(invalid(name))
}

fn invalid(name: &str) -> DatabaseError {
    DatabaseError::other(format!(
        "index {name} is there already, but invalid: somebody's build of it is under way or has failed"
    ))
}

impl<C> Postgres<C>
where
    C: Connection<Backend = Pg> + LoadConnection,
{
    /// What became of `statement`; see the trait.
    pub(super) fn settle_statement(
        &mut self,
        statement: &str,
        before: Option<&str>,
    ) -> Result<Settled, DatabaseError> {
        if let Some(who) = self.at_it(statement)? {
            return Ok(Settled::AtWork(who));
        }
        let question = match probe::of(statement) {
            Probe::Repeat => return Ok(Settled::Repeat),
            Probe::Unknown => return Ok(Settled::Unknown),
            Probe::Ask(question) => question,
        };
        let sql = format!("SELECT {} AS answer", question.expression());
        let now: Vec<AnswerRow> = self.rows(&sql)?;
        let now = now.into_iter().next().and_then(|row| row.answer);
        let (Some(before), Some(now)) = (
            before.and_then(|before| question.answer(before)),
            now.as_deref().and_then(|now| question.answer(now)),
        ) else {
            return Ok(Settled::Unknown);
        };
        match &question.subject {
            Subject::Build(built) => return self.settle_build(built, before),
            Subject::Rebuild => return self.settle_rebuild(before, now),
            Subject::Detach(detached) if question.judge(before, now) == Judgement::Finish => {
                self.execute(PATIENT)?;
                self.execute(&detached.finish())?;
                return Ok(Settled::Done);
            }
            Subject::Object(_) | Subject::Detach(_) => {}
        }
        Ok(match question.judge(before, now) {
            Judgement::Done => Settled::Done,
            Judgement::Repeat => Settled::Repeat,
            Judgement::Finish | Judgement::Unknown => Settled::Unknown,
        })
    }

    /// An error where `IF NOT EXISTS` has found what is no index to use.
    pub(super) fn check_built(&mut self, statement: &str) -> Result<(), DatabaseError> {
        let Probe::Ask(Question {
            subject: Subject::Build(built),
            ..
        }) = probe::of(statement)
        else {
            return Ok(());
        };
        if !built.tolerant {
            return Ok(());
        }
        let found: Vec<IndexRow> = self.rows(&index::query(&built.condition()))?;
        match found.iter().find(|index| !index.valid) {
            Some(index) if built.name().is_some() => Err(invalid(&index.name)),
            _ => Ok(()),
        }
    }

    /// Who runs this very statement, after its runner has gone.
    fn at_it(&mut self, statement: &str) -> Result<Option<String>, DatabaseError> {
        let sql = format!(
            "SELECT concat(coalesce(nullif(a.application_name, ''), a.usename), ', pid ', a.pid, \
             coalesce(' since ' || a.query_start::timestamp(0)::text, '')) AS text \
             FROM pg_catalog.pg_stat_activity a WHERE a.pid <> pg_backend_pid() AND a.datname = current_database() \
             AND a.state = 'active' AND rtrim(left(a.query, {SHOWN}), E' ;\\n') = rtrim(left({}, {SHOWN}), E' ;\\n')",
            literal(Dialect::Postgres, statement)
        );
        let rows: Vec<TextRow> = self.rows(&sql)?;
        Ok(rows.into_iter().next().map(|row| row.text))
    }

    /// By the indexes that were not there before: a valid one that is as the
    /// statement describes it is the statement's, and an invalid one is what a
    /// try has left.
    fn settle_build(&mut self, built: &Built, before: &str) -> Result<Settled, DatabaseError> {
        let mut found: Vec<IndexRow> = self.rows(&index::query(&built.condition()))?;
        found.retain(|index| is_new(&index.oid, before));
        if let Some(who) = at_work(&found) {
            return Ok(Settled::AtWork(who));
        }
        if found.is_empty() {
            return Ok(Settled::Repeat);
        }
        let oids: Vec<&str> = found.iter().map(|index| index.oid.as_str()).collect();
        let alike = self.like(built, &oids);
        let is_alike = |index: &IndexRow| alike.contains(&index.oid);
        if found.iter().any(|index| index.valid && is_alike(index)) {
            return Ok(Settled::Done);
        }
        // The name alone is no proof; without one it may be anybody's.
        if built.name().is_some() && found.iter().any(|index| index.valid) {
            return Ok(Settled::Unknown);
        }
        let ours = found
            .iter()
            .filter(|index| !index.valid && (built.name().is_some() || is_alike(index)));
        self.drop_indexes(ours)?;
        Ok(Settled::Repeat)
    }

    fn settle_rebuild(&mut self, before: &str, now: &str) -> Result<Settled, DatabaseError> {
        let new: Vec<&str> = now
            .split_ascii_whitespace()
            .filter(|oid| is_new(oid, before))
            .collect();
        if new.is_empty() {
            return Ok(Settled::Repeat);
        }
        let condition = format!("i.indexrelid IN ({})", new.join(", "));
        let found: Vec<IndexRow> = self.rows(&index::query(&condition))?;
        if let Some(who) = at_work(&found) {
            return Ok(Settled::AtWork(who));
        }
        self.drop_indexes(found.iter())?;
        Ok(Settled::Repeat)
    }

    fn drop_indexes<'i>(
        &mut self,
        indexes: impl Iterator<Item = &'i IndexRow>,
    ) -> Result<(), DatabaseError> {
        for index in indexes {
            self.execute(PATIENT)?;
            self.execute(&format!("DROP INDEX CONCURRENTLY {}", index.name))?;
        }
        Ok(())
    }

    /// Which of the indexes `oids` are as the statement describes its own;
    /// none where that can't be found out.
    fn like(&mut self, built: &Built, oids: &[&str]) -> Vec<String> {
        let begin = self.begin_recording();
        let made = self.execute(&format!("{begin}{}", built.copy()));
        let alike = made.and_then(|()| self.rows::<TextRow>(&built.like_the_copy(oids)));
        self.rollback();
        let rows = alike.unwrap_or_default();
        rows.into_iter().map(|row| row.text).collect()
    }
}

fn is_new(oid: &str, before: &str) -> bool {
    !before.split_ascii_whitespace().any(|known| known == oid)
}

fn at_work(found: &[IndexRow]) -> Option<String> {
    let index = found.iter().find(|index| !index.valid && index.at_work)?;
    Some(format!("another session at index {}", index.name))
}
