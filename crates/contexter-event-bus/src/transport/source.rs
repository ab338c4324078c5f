//! One consumer: what it is given, and how it says what became of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_protocol::IntegrationEvent;

use super::dead_letter::RawMessage;
use super::error::TransportError;
use super::health::TransportHealth;

/// One consumer of a subscription. Dropping it ends the consumer.
///
/// The bus calls [`receive`](Self::receive) from one task and [`settle`](Self::settle) from another
/// at the same time.
#[async_trait]
pub trait Source: fmt::Debug + Send + Sync {
    /// Waits for messages and returns at least one, at most `max` of them.
    ///
    /// # Behavior
    ///
    /// - It waits as long as there is none, and returns as soon as there is one: it does not wait
    ///   for `max`.
    /// - First deliveries come in the order of storing. What is delivered again, whether it was put
    ///   back, its lease ran out or its consumer died, comes when it is due; older before newer.
    /// - It looks for messages of the group whose lease ran out at least every third of a lease.
    /// - At most [`prefetch`](super::SubscriptionSpec::prefetch) messages are held unsettled,
    ///   counting those read ahead and not yet returned; and no more come while they have
    ///   [`prefetch_bytes`](super::SubscriptionSpec::prefetch_bytes) together. A source keeps the lease of what it has
    ///   read ahead, or does not return it any more when its lease has run out.
    /// - A broken connection is no error: it is made again, with growing pauses, for as long as it
    ///   takes, [`health`](Self::health) says so meanwhile, and this goes on waiting.
    /// - A message that cannot be decoded is returned as [`Incoming::message`]`: Err`. A message
    ///   that is gone at the broker (trimmed) is settled, counted in the health, and left out.
    ///
    /// # Errors
    ///
    /// Only what trying again cannot mend: the transport or the source was closed, or the group was
    /// deleted. The bus calls again after a pause unless the kind is
    /// [`Closed`](super::TransportErrorKind::Closed).
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing: what it had fetched is returned by the next call.
    async fn receive(&self, max: usize) -> Result<Vec<Incoming>, TransportError>;

    /// Settles or renews messages, and returns for each, in the same order, whether it was so.
    ///
    /// # Behavior
    ///
    /// - All of them go to the broker together, in about one round trip.
    /// - A message whose lease has run out, or that another consumer holds, is
    ///   [`Settled::Refused`]: a late acknowledgement must not settle what another one is working
    ///   on. Where the broker would take it all the same, the source keeps the times of its leases
    ///   itself, by a monotonic clock, and refuses.
    /// - A token that is not known, because it was settled before, is [`Settled::Refused`].
    /// - [`Disposition::Nack`] does not deliver again before `after` is over.
    /// - [`Disposition::InProgress`] makes the lease whole again; it does not raise the count of
    ///   deliveries, and the token stays good.
    /// - While the connection is down, it waits for it, but no longer than a lease; an `Err` says
    ///   that this message may be delivered again. The token is then used up.
    async fn settle(
        &self,
        settlements: &[(DeliveryToken, Disposition)],
    ) -> Vec<Result<Settled, TransportError>>;

    /// Returns how the connection of this consumer is.
    fn health(&self) -> TransportHealth;

    /// Ends the consumer in good order: what it has read ahead goes back to the group at once.
    ///
    /// # Behavior
    ///
    /// [`receive`](Self::receive) returns [`Closed`](super::TransportErrorKind::Closed) within
    /// 100 ms; [`settle`](Self::settle) still works for what was returned before.
    async fn close(&self);
}

/// Names a message that a source has given and that is not settled. Only its source understands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryToken(pub u64);

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disposition {
    /// It is done: the group never gets it again.
    Ack,
    /// It goes back to the group.
    Nack {
        /// Not before this time is over.
        after: Duration,
    },
    /// Nobody has begun with it: it goes back to the group at once and, where the broker can do so, as
    /// if it had not been delivered. Where it cannot, this is a [`Nack`](Self::Nack) without a delay.
    Return,
    /// It is still being worked on: the lease begins anew.
    InProgress,
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Settled {
    /// It was done.
    Done,
    /// The message does not belong to this consumer any more, so nothing was done.
    Refused,
}

/// A message that a source gives.
#[derive(Debug)]
#[non_exhaustive]
pub struct Incoming {
    /// The event, or what could not be read as one.
    pub message: Result<Arc<IntegrationEvent>, Undecodable>,
    /// Names it when it is settled.
    pub token: DeliveryToken,
    /// How often the group has been given it, this time included.
    pub delivery_count: u32,
    /// Its place at the broker, the same whenever it is delivered: stream and number, or the like.
    pub id: Arc<str>,
    /// The group for which a dead letter was published again.
    pub redrive_group: Option<Arc<str>>,
    /// How many bytes it has at the broker, headers and data; 0 if that is not known, and then it
    /// does not count for [`prefetch_bytes`](super::SubscriptionSpec::prefetch_bytes).
    pub size: usize,
}

impl Incoming {
    /// A message under its token and place, delivered for the first time.
    #[must_use]
    pub fn new(
        message: Result<Arc<IntegrationEvent>, Undecodable>,
        token: DeliveryToken,
        id: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            message,
            token,
            delivery_count: 1,
            id: id.into(),
            redrive_group: None,
            size: 0,
        }
    }

    /// Says how often the group has been given it; at least 1.
    #[must_use]
    pub fn with_delivery_count(mut self, count: u32) -> Self {
        self.delivery_count = count.max(1);
        self
    }

    /// Says how many bytes it has at the broker.
    #[must_use]
    pub fn with_size(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// Says for which group it was published again.
    #[must_use]
    pub fn with_redrive_group(mut self, group: Option<Arc<str>>) -> Self {
        self.redrive_group = group;
        self
    }
}

/// A message that is no event that this version can read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undecodable {
    /// Why it cannot be read, in one line.
    pub error: String,
    /// The message as it is stored.
    pub raw: RawMessage,
}

impl Undecodable {
    /// Says why a message cannot be read.
    #[must_use]
    pub fn new(error: impl Into<String>, raw: RawMessage) -> Self {
        Self {
            error: error.into(),
            raw,
        }
    }
}
