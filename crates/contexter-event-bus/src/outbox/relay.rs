//! From the outbox to the bus.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use contexter_service::Backoff;
use tokio::time::sleep;
use uuid::Uuid;

use super::{OutboxEntry, OutboxStore};
use crate::bus::Bus;
use crate::error::PublishError;
use crate::transport::TransportError;

/// How many events are read from the outbox at once.
const BATCH: usize = 256;
/// How long a relay that says nothing any more keeps others from publishing.
const LEASE: Duration = Duration::from_secs(30);
/// The first and the longest pause while there is nothing to do, or nothing can be done.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));

/// Publishes what an outbox holds: in the order of each key, and forgetting only what was confirmed.
///
/// Any number may run on one outbox, in any number of processes: one of them works.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use contexter_event_bus::Bus;
/// use contexter_event_bus::outbox::{MemoryOutbox, OutboxStore, Relay};
/// use contexter_protocol::IntegrationEvent;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let outbox = Arc::new(MemoryOutbox::new(1_000));
/// let event = IntegrationEvent::builder("orders", "order.placed").build()?;
/// outbox.append(Arc::new(event)).await?;
///
/// let bus = Bus::default();
/// let report = Relay::new(outbox.clone(), bus).run_once().await?;
/// assert_eq!(report.published, 1);
/// assert!(outbox.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Relay {
    store: Arc<dyn OutboxStore>,
    bus: Bus,
    owner: String,
}

/// What one pass over an outbox did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayReport {
    /// How many events were confirmed and forgotten.
    pub published: usize,
    /// How many were not confirmed and stay, those behind them on the same key included.
    pub held_up: usize,
    /// How many can never be published, because they are no valid events; they were forgotten, and
    /// logged.
    pub refused: usize,
    /// Whether another relay has the right to publish, so that nothing was done.
    pub elsewhere: bool,
}

impl Relay {
    /// Publishes from `store` to `bus`.
    #[must_use]
    pub fn new(store: Arc<dyn OutboxStore>, bus: Bus) -> Self {
        Self {
            store,
            bus,
            owner: Uuid::now_v7().to_string(),
        }
    }

    /// Publishes until the future is dropped.
    ///
    /// # Cancel safety
    ///
    /// What was confirmed but not forgotten yet is published again by the next relay.
    pub async fn run(&self) {
        let (first, longest) = PAUSES;
        let backoff = Backoff::new(first, longest).ok();
        let pauses = || backoff.as_ref().map(Backoff::delays);
        let mut pause = pauses();
        loop {
            match self.run_once().await {
                Ok(report) if report.published > 0 => {
                    pause = pauses();
                    continue;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "outbox cannot be read"),
            }
            sleep(pause.as_mut().and_then(Iterator::next).unwrap_or(longest)).await;
        }
    }

    /// Publishes the oldest events once, 256 at most.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails. An event that is not confirmed is no error: it stays.
    ///
    /// # Cancel safety
    ///
    /// As for [`run`](Self::run).
    pub async fn run_once(&self) -> Result<RelayReport, TransportError> {
        let mut report = RelayReport::default();
        if !self.store.lock(&self.owner, LEASE).await? {
            report.elsewhere = true;
            return Ok(report);
        }
        let mut rest = self.store.oldest(BATCH).await?;
        // Keys of which an event was not confirmed: nothing may overtake it.
        let mut stuck = HashSet::new();
        while !rest.is_empty() {
            let (round, later) = first_of_each_key(rest, &stuck, &mut report);
            rest = later;
            if round.is_empty() {
                break;
            }
            // The right to publish may have run out meanwhile.
            if !self.store.lock(&self.owner, LEASE).await? {
                report.held_up += round.len() + rest.len();
                report.elsewhere = true;
                break;
            }
            self.publish(round, &mut stuck, &mut report).await?;
        }
        Ok(report)
    }

    async fn publish(
        &self,
        round: Vec<OutboxEntry>,
        stuck: &mut HashSet<String>,
        report: &mut RelayReport,
    ) -> Result<(), TransportError> {
        let events = round.iter().map(|entry| Arc::clone(&entry.event)).collect();
        let receipts = self.bus.publish_all(events).await;
        let mut through = Vec::with_capacity(round.len());
        for (entry, receipt) in round.iter().zip(receipts) {
            let event = &entry.event;
            match receipt {
                Ok(receipt) if receipt.is_complete() => {
                    report.published += 1;
                    through.push(entry.id);
                    continue;
                }
                Ok(_not_by_all) => {}
                Err(PublishError::InvalidType { .. }) => {
                    tracing::error!(
                        event.id = event.id(),
                        event.kind = event.event_type(),
                        "event of an outbox can never be published"
                    );
                    report.refused += 1;
                    through.push(entry.id);
                    continue;
                }
                Err(error) => {
                    tracing::warn!(event.id = event.id(), %error, "event stays in the outbox");
                }
            }
            report.held_up += 1;
            stuck.extend(event.partition_key().map(str::to_owned));
        }
        self.store.remove(&through).await
    }
}

/// Parts the entries that may be published together from those that must wait for them.
fn first_of_each_key(
    entries: Vec<OutboxEntry>,
    stuck: &HashSet<String>,
    report: &mut RelayReport,
) -> (Vec<OutboxEntry>, Vec<OutboxEntry>) {
    let mut taken = HashSet::new();
    let (mut round, mut later) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry.event.partition_key() {
            Some(key) if stuck.contains(key) => report.held_up += 1,
            Some(key) if !taken.insert(key.to_owned()) => later.push(entry),
            _ => round.push(entry),
        }
    }
    (round, later)
}
