//! Items without a key that wait for their first attempt.

use std::collections::VecDeque;

use super::Item;

/// A queue of numbered items, the oldest first.
///
/// Most follow each other without a gap, so that not the number of each is kept, but the runs: an
/// item is two words then, which are moved in registers.
#[derive(Debug, Default)]
pub(super) struct Plain {
    items: VecDeque<Item>,
    runs: VecDeque<Run>,
}

/// Numbers without a gap; the last run may have become empty.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    /// The one after the last.
    end: u64,
}

impl Plain {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns the number of the oldest item.
    #[inline]
    pub(super) fn first(&self) -> Option<u64> {
        self.runs
            .front()
            .filter(|run| run.first < run.end)
            .map(|run| run.first)
    }

    /// Adds an item, whose number is greater than those before.
    #[inline]
    pub(super) fn push(&mut self, seq: u64, item: Item) {
        match self.runs.back_mut() {
            Some(run) if run.end == seq => run.end = seq + 1,
            _ => self.begin_run(seq),
        }
        self.items.push_back(item);
    }

    #[cold]
    fn begin_run(&mut self, seq: u64) {
        if self.first().is_none() {
            self.runs.clear();
        }
        self.runs.push_back(Run {
            first: seq,
            end: seq + 1,
        });
    }

    /// Takes the oldest item.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<(u64, Item)> {
        let item = self.items.pop_front()?;
        let run = self.runs.front_mut()?;
        let seq = run.first;
        run.first += 1;
        if run.first == run.end && self.runs.len() > 1 {
            self.runs.pop_front();
        }
        Some((seq, item))
    }
}
