//! Cutting what is too large, at the best places there are.

use std::ops::Range;

use contexter_model::CountTokens;

use super::outline::Outline;

/// The largest part of a chunk, in percent, that may go into fences around a torn code block.
const MAX_FENCE_PERCENT: usize = 33;

/// A stretch of the document that is not cut any further.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub(super) range: Range<usize>,
    pub(super) tokens: usize,
    /// The fenced block that this is a piece of.
    pub(super) torn: Option<Torn>,
}

/// A fenced code block in pieces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Torn {
    /// Its index among the document's code blocks.
    pub(super) code: usize,
    pub(super) open_tokens: usize,
    pub(super) close_tokens: usize,
}

/// Cuts a document into atoms.
#[derive(Clone, Copy)]
pub(super) struct Splitter<'a> {
    pub(super) text: &'a str,
    pub(super) outline: &'a Outline,
    pub(super) tokens: &'a dyn CountTokens,
}

impl Splitter<'_> {
    /// Cuts a section so that every atom has at most `budget` tokens, and its heading, which is
    /// an atom of its own unless the whole fits, leaves room for the start of what follows.
    pub(super) fn section(&self, range: Range<usize>, headed: bool, budget: usize) -> Vec<Atom> {
        let mut atoms = Vec::new();
        let body = self.outline.breaks_in(&range).first().filter(|_| headed);
        let Some(body) = body else {
            self.split(range, budget, &mut atoms);
            return atoms;
        };
        let tokens = self.count(&range);
        if tokens <= budget {
            self.push(range, tokens, &mut atoms);
            return atoms;
        }
        let heading = range.start..body.at;
        let room = budget.saturating_sub(self.count(&heading));
        self.split(heading, budget, &mut atoms);
        let next = self
            .outline
            .breaks_in(&(body.at..range.end))
            .iter()
            .find(|next| next.rank <= body.rank)
            .map_or(range.end, |next| next.at);
        let lead = body.at..next;
        // Code is not torn for the sake of its heading.
        let is_code = self.outline.code_in(&lead).is_some();
        let lead_budget = if is_code || room < budget / 2 {
            budget
        } else {
            room
        };
        self.split(lead, lead_budget, &mut atoms);
        self.split(next..range.end, budget, &mut atoms);
        atoms
    }

    /// Cuts a range between blocks, the outermost first, then between sentences, lines and words.
    fn split(&self, range: Range<usize>, budget: usize, atoms: &mut Vec<Atom>) {
        let tokens = self.count(&range);
        if tokens <= budget {
            self.push(range, tokens, atoms);
            return;
        }
        let breaks = self.outline.breaks_in(&range);
        if let Some(rank) = breaks.iter().map(|b| b.rank).min() {
            let cuts = breaks.iter().filter(|b| b.rank == rank).map(|b| b.at);
            for piece in pieces(&range, cuts) {
                self.split(piece, budget, atoms);
            }
            return;
        }
        match self.outline.code_in(&range) {
            Some((code, block))
                if block.range.start == range.start && block.range.end >= range.end =>
            {
                self.tear(code, range, budget, atoms);
            }
            Some((_, block)) => {
                for piece in pieces(&range, [block.range.start, block.range.end]) {
                    self.split(piece, budget, atoms);
                }
            }
            None => self.prose(range, budget, atoms),
        }
    }

    fn prose(&self, range: Range<usize>, budget: usize, atoms: &mut Vec<Atom>) {
        let slice = self.slice(&range);
        for sentence in pieces(&range, sentence_starts(slice).map(|at| range.start + at)) {
            let tokens = self.count(&sentence);
            if tokens <= budget {
                self.push(sentence, tokens, atoms);
            } else {
                self.lines(sentence, budget, None, atoms);
            }
        }
    }

    fn lines(&self, range: Range<usize>, budget: usize, torn: Option<Torn>, atoms: &mut Vec<Atom>) {
        for line in pieces(&range, self.line_starts(&range, LineCut::Any)) {
            self.words(line, budget, torn, atoms);
        }
    }

    /// Cuts a code block that is too large by itself: where blank lines stand, then anywhere
    /// between lines.
    fn tear(&self, code: usize, range: Range<usize>, budget: usize, atoms: &mut Vec<Atom>) {
        let Some(block) = self.outline.code.get(code) else {
            return;
        };
        let (open_tokens, close_tokens) = (
            self.tokens.count(&block.open),
            self.tokens.count(&block.close),
        );
        let fences = open_tokens + close_tokens;
        if block.open.is_empty() || fences * 100 > budget * MAX_FENCE_PERCENT {
            self.code(range, budget, LineCut::Unindented, None, atoms);
            return;
        }
        let torn = Torn {
            code,
            open_tokens,
            close_tokens,
        };
        // The document's own fences go with the first and the last piece.
        let slice = self.slice(&range);
        let opening = slice.find('\n').map_or(slice.len(), |feed| feed + 1);
        let trimmed = slice.trim_end();
        let closing = trimmed.rfind('\n').map_or(trimmed.len(), |feed| feed + 1);
        let closed = trimmed
            .get(closing..)
            .is_some_and(|line| line.trim() == block.close.trim());
        let closing = if closed {
            closing.max(opening)
        } else {
            slice.len()
        };
        let inside = range.start + opening..range.start + closing;
        let first = atoms.len();
        self.code(
            inside,
            budget - fences,
            LineCut::Unindented,
            Some(torn),
            atoms,
        );
        if atoms.len() == first {
            // White space alone has no piece that the fences could go with.
            self.code(range, budget, LineCut::Unindented, None, atoms);
            return;
        }
        if let Some(atom) = atoms.get_mut(first) {
            atom.range.start = range.start;
            atom.tokens += open_tokens;
        }
        if let Some(atom) = atoms.get_mut(first..).and_then(<[Atom]>::last_mut) {
            atom.range.end = range.end;
            atom.tokens += close_tokens;
        }
    }

    fn code(
        &self,
        range: Range<usize>,
        budget: usize,
        cut: LineCut,
        torn: Option<Torn>,
        atoms: &mut Vec<Atom>,
    ) {
        for piece in pieces(&range, self.line_starts(&range, cut)) {
            let tokens = self.count(&piece);
            if tokens <= budget {
                self.push_torn(piece, tokens, torn, atoms);
                continue;
            }
            match cut {
                LineCut::Unindented => {
                    self.code(piece, budget, LineCut::AfterBlank, torn, atoms);
                }
                LineCut::AfterBlank | LineCut::Any => self.lines(piece, budget, torn, atoms),
            }
        }
    }

    /// Cuts a range into stretches of about equal size, between words if there are any.
    pub(super) fn words(
        &self,
        range: Range<usize>,
        budget: usize,
        torn: Option<Torn>,
        atoms: &mut Vec<Atom>,
    ) {
        let tokens = self.count(&range);
        let slice = self.slice(&range);
        if tokens <= budget || slice.chars().nth(1).is_none() {
            self.push_torn(range, tokens, torn, atoms);
            return;
        }
        // A little below the budget's share, because tokens are not spread evenly.
        let share = range.len() as u128 * budget as u128 * 9 / (tokens as u128 * 10);
        let share = usize::try_from(share).unwrap_or(usize::MAX);
        let share = share.clamp(1, range.len().div_ceil(2));
        let mut rest = slice;
        let mut at = range.start;
        while !rest.is_empty() {
            let len = word_end(rest, share);
            self.words(at..at + len, budget, torn, atoms);
            at += len;
            rest = rest.get(len..).unwrap_or_default();
        }
    }

    pub(super) fn count(&self, range: &Range<usize>) -> usize {
        self.tokens.count(self.slice(range))
    }

    pub(super) fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn push(&self, range: Range<usize>, tokens: usize, atoms: &mut Vec<Atom>) {
        self.push_torn(range, tokens, None, atoms);
    }

    fn push_torn(
        &self,
        range: Range<usize>,
        tokens: usize,
        torn: Option<Torn>,
        atoms: &mut Vec<Atom>,
    ) {
        if !self.slice(&range).trim().is_empty() {
            atoms.push(Atom {
                range,
                tokens,
                torn,
            });
        }
    }

    fn line_starts(&self, range: &Range<usize>, cut: LineCut) -> impl Iterator<Item = usize> {
        let mut at = range.start;
        let mut after_blank = false;
        self.slice(range)
            .split_inclusive('\n')
            .filter_map(move |line| {
                let start = at;
                at += line.len();
                let blank = line.trim().is_empty();
                let cuts = match cut {
                    LineCut::Any => true,
                    LineCut::AfterBlank => after_blank && !blank,
                    LineCut::Unindented => after_blank && !line.starts_with(char::is_whitespace),
                };
                after_blank = blank;
                cuts.then_some(start)
            })
    }
}

