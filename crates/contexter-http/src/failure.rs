//! What went wrong, in the words of the model.

use std::time::{Duration, SystemTime};

use contexter_model::{Error, ErrorKind};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// A wait longer than this is not believed: no quota of a sane service lasts longer than a day.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// Reads a reply whose status is not a success.
pub(crate) fn of_status(status: StatusCode, headers: &HeaderMap, shown_url: &str) -> Error {
    Error::new(kind_of(status), format!("{shown_url} answered {status}"))
        .with_retry_after(retry_after(headers, SystemTime::now()))
}

/// Reads a failure of the transport.
pub(crate) fn of_transport(error: reqwest::Error, shown_url: &str) -> Error {
    let (kind, what) = if error.is_timeout() {
        (ErrorKind::Timeout, "did not answer in time")
    } else if error.is_redirect() {
        (
            ErrorKind::Protocol,
            "redirects in a way that is not followed",
        )
    } else if error.is_connect() {
        (ErrorKind::Unavailable, "cannot be reached")
    } else if error.is_builder() {
        (ErrorKind::Invalid, "cannot be asked")
    } else {
        (ErrorKind::Unavailable, "broke off its answer")
    };
    // Also a connection whose making took too long has carried nothing yet. Where a redirect led to
    // it, the server before was only asked by GET.
    let not_sent = error.is_connect() || error.is_builder();
    let failure = Error::new(kind, format!("{shown_url} {what}")).with_source(error.without_url());
    if not_sent {
        failure.with_not_sent()
    } else {
        failure
    }
}

fn kind_of(status: StatusCode) -> ErrorKind {
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

/// Reads `Retry-After`: seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        // A date that has passed means: at once.
        Err(_) => httpdate::parse_http_date(value)
            .ok()?
            .duration_since(now)
            .unwrap_or_default(),
    };
    Some(wait.min(MAX_RETRY_AFTER))
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
            (408, ErrorKind::Timeout),
            (413, ErrorKind::TooLarge),
            (422, ErrorKind::Invalid),
            (429, ErrorKind::RateLimited),
            (500, ErrorKind::Unavailable),
            (501, ErrorKind::Unsupported),
            (503, ErrorKind::Unavailable),
            (504, ErrorKind::Timeout),
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
}
