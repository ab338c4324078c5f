//! What begins with `..`: directives, targets, substitutions, footnotes, comments.

use super::block::Blocks;
use super::{dedent, indented};

/// Directives that say how something is shown and not what.
const WITHOUT_TEXT: &[&str] = &[
    "autosummary",
    "bibliography",
    "class",
    "contents",
    "currentmodule",
    "default-domain",
    "default-role",
    "graphviz",
    "highlight",
    "include",
    "index",
    "literalinclude",
    "meta",
    "mermaid",
    "py:currentmodule",
    "raw",
    "role",
    "sectnum",
    "sectionauthor",
    "codeauthor",
    "tabularcolumns",
    "testcleanup",
    "testsetup",
    "toctree",
    "unicode",
    "uml",
];

/// Converts the explicit markup at the start of `rest`, and returns how many lines it takes.
pub(crate) fn explicit(blocks: &mut Blocks<'_>, rest: &[&str], depth: usize) -> usize {
    let first = rest.first().copied().unwrap_or_default();
    let head = first.get(2..).unwrap_or_default().trim();
    let body = indented(rest.get(1..).unwrap_or_default(), 1);
    let used = body.len() + 1;
    if let Some((label, text)) = footnote(head) {
        let dedented = dedent(body);
        let mut lines = vec![text];
        lines.extend(&dedented);
        blocks.nested(&lines, depth, &format!("[{label}] "), "");
        return used;
    }
    if let Some((name, argument)) = directive(head) {
        write(blocks, name, argument, body, depth);
    }
    // Targets and substitutions were collected before; what remains is a comment.
    used
}

/// Splits `name:: argument`; comments and substitutions are no directives.
pub(crate) fn directive(head: &str) -> Option<(&str, &str)> {
    let (name, argument) = head.split_once("::")?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_:+.".contains(c));
    is_name.then_some((name, argument.trim()))
}

fn footnote(head: &str) -> Option<(&str, &str)> {
    let (label, text) = head.strip_prefix('[')?.split_once(']')?;
    let is_label = !label.is_empty() && !label.contains(char::is_whitespace);
    is_label.then_some((label.trim_start_matches('#'), text.trim()))
}

fn write(blocks: &mut Blocks<'_>, name: &str, argument: &str, body: &[&str], depth: usize) {
    let (options, content) = options(body);
    let more_arguments = !content.is_empty() && body.first().is_some_and(|line| !line.is_empty());
    match name {
        "code-block" | "code" | "sourcecode" | "parsed-literal" | "highlightlang" => {
            blocks.code(language(argument), content);
        }
        "doctest" | "testcode" | "ipython" | "jupyter-execute" => blocks.code("python", content),
        "testoutput" | "prompt" | "productionlist" | "csv-table" | "math" | "command-output" => {
            blocks.code("text", content);
        }
        "image" => {
            if let Some(words) = option(options, "alt") {
                blocks.paragraph(words);
            }
        }
        "figure" => nested_text(blocks, content, depth),
        "note" | "warning" | "tip" | "important" | "caution" | "danger" | "hint" | "attention"
        | "error" | "seealso" | "todo" => {
            let label = match name {
                "seealso" => "See also".to_owned(),
                _ => capitalised(name),
            };
            labelled(blocks, &label, argument, content, depth);
        }
        "versionadded" | "versionchanged" | "deprecated" | "versionremoved"
        | "deprecated-removed" => {
            let (version, text) = argument.split_once(' ').unwrap_or((argument, ""));
            let label = match name {
                "versionadded" => format!("New in version {version}"),
                "versionchanged" => format!("Changed in version {version}"),
                "versionremoved" => format!("Removed in version {version}"),
                _ => format!("Deprecated since version {version}"),
            };
            labelled(blocks, &label, text, content, depth);
        }
        "admonition" | "topic" | "sidebar" | "rubric" | "centered" => {
            let title = blocks.inline(argument);
            if !title.is_empty() {
                blocks.block([format!("**{title}**")]);
            }
            nested_text(blocks, content, depth);
        }
        "module" | "py:module" | "automodule" => {
            if let Some(words) = option(options, "synopsis") {
                blocks.paragraph(words);
            }
            nested_text(blocks, content, depth);
        }
        _ if WITHOUT_TEXT.contains(&name) => {}
        "only" | "ifconfig" | "container" | "compound" | "epigraph" | "highlights"
        | "pull-quote" | "rst-class" | "hlist" | "tabs" | "list-table" | "table" | "glossary"
        | "impl-detail" | "availability" | "audit-event" => {
            if matches!(
                name,
                "impl-detail" | "availability" | "table" | "list-table"
            ) {
                blocks.paragraph(argument);
            }
            nested_text(blocks, content, depth);
        }
        "tab" | "group-tab" | "code-tab" | "tab-item" | "dropdown" | "collapse" => {
            if name == "code-tab" {
                blocks.code(language(argument), content);
            } else {
                labelled(blocks, argument, "", content, depth);
            }
        }
        _ => described(blocks, argument, options, content, more_arguments, depth),
    }
}