/// Before which lines code is cut.
#[derive(Clone, Copy)]
enum LineCut {
    /// Those that are not indented and follow a blank one: mostly a new item.
    Unindented,
    /// Those that follow a blank one.
    AfterBlank,
    /// All.
    Any,
}

/// Returns the pieces of a range between ascending cuts; cuts outside of it are passed over.
fn pieces(
    range: &Range<usize>,
    cuts: impl IntoIterator<Item = usize>,
) -> impl Iterator<Item = Range<usize>> {
    let (mut start, end) = (range.start, range.end);
    let mut cuts = cuts.into_iter();
    std::iter::from_fn(move || {
        if start >= end {
            return None;
        }
        let stop = cuts
            .find(|&cut| cut > start)
            .map_or(end, |cut| cut.min(end));
        let piece = start..stop;
        start = stop;
        Some(piece)
    })
}

/// Returns where sentences start, the first excepted.
///
/// A sentence ends with its mark, with closing brackets, quotes and emphasis behind it, if white
/// space follows and then anything but a lower-case letter (`e.g. this` goes on). Scripts that put
/// no space behind their full stop need none here.
pub(super) fn sentence_starts(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices(['.', '!', '?', '。', '！', '？'])
        .filter_map(|(at, mark)| {
            let after = text.get(at + mark.len()..)?;
            let rest =
                after.trim_start_matches(['"', '\'', ')', ']', '*', '_', '`', '”', '’', '»']);
            let next = rest.trim_start();
            let spaced = next.len() < rest.len() || mark.len() > 1;
            let starts = next.chars().next().is_some_and(|c| !c.is_lowercase());
            (spaced && starts).then(|| text.len() - next.len())
        })
}

