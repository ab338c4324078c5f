//! Counters of a bus and of a subscription.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;

use crate::config::BusConfig;
use crate::dead_letter::{DeadLetters, Redriven};
use crate::event_store::EventStore;
use crate::tally::{PublishFailures, Tallies};
use crate::trace::TracePropagator;

/// What a bus has done so far. Counters count deliveries, one for each subscription, unless said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// How many subscriptions there are now.
    pub subscribers: usize,
    /// How many events are stored for replay now.
    pub stored_events: usize,
    /// When the last published event happened.
    pub last_event: Option<Timestamp>,
    /// How many events were published.
    pub published: u64,
    /// How many publications failed.
    pub publish_failures: u64,
    /// How many published events no subscription wanted.
    pub without_subscriber: u64,
    /// How many deliveries were handled.
    pub delivered: u64,
    /// How many attempts failed, retried or not.
    pub failed: u64,
    /// How many deliveries became dead letters.
    pub dead_lettered: u64,
    /// How many dead letters are kept now.
    pub dead_letters: usize,
    /// How many dead letters were lost, because newer ones needed the room.
    pub dead_letters_evicted: u64,
    /// How many deliveries were dropped by a full queue.
    pub dropped: u64,
    /// How many deliveries were refused by a full queue.
    pub rejected: u64,
    /// How many deliveries expired before they were handled.
    pub expired: u64,
    /// How many deliveries were left unhandled by a subscription that ended.
    pub abandoned: u64,
    /// How many deliveries were recognised as handled before, and not handled again.
    pub duplicates: u64,
    /// How many deliveries turned out to belong to another consumer by now.
    pub fenced: u64,
    /// How many events brokers had removed before they were handled: see
    /// [`SubscriptionStats::trimmed`].
    pub trimmed: u64,
    /// How many ends observers were not told of, because they are too slow.
    pub untold: u64,
    /// How many deliveries wait or are being handled now.
    pub pending: usize,
}

/// What one subscription has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SubscriptionStats {
    /// How many events wait now, those to be tried again included.
    pub waiting: usize,
    /// How many events are being handled now.
    pub in_flight: usize,
    /// How many events were handled.
    pub delivered: u64,
    /// How many attempts failed, retried or not.
    pub failed: u64,
    /// How many events became dead letters.
    pub dead_lettered: u64,
    /// How many events were dropped by the full queue.
    pub dropped: u64,
    /// How many events were refused by the full queue.
    pub rejected: u64,
    /// How many events expired before they were handled.
    pub expired: u64,
    /// How many events were left unhandled at the end.
    pub abandoned: u64,
    /// How many events were recognised as handled before, and not handled again.
    pub duplicates: u64,
    /// How many events turned out to belong to another consumer by now: their lease had run out.
    pub fenced: u64,
    /// How many events the broker had removed, for their number or their age, before they were
    /// handled, as far as [that is known](crate::transport::TransportHealth::trimmed).
    pub trimmed: u64,
    /// How many ends the [observer](crate::SubscriptionConfig::with_observer) was not told of,
    /// because it is too slow.
    pub untold: u64,
}

impl SubscriptionStats {
    /// Returns how many deliveries have come to an end.
    pub(crate) fn settled(&self) -> u64 {
        self.delivered + self.dead_lettered + self.expired + self.duplicates
    }
}

impl AddAssign<&Self> for SubscriptionStats {
    fn add_assign(&mut self, other: &Self) {
        self.waiting += other.waiting;
        self.in_flight += other.in_flight;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.dead_lettered += other.dead_lettered;
        self.dropped += other.dropped;
        self.rejected += other.rejected;
        self.expired += other.expired;
        self.abandoned += other.abandoned;
        self.duplicates += other.duplicates;
        self.fenced += other.fenced;
        self.trimmed += other.trimmed;
        self.untold += other.untold;
    }
}

/// What the bus and its queues share. It knows no queue, so it keeps none alive.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) dead: DeadLetters,
    /// The dead letters of a broker that are being redriven from here.
    pub(crate) redriven: Redriven,
    pub(crate) store: EventStore,
    /// Given once, by whoever traces.
    pub(crate) propagator: OnceLock<Arc<dyn TracePropagator>>,
    /// What is counted by the name of a subscription.
    pub(crate) tallies: Tallies,
    pub(crate) publish_failures: PublishFailures,
    /// How many publications wait for room.
    publishing: AtomicUsize,
    /// How many wait for the bus to be idle.
    watchers: AtomicUsize,
    idle: Notify,
}

impl Ledger {
    pub(crate) fn new(config: &BusConfig) -> Self {
        Self {
            dead: DeadLetters::new(config.dead_letters),
            redriven: Redriven::default(),
            store: EventStore::new(config),
            propagator: OnceLock::new(),
            tallies: Tallies::default(),
            publish_failures: PublishFailures::default(),
            publishing: AtomicUsize::new(0),
            watchers: AtomicUsize::new(0),
            idle: Notify::new(),
        }
    }

    /// Notes that a publication waits for room, until the guard is dropped.
    pub(crate) fn begin(&self) -> Publishing<'_> {
        self.publishing.fetch_add(1, Ordering::AcqRel);
        Publishing(self)
    }

    pub(crate) fn publishing(&self) -> usize {
        self.publishing.load(Ordering::SeqCst)
    }

    /// Something has become idle: whoever waits for everything to be so looks again.
    ///
    /// A watcher counts itself before it looks at the queues, under their locks, and at the number of
    /// publications that wait; who comes here has just held such a lock, or changed that number. So
    /// either the watcher has seen that, or it is seen here. For the number there is no lock, so all
    /// four accesses are in one order.
    pub(crate) fn woke_idle(&self) {
        if self.watchers.load(Ordering::SeqCst) > 0 {
            self.idle.notify_waiters();
        }
    }

    /// Waits until `is_idle` says so, which is asked again whenever something has become idle.
    ///
    /// Cancel safe.
    pub(crate) async fn idle(&self, is_idle: impl Fn() -> bool) {
        let _watcher = Watcher::new(self);
        loop {
            let changed = self.idle.notified();
            if is_idle() {
                return;
            }
            changed.await;
        }
    }
}

struct Watcher<'a>(&'a Ledger);

impl<'a> Watcher<'a> {
    fn new(ledger: &'a Ledger) -> Self {
        ledger.watchers.fetch_add(1, Ordering::SeqCst);
        Self(ledger)
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A publication that waits for room, also when its future is dropped.
#[derive(Debug)]
pub(crate) struct Publishing<'a>(&'a Ledger);

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        self.0.publishing.fetch_sub(1, Ordering::SeqCst);
        self.0.woke_idle();
    }
}
