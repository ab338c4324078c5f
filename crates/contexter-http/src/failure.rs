//! What went wrong, in the words of the model.

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use contexter_model::{Error, ErrorKind};
use contexter_retry::{parse_retry_after, parse_retry_after_ms};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::NotPublic;
use crate::http2::{self, Meaning};

/// A wait longer than this is not believed: no quota of a sane service lasts longer than a day.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// Finer than seconds; several services send it besides `Retry-After`.
const RETRY_AFTER_MS: &str = "retry-after-ms";

/// How the HTTP library shows that a proxy answered `CONNECT` with 407. Its type cannot be named,
/// so the text is matched; a test against a proxy would see it change.
const PROXY_REFUSES_CREDENTIALS: &str = "proxy authorization required";

/// How the HTTP library shows that a proxy answered `CONNECT` with anything else than 200.
const PROXY_REFUSES_TUNNEL: &str = "tunnel error: unsuccessful";

/// Reads a reply whose status is not a success.
pub(crate) fn of_status(status: StatusCode, headers: &HeaderMap, shown_url: &str) -> Error {
    let shown = shown_status(status);
    Error::new(kind_of(status), format!("{shown_url} answered {shown}"))
        .with_retry_after(retry_after(headers, SystemTime::now()))
}

/// Returns code and reason: `429 Too Many Requests`.
pub(crate) fn shown_status(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// Reads a failure of the transport; `proxy` is the address of the proxy that was set.
pub(crate) fn of_transport(error: reqwest::Error, shown_url: &str, proxy: Option<&str>) -> Error {
    let by = proxy.map_or_else(String::new, |proxy| format!(" by the proxy {proxy}"));
    let refusal = causes(&error).find_map(|cause| cause.downcast_ref::<NotPublic>());
    let http2 = of_http2(&error);
    let (kind, what) = if let Some(refusal) = refusal {
        (ErrorKind::Invalid, format!("is not allowed: {refusal}"))
    } else if says(&error, PROXY_REFUSES_CREDENTIALS) {
        (
            ErrorKind::Unauthorized,
            format!("cannot be reached{by}: it wants other credentials (407)"),
        )
    } else if says(&error, PROXY_REFUSES_TUNNEL) {
        (
            ErrorKind::Unavailable,
            format!("cannot be reached{by}: it opens no tunnel"),
        )
    } else if error.is_timeout() {
        (ErrorKind::Timeout, "did not answer in time".to_owned())
    } else if error.is_redirect() {
        (
            ErrorKind::Protocol,
            "redirects in a way that is not followed".to_owned(),
        )
    } else if error.is_connect() {
        (ErrorKind::Unavailable, format!("cannot be reached{by}"))
    } else if error.is_builder() {
        (ErrorKind::Invalid, "cannot be asked".to_owned())
    } else if http2 == Some(Meaning::Unprocessed) {
        (
            ErrorKind::Unavailable,
            "takes no more requests on this connection".to_owned(),
        )
    } else if http2 == Some(Meaning::WantsHttp1) {
        (
            ErrorKind::Unsupported,
            "cannot be asked over http/2, only over http/1.1".to_owned(),
        )
    } else if http2 == Some(Meaning::NoHttpForAnybody) {
        (
            ErrorKind::Unavailable,
            "broke the rules of http/2 on the connection".to_owned(),
        )
    } else if is_no_http(&error) || http2 == Some(Meaning::NoHttp) {
        (
            ErrorKind::Protocol,
            "answered with what is no http".to_owned(),
        )
    } else if is_undecodable(&error) {
        (
            ErrorKind::Protocol,
            "answered with a body that cannot be decoded".to_owned(),
        )
    } else {
        (ErrorKind::Unavailable, "broke off its answer".to_owned())
    };
    // Also a connection whose making took too long has carried nothing yet. Where a redirect led to
    // it, the server before was only asked by GET.
    let not_sent = error.is_connect() || error.is_builder() || http2 == Some(Meaning::Unprocessed);
    let failure = Error::new(kind, format!("{shown_url} {what}"));
    let failure = match goodbye(&error) {
        Some(reason) => failure.with_source(reason),
        None => failure.with_source(error.without_url()),
    };
    if not_sent {
        failure.with_not_sent()
    } else {
        failure
    }
}

/// A reply that ended before the length that it had announced.
pub(crate) fn cut_off(shown_url: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("{shown_url} broke off its answer"),
    )
}

