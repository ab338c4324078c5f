//! Paragraphs, sections, lists and literal blocks.

use crate::documents::nesting;

use super::inline::Targets;
use super::{MAX_DEPTH, dedent, directive, indent, indented, table};

/// Characters that may underline a section title.
const ADORNMENTS: &str = "=-`:.'\"~^_*+#<>!$%&(),/;?@[]{|}\\";

/// The Markdown written so far.
#[derive(Debug)]
pub(crate) struct Blocks<'t> {
    pub(crate) targets: &'t Targets,
    out: String,
    /// The adornments in the order in which they came up: their index is the level.
    levels: Vec<(char, bool)>,
    /// Put before every line: the indentation and quote marks of what surrounds it.
    prefix: String,
    /// Put before the next line instead of `prefix`: the marker of a list item.
    first: Option<String>,
}

impl<'t> Blocks<'t> {
    pub(crate) fn new(targets: &'t Targets) -> Self {
        Self {
            targets,
            out: String::new(),
            levels: Vec::new(),
            prefix: String::new(),
            first: None,
        }
    }

    pub(crate) fn finish(self) -> String {
        let mut out = self.out;
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }

    pub(crate) fn inline(&self, text: &str) -> String {
        self.targets.inline(text)
    }

    /// Writes lines as one block, with a blank line before it.
    pub(crate) fn block<S: AsRef<str>>(&mut self, lines: impl IntoIterator<Item = S>) {
        if self.first.is_none() && !self.out.is_empty() {
            self.out.push_str(self.prefix.trim_end());
            self.out.push('\n');
        }
        for line in lines {
            let prefix = self.first.take();
            let prefix = prefix.as_deref().unwrap_or(&self.prefix);
            let line = line.as_ref();
            if line.is_empty() {
                self.out.push_str(prefix.trim_end());
            } else {
                self.out.push_str(prefix);
                self.out.push_str(line);
            }
            self.out.push('\n');
        }
    }

    /// Writes code.
    pub(crate) fn code(&mut self, language: &str, lines: &[&str]) {
        let lines = dedent(lines);
        if lines.is_empty() {
            return;
        }
        let fence = nesting::fence(&lines.join("\n"));
        let open = format!("{fence}{language}");
        let body = lines.iter().copied();
        self.block(
            std::iter::once(open.as_str())
                .chain(body)
                .chain(std::iter::once(fence.as_str())),
        );
    }

    /// Writes the text of a paragraph.
    pub(crate) fn paragraph(&mut self, text: &str) {
        let text = self.inline(text);
        if !text.trim().is_empty() {
            self.block(text.lines().map(str::trim));
        }
    }

    /// Writes the blocks of `lines` with `rest` before each line, and `first` before the first.
    pub(crate) fn nested(&mut self, lines: &[&str], depth: usize, first: &str, rest: &str) {
        let prefix_len = self.prefix.len();
        let before = self.first.take().unwrap_or_else(|| {
            // A block of its own begins after a blank line.
            if !self.out.is_empty() {
                self.out.push_str(self.prefix.trim_end());
                self.out.push('\n');
            }
            self.prefix.clone()
        });
        self.first = Some(before + first);
        self.prefix.push_str(rest);
        let body = dedent(lines);
        if depth >= MAX_DEPTH {
            self.block(body);
        } else {
            self.convert(&body, depth + 1);
        }
        // Nothing was written: the marker must not stick to what comes next.
        self.first = None;
        self.prefix.truncate(prefix_len);
    }

    /// Converts dedented lines.
    pub(crate) fn convert(&mut self, lines: &[&str], depth: usize) {
        let mut rest = lines;
        while let Some(line) = rest.first() {
            let used = if line.is_empty() {
                1
            } else {
                self.one(line, rest, depth)
            };
            // Every branch consumes at least its first line.
            rest = rest.get(used.max(1)..).unwrap_or_default();
        }
    }

    /// Converts the block at the start of `rest`, and returns how many lines it takes.
    fn one(&mut self, line: &str, rest: &[&str], depth: usize) -> usize {
        if indent(line) > 0 {
            let body = indented(rest, 1);
            self.nested(body, depth, "> ", "> ");
            return body.len();
        }
        if let Some(used) = self.section(rest, depth) {
            return used;
        }
        if line == ".." || line.starts_with(".. ") {
            return directive::explicit(self, rest, depth);
        }
        if line.starts_with("__ ") {
            return 1;
        }
        if let Some(used) = table::extent(rest) {
            self.code("text", rest.get(..used).unwrap_or_default());
            return used;
        }
        if line.starts_with(">>> ") {
            let used = paragraph_len(rest);
            self.code("python", rest.get(..used).unwrap_or_default());
            return used;
        }
        if line == "|" || line.starts_with("| ") {
            return self.line_block(rest);
        }
        if let Some((marker, width)) = list_marker(line) {
            return self.item(rest, depth, &marker, width);
        }
        if let Some((name, body)) = field(line) {
            let text = body.to_owned();
            let more = indented(rest.get(1..).unwrap_or_default(), 1);
            let label = self.inline(name);
            let mut lines = vec![text.as_str()];
            let dedented = dedent(more);
            lines.extend(&dedented);
            self.nested(&lines, depth, &format!("- **{label}**: "), "  ");
            return more.len() + 1;
        }
        if rest.get(1).is_some_and(|next| indent(next) > 0) && !line.ends_with("::") {
            return self.definition(line, rest, depth);
        }
        self.text(rest)
    }

