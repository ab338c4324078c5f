//! The last so many calls, exactly: one bit for each and for each kind.

use super::{Mark, Tally};

const WORD: usize = 64;

/// The outcomes of the last `size` calls. Every operation but clearing costs the same however many
/// calls it holds.
#[derive(Debug)]
pub(crate) struct Ring {
    size: usize,
    len: usize,
    /// Where the next outcome goes: over the oldest one, once the ring is full.
    next: usize,
    failures: Plane,
    slow: Plane,
    abandoned: Plane,
}

impl Ring {
    pub(crate) fn new(calls: u32) -> Self {
        let size = usize::try_from(calls).unwrap_or(usize::MAX);
        Self {
            size,
            len: 0,
            next: 0,
            failures: Plane::new(size),
            slow: Plane::new(size),
            abandoned: Plane::new(size),
        }
    }

    pub(crate) fn push(&mut self, mark: Mark) {
        self.failures.put(self.next, mark.failure);
        self.slow.put(self.next, mark.slow);
        self.abandoned.put(self.next, mark.abandoned);
        self.len = self.size.min(self.len + 1);
        self.next += 1;
        if self.next == self.size {
            self.next = 0;
        }
    }

    /// As so many times [`push`](Self::push) of a success, at a 64th of the cost.
    pub(crate) fn push_successes(&mut self, successes: u32) {
        let successes = usize::try_from(successes).unwrap_or(usize::MAX);
        if successes >= self.size {
            // Where it begins does not matter when all are alike.
            self.clear();
            self.len = self.size;
            return;
        }
        let end = self.next + successes;
        for plane in [&mut self.failures, &mut self.slow, &mut self.abandoned] {
            plane.zero(self.next, end.min(self.size));
            plane.zero(0, end.saturating_sub(self.size));
        }
        self.len = self.size.min(self.len + successes);
        self.next = end % self.size;
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally {
            calls: u64::try_from(self.len).unwrap_or(u64::MAX),
            failures: self.failures.ones,
            slow: self.slow.ones,
            abandoned: self.abandoned.ones,
        }
    }

    pub(crate) fn clear(&mut self) {
        let size = self.size;
        for plane in [&mut self.failures, &mut self.slow, &mut self.abandoned] {
            plane.zero(0, size);
        }
        self.len = 0;
        self.next = 0;
    }
}

/// One bit for each call, and how many are set.
#[derive(Debug)]
struct Plane {
    bits: Box<[u64]>,
    ones: u64,
}

impl Plane {
    fn new(size: usize) -> Self {
        Self {
            bits: vec![0; size.div_ceil(WORD)].into(),
            ones: 0,
        }
    }

    fn put(&mut self, at: usize, bit: bool) {
        if let Some(word) = self.bits.get_mut(at / WORD) {
            let mask = 1 << (at % WORD);
            self.ones -= u64::from(*word & mask != 0);
            *word &= !mask;
            if bit {
                *word |= mask;
                self.ones += 1;
            }
        }
    }

    /// Clears the bits from `start` up to, not including, `end`.
    fn zero(&mut self, start: usize, end: usize) {
        if self.ones == 0 || start >= end {
            return;
        }
        let first = start / WORD;
        let words = self.bits.iter_mut().enumerate();
        for (index, word) in words.take(end.div_ceil(WORD)).skip(first) {
            let base = index * WORD;
            let mask = below(end.saturating_sub(base)) & !below(start.saturating_sub(base));
            self.ones -= u64::from((*word & mask).count_ones());
            *word &= !mask;
        }
    }
}

/// The lowest `bits` bits; all of them from 64 on.
fn below(bits: usize) -> u64 {
    if bits >= WORD {
        u64::MAX
    } else {
        (1 << bits) - 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holds_exactly_the_last_calls(
            size in 1..200_u32,
            steps in proptest::collection::vec((0..4_u8, 0..300_u32), 0..60),
        ) {
            let mut ring = Ring::new(size);
            let mut naive = VecDeque::new();
            for (kind, successes) in steps {
                let mark = Mark {
                    failure: kind == 1,
                    slow: kind >= 2,
                    abandoned: kind == 3,
                };
                ring.push(mark);
                naive.push_back(mark);
                ring.push_successes(successes);
                naive.extend((0..successes).map(|_| Mark::default()));
                while naive.len() > size as usize {
                    naive.pop_front();
                }
                let count = |of: fn(&Mark) -> bool| naive.iter().filter(|mark| of(mark)).count() as u64;
                let expected = Tally {
                    calls: naive.len() as u64,
                    failures: count(|mark| mark.failure),
                    slow: count(|mark| mark.slow),
                    abandoned: count(|mark| mark.abandoned),
                };
                prop_assert_eq!(ring.tally(), expected);
            }
        }
    }
}
