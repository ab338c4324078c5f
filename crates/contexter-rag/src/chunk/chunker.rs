//! The document processor's first step.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use contexter_model::{CountTokens, Document};

use super::content::{Chunk, embed_text, hash};
use super::draft::{Draft, merge, pack};
use super::outline::Outline;
use super::settings::Chunking;
use super::split::{Atom, Splitter, Torn, sentence_starts};
use super::title_path::{TitlePath, TitlePaths};

/// Cuts documents into chunks that a model can read whole.
///
/// Chunks follow the document: a section that fits stays whole, small sections under one heading
/// are merged, and what is too large is cut between blocks, then sentences, then lines, then
/// words. A fenced code block is torn only if it is too large by itself, between lines, and each
/// piece is fenced again. Headings inside of code, quotations and lists divide nothing.
///
/// No chunk, its title path included, has more than [`Chunking::max_tokens`] tokens, as long as a
/// single character has not; nothing but white space is lost. Any text is accepted.
///
/// Cloning is cheap: clones share the counter.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use contexter_model::{Document, Format};
/// use contexter_rag::{Chunker, Chunking};
///
/// let words = |text: &str| text.split_whitespace().count();
/// let chunker = Chunker::new(Chunking::new(20, 0)?, Arc::new(words));
/// let chunks = chunker.chunk(&Document {
///     library: "/crates/pool/1.0.0".parse()?,
///     path: "README.md".into(),
///     title: "pool".into(),
///     format: Format::Markdown,
///     text: "# pool\nA pool of connections.\n\n## Limits\nAt most a hundred are open at any \
///            time.\nFurther callers wait.\n"
///         .into(),
/// });
/// assert_eq!(chunks.len(), 2);
/// assert_eq!(chunks[1].title_path, ["pool", "Limits"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Chunker {
    chunking: Chunking,
    tokens: Arc<dyn CountTokens>,
}

impl Chunker {
    /// Creates a chunker that counts tokens as the embedding model does.
    #[must_use]
    pub fn new(chunking: Chunking, tokens: Arc<dyn CountTokens>) -> Self {
        Self { chunking, tokens }
    }

    /// Returns the chunks of a document, in order; none if it has nothing but white space.
    ///
    /// The same document gives the same chunks. The work is done on the calling thread.
    #[must_use]
    pub fn chunk(&self, document: &Document) -> Vec<Chunk> {
        let text = document.text.as_str();
        let outline = Outline::of(text, document.format);
        let tokens = &*self.tokens;
        let max_tokens = self.chunking.max_tokens();
        let overlap = self.chunking.overlap();
        let splitter = Splitter {
            text,
            outline: &outline,
            tokens,
        };
        let mut paths = TitlePaths::new(&document.title, &outline.sections, tokens, max_tokens);
        let mut drafts = Vec::new();
        for (at, section) in outline.sections.iter().enumerate() {
            let budget = max_tokens - paths.tokens(at) - overlap;
            let atoms = splitter.section(section.range.clone(), at > 0, budget);
            pack(at, atoms, budget, &mut drafts);
        }
        let drafts = merge(drafts, &outline.sections, max_tokens, |section| {
            paths.tokens(section)
        });
        let mut writer = Writer {
            splitter,
            max_tokens,
            overlap,
            chunks: Vec::with_capacity(drafts.len()),
        };
        for draft in drafts {
            let path = paths.of(draft.section);
            writer.write(&draft, &path);
        }
        writer.chunks
    }
}

impl fmt::Debug for Chunker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunker")
            .field("chunking", &self.chunking)
            .finish_non_exhaustive()
    }
}

/// Writes the text of drafts and checks their size.
struct Writer<'a> {
    splitter: Splitter<'a>,
    max_tokens: usize,
    overlap: usize,
    chunks: Vec<Chunk>,
}

