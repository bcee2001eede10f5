//! `embed_migrations!`, the compile-time half of migrate-runtime: reads a
//! service's migrations with migrate-core, as the runtime does, and puts them
//! into its binary. Users call it through migrate-runtime, which says under
//! which names the expansion finds its types.

mod arguments;
mod expand;

use std::env;
use std::path::PathBuf;

use proc_macro::{Span, TokenStream, TokenTree};

/// What `migrate_runtime::embed_migrations!` expands to. `Migrations` and
/// `EmbeddedMigration` have to be in scope where it stands.
#[proc_macro]
pub fn embed_migrations(input: TokenStream) -> TokenStream {
    let directories = match arguments::read(input) {
        Ok(directories) => directories,
        Err(arguments::Unreadable { span, message }) => return failed(&[message], span),
    };
    let span = directories
        .first()
        .map_or_else(Span::call_site, |(_, span)| *span);
    let Some(package) = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from) else {
        let message = "CARGO_MANIFEST_DIR is not set; Cargo sets it for every package it builds";
        return failed(&[message.to_owned()], span);
    };
    let names: Vec<String> = directories.into_iter().map(|(name, _)| name).collect();
    match expand::expand(&package, &names) {
        Ok(code) => code
            .parse()
            .unwrap_or_else(|error| failed(&[format!("the expansion is no Rust: {error}")], span)),
        Err(messages) => failed(&messages, span),
    }
}

/// One compile error for each message, shown at `span`, and an empty set, so
/// that no complaint about a missing value follows them.
fn failed(messages: &[String], span: Span) -> TokenStream {
    let errors: String = messages
        .iter()
        .map(|message| format!("::core::compile_error!({message:?});"))
        .collect();
    let code: TokenStream = format!("{{ {errors} Migrations::new(&[]) }}")
        .parse()
        .unwrap_or_default();
    code.into_iter().map(|tree| at(tree, span)).collect()
}

/// The same token, which the compiler will find at `span`.
fn at(tree: TokenTree, span: Span) -> TokenTree {
    let mut tree = match tree {
        TokenTree::Group(group) => {
            let inner = group.stream().into_iter().map(|tree| at(tree, span));
            TokenTree::Group(proc_macro::Group::new(group.delimiter(), inner.collect()))
        }
        other => other,
    };
    tree.set_span(span);
    tree
}
