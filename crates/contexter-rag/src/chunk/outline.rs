//! Where a document may be cut: its sections, blocks and code.

use std::ops::Range;

use contexter_model::Format;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag};

/// How many levels of nested blocks are told apart; deeper ones are cut like plain lines.
///
/// The bound keeps the work on a list nested a thousand times linear.
const MAX_RANK: u8 = 5;

/// What is known about a document before it is cut.
#[derive(Debug)]
pub(super) struct Outline {
    /// In order; together they are the whole document. The first is what comes before any heading.
    pub(super) sections: Vec<Section>,
    /// Where blocks begin, ascending, always at the start of a line.
    pub(super) breaks: Vec<Break>,
    /// The code blocks, ascending.
    pub(super) code: Vec<Code>,
}

/// A heading with everything up to the next one.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) range: Range<usize>,
    /// The text of the heading; empty for what comes before any heading.
    pub(super) title: String,
    /// The section whose heading is above this one's; `None` for the first.
    pub(super) parent: Option<usize>,
    /// Whether there is nothing but the heading.
    pub(super) bare: bool,
}

/// The start of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Break {
    pub(super) at: usize,
    /// How deep the block is nested: the lower, the better a place to cut.
    pub(super) rank: u8,
}

/// A code block, from the start of its first line.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) range: Range<usize>,
    /// The line that opens it again when it is torn; empty for code without fences.
    pub(super) open: String,
    /// The line that closes it.
    pub(super) close: String,
}

impl Outline {
    pub(super) fn of(text: &str, format: Format) -> Self {
        match format {
            Format::Markdown => markdown(text),
            // Whatever a later version adds can still be read as text.
            _ => plain(text),
        }
    }

    /// Returns the block starts strictly inside `range`.
    pub(super) fn breaks_in(&self, range: &Range<usize>) -> &[Break] {
        let from = self.breaks.partition_point(|b| b.at <= range.start);
        let to = self.breaks.partition_point(|b| b.at < range.end);
        self.breaks.get(from..to).unwrap_or_default()
    }

    /// Returns the first code block that begins in `range`, with its index.
    pub(super) fn code_in(&self, range: &Range<usize>) -> Option<(usize, &Code)> {
        let at = self
            .code
            .partition_point(|code| code.range.start < range.start);
        let code = self.code.get(at)?;
        (code.range.start < range.end).then_some((at, code))
    }

    /// Returns whether `at` lies inside a code block, behind its first line's start.
    pub(super) fn is_in_code(&self, at: usize) -> bool {
        let next = self.code.partition_point(|code| code.range.start < at);
        next.checked_sub(1)
            .and_then(|before| self.code.get(before))
            .is_some_and(|code| at < code.range.end)
    }
}

fn markdown(text: &str) -> Outline {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut reader = Reader::new(text);
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        reader.read(event, range);
    }
    reader.finish()
}

