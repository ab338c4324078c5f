//! Attributes, as far as documentation is concerned.

use std::ops::Range;

use proc_macro2::{Delimiter, TokenTree};

use super::tokens::Tokens;

/// What the attributes of an item say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    /// The documentation, as written.
    pub(crate) docs: String,
    pub(crate) is_hidden: bool,
    pub(crate) is_test: bool,
    pub(crate) is_exported_macro: bool,
    /// The note of a deprecation, empty if it has none.
    pub(crate) deprecated: Option<String>,
    /// The name of a derive macro, whose function is called otherwise.
    pub(crate) derive_name: Option<String>,
}

/// The text that the tokens stand in.
#[derive(Clone, Copy)]
pub(crate) struct Source<'s> {
    pub(crate) text: &'s str,
    pub(crate) include: &'s dyn Fn(&str) -> Option<String>,
}

impl Source<'_> {
    /// Returns where `tree` stands in the text.
    pub(crate) fn range(tree: &TokenTree) -> Range<usize> {
        match tree {
            TokenTree::Group(group) => {
                group.span_open().byte_range().start..group.span_close().byte_range().end
            }
            other => other.span().byte_range(),
        }
    }

    /// Returns the text from `first` to `last`.
    pub(crate) fn between(&self, first: &TokenTree, last: &TokenTree) -> &str {
        let range = Self::range(first).start..Self::range(last).end;
        self.text.get(range).unwrap_or_default()
    }
}

impl Attributes {
    /// Reads the outer attributes at the cursor.
    pub(crate) fn outer(tokens: &mut Tokens, source: Source<'_>) -> Self {
        let mut docs = Docs::default();
        let mut attributes = Self::default();
        while tokens.is_punct(0, '#') {
            let Some(group) = tokens.group(1, Delimiter::Bracket) else {
                break;
            };
            let content = Tokens::new(group.stream());
            attributes.read(content, &mut docs, source);
            tokens.skip(2);
        }
        attributes.docs = docs.join();
        attributes
    }

    /// Reads the inner attributes at the cursor.
    pub(crate) fn inner(tokens: &mut Tokens, source: Source<'_>) -> Self {
        let mut docs = Docs::default();
        let mut attributes = Self::default();
        while tokens.is_punct(0, '#') && tokens.is_punct(1, '!') {
            let Some(group) = tokens.group(2, Delimiter::Bracket) else {
                // A line such as `#!/usr/bin/env` is no attribute.
                tokens.skip(2);
                continue;
            };
            let content = Tokens::new(group.stream());
            attributes.read(content, &mut docs, source);
            tokens.skip(3);
        }
        attributes.docs = docs.join();
        attributes
    }

    fn read(&mut self, mut content: Tokens, docs: &mut Docs, source: Source<'_>) {
        let Some(name) = content.word(0) else { return };
        content.skip(1);
        match name.as_str() {
            "doc" if content.is_punct(0, '=') => {
                content.skip(1);
                docs.read(&content, source);
            }
            "doc" => {
                self.is_hidden |= arguments(&content)
                    .iter()
                    .any(|argument| argument.is_word(0, "hidden"));
            }
            "cfg" => {
                self.is_test |= arguments(&content)
                    .iter()
                    .any(|argument| argument.is_word(0, "test"));
            }
            // What holds only in some configuration is documentation all the same.
            "cfg_attr" => {
                for argument in arguments(&content).into_iter().skip(1) {
                    if argument.is_word(0, "doc") && argument.is_punct(1, '=') {
                        self.read(argument, docs, source);
                    }
                }
            }
            "test" | "bench" => self.is_test = true,
            "macro_export" => self.is_exported_macro = true,
            "proc_macro_derive" => {
                self.derive_name = arguments(&content).first().and_then(|first| first.word(0));
            }
            "deprecated" => {
                let note = arguments(&content)
                    .iter()
                    .find(|argument| argument.is_word(0, "note"))
                    .and_then(|argument| literal(argument.peek_at(2)?, source));
                self.deprecated = Some(note.unwrap_or_default());
            }
            _ => {}
        }
    }
}

