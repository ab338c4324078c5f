//! Doc comments of a text that is no valid Rust, line by line.

use super::doc_text;

/// Collects the doc comments, each with the line of code below it as its heading.
pub(crate) fn doc_comments(source: &str) -> Option<String> {
    let mut out = String::new();
    let mut comment = String::new();
    for line in source.lines() {
        let text = line.trim_start();
        if let Some(inner) = text.strip_prefix("//!") {
            push(&mut out, None, &line_of(inner));
        } else if let Some(outer) = text.strip_prefix("///").filter(|t| !t.starts_with('/')) {
            comment.push_str(&line_of(outer));
            comment.push('\n');
        } else if text.starts_with('#') {
            // An attribute between a comment and its item.
        } else if !comment.is_empty() {
            let heading = text.trim_end_matches(['{', ' ', ';']);
            if heading.starts_with("pub") {
                push(&mut out, Some(heading), &doc_text::clean(&comment, 2));
            }
            comment.clear();
        }
    }
    let out = out.trim();
    (!out.is_empty()).then(|| format!("{out}\n"))
}

fn line_of(comment: &str) -> String {
    comment.strip_prefix(' ').unwrap_or(comment).to_owned()
}

fn push(out: &mut String, heading: Option<&str>, text: &str) {
    if let Some(heading) = heading {
        let ticks = if heading.contains('`') { "``" } else { "`" };
        out.extend(["\n## ", ticks, heading, ticks, "\n\n"]);
    }
    out.push_str(text);
    out.push('\n');
}
