//! What the server and the connection to it report, as errors of the model.

use std::error::Error as StdError;
use std::time::Duration;

use contexter_config::{Secrets, clean};
use contexter_model::{Error, ErrorKind};
use tonic::{Code, ConnectError, Status, TimeoutExpired};

use super::gateway::{self, NotGrpc};
pub(super) use crate::spec::error;

/// The metadata with the seconds after which a rate limit has room again.
const RETRY_AFTER: &str = "retry-after";

/// The metadata that marks a full disk or a used-up quota of storage.
const INSUFFICIENT_STORAGE: &str = "qdrant-insufficient-storage";

/// How long to wait where a limit was hit and nobody says for how long: a bucket for a minute, as the
/// server's are, has a twelfth of its tokens again by then.
pub(super) const UNTOLD_WAIT: Duration = Duration::from_secs(5);

/// What is said of a request that is too large, in lower case: by the server's rate limiter
/// ("request larger than rate limiter capacity, please try to split your request", `rate_limiting.rs`
/// of `qdrant-edge` 0.7.2), and by gRPC of messages (`tonic` `codec/decode.rs`, "received message
/// larger than max" of other gateways).
const TOO_LARGE: [&str; 4] = ["larger than", "too large", "split your", "message length"];

/// What is said of a limit that has room again after a while, in lower case.
const TOO_OFTEN: [&str; 4] = ["rate limit", "too many", "try again", "retry"];

/// What the server says where a model needs an inference service that it does not have; the status
/// is that of a failure which goes away.
const NO_INFERENCE: &str = "InferenceService URL not configured";

/// What the server says where its inference service turned it away.
const INFERENCE_TURNED_AWAY: &str = "Authentication failed for inference service";

/// How the decoder on this side begins its complaint about a reply.
pub(super) const UNDECODABLE: &str = "failed to decode Protobuf message";

/// Maps the outcome of a call that did not succeed; `secrets` never show in the message, which names
/// `server` where it cannot be connected to.
///
/// | status | kind |
/// |---|---|
/// | the connection failed | `Unavailable`; not sent where no connection could be made |
/// | `InvalidArgument`, `AlreadyExists`, `FailedPrecondition` | `Invalid` |
/// | `NotFound` | `NotFound` |
/// | `Unauthenticated`, `PermissionDenied` | `Unauthorized` |
/// | `Unimplemented` | `Unsupported` |
/// | `ResourceExhausted` with `qdrant-insufficient-storage` | `QuotaExhausted` |
/// | `ResourceExhausted` with `retry-after` | `RateLimited` |
/// | `ResourceExhausted` that speaks of the size | `TooLarge`: to be split |
/// | `ResourceExhausted` that speaks of a rate | `RateLimited`, after [`UNTOLD_WAIT`] |
/// | `ResourceExhausted` otherwise | `TooLarge`; see [`or_wait`] |
/// | `OutOfRange` | `TooLarge` |
/// | `DeadlineExceeded`, `Cancelled` | `Timeout` |
/// | `Unavailable`, `Internal`, `Unknown`, `Aborted` | `Unavailable` |
/// | `DataLoss` | `Unexpected` |
///
/// From the server's conversion of its errors, 1.19 (<https://github.com/qdrant/qdrant>,
/// `lib/storage`), and `tonic`, which reports a lost connection in several codes. What is no gRPC at
/// all is the answer of somebody before the server; see [`gateway`].
pub(super) fn status(status: Status, secrets: &Secrets, server: &str) -> Error {
    if let Some(failure) = transport(&status, server) {
        return failure.with_source(Box::new(status) as Box<dyn StdError + Send + Sync>);
    }
    let said = said(&status, secrets);
    let (kind, message) = match status.code() {
        Code::InvalidArgument if said.contains("ndex required") => (
            ErrorKind::Invalid,
            format!("the server asks for an index that the collection does not have: {said}"),
        ),
        Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition => {
            (ErrorKind::Invalid, format!("the server refused it: {said}"))
        }
        Code::NotFound => (ErrorKind::NotFound, said),
        Code::Unauthenticated => (
            ErrorKind::Unauthorized,
            format!("the server does not accept the api_key: {said}"),
        ),
        Code::PermissionDenied => (
            ErrorKind::Unauthorized,
            format!("the api_key does not permit it: {said}"),
        ),
        Code::Unimplemented => (
            ErrorKind::Unsupported,
            format!("the server does not offer it: {said}"),
        ),
        Code::ResourceExhausted => return exhausted(&status, &said),
        Code::OutOfRange => (
            ErrorKind::TooLarge,
            format!("too large for the server: {said}"),
        ),
        Code::DeadlineExceeded | Code::Cancelled => (
            ErrorKind::Timeout,
            format!("the server ran out of time: {said}"),
        ),
        Code::Internal if said.starts_with(UNDECODABLE) => (
            ErrorKind::Protocol,
            format!("the reply is no message of the protocol: {said}"),
        ),
        Code::Internal if said.contains(NO_INFERENCE) => (
            ErrorKind::Unsupported,
            format!("the server has no inference service: {said}"),
        ),
        Code::Internal if said.contains(INFERENCE_TURNED_AWAY) => (
            ErrorKind::Unauthorized,
            format!("the server's inference service does not accept its key: {said}"),
        ),
        Code::Unavailable | Code::Internal | Code::Unknown | Code::Aborted => {
            (ErrorKind::Unavailable, format!("the server failed: {said}"))
        }
        Code::DataLoss => (
            ErrorKind::Unexpected,
            format!("the server found damaged data: {said}"),
        ),
        Code::Ok => (
            ErrorKind::Protocol,
            "the server reported a failure with the status of a success".to_owned(),
        ),
    };
    error(kind, message)
}

