//! Remembers handled events in memory, a bounded number for a bounded time.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
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
    /// What is in progress, by the end of its lease and a number that makes that unique.
    leases: BTreeMap<(Instant, u64), DedupeKey>,
    next: u64,
}

/// How far an event is.
#[derive(Debug, PartialEq)]
enum How {
    /// Somebody is handling it, and until when that is believed.
    InProgress {
        by: DeliveryId,
        lease: (Instant, u64),
    },
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
        // Nobody is at that any more: what was, had ended or was cancelled without saying so.
        while let Some(lease) = known.leases.first_entry()
            && lease.key().0 <= now
        {
            let key = lease.remove();
            known.events.remove(&key);
        }
    }
}

impl Known {
    /// Marks what is not done, or not known, as in progress.
    fn begin(&mut self, key: &DedupeKey, by: &DeliveryId, until: Instant) -> Begin {
        let lease = (until, self.next);
        match self.events.entry(key.clone()) {
            Entry::Vacant(free) => {
                let by = by.clone();
                free.insert(How::InProgress { by, lease });
            }
            Entry::Occupied(known) => match known.into_mut() {
                How::Done(_) => return Begin::Done,
                How::InProgress { by: other, .. } if other != by => return Begin::InProgress,
                How::InProgress { lease: old, .. } => {
                    self.leases.remove(old);
                    *old = lease;
                }
            },
        }
        self.next += 1;
        self.leases.insert(lease, key.clone());
        Begin::New
    }

    fn done(&mut self, key: &DedupeKey, now: Instant) {
        match self.events.entry(key.clone()) {
            Entry::Vacant(free) => {
                free.insert(How::Done(now));
            }
            Entry::Occupied(mut known) => {
                if let How::InProgress { lease, .. } = known.insert(How::Done(now)) {
                    self.leases.remove(&lease);
                }
            }
        }
        self.order.push_back((key.clone(), now));
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
        Ok(known.begin(key, by, now + lease))
    }

    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError> {
        let now = Instant::now();
        let mut known = self.known.lock();
        known.done(key, now);
        self.forget(&mut known, now);
        Ok(())
    }

    async fn release(&self, key: &DedupeKey, by: &DeliveryId) -> Result<(), TransportError> {
        let mut known = self.known.lock();
        if let Some(How::InProgress { by: other, lease }) = known.events.get(key)
            && other == by
        {
            let lease = *lease;
            known.leases.remove(&lease);
            known.events.remove(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use contexter_protocol::IntegrationEvent;

    use super::*;

    const LEASE: Duration = Duration::from_secs(10);

    fn key(id: &str) -> DedupeKey {
        let event = IntegrationEvent::builder("test", "a.b").id(id);
        DedupeKey::new(&event.build().unwrap(), "g", &"a.b".parse().unwrap())
    }

    fn by(place: &str) -> DeliveryId {
        DeliveryId::new(place, 1)
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_says_the_end_of_is_forgotten_when_its_lease_is_over() {
        let store = MemoryDedupe::new(10, Duration::from_hours(1));
        for number in 0..1_000 {
            let id = number.to_string();
            let begun = store.begin(&key(&id), &by(&id), LEASE).await.unwrap();
            assert_eq!(begun, Begin::New);
        }
        let other = store.begin(&key("7"), &by("other"), LEASE).await.unwrap();
        assert_eq!(other, Begin::InProgress);
        tokio::time::advance(LEASE).await;
        let again = store.begin(&key("7"), &by("other"), LEASE).await.unwrap();
        assert_eq!(again, Begin::New);
        let known = store.known.lock();
        assert_eq!((known.events.len(), known.leases.len()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_ended_leaves_no_lease() {
        let store = MemoryDedupe::new(10, Duration::from_hours(1));
        for id in ["1", "2", "3"] {
            store.begin(&key(id), &by(id), LEASE).await.unwrap();
            store.begin(&key(id), &by(id), LEASE).await.unwrap();
        }
        store.done(&key("1")).await.unwrap();
        store.release(&key("2"), &by("2")).await.unwrap();
        store.release(&key("3"), &by("other")).await.unwrap();
        {
            let known = store.known.lock();
            assert_eq!((known.events.len(), known.leases.len()), (2, 1));
        }
        tokio::time::advance(LEASE * 2).await;
        let done = store.begin(&key("1"), &by("x"), LEASE).await.unwrap();
        assert_eq!(done, Begin::Done, "the end of its lease is not its own");
        assert_eq!(store.known.lock().leases.len(), 0);
    }
}
