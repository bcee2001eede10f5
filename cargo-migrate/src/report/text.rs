//! For people: Cargo's look. Right-aligned verbs for what happens, tables for
//! what is, excerpts for what went wrong.

mod diff;

use std::iter::once;
use std::path::Path;
use std::time::Duration;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use anstyle::{AnsiColor, Style};
use migrate_core::{Direction, State, legible};

use super::{Attempted, Because, Did, How, Listed, Message, NameWidth, Ran};
use crate::exit::Exit;
use crate::problem::{Excerpt, Problem};
use crate::term::{Term, Tone, Verbosity};

const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const ODD: Style = AnsiColor::Yellow.on_default();

pub(super) fn tell(term: &Term, here: &Path, message: &Message<'_>) {
    match message {
        Message::Started { .. } => {}
        Message::FileCreated { path, .. } => {
            term.line(&format!("{STRONG}{:>12}{STRONG:#} {path}", "Created"))
        }
        Message::Edited { path, what, .. } => {
            term.status(Tone::Good, "Edited", &format!("{what} in {path}"))
        }
        Message::DatabaseCreated { target, existed } => {
            let (verb, rest) = if *existed {
                ("Found", " (it was there)")
            } else {
                ("Created", "")
            };
            term.status(
                Tone::Good,
                verb,
                &format!("{} database {}{rest}", target.label(), target.url),
            );
        }
        Message::DatabaseDropped { target, existed } => {
            let (verb, rest) = if *existed {
                ("Dropped", "")
            } else {
                ("Missing", " (nothing to drop)")
            };
            term.status(
                Tone::Good,
                verb,
                &format!("{} database {}{rest}", target.label(), target.url),
            );
        }
        Message::Listing { target } => {
            let origin = match term.verbosity() {
                Verbosity::Verbose => format!(" (from {})", target.url_origin),
                Verbosity::Quiet | Verbosity::Normal => String::new(),
            };
            term.line(&format!(
                "{STRONG}{}{STRONG:#} {FAINT}{}{origin}{FAINT:#}",
                target.label(),
                target.url
            ));
        }
        Message::Status { migration, .. } => term.line(&listed(migration)),
        Message::Planned { .. } | Message::Running { .. } => {}
        Message::Ran {
            target,
            migration,
            duration,
            ..
        } => {
            let verb = match migration.direction {
                Direction::Up => "Applied",
                Direction::Down => "Reverted",
            };
            term.status(
                Tone::Good,
                verb,
                &format!(
                    "{} {} in {}",
                    target.label(),
                    migration.name,
                    time(*duration)
                ),
            );
        }
        Message::WouldRun {
            target,
            migration,
            sql,
        } => term.line(&planned(&target.label(), migration, sql)),
        Message::WillRun {
            target,
            migration,
            sql,
        } => term.error_line(&planned(&target.label(), migration, sql)),
        Message::Diff { diff, .. } => term.error_line(&diff::render(diff, here)),
        Message::Repaired {
            target,
            migration,
            how,
            ..
        } => {
            let (verb, what) = match how {
                How::AcceptedEdit => ("Accepted", "the edit of "),
                How::Recorded => ("Recorded", ""),
            };
            let text = format!("{} {what}{migration}", target.label());
            term.status(Tone::Good, verb, &text);
        }
        Message::Current { target, migration } => {
            let name = migration.map_or("(nothing applied)", |(name, _)| name);
            term.line(&format!("{STRONG}{}{STRONG:#} {name}", target.label()));
        }
        Message::Attempt { attempt, .. } => term.line(&attempted(attempt)),
        Message::Source { file, sql, .. } => match sql {
            Some(sql) => term.line(&format!("{FAINT}-- {file}{FAINT:#}\n{}", sql.trim_end())),
            None => term.line(&format!("{FAINT}-- {file}: none{FAINT:#}")),
        },
        Message::Resolved {
            target,
            name,
            version: _,
            statement,
            resolution,
            ..
        } => {
            let how = match *resolution {
                "done" => "done, and is not run again",
                _ => "not done, and is run again",
            };
            let text = format!(
                "{} {name}: statement {statement} counts as {how}; `cargo migrate run{}` goes on",
                target.label(),
                target.package_flag()
            );
            term.status(Tone::Good, "Resolved", &text);
        }
        Message::Waiting {
            target,
            holder,
            waited,
        } => {
            let holder = holder
                .map(|holder| format!(", held by {holder}"))
                .unwrap_or_default();
            let text = format!(
                "{} for another runner{holder} ({})",
                target.label(),
                time(*waited)
            );
            term.status(Tone::Busy, "Waiting", &text);
        }
        Message::Reachable { target } => term.status(
            Tone::Good,
            "Reachable",
            &format!("{} {}", target.label(), target.url),
        ),
        Message::Note { target, text } => {
            term.status(Tone::Busy, "Note", &format!("{}: {text}", target.label()))
        }
        Message::Warning { text, help } => match help {
            Some(help) => term.warning(&format!("{text}\n  = {STRONG}help{STRONG:#}: {help}")),
            None => term.warning(text),
        },
        Message::Skipped { targets, because } => {
            let names: Vec<String> = targets.iter().map(|target| target.label()).collect();
            let names = names.join(", ");
            term.warning(&match because {
                Because::Failure => {
                    format!("not begun after the failure: {names} (`--keep-going` goes on)")
                }
                Because::Interrupt => format!("not begun after the interruption: {names}"),
            });
        }
        Message::Problem { problem, .. } => {
            let told = match term.verbosity() {
                Verbosity::Verbose => problem.each(),
                Verbosity::Quiet | Verbosity::Normal => problem.folded(),
            };
            for problem in told {
                let diffs = problem.diffs.iter().map(|edit| diff::render(edit, here));
                let parts: Vec<String> = once(render(&problem, here)).chain(diffs).collect();
                term.error_line(&parts.join("\n"));
            }
        }
        Message::TargetFinished { .. } => {}
        Message::Finished {
            exit,
            targets,
            did,
            elapsed,
        } => finished(term, *exit, *targets, *did, *elapsed),
    }
}

