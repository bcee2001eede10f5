//! The results as a Markdown table, with what the machine was.

use std::fmt::Write as _;
use std::process::Command;

use super::figures::{Row, Verdict};

/// The table, with aligned columns so that a terminal shows it as well.
pub(super) fn table(rows: &[Row]) -> String {
    let head = [
        "case",
        "ours",
        "reference",
        "",
        "ratio",
        "budget",
        "verdict",
    ];
    let mut lines = vec![head.map(String::from)];
    lines.extend(rows.iter().map(cells));
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let lengths = lines.iter().map(|line| line[column].chars().count());
            lengths.max().unwrap_or_default().max(3)
        })
        .collect();
    let mut text = String::new();
    for (n, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(&format!("| {cell:<width$} "));
        }
        text.push_str("|\n");
        if n == 0 {
            for width in &widths {
                text.push_str(&format!("|{}", "-".repeat(width + 2)));
            }
            text.push_str("|\n");
        }
    }
    text
}

fn cells(row: &Row) -> [String; 7] {
    let (name, figure) = match &row.reference {
        Some((name, figure)) => ((*name).to_owned(), figure.to_string()),
        None => (String::new(), String::new()),
    };
    [
        row.case.clone(),
        row.ours.to_string(),
        figure,
        name,
        row.ratio_text(),
        row.budget.to_string(),
        row.verdict().to_string(),
    ]
}

/// The last line: how many budgets are kept.
pub(super) fn summary(rows: &[Row]) -> String {
    let with = |verdict: Verdict| rows.iter().filter(|row| row.verdict() == verdict).count();
    let (met, missed) = (with(Verdict::Met), with(Verdict::Missed));
    format!("{met} budgets met, {missed} missed")
}

/// The whole results file.
pub(super) fn document(rows: &[Row], notes: &[String]) -> String {
    let mut text = String::from(
        "# Results of `cargo xtask bench`\n\n\
         Written by the command. Medians of whole processes that took turns; a ratio is the \
         median of the rounds' ratios. The budgets are those of the design; figures without one \
         are for information. Reference `diesel` is Diesel's own harness as a program of its \
         own, which starts faster than diesel_cli; loops are one process of it, or of the \
         database's client, for each service.\n\n",
    );
    for note in notes {
        let _ = writeln!(text, "- {note}");
    }
    let _ = writeln!(text, "\n{}\n{}.", table(rows), summary(rows));
    text
}

/// The machine, as far as ratios depend on it.
pub(super) fn machine(directory: &std::path::Path) -> Vec<String> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let mut notes = vec![format!("{cores} cores")];
    let place = directory.display().to_string();
    for (what, program, arguments) in [
        ("commit", "git", &["describe", "--always", "--dirty"][..]),
        ("system", "uname", &["-srm"]),
        ("files on", "stat", &["-f", "-c", "%T", &place]),
        ("sqlite3", "sqlite3", &["--version"]),
        ("server", "psql", &["--version"]),
        ("server", "mariadbd", &["--version"]),
    ] {
        let output = Command::new(program).args(arguments).output();
        if let Ok(output) = output
            && output.status.success()
        {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let words: Vec<&str> = said.split_whitespace().take(3).collect();
            notes.push(format!("{what}: {}", words.join(" ")));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::super::figures::{Budget, Figure};
    use super::*;

    #[test]
    fn a_missed_budget_stands_out() {
        let most = Budget::ValueAtMost(Figure::Count(1.0));
        let rows = [
            Row::alone("fine", Figure::Count(1.0), most),
            Row::alone("bad", Figure::Count(2.0), most),
            Row::alone("for information", Figure::Count(3.0), Budget::None),
        ];
        let text = table(&rows);
        let missed: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("MISSED"))
            .collect();
        assert_eq!(missed.len(), 1);
        assert!(missed[0].starts_with("| bad "));
        assert_eq!(summary(&rows), "1 budgets met, 1 missed");
    }
}
