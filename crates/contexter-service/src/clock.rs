//! Where mechanisms read the time, and how they wait.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A place beyond any configured wait, for sums that leave the range of `Instant`.
const FAR: Duration = Duration::from_hours(24 * 365 * 30);

/// Reads a monotonic clock.
pub trait Clock: Send + Sync {
    /// Returns the time now; it never goes backwards.
    fn now(&self) -> Instant;
}

/// A clock that can also wait.
pub trait Timer: Clock {
    /// The future of a wait. Dropping it cancels the wait.
    type Sleep: Future<Output = ()> + Send;

    /// Waits until `deadline`; a deadline in the past is over at once.
    fn sleep_until(&self, deadline: Instant) -> Self::Sleep;

    /// Waits for `duration`, measured from this call.
    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.sleep_until(later(self.now(), duration))
    }
}

/// Adds `duration` to `start`; a sum out of range becomes thirty years from `start`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use contexter_service::{Clock, StdClock, later};
///
/// let now = StdClock.now();
/// assert_eq!(later(now, Duration::from_secs(1)) - now, Duration::from_secs(1));
/// assert!(later(now, Duration::MAX) > now);
/// ```
#[must_use]
pub fn later(start: Instant, duration: Duration) -> Instant {
    start
        .checked_add(duration)
        .or_else(|| start.checked_add(FAR))
        .unwrap_or(start)
}

/// The monotonic clock of the standard library. It cannot wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StdClock;

impl Clock for StdClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// The clock of a mechanism that was given none.
///
/// It reads the clock of the standard library. With feature `tokio` it reads the same clock through
/// tokio, follows time that a test has paused, and is a [`Timer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultClock;

#[cfg(not(feature = "tokio"))]
impl Clock for DefaultClock {
    fn now(&self) -> Instant {
        StdClock.now()
    }
}

#[cfg(feature = "tokio")]
impl Clock for DefaultClock {
    fn now(&self) -> Instant {
        crate::TokioTimer.now()
    }
}

#[cfg(feature = "tokio")]
impl Timer for DefaultClock {
    type Sleep = <crate::TokioTimer as Timer>::Sleep;

    fn sleep_until(&self, deadline: Instant) -> Self::Sleep {
        crate::TokioTimer.sleep_until(deadline)
    }
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Instant {
        (**self).now()
    }
}

impl<T: Timer + ?Sized> Timer for &T {
    type Sleep = T::Sleep;

    fn sleep_until(&self, deadline: Instant) -> Self::Sleep {
        (**self).sleep_until(deadline)
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Instant {
        (**self).now()
    }
}

impl<T: Timer + ?Sized> Timer for Arc<T> {
    type Sleep = T::Sleep;

    fn sleep_until(&self, deadline: Instant) -> Self::Sleep {
        (**self).sleep_until(deadline)
    }
}
