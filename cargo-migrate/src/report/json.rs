//! One JSON object a line, as Cargo's. The README documents it; a new format
//! number only where a key changes its meaning.

use migrate_core::{Direction, State};
use serde_json::{Map, Value, json};

use super::{Because, Did, How, Message, Ran};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::target::Target;

/// The number in `started`.
const FORMAT: u32 = 1;

/// The line for a message; nothing for what is only talk.
pub(super) fn line(message: &Message<'_>) -> Option<String> {
    let (reason, target, rest) = match message {
        Message::Started { command } => (
            "started",
            None,
            json!({"format": FORMAT, "command": command, "tool-version": env!("CARGO_PKG_VERSION")}),
        ),
        Message::FileCreated { service, path } => (
            "file-created",
            None,
            json!({"service": service, "path": path}),
        ),
        Message::Edited {
            service,
            path,
            what,
        } => (
            "file-edited",
            None,
            json!({"service": service, "path": path, "what": what}),
        ),
        Message::DatabaseCreated { target, existed } => (
            "database-created",
            Some(target),
            json!({"existed": existed}),
        ),
        Message::DatabaseDropped { target, existed } => (
            "database-dropped",
            Some(target),
            json!({"existed": existed}),
        ),
        Message::Status { target, migration } => (
            "migration-status",
            Some(target),
            json!({"migration": migration.name, "version": migration.version, "state": migration.state.as_str(),
                   "run-on": migration.run_on, "detail": detail(migration.state)}),
        ),
        Message::Ran {
            target,
            migration,
            duration,
            statements,
        } => {
            let reason = match migration.direction {
                Direction::Up => "migration-applied",
                Direction::Down => "migration-reverted",
            };
            let mut rest = ran(migration);
            rest["duration_us"] = json!(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
            rest["statements"] = json!(statements);
            (reason, Some(target), rest)
        }
        Message::WouldRun {
            target,
            migration,
            sql,
        }
        | Message::WillRun {
            target,
            migration,
            sql,
        } => {
            let mut rest = ran(migration);
            rest["sql"] = json!(sql);
            ("migration-planned", Some(target), rest)
        }
        Message::Diff { .. } => return None,
        Message::Repaired {
            target,
            migration,
            version,
            how,
            why,
        } => {
            let how = match how {
                How::AcceptedEdit => "accept-edit",
                How::Recorded => "record",
            };
            (
                "migration-repaired",
                Some(target),
                json!({"migration": migration, "version": version, "repair": how, "why": why}),
            )
        }
        Message::Current { target, migration } => (
            "current",
            Some(target),
            json!({"migration": migration.map(|(name, _)| name), "version": migration.map(|(_, version)| version)}),
        ),
        Message::Attempt { target, attempt } => (
            "attempt",
            Some(target),
            json!({"migration": attempt.name, "version": attempt.version, "direction": attempt.direction,
                   "state": attempt.state, "started-at": attempt.started_at, "duration_us": attempt.duration_us,
                   "applied-by": attempt.applied_by, "tool-version": attempt.tool, "error": attempt.error, "why": attempt.why}),
        ),
        Message::Resolved {
            target,
            name,
            version,
            statement,
            resolution,
            why,
        } => (
            "statement-resolved",
            Some(target),
            json!({"migration": name, "version": version, "statement": statement, "resolution": resolution, "why": why}),
        ),
        Message::Source { target, file, sql } => {
            ("source", Some(target), json!({"file": file, "sql": sql}))
        }
        Message::Waiting {
            target,
            holder,
            waited,
        } => (
            "waiting",
            Some(target),
            json!({"holder": holder, "waited_us": u64::try_from(waited.as_micros()).unwrap_or(u64::MAX)}),
        ),
        Message::Reachable { target } => ("reachable", Some(target), json!({})),
        Message::Problem { target, problem } => {
            let reason = if problem.migration.is_some() {
                "migration-failed"
            } else {
                "error"
            };
            let lines: Vec<String> = std::iter::once(*problem)
                .chain(&problem.others)
                .map(|problem| {
                    object(
                        reason,
                        target.as_deref(),
                        failed(problem, target.as_deref()),
                    )
                })
                .collect();
            return Some(lines.join("\n"));
        }
        Message::TargetFinished {
            target,
            exit,
            did,
            at,
        } => {
            let mut rest = counts(*exit, *did);
            rest["version"] = json!(at);
            ("target-finished", Some(target), rest)
        }
        Message::Finished {
            exit,
            targets,
            did,
            elapsed,
        } => {
            let mut rest = counts(*exit, *did);
            rest["targets"] = json!(targets);
            rest["duration_us"] = json!(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
            ("finished", None, rest)
        }
        Message::Note { target, text } => ("note", Some(target), json!({"message": text})),
        Message::Warning { text, help } => {
            ("warning", None, json!({"message": text, "help": help}))
        }
        Message::Skipped { targets, because } => {
            let because = match because {
                Because::Failure => "failure",
                Because::Interrupt => "interrupt",
            };
            let rest = || json!({"because": because});
            let lines: Vec<String> = targets
                .iter()
                .map(|target| object("target-skipped", Some(target), rest()))
                .collect();
            return Some(lines.join("\n"));
        }
        Message::Listing { .. } | Message::Planned { .. } | Message::Running { .. } => return None,
    };
    Some(object(reason, target.map(|target| &**target), rest))
}

fn object(reason: &str, target: Option<&Target>, rest: Value) -> String {
    let mut object = Map::new();
    object.insert("reason".into(), reason.into());
    if let Some(target) = target {
        object.insert("service".into(), target.service.clone().into());
        object.insert("database".into(), target.database.clone().into());
    }
    if let Value::Object(rest) = rest {
        object.extend(rest);
    }
    Value::Object(object).to_string()
}

fn ran(migration: &Ran<'_>) -> Value {
    json!({"migration": migration.name, "version": migration.version, "direction": migration.direction.as_str()})
}

fn detail(state: &State) -> Option<String> {
    match state {
        State::HalfApplied { done, total, .. } => Some(format!("{done} of {total} statements")),
        State::EditedHalfApplied { statement, total } => {
            Some(format!("statement {statement} of {total}, half-applied"))
        }
        State::InDoubt { statement, total } => Some(format!("statement {statement} of {total}")),
        _ => None,
    }
}

fn counts(exit: Exit, did: Did) -> Value {
    json!({"exit-code": exit.code(), "applied": did.applied, "reverted": did.reverted, "pending": did.pending})
}

fn failed(problem: &Problem, target: Option<&Target>) -> Value {
    let excerpt = problem.excerpts.first();
    let place = excerpt.and_then(|excerpt| excerpt.place());
    let message = match excerpt
        .map(|excerpt| excerpt.label.as_str())
        .filter(|label| !label.is_empty())
    {
        Some(label) => format!("{}: {label}", problem.title),
        None => problem.title.clone(),
    };
    let mut value = json!({
        "message": message,
        "file": excerpt.map(|excerpt| excerpt.path.display().to_string()),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "state": problem.notes,
        "help": problem.help,
        "exit-code": problem.exit.code(),
    });
    if let Some(subject) = &problem.migration {
        value["migration"] = json!(subject.name);
        value["version"] = json!(subject.version);
        value["direction"] = json!(subject.direction.as_str());
        value["statement"] = json!(subject.statement);
        value["diff"] = json!(problem.diffs.first().map(|diff| diff.hunks.as_str()));
    }
    if let (None, Some(label)) = (target, &problem.label) {
        let (service, database) = label
            .split_once('/')
            .map_or((label.as_str(), None), |(s, d)| (s, Some(d)));
        value["service"] = json!(service);
        value["database"] = json!(database);
    }
    value
}
