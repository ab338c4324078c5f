//! The handle to a timeout.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contexter_service::{
    Cx, DefaultClock, Elapsed, InvalidConfig, Policy, PolicySnapshot, Timer, is_unshared,
};

use crate::TimeoutService;
use crate::shared::Shared;
use crate::timed::{Call, Flat, Timed};

/// Gives up an operation whose time is over.
///
/// The time is `limit`, or what is left until the deadline of the [`Cx`] if that is less; the
/// operation sees the resulting deadline in its own `Cx`. So one type serves both places: outside
/// a retry it is the total deadline, inside it is the timeout of each attempt.
///
/// Clones share the limit, the name and the count. An operation that is ready at its first poll
/// registers no timer; one that is ready in the poll in which the time is over has made it. When no
/// time is left at the start, the operation is not begun.
///
/// The time runs from the first poll of the call, whatever that poll itself takes.
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
#[derive(Debug)]
pub struct Timeout<T = DefaultClock> {
    pub(crate) shared: Arc<Shared<T>>,
}

impl<T> Clone for Timeout<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
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
            shared: Arc::new(Shared::new(limit, timer)?),
        })
    }

    /// Gives the timeout the name under which its events appear; the first name stays.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        self.shared.set_name(name.into());
        self
    }

    /// Returns how long an operation may take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.shared.limit()
    }

    /// Takes a new limit, for this timeout and its clones; calls that have begun keep theirs.
    ///
    /// # Errors
    ///
    /// Returns a fault if `limit` is zero; the old limit then stays.
    pub fn reconfigure(&self, limit: Duration) -> Result<(), InvalidConfig> {
        self.shared.set_limit(limit)
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
        self.call_within(self.limit(), op)
    }

    /// Runs `op` as [`call`](Self::call) does, but for at most `limit`, shorter or longer than the
    /// limit of this timeout. With a limit of zero the operation is not begun.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
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
    /// let report = async {
    ///     tokio::time::sleep(Duration::from_mins(2)).await;
    ///     Ok::<_, std::io::Error>("the large report")
    /// };
    /// let out = timeout.call_within(Duration::from_mins(5), || report).await;
    /// assert_eq!(out?, "the large report");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_within<V, E, Op, Fut>(
        &self,
        limit: Duration,
        op: Op,
    ) -> Call<'_, impl FnOnce(Cx) -> Fut + use<V, E, Op, Fut, T>, Fut, T>
    where
        Op: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
    {
        let begin = move |_cx| op();
        Call::new(Timed::new(&*self.shared, limit, Cx::new(), begin))
    }

    /// Puts this timeout around a service; it is shared, not copied.
    #[must_use]
    pub fn service<S>(&self, inner: S) -> TimeoutService<S, T> {
        TimeoutService::new(self.clone(), inner)
    }

    /// Returns how many calls had no time left, as the counter `elapsed`.
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        PolicySnapshot::new("timeout").with_counter("elapsed", self.shared.elapsed())
    }

    /// Returns whether nobody could tell this timeout from a new one of the same limit: no call had
    /// its time end, and no clone, service or call of it exists besides this handle.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        is_unshared(&self.shared) && self.shared.elapsed() == 0
    }
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
        Flat::new(Timed::new(&*self.shared, self.limit(), cx, op))
    }
}
