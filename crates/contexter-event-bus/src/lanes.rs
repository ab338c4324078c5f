//! The order in which the waiting events of one queue may run.
//!
//! Pure state: no lock, no clock, no waiting. Events run oldest first, except that of one
//! partition key only the oldest unsettled event runs, also while it waits to be tried again.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use contexter_protocol::IntegrationEvent;
use contexter_service::Delays;
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::receipt::Outcome;

/// An accepted event on its way to the handler.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) event: Arc<IntegrationEvent>,
    /// Which attempt comes next, counted from 1.
    pub(crate) attempt: u32,
    /// The rest of the delays between attempts, and when the first one failed.
    pub(crate) failed: Option<(Delays, Timestamp)>,
    /// Who waits for the outcome.
    pub(crate) waiter: Option<oneshot::Sender<Outcome>>,
}

impl Item {
    pub(crate) fn new(
        event: Arc<IntegrationEvent>,
        waiter: Option<oneshot::Sender<Outcome>>,
    ) -> Self {
        Self {
            event,
            attempt: 1,
            failed: None,
            waiter,
        }
    }

    /// Tells who waits for the outcome.
    pub(crate) fn tell(&mut self, outcome: Outcome) {
        if let Some(waiter) = self.waiter.take() {
            // Nobody is there any more after the deadline of the publisher.
            let _ = waiter.send(outcome);
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Lanes {
    next: u64,
    /// Everything that waits, by age.
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
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns whether an item may run now.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Returns when the next delayed item may run.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.delayed.first().map(|(due, _)| *due)
    }

    /// Adds a new item behind all others.
    pub(crate) fn push(&mut self, item: Item) {
        let seq = self.next;
        self.next += 1;
        let key = item.event.partition_key();
        let place = if let Some(behind) = key.and_then(|key| self.keys.get_mut(key)) {
            behind.push_back(seq);
            Place::Behind
        } else {
            if let Some(key) = key {
                self.keys.insert(key.to_owned(), VecDeque::new());
            }
            self.ready.insert(seq);
            Place::Ready
        };
        self.waiting.insert(seq, (item, place));
    }

    /// Takes the oldest item that may run at `now`. Its key stays taken until [`release`].
    ///
    /// [`release`]: Self::release
    pub(crate) fn take(&mut self, now: Instant) -> Option<(u64, Item)> {
        while let Some((due, seq)) = self.delayed.first().copied()
            && due <= now
        {
            self.delayed.pop_first();
            self.ready.insert(seq);
            if let Some((_, place)) = self.waiting.get_mut(&seq) {
                *place = Place::Ready;
            }
        }
        let seq = self.ready.pop_first()?;
        let (item, _) = self.waiting.remove(&seq)?;
        Some((seq, item))
    }

    /// Puts a taken item back until `due`, at its old age and still holding its key.
    pub(crate) fn put_back(&mut self, seq: u64, item: Item, due: Instant) {
        self.delayed.insert((due, seq));
        self.waiting.insert(seq, (item, Place::Delayed(due)));
    }

    /// Lets the next item of the same key run.
    pub(crate) fn release(&mut self, event: &IntegrationEvent) {
        let Some(key) = event.partition_key() else {
            return;
        };
        match self.keys.get_mut(key).and_then(VecDeque::pop_front) {
            Some(seq) => {
                self.ready.insert(seq);
                if let Some((_, place)) = self.waiting.get_mut(&seq) {
                    *place = Place::Ready;
                }
            }
            None => {
                self.keys.remove(key);
            }
        }
    }

    /// Removes the oldest waiting item.
    pub(crate) fn drop_oldest(&mut self) -> Option<Item> {
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
        std::mem::take(&mut self.waiting)
            .into_values()
            .map(|(item, _)| item)
            .collect()
    }
}