/// Returns the length of the longest start of `text` of at most `most` bytes that ends behind
/// white space; of at most `most` bytes if there is none in its second half; at least a character.
fn word_end(text: &str, most: usize) -> usize {
    if most >= text.len() {
        return text.len();
    }
    let most = text.floor_char_boundary(most);
    let head = text.get(..most).unwrap_or_default();
    let end = head
        .rfind(char::is_whitespace)
        .map_or(0, |at| text.ceil_char_boundary(at + 1));
    if end > most / 2 {
        end
    } else if most > 0 {
        most
    } else {
        text.chars().next().map_or(0, char::len_utf8)
    }
}

#[cfg(test)]
mod tests {
    use super::{pieces, sentence_starts, word_end};

    #[test]
    fn sentences_start_behind_marks_and_space() {
        let text = "One e.g. two (three.) Four v1.2 \"five?\" Six。七";
        let starts: Vec<&str> = sentence_starts(text).map(|at| &text[at..]).collect();
        assert_eq!(starts, ["Four v1.2 \"five?\" Six。七", "Six。七", "七"]);
    }

    #[test]
    fn words_end_behind_white_space_or_at_the_limit() {
        assert_eq!(word_end("aaaa bbbb", 7), 5);
        assert_eq!(word_end("a bbbbbbbbb", 8), 8, "too early a space is no use");
        assert_eq!(word_end("ééé", 3), 2);
        assert_eq!(word_end("é", 1), 2, "a character is the least");
        assert_eq!(word_end("abc", 9), 3);
    }

    #[test]
    fn pieces_cover_their_range() {
        let found: Vec<_> = pieces(&(2..9), [1, 2, 4, 4, 8, 12]).collect();
        assert_eq!(found, [2..4, 4..8, 8..9]);
        assert_eq!(pieces(&(3..3), [3]).count(), 0);
    }
}
