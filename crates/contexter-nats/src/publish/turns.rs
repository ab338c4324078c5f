//! Which publication goes next, and which one an answer is for.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};

/// What waits for its answer, by the number of the publication.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The number of the first place.
    first: u64,
    places: VecDeque<Option<usize>>,
    pub(super) open: usize,
}

impl Sent {
    pub(super) fn add(&mut self, number: u64, index: usize) {
        if self.places.is_empty() {
            self.first = number;
        }
        // Not every number was sent.
        let mut next = self.first + self.places.len() as u64;
        while next < number {
            self.places.push_back(None);
            next += 1;
        }
        self.places.push_back(Some(index));
        self.open += 1;
    }

    pub(super) fn take(&mut self, number: u64) -> Option<usize> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let index = self.places.get_mut(place)?.take()?;
        self.open -= 1;
        while let Some(None) = self.places.front() {
            self.places.pop_front();
            self.first += 1;
        }
        Some(index)
    }
}

/// Which message goes next: the oldest one, except that of one key only one is on its way.
pub(super) struct Turns<'e> {
    fresh: std::ops::Range<usize>,
    /// Those whose turn has come after they had to wait. Their keys are taken.
    freed: VecDeque<usize>,
    /// The keys of what is on its way, with what waits behind it.
    taken: HashMap<&'e str, VecDeque<usize>>,
}

impl<'e> Turns<'e> {
    pub(super) fn new(many: usize) -> Self {
        Self {
            fresh: 0..many,
            freed: VecDeque::new(),
            taken: HashMap::new(),
        }
    }

    /// Returns the next message that may go, whose key is taken until [`over`](Self::over).
    pub(super) fn next(&mut self, key: impl Fn(usize) -> Option<&'e str>) -> Option<usize> {
        if let Some(freed) = self.freed.pop_front() {
            return Some(freed);
        }
        for index in self.fresh.by_ref() {
            let Some(key) = key(index) else {
                return Some(index);
            };
            match self.taken.entry(key) {
                Entry::Vacant(free) => {
                    free.insert(VecDeque::new());
                    return Some(index);
                }
                Entry::Occupied(mut taken) => taken.get_mut().push_back(index),
            }
        }
        None
    }

    /// Returns whether there may be one that may go.
    pub(super) fn has_next(&self) -> bool {
        !self.fresh.is_empty() || !self.freed.is_empty()
    }

    /// It is known what has become of the one of this key.
    pub(super) fn over(&mut self, key: Option<&'e str>) {
        let Some(key) = key else { return };
        match self.taken.get_mut(key).and_then(VecDeque::pop_front) {
            Some(next) => self.freed.push_back(next),
            None => {
                self.taken.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_key_one_is_on_its_way_and_nothing_else_waits() {
        let keys = [Some("a"), None, Some("a"), Some("b"), Some("a"), None];
        let key = |index: usize| keys[index];
        let mut turns = Turns::new(keys.len());
        let at_once: Vec<_> = std::iter::from_fn(|| turns.next(key)).collect();
        assert_eq!(at_once, [0, 1, 3, 5]);
        for index in [1, 3, 5] {
            turns.over(key(index));
            assert_eq!(turns.next(key), None);
        }
        turns.over(key(0));
        assert_eq!((turns.next(key), turns.next(key)), (Some(2), None));
        turns.over(key(2));
        assert_eq!((turns.next(key), turns.next(key)), (Some(4), None));
        turns.over(key(4));
        assert_eq!(turns.next(key), None);
        assert!(turns.taken.is_empty());
    }

    #[test]
    fn answers_are_told_apart_by_number_whatever_their_order() {
        let mut sent = Sent::default();
        for (number, index) in [(7, 70), (8, 80), (11, 110)] {
            sent.add(number, index);
        }
        assert_eq!(sent.open, 3);
        for (number, index) in [(6, None), (9, None), (8, Some(80)), (12, None)] {
            assert_eq!(sent.take(number), index, "{number}");
        }
        assert_eq!((sent.take(7), sent.take(7)), (Some(70), None));
        assert_eq!((sent.take(11), sent.open), (Some(110), 0));
        sent.add(20, 200);
        assert_eq!((sent.take(11), sent.take(20)), (None, Some(200)));
    }
}
