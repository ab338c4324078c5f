//! Recognising events that were handled before.

mod guard;
mod memory;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_protocol::IntegrationEvent;

pub use memory::MemoryDedupe;

use crate::transport::TransportError;

/// Names an event for one group: its source, its id and the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DedupeKey(Arc<str>);

impl DedupeKey {
    /// Names an event for a group.
    #[must_use]
    pub fn new(event: &IntegrationEvent, group: &str) -> Self {
        let (source, id) = (event.source(), event.id());
        // With the lengths in it, no two different triples have the same text.
        let (first, second) = (group.len(), source.len());
        Self(format!("{first}:{group}{second}:{source}{id}").into())
    }

    /// Returns the name as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is known about an event before it is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Begin {
    /// Nothing: it is in progress from now on.
    New,
    /// Somebody is handling it.
    InProgress,
    /// It was handled.
    Done,
}

/// Remembers which events were handled, in two states: in progress with a lease, and done.
///
/// An event is done only after its handler has succeeded. So a failed first attempt does not make
/// the next one be skipped, and a process that dies in the middle leaves a lease that runs out.
#[async_trait]
pub trait DedupeStore: fmt::Debug + Send + Sync + 'static {
    /// Marks an event as in progress, if it is neither that nor done.
    ///
    /// # Behavior
    ///
    /// Of any number of callers at the same time, exactly one gets [`Begin::New`], until the lease
    /// has run out or [`release`](Self::release) was called.
    async fn begin(&self, key: &DedupeKey, lease: Duration) -> Result<Begin, TransportError>;

    /// Marks an event as done, whatever it was before.
    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError>;

    /// Makes an event that is in progress be as new; one that is done stays so.
    async fn release(&self, key: &DedupeKey) -> Result<(), TransportError>;
}

/// The deduplication of one group.
#[derive(Clone, Debug)]
pub(crate) struct Dedupe {
    pub(crate) store: Arc<dyn DedupeStore>,
    pub(crate) group: Arc<str>,
}

impl Dedupe {
    pub(crate) fn key(&self, event: &IntegrationEvent) -> DedupeKey {
        DedupeKey::new(event, &self.group)
    }
}
