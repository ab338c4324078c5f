//! The error of every adapter.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use contexter_service::{Again, Both, Elapsed, Full, Limited, Open, Sample, Verdict};

/// What went wrong, for callers that must branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request was refused as wrong; sending it again is pointless.
    Invalid,
    /// The key is missing, wrong or lacks the permission.
    Unauthorized,
    /// The named thing does not exist.
    NotFound,
    /// A quota is used up for now; the error may say for how long.
    RateLimited,
    /// A quota is used up until somebody pays or raises it.
    QuotaExhausted,
    /// No answer came in time.
    Timeout,
    /// The far side cannot answer now.
    Unavailable,
    /// The named thing is still being made, by a far side that works; ask again later.
    NotReady,
    /// The adapter or the vendor does not offer this.
    Unsupported,
    /// The request or the reply is larger than a limit.
    TooLarge,
    /// The reply does not follow the protocol.
    Protocol,
    /// The caller gave up.
    Cancelled,
    /// Anything else: most likely a defect.
    Unexpected,
}

impl ErrorKind {
    /// Returns the kind as a lower-case word, as used in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::NotReady => "not_ready",
            Self::Unsupported => "unsupported",
            Self::TooLarge => "too_large",
            Self::Protocol => "protocol",
            Self::Cancelled => "cancelled",
            Self::Unexpected => "unexpected",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an adapter's operation failed.
///
/// `Display` is one line without secrets; the cause, if any, is in
/// [`source`](StdError::source) and not repeated. The value is one word wide. A clone, for callers
/// that share an outcome, shares the cause.
///
/// # Examples
///
/// ```
/// use contexter_model::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::NotFound, "no library \"/crates/nope\"")
///     .with_service("local_documents")
///     .with_operation("fetch_docs");
/// assert_eq!(
///     error.to_string(),
///     "local_documents fetch_docs: no library \"/crates/nope\"",
/// );
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    service: Option<String>,
    operation: Option<&'static str>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    sent: bool,
    rejection: bool,
    verdict: Option<(Sample, bool)>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Creates an error; `message` is lower case, names the offending value and holds no secret.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                service: None,
                operation: None,
                request_id: None,
                retry_after: None,
                sent: true,
                rejection: false,
                verdict: None,
                source: None,
            }),
        }
    }

    /// Names the service that failed.
    #[must_use]
    pub fn with_service(mut self, service: impl Into<String>) -> Self {
        self.inner.service = Some(service.into());
        self
    }

    /// Names the operation that failed.
    #[must_use]
    pub fn with_operation(mut self, operation: &'static str) -> Self {
        self.inner.operation = Some(operation);
        self
    }

    /// Names the service and the operation where the error names none; what it names stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_model::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Timeout, "no answer in 3 s").with_service("proxy");
    /// let error = error.or_of("voyage_ai", "embed");
    /// assert_eq!((error.service(), error.operation()), (Some("proxy"), Some("embed")));
    /// ```
    #[must_use]
    pub fn or_of(mut self, service: &str, operation: &'static str) -> Self {
        let inner = &mut self.inner;
        inner.service.get_or_insert_with(|| service.to_owned());
        inner.operation.get_or_insert(operation);
        self
    }

    /// Keeps the vendor's request id, which its support asks for.
    #[must_use]
    pub fn with_request_id(mut self, request_id: impl Into<String>) -> Self {
        self.inner.request_id = Some(request_id.into());
        self
    }

    /// Keeps how long the far side asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.inner.retry_after = retry_after;
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(Arc::from(source.into()));
        self
    }

    /// Says that the far side has surely not begun to work on the request: no connection to it could be
    /// made, or it said so. What is not idempotent may then be tried again as well; whether that is worth while, and
    /// what it says about the far side, is a matter of the kind as before.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_model::{Error, ErrorKind};
    /// use contexter_service::{Sample, Verdict};
    ///
    /// let error = Error::new(ErrorKind::Unavailable, "connection refused").with_not_sent();
    /// assert!(!error.sent() && !error.is_rejection());
    /// assert_eq!(error.sample(), Sample::Failure);
    /// ```
    #[must_use]
    pub fn with_not_sent(mut self) -> Self {
        self.inner.sent = false;
        self
    }

    /// Replaces what the kind teaches: what the error says about the health of the far side, and
    /// whether trying again can help.
    ///
    /// It is for far sides that stand between us and others. That a site does not answer says nothing
    /// bad about the service that asked it, and some failures are known to repeat. A rejection keeps its
    /// meaning.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_model::{Error, ErrorKind};
    /// use contexter_service::{Again, Sample, Verdict};
    ///
    /// let error = Error::new(ErrorKind::Unavailable, "the site closed the connection")
    ///     .with_verdict(Sample::Success, false);
    /// assert_eq!((error.sample(), error.again()), (Sample::Success, Again::No));
    /// ```
    #[must_use]
    pub fn with_verdict(mut self, sample: Sample, again: bool) -> Self {
        self.inner.verdict = Some((sample, again));
        self
    }

    /// Returns what went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Returns the message without service, operation and cause.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// Returns the name of the service that failed.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.inner.service.as_deref()
    }

    /// Returns the operation that failed.
    #[must_use]
    pub fn operation(&self) -> Option<&'static str> {
        self.inner.operation
    }

    /// Returns the vendor's request id.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.inner.request_id.as_deref()
    }

    /// Returns how long the far side, or the mechanism that refused the call, asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }

    /// Returns whether a mechanism refused the call before it was sent.
    #[must_use]
    pub fn is_rejection(&self) -> bool {
        self.inner.rejection
    }

    fn rejection(
        kind: ErrorKind,
        retry_after: Option<Duration>,
        cause: impl StdError + Send + Sync + 'static,
    ) -> Self {
        let mut error = Self::new(kind, cause.to_string()).with_retry_after(retry_after);
        error.inner.sent = false;
        error.inner.rejection = true;
        error
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.inner;
        match (&inner.service, inner.operation) {
            (Some(service), Some(operation)) => write!(f, "{service} {operation}: ")?,
            (Some(service), None) => write!(f, "{service}: ")?,
            (None, Some(operation)) => write!(f, "{operation}: ")?,
            (None, None) => {}
        }
        f.write_str(&inner.message)?;
        match &inner.request_id {
            Some(id) => write!(f, " (request {id})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("message", &self.inner.message)
            .field("service", &self.inner.service)
            .field("operation", &self.inner.operation)
            .field("request_id", &self.inner.request_id)
            .field("retry_after", &self.inner.retry_after)
            .field("sent", &self.inner.sent)
            .field("rejection", &self.inner.rejection)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

impl Verdict for Error {
    fn sample(&self) -> Sample {
        if self.is_rejection() {
            return Sample::Neutral;
        }
        if let Some((sample, _)) = self.inner.verdict {
            return sample;
        }
        match self.kind() {
            // The far side answered, and it answered properly: the request was at fault.
            ErrorKind::Invalid
            | ErrorKind::NotFound
            | ErrorKind::NotReady
            | ErrorKind::Unsupported
            | ErrorKind::TooLarge => Sample::Success,
            // Turned away at the door, which says nothing about what is behind it: a gateway refuses a
            // key also for a service that is down.
            ErrorKind::Unauthorized => Sample::Neutral,
            ErrorKind::RateLimited | ErrorKind::QuotaExhausted | ErrorKind::Cancelled => {
                Sample::Neutral
            }
            ErrorKind::Timeout
            | ErrorKind::Unavailable
            | ErrorKind::Protocol
            | ErrorKind::Unexpected => Sample::Failure,
        }
    }

    fn again(&self) -> Again {
        if self.is_rejection() {
            return Again::No;
        }
        if let Some((_, again)) = self.inner.verdict {
            return if again {
                Again::Yes {
                    after: self.retry_after(),
                }
            } else {
                Again::No
            };
        }
        match self.kind() {
            ErrorKind::RateLimited
            | ErrorKind::NotReady
            | ErrorKind::Timeout
            | ErrorKind::Unavailable => Again::Yes {
                after: self.retry_after(),
            },
            _ => Again::No,
        }
    }

    fn sent(&self) -> bool {
        self.inner.sent
    }

    /// A rejection says when it ends, if the mechanism knew.
    fn refused(&self) -> Option<Duration> {
        self.retry_after().filter(|_| self.is_rejection())
    }

    /// A used-up quota whose renewal is known keeps calls away until then.
    fn trip(&self) -> Option<Duration> {
        match self.kind() {
            ErrorKind::QuotaExhausted => self.retry_after(),
            _ => None,
        }
    }
}

impl From<Open> for Error {
    fn from(open: Open) -> Self {
        Self::rejection(ErrorKind::Unavailable, open.retry_after, open)
    }
}

impl From<Full> for Error {
    fn from(full: Full) -> Self {
        Self::rejection(ErrorKind::Unavailable, None, full)
    }
}

impl From<Limited> for Error {
    fn from(limited: Limited) -> Self {
        Self::rejection(ErrorKind::RateLimited, limited.retry_after, limited)
    }
}

impl From<Elapsed> for Error {
    fn from(elapsed: Elapsed) -> Self {
        if elapsed.is_not_sent() {
            return Self::rejection(ErrorKind::Timeout, None, elapsed);
        }
        Self::new(ErrorKind::Timeout, elapsed.to_string())
    }
}

/// The error of the call that a fallback stood in for, with what became of the fallback.
impl From<Both<Error>> for Error {
    fn from(both: Both<Error>) -> Self {
        let mut error = both.original;
        error.inner.message = format!(
            "{}; so did its fallback: {}",
            error.message(),
            both.fallback
        );
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_sent_is_else_judged_by_its_kind() {
        for kind in [
            ErrorKind::Unavailable,
            ErrorKind::Timeout,
            ErrorKind::Unauthorized,
            ErrorKind::Invalid,
        ] {
            let after = Some(Duration::from_secs(7));
            let sent = Error::new(kind, "down").with_retry_after(after);
            let unsent = sent.clone().with_not_sent();
            assert_eq!((sent.sent(), unsent.sent()), (true, false), "{kind}");
            assert_eq!(unsent.sample(), sent.sample(), "{kind}");
            assert_eq!(unsent.again(), sent.again(), "{kind}");
            assert!(!unsent.is_rejection(), "{kind}");
            assert_eq!(unsent.refused(), None, "{kind}");
        }
    }

    #[test]
    fn a_rejection_was_not_sent_and_teaches_nothing() {
        let rejection = Error::from(Full { limit: 1 });
        assert!(rejection.is_rejection() && !rejection.sent());
        assert_eq!(rejection.sample(), Sample::Neutral);
        assert_eq!(rejection.again(), Again::No);
    }

    #[test]
    fn what_is_still_being_made_is_worth_another_call_and_no_fault_of_the_far_side() {
        let after = Some(Duration::from_mins(1));
        let building = Error::new(ErrorKind::NotReady, "building").with_retry_after(after);
        assert_eq!(building.sample(), Sample::Success);
        assert_eq!(building.again(), Again::Yes { after });
    }

    #[test]
    fn who_is_turned_away_at_the_door_learns_nothing_about_what_is_behind_it() {
        let turned_away = Error::new(ErrorKind::Unauthorized, "no key");
        assert_eq!(turned_away.sample(), Sample::Neutral);
        assert_eq!(turned_away.again(), Again::No);
    }
}
