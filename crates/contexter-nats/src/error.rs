//! From the client library's errors to the bus's.

use async_nats::jetstream;
use contexter_event_bus::TransportError;
use contexter_event_bus::transport::TransportErrorKind;

pub(crate) fn unavailable(message: &str) -> TransportError {
    TransportError::new(TransportErrorKind::Unavailable, message)
}

pub(crate) fn unconfirmed(message: &str) -> TransportError {
    TransportError::new(TransportErrorKind::Unconfirmed, message)
}

pub(crate) fn refused(message: impl Into<String>) -> TransportError {
    TransportError::new(TransportErrorKind::Refused, message)
}

pub(crate) fn unexpected(message: &str) -> TransportError {
    TransportError::new(TransportErrorKind::Protocol, message)
}

/// The answer of a server that did not do what it was asked.
pub(crate) fn answered(error: &jetstream::Error) -> TransportError {
    // Insufficient resources, storage, memory, maximum of messages or bytes.
    const FULL: [u64; 6] = [10_023, 10_028, 10_047, 10_077, 10_122, 10_167];
    let kind = match (error.code(), error.error_code().0) {
        (_, code) if FULL.contains(&code) => TransportErrorKind::Full,
        (503, _) => TransportErrorKind::Unavailable,
        _ => TransportErrorKind::Refused,
    };
    TransportError::new(kind, format!("server answered: {error}"))
}

/// Another error of the same kind and text, for the next of several messages.
pub(crate) fn again(error: &TransportError) -> TransportError {
    TransportError::new(error.kind(), error.to_string())
}