/// Splits the arguments of `name(a, b)`, of which `content` is what follows the name.
fn arguments(content: &Tokens) -> Vec<Tokens> {
    let Some(group) = content.group(0, Delimiter::Parenthesis) else {
        return Vec::new();
    };
    let mut rest = Tokens::new(group.stream());
    std::iter::from_fn(|| rest.until_comma(false)).collect()
}

/// The fragments of a documentation, one for each comment or attribute.
#[derive(Debug, Default)]
struct Docs {
    /// The lines of comments, and whether their indentation counts for the others.
    lines: Vec<(String, bool)>,
}

impl Docs {
    fn read(&mut self, content: &Tokens, source: Source<'_>) {
        let Some(first) = content.peek() else { return };
        if content.is_word(0, "include_str") && content.is_punct(1, '!') {
            let path = content
                .group(2, Delimiter::Parenthesis)
                .and_then(|group| literal(&group.stream().into_iter().next()?, source));
            if let Some(text) = path.and_then(|path| (source.include)(&path)) {
                self.lines
                    .extend(text.lines().map(|line| (line.to_owned(), false)));
            }
            return;
        }
        let written = source.between(first, first);
        if let Some(comment) = written.strip_prefix("//") {
            // The mark after the slashes, `/` or `!`, is one byte.
            let line = comment.get(1..).unwrap_or_default();
            self.lines.push((line.trim_end().to_owned(), true));
        } else if let Some(comment) = written.strip_prefix("/*") {
            let inner = comment.get(1..).unwrap_or_default();
            let inner = inner.strip_suffix("*/").unwrap_or(inner);
            self.lines
                .extend(block_comment(inner).into_iter().map(|line| (line, true)));
        } else if let Some(text) = literal(first, source) {
            self.lines
                .extend(text.lines().map(|line| (line.to_owned(), true)));
            if text.is_empty() {
                self.lines.push((String::new(), true));
            }
        }
    }

    /// Joins the fragments, without the indentation that all comments share.
    fn join(self) -> String {
        let common = self
            .lines
            .iter()
            .filter(|(line, counts)| *counts && !line.trim().is_empty())
            .map(|(line, _)| line.len() - line.trim_start_matches(' ').len())
            .min()
            .unwrap_or_default();
        let mut text = String::new();
        for (line, counts) in &self.lines {
            let strip = if *counts { common } else { 0 };
            text.push_str(line.get(strip..).unwrap_or_default());
            text.push('\n');
        }
        let text = text.trim_end();
        text.trim_start_matches('\n').to_owned()
    }
}

/// Returns the lines of a block comment, without the stars down its left side.
fn block_comment(inner: &str) -> Vec<String> {
    let starred = inner
        .lines()
        .skip(1)
        .filter(|line| !line.trim().is_empty())
        .all(|line| line.trim_start().starts_with('*'));
    inner
        .lines()
        .enumerate()
        .map(|(at, line)| {
            let line = line.trim_end();
            if at == 0 || !starred {
                return line.to_owned();
            }
            line.trim_start().trim_start_matches('*').to_owned()
        })
        .collect()
}

/// Returns the value of a string literal.
fn literal(tree: &TokenTree, source: Source<'_>) -> Option<String> {
    let TokenTree::Literal(_) = tree else {
        return None;
    };
    let written = source.between(tree, tree);
    if let Some(raw) = written.strip_prefix('r') {
        let inner = raw.trim_matches('#');
        return Some(inner.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    }
    let inner = written.strip_prefix('"')?.strip_suffix('"')?;
    Some(unescape(inner))
}

fn unescape(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            // A backslash at the end of a line joins it with the next one.
            Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
            Some('u') => {
                let code: String = chars
                    .by_ref()
                    .take_while(|c| *c != '}')
                    .filter(char::is_ascii_hexdigit)
                    .take(6)
                    .collect();
                out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            Some('x') => {
                let code: String = chars.by_ref().take(2).collect();
                out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            // Line ends are uniform by now.
            Some('r') | None => {}
            Some(other) => out.push(other),
        }
    }
    out
}
