//! The shape of each Rust file: how it opens, how long it is, what it is
//! called, and what it must not be left with.

use super::Finding;
use super::rust;
use super::sources::Source;

const LONG: usize = 500;
const TOO_LONG: usize = 600;

/// Names that say nothing about their file's subject.
const EMPTY_NAMES: [&str; 5] = ["mod.rs", "utils.rs", "common.rs", "helpers.rs", "imp.rs"];

/// Attributes that hide something without saying why.
const BARE_ATTRIBUTES: &[(&str, &str)] = &[
    ("#[allow", "use `#[expect(lint, reason = \"…\")]`"),
    ("#![allow", "use `#![expect(lint, reason = \"…\")]`"),
    ("#[ignore", "a test that cannot run is a failure"),
];

const UNFINISHED_CODE: [&str; 2] = ["todo!", "unimplemented!"];
const UNFINISHED_COMMENTS: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// Files that don't say first what they are for.
pub(super) fn opening(sources: &[Source]) -> Vec<Finding> {
    ours(sources)
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| Finding::error(source, 1, "opens without a `//!` paragraph"))
        .collect()
}

/// Files that have more than one subject, by their length.
pub(super) fn length(sources: &[Source]) -> Vec<Finding> {
    ours(sources)
        .filter_map(|source| {
            let lines = source.text.lines().count();
            let message = format!("{lines} lines; look for the second subject");
            if lines > TOO_LONG {
                Some(Finding::error(source, lines, message))
            } else if lines > LONG {
                Some(Finding::warning(source, lines, message))
            } else {
                None
            }
        })
        .collect()
}

/// Files with a name that fits any file.
pub(super) fn names(sources: &[Source]) -> Vec<Finding> {
    ours(sources)
        .filter(|source| {
            let name = source.path.rsplit('/').next().unwrap_or_default();
            EMPTY_NAMES.contains(&name)
        })
        .map(|source| Finding::error(source, 1, "the file's name says nothing of its subject"))
        .collect()
}

/// Lints and tests that are switched off without a reason.
pub(super) fn attributes(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in ours(sources) {
        let code = source.views().code;
        for (attribute, remedy) in BARE_ATTRIBUTES {
            for line in rust::lines_with(&code, attribute) {
                let message = format!("`{attribute}`: {remedy}");
                findings.push(Finding::error(source, line, message));
            }
        }
    }
    findings
}

/// What somebody meant to come back to.
pub(super) fn unfinished(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in ours(sources) {
        let views = source.views();
        let in_code = UNFINISHED_CODE.map(|word| (&views.code, word));
        let in_comments = UNFINISHED_COMMENTS.map(|word| (&views.comments, word));
        for (view, word) in in_code.into_iter().chain(in_comments) {
            for line in rust::lines_with(view, word) {
                let message = format!("`{word}`: finish it, or open an issue");
                findings.push(Finding::error(source, line, message));
            }
        }
    }
    findings
}

fn ours(sources: &[Source]) -> impl Iterator<Item = &Source> {
    sources.iter().filter(|source| source.is_our_rust())
}

#[cfg(test)]
mod tests {
    use super::super::Weight;
    use super::super::sources::source;
    use super::*;

    fn lines(findings: &[Finding]) -> Vec<usize> {
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_file_without_an_opening_paragraph_is_found() {
        let planted = [source("a/src/b.rs", "use c;\n//! d\n")];
        assert_eq!(lines(&opening(&planted)), [1]);
        let fine = [
            source("a/src/b.rs", "//! d\n"),
            source("fixtures/shop/src/schema.rs", "// @generated\n"),
            source("README.md", "# a\n"),
        ];
        assert_eq!(opening(&fine), []);
    }

    #[test]
    fn a_long_file_is_a_warning_and_a_longer_one_an_error() {
        let of = |lines: usize| source("a.rs", &"x\n".repeat(lines));
        let weights: Vec<_> = length(&[of(500), of(501), of(600), of(601)])
            .iter()
            .map(|finding| finding.weight)
            .collect();
        assert_eq!(weights, [Weight::Warning, Weight::Warning, Weight::Error]);
    }

    #[test]
    fn a_name_without_a_subject_is_found() {
        let planted = [source("a/src/utils.rs", ""), source("a/src/b/mod.rs", "")];
        assert_eq!(names(&planted).len(), 2);
        assert_eq!(names(&[source("a/src/model.rs", "")]), []);
    }

    #[test]
    fn a_bare_allow_or_ignore_is_found() {
        let planted = [source(
            "a.rs",
            "//!\n#![allow(x)]\n#[allow(y)]\n#[ignore]\n",
        )];
        assert_eq!(attributes(&planted).len(), 3);
        let fine = [source(
            "a.rs",
            "// #[allow(x)]\n#[expect(y, reason = \"#[ignore]\")]",
        )];
        assert_eq!(attributes(&fine), []);
    }

    #[test]
    fn unfinished_work_is_found() {
        let planted = [source(
            "a.rs",
            "// TODO: b\nfn c() { todo!() }\nunimplemented!()",
        )];
        let mut found = lines(&unfinished(&planted));
        found.sort_unstable();
        assert_eq!(found, [1, 2, 3]);
        assert_eq!(unfinished(&[source("a.rs", "let a = \"TODO todo!\";")]), []);
    }
}