/// An object description of a domain: signatures, and what they mean.
fn described(
    blocks: &mut Blocks<'_>,
    argument: &str,
    options: &[&str],
    content: &[&str],
    more_arguments: bool,
    depth: usize,
) {
    let mut signatures: Vec<&str> = Vec::new();
    if !argument.is_empty() {
        signatures.push(argument);
    }
    let mut text = content;
    // Further signatures stand below the first one, before any option and any blank line.
    if options.is_empty() && more_arguments && !argument.is_empty() {
        let count = content.iter().take_while(|line| !line.is_empty()).count();
        signatures.extend(content.iter().take(count).map(|line| line.trim()));
        text = content.get(count..).unwrap_or_default();
    }
    for signature in signatures {
        let signature = signature.trim_end_matches('\\');
        if signature.contains('`') {
            blocks.paragraph(signature);
        } else {
            blocks.block([format!("`{signature}`")]);
        }
    }
    nested_text(blocks, text, depth);
}

fn nested_text(blocks: &mut Blocks<'_>, content: &[&str], depth: usize) {
    let lines = dedent(content);
    if depth >= super::MAX_DEPTH {
        blocks.block(lines);
    } else {
        // One deeper, so that what looks like a title within is not taken for a section.
        blocks.convert(&lines, depth + 1);
    }
}

fn labelled(blocks: &mut Blocks<'_>, label: &str, text: &str, content: &[&str], depth: usize) {
    let dedented = dedent(content);
    let mut lines = Vec::with_capacity(dedented.len() + 1);
    if !text.is_empty() {
        lines.push(text);
    }
    lines.extend(&dedented);
    if lines.is_empty() {
        blocks.block([format!("**{label}.**")]);
        return;
    }
    // The label and a list or a code block cannot share a line.
    let starts_with_text = lines.first().is_some_and(|line| {
        line.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '`' | ':' | '*' | '"'))
            && !line.starts_with("* ")
            && !line.ends_with("::")
    });
    if starts_with_text {
        blocks.nested(&lines, depth, &format!("**{label}:** "), "");
    } else {
        blocks.block([format!("**{label}:**")]);
        nested_text(blocks, &lines, depth);
    }
}

/// Splits the body of a directive into its options and its content.
fn options<'a, 'b>(body: &'a [&'b str]) -> (&'a [&'b str], &'a [&'b str]) {
    let mut count = 0;
    for line in body {
        let text = line.trim();
        let is_option = text.starts_with(':') && text.get(1..).is_some_and(|t| t.contains(':'));
        let is_role = text.contains(":`");
        let continues = count > 0 && !text.is_empty() && !is_role && !text.starts_with(':');
        if (is_option && !is_role) || continues {
            count += 1;
        } else {
            break;
        }
    }
    body.split_at(count)
}

fn option<'b>(options: &[&'b str], wanted: &str) -> Option<&'b str> {
    options.iter().find_map(|line| {
        let (name, value) = line.trim().strip_prefix(':')?.split_once(':')?;
        (name == wanted).then(|| value.trim())
    })
}

fn language(argument: &str) -> &str {
    match argument {
        "python3" | "pycon" | "pycon3" | "ipython" => "python",
        "none" | "default" => "",
        other if other.contains(char::is_whitespace) => "",
        other => other,
    }
}

fn capitalised(name: &str) -> String {
    let mut chars = name.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}
