//! Doc comments to Markdown that reads well outside rustdoc.

use std::collections::HashMap;

use crate::documents::markdown;
use crate::documents::nesting::Fences;

/// Words in the info string of a code block that mean Rust, besides `edition…` and error codes.
const RUST_WORDS: &[&str] = &[
    "rust",
    "no_run",
    "should_panic",
    "ignore",
    "compile_fail",
    "test_harness",
    "standalone",
    "standalone_crate",
];

/// Link targets and texts longer than this are taken for text, in bytes.
const MAX_LINK: usize = 1000;

/// Converts a doc comment; its headings end up below a heading of level `above`.
///
/// Lines that rustdoc hides are left out of code blocks, and links to items become their text.
pub(crate) fn clean(docs: &str, above: usize) -> String {
    let definitions = definitions(docs);
    let mut out: Vec<String> = Vec::new();
    let mut text: Vec<&str> = Vec::new();
    let mut fences = Fences::default();
    let mut code: Vec<&str> = Vec::new();
    for line in docs.lines() {
        if fences.is_code(line) {
            flush(&mut text, above, &definitions, &mut out);
            code.push(line);
            if !fences.is_open() {
                code_block(&code, &mut out);
                code.clear();
            }
        } else {
            text.push(line);
        }
    }
    flush(&mut text, above, &definitions, &mut out);
    // A block that is never closed reaches to the end.
    if !code.is_empty() {
        let closing: String = code
            .first()
            .map(|open| {
                open.chars()
                    .take_while(|c| matches!(c, ' ' | '`' | '~'))
                    .collect()
            })
            .unwrap_or_default();
        code.push(&closing);
        code_block(&code, &mut out);
    }
    squeeze_blank_lines(&out)
}

/// What the labels of a text stand for: an address or an item.
type Definitions<'d> = HashMap<String, &'d str>;

/// Collects lines such as `[Name]: path::to::item`.
fn definitions(docs: &str) -> Definitions<'_> {
    let mut fences = Fences::default();
    docs.lines()
        .filter(|line| !fences.is_code(line))
        .filter_map(definition)
        .map(|(label, target)| (label.to_lowercase(), target))
        .collect()
}

fn definition(line: &str) -> Option<(&str, &str)> {
    let (label, target) = line.trim_start().strip_prefix('[')?.split_once("]:")?;
    let target = target.split_whitespace().next()?;
    // A footnote is text.
    (!label.starts_with('^')).then_some((label, target))
}

fn flush(text: &mut Vec<&str>, above: usize, definitions: &Definitions<'_>, out: &mut Vec<String>) {
    if text.is_empty() {
        return;
    }
    let lines = headings(text, above);
    let kept: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| definition(line).is_none() && !markdown::is_bare_tags(line.trim()))
        .collect();
    let linked = plain_links(&kept.join("\n"), definitions);
    out.extend(linked.split('\n').map(str::to_owned));
    text.clear();
}

/// Moves headings below `above`, and turns underlined ones into marked ones.
fn headings(text: &[&str], above: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(text.len());
    for line in text {
        // Up to three spaces may stand before a heading.
        let bare = line.trim_start_matches(' ');
        let is_indented = line.len() - bare.len() > 3;
        let marks = bare.len() - bare.trim_start_matches('#').len();
        let title = bare.get(marks..).unwrap_or_default();
        if (1..=6).contains(&marks) && title.starts_with(' ') && !is_indented {
            out.push(format!("{}{title}", "#".repeat((marks + above).min(6))));
            continue;
        }
        if let (Some(level), Some(title)) = (underline(line), out.last_mut())
            && is_title(title)
        {
            *title = format!("{} {}", "#".repeat((level + above).min(6)), title.trim());
            continue;
        }
        out.push((*line).to_owned());
    }
    out
}

fn underline(line: &str) -> Option<usize> {
    let text = line.trim_end();
    let is_run = |mark: char| text.len() >= 3 && text.chars().all(|c| c == mark);
    if is_run('=') {
        Some(1)
    } else {
        is_run('-').then_some(2)
    }
}

fn is_title(line: &str) -> bool {
    line.starts_with(|c: char| c.is_alphanumeric() || c == '`') && !line.contains('|')
}

fn is_address(text: &str) -> bool {
    let text = text.trim_start_matches('<');
    text.starts_with("http://") || text.starts_with("https://") || text.starts_with("mailto:")
}

