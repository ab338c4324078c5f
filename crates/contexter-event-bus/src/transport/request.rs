//! Requests and their replies.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contexter_protocol::IntegrationEvent;

use super::error::TransportError;
use super::health::TransportHealth;

/// Why a request got no reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Nobody answers requests of this type.
    #[error("nobody answers requests of the type {event_type:?}")]
    NoResponder {
        /// The type of the request.
        event_type: String,
    },
    /// No reply came in time.
    #[error("no reply within {within:?}")]
    Timeout {
        /// How long was waited.
        within: Duration,
    },
    /// The responder says that it could not answer.
    #[error("responder failed: {error}")]
    Failed {
        /// Its error, in one line.
        error: String,
        /// Whether the same request may succeed later.
        retryable: bool,
    },
    /// The reply has another type, or its data another shape, than was expected.
    #[error("reply is not what was expected")]
    Reply(#[source] contexter_protocol::PayloadError),
    /// The request could not be built.
    #[error("request could not be built")]
    Build(#[from] contexter_protocol::BuildError),
    /// The bus is draining or has been drained.
    #[error("event bus takes no more requests")]
    Closed,
    /// The transport failed.
    #[error("request could not be sent")]
    Transport(#[from] TransportError),
}

/// Receives requests and sends their replies. Dropping it ends it.
#[async_trait]
pub trait RequestSource: fmt::Debug + Send + Sync {
    /// Waits for requests and returns at least one, at most `max`.
    ///
    /// # Behavior
    ///
    /// As [`Source::receive`](super::Source::receive), but requests have no lease and are never
    /// delivered again. A request that cannot be decoded is left out and logged: its sender runs
    /// into its time limit.
    ///
    /// # Cancel safety
    ///
    /// A dropped future loses nothing.
    async fn receive(&self, max: usize) -> Result<Vec<IncomingRequest>, TransportError>;

    /// Sends the reply to a request.
    ///
    /// # Behavior
    ///
    /// Whether anybody still waits for it is not known, and no error.
    async fn reply(
        &self,
        to: RequestToken,
        reply: &Arc<IntegrationEvent>,
    ) -> Result<(), TransportError>;

    /// Returns how the connection is.
    fn health(&self) -> TransportHealth;

    /// Takes no more requests; those that were returned can still be replied to.
    async fn close(&self);
}

/// A request that waits for its reply.
#[derive(Debug)]
#[non_exhaustive]
pub struct IncomingRequest {
    /// The request.
    pub event: Arc<IntegrationEvent>,
    /// Names it when it is replied to.
    pub token: RequestToken,
}

impl IncomingRequest {
    /// A request under its token.
    #[must_use]
    pub fn new(event: Arc<IntegrationEvent>, token: RequestToken) -> Self {
        Self { event, token }
    }
}

/// Where the reply to a request goes, in the transport's own words.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestToken(pub Arc<str>);
