//! An outbox in memory: for tests, and where losing it with the process is fine.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{OutboxEntry, OutboxId, OutboxStore};
use crate::bus::MAX_WITHIN;
use crate::transport::{TransportError, TransportErrorKind};

/// An event that can never be published, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RefusedEntry {
    /// The event, under its name.
    pub entry: OutboxEntry,
    /// Why, in one line.
    pub reason: String,
}

/// An outbox in the memory of this process.
#[derive(Debug)]
pub struct MemoryOutbox {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    entries: BTreeMap<OutboxId, Arc<IntegrationEvent>>,
    refused: Vec<RefusedEntry>,
    owner: Option<(String, Instant)>,
}

impl MemoryOutbox {
    /// Has room for `capacity` events, those that were [refused](OutboxStore::refuse) included.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            state: Mutex::default(),
        }
    }

    /// Returns how many events wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state.lock().entries.len()
    }

    /// Returns whether no event waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes out what was refused, oldest first, which makes room.
    #[must_use]
    pub fn take_refused(&self) -> Vec<RefusedEntry> {
        std::mem::take(&mut self.state.lock().refused)
    }
}

#[async_trait]
impl OutboxStore for MemoryOutbox {
    async fn append(&self, event: Arc<IntegrationEvent>) -> Result<OutboxId, TransportError> {
        let mut state = self.state.lock();
        if state.entries.len() + state.refused.len() >= self.capacity {
            let message = format!("outbox holds {} events, and takes no more", self.capacity);
            return Err(TransportError::new(TransportErrorKind::Full, message));
        }
        state.next += 1;
        let id = OutboxId(state.next);
        state.entries.insert(id, event);
        Ok(id)
    }

    async fn lock(&self, owner: &str, lease: Duration) -> Result<bool, TransportError> {
        let now = Instant::now();
        let mut state = self.state.lock();
        let free = state
            .owner
            .as_ref()
            .is_none_or(|(other, until)| other == owner || *until <= now);
        if free {
            state.owner = Some((owner.to_owned(), now + lease.min(MAX_WITHIN)));
        }
        Ok(free)
    }

    async fn oldest(
        &self,
        after: Option<OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, TransportError> {
        let state = self.state.lock();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let entries = state.entries.range((from, Bound::Unbounded)).take(limit);
        Ok(entries
            .map(|(id, event)| OutboxEntry::new(*id, Arc::clone(event)))
            .collect())
    }

    async fn refuse(&self, id: OutboxId, reason: &str) -> Result<(), TransportError> {
        let mut state = self.state.lock();
        if let Some(event) = state.entries.remove(&id) {
            state.refused.push(RefusedEntry {
                entry: OutboxEntry::new(id, event),
                reason: reason.to_owned(),
            });
        }
        Ok(())
    }

    async fn remove(&self, ids: &[OutboxId]) -> Result<(), TransportError> {
        let mut state = self.state.lock();
        for id in ids {
            state.entries.remove(id);
        }
        Ok(())
    }
}
