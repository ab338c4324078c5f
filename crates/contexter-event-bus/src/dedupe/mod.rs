//! Recognising events that were handled before.

mod guard;
mod memory;

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_protocol::IntegrationEvent;
use uuid::Uuid;

pub use memory::MemoryDedupe;

use crate::lanes::Item;
use crate::pattern::Pattern;
use crate::transport::TransportError;

/// The most bytes of a length and the colon behind it.
const DIGITS: usize = 21;

/// Names an event for one group: its source, its id, the group and its pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DedupeKey(Arc<str>);

impl DedupeKey {
    /// Names an event for a group, as the bus does for a
    /// [`SubscriptionConfig::group`](crate::SubscriptionConfig::group) that subscribes to a pattern.
    #[must_use]
    pub fn new(event: &IntegrationEvent, group: &str, pattern: &Pattern) -> Self {
        Self::within(event, &counted(&whole_group(group, pattern)))
    }

    /// Names an event for a group that is [`counted`].
    fn within(event: &IntegrationEvent, group: &str) -> Self {
        let (source, id) = (event.source(), event.id());
        // With the lengths in it, no two different triples have the same text.
        let room = group.len() + DIGITS + source.len() + id.len();
        let mut name = String::with_capacity(room);
        name.push_str(group);
        // A text takes whatever is written.
        let _written = write!(name, "{}:", source.len());
        name.push_str(source);
        name.push_str(id);
        Self(name.into())
    }

    /// Returns the name as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names a group apart from one of the same name with another pattern. A pattern has no space in
/// it, so no two have the same text.
fn whole_group(group: &str, pattern: &Pattern) -> String {
    format!("{group} {pattern}")
}

/// Puts its length before the name of a group.
fn counted(group: &str) -> String {
    format!("{}:{group}", group.len())
}

/// Names one delivery of a message, which is who begins to handle an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId {
    place: Arc<str>,
    count: u32,
}

impl DeliveryId {
    /// The delivery of this number, counted from 1, of the message at a place.
    ///
    /// The place is that at the broker, or, in process, one that no other delivery has. An event
    /// that was published twice has two.
    #[must_use]
    pub fn new(place: impl Into<Arc<str>>, count: u32) -> Self {
        Self {
            place: place.into(),
            count,
        }
    }

    /// Returns where the message is.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Returns how often it was delivered, this time included.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Returns whether this is the same message, delivered again after that.
    #[must_use]
    pub fn follows(&self, other: &Self) -> bool {
        self.place == other.place && self.count > other.count
    }
}

/// What is known about an event before it is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Begin {
    /// Nothing: it is in progress from now on.
    New,
    /// Somebody had begun with it and never came to an end; it is in progress from now on.
    TakenOver,
    /// Somebody is handling it.
    InProgress,
    /// It was handled.
    Done,
}

/// Remembers which events were handled, in two states: in progress with a lease, and done.
///
/// An event is done only after its handler has succeeded. So a failed first attempt does not make
/// the next one be skipped, and a process that dies in the middle leaves a lease that runs out.
///
/// [`MemoryDedupe`] is the default, and knows this process alone. A store that processes share
/// recognises what another one has handled, and after a restart what was handled before it. While
/// it cannot be reached, nothing is handled: events wait.
#[async_trait]
pub trait DedupeStore: fmt::Debug + Send + Sync + 'static {
    /// Marks an event as in progress on behalf of one delivery, if it is neither that nor done.
    ///
    /// # Behavior
    ///
    /// - Of any number of callers at the same time, exactly one gets [`Begin::New`] or
    ///   [`Begin::TakenOver`], until the lease has run out or [`release`](Self::release) was called.
    /// - Asked again for the same delivery, it answers as it did at first, since the first answer
    ///   may have been lost.
    /// - A store that [outlives processes](Self::outlives_processes) lets a delivery take over at
    ///   once from an earlier one of the same message ([`DeliveryId::follows`]), because the broker
    ///   has taken it away from that; and it tells [`Begin::TakenOver`] from [`Begin::New`], also
    ///   when the lease has run out.
    async fn begin(
        &self,
        key: &DedupeKey,
        by: &DeliveryId,
        lease: Duration,
    ) -> Result<Begin, TransportError>;

    /// Marks an event as done, whatever it was before.
    async fn done(&self, key: &DedupeKey) -> Result<(), TransportError>;

    /// Makes an event that is in progress on behalf of this delivery be as new. One that is done,
    /// or that another delivery has taken over, stays so.
    async fn release(&self, key: &DedupeKey, by: &DeliveryId) -> Result<(), TransportError>;

    /// Returns whether the store knows what processes had begun that have died. Default: no.
    ///
    /// If it does, an event that was delivered too often becomes poison only if a handler had begun
    /// with it; what merely was in the same process gets its attempt.
    fn outlives_processes(&self) -> bool {
        false
    }
}

/// The deduplication of one group.
#[derive(Clone, Debug)]
pub(crate) struct Dedupe {
    pub(crate) store: Arc<dyn DedupeStore>,
    /// The name of the group with its pattern, and its length before it.
    group: Arc<str>,
    /// What no other queue has, to name deliveries that come from no broker.
    here: Uuid,
}

impl Dedupe {
    /// Of one subscription alone. Others of the same name, here or in another process, get the same
    /// events, and what those have handled is no duplicate here.
    pub(crate) fn alone(store: Arc<dyn DedupeStore>, name: &str) -> Self {
        let here = Uuid::now_v7();
        let group = counted(&format!("{name} {here}")).into();
        Self { store, group, here }
    }

    pub(crate) fn of_group(store: Arc<dyn DedupeStore>, group: &str, pattern: &Pattern) -> Self {
        let here = Uuid::now_v7();
        let group = counted(&whole_group(group, pattern)).into();
        Self { store, group, here }
    }

    pub(crate) fn key(&self, event: &IntegrationEvent) -> DedupeKey {
        DedupeKey::within(event, &self.group)
    }

    /// Names the delivery of an item of the queue.
    pub(crate) fn delivery(&self, seq: u64, item: &Item) -> DeliveryId {
        match item.leased() {
            Some(leased) => DeliveryId::new(Arc::clone(&leased.id), leased.delivery_count),
            None => DeliveryId::new(format!("{}/{seq}", self.here), 1),
        }
    }
}
