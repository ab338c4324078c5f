//! Remembers handled events in memory, a bounded number for a bounded time.

use std::collections::{HashMap, VecDeque};
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
    in_progress: HashMap<DedupeKey, Mark>,
    done: HashMap<DedupeKey, Instant>,
    /// What is done, oldest first, with the time by which it is told from a later one.
    order: VecDeque<(DedupeKey, Instant)>,
}

/// Who is handling an event, and until when that is believed.
#[derive(Debug)]
struct Mark {
    by: DeliveryId,
    until: Instant,
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
            if known.done.get(key) == Some(at) {
                known.done.remove(key);
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
        if known.done.contains_key(key) {
            return Ok(Begin::Done);
        }
        // At most as many are in progress as handlers run, so these need no bound of their own; but
        // a lease that ran out is not in progress any more.
        let mark = known.in_progress.get(key);
        if mark.is_some_and(|mark| mark.until > now && mark.by != *by) {
            return Ok(Begin::InProgress);
        }
        let (by, until) = (by.clone(), now + lease);
        known.in_progress.insert(key.clone(), Mark { by, until });
        Ok(Begin::New)
    }

    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        let now = Instant::now();
        let mut known = self.known.lock();
        known.in_progress.remove(key);
        known.done.insert(key.clone(), now);
        known.order.push_back((key.clone(), now));
        self.forget(&mut known, now);
        Ok(())
    }

    async fn release(&self, key: &DedupeKey, by: &DeliveryId) -> Result<(), TransportError> {
        let mut known = self.known.lock();
        if known
            .in_progress
            .get(key)
            .is_some_and(|mark| mark.by == *by)
        {
            known.in_progress.remove(key);
        }
        Ok(())
    }
}