fn planned(label: &str, migration: &Ran<'_>, sql: &str) -> String {
    let Ran {
        name,
        direction,
        number,
        total,
        ..
    } = migration;
    let file = direction.file_name();
    let name = legible(name);
    let head = format!("-- {label}: {name}/{file} ({number}/{total})");
    // The journal's own escape sequences are shown, not obeyed.
    let lines: Vec<String> = sql.trim_end().lines().map(visible).collect();
    format!("{FAINT}{head}{FAINT:#}\n{}\n", lines.join("\n"))
}

/// A line of a file as it can be read, its tabs as they are.
fn visible(line: &str) -> String {
    let parts: Vec<_> = line.split('\t').map(legible).collect();
    parts.join("\t")
}

/// A text below a line of a list, so that none of its own looks like one.
fn below(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(visible).collect();
    lines.join("\n        ")
}

fn finished(term: &Term, exit: Exit, targets: usize, did: Did, elapsed: Duration) {
    let services = if targets == 1 {
        "1 target".to_owned()
    } else {
        format!("{targets} targets")
    };
    let mut parts = Vec::new();
    if did.applied > 0 {
        parts.push(format!("{} applied", did.applied));
    }
    if did.reverted > 0 {
        parts.push(format!("{} reverted", did.reverted));
    }
    if parts.is_empty() {
        parts.push(if exit == Exit::Fine {
            "nothing to do".to_owned()
        } else {
            "no migration completed".to_owned()
        });
    }
    let (tone, code) = if exit == Exit::Fine {
        (Tone::Good, String::new())
    } else {
        (Tone::Bad, format!(" (exit {})", exit.code()))
    };
    let (parts, took) = (parts.join(", "), time(elapsed));
    let text = format!("{services}: {parts} in {took}{code}");
    term.status(tone, "Finished", &text);
}

fn listed(migration: &Listed<'_>) -> String {
    let (mark, style) = match migration.state {
        State::Applied | State::Adopted => ("[X]", GOOD),
        State::Pending => ("[ ]", Style::new()),
        State::Cosmetic | State::Ahead => ("[X]", ODD),
        State::Edited
        | State::Missing
        | State::OutOfOrder
        | State::HalfApplied { .. }
        | State::EditedHalfApplied { .. }
        | State::InDoubt { .. } => ("[!]", BAD),
    };
    let what = match migration.state {
        State::HalfApplied { done, total, .. } => {
            format!("half-applied, {done} of {total} statements")
        }
        State::EditedHalfApplied { statement, total } => {
            format!("edited while half-applied, statement {statement} of {total}")
        }
        State::InDoubt { statement, total } => {
            format!("in-doubt, statement {statement} of {total}")
        }
        state => state.as_str().to_owned(),
    };
    let run_on = migration
        .run_on
        .map(|at| format!("  {FAINT}{}{FAINT:#}", seconds(at)))
        .unwrap_or_default();
    let NameWidth(width) = migration.width;
    format!(
        "  {style}{mark}{style:#} {:<width$} {style}{what}{style:#}{run_on}",
        migration.name
    )
}

/// A timestamp without its fraction.
fn seconds(at: &str) -> &str {
    at.split('.').next().unwrap_or(at)
}

