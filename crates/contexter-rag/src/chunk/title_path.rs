//! The titles above a chunk.

use contexter_model::CountTokens;

use super::content::joined;
use super::outline::Section;

/// The part of a chunk that its title path may take: one third.
const SHARE: usize = 3;

/// The longest title in a path, in characters; more is no title but a paragraph set as one.
const MAX_TITLE_CHARS: usize = 120;

/// The title paths of a document's sections, worked out when they are first asked for.
pub(super) struct TitlePaths<'a> {
    document: &'a str,
    sections: &'a [Section],
    tokens: &'a dyn CountTokens,
    max_tokens: usize,
    known: Vec<Option<TitlePath>>,
}

/// A title path and what it costs.
#[derive(Clone, Debug, Default)]
pub(super) struct TitlePath {
    pub(super) titles: Vec<String>,
    pub(super) tokens: usize,
}

impl<'a> TitlePaths<'a> {
    pub(super) fn new(
        document: &'a str,
        sections: &'a [Section],
        tokens: &'a dyn CountTokens,
        max_tokens: usize,
    ) -> Self {
        Self {
            document,
            sections,
            tokens,
            max_tokens: max_tokens / SHARE,
            known: vec![None; sections.len()],
        }
    }

    pub(super) fn tokens(&mut self, section: usize) -> usize {
        self.of(section).tokens
    }

    pub(super) fn of(&mut self, section: usize) -> TitlePath {
        if let Some(Some(path)) = self.known.get(section) {
            return path.clone();
        }
        let path = self.shortened(self.whole(section));
        if let Some(known) = self.known.get_mut(section) {
            *known = Some(path.clone());
        }
        path
    }

    fn whole(&self, section: usize) -> Vec<String> {
        let mut headings = Vec::new();
        let mut next = Some(section);
        while let Some(found) = next.and_then(|section| self.sections.get(section)) {
            headings.push(found.title.as_str());
            next = found.parent;
        }
        let mut titles: Vec<String> = Vec::new();
        for title in std::iter::once(self.document).chain(headings.into_iter().rev()) {
            let title = one_line(title);
            let repeats = |above: &String| above.to_lowercase() == title.to_lowercase();
            if !title.is_empty() && !titles.last().is_some_and(repeats) {
                titles.push(title);
            }
        }
        titles
    }

    /// Leaves out the middle, then the outermost title, then the end of the last one.
    fn shortened(&self, mut titles: Vec<String>) -> TitlePath {
        loop {
            let tokens = if titles.is_empty() {
                0
            } else {
                self.tokens.count(&joined(&titles))
            };
            if tokens <= self.max_tokens {
                return TitlePath { titles, tokens };
            }
            match titles.as_mut_slice() {
                [only] => {
                    let half = only.floor_char_boundary(only.len() / 2);
                    only.truncate(half);
                    if only.is_empty() {
                        titles.clear();
                    }
                }
                [_, _] => {
                    titles.remove(0);
                }
                _ => {
                    titles.remove(1);
                }
            }
        }
    }
}

/// Returns a title with single spaces, cut at [`MAX_TITLE_CHARS`].
fn one_line(title: &str) -> String {
    let mut line = String::new();
    for word in title.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        // Far more bytes than any such number of characters has: the rest cannot matter.
        if line.len() > MAX_TITLE_CHARS * 4 {
            break;
        }
    }
    if let Some((end, _)) = line.char_indices().nth(MAX_TITLE_CHARS) {
        line.truncate(end);
        line.push('…');
    }
    line
}
