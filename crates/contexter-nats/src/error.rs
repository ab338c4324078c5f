//! From the client library's errors to the bus's.

use std::error::Error as _;
use std::io;

use async_nats::{ConnectError, jetstream};
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

/// Returns one line about an error while connecting. Of its cause only what the operating system says
/// is shown: anything else may hold the address, and with it a password.
pub(crate) fn describe_connecting(error: &ConnectError) -> String {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    match cause.filter(|cause: &&io::Error| cause.raw_os_error().is_some()) {
        Some(cause) => cause.to_string(),
        None => error.kind().to_string(),
    }
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

#[cfg(test)]
mod tests {
    use async_nats::ConnectErrorKind;

    use super::*;

    #[test]
    fn of_a_failed_connection_only_what_the_system_says_is_shown() {
        let refused = io::Error::from_raw_os_error(111);
        let told = refused.to_string();
        let error = ConnectError::with_source(ConnectErrorKind::Io, refused);
        assert_eq!(describe_connecting(&error), told);
        for kind in [ConnectErrorKind::Dns, ConnectErrorKind::Io] {
            let telling = io::Error::other("nats://u:hidden@nowhere");
            let error = ConnectError::with_source(kind, telling);
            assert_eq!(describe_connecting(&error), kind.to_string());
        }
    }
}
