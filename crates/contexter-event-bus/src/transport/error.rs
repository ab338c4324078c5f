//! Why a transport could not do what it was asked.

use std::error::Error;
use std::fmt;

use contexter_service::{Again, Sample, Verdict};

use super::capability::Capability;

/// In what way a transport failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The broker could not be reached, and nothing was sent. Trying again may help.
    Unavailable,
    /// It was sent and no answer came: it may have happened or not. Trying again may help, and may
    /// do it twice.
    Unconfirmed,
    /// The encoded event is larger than the broker takes. Trying again does not help.
    TooLarge,
    /// The broker refused, or the request makes no sense to it. Trying again does not help.
    Refused,
    /// The broker is out of room. Trying again may help.
    Full,
    /// What the broker answered was not understood. Trying again does not help.
    Protocol,
    /// The transport cannot do this at all.
    Unsupported,
    /// The transport was closed.
    Closed,
}

impl TransportErrorKind {
    /// Returns whether trying again may help.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Unavailable | Self::Unconfirmed | Self::Full)
    }
}

/// Why a transport could not do what it was asked.
///
/// The text is one line without secrets; the cause is in [`source`](Error::source).
#[derive(Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl TransportError {
    /// Says what failed, in lower case and one line.
    #[must_use]
    pub fn new(kind: TransportErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The transport lacks a capability.
    #[must_use]
    pub fn unsupported(capability: Capability) -> Self {
        Self::new(
            TransportErrorKind::Unsupported,
            format!("this transport has no capability {capability}"),
        )
    }

    /// The encoded event is larger than the broker takes.
    #[must_use]
    pub fn too_large(bytes: usize, limit: usize) -> Self {
        Self::new(
            TransportErrorKind::TooLarge,
            format!("event of {bytes} bytes, at most {limit} are allowed"),
        )
    }

    /// The transport was closed.
    #[must_use]
    pub fn closed() -> Self {
        Self::new(TransportErrorKind::Closed, "transport is closed")
    }

    /// Returns in what way it failed.
    #[must_use]
    pub const fn kind(&self) -> TransportErrorKind {
        self.kind
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl Verdict for TransportError {
    fn sample(&self) -> Sample {
        match self.kind {
            TransportErrorKind::Unavailable
            | TransportErrorKind::Unconfirmed
            | TransportErrorKind::Protocol => Sample::Failure,
            _ => Sample::Neutral,
        }
    }

    fn again(&self) -> Again {
        if self.kind.is_transient() {
            Again::Yes { after: None }
        } else {
            Again::No
        }
    }

    fn sent(&self) -> bool {
        !matches!(
            self.kind,
            TransportErrorKind::Unavailable
                | TransportErrorKind::TooLarge
                | TransportErrorKind::Unsupported
                | TransportErrorKind::Closed
        )
    }
}