/// Collects the outline from the events of the parser.
struct Reader<'t> {
    text: &'t str,
    outline: Outline,
    /// The open headings: level and section.
    above: Vec<(HeadingLevel, usize)>,
    depth: usize,
    in_heading: bool,
    heading_end: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        let preamble = Section {
            range: 0..text.len(),
            title: String::new(),
            parent: None,
            bare: false,
        };
        Self {
            text,
            outline: Outline {
                sections: vec![preamble],
                breaks: Vec::new(),
                code: Vec::new(),
            },
            above: Vec::new(),
            depth: 0,
            in_heading: false,
            heading_end: 0,
        }
    }

    fn read(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => {
                self.start(&tag, range);
                self.depth += 1;
            }
            Event::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                self.in_heading &= self.depth > 0;
            }
            Event::Rule => self.add_break(range.start),
            Event::Text(words) | Event::Code(words) if self.in_heading => self.add_title(&words),
            Event::SoftBreak | Event::HardBreak if self.in_heading => self.add_title(" "),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        match tag {
            // Only headings at the top divide a document; one in a quotation is a line of it.
            Tag::Heading { level, .. } if self.depth == 0 => {
                self.add_break(range.start);
                self.add_section(*level, line_start(self.text, range.start));
                self.in_heading = true;
                self.heading_end = range.end;
            }
            Tag::CodeBlock(kind) => {
                self.add_break(range.start);
                self.add_code(kind, range);
            }
            Tag::Paragraph
            | Tag::Heading { .. }
            | Tag::BlockQuote(_)
            | Tag::HtmlBlock
            | Tag::List(_)
            | Tag::Item
            | Tag::FootnoteDefinition(_)
            | Tag::Table(_)
            | Tag::TableRow
            | Tag::MetadataBlock(_) => self.add_break(range.start),
            _ => {}
        }
    }

    fn add_break(&mut self, start: usize) {
        // First, because looking back to the start of the line for every one of a thousand
        // quotation marks on it would take quadratic time.
        let Ok(rank @ 0..=MAX_RANK) = u8::try_from(self.depth) else {
            return;
        };
        let at = line_start(self.text, start);
        // The outermost block that begins on a line comes first and decides: what stands behind a
        // list marker is not cut off from it.
        if self.outline.breaks.last().is_none_or(|last| last.at < at) {
            self.outline.breaks.push(Break { at, rank });
        }
    }

    fn add_section(&mut self, level: HeadingLevel, at: usize) {
        self.above.retain(|&(above, _)| above < level);
        let parent = self.above.last().map_or(0, |&(_, section)| section);
        self.end_section(at);
        self.above.push((level, self.outline.sections.len()));
        self.outline.sections.push(Section {
            range: at..self.text.len(),
            title: String::new(),
            parent: Some(parent),
            bare: false,
        });
    }

    fn end_section(&mut self, at: usize) {
        if let Some(section) = self.outline.sections.last_mut() {
            let body = self.text.get(self.heading_end..at).unwrap_or_default();
            section.bare = body.trim().is_empty();
            section.range.end = at;
        }
    }

    fn add_title(&mut self, words: &str) {
        if let Some(section) = self.outline.sections.last_mut() {
            section.title.push_str(words);
        }
    }

    fn add_code(&mut self, kind: &CodeBlockKind<'_>, range: Range<usize>) {
        let at = line_start(self.text, range.start);
        let (open, close) = match kind {
            CodeBlockKind::Indented => (String::new(), String::new()),
            CodeBlockKind::Fenced(_) => fences(self.text, at, range.start),
        };
        let end = line_end(self.text, range.end);
        if self
            .outline
            .code
            .last()
            .is_none_or(|last| last.range.end <= at)
        {
            self.outline.code.push(Code {
                range: at..end,
                open,
                close,
            });
        }
    }

    fn finish(mut self) -> Outline {
        self.end_section(self.text.len());
        self.outline
    }
}

/// Returns the lines that open and close a block again whose fence begins at `fence`; empty ones
/// if it cannot be written again.
///
/// What stands before the fence keeps quotation marks and the width of a list marker, so that the
/// piece reads as the block did.
fn fences(text: &str, line: usize, fence: usize) -> (String, String) {
    let before: String = text
        .get(line..fence)
        .unwrap_or_default()
        .chars()
        .map(|c| if c == '>' || c == '\t' { c } else { ' ' })
        .collect();
    let opening = text.get(fence..).unwrap_or_default();
    let opening = opening.lines().next().unwrap_or_default().trim_end();
    if opening.contains('\r') {
        // A carriage return alone ends a line too (CommonMark 0.31.2, §2.1), but text is cut at
        // line feeds: as there is no line to write again, the block is cut like an indented one.
        return (String::new(), String::new());
    }
    let mark = opening.chars().next().unwrap_or('`');
    let width = opening.chars().take_while(|&c| c == mark).count();
    let closing: String = std::iter::repeat_n(mark, width).collect();
    (format!("{before}{opening}"), format!("{before}{closing}"))
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |line_end| line_end + 1)
}

/// Returns the end of the line that `at` is in, its line feed included; `at` if a line begins there.
fn line_end(text: &str, at: usize) -> usize {
    if at == 0 || text.get(..at).is_some_and(|before| before.ends_with('\n')) {
        return at;
    }
    text.get(at..)
        .and_then(|after| after.find('\n'))
        .map_or(text.len(), |feed| at + feed + 1)
}

/// Plain text: paragraphs with blank lines between them.
fn plain(text: &str) -> Outline {
    let mut breaks = Vec::new();
    let mut at = 0;
    let mut after_blank = false;
    for line in text.split_inclusive('\n') {
        let blank = line.trim().is_empty();
        if !blank && after_blank {
            // An indented paragraph goes on with what the one before began: code, mostly.
            let rank = u8::from(line.starts_with([' ', '\t']));
            breaks.push(Break { at, rank });
        }
        after_blank = blank;
        at += line.len();
    }
    Outline {
        sections: vec![Section {
            range: 0..text.len(),
            title: String::new(),
            parent: None,
            bare: false,
        }],
        breaks,
        code: Vec::new(),
    }
}
