//! An outbox in memory: for tests, and where losing it with the process is fine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{OutboxEntry, OutboxId, OutboxStore};
use crate::bus::MAX_WITHIN;
use crate::transport::{TransportError, TransportErrorKind};

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
    owner: Option<(String, Instant)>,
}

impl MemoryOutbox {
    /// Has room for `capacity` events.
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
}

#[async_trait]
impl OutboxStore for MemoryOutbox {
    async fn append(&self, event: Arc<IntegrationEvent>) -> Result<OutboxId, TransportError> {
        let mut state = self.state.lock();
        if state.entries.len() >= self.capacity {
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

    async fn oldest(&self, limit: usize) -> Result<Vec<OutboxEntry>, TransportError> {
        let state = self.state.lock();
        let entries = state.entries.iter().take(limit);
        Ok(entries
            .map(|(id, event)| OutboxEntry::new(*id, Arc::clone(event)))
            .collect())
    }

    async fn remove(&self, ids: &[OutboxId]) -> Result<(), TransportError> {
        let mut state = self.state.lock();
        for id in ids {
            state.entries.remove(id);
        }
        Ok(())
    }
}
