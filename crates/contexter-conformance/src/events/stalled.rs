//! What a bus holds for a subscriber that makes no progress.

use std::sync::{Arc, Weak};
use std::time::Duration;

use contexter_event_bus::transport::Start;
use contexter_event_bus::{
    Bus, BusConfig, Delivery, MessageTransport, Overflow, PublishError, Subscription,
    SubscriptionConfig,
};
use contexter_protocol::IntegrationEvent;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::log::{PATIENCE, in_time, number, until};
use super::meddling::Meddling;
use super::stage::{broken, open};
use crate::Verdict;
use crate::verdict::Checked;

/// How long nothing may change before it is taken for all that happens.
const SETTLED: Duration = Duration::from_millis(200);

/// What a bus held for a subscriber whose handler did not come to an end, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// How many events the publisher has come to; one that waits for room comes to no more.
    pub offered: usize,
    /// How many events are alive in this process: in the queue, with the handler, and with the
    /// publisher. On a broker, of those that came from it.
    pub alive: usize,
    /// How many wait in the queue.
    pub waiting: usize,
    /// How many are with the handler.
    pub in_flight: usize,
    /// How many were dropped, as the subscription counts.
    pub dropped: u64,
    /// How many were refused, as the subscription counts.
    pub rejected: u64,
}

/// A subscriber that makes no progress until it is let go, and a publisher that goes on.
///
/// It is how the suite counts what is held under each [`Overflow`] policy; a benchmark may print the
/// same counts.
///
/// # Examples
///
/// ```
/// use contexter_conformance::events::Stalled;
/// use contexter_event_bus::Overflow;
/// use contexter_protocol::IntegrationEvent;
/// use serde_json::json;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), contexter_conformance::Verdict> {
/// let stalled = Stalled::in_process("a.b", 8, Overflow::DropOldest).await?;
/// let event = |n| IntegrationEvent::builder("bench", "a.b").data(json!({ "n": n })).build();
/// let held = stalled.offer((0..1_000).flat_map(event)).await?;
/// assert_eq!((held.alive, held.dropped), (9, 991));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stalled {
    bus: Bus,
    subscription: Subscription,
    capacity: usize,
    overflow: Overflow,
    gate: Arc<Semaphore>,
    meddling: Option<Arc<Meddling>>,
    handled: Arc<Mutex<Vec<u64>>>,
    offered: Arc<Mutex<Vec<Weak<IntegrationEvent>>>>,
    publisher: Mutex<Option<JoinHandle<Result<(), PublishError>>>>,
}

impl Stalled {
    /// Subscribes to `kind` on a bus in this process, with room for `capacity` events.
    ///
    /// # Errors
    ///
    /// Returns a failed verdict if it cannot subscribe.
    pub async fn in_process(
        kind: &str,
        capacity: usize,
        overflow: Overflow,
    ) -> Result<Self, Verdict> {
        // Stored events would be alive for another reason.
        let bus = Bus::new(&BusConfig::default().with_store(0, 0));
        Self::begin(bus, None, kind, capacity, overflow).await
    }

    /// Subscribes to `kind` on a bus over a broker, with room for `capacity` events.
    ///
    /// # Errors
    ///
    /// Returns a failed verdict if it cannot subscribe.
    pub async fn over(
        transport: Arc<dyn MessageTransport>,
        kind: &str,
        capacity: usize,
        overflow: Overflow,
    ) -> Result<Self, Verdict> {
        let meddling = Arc::new(Meddling::new(transport));
        let shared = Arc::clone(&meddling);
        let bus = Bus::over(shared, &BusConfig::default());
        Self::begin(bus, Some(meddling), kind, capacity, overflow).await
    }

