//! The order in which the waiting events of one queue may run.
//!
//! Pure state: no lock, no clock, no waiting. Events run oldest first, except that of one
//! partition key only the oldest unsettled event runs, also while it waits to be tried again.

mod item;
mod plain;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use contexter_protocol::IntegrationEvent;
use tokio::time::Instant;

pub(crate) use item::{Failed, Item, Left, Owner};
use plain::Plain;

#[derive(Debug, Default)]
pub(crate) struct Lanes {
    next: u64,
    /// What has no key and waits for its first attempt, by age. Nothing can come between these, so
    /// most events need none of the rest.
    plain: Plain,
    /// Everything else that waits, by age.
    waiting: BTreeMap<u64, (Item, Place)>,
    /// The waiting items that may run now.
    ready: BTreeSet<u64>,
    /// The waiting items that may run later.
    delayed: BTreeSet<(Instant, u64)>,
    /// The keys whose oldest item runs or may run, with the items that wait behind it.
    keys: HashMap<String, VecDeque<u64>>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Ready,
    Delayed(Instant),
    Behind,
}

impl Lanes {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.plain.len() + self.waiting.len()
    }

    /// Returns whether an item may run now.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        !self.plain.is_empty() || !self.ready.is_empty()
    }

    /// Returns when the next delayed item may run.
    #[inline]
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.delayed.first().map(|(due, _)| *due)
    }

    /// Adds a new item behind all others.
    #[inline]
    pub(crate) fn push(&mut self, item: Item) {
        let seq = self.next;
        self.next += 1;
        if item.event.partition_key().is_none() {
            self.plain.push(seq, item);
        } else {
            self.push_keyed(seq, item);
        }
    }

    fn push_keyed(&mut self, seq: u64, item: Item) {
        let key = item.event.partition_key().unwrap_or_default();
        let place = if let Some(behind) = self.keys.get_mut(key) {
            behind.push_back(seq);
            Place::Behind
        } else {
            self.keys.insert(key.to_owned(), VecDeque::new());
            self.ready.insert(seq);
            Place::Ready
        };
        self.waiting.insert(seq, (item, place));
    }

    /// Takes the oldest item that may run at `now`, which is only asked for when something is
    /// delayed. Its key stays taken until [`release`].
    ///
    /// [`release`]: Self::release
    #[inline]
    pub(crate) fn take(&mut self, now: impl FnOnce() -> Instant) -> Option<(u64, Item)> {
        if self.waiting.is_empty() {
            return self.plain.pop();
        }
        self.take_oldest(now)
    }

    fn take_oldest(&mut self, now: impl FnOnce() -> Instant) -> Option<(u64, Item)> {
        if !self.delayed.is_empty() {
            self.ripen(now());
        }
        match (self.plain.first(), self.ready.first().copied()) {
            (Some(plain), Some(ready)) if plain > ready => self.take_ready(),
            (None, Some(_)) => self.take_ready(),
            (Some(_), _) => self.plain.pop(),
            (None, None) => None,
        }
    }

    fn ripen(&mut self, now: Instant) {
        while let Some((due, seq)) = self.delayed.first().copied()
            && due <= now
        {
            self.delayed.pop_first();
            self.make_ready(seq);
        }
    }

    fn make_ready(&mut self, seq: u64) {
        self.ready.insert(seq);
        if let Some((_, place)) = self.waiting.get_mut(&seq) {
            *place = Place::Ready;
        }
    }

    fn take_ready(&mut self) -> Option<(u64, Item)> {
        let seq = self.ready.pop_first()?;
        let (item, _) = self.waiting.remove(&seq)?;
        Some((seq, item))
    }

    /// Puts a taken item back until `due`, at its old age and still holding its key.
    pub(crate) fn put_back(&mut self, seq: u64, item: Item, due: Instant) {
        self.delayed.insert((due, seq));
        self.waiting.insert(seq, (item, Place::Delayed(due)));
    }

    /// Puts a taken item back so that it may run again at once, at its old age.
    pub(crate) fn put_back_ready(&mut self, seq: u64, item: Item) {
        self.ready.insert(seq);
        self.waiting.insert(seq, (item, Place::Ready));
    }

    /// Lets the next item of the same key run.
    #[inline]
    pub(crate) fn release(&mut self, event: &IntegrationEvent) {
        // Without keys there is no need to look at the event.
        if !self.keys.is_empty() {
            self.release_key(event);
        }
    }

    fn release_key(&mut self, event: &IntegrationEvent) {
        let Some(key) = event.partition_key() else {
            return;
        };
        match self.keys.get_mut(key).and_then(VecDeque::pop_front) {
            Some(seq) => self.make_ready(seq),
            None => {
                self.keys.remove(key);
            }
        }
    }

    /// Removes the oldest waiting item.
    pub(crate) fn drop_oldest(&mut self) -> Option<Item> {
        let plain = self.plain.first();
        let other = self.waiting.first_key_value().map(|(seq, _)| *seq);
        if plain.is_some_and(|plain| other.is_none_or(|other| plain < other)) {
            return self.plain.pop().map(|(_, item)| item);
        }
        let (seq, (item, place)) = self.waiting.pop_first()?;
        match place {
            Place::Ready => {
                self.ready.remove(&seq);
                self.release(&item.event);
            }
            Place::Delayed(due) => {
                self.delayed.remove(&(due, seq));
                self.release(&item.event);
            }
            // Its key belongs to an item that runs; being the oldest, it is the first behind it.
            Place::Behind => {
                let key = item.event.partition_key().unwrap_or_default();
                if let Some(behind) = self.keys.get_mut(key) {
                    behind.pop_front();
                }
            }
        }
        Some(item)
    }

    /// Removes everything that waits, oldest first.
    pub(crate) fn clear(&mut self) -> Vec<Item> {
        self.ready.clear();
        self.delayed.clear();
        self.keys.clear();
        let mut all = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|(seq, (item, _))| (seq, item))
            .collect::<Vec<_>>();
        all.extend(std::iter::from_fn(|| self.plain.pop()));
        all.sort_by_key(|(seq, _)| *seq);
        all.into_iter().map(|(_, item)| item).collect()
    }
}
