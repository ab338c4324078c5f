//! What can be set on a bus and on a subscription.

use std::time::Duration;

use contexter_service::{Backoff, InvalidConfig};
use serde::{Deserialize, Serialize};

/// What a [`Bus`](crate::Bus) keeps. All bounds are hard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BusConfig {
    /// How many published events are kept for replay. Default 1,000; 0 keeps none.
    pub stored_events: usize,
    /// How many bytes of published events are kept, roughly. Default 16 MiB.
    pub stored_bytes: usize,
    /// How many dead letters are kept; the oldest make room. Default 1,000.
    pub dead_letters: usize,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            stored_events: 1_000,
            stored_bytes: 16 * 1024 * 1024,
            dead_letters: 1_000,
        }
    }
}

impl BusConfig {
    /// Sets how many published events are kept, and how many bytes of them.
    #[must_use]
    pub const fn with_store(mut self, events: usize, bytes: usize) -> Self {
        self.stored_events = events;
        self.stored_bytes = bytes;
        self
    }

    /// Sets how many dead letters are kept.
    #[must_use]
    pub const fn with_dead_letters(mut self, letters: usize) -> Self {
        self.dead_letters = letters;
        self
    }
}

/// What happens to an event when the queue of a subscription is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overflow {
    /// The publisher waits for room. The default: nothing is lost.
    #[default]
    Block,
    /// The event is refused, and the receipt says so.
    Reject,
    /// The event is dropped and counted.
    DropNewest,
    /// The oldest waiting event is dropped and counted; one that waits to be tried again, too.
    DropOldest,
}

/// How a subscription queues, handles and retries events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SubscriptionConfig {
    /// The name in receipts, dead letters and logs. Default: the pattern.
    pub name: Option<String>,
    /// How many events may wait. Default 1,024.
    pub capacity: usize,
    /// What happens to an event that finds the queue full. Default [`Overflow::Block`].
    pub overflow: Overflow,
    /// How many events are handled at once. Default 1.
    pub concurrency: usize,
    /// How often an event is given to the handler before it becomes a dead letter. Default 3.
    pub max_attempts: u32,
    /// The delay before the second attempt; it doubles from then on. Default 1 s.
    #[serde(with = "contexter_service::duration")]
    pub base_delay: Duration,
    /// The longest delay between attempts. Default 60 s.
    #[serde(with = "contexter_service::duration")]
    pub max_delay: Duration,
    /// How long one attempt may take; then it is cancelled and has failed. Default 5 minutes.
    #[serde(with = "contexter_service::duration")]
    pub handler_timeout: Duration,
}

impl Default for SubscriptionConfig {
    fn default() -> Self {
        Self {
            name: None,
            capacity: 1_024,
            overflow: Overflow::Block,
            concurrency: 1,
            max_attempts: 3,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_mins(1),
            handler_timeout: Duration::from_mins(5),
        }
    }
}

impl SubscriptionConfig {
    /// Sets the name in receipts, dead letters and logs.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets how many events may wait, and what happens to one more.
    #[must_use]
    pub fn with_queue(mut self, capacity: usize, overflow: Overflow) -> Self {
        self.capacity = capacity;
        self.overflow = overflow;
        self
    }

    /// Sets how many events are handled at once.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Sets how often an event is tried, and the first and the longest delay in between.
    #[must_use]
    pub fn with_attempts(mut self, max: u32, base_delay: Duration, max_delay: Duration) -> Self {
        self.max_attempts = max;
        self.base_delay = base_delay;
        self.max_delay = max_delay;
        self
    }

    /// Sets how long one attempt may take.
    #[must_use]
    pub fn with_handler_timeout(mut self, timeout: Duration) -> Self {
        self.handler_timeout = timeout;
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// Returns all faults at once.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let positive = |value: usize| (value == 0).then(|| "must be at least 1, got 0".to_owned());
        InvalidConfig::join([
            InvalidConfig::check([
                ("capacity", positive(self.capacity)),
                ("concurrency", positive(self.concurrency)),
                (
                    "max_attempts",
                    positive(usize::from(self.max_attempts != 0)),
                ),
                (
                    "handler_timeout",
                    (self.handler_timeout.is_zero())
                        .then(|| "must be longer than zero, got 0s".to_owned()),
                ),
            ]),
            self.backoff().map(|_| ()),
        ])
    }

    pub(crate) fn backoff(&self) -> Result<Backoff, InvalidConfig> {
        Backoff::new(self.base_delay, self.max_delay)
    }
}