    async fn begin(
        bus: Bus,
        meddling: Option<Arc<Meddling>>,
        kind: &str,
        capacity: usize,
        overflow: Overflow,
    ) -> Checked<Self> {
        let (gate, handled) = (
            Arc::new(Semaphore::new(0)),
            Arc::<Mutex<Vec<u64>>>::default(),
        );
        let hanging = {
            let (gate, handled) = (Arc::clone(&gate), Arc::clone(&handled));
            move |delivery: Delivery| {
                let number = number(delivery.event());
                let (gate, handled) = (Arc::clone(&gate), Arc::clone(&handled));
                async move {
                    if let Ok(permit) = gate.acquire().await {
                        permit.forget();
                    }
                    handled.lock().push(number);
                    Ok(())
                }
            }
        };
        let config = SubscriptionConfig::default()
            .with_group("stalled")
            .with_start(Start::Earliest)
            .with_queue(capacity, overflow);
        let subscription = open(&bus, kind, config, hanging).await?;
        Ok(Self {
            bus,
            subscription,
            capacity,
            overflow,
            gate,
            meddling,
            handled,
            offered: Arc::default(),
            publisher: Mutex::default(),
        })
    }

    /// Publishes `events` one after the other, in the background, and counts what is held when
    /// nothing more happens.
    ///
    /// # Errors
    ///
    /// Returns a failed verdict if that never is so.
    pub async fn offer<E>(&self, events: E) -> Result<Held, Verdict>
    where
        E: IntoIterator<Item = IntegrationEvent>,
        E::IntoIter: Send + 'static,
    {
        let (bus, offered, events) = (
            self.bus.clone(),
            Arc::clone(&self.offered),
            events.into_iter(),
        );
        let (came, mut first) = tokio::sync::watch::channel(false);
        let publisher = tokio::spawn(async move {
            for event in events {
                let event = Arc::new(event);
                offered.lock().push(Arc::downgrade(&event));
                bus.publish(event).await?;
                // The rest is for a handler that hangs already.
                let _it_is_there = first.wait_for(|first| *first).await;
            }
            Ok(())
        });
        *self.publisher.lock() = Some(publisher);
        until("the handler hangs", || {
            std::future::ready(self.count().in_flight > 0)
        })
        .await?;
        came.send_replace(true);
        until("what is offered has found its place", || {
            std::future::ready(self.found_places())
        })
        .await?;
        let end = Instant::now() + PATIENCE;
        let mut before = self.count();
        loop {
            sleep(SETTLED).await;
            let now = self.count();
            if now == before {
                return Ok(now);
            }
            if Instant::now() > end {
                return Err(Verdict::Fail(format!(
                    "expected what is held to settle within {PATIENCE:?}, saw {now:?}"
                )));
            }
            before = now;
        }
    }

    /// Returns whether the publisher can do no more: all is published, or the rest waits for room.
    fn found_places(&self) -> bool {
        let publisher = self.publisher.lock();
        let ended = publisher.as_ref().is_none_or(JoinHandle::is_finished);
        drop(publisher);
        let held = self.count();
        let placed = (held.waiting + held.in_flight) as u64 + held.dropped + held.rejected;
        match self.overflow {
            Overflow::Block if self.meddling.is_none() => {
                ended || (held.waiting >= self.capacity && held.offered as u64 > placed)
            }
            // What a broker has taken comes to the subscriber a little later.
            Overflow::DropNewest | Overflow::DropOldest => ended && placed >= held.offered as u64,
            _ => ended,
        }
    }

    /// Counts what is held now.
    #[must_use]
    pub fn count(&self) -> Held {
        let stats = self.subscription.stats();
        let offered = self.offered.lock();
        let here = || {
            offered
                .iter()
                .filter(|event| event.strong_count() > 0)
                .count()
        };
        Held {
            offered: offered.len(),
            alive: self
                .meddling
                .as_ref()
                .map_or_else(here, |transport| transport.alive()),
            waiting: stats.waiting,
            in_flight: stats.in_flight,
            dropped: stats.dropped,
            rejected: stats.rejected,
        }
    }

    /// Lets the handler go on, and waits until `many` events were handled. Returns their numbers, in
    /// that order.
    pub(crate) async fn let_go(&self, many: usize) -> Checked<Vec<u64>> {
        self.gate.add_permits(Semaphore::MAX_PERMITS / 2);
        let publisher = self.publisher.lock().take();
        if let Some(publisher) = publisher {
            let ended = in_time("publishing", publisher).await?;
            ended
                .map_err(|panic| Verdict::Fail(format!("the publisher panicked: {panic}")))?
                .map_err(broken)?;
        }
        until("what is held is handled", || {
            std::future::ready(self.handled.lock().len() >= many)
        })
        .await?;
        Ok(self.handled.lock().clone())
    }
}
