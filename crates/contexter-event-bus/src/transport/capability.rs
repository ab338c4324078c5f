//! What a transport can do, as a table that can be printed and asked.

use std::fmt;

/// One thing that a transport may or may not be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Several consumers of one group share its events.
    ConsumerGroups,
    /// What is confirmed survives a restart of the broker.
    Persistence,
    /// An event whose consumer has gone goes to another one.
    Takeover,
    /// Within one consumer, events of one key come in the order of publishing.
    OrderPerKey,
    /// The order per key holds among the consumers of one group, too.
    OrderAcrossConsumers,
    /// The broker recognises an event that is published twice within its window.
    PublishDedupe,
    /// A group can begin at the oldest stored event.
    StartEarliest,
    /// A group can begin at a time.
    StartAtTime,
    /// Stored events can be read again.
    Replay,
    /// Dead letters survive a restart of the bus.
    DurableDeadLetters,
    /// Requests with replies.
    RequestReply,
    /// A request without a responder fails at once.
    NoResponder,
    /// A publisher can wait for the outcome of every handler.
    Settlement,
    /// Several processes can share it.
    Remote,
}

impl Capability {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 14] = [
        Self::ConsumerGroups,
        Self::Persistence,
        Self::Takeover,
        Self::OrderPerKey,
        Self::OrderAcrossConsumers,
        Self::PublishDedupe,
        Self::StartEarliest,
        Self::StartAtTime,
        Self::Replay,
        Self::DurableDeadLetters,
        Self::RequestReply,
        Self::NoResponder,
        Self::Settlement,
        Self::Remote,
    ];

    /// Returns its name in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConsumerGroups => "consumer_groups",
            Self::Persistence => "persistence",
            Self::Takeover => "takeover",
            Self::OrderPerKey => "order_per_key",
            Self::OrderAcrossConsumers => "order_across_consumers",
            Self::PublishDedupe => "publish_dedupe",
            Self::StartEarliest => "start_earliest",
            Self::StartAtTime => "start_at_time",
            Self::Replay => "replay",
            Self::DurableDeadLetters => "durable_dead_letters",
            Self::RequestReply => "request_reply",
            Self::NoResponder => "no_responder",
            Self::Settlement => "settlement",
            Self::Remote => "remote",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one transport can do.
///
/// # Examples
///
/// ```
/// use contexter_event_bus::transport::{Capabilities, Capability};
///
/// let can = Capabilities::none()
///     .with(Capability::ConsumerGroups)
///     .with_max_payload(1024 * 1024);
/// assert!(can.has(Capability::ConsumerGroups));
/// assert!(!can.has(Capability::Settlement));
/// assert!(can.to_string().contains("settlement"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    flags: u32,
    max_payload: Option<usize>,
}

impl Capabilities {
    /// Can do nothing but what every transport must.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            flags: 0,
            max_payload: None,
        }
    }

    /// Can do this, too.
    #[must_use]
    pub const fn with(mut self, capability: Capability) -> Self {
        self.flags |= capability.bit();
        self
    }

    /// Takes events of at most so many bytes.
    #[must_use]
    pub const fn with_max_payload(mut self, bytes: usize) -> Self {
        self.max_payload = Some(bytes);
        self
    }

    /// Returns whether the transport can do this.
    #[must_use]
    pub const fn has(&self, capability: Capability) -> bool {
        self.flags & capability.bit() != 0
    }

    /// Returns how many bytes an encoded event may have; none if nothing limits it.
    #[must_use]
    pub const fn max_payload(&self) -> Option<usize> {
        self.max_payload
    }
}

/// A table: one line for each capability, present or not.
impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for capability in Capability::ALL {
            let answer = if self.has(capability) { "yes" } else { "no" };
            writeln!(f, "{capability:<24}{answer}")?;
        }
        match self.max_payload {
            Some(bytes) => writeln!(f, "{:<24}{bytes} bytes", "max_payload"),
            None => writeln!(f, "{:<24}no limit", "max_payload"),
        }
    }
}
