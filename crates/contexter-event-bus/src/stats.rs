//! Counters of a bus and of a subscription.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;

use crate::config::BusConfig;
use crate::dead_letter::DeadLetters;
use crate::event_store::EventStore;

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
    /// How many of them no subscription wanted.
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
}

/// What the bus and its queues share. It knows no queue, so it keeps none alive.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) dead: DeadLetters,
    pub(crate) store: EventStore,
    pub(crate) published: Counter,
    pub(crate) without_subscriber: Counter,
    pub(crate) delivered: Counter,
    pub(crate) failed: Counter,
    pub(crate) dead_lettered: Counter,
    pub(crate) dropped: Counter,
    pub(crate) rejected: Counter,
    pub(crate) expired: Counter,
    pub(crate) abandoned: Counter,
    pending: AtomicUsize,
    idle: Notify,
}

impl Ledger {
    pub(crate) fn new(config: &BusConfig) -> Self {
        Self {
            dead: DeadLetters::new(config.dead_letters),
            store: EventStore::new(config.stored_events, config.stored_bytes),
            published: Counter::default(),
            without_subscriber: Counter::default(),
            delivered: Counter::default(),
            failed: Counter::default(),
            dead_lettered: Counter::default(),
            dropped: Counter::default(),
            rejected: Counter::default(),
            expired: Counter::default(),
            abandoned: Counter::default(),
            pending: AtomicUsize::new(0),
            idle: Notify::new(),
        }
    }

    /// Notes that something has begun which [`end`](Self::end) will end.
    pub(crate) fn begin(&self) {
        self.pending.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn end(&self) {
        if self.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.notify_waiters();
        }
    }

    /// Waits until nothing is pending. Cancel safe.
    pub(crate) async fn idle(&self) {
        loop {
            let notified = self.idle.notified();
            if self.pending() == 0 {
                return;
            }
            notified.await;
        }
    }

    pub(crate) fn pending(&self) -> usize {
        self.pending.load(Ordering::Acquire)
    }

    /// Returns how many deliveries have come to an end.
    pub(crate) fn settled(&self) -> u64 {
        self.delivered.get() + self.dead_lettered.get() + self.expired.get()
    }

    pub(crate) fn stats(&self, subscribers: usize) -> Stats {
        let (stored_events, last_event) = self.store.summary();
        let (dead_letters, dead_letters_evicted) = self.dead.counts();
        Stats {
            subscribers,
            stored_events,
            last_event,
            published: self.published.get(),
            without_subscriber: self.without_subscriber.get(),
            delivered: self.delivered.get(),
            failed: self.failed.get(),
            dead_lettered: self.dead_lettered.get(),
            dead_letters,
            dead_letters_evicted,
            dropped: self.dropped.get(),
            rejected: self.rejected.get(),
            expired: self.expired.get(),
            abandoned: self.abandoned.get(),
            pending: self.pending(),
        }
    }
}

/// A number that only grows; reading it orders nothing else.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