/// A reply that does not follow the protocol.
pub(super) fn protocol(message: impl Into<String>) -> Error {
    error(ErrorKind::Protocol, message)
}

fn exhausted(status: &Status, said: &str) -> Error {
    let metadata = status.metadata();
    if metadata.contains_key(INSUFFICIENT_STORAGE) {
        let message = format!("the server has no storage left: {said}");
        return error(ErrorKind::QuotaExhausted, message);
    }
    let limited = |wait| {
        let message = format!("the server's rate limit is used up: {said}");
        error(ErrorKind::RateLimited, message).with_retry_after(Some(wait))
    };
    if let Some(told) = metadata.get(RETRY_AFTER) {
        let told = told.to_str().ok().and_then(gateway::wait);
        return limited(told.unwrap_or(UNTOLD_WAIT));
    }
    let too_large = || {
        let message = format!("more than the server takes at once: {said}");
        error(ErrorKind::TooLarge, message)
    };
    let lower = said.to_ascii_lowercase();
    if TOO_LARGE.iter().any(|mark| lower.contains(mark)) {
        return too_large();
    }
    if TOO_OFTEN.iter().any(|mark| lower.contains(mark)) {
        return limited(UNTOLD_WAIT);
    }
    // The size is what a limit without a wait is mostly about, so the request is to be split.
    too_large().with_retry_after(Some(UNTOLD_WAIT))
}

/// Maps a failure of a request that cannot be split: where the server did not say that it is about the
/// size, it may be worth one more try, slowly.
pub(super) fn or_wait(failure: Error) -> Error {
    match (failure.kind(), failure.retry_after()) {
        (ErrorKind::TooLarge, Some(_)) => {
            failure.with_verdict(contexter_service::Sample::Neutral, true)
        }
        _ => failure,
    }
}

