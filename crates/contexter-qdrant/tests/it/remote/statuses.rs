//! What each status means.

use std::time::Duration;

use contexter_model::ErrorKind;
use contexter_service::{Again, Sample};
use tonic::{Code, Status};

use super::served::KEY;

fn with_metadata(code: Code, message: &str, name: &'static str, value: &'static str) -> Status {
    let mut status = Status::new(code, message);
    status.metadata_mut().insert(name, value.parse().unwrap());
    status
}

pub(crate) struct Case {
    pub(crate) status: fn() -> Status,
    pub(crate) kind: ErrorKind,
    pub(crate) again: Again,
    pub(crate) sample: Sample,
    pub(crate) message: &'static str,
}

const NO: Again = Again::No;
pub(crate) const YES: Again = Again::Yes { after: None };

pub(crate) fn table() -> Vec<Case> {
    let mut cases = refusals();
    cases.extend(limits());
    cases.extend(troubles());
    cases
}

fn case(
    status: fn() -> Status,
    kind: ErrorKind,
    again: Again,
    sample: Sample,
    message: &'static str,
) -> Case {
    Case {
        status,
        kind,
        again,
        sample,
        message,
    }
}

fn refusals() -> Vec<Case> {
    vec![
        case(
            || Status::invalid_argument("Wrong input: no"),
            ErrorKind::Invalid,
            NO,
            Sample::Success,
            "the server refused it: Wrong input: no",
        ),
        case(
            || {
                Status::invalid_argument(
                    "Bad request: Index required but not found for \"x\". Help: y",
                )
            },
            ErrorKind::Invalid,
            NO,
            Sample::Success,
            "the server asks for an index that the collection does not have: Bad request: Index \
             required but not found for \"x\". Help: y",
        ),
        case(
            || Status::not_found("Not found: Collection `x` doesn't exist!"),
            ErrorKind::NotFound,
            NO,
            Sample::Success,
            "Not found: Collection `x` doesn't exist!",
        ),
        case(
            || Status::already_exists("there"),
            ErrorKind::Invalid,
            NO,
            Sample::Success,
            "the server refused it: there",
        ),
        case(
            || Status::unauthenticated(format!("Invalid API key {KEY}")),
            ErrorKind::Unauthorized,
            NO,
            Sample::Neutral,
            "the server does not accept the api_key: Invalid API key [redacted]",
        ),
        case(
            || Status::permission_denied("Forbidden"),
            ErrorKind::Unauthorized,
            NO,
            Sample::Neutral,
            "the api_key does not permit it: Forbidden",
        ),
        case(
            || Status::failed_precondition("locked"),
            ErrorKind::Invalid,
            NO,
            Sample::Success,
            "the server refused it: locked",
        ),
        case(
            || Status::unimplemented("no cluster"),
            ErrorKind::Unsupported,
            NO,
            Sample::Success,
            "the server does not offer it: no cluster",
        ),
        case(
            || Status::data_loss("checksum"),
            ErrorKind::Unexpected,
            NO,
            Sample::Failure,
            "the server found damaged data: checksum",
        ),
    ]
}

fn limits() -> Vec<Case> {
    vec![
        case(
            || with_metadata(Code::ResourceExhausted, "slow down", "retry-after", "7"),
            ErrorKind::RateLimited,
            Again::Yes {
                after: Some(Duration::from_secs(7)),
            },
            Sample::Neutral,
            "the server's rate limit is used up: slow down",
        ),
        case(
            || Status::resource_exhausted("larger than the bucket"),
            ErrorKind::TooLarge,
            NO,
            Sample::Success,
            "more than the server takes at once: larger than the bucket",
        ),
        case(
            || with_metadata(Code::ResourceExhausted, "soon", "retry-after", "a while"),
            ErrorKind::RateLimited,
            Again::Yes {
                after: Some(Duration::from_secs(5)),
            },
            Sample::Neutral,
            "the server's rate limit is used up: soon",
        ),
        case(
            || Status::resource_exhausted("Read rate limit exceeded"),
            ErrorKind::RateLimited,
            Again::Yes {
                after: Some(Duration::from_secs(5)),
            },
            Sample::Neutral,
            "the server's rate limit is used up: Read rate limit exceeded",
        ),
        case(
            || Status::resource_exhausted("no"),
            ErrorKind::TooLarge,
            NO,
            Sample::Success,
            "more than the server takes at once: no",
        ),
        case(
            || {
                with_metadata(
                    Code::ResourceExhausted,
                    "disk",
                    "qdrant-insufficient-storage",
                    "1",
                )
            },
            ErrorKind::QuotaExhausted,
            NO,
            Sample::Neutral,
            "the server has no storage left: disk",
        ),
        case(
            || Status::out_of_range("decoded message length too large"),
            ErrorKind::TooLarge,
            NO,
            Sample::Success,
            "too large for the server: decoded message length too large",
        ),
        case(
            || Status::deadline_exceeded("timed out"),
            ErrorKind::Timeout,
            YES,
            Sample::Failure,
            "the server ran out of time: timed out",
        ),
        case(
            || Status::cancelled("Timeout expired"),
            ErrorKind::Timeout,
            YES,
            Sample::Failure,
            "the server ran out of time: Timeout expired",
        ),
        case(
            || Status::unavailable("shard down"),
            ErrorKind::Unavailable,
            YES,
            Sample::Failure,
            "the server failed: shard down",
        ),
        case(
            || Status::internal("Service internal error: x"),
            ErrorKind::Unavailable,
            YES,
            Sample::Failure,
            "the server failed: Service internal error: x",
        ),
    ]
}

fn troubles() -> Vec<Case> {
    vec![
        case(
            || Status::internal("InferenceService URL not configured - please provide"),
            ErrorKind::Unsupported,
            NO,
            Sample::Success,
            "the server has no inference service: InferenceService URL not configured - please \
             provide",
        ),
        case(
            || Status::internal("Authentication failed for inference service"),
            ErrorKind::Unauthorized,
            NO,
            Sample::Neutral,
            "the server's inference service does not accept its key: Authentication failed for \
             inference service",
        ),
        case(
            || Status::internal("failed to decode Protobuf message: x"),
            ErrorKind::Protocol,
            NO,
            Sample::Failure,
            "the reply is no message of the protocol: failed to decode Protobuf message: x",
        ),
        case(
            || Status::unknown("?"),
            ErrorKind::Unavailable,
            YES,
            Sample::Failure,
            "the server failed: ?",
        ),
        case(
            || Status::aborted("lost"),
            ErrorKind::Unavailable,
            YES,
            Sample::Failure,
            "the server failed: lost",
        ),
        case(
            || Status::unavailable("two\n\u{202E}lines\u{200B}"),
            ErrorKind::Unavailable,
            YES,
            Sample::Failure,
            "the server failed: two lines",
        ),
        case(
            || Status::unavailable(""),
            ErrorKind::Unavailable,
            YES,
            Sample::Failure,
            "the server failed: status Unavailable",
        ),
    ]
}
