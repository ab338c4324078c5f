//! The handle to a timeout.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use contexter_service::{Cx, DefaultClock, Elapsed, InvalidConfig, Policy, Timer};

use crate::timed::{Call, Flat, Timed};

/// Gives up an operation whose time is over.
///
/// The time is `limit`, or what is left until the deadline of the [`Cx`] if that is less; the
/// operation sees the resulting deadline in its own `Cx`. So one type serves both places: outside
/// a retry it is the total deadline, inside it is the timeout of each attempt.
///
/// Clones share the limit. An operation that is ready at its first poll registers no timer; one
/// that is ready in the poll in which the time is over has made it. When no time is left at the
/// start, the operation is not begun.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use std::time::Duration;
/// use contexter_timeout::Timeout;
///
/// let timeout = Timeout::new(Duration::from_secs(30))?;
/// let out = timeout.call(std::future::pending::<Result<(), std::io::Error>>).await;
/// assert!(out.unwrap_err().is_elapsed());
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Timeout<T = DefaultClock> {
    /// In nanoseconds.
    limit: Arc<AtomicU64>,
    timer: T,
}

#[cfg(feature = "tokio")]
impl Timeout {
    /// Makes a timeout on the [`DefaultClock`].
    ///
    /// # Errors
    ///
    /// Returns a fault if `limit` is zero.
    pub fn new(limit: Duration) -> Result<Self, InvalidConfig> {
        Self::with_timer(limit, DefaultClock)
    }
}

impl<T: Timer> Timeout<T> {
    /// Makes a timeout that waits by `timer`.
    ///
    /// # Errors
    ///
    /// Returns a fault if `limit` is zero.
    pub fn with_timer(limit: Duration, timer: T) -> Result<Self, InvalidConfig> {
        Ok(Self {
            limit: Arc::new(AtomicU64::new(checked(limit)?)),
            timer,
        })
    }

    /// Returns how long an operation may take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        Duration::from_nanos(self.limit.load(Ordering::Relaxed))
    }

    /// Takes a new limit, for this timeout and its clones; calls under way keep theirs.
    ///
    /// # Errors
    ///
    /// Returns a fault if `limit` is zero; the old limit then stays.
    pub fn reconfigure(&self, limit: Duration) -> Result<(), InvalidConfig> {
        self.limit.store(checked(limit)?, Ordering::Relaxed);
        Ok(())
    }

    /// Runs `op` until its time is over.
    ///
    /// # Errors
    ///
    /// [`Error::Elapsed`](crate::Error::Elapsed) if the time was over, after the operation has
    /// been dropped; otherwise the operation's own error in
    /// [`Error::Inner`](crate::Error::Inner).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation and the timer.
    pub fn call<V, E, Op, Fut>(
        &self,
        op: Op,
    ) -> Call<'_, impl FnOnce(Cx) -> Fut + use<V, E, Op, Fut, T>, Fut, T>
    where
        Op: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        Call::new(self.timed(Cx::new(), move |_cx| op()))
    }

    fn timed<Op, Fut>(&self, cx: Cx, op: Op) -> Timed<'_, Op, Fut, T> {
        Timed::new(&self.timer, self.limit(), cx, op)
    }
}

/// Five hundred years in nanoseconds fit; more is the same.
fn checked(limit: Duration) -> Result<u64, InvalidConfig> {
    InvalidConfig::check([(
        "timeout",
        limit
            .is_zero()
            .then(|| "must be longer than zero, got 0s".to_owned()),
    )])?;
    Ok(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX))
}

impl<V, E, T> Policy<Result<V, E>> for Timeout<T>
where
    E: From<Elapsed>,
    T: Timer,
{
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Result<V, E>> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Result<V, E>> + Send + 'a,
        Result<V, E>: 'a,
    {
        Flat::new(self.timed(cx, op))
    }
}
