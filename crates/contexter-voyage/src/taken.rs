//! Vectors that were taken out of a reply, and where they were.

use std::cell::RefCell;
use std::mem;

/// A vector that was taken out of JSON, in the place of which an empty text was left.
#[derive(Debug)]
pub(crate) struct Taken<E> {
    /// Where the empty text begins in what is left, behind its quote.
    pub(crate) at: usize,
    pub(crate) values: Vec<E>,
    pub(crate) extent: Extent,
}

/// How much of the reply a vector was, its quotes or brackets included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    bytes: usize,
    /// The lines that end in it.
    lines: usize,
    /// The bytes behind the last of these ends.
    tail: usize,
}

impl Extent {
    /// Of base64, in which no line can end.
    pub(crate) fn of_text(text: &[u8]) -> Self {
        Self {
            bytes: text.len().saturating_add(2),
            lines: 0,
            tail: 0,
        }
    }

    /// Of bytes as they are.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let last = memchr::memrchr(b'\n', bytes);
        Self {
            bytes: bytes.len(),
            lines: memchr::memchr_iter(b'\n', bytes).count(),
            tail: last.map_or(0, |last| bytes.len() - last - 1),
        }
    }
}

/// All that was taken out of a reply, to be asked for by what was left in its place.
#[derive(Debug)]
pub(crate) struct Removed<E> {
    /// Where in memory what is left begins.
    start: usize,
    taken: RefCell<Vec<Taken<E>>>,
}

impl<E> Removed<E> {
    /// `taken` is in the order of `json`.
    pub(crate) fn new(json: &[u8], taken: Vec<Taken<E>>) -> Self {
        Self {
            start: json.as_ptr().addr(),
            taken: RefCell::new(taken),
        }
    }

    /// Returns the values that this text of the JSON stands for: it is known by its place, so that no
    /// text of the vendor can be taken for it.
    pub(crate) fn of(&self, text: &str) -> Option<Vec<E>> {
        let at = text.as_ptr().addr().checked_sub(self.start)?;
        let mut taken = self.taken.borrow_mut();
        let place = taken.binary_search_by_key(&at, |taken| taken.at).ok()?;
        taken
            .get_mut(place)
            .map(|taken| mem::take(&mut taken.values))
    }

    /// Returns the line and the column of the reply for those of what is left of it.
    pub(crate) fn position(&self, json: &[u8], line: usize, column: usize) -> (usize, usize) {
        let mut ends = memchr::memchr_iter(b'\n', json);
        let start = line.checked_sub(2).and_then(|ended| ends.nth(ended));
        let until = start.map_or(0, |end| end + 1).saturating_add(column);
        let mut position = Position { line: 1, column: 0 };
        let mut done = 0;
        for Taken { at, extent, .. } in &*self.taken.borrow() {
            // The empty text with its quotes.
            let (from, to) = (at.saturating_sub(1), at.saturating_add(1));
            if to > until {
                break;
            }
            let before = json.get(done..from).unwrap_or_default();
            position.pass(Extent::of(before));
            position.pass(*extent);
            done = to;
        }
        let before = json.get(done..until).unwrap_or_default();
        position.pass(Extent::of(before));
        (position.line, position.column)
    }
}

struct Position {
    line: usize,
    column: usize,
}

impl Position {
    fn pass(&mut self, extent: Extent) {
        if extent.lines == 0 {
            self.column = self.column.saturating_add(extent.bytes);
        } else {
            self.line = self.line.saturating_add(extent.lines);
            self.column = extent.tail;
        }
    }
}
