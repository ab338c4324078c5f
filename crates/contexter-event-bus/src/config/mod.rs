//! What can be set on a bus and on a subscription.

mod subscription;

use std::time::Duration;

use contexter_service::InvalidConfig;
use serde::{Deserialize, Serialize};

pub use subscription::SubscriptionConfig;

/// What a [`Bus`](crate::Bus) keeps. All bounds are hard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BusConfig {
    /// How many published events are kept for replay. Default 1,000; 0 keeps none.
    pub stored_events: usize,
    /// How many bytes of published events are kept, roughly. Default 16 MiB.
    pub stored_bytes: usize,
    /// How long published events are kept. Default: as long as there is room.
    #[serde(with = "contexter_service::duration::option")]
    pub stored_age: Option<Duration>,
    /// How many dead letters are kept in process; the oldest make room, which is logged and counted
    /// ([`Stats::dead_letters_evicted`](crate::Stats::dead_letters_evicted)). Default 1,000; at
    /// least 1 is kept.
    pub dead_letters: usize,
    /// How many handled events are remembered to recognise duplicates. Default 100,000.
    pub deduplicated_events: usize,
    /// How long a handled event is remembered. Default 1 hour.
    #[serde(with = "contexter_service::duration")]
    pub deduplicated_age: Duration,
    /// How far in the future an event from a broker may have been made, by the clock of this
    /// process; beyond it, it becomes a dead letter. Default 5 minutes.
    #[serde(with = "contexter_service::duration")]
    pub max_clock_skew: Duration,
    /// Whether a drain closes the transport. Default: yes. Of several buses on one transport, the
    /// one that is drained last closes it.
    pub closes_transport: bool,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            stored_events: 1_000,
            stored_bytes: 16 * 1024 * 1024,
            stored_age: None,
            dead_letters: 1_000,
            deduplicated_events: 100_000,
            deduplicated_age: Duration::from_hours(1),
            max_clock_skew: Duration::from_mins(5),
            closes_transport: true,
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

    /// Sets how long published events are kept at most.
    #[must_use]
    pub const fn with_stored_age(mut self, age: Duration) -> Self {
        self.stored_age = Some(age);
        self
    }

    /// Sets how many handled events are remembered, and for how long, to recognise duplicates.
    #[must_use]
    pub const fn with_deduplication(mut self, events: usize, age: Duration) -> Self {
        self.deduplicated_events = events;
        self.deduplicated_age = age;
        self
    }

    /// Sets how far in the future an event from a broker may have been made.
    #[must_use]
    pub const fn with_max_clock_skew(mut self, skew: Duration) -> Self {
        self.max_clock_skew = skew;
        self
    }

    /// Sets how many dead letters are kept.
    #[must_use]
    pub const fn with_dead_letters(mut self, letters: usize) -> Self {
        self.dead_letters = letters;
        self
    }

    /// Leaves the transport open when the bus is drained, because another bus is on it, too.
    #[must_use]
    pub const fn with_transport_left_open(mut self) -> Self {
        self.closes_transport = false;
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// Returns all faults at once.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let none = self.dead_letters == 0;
        InvalidConfig::check([(
            "dead_letters",
            none.then(|| "must be at least 1, got 0: every dead letter would be lost".to_owned()),
        )])
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
