//! What the statuses of HTTP mean, for calls over any client.

use std::time::Duration;

use crate::{Again, Classify, ErrIsFailure, Sample, Verdict};

/// The status of an HTTP response, and the wait that the response asked for.
///
/// | status | sample | again | source |
/// |---|---|---|---|
/// | 100 to 399 | success | no | RFC 9110 §15.2 to §15.4 |
/// | 401 Unauthorized, 403 Forbidden, 407 Proxy Authentication Required | neutral | no | RFC 9110 §15.5.2, §15.5.4, §15.5.8; turned away at the door, which a gateway does also for a service that is down |
/// | 402 Payment Required | neutral | no | RFC 9110 §15.5.3; in practice a used-up quota |
/// | 408 Request Timeout | failure | yes | RFC 9110 §15.5.9 |
/// | 425 Too Early | neutral | yes | RFC 8470 §5.2 |
/// | 429 Too Many Requests | neutral | yes | RFC 6585 §4 |
/// | any other 400 to 499 | success | no | RFC 9110 §15.5: the request is at fault, the far side works |
/// | 501 Not Implemented, 505 HTTP Version Not Supported | failure | no | RFC 9110 §15.6.2, §15.6.6 |
/// | 511 Network Authentication Required | failure | no | RFC 6585 §6 |
/// | any other 500 to 599 | failure | yes | RFC 9110 §15.6 |
/// | outside 100 to 599 | failure | yes | RFC 9110 §15: to be treated as a 5xx |
///
/// A 402 that names a wait lets a breaker open for that time ([`Verdict::trip`]).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_service::{Again, HttpStatus, Sample, Verdict};
///
/// let after = Some(Duration::from_secs(3));
/// let busy = HttpStatus { code: 429, retry_after: after };
/// assert_eq!(busy.sample(), Sample::Neutral);
/// assert_eq!(busy.again(), Again::Yes { after });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HttpStatus {
    /// The status code.
    pub code: u16,
    /// The value of `Retry-After`, if the response had one.
    pub retry_after: Option<Duration>,
}

/// A status without `Retry-After`.
impl From<u16> for HttpStatus {
    fn from(code: u16) -> Self {
        Self {
            code,
            retry_after: None,
        }
    }
}

impl Verdict for HttpStatus {
    fn sample(&self) -> Sample {
        http_status(self.code).0
    }

    fn again(&self) -> Again {
        match http_status(self.code).1 {
            Again::Yes { .. } => Again::Yes {
                after: self.retry_after,
            },
            Again::No => Again::No,
        }
    }

    fn trip(&self) -> Option<Duration> {
        self.retry_after.filter(|_| self.code == 402)
    }
}

/// Reads one status code by the table of [`HttpStatus`].
///
/// # Examples
///
/// ```
/// use contexter_service::{Again, Sample, http_status};
///
/// let worth_a_retry = Again::Yes { after: None };
/// assert_eq!(http_status(503), (Sample::Failure, worth_a_retry));
/// assert_eq!(http_status(404), (Sample::Success, Again::No));
/// ```
#[must_use]
pub const fn http_status(code: u16) -> (Sample, Again) {
    const YES: Again = Again::Yes { after: None };
    match code {
        425 | 429 => (Sample::Neutral, YES),
        401..=403 | 407 => (Sample::Neutral, Again::No),
        408 => (Sample::Failure, YES),
        100..=499 => (Sample::Success, Again::No),
        501 | 505 | 511 => (Sample::Failure, Again::No),
        _ => (Sample::Failure, YES),
    }
}

/// Classifies outcomes by the HTTP status that `F` finds in them, by the table of [`HttpStatus`].
///
/// What has no status, such as a connection that failed, is read by `K`: as a failure that may be
/// retried ([`ErrIsFailure`]) unless [`or`](Self::or) says otherwise.
///
/// # Examples
///
/// ```
/// use contexter_service::{Again, ByStatus, Classify, HttpStatus, Sample};
///
/// struct Response {
///     status: u16,
/// }
///
/// let by_status = ByStatus::new(|out: &Result<Response, std::io::Error>| {
///     out.as_ref().ok().map(|response| HttpStatus::from(response.status))
/// });
/// assert_eq!(by_status.sample(&Ok(Response { status: 502 })), Sample::Failure);
/// assert_eq!(by_status.again(&Ok(Response { status: 422 })), Again::No);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ByStatus<F, K = ErrIsFailure> {
    status: F,
    or: K,
}

impl<F> ByStatus<F> {
    /// Takes the status of an outcome from `status`; `None` means that there is none.
    pub const fn new(status: F) -> Self {
        Self {
            status,
            or: ErrIsFailure,
        }
    }
}

impl<F, K> ByStatus<F, K> {
    /// Reads what has no status by `or`.
    pub fn or<K2>(self, or: K2) -> ByStatus<F, K2> {
        ByStatus {
            status: self.status,
            or,
        }
    }
}

impl<Out, F, K> Classify<Out> for ByStatus<F, K>
where
    F: Fn(&Out) -> Option<HttpStatus> + Send + Sync,
    K: Classify<Out>,
{
    fn sample(&self, out: &Out) -> Sample {
        match (self.status)(out) {
            Some(status) => status.sample(),
            None => self.or.sample(out),
        }
    }

    fn again(&self, out: &Out) -> Again {
        match (self.status)(out) {
            Some(status) => status.again(),
            None => self.or.again(out),
        }
    }

    fn sent(&self, out: &Out) -> bool {
        match (self.status)(out) {
            Some(status) => status.sent(),
            None => self.or.sent(out),
        }
    }

    fn trip(&self, out: &Out) -> Option<Duration> {
        match (self.status)(out) {
            Some(status) => status.trip(),
            None => self.or.trip(out),
        }
    }

    fn refused(&self, out: &Out) -> Option<Duration> {
        match (self.status)(out) {
            Some(status) => status.refused(),
            None => self.or.refused(out),
        }
    }
}