/// Writes a code block, without hidden lines if it is Rust.
fn code_block(lines: &[&str], out: &mut Vec<String>) {
    let Some((open, rest)) = lines.split_first() else {
        return;
    };
    let Some((close, body)) = rest.split_last() else {
        return;
    };
    let lead_len = open.len() - open.trim_start().len();
    let marks_len = open
        .trim_start()
        .chars()
        .take_while(|c| matches!(c, '`' | '~'))
        .count();
    let (fence, info) = open.split_at((lead_len + marks_len).min(open.len()));
    if !is_rust(info) {
        out.extend(lines.iter().map(|line| (*line).to_owned()));
        return;
    }
    let mut shown: Vec<&str> = Vec::with_capacity(body.len());
    for line in body {
        let text = line.trim_start();
        if text == "#" || text.starts_with("# ") {
            continue;
        }
        // `##` stands for a line that begins with one `#`.
        shown.push(if text.starts_with("##") && !text.starts_with("##!") {
            text.get(1..).unwrap_or_default()
        } else {
            line
        });
    }
    while shown.first().is_some_and(|line| line.trim().is_empty()) {
        shown.remove(0);
    }
    while shown.last().is_some_and(|line| line.trim().is_empty()) {
        shown.pop();
    }
    if shown.is_empty() {
        return;
    }
    out.push(format!("{fence}rust"));
    out.extend(shown.into_iter().map(str::to_owned));
    out.push((*close).to_owned());
}

fn is_rust(info: &str) -> bool {
    info.split([',', ' ', '\t'])
        .map(str::trim)
        .filter(|word| !word.is_empty() && !word.starts_with('{') && !word.starts_with('.'))
        .all(|word| {
            RUST_WORDS.contains(&word)
                || word.starts_with("edition")
                || word.starts_with("ignore-")
                || (word.starts_with('E') && word.len() == 5)
        })
}

/// Turns links to items into their text; links to addresses stay.
fn plain_links(text: &str, definitions: &Definitions<'_>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['`', '[', '\\']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let used = if from.starts_with('`') {
            let span = code_span(from);
            out.push_str(from.get(..span).unwrap_or_default());
            span
        } else if from.starts_with('\\') {
            let width = 1 + from.chars().nth(1).map_or(0, char::len_utf8);
            out.push_str(from.get(..width).unwrap_or_default());
            width
        } else {
            link(from, definitions, &mut out)
        };
        rest = from.get(used.max(1)..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Returns the length of the code span at the start of `text`, or of the backticks alone.
fn code_span(text: &str) -> usize {
    let marks = text.len() - text.trim_start_matches('`').len();
    let fence = text.get(..marks).unwrap_or_default();
    let mut from = marks;
    while let Some(at) = bounded(text.get(from..).unwrap_or_default()).find(fence) {
        let start = from + at;
        let run = text
            .get(start..)
            .map_or(0, |tail| tail.len() - tail.trim_start_matches('`').len());
        if run == marks {
            return start + run;
        }
        from = start + run;
    }
    marks
}

/// Writes what stands for the link at the start of `text`, and returns the length of the link.
fn link(text: &str, definitions: &Definitions<'_>, out: &mut String) -> usize {
    let Some(inner) = bracketed(text, '[', ']') else {
        out.push('[');
        return 1;
    };
    let label = plain_links(inner, definitions);
    let after = inner.len() + 2;
    let tail = text.get(after..).unwrap_or_default();
    if let Some(target) = tail.strip_prefix('(').and(bracketed(tail, '(', ')')) {
        write_link(&label, target.trim(), out);
        return after + target.len() + 2;
    }
    if let Some(reference) = tail.strip_prefix('[').and(bracketed(tail, '[', ']')) {
        // `[label][]` is short for `[label][label]`.
        let key = if reference.is_empty() {
            inner
        } else {
            reference
        };
        let target = definitions.get(&key.to_lowercase()).copied();
        write_link(&label, target.unwrap_or_default(), out);
        return after + reference.len() + 2;
    }
    if let Some(target) = definitions.get(&inner.to_lowercase()) {
        write_link(&label, target, out);
    } else if is_item_reference(&label) {
        out.push_str(item_name(&label));
    } else {
        // Brackets that are no link.
        out.push('[');
        out.push_str(&label);
        out.push(']');
    }
    after
}

/// Addresses stay; items become the text of their link.
fn write_link(label: &str, target: &str, out: &mut String) {
    if is_address(target) {
        out.extend(["[", label, "](", target, ")"]);
    } else {
        out.push_str(item_name(label));
    }
}

/// Returns what stands between the first bracket and the one that closes it.
fn bracketed(text: &str, open: char, close: char) -> Option<&str> {
    let mut depth = 0_usize;
    let bounded = bounded(text);
    let mut skip_to = 0;
    for (at, c) in bounded.char_indices() {
        if at < skip_to {
            continue;
        }
        if c == '`' && open == '[' {
            skip_to = at + code_span(bounded.get(at..)?);
        } else if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return text.get(1..at);
            }
        } else if depth > 8 {
            return None;
        }
    }
    None
}

