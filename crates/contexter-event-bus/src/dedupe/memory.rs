//! Remembers handled events in memory, a bounded number for a bounded time.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Begin, DedupeKey, DedupeStore, DeliveryId};
use crate::transport::TransportError;

/// Remembers handled events in the memory of this process.
///
/// It forgets the oldest when it is full, and each after some time; what it has forgotten is
/// handled again. Another process knows nothing of it.
#[derive(Debug)]
pub struct MemoryDedupe {
    capacity: usize,
    age: Duration,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    events: HashMap<DedupeKey, How>,
    /// What is done, oldest first, with the time by which it is told from a later one.
    order: VecDeque<(DedupeKey, Instant)>,
}

/// How far an event is.
#[derive(Debug, PartialEq)]
enum How {
    /// Somebody is handling it, and until when that is believed.
    InProgress { by: DeliveryId, until: Instant },
    /// It was handled then.
    Done(Instant),
}

impl MemoryDedupe {
    /// Remembers at most `capacity` handled events, each for at most `age`.
    #[must_use]
    pub fn new(capacity: usize, age: Duration) -> Self {
        Self {
            capacity,
            age,
            known: Mutex::default(),
        }
    }

    fn forget(&self, known: &mut Known, now: Instant) {
        while let Some((key, at)) = known.order.front() {
            let old = now.duration_since(*at) > self.age;
            if !old && known.order.len() <= self.capacity {
                break;
            }
            if known.events.get(key) == Some(&How::Done(*at)) {
                known.events.remove(key);
            }
            known.order.pop_front();
        }
    }
}

#[async_trait]
impl DedupeStore for MemoryDedupe {
    async fn begin(
        &self,
        key: &DedupeKey,
        by: &DeliveryId,
        lease: Duration,
    ) -> Result<Begin, TransportError> {
        let now = Instant::now();
        let mut known = self.known.lock();
        self.forget(&mut known, now);
        // At most as many are in progress as handlers run, so these need no bound of their own; but
        // a lease that ran out is not in progress any more.
        let (by, until) = (by.clone(), now + lease);
        match known.events.entry(key.clone()) {
            Entry::Vacant(unknown) => {
                unknown.insert(How::InProgress { by, until });
            }
            Entry::Occupied(mut known) => match known.get() {
                How::Done(_) => return Ok(Begin::Done),
                How::InProgress {
                    by: other,
                    until: end,
                } if *end > now && *other != by => return Ok(Begin::InProgress),
                How::InProgress { .. } => {
                    known.insert(How::InProgress { by, until });
                }
            },
        }
        Ok(Begin::New)
    }

    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        let now = Instant::now();
        let mut known = self.known.lock();
        known.events.insert(key.clone(), How::Done(now));
        known.order.push_back((key.clone(), now));
        self.forget(&mut known, now);
        Ok(())
    }

    async fn release(&self, key: &DedupeKey, by: &DeliveryId) -> Result<(), TransportError> {
        let mut known = self.known.lock();
        let ours = |how: &How| matches!(how, How::InProgress { by: other, .. } if other == by);
        if known.events.get(key).is_some_and(ours) {
            known.events.remove(key);
        }
        Ok(())
    }
}
