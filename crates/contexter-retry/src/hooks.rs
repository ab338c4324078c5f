//! What a retry tells about itself while it runs, and to whom.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use contexter_service::Event;

/// Another attempt follows a failed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scheduled<'a> {
    /// The name of the retry.
    pub name: Option<&'a str>,
    /// The number of the attempt that failed, counted from 1.
    pub attempt: u32,
    /// The wait before the next one.
    pub delay: Duration,
    /// The wait that the far side, or a refusal on this side, asked for.
    pub asked: Option<Duration>,
}

/// No attempt follows, although one might have helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GaveUp<'a> {
    /// The name of the retry.
    pub name: Option<&'a str>,
    /// How many attempts were made.
    pub attempts: u32,
    /// Why no other follows.
    pub reason: Reason,
}

/// Why a retry made no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// All attempts were used up.
    MaxAttempts,
    /// The call may do harm when repeated, and may have reached the far side.
    NotIdempotent,
    /// The request could not be copied.
    NotRepeatable,
    /// A mechanism on this side refused the call a second time.
    Refused,
    /// The wait that was asked for is above `max_retry_after`.
    MaxRetryAfter,
    /// The custom schedule has ended.
    ScheduleEnded,
    /// The wait would reach `max_elapsed`.
    MaxElapsed,
    /// The wait would reach the deadline of the call.
    Deadline,
    /// The budget has no token left.
    Budget,
}

impl Reason {
    /// Returns the reason in one word, such as `"max_attempts"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MaxAttempts => "max_attempts",
            Self::NotIdempotent => "not_idempotent",
            Self::NotRepeatable => "not_repeatable",
            Self::Refused => "refused",
            Self::MaxRetryAfter => "max_retry_after",
            Self::ScheduleEnded => "schedule_ended",
            Self::MaxElapsed => "max_elapsed",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

type OnRetry = dyn Fn(&Scheduled<'_>) + Send + Sync;
type OnGiveUp = dyn Fn(&GaveUp<'_>) + Send + Sync;

/// Whoever was given to a retry to be told.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) on_retry: Option<Arc<OnRetry>>,
    pub(crate) on_give_up: Option<Arc<OnGiveUp>>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("on_retry", &self.on_retry.is_some())
            .field("on_give_up", &self.on_give_up.is_some())
            .finish()
    }
}

impl Hooks {
    pub(crate) fn scheduled(&self, scheduled: &Scheduled<'_>, name: Option<&Arc<str>>) {
        let event = Event::RetryScheduled;
        guarded(|| {
            event.count(name);
            tracing::debug!(
                name = scheduled.name,
                mechanism = event.mechanism(),
                event = event.as_str(),
                attempt = scheduled.attempt,
                delay_ms = millis(scheduled.delay),
                asked_ms = scheduled.asked.map(millis),
                "another attempt follows"
            );
        });
        if let Some(hook) = &self.on_retry {
            guarded(|| hook(scheduled));
        }
    }

    pub(crate) fn gave_up(&self, gave_up: &GaveUp<'_>, name: Option<&Arc<str>>) {
        let event = match gave_up.reason {
            Reason::Budget => Event::RetryBudgetExhausted,
            _ => Event::RetryGaveUp,
        };
        guarded(|| {
            event.count(name);
            tracing::debug!(
                name = gave_up.name,
                mechanism = event.mechanism(),
                event = event.as_str(),
                attempts = gave_up.attempts,
                reason = gave_up.reason.as_str(),
                "no other attempt follows"
            );
        });
        if let Some(hook) = &self.on_give_up {
            guarded(|| hook(gave_up));
        }
    }
}

/// Tells somebody else. A listener that panics must not take the outcome of a call with it; the
/// panic hook has reported it.
pub(crate) fn guarded(tell: impl FnOnce()) {
    drop(catch_unwind(AssertUnwindSafe(tell)));
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
