//! What handles events, and how it says that it could not.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::{IntegrationEvent, PayloadError};
use contexter_service::{Again, Verdict};
use serde::{Deserialize, Serialize};

use crate::error::PublishError;
use crate::middleware::{Middleware, Wrapped};
use crate::text::{one_line, panic_message};
use crate::turn::Turn;

/// Handles the events of a subscription.
///
/// Closures `Fn(Delivery) -> Future<Output = Result<(), HandlerError>>` are handlers. The same
/// event may be delivered more than once, so handling it twice must do no harm.
pub trait Handler: Send + Sync + 'static {
    /// Handles one event.
    ///
    /// # Errors
    ///
    /// An error says whether another attempt can help.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the handler timeout is over, when the subscription is dropped
    /// and when a drain gives up. A later attempt must be able to take up from there.
    fn handle(&self, delivery: Delivery) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Puts a middleware around this handler. What is put last is outermost: see
    /// [`Middleware`](Middleware#order).
    fn wrap<M: Middleware<Self>>(self, middleware: M) -> Wrapped<Self, M>
    where
        Self: Sized,
    {
        Wrapped::new(self, middleware)
    }
}

impl<F, Fut> Handler for F
where
    F: Fn(Delivery) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), HandlerError>> + Send,
{
    fn handle(&self, delivery: Delivery) -> impl Future<Output = Result<(), HandlerError>> + Send {
        self(delivery)
    }
}

/// One attempt to have an event handled.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub(crate) event: Arc<IntegrationEvent>,
    pub(crate) attempt: u32,
    pub(crate) max_attempts: u32,
    pub(crate) redriven: bool,
    /// None until a worker begins the attempt.
    pub(crate) turn: Option<Turn>,
}

impl Delivery {
    /// Returns the event.
    #[must_use]
    pub fn event(&self) -> &Arc<IntegrationEvent> {
        &self.event
    }

    /// Returns which attempt this is, counted from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns whether a failure of this attempt makes the event a dead letter.
    #[must_use]
    pub fn is_last_attempt(&self) -> bool {
        self.attempt >= self.max_attempts
    }

    /// Returns whether the event is given again on somebody's wish: it was a dead letter that was
    /// [redriven](crate::Bus::redrive), or was [replayed](crate::Bus::replay). So it is at its later
    /// attempts.
    #[must_use]
    pub fn is_redriven(&self) -> bool {
        self.redriven
    }

    /// Returns whether this attempt is over: its handler has come to an end, took too long, or its
    /// subscription has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.turn.as_ref().is_none_or(Turn::is_over)
    }

    /// Waits until this attempt is over, for whatever the handler has started beside itself: what
    /// still goes on then is for nobody, since the event is settled or will be tried again.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_event_bus::{Delivery, HandlerError};
    ///
    /// async fn handle(delivery: Delivery) -> Result<(), HandlerError> {
    ///     let helper = delivery.clone();
    ///     tokio::spawn(async move {
    ///         tokio::select! {
    ///             () = helper.over() => {}
    ///             () = std::future::pending() => {} // some work
    ///         }
    ///     });
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// It may be dropped and called again.
    pub async fn over(&self) {
        if let Some(turn) = &self.turn {
            turn.over().await;
        }
    }
}

/// In what way an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The handler says that another attempt may help.
    Retryable,
    /// The handler says that another attempt would end the same way.
    Permanent,
    /// The data of the event is not the payload that the handler takes; never tried again.
    Undecodable,
    /// The handler panicked; tried again.
    Panicked,
    /// The handler took longer than its timeout; tried again.
    TimedOut,
    /// It was delivered more often than it may be, and no handler ever came to an end with it: it
    /// may be what kills the process. The handler is not called again.
    Poison,
    /// It was made further in the future than clocks may differ; never tried.
    ClockSkew,
}

impl FailureKind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Retryable,
        Self::Permanent,
        Self::Undecodable,
        Self::Panicked,
        Self::TimedOut,
        Self::Poison,
        Self::ClockSkew,
    ];

    /// Returns its name in metrics and stored dead letters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retryable => "retryable",
            Self::Permanent => "permanent",
            Self::Undecodable => "undecodable",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
            Self::Poison => "poison",
            Self::ClockSkew => "clock_skew",
        }
    }

    /// Returns whether another attempt may help.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Retryable | Self::Panicked | Self::TimedOut)
    }
}

/// Why a handler failed, and whether another attempt can help.
///
/// # Examples
///
/// ```
/// use contexter_event_bus::HandlerError;
///
/// let busy = HandlerError::retryable("the index is being rebuilt");
/// let hopeless = HandlerError::permanent("no such library: \"tokyo\"");
/// assert!(busy.kind().is_retryable());
/// assert!(!hopeless.kind().is_retryable());
/// ```
#[derive(Debug)]
pub struct HandlerError(Box<Fault>);

/// Boxed, so that a handler that succeeds moves no more than a word.
#[derive(Debug)]
struct Fault {
    kind: FailureKind,
    retry_after: Option<Duration>,
    error: Box<dyn Error + Send + Sync>,
}

impl HandlerError {
    /// Another attempt may help.
    pub fn retryable(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(FailureKind::Retryable, None, error)
    }

    /// Another attempt may help, but not before `after`.
    pub fn retryable_after(
        after: Duration,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::new(FailureKind::Retryable, Some(after), error)
    }

    /// Another attempt would end the same way.
    pub fn permanent(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(FailureKind::Permanent, None, error)
    }

    /// Asks the error itself whether another attempt can help, and when.
    pub fn by_verdict<E: Verdict + Error + Send + Sync + 'static>(error: E) -> Self {
        match error.again() {
            Again::No => Self::permanent(error),
            Again::Yes { after } => Self::new(FailureKind::Retryable, after, error),
        }
    }

    /// Returns in what way the handler failed.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.0.kind
    }

    /// Returns the shortest wait before another attempt, if the error names one.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    pub(crate) fn timed_out(timeout: Duration) -> Self {
        let error = format!("handler took longer than {timeout:?}");
        Self::new(FailureKind::TimedOut, None, error)
    }

    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic_message(panic);
        Self::new(
            FailureKind::Panicked,
            None,
            format!("handler panicked: {text}"),
        )
    }

    /// The same error as one line of text: nothing of the handler's own is run after this.
    pub(crate) fn rendered(self) -> Self {
        let line = catch_unwind(AssertUnwindSafe(|| self.chain()))
            .unwrap_or_else(|_panic| "an error that panics when it is printed".to_owned());
        Self::new(self.0.kind, self.0.retry_after, line)
    }

    /// The error and what caused it, in one line of a few kilobytes.
    pub(crate) fn chain(&self) -> String {
        let mut line = self.0.error.to_string();
        let mut cause = self.0.error.source();
        while let Some(error) = cause {
            line = format!("{line}: {error}");
            cause = error.source();
        }
        one_line(&line)
    }

    fn new(
        kind: FailureKind,
        retry_after: Option<Duration>,
        error: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self(Box::new(Fault {
            kind,
            retry_after,
            error: error.into(),
        }))
    }
}

impl From<PayloadError> for HandlerError {
    fn from(error: PayloadError) -> Self {
        Self::new(FailureKind::Undecodable, None, error)
    }
}

impl From<PublishError> for HandlerError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Closed => Self::retryable(error),
            PublishError::Transport(cause) if cause.kind().is_transient() => {
                Self::retryable(PublishError::Transport(cause))
            }
            _ => Self::permanent(error),
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.error.fmt(f)
    }
}

impl Error for HandlerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.error.source()
    }
}