/// Returns the start of `text`, up to the end of the paragraph at most.
fn bounded(text: &str) -> &str {
    let mut limit = text.len().min(MAX_LINK);
    while !text.is_char_boundary(limit) {
        limit -= 1;
    }
    let start = text.get(..limit).unwrap_or_default();
    start.split("\n\n").next().unwrap_or_default()
}

/// Recognises `` `Name` `` and `path::Name`, as opposed to `1` or `x, y`.
fn is_item_reference(label: &str) -> bool {
    let name = item_name(label);
    if name.starts_with('`') && name.ends_with('`') && name.len() > 2 {
        return true;
    }
    let path = name.trim_end_matches("()").trim_end_matches('!');
    (path.contains("::") || path.starts_with(|c: char| c.is_ascii_uppercase()))
        && path.len() > 1
        && path
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
}

/// Drops the word before the `@` of `struct@Name`, which tells rustdoc what is meant.
fn item_name(label: &str) -> &str {
    match label.split_once('@') {
        Some((kind, name)) if kind.chars().all(|c| c.is_ascii_lowercase()) && !kind.is_empty() => {
            name
        }
        _ => label,
    }
}

fn squeeze_blank_lines(lines: &[String]) -> String {
    let mut out = String::new();
    let mut blank = true;
    let mut fences = Fences::default();
    for line in lines {
        let is_code = fences.is_code(line);
        let is_blank = line.trim().is_empty() && !is_code;
        if is_blank && blank {
            continue;
        }
        out.push_str(line.trim_end());
        out.push('\n');
        blank = is_blank;
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_items_become_their_text_and_addresses_stay() {
        for (docs, expected) in [
            ("See [`acquire`](Self::acquire).", "See `acquire`."),
            ("See [the method](crate::a::b()).", "See the method."),
            ("See [`Mutex`].", "See `Mutex`."),
            ("See [Mutex][crate::Mutex].", "See Mutex."),
            ("See [`a` and [b]](x::y).", "See `a` and [b]."),
            (
                "[book](https://doc.rust-lang.org/book)",
                "[book](https://doc.rust-lang.org/book)",
            ),
            (
                "an array `a[0]` and [1] and [x, y]",
                "an array `a[0]` and [1] and [x, y]",
            ),
            ("a [struct@Foo] and [1@x]", "a Foo and [1@x]"),
            ("text\n\n[`Mutex`]: crate::Mutex", "text"),
            ("open [ bracket", "open [ bracket"),
            (r"escaped \[`x`\]", r"escaped \[`x`\]"),
        ] {
            assert_eq!(clean(docs, 1), expected, "{docs}");
        }
    }

    #[test]
    fn hidden_lines_are_left_out_of_rust_and_nothing_else() {
        let docs = "```no_run\n# use a::b;\n#\n#[derive(Debug)]\nstruct A;\n## kept\n# }\n```";
        assert_eq!(
            clean(docs, 1),
            "```rust\n#[derive(Debug)]\nstruct A;\n# kept\n```"
        );
        let shell = "```sh\n# a comment\nls\n```";
        assert_eq!(clean(shell, 1), shell);
        assert_eq!(clean("a\n```\n# hidden\n```\nb", 1), "a\nb");
        assert_eq!(clean("```\nlet a = 1;", 1), "```rust\nlet a = 1;\n```");
    }

    #[test]
    fn headings_move_below_the_item() {
        let docs = " # Examples\n\n```\n# hidden\nlet a;\n```\n\nPanics\n------\n\n###### Deep";
        assert_eq!(
            clean(docs, 2),
            "### Examples\n\n```rust\nlet a;\n```\n\n#### Panics\n\n###### Deep"
        );
    }
}
