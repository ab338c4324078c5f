//! Events that are published exactly when a change is: written with it, sent afterwards.
//!
//! Whoever changes a database and then publishes an event can die in between. With an outbox, the
//! event is stored in the same transaction as the change, and a [`Relay`] publishes what is stored.
//! It forgets an event only when that was confirmed, so a relay that dies publishes some events
//! twice and none never; deduplication makes one effect of them.

mod memory;
mod relay;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_protocol::IntegrationEvent;

pub use memory::{MemoryOutbox, RefusedEntry};
pub use relay::{Relay, RelayReport};

use crate::transport::TransportError;

/// Names an event in an outbox; a later one is larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxId(pub u64);

/// An event that waits to be published.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutboxEntry {
    /// Its name.
    pub id: OutboxId,
    /// The event.
    pub event: Arc<IntegrationEvent>,
}

impl OutboxEntry {
    /// An event under its name.
    #[must_use]
    pub fn new(id: OutboxId, event: Arc<IntegrationEvent>) -> Self {
        Self { id, event }
    }
}

/// Stores events until they are published.
///
/// A store over a database has, besides this, a method of its own to add events within the caller's
/// transaction.
#[async_trait]
pub trait OutboxStore: fmt::Debug + Send + Sync + 'static {
    /// Adds an event behind all others.
    ///
    /// # Errors
    ///
    /// Returns an error if it was not stored, and if there is no room: an outbox is bounded.
    async fn append(&self, event: Arc<IntegrationEvent>) -> Result<OutboxId, TransportError>;

    /// Takes or renews the right to publish, for as long as `lease`, and returns whether `owner` has
    /// it.
    ///
    /// # Behavior
    ///
    /// Only one owner has it at a time, so that the order of a key holds with several relays.
    async fn lock(&self, owner: &str, lease: Duration) -> Result<bool, TransportError>;

    /// Returns the oldest entries behind `after`, or of all, at most `limit` of them.
    async fn oldest(
        &self,
        after: Option<OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, TransportError>;

    /// Sets an entry aside that can never be published, and keeps it with the reason for people to
    /// look at; it is not read any more.
    async fn refuse(&self, id: OutboxId, reason: &str) -> Result<(), TransportError>;

    /// Forgets entries; one that is not there is no error.
    async fn remove(&self, ids: &[OutboxId]) -> Result<(), TransportError>;
}