/// Reads the kind of a status; the table is in the documentation of [`Reply::error`].
///
/// [`Reply::error`]: crate::Reply::error
pub(crate) fn kind_of(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 | 403 | 407 => ErrorKind::Unauthorized,
        402 => ErrorKind::QuotaExhausted,
        404 | 410 => ErrorKind::NotFound,
        408 | 504 => ErrorKind::Timeout,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::RateLimited,
        405 | 501 => ErrorKind::Unsupported,
        400..=499 => ErrorKind::Invalid,
        500..=599 => ErrorKind::Unavailable,
        _ => ErrorKind::Protocol,
    }
}

/// Reads `retry-after-ms`, and else `Retry-After`: seconds or a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |value: &reqwest::header::HeaderValue| value.to_str().ok().map(str::to_owned);
    let millis = headers.get(RETRY_AFTER_MS).and_then(text);
    let wait = millis.as_deref().and_then(parse_retry_after_ms);
    let wait = wait.or_else(|| parse_retry_after(&text(headers.get(RETRY_AFTER)?)?, now))?;
    Some(wait.min(MAX_RETRY_AFTER))
}

/// Returns what caused an error, from the outside in, without the error itself.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

fn says(error: &reqwest::Error, words: &str) -> bool {
    error.is_connect() && causes(error).any(|cause| cause.to_string().contains(words))
}

/// Returns the reason that a server gave for ending a connection of HTTP/2, without the words that it may
/// have put to it: they are the server's, and could hold anything.
fn goodbye(error: &reqwest::Error) -> Option<String> {
    let error = causes(error).find_map(|cause| cause.downcast_ref::<h2::Error>())?;
    let reason = error.reason().filter(|_| error.is_go_away())?;
    Some(format!("the connection was ended: {reason}"))
}

/// Returns what an error of HTTP/2 says about the request, where there is one. Once a reply has begun,
/// the server has worked on it.
fn of_http2(error: &reqwest::Error) -> Option<Meaning> {
    let meaning = causes(error)
        .find_map(|cause| cause.downcast_ref::<h2::Error>())
        .map(http2::meaning)?;
    let has_begun = !error.is_request();
    match meaning {
        Meaning::Unprocessed | Meaning::WantsHttp1 if has_begun => Some(Meaning::BrokeOff),
        meaning => Some(meaning),
    }
}

/// Tells whether the bytes that came were no HTTP, or not within its limits.
fn is_no_http(error: &reqwest::Error) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<hyper::Error>())
        .any(hyper::Error::is_parse)
}

/// Tells whether a body did not keep to its encoding: chunks that are none, a broken compression.
fn is_undecodable(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput};

    causes(error)
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| matches!(error.kind(), InvalidData | InvalidInput))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_kind_that_callers_branch_on() {
        for (status, kind) in [
            (302, ErrorKind::Protocol),
            (400, ErrorKind::Invalid),
            (401, ErrorKind::Unauthorized),
            (402, ErrorKind::QuotaExhausted),
            (403, ErrorKind::Unauthorized),
            (404, ErrorKind::NotFound),
            (405, ErrorKind::Unsupported),
            (407, ErrorKind::Unauthorized),
            (408, ErrorKind::Timeout),
            (410, ErrorKind::NotFound),
            (413, ErrorKind::TooLarge),
            (422, ErrorKind::Invalid),
            (429, ErrorKind::RateLimited),
            (500, ErrorKind::Unavailable),
            (501, ErrorKind::Unsupported),
            (503, ErrorKind::Unavailable),
            (504, ErrorKind::Timeout),
            (999, ErrorKind::Protocol),
        ] {
            assert_eq!(
                kind_of(StatusCode::from_u16(status).unwrap()),
                kind,
                "{status}"
            );
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_absurd() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(
            read("Sun, 06 Nov 1994 08:50:37 GMT"),
            Some(Duration::from_mins(1))
        );
        assert_eq!(read("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("18446744073709551615"), Some(MAX_RETRY_AFTER));
        assert_eq!(read("-1"), None);
        assert_eq!(read("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn milliseconds_are_finer_than_seconds_and_stand_back_when_broken() {
        let read = |millis: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, "7".parse().unwrap());
            headers.insert(RETRY_AFTER_MS, millis.parse().unwrap());
            retry_after(&headers, SystemTime::UNIX_EPOCH)
        };
        assert_eq!(read("6500"), Some(Duration::from_millis(6500)));
        assert_eq!(read("soon"), Some(Duration::from_secs(7)));
    }
}
