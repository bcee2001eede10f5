//! `plan`, and every `--dry-run`: the SQL that would run, and nothing runs.

use migrate_core::{
    Dialect, Direction, Goal, Plan, RunMode, Script, Statement, Step, StepSource, replay,
};
use migrate_runtime::{Access, Database, Error, Migrator, Options};

use super::Context;
use super::goal::Lookup;
use super::over::{Finished, LOOK};
use crate::cli::GoalArgs;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::report::{Did, Message, Ran};
use crate::target::Target;

/// A plan and the SQL of each of its steps.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) sql: Vec<String>,
}

pub(super) fn run(context: &Context, args: &GoalArgs) -> Result<Exit, Problem> {
    let wanted = args.goal()?;
    context.over_targets(
        LOOK,
        |target| {
            let options = context.options(target);
            planned(context, target, options, |lookup, database| {
                lookup.run(database, &wanted)
            })
        },
        |target, planned| show(context, target, &planned),
    )
}

pub(super) fn planned(
    context: &Context,
    target: &Target,
    options: Options,
    goal: impl Fn(&Lookup<'_>, &mut Database) -> Result<Goal, Problem>,
) -> Result<Planned, Problem> {
    let catalog = context.catalog(target)?;
    let mut database = context.open(target, Access::Read)?;
    let migrator = Migrator::new(&catalog).with_options(options);
    let goal = goal(
        &Lookup {
            target,
            catalog: &catalog,
            migrator: &migrator,
        },
        &mut database,
    )?;
    let plan = migrator
        .plan(&mut database, &goal)
        .map_err(|error| Problem::of_run(target, &error, None))?;
    migrator
        .admit(&mut database, &plan)
        .map_err(|error| Problem::of_run(target, &error, None))?;
    let mut text = |step: &Step| {
        let whole = match (step.source, catalog.get(&step.version), step.direction) {
            (StepSource::Journal { attempt }, ..) => migrator
                .stored_down(&mut database, attempt)?
                .unwrap_or_default(),
            (StepSource::Catalog, Some(migration), Direction::Up) => migration.up()?,
            (StepSource::Catalog, Some(migration), Direction::Down) => {
                migration.down()?.unwrap_or_default()
            }
            (StepSource::Catalog, None, _) => String::new(),
        };
        let rest = step
            .resume
            .as_ref()
            .and_then(|resume| rest(target.dialect, &whole, resume.done));
        Ok(rest.unwrap_or(whole))
    };
    let sql: Result<Vec<String>, Error> = plan.steps.iter().map(&mut text).collect();
    let sql = sql.map_err(|error| Problem::of_run(target, &error, None))?;
    Ok(Planned { plan, sql })
}

/// What is left to run of a file of which `done` statements are finished;
/// nothing where that cannot be told.
fn rest(dialect: Dialect, text: &str, done: usize) -> Option<String> {
    let script = Script::admit(text, dialect, RunMode::Steps).ok()?;
    let total = script.statements.len();
    let (finished, rest) = script.statements.split_at_checked(done)?;
    if finished.is_empty() || rest.is_empty() {
        return None;
    }
    let sql = |statement: &Statement| &text[statement.range.clone()];
    let finished: Vec<&str> = finished.iter().map(sql).collect();
    let left: Vec<&str> = rest.iter().map(sql).collect();
    // What cannot be made again the run itself says.
    let settings = replay(&finished, &left, dialect).unwrap_or_default();
    let mut shown = String::new();
    if !settings.is_empty() {
        shown.push_str("-- set again for the new session\n");
    }
    for (_, setting) in settings {
        shown.push_str(&format!("{setting};\n"));
    }
    shown.push_str(&format!(
        "-- resumes at statement {} of {total}\n",
        done + 1
    ));
    for statement in rest {
        shown.push_str(&format!("{};\n", sql(statement)));
    }
    Some(shown)
}

pub(super) fn show(context: &Context, target: &Target, planned: &Planned) -> Finished {
    for note in &planned.plan.notes {
        context.note(target, note);
    }
    let total = planned.plan.steps.len();
    for (n, (step, sql)) in planned.plan.steps.iter().zip(&planned.sql).enumerate() {
        let version = step.version.as_str();
        let migration = Ran {
            name: &step.name,
            version,
            direction: step.direction,
            number: n + 1,
            total,
        };
        context.report.tell(Message::WouldRun {
            target,
            migration,
            sql,
        });
    }
    if total == 0 {
        context.report.tell(Message::Note {
            target,
            text: "nothing to do",
        });
    }
    Finished {
        did: Did {
            pending: total,
            ..Did::default()
        },
        ..Finished::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_finished_is_not_shown_again() {
        let text = "SET @n = 1;\nCREATE TABLE a (n INT); -- a;\nDELIMITER $$\n\
                    CREATE PROCEDURE p() BEGIN SELECT 1; END$$\nDELIMITER ;\nINSERT INTO a VALUES (@n)";
        let shown = rest(Dialect::MySql, text, 2);
        assert_eq!(
            shown.as_deref(),
            Some(
                "-- set again for the new session\nSET @n = 1;\n-- resumes at statement 3 of 4\n\
                 CREATE PROCEDURE p() BEGIN SELECT 1; END;\nINSERT INTO a VALUES (@n);\n"
            )
        );
        let two = "INSERT INTO a VALUES (1);\n\n-- Two.\nINSERT INTO a VALUES (2);\n";
        assert_eq!(
            rest(Dialect::Sqlite, two, 1).as_deref(),
            Some("-- resumes at statement 2 of 2\nINSERT INTO a VALUES (2);\n")
        );
        for (text, done) in [(two, 0), (two, 2), (two, 3), ("SELECT '", 1)] {
            assert_eq!(rest(Dialect::Sqlite, text, done), None, "{text}: {done}");
        }
    }
}
