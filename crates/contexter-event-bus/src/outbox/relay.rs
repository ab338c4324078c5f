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
use crate::receipt::{Acceptance, Receipt};
use crate::transport::{TransportError, TransportErrorKind};

/// How many events are read from the outbox at once.
const BATCH: usize = 256;
/// How many events that are held up are passed over in search of others.
const LOOKS_PAST: usize = 16 * BATCH;
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
    /// How many can never be published; the store has [set them aside](OutboxStore::refuse).
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

    /// Publishes the oldest events once, 256 at a time, until a batch was published; those that are
    /// held up are passed over, 4,096 of them at most.
    ///
    /// What can never be published is set aside: no valid event, one that is too large, and one that
    /// the broker refuses while it takes others.
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
        // Keys of which an event was not confirmed: nothing may overtake it.
        let mut stuck = HashSet::new();
        let mut after = None;
        for _batch in 0..LOOKS_PAST / BATCH {
            let batch = self.store.oldest(after, BATCH).await?;
            let is_last = batch.len() < BATCH;
            after = batch.last().map(|entry| entry.id);
            let goes_on = self.pass(batch, &mut stuck, &mut report).await?;
            if is_last || !goes_on || report.published > 0 {
                break;
            }
        }
        Ok(report)
    }

    /// Publishes a batch, and returns whether it makes sense to go on with the next.
    async fn pass(
        &self,
        batch: Vec<OutboxEntry>,
        stuck: &mut HashSet<String>,
        report: &mut RelayReport,
    ) -> Result<bool, TransportError> {
        let mut rest = batch;
        while !rest.is_empty() {
            let (round, later) = first_of_each_key(rest, stuck, report);
            rest = later;
            if round.is_empty() {
                break;
            }
            // The right to publish may have run out meanwhile.
            if !self.store.lock(&self.owner, LEASE).await? {
                report.held_up += round.len() + rest.len();
                report.elsewhere = true;
                return Ok(false);
            }
            if !self.publish(round, stuck, report).await? {
                report.held_up += rest.len();
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Publishes events at once, and returns whether the bus still takes any.
    async fn publish(
        &self,
        round: Vec<OutboxEntry>,
        stuck: &mut HashSet<String>,
        report: &mut RelayReport,
    ) -> Result<bool, TransportError> {
        let events = round.iter().map(|entry| Arc::clone(&entry.event)).collect();
        let receipts = self.bus.publish_all(events).await;
        let is_through = |receipt: &Result<Receipt, _>| {
            // What a policy has dropped would be dropped again, and come twice to all others.
            let is_refused = |(_, how)| how == Acceptance::Rejected;
            let receipt = receipt.as_ref().ok();
            receipt.is_some_and(|receipt| !receipt.deliveries().any(is_refused))
        };
        let mut through = Vec::with_capacity(round.len());
        through.extend(
            round
                .iter()
                .zip(&receipts)
                .filter(|(_, receipt)| is_through(receipt))
                .map(|(entry, _)| entry.id),
        );
        self.store.remove(&through).await?;
        report.published += through.len();
        // One that was not confirmed while others were says nothing about the next.
        let mut is_open = true;
        for (entry, receipt) in round.iter().zip(receipts) {
            if is_through(&receipt) {
                continue;
            }
            let event = &entry.event;
            match receipt {
                Err(error) if is_final(&error, report.published > 0) => {
                    let reason = one_line(&error);
                    tracing::error!(
                        event.id = event.id(),
                        event.kind = event.event_type(),
                        reason,
                        "event of an outbox can never be published"
                    );
                    self.store.refuse(entry.id, &reason).await?;
                    report.refused += 1;
                    continue;
                }
                Err(error) => {
                    is_open &= !(through.is_empty() && is_transient(&error));
                    tracing::warn!(event.id = event.id(), %error, "event stays in the outbox");
                }
                Ok(_not_by_all) => {}
            }
            report.held_up += 1;
            stuck.extend(event.partition_key().map(str::to_owned));
        }
        Ok(is_open)
    }
}

/// Returns whether no later attempt can succeed. A broker that refuses everything may be set up
/// wrongly; one that takes `others` refuses what is wrong with the event.
fn is_final(error: &PublishError, others: bool) -> bool {
    match error {
        PublishError::InvalidType { .. } | PublishError::Build(_) => true,
        PublishError::Transport(error) => match error.kind() {
            TransportErrorKind::TooLarge => true,
            TransportErrorKind::Refused | TransportErrorKind::Protocol => others,
            _ => false,
        },
        PublishError::Closed | PublishError::Unsupported { .. } => false,
    }
}

/// Returns whether the bus or the broker takes nothing at the moment.
fn is_transient(error: &PublishError) -> bool {
    match error {
        PublishError::Closed => true,
        PublishError::Transport(error) => error.kind().is_transient(),
        _ => false,
    }
}

fn one_line(error: &PublishError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
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
