//! What the client library's errors mean to the bus, without secrets.

use contexter_event_bus::TransportError;
use contexter_event_bus::transport::TransportErrorKind;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// How much of a server's words is shown, in characters.
const SHOWN: usize = 200;

/// Returns one line about an error, for requests that hold no credentials.
pub(crate) fn describe(error: &RedisError) -> String {
    let mut text = match error.code() {
        Some(code) => match error.detail() {
            Some(detail) => format!("{code} {detail}"),
            None => code.to_owned(),
        },
        None => error.to_string(),
    };
    text.retain(|c| !c.is_control());
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
        None => text,
    }
}

/// Returns one line about an error while connecting: the server's words may repeat credentials.
pub(crate) fn describe_connecting(error: &RedisError) -> String {
    match error.code() {
        Some(code) => code.to_owned(),
        None if error.is_io_error() => error.to_string(),
        None => error.category().to_owned(),
    }
}

/// In what way an answer of the server is a failure. The server has not done what was asked.
fn kind_of_answer(error: &RedisError) -> TransportErrorKind {
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly,
        ) => TransportErrorKind::Unavailable,
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => TransportErrorKind::Protocol,
        _ => match error.code() {
            Some("OOM") => TransportErrorKind::Full,
            // The server cannot write to its disk, is short of replicas, or runs somebody's script.
            Some("MISCONF" | "NOREPLICAS" | "BUSY") => TransportErrorKind::Unavailable,
            _ => TransportErrorKind::Refused,
        },
    }
}

/// Returns whether the server says that the group is not there.
pub(crate) fn is_no_group(error: &RedisError) -> bool {
    error.code() == Some("NOGROUP")
        || (error.code().is_some_and(|code| code == "ERR")
            && error.detail().is_some_and(|text| text.contains("NOGROUP")))
}

/// Returns whether the server takes no changes, since it is another one's replica.
pub(crate) fn is_of_replica(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// Returns whether the server said this, rather than the connection.
pub(crate) fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}

/// The server's refusal of one command.
pub(crate) fn refused(error: &RedisError) -> TransportError {
    TransportError::new(
        kind_of_answer(error),
        format!("redis refused: {}", describe(error)),
    )
}

/// No connection: surely nothing was sent.
pub(crate) fn unavailable(why: &str) -> TransportError {
    TransportError::new(
        TransportErrorKind::Unavailable,
        format!("redis cannot be reached: {why}"),
    )
}

/// The connection broke, or no answer came: it may have happened or not.
pub(crate) fn unconfirmed(why: &str) -> TransportError {
    TransportError::new(
        TransportErrorKind::Unconfirmed,
        format!("redis did not answer: {why}"),
    )
}

/// The answer is not what the command promises.
pub(crate) fn unexpected(what: &str) -> TransportError {
    TransportError::new(
        TransportErrorKind::Protocol,
        format!("redis answered in an unexpected way: {what}"),
    )
}
