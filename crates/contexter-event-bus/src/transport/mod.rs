//! What a message broker must be able to do to carry the events of a bus.
//!
//! A [`MessageTransport`] moves events; everything that a subscriber notices is the bus's own:
//! attempts, retries, order per key, timeouts, deduplication, dead letters and draining. So a
//! transport never retries a handler, never decides that an event is poison, and never drops one.
//!
//! It is *confirmed in, leased out*: an event is published when the broker has confirmed it, and an
//! event that a [`Source`] has given is leased to that consumer until it is settled or its lease
//! runs out.
//!
//! Encoding is the protocol crate's: a transport carries the binary form of a CloudEvent (headers
//! and data), and takes the structured form, too. What it cannot decode it still delivers, as
//! [`Undecodable`], because only the bus knows where it is to go.

mod capability;
mod confirmation;
mod dead_letter;
mod error;
mod health;
mod request;
mod size;
mod source;
mod spec;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_protocol::IntegrationEvent;

pub use capability::{Capabilities, Capability};
pub use confirmation::Confirmation;
pub(crate) use dead_letter::is_for;
pub use dead_letter::{DeadLetter, DeadLetterId, DeadLetterQuery, DeadMessage, RawMessage};
pub use error::{TransportError, TransportErrorKind};
pub use health::{Connection, TransportHealth};
pub use request::{IncomingRequest, RequestError, RequestSource, RequestToken};
pub use size::ExpectedSize;
pub use source::{DeliveryToken, Disposition, Incoming, Settled, Source, Undecodable};
pub use spec::{Start, SubscriptionSpec};

use crate::history::{EventFilter, History};

/// The header that names the group for which an event was published again.
///
/// It travels beside the `ce-` headers and is no attribute of the event.
pub const REDRIVE_GROUP: &str = "contexter-redrive-group";

/// The header that names the dead letter that was published again.
pub const REDRIVE_LETTER: &str = "contexter-redrive-letter";

