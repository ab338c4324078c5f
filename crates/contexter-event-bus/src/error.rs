//! Why an event could not be published or subscribed to.

use contexter_protocol::BuildError;
use contexter_service::InvalidConfig;

use crate::pattern::InvalidPattern;

/// Why an event was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The bus is draining or has been drained.
    #[error("event bus takes no more events")]
    Closed,
    /// The type of the event has no tokens that patterns could match.
    #[error(
        "invalid event type {event_type:?}: non-empty tokens separated by dots are allowed, \
         without white space, `*` and `>`"
    )]
    InvalidType {
        /// The type of the event.
        event_type: String,
    },
    /// The event could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// Why a subscription was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The pattern is not one.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The bus is draining or has been drained.
    #[error("event bus takes no more subscriptions")]
    Closed,
    /// The caller is not inside a tokio runtime, which the handlers need.
    #[error("no tokio runtime to run handlers on")]
    NoRuntime,
}
