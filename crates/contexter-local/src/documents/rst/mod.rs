//! reStructuredText to Markdown: what documentation uses, not the whole language.
//!
//! The specification is the one of docutils 0.21 (`docs/ref/rst/restructuredtext.html`), with the
//! directives and roles of Sphinx. Whatever is not recognised is kept as text.

mod block;
mod directive;
mod inline;
mod table;

use block::Blocks;
use inline::Targets;

/// Blocks nested deeper than this are kept as text.
const MAX_DEPTH: usize = 24;

/// Converts a whole file.
pub(crate) fn to_markdown(text: &str) -> String {
    let text = text.replace('\t', "        ");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let targets = Targets::collect(&lines);
    let mut blocks = Blocks::new(&targets);
    blocks.convert(&lines, 0);
    blocks.finish()
}

/// Returns how many spaces `line` begins with.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Returns the lines from the start of `lines` that are indented by at least `least`, blank ones
/// among them included, blank ones at the end not.
fn indented<'a, 'b>(lines: &'a [&'b str], least: usize) -> &'a [&'b str] {
    let mut end = 0;
    for (at, line) in lines.iter().enumerate() {
        if line.is_empty() {
            continue;
        }
        if indent(line) < least {
            break;
        }
        end = at + 1;
    }
    lines.get(..end).unwrap_or_default()
}

/// Removes the indentation that all lines share, and blank lines at both ends.
fn dedent<'b>(lines: &[&'b str]) -> Vec<&'b str> {
    let common = lines
        .iter()
        .filter(|line| !line.is_empty())
        .map(|line| indent(line))
        .min()
        .unwrap_or_default();
    let mut out: Vec<&str> = lines
        .iter()
        .map(|line| line.get(common..).unwrap_or_default())
        .skip_while(|line| line.is_empty())
        .collect();
    while out.last().is_some_and(|line| line.is_empty()) {
        out.pop();
    }
    out
}
