//! Writing pieces of documentation as Markdown that keeps to its own bounds.

use std::fmt::Write as _;

use crate::{CodeSnippet, InfoSnippet};

/// The longest name of a language that stands behind a fence.
const MAX_LANGUAGE_BYTES: usize = 32;

/// Writes a piece around code: heading, description, code blocks.
pub(super) fn of_code(snippet: &CodeSnippet) -> String {
    let mut text = String::new();
    heading(&mut text, snippet.title.as_deref());
    if let Some(description) = &snippet.description {
        paragraph(&mut text, &with_closed_fence(description));
    }
    for block in &snippet.blocks {
        let language = block.language.as_deref().or(snippet.language.as_deref());
        paragraph(&mut text, &fenced(&block.code, language));
    }
    text
}

/// Writes a piece of prose below the headings that it stands under.
pub(super) fn of_info(snippet: &InfoSnippet, title: &str) -> String {
    let mut text = String::new();
    // The heading of the page is not repeated.
    let below = snippet.breadcrumb.as_deref().map(|crumb| {
        let parts = crumb
            .split('>')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let parts = parts.enumerate();
        let kept = parts.filter(|(at, part)| !(*at == 0 && *part == title));
        kept.map(|(_, part)| part).collect::<Vec<_>>().join(" > ")
    });
    heading(&mut text, below.as_deref());
    paragraph(&mut text, &with_closed_fence(&snippet.content));
    text
}

/// Writes the heading of a page.
pub(super) fn title(title: &str) -> String {
    format!("# {}", one_line(title))
}

/// Puts white space of any kind between words to one space.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn heading(text: &mut String, title: Option<&str>) {
    let title = one_line(title.unwrap_or_default());
    if !title.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(text, "## {title}");
    }
}

fn paragraph(text: &mut String, paragraph: &str) {
    let paragraph = paragraph.trim_matches(['\n', '\r']).trim_end();
    if paragraph.trim().is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    text.push_str(paragraph);
}

/// Fences code by more backticks than it holds in a row.
fn fenced(code: &str, language: Option<&str>) -> String {
    let longest = code
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest.saturating_add(1).max(3));
    let language: String = language
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '#' | '-' | '.' | '_'))
        .take(MAX_LANGUAGE_BYTES)
        .collect();
    format!(
        "{fence}{language}\n{}\n{fence}",
        code.trim_matches(['\n', '\r'])
    )
}

/// Closes a code block that a piece of text leaves open, which would swallow what comes after.
fn with_closed_fence(text: &str) -> String {
    let mut open: Option<(char, usize)> = None;
    for line in text.lines() {
        let indented = line.len() - line.trim_start_matches(' ').len();
        let line = line.trim_start_matches(' ');
        let Some(mark) = line.chars().next().filter(|c| matches!(c, '`' | '~')) else {
            continue;
        };
        let length = line.len() - line.trim_start_matches(mark).len();
        if indented > 3 || length < 3 {
            continue;
        }
        let rest = line.trim_start_matches(mark);
        match open {
            None if mark == '~' || !rest.contains('`') => open = Some((mark, length)),
            Some((with, at_least))
                if mark == with && length >= at_least && rest.trim().is_empty() =>
            {
                open = None;
            }
            _ => {}
        }
    }
    match open {
        Some((mark, length)) => {
            let fence: String = std::iter::repeat_n(mark, length).collect();
            format!("{}\n{fence}", text.trim_end())
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CodeBlock;

    #[test]
    fn code_is_fenced_by_more_backticks_than_it_holds() {
        assert_eq!(fenced("let x;", Some("rust")), "```rust\nlet x;\n```");
        assert_eq!(
            fenced("```sh\nls\n```\n", Some("md x\n#")),
            "````mdx#\n```sh\nls\n```\n````"
        );
        assert_eq!(fenced("", None), "```\n\n```");
    }

    #[test]
    fn an_open_code_block_is_closed_where_its_piece_ends() {
        assert_eq!(with_closed_fence("a\n```rust\nfn"), "a\n```rust\nfn\n```");
        assert_eq!(with_closed_fence("~~~~\n```\nx"), "~~~~\n```\nx\n~~~~");
        for closed in ["```\nx\n```", "plain", "    ```\nno fence", "``` a`b"] {
            assert_eq!(with_closed_fence(closed), closed);
        }
    }

    #[test]
    fn a_piece_has_its_heading_its_words_and_its_code() {
        let snippet = CodeSnippet {
            title: Some("Spawn\n a task".to_owned()),
            description: Some("Runs a future.\n".to_owned()),
            language: Some("rust".to_owned()),
            blocks: vec![CodeBlock {
                language: None,
                code: "tokio::spawn(async {});\n".to_owned(),
            }],
            ..CodeSnippet::default()
        };
        assert_eq!(
            of_code(&snippet),
            "## Spawn a task\n\nRuns a future.\n\n```rust\ntokio::spawn(async {});\n```"
        );
        let info = InfoSnippet {
            breadcrumb: Some("Topics > Shutdown".to_owned()),
            content: "Wait for it.".to_owned(),
            ..InfoSnippet::default()
        };
        assert_eq!(of_info(&info, "Topics"), "## Shutdown\n\nWait for it.");
        assert_eq!(
            of_info(&info, "Guide"),
            "## Topics > Shutdown\n\nWait for it."
        );
    }
}