    /// A paragraph, and the literal block that it may announce.
    fn text(&mut self, rest: &[&str]) -> usize {
        let used = paragraph_len(rest);
        let text = rest.get(..used).unwrap_or_default().join("\n");
        let Some(announced) = text.strip_suffix("::") else {
            self.paragraph(&text);
            return used;
        };
        let announced = announced.trim_end();
        let after = rest.get(used..).unwrap_or_default();
        let literal = indented(after, 1);
        if literal.is_empty() {
            // Literal blocks may also be quoted: every line begins with the same punctuation.
            self.paragraph(&text);
            return used;
        }
        if !announced.is_empty() {
            let colon = if text.ends_with(" ::") || text.ends_with("\n::") {
                ""
            } else {
                ":"
            };
            self.paragraph(&format!("{announced}{colon}"));
        }
        self.code("", literal);
        used + literal.len()
    }

    fn definition(&mut self, term: &str, rest: &[&str], depth: usize) -> usize {
        let term = self.inline(term);
        let label = if term.contains(['*', '`']) {
            term
        } else {
            format!("**{term}**")
        };
        self.block([label]);
        let body = indented(rest.get(1..).unwrap_or_default(), 1);
        if depth >= MAX_DEPTH {
            self.block(dedent(body));
        } else {
            self.convert(&dedent(body), depth + 1);
        }
        body.len() + 1
    }

    fn item(&mut self, rest: &[&str], depth: usize, marker: &str, width: usize) -> usize {
        let body = indented(rest.get(1..).unwrap_or_default(), 1);
        let mut lines = Vec::with_capacity(body.len() + 1);
        lines.push(
            rest.first()
                .and_then(|line| line.get(width..))
                .unwrap_or_default(),
        );
        // Lines that are indented less than the text still belong to the item.
        let least = body
            .iter()
            .filter(|line| !line.is_empty())
            .map(|line| indent(line))
            .min()
            .unwrap_or_default();
        lines.extend(
            body.iter()
                .map(|line| line.get(least..).unwrap_or_default()),
        );
        self.nested(&lines, depth, marker, &" ".repeat(marker.len()));
        body.len() + 1
    }

    fn line_block(&mut self, rest: &[&str]) -> usize {
        let lines: Vec<&str> = rest
            .iter()
            .take_while(|line| line.starts_with('|'))
            .copied()
            .collect();
        let text: Vec<String> = lines
            .iter()
            .map(|line| self.inline(line.trim_start_matches('|').trim()))
            .collect();
        self.block(text.iter().map(|line| format!("{line}  ")));
        lines.len()
    }

    /// A section title or a transition.
    fn section(&mut self, rest: &[&str], depth: usize) -> Option<usize> {
        let first = rest.first()?;
        let second = rest.get(1).copied().unwrap_or_default();
        if let Some(mark) = adornment(first) {
            let closing = rest.get(2).copied().unwrap_or_default();
            let is_title = !second.is_empty() && adornment(closing) == Some(mark);
            if is_title && first.len() >= 2 {
                self.heading(second.trim(), (mark, true), depth);
                return Some(3);
            }
            // A line of four or more between blank lines divides sections without a title.
            return (first.len() >= 4 && second.is_empty()).then_some(1);
        }
        let mark = adornment(second)?;
        let long_enough = second.len() >= first.chars().count().min(4);
        let is_list = list_marker(first).is_some() && second.len() < 3;
        if !long_enough || is_list || second.starts_with("::") {
            return None;
        }
        self.heading(first.trim(), (mark, false), depth);
        Some(2)
    }

    fn heading(&mut self, title: &str, style: (char, bool), depth: usize) {
        let text = self.inline(title).replace('\n', " ");
        if depth > 0 {
            // Sections cannot stand within lists and quotes; what looks like one is emphasis.
            self.block([format!("**{text}**")]);
            return;
        }
        let level = self
            .levels
            .iter()
            .position(|known| *known == style)
            .unwrap_or_else(|| {
                self.levels.push(style);
                self.levels.len() - 1
            });
        let marks = "#".repeat((level + 1).min(6));
        self.block([format!("{marks} {text}")]);
    }
}

fn paragraph_len(rest: &[&str]) -> usize {
    rest.iter().take_while(|line| !line.is_empty()).count()
}

fn adornment(line: &str) -> Option<char> {
    let mark = line.chars().next().filter(|c| ADORNMENTS.contains(*c))?;
    (line.len() >= 2 && line.chars().all(|c| c == mark)).then_some(mark)
}

/// Recognises `* text`, `1. text`, `#. text`, `(a) text`; returns the Markdown marker and the
/// width of the original one.
fn list_marker(line: &str) -> Option<(String, usize)> {
    let (word, _) = line.split_once(' ').unwrap_or((line, ""));
    let width = word.len()
        + line
            .get(word.len()..)
            .map_or(0, |tail| tail.len() - tail.trim_start_matches(' ').len());
    if matches!(word, "*" | "-" | "+" | "•") {
        return Some(("- ".to_owned(), width));
    }
    let inner = word.strip_suffix(['.', ')'])?;
    let number = inner.strip_prefix('(').unwrap_or(inner);
    if number == "#" {
        return Some(("1. ".to_owned(), width));
    }
    let is_number = number.len() <= 3 && number.chars().all(|c| c.is_ascii_digit());
    let is_letter = number.len() == 1 && number.chars().all(|c| c.is_ascii_alphabetic());
    if number.is_empty() || line.len() == word.len() {
        None
    } else if is_number {
        Some((format!("{number}. "), width))
    } else {
        is_letter.then(|| (format!("- {word} "), width))
    }
}

/// Recognises `:name: text`.
fn field(line: &str) -> Option<(&str, &str)> {
    let (name, body) = line.strip_prefix(':')?.split_once(':')?;
    let well_formed = !name.is_empty()
        && !name.starts_with(' ')
        && !name.contains('`')
        && (body.is_empty() || body.starts_with(' '));
    well_formed.then_some((name, body.trim_start()))
}
