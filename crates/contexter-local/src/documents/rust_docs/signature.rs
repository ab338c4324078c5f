//! Declarations as they are written, without attributes and body.

use proc_macro2::{Delimiter, TokenTree};

use super::attributes::Source;
use super::items::Item;
use super::tokens::{Angles, Tokens};

/// A constant whose definition is longer than this is shown without its value, in bytes.
const MAX_VALUE: usize = 160;

/// Steps over a declaration and its body; returns the declaration and the body.
pub(crate) fn header(
    tokens: &mut Tokens,
    first: &TokenTree,
    source: Source<'_>,
) -> (String, Option<Tokens>) {
    let mut angles = Angles::default();
    let mut last = first.clone();
    while let Some(tree) = tokens.next() {
        match &tree {
            TokenTree::Group(group)
                if group.delimiter() == Delimiter::Brace && angles.is_outside() =>
            {
                let body = Tokens::new(group.stream());
                return (slice(first, &last, source), Some(body));
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => break,
            _ => angles.step(&tree),
        }
        last = tree;
    }
    (slice(first, &last, source), None)
}

/// Steps over `const NAME: T = value;` and returns it, without the value if that is long.
pub(crate) fn definition(tokens: &mut Tokens, first: &TokenTree, source: Source<'_>) -> String {
    let mut angles = Angles::default();
    let mut last = first.clone();
    let mut before_value = None;
    while let Some(tree) = tokens.next() {
        if let TokenTree::Punct(punct) = &tree {
            match punct.as_char() {
                ';' => break,
                '=' if angles.is_outside() && before_value.is_none() => {
                    before_value = Some(last.clone());
                }
                _ => {}
            }
        }
        angles.step(&tree);
        last = tree;
    }
    let whole = slice(first, &last, source);
    match before_value {
        Some(end) if whole.len() > MAX_VALUE => slice(first, &end, source),
        _ => whole,
    }
}

/// Writes a declaration with its fields or variants, each after `visibility`.
pub(crate) fn with_parts(
    header: &str,
    parts: &[Item],
    visibility: &str,
    has_private: bool,
) -> String {
    // After bounds the brace stands on a line of its own.
    let space = if header.ends_with(',') { '\n' } else { ' ' };
    let mut out = format!("{header}{space}{{");
    for part in parts.iter().filter(|part| !part.is_hidden) {
        out.push_str("\n    ");
        out.push_str(visibility);
        out.push_str(&part.signature.replace('\n', "\n    "));
        out.push(',');
    }
    match (parts.is_empty(), has_private) {
        (true, true) => out.push_str(" /* private fields */ "),
        (false, true) => out.push_str("\n    // private fields\n"),
        (false, false) => out.push('\n'),
        (true, false) => {}
    }
    out.push('}');
    out
}

/// Writes the declaration of a tuple struct.
pub(crate) fn with_tuple(header: &str, fields: &[Item], has_private: bool) -> String {
    let mut shown: Vec<String> = fields
        .iter()
        .map(|field| format!("pub {}", field.signature))
        .collect();
    if has_private {
        shown.push("/* private fields */".to_owned());
    }
    format!("{header}({});", shown.join(", "))
}

/// Returns the text from `first` to `last`, moved to the left margin.
pub(crate) fn slice(first: &TokenTree, last: &TokenTree, source: Source<'_>) -> String {
    let start = Source::range(first).start;
    let line_start = source
        .text
        .get(..start)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    dedent(source.between(first, last), start - line_start)
}

/// Removes up to `margin` spaces from every line but the first; with 0, as many as they share.
pub(crate) fn dedent(text: &str, margin: usize) -> String {
    let common = if margin > 0 {
        margin
    } else {
        text.lines()
            .skip(1)
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.len() - line.trim_start().len())
            .min()
            .unwrap_or_default()
    };
    let lines: Vec<&str> = text
        .lines()
        .enumerate()
        .map(|(at, line)| {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            let strip = if at == 0 { 0 } else { spaces.min(common) };
            line.get(strip..).unwrap_or_default().trim_end()
        })
        .collect();
    lines.join("\n").trim().to_owned()
}
