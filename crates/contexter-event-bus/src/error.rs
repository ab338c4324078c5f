//! Why an event could not be published or subscribed to.

use contexter_protocol::BuildError;
use contexter_service::InvalidConfig;

use crate::pattern::InvalidPattern;
use crate::transport::{Capability, TransportError, TransportErrorKind};

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
    /// The transport cannot do this.
    #[error("this transport has no capability {capability}")]
    Unsupported {
        /// What it cannot do.
        capability: Capability,
    },
    /// The broker did not confirm the event.
    #[error("event was not confirmed")]
    Transport(#[from] TransportError),
}

impl PublishError {
    /// Returns the short name of the reason, for metrics and spans: one of a fixed set.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::InvalidType { .. } => "invalid_type",
            Self::Build(_) => "invalid_event",
            Self::Unsupported { .. } => "unsupported",
            Self::Transport(error) => match error.kind() {
                TransportErrorKind::Unavailable => "unavailable",
                TransportErrorKind::Unconfirmed => "unconfirmed",
                TransportErrorKind::TooLarge => "too_large",
                TransportErrorKind::Refused => "refused",
                TransportErrorKind::Full => "full",
                TransportErrorKind::Protocol => "protocol",
                TransportErrorKind::Unsupported => "unsupported",
                TransportErrorKind::Closed => "transport_closed",
            },
        }
    }
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
    /// The broker refuses it for good.
    #[error("broker refuses the subscription: {message}")]
    Refused {
        /// What it says, in one line.
        message: String,
    },
    /// The caller is not inside a tokio runtime, which the handlers need.
    #[error("no tokio runtime to run handlers on")]
    NoRuntime,
}