impl Writer<'_> {
    fn write(&mut self, draft: &Draft, path: &TitlePath) {
        let Some((span, text)) = self.text(draft) else {
            return;
        };
        let embedded = embed_text(&path.titles, &text);
        let token_count = self.splitter.tokens.count(&embedded);
        if token_count > self.max_tokens
            && let Some((first, second)) = self.halve(draft)
        {
            // The parts were counted one by one, and together they are more: some models count so.
            self.write(&first, path);
            self.write(&second, path);
            return;
        }
        self.chunks.push(Chunk {
            ordinal: u32::try_from(self.chunks.len()).unwrap_or(u32::MAX),
            title_path: path.titles.clone(),
            hash: hash(&embedded),
            text,
            token_count,
            span,
        });
    }

    fn halve(&self, draft: &Draft) -> Option<(Draft, Draft)> {
        let half = |atoms: &[Atom], before| Draft::new(draft.section, atoms.to_vec(), before);
        if draft.atoms.len() > 1 {
            let (first, second) = draft.atoms.split_at(draft.atoms.len() / 2);
            return Some((half(first, draft.before), half(second, None)));
        }
        let atom = draft.atoms.first()?;
        let mut atoms = Vec::new();
        let budget = (atom.tokens / 2).max(1);
        self.splitter
            .words(atom.range.clone(), budget, atom.torn, &mut atoms);
        let (first, second) = atoms.split_at_checked(atoms.len() / 2)?;
        if first.is_empty() {
            return None;
        }
        Some((half(first, draft.before), half(second, None)))
    }

    /// Returns the text of a draft and the bytes it stands for.
    fn text(&self, draft: &Draft) -> Option<(Range<usize>, String)> {
        let (first, last) = (draft.atoms.first()?, draft.atoms.last()?);
        let span = self.trimmed(first.range.start..last.range.end);
        let start = self.overlap_start(draft, span.start);
        let own = self.splitter.slice(&(start..span.end));
        let own = match own.find('\r') {
            Some(_) => Cow::Owned(own.replace("\r\n", "\n").replace('\r', "\n")),
            None => Cow::Borrowed(own),
        };
        let code = |torn: Torn| self.splitter.outline.code.get(torn.code);
        let mut text = String::with_capacity(own.len());
        if let Some(code) = first.torn.and_then(code)
            && first.range.start > code.range.start
        {
            text.push_str(&code.open);
            text.push('\n');
        }
        text.push_str(&own);
        if let Some(code) = last.torn.and_then(code)
            && last.range.end < code.range.end
        {
            text.push('\n');
            text.push_str(&code.close);
        }
        Some((span, text))
    }

    /// Leaves out the blank lines around a range, but no indentation.
    fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let slice = self.splitter.slice(&range);
        let blank = slice.len() - slice.trim_start().len();
        let lines = slice
            .get(..blank)
            .and_then(|blank| blank.rfind('\n'))
            .map_or(0, |feed| feed + 1);
        range.start + lines..range.start + slice.trim_end().len()
    }

    /// Returns where the repetition of the chunk before begins; `start` if there is none.
    fn overlap_start(&self, draft: &Draft, start: usize) -> usize {
        let Some(before) = draft.before.filter(|_| self.overlap > 0) else {
            return start;
        };
        let torn = draft.atoms.first().is_some_and(|atom| atom.torn.is_some());
        if torn || self.splitter.outline.is_in_code(start) {
            return start;
        }
        let earlier = self.splitter.slice(&(before..start));
        let mut starts: Vec<usize> = sentence_starts(earlier)
            .chain(earlier.match_indices('\n').map(|(feed, _)| feed + 1))
            .map(|at| before + at)
            .filter(|&at| !self.splitter.outline.is_in_code(at))
            .collect();
        starts.sort_unstable();
        starts
            .into_iter()
            .rev()
            .take_while(|&at| self.splitter.count(&(at..start)) <= self.overlap)
            .last()
            .unwrap_or(start)
    }
}
