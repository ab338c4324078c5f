//! The documentation of Rust sources: doc comments as Markdown, with item paths as headings.
//!
//! Sources are read as trees of tokens, not parsed: what is inside a function is never looked at,
//! nesting costs no stack, and syntax that is newer than this crate does no harm.

mod attributes;
mod crate_tree;
mod doc_text;
mod imports;
mod items;
mod names;
mod outline;
mod parts;
mod render;
mod scan;
mod signature;
mod tokens;

pub(crate) use crate_tree::CrateTree;
pub(crate) use names::{Alone, InCrate};
pub(crate) use render::Rendered;

use render::{Naming, render};

/// One of these stands in every text that documents something.
const MARKS: [&str; 6] = ["///", "//!", "/**", "/*!", "doc =", "doc="];

/// Reads the documentation of one source file.
///
/// `include` gives the text of `#[doc = include_str!("…")]`. Returns `None` if nothing public is
/// documented.
pub(crate) fn document(
    source: &str,
    naming: &mut dyn Naming,
    include: &dyn Fn(&str) -> Option<String>,
) -> Option<Rendered> {
    // Most of what is large was generated, and says nothing.
    if !MARKS.iter().any(|mark| source.contains(mark)) {
        return None;
    }
    match items::read(source, include) {
        Ok(module) => render(&module, naming),
        // The text is no Rust, but its doc comments can be read all the same.
        Err(items::NotRust) => scan::doc_comments(source).map(|markdown| Rendered {
            title: naming.module().unwrap_or_default(),
            markdown,
        }),
    }
}
