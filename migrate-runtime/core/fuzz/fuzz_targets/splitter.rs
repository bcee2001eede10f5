//! Any text as SQL, in each dialect: the splitter, what is admitted, the
//! checksums and what a resumed session is given again. None of them panics,
//! and the pieces are the text's own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use migrate_core::{
    Checksum, Dialect, RunMode, Script, Statement, assigns_variables, lexemes, replay, split,
    tokenize, under_settings,
};

/// Cuts of one script that are tried: each reads all of it again.
const CUTS: usize = 8;

fuzz_target!(|input: (u8, &str)| {
    let (choice, text) = input;
    let dialect = match choice % 3 {
        0 => Dialect::Postgres,
        1 => Dialect::MySql,
        _ => Dialect::Sqlite,
    };
    tokens_rejoin(text, dialect);
    for mode in [RunMode::Transaction, RunMode::Steps] {
        match Script::admit(text, dialect, mode) {
            Ok(script) => {
                in_order(text, &script.statements);
                assert!(text.get(script.body.clone()).is_some());
                resumes(text, &script.statements, dialect);
            }
            Err(refusals) => assert!(!refusals.is_empty()),
        }
    }
    let semantic = Checksum::semantic(text, dialect);
    // What DELIMITER takes for its argument may go on behind the text's end.
    let has_directive = text.to_ascii_lowercase().contains("delimiter");
    if !has_directive && Script::admit(text, dialect, RunMode::Steps).is_ok() {
        let longer = format!("{text}\n");
        assert_eq!(semantic, Checksum::semantic(&longer, dialect));
    }
    if let Ok(statements) = split(text, dialect) {
        in_order(text, &statements);
        for statement in &statements {
            let piece = &text[statement.range.clone()];
            let _ = under_settings(piece, dialect);
            let _ = assigns_variables(piece, dialect);
            let _ = lexemes(piece, dialect).count();
        }
    }
});

fn tokens_rejoin(text: &str, dialect: Dialect) {
    let mut at = 0;
    for token in tokenize(text, dialect) {
        assert_eq!(token.range.start, at);
        assert!(token.range.end > at);
        assert!(text.get(token.range.clone()).is_some());
        at = token.range.end;
    }
    assert_eq!(at, text.len());
}

fn in_order(text: &str, statements: &[Statement]) {
    let mut at = 0;
    for statement in statements {
        assert!(statement.range.start >= at);
        let piece = text.get(statement.range.clone()).expect("whole characters");
        assert!(!piece.is_empty());
        assert_eq!(piece, piece.trim_start_matches([' ', '\t', '\n', '\r']));
        let before = &text[..statement.range.start];
        // As an editor counts: a lone CR is no line's end.
        let lines = before.matches('\n').count();
        assert_eq!(statement.place.line, lines + 1);
        at = statement.range.end;
    }
}

fn resumes(text: &str, statements: &[Statement], dialect: Dialect) {
    let texts: Vec<&str> = statements
        .iter()
        .map(|statement| &text[statement.range.clone()])
        .collect();
    for cut in 0..=texts.len().min(CUTS) {
        let (finished, rest) = texts.split_at(cut);
        if let Ok(again) = replay(finished, rest, dialect) {
            assert!(again.iter().all(|(index, _)| *index < cut));
        }
    }
}