/// Maps what somebody before the server answered in plain HTTP.
///
/// | status | kind |
/// |---|---|
/// | 401, 403, 407 | `Unauthorized` |
/// | 402 | `QuotaExhausted` |
/// | 404 | `Unsupported`: nobody there knows the protocol |
/// | 408, 504 | `Timeout` |
/// | 413 | `TooLarge` |
/// | 429 | `RateLimited`, after [`UNTOLD_WAIT`] if it says nothing |
/// | 5xx otherwise | `Unavailable`, after the time that it says |
/// | anything else | `Protocol` |
///
/// As in <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>, with kinds of
/// their own for the codes that it counts as unknown.
pub(super) fn gateway(answer: &NotGrpc) -> Error {
    let status = answer.status;
    let wait = answer.retry_after;
    let (kind, what, wait) = match status {
        401 | 403 | 407 => (ErrorKind::Unauthorized, "does not let the call pass", None),
        402 => (ErrorKind::QuotaExhausted, "wants to be paid", None),
        404 => (ErrorKind::Unsupported, "knows no Qdrant server", None),
        408 | 504 => (ErrorKind::Timeout, "waited in vain", None),
        413 => (ErrorKind::TooLarge, "finds the call too large", None),
        429 => {
            let wait = wait.unwrap_or(UNTOLD_WAIT);
            (ErrorKind::RateLimited, "is called too often", Some(wait))
        }
        500..=599 => (ErrorKind::Unavailable, "cannot reach the server", wait),
        _ => (ErrorKind::Protocol, "does not speak gRPC", None),
    };
    let message = format!("what answers in place of the server {what}: HTTP status {status}");
    error(kind, message).with_retry_after(wait)
}

/// Maps a failure on this side: such a status has a cause, one that the server sent has none.
fn transport(status: &Status, server: &str) -> Option<Error> {
    let mut cause = StdError::source(status)?;
    let deepest = loop {
        if let Some(answer) = cause.downcast_ref::<NotGrpc>() {
            return Some(gateway(answer));
        }
        if cause.is::<TimeoutExpired>() {
            let message = "the server did not answer in time";
            return Some(error(ErrorKind::Timeout, message));
        }
        if cause.is::<ConnectError>() {
            return Some(
                error(
                    ErrorKind::Unavailable,
                    format!("cannot connect to {server}: {}", deepest_text(cause)),
                )
                .with_not_sent(),
            );
        }
        match cause.source() {
            Some(next) => cause = next,
            None => break cause,
        }
    };
    let refused =
        status.code() == Code::Unavailable && deepest.to_string().contains("refused stream");
    let failure = error(
        ErrorKind::Unavailable,
        format!(
            "the connection to the server failed: {}",
            clean(&deepest.to_string()),
        ),
    );
    Some(if refused {
        failure.with_not_sent()
    } else {
        failure
    })
}

/// The last cause says what the operating system said.
fn deepest_text(cause: &(dyn StdError + 'static)) -> String {
    let mut deepest = cause;
    while let Some(next) = deepest.source() {
        deepest = next;
    }
    clean(&deepest.to_string())
}

fn said(status: &Status, secrets: &Secrets) -> String {
    let message = secrets.told(status.message());
    if message.is_empty() {
        return format!("status {:?}", status.code());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_key_is_in_no_message_however_the_server_writes_it() {
        let secrets = Secrets::new(["q-7*Zt/0"]);
        for written in [
            "q-7*Zt/0",
            "Q-7*ZT/0",
            "q-7*Zt%2F0",
            "q%2D7%2AZt%2f0",
            r"q-7*Zt\/0",
            r"q-7\u002aZt/0",
            "cS03Klp0LzA",
            "q-7*\u{200b}Zt/0",
            "q-7*\u{1}Zt/0",
        ] {
            for filling in [0, 270, 290] {
                let filling = "x".repeat(filling);
                let refused = Status::internal(format!("{filling}no {written}!"));
                let error = status(refused, &secrets, "http://localhost:6334");
                let shown = error.message().to_ascii_lowercase();
                assert!(!shown.contains("q-7") && !shown.contains("cs03"), "{error}");
                assert!(
                    !filling.is_empty() || shown.ends_with("no [redacted]!"),
                    "{error}"
                );
            }
        }
    }
}