fn attempted(attempt: &Attempted<'_>) -> String {
    let style = match attempt.state {
        "done" => GOOD,
        "failed" => BAD,
        _ => ODD,
    };
    let took = attempt
        .duration_us
        .and_then(|us| u64::try_from(us).ok())
        .map(|us| time(Duration::from_micros(us)));
    let by = legible(attempt.applied_by.unwrap_or("another tool"));
    let why = attempt
        .why
        .map(|why| format!("\n      why: {}", below(why)))
        .unwrap_or_default();
    let error = attempt
        .error
        .map(|error| format!("\n      {BAD}{}{BAD:#}", below(error)))
        .unwrap_or_default();
    // A longer word moves the name, but not what stands behind it.
    let what = format!(
        "{:<4} {}",
        attempt.direction.unwrap_or("up"),
        legible(attempt.name)
    );
    let NameWidth(width) = attempt.width;
    let what_width = width + 5;
    format!(
        "  {FAINT}{:<19}{FAINT:#}  {style}{:<7}{style:#} {what:<what_width$} {:>8}  {by}{why}{error}",
        seconds(attempt.started_at),
        attempt.state,
        took.unwrap_or_default(),
    )
}

/// A duration in three figures.
fn time(duration: Duration) -> String {
    let us = duration.as_micros();
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", duration.as_secs_f64() * 1e3),
        1_000_000..60_000_000 => format!("{:.1} s", duration.as_secs_f64()),
        _ => format!(
            "{} min {} s",
            duration.as_secs() / 60,
            duration.as_secs() % 60
        ),
    }
}

/// A problem as rustc shows one.
fn render(problem: &Problem, here: &Path) -> String {
    let headline = problem.headline();
    let paths: Vec<String> = problem
        .excerpts
        .iter()
        .map(|excerpt| shown(&excerpt.path, here))
        .collect();
    let places: Vec<Element<'_>> = problem
        .excerpts
        .iter()
        .zip(&paths)
        .map(|(excerpt, path)| element(excerpt, path))
        .collect();
    let notes = problem
        .notes
        .iter()
        .map(|note| Element::from(Level::NOTE.message(note.as_str())));
    let help = problem
        .help
        .iter()
        .map(|help| Element::from(Level::HELP.message(help.as_str())));
    let group: Group<'_> = Level::ERROR
        .primary_title(headline.as_str())
        .elements(places.into_iter().chain(notes).chain(help));
    Renderer::styled()
        .decor_style(DecorStyle::Ascii)
        .render(&[group])
}

fn element<'a>(excerpt: &'a Excerpt, path: &'a str) -> Element<'a> {
    let Some(range) = &excerpt.range else {
        return Element::from(Origin::path(path));
    };
    let mut annotation = AnnotationKind::Primary.span(range.clone());
    if !excerpt.label.is_empty() {
        annotation = annotation.label(excerpt.label.as_str());
    }
    let snippet = Snippet::source(excerpt.text.as_str())
        .line_start(excerpt.first_line)
        .path(path);
    Element::from(snippet.annotation(annotation))
}

/// A path as short as it can be clicked: from the current directory, if below.
fn shown(path: &Path, here: &Path) -> String {
    let path = path.strip_prefix(here).unwrap_or(path);
    legible(&path.display().to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_forges_a_line_of_the_history() {
        let text = attempted(&Attempted {
            version: "1",
            name: "1_a\n  2026",
            direction: Some("up"),
            state: "failed",
            started_at: "2026-11-21 08:00:00.1",
            duration_us: None,
            tool: None,
            applied_by: Some("me\u{1b}[2J"),
            why: Some("so\n  2026-11-21 08:00:01  done    up   2_b"),
            error: Some("no\u{202e}\r\x1b[A\nDETAIL: x"),
            width: NameWidth(3),
        });
        let text = anstream::adapter::strip_str(&text).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert!(lines[0].ends_with("me\\u{1b}[2J"), "{text}");
        assert!(lines[0].contains("1_a\\u{a}  2026"), "{text}");
        assert_eq!(
            lines[1..],
            [
                "      why: so",
                "          2026-11-21 08:00:01  done    up   2_b",
                "      no\\u{202e}\\u{d}\\u{1b}[A",
                "        DETAIL: x"
            ]
        );
    }

    #[test]
    fn sql_that_is_shown_before_it_runs_is_not_obeyed_by_the_terminal() {
        let migration = Ran {
            name: "1_a",
            version: "1",
            direction: Direction::Down,
            number: 1,
            total: 1,
        };
        let text = planned(
            "shop",
            &migration,
            "DROP\tTABLE a;\r\n-- \u{1b}[2J\u{202e}\n",
        );
        let text = text.split_once('\n').expect("a head").1;
        assert_eq!(text, "DROP\tTABLE a;\n-- \\u{1b}[2J\\u{202e}\n");
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(time(Duration::from_micros(999)), "999 µs");
        assert_eq!(time(Duration::from_micros(1_500)), "1.5 ms");
        assert_eq!(time(Duration::from_millis(2_340)), "2.3 s");
        assert_eq!(time(Duration::from_secs(61)), "1 min 1 s");
    }
}