/// Carries the events of a bus over a broker.
///
/// All methods may be called at the same time from many tasks. None of them waits for ever: each
/// has a time limit of the transport's own, except [`Source::receive`], whose purpose is to wait.
///
/// A transport that cannot do something lacks the [`Capability`] and answers with
/// [`TransportErrorKind::Unsupported`], which the default methods do.
///
/// # Cancel safety
///
/// Every future may be dropped. A dropped [`publish`](Self::publish) or
/// [`dead_letter`](Self::dead_letter) may or may not have reached the broker; a dropped
/// [`Source::receive`] loses nothing.
#[async_trait]
pub trait MessageTransport: fmt::Debug + Send + Sync + 'static {
    /// Returns a short name for logs, tables and health, such as `"redis"`.
    fn name(&self) -> &str;

    /// Returns what this transport can do.
    ///
    /// # Behavior
    ///
    /// The answer does not change while the transport lives. A behaviour that is not listed is not
    /// promised, and the conformance suite prints what is not listed.
    fn capabilities(&self) -> Capabilities;

    /// Publishes events and returns for each, in the same order, what became of it.
    ///
    /// # Behavior
    ///
    /// - As many answers as events, in the order of the events.
    /// - `Ok` means that the broker has confirmed the event under its own durability settings.
    ///   Without an answer of the broker it is an error, never `Ok`.
    /// - The events of one call are stored in the order of the slice. Calls at the same time are
    ///   not ordered against each other.
    /// - They are pipelined: the call takes about one round trip, however many events there are.
    /// - One bad event (too large, refused) fails alone.
    /// - An event that is larger than the broker takes is refused before it is sent, with
    ///   [`TransportErrorKind::TooLarge`]; the connection stays.
    /// - Where the broker can recognise a repeated publication, the key is the source and the id of
    ///   the event, and [`Confirmation::duplicate`] says so.
    /// - While the connection is down, it waits for it within the transport's time limit, and then
    ///   fails: [`TransportErrorKind::Unavailable`] if the event was surely not sent, otherwise
    ///   [`TransportErrorKind::Unconfirmed`].
    async fn publish(
        &self,
        events: &[Arc<IntegrationEvent>],
    ) -> Vec<Result<Confirmation, TransportError>>;

    /// Begins to consume what `spec` describes.
    ///
    /// # Behavior
    ///
    /// - An event type is matched as [`Pattern`](crate::Pattern) says, whatever the broker's own
    ///   wildcards mean.
    /// - Every group gets every matching event; within a group each event goes to one consumer.
    /// - A group lives at the broker and outlives its consumers; [`SubscriptionSpec::start`] counts
    ///   only when it is made. Without a group the consumer is alone and gets everything, and the
    ///   broker forgets it some time after it has ended.
    /// - The name of a consumer is different for each call and each process, so that what a dead
    ///   one held can be taken over.
    /// - When this returns, the group exists: what is published from now on is delivered.
    ///
    /// # Errors
    ///
    /// Returns an error if the broker cannot be reached in time or refuses; after that, a
    /// [`Source`] never ends because of a broken connection.
    async fn subscribe(&self, spec: &SubscriptionSpec) -> Result<Arc<dyn Source>, TransportError>;

    /// Stores a dead letter durably, and returns the id under which it is kept.
    ///
    /// # Behavior
    ///
    /// - `Ok` only when the broker has confirmed it: the event is acknowledged after that, so a
    ///   letter that is not stored is an event that is lost.
    /// - [`DeadLetter::id`] is ignored; the transport assigns one.
    /// - Of one event that several subscriptions have failed, each has a letter: a transport that
    ///   recognises what it has stored tells them apart by [`DeadLetter::group`],
    ///   [`DeadLetter::pattern`] and [`DeadLetter::instance`].
    /// - All of [`DeadLetter`] is kept, the original headers and bytes of an undecodable message
    ///   included, byte by byte.
    /// - Dead letters are kept apart from the events: no subscription gets them, and the limits of
    ///   the events do not remove them. Their own number is bounded by the transport's
    ///   configuration, and what makes room is logged.
    async fn dead_letter(&self, letter: &DeadLetter) -> Result<DeadLetterId, TransportError>;

    /// Returns dead letters, oldest first.
    ///
    /// # Behavior
    ///
    /// At most [`DeadLetterQuery::limit`] letters, those after [`DeadLetterQuery::after`] if that is
    /// given, so that a reader can go through all of them page by page.
    async fn dead_letters(
        &self,
        query: &DeadLetterQuery,
    ) -> Result<Vec<DeadLetter>, TransportError>;

    /// Forgets a dead letter, and returns whether it was there.
    async fn remove_dead_letter(&self, id: &DeadLetterId) -> Result<bool, TransportError>;

    /// Forgets all dead letters, and returns how many there were.
    async fn purge_dead_letters(&self) -> Result<u64, TransportError>;

    /// Publishes the message of a dead letter again, for its group only.
    ///
    /// # Behavior
    ///
    /// - It is the same event: same id, same attributes, same bytes.
    /// - It carries the headers [`REDRIVE_GROUP`], of [`DeadLetter::redrive_group`], and
    ///   [`REDRIVE_LETTER`], and comes out of every
    ///   [`Source`] with [`Incoming::redrive_group`] set. (The bus lets other groups pass over it,
    ///   and lets it pass the deduplication of its own.) A transport that can send it to that group
    ///   alone may do so.
    /// - The broker's own recognition of repeated publications must not swallow it, so its key has
    ///   the letter's id in it.
    /// - `Ok` only when confirmed. The letter itself stays; the bus removes it afterwards.
    /// - The delivery count begins anew.
    async fn redeliver(&self, letter: &DeadLetter) -> Result<Confirmation, TransportError>;

    /// Reads stored events again, without consuming them.
    ///
    /// # Behavior
    ///
    /// - In the order of storing; at most [`EventFilter::limit`] of them.
    /// - If events between what was asked for and the oldest stored one are gone, [`History::gap`]
    ///   says so.
    /// - Messages that cannot be decoded are left out and counted in [`History::undecodable`].
    ///
    /// Needs [`Capability::Replay`].
    async fn replay(&self, filter: &EventFilter) -> Result<History, TransportError> {
        let _ = filter;
        Err(TransportError::unsupported(Capability::Replay))
    }

    /// Sends a request and waits for one reply.
    ///
    /// # Behavior
    ///
    /// - The request goes to one of the responders whose pattern matches the type of the event.
    /// - The reply is the first event that answers this very call; a reply that comes after the
    ///   time is over, or after the future was dropped, is discarded.
    /// - With [`Capability::NoResponder`], [`RequestError::NoResponder`] comes at once; without,
    ///   nobody being there is a [`RequestError::Timeout`].
    /// - Requests are not stored: none is delivered after its time is over, counted from when it has come
    ///   to the responder.
    /// - Any number of requests may wait at the same time, over one connection.
    ///
    /// Needs [`Capability::RequestReply`].
    async fn request(
        &self,
        request: &Arc<IntegrationEvent>,
        within: Duration,
    ) -> Result<Arc<IntegrationEvent>, RequestError> {
        let _ = (request, within);
        Err(TransportError::unsupported(Capability::RequestReply).into())
    }

    /// Begins to answer the requests that `spec` describes.
    ///
    /// # Behavior
    ///
    /// Of [`SubscriptionSpec`], `pattern`, `group` and `prefetch` count: the responders of one group
    /// share the requests, and each request goes to one of the groups that answer its type. When
    /// this returns, requests are delivered.
    ///
    /// Needs [`Capability::RequestReply`].
    async fn respond(
        &self,
        spec: &SubscriptionSpec,
    ) -> Result<Arc<dyn RequestSource>, TransportError> {
        let _ = spec;
        Err(TransportError::unsupported(Capability::RequestReply))
    }

    /// Returns how the connection is.
    ///
    /// # Behavior
    ///
    /// Asks the broker if that takes no more than a second; what it says is about the connection
    /// for publishing, and [`Source::health`] about that of one consumer.
    async fn health(&self) -> TransportHealth;

    /// Ends everything: publishing fails with [`TransportErrorKind::Closed`], and sources end.
    ///
    /// # Behavior
    ///
    /// The bus calls it last of all, when no publication and no settlement is under way. Calling it
    /// again does nothing.
    async fn close(&self);
}
