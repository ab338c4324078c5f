//! What a consumer wants.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;

/// Where a new group begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Start {
    /// With what is published from now on. The default.
    #[default]
    New,
    /// With the oldest stored event.
    Earliest,
    /// With the first event that was stored at this time or later.
    At(Timestamp),
}

/// What a consumer wants from a transport.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscriptionSpec {
    /// Which event types.
    pub pattern: Pattern,
    /// The group whose consumers share the events. None: the consumer is alone.
    pub group: Option<Arc<str>>,
    /// Where the group begins if the broker does not know it yet.
    pub start: Start,
    /// How many events the consumer may hold unsettled, at least 1; those that the transport reads
    /// ahead count, too.
    pub prefetch: usize,
    /// How many bytes these may have together, at least 1.
    ///
    /// While they have fewer, one more may come, however large it is: so what is held exceeds this by
    /// less than one event, and an event that is larger than all of it comes alone. What is on its way
    /// is reckoned with the size of those that came lately ([`ExpectedSize`](super::ExpectedSize)),
    /// where the broker cannot weigh it; so it is exceeded for once where events become larger all at
    /// once.
    pub prefetch_bytes: usize,
    /// How long an unsettled event belongs to the consumer without being renewed.
    pub lease: Duration,
    /// How often an event may be delivered before the bus takes it for poison.
    ///
    /// A broker with a limit of its own gets one well above this, so that the bus always sees the
    /// event once more and can make it a dead letter.
    pub max_deliveries: u32,
}

impl SubscriptionSpec {
    /// Wants `pattern`, without a group: new events, 256 or 64 MiB at a time, each for 30 s, at most
    /// 3 times.
    #[must_use]
    pub fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            group: None,
            start: Start::New,
            prefetch: 256,
            prefetch_bytes: 64 * 1024 * 1024,
            lease: Duration::from_secs(30),
            max_deliveries: 3,
        }
    }

    /// Shares the events with the other consumers of a group.
    #[must_use]
    pub fn with_group(mut self, group: impl Into<Arc<str>>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Sets where a new group begins.
    #[must_use]
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Sets how many events may be held unsettled; at least 1.
    #[must_use]
    pub fn with_prefetch(mut self, prefetch: usize) -> Self {
        self.prefetch = prefetch.max(1);
        self
    }

    /// Sets how many bytes may be held unsettled; at least 1.
    #[must_use]
    pub fn with_prefetch_bytes(mut self, bytes: usize) -> Self {
        self.prefetch_bytes = bytes.max(1);
        self
    }

    /// Sets how long an unsettled event belongs to the consumer.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how often an event may be delivered.
    #[must_use]
    pub fn with_max_deliveries(mut self, max: u32) -> Self {
        self.max_deliveries = max;
        self
    }
}
