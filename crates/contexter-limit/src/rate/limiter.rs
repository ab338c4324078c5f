//! The handle to a rate limiter.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contexter_service::{
    Again, Classify, Clock, Cx, DefaultClock, ErrIsFailure, InvalidConfig, Limited, Policy,
    PolicySnapshot, Timer, is_unshared,
};

use super::acquire::{Acquire, Wait};
use super::config::RateLimitConfig;
use super::shared::Shared;
use crate::RateLimitService;
use crate::call::{Call, Flat};
use crate::mechanism::{Gate, Pass};

/// Admits calls no faster than its quotas allow.
///
/// Clones share the quotas. A call takes its part of every quota, or of none: of some quotas 1, of
/// others its weight ([`Cx::weight`]). Where it cannot go at once it reserves the next free moment and
/// waits for it, at most `max_wait` and not past the deadline of its [`Cx`]; a wait that would be
/// longer is refused at once, with the exact time until the call would be admitted.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `C` | [`DefaultClock`] | where the time is read; waiting needs a [`Timer`] |
/// | `K` | [`ErrIsFailure`] | which outcomes ask for a pause ([`Classify::again`]) |
///
/// # What it guarantees
///
/// With [`Shape::SlidingWindow`](crate::Shape), the default, no window `[t, t + period)` sees more
/// than `limit`, wherever it begins. A counter that starts anew each period lets twice the limit
/// through around its seam; here what a burst takes goes off the rate: a quota that holds `burst` and
/// is renewed by `(limit − burst) / period` lets through at most `burst`, and what is renewed within
/// the window, which together is `limit`. If the burst is the whole limit, the next one comes a period
/// after the burst, just outside of every window that contains all of it.
///
/// It holds for the moments that calls are admitted for. A call that waited and is polled late, by a
/// timer's granularity or a busy runtime, goes later than its moment, and a window then sees at most
/// what is renewed in that time on top. Where that matters, set the limit that much lower.
///
/// A clock that jumps backwards renews nothing; calls wait until it has caught up.
///
/// # What the far side says
///
/// - An outcome for which the classifier says "again, after so long" (a 429 with `Retry-After`) pauses
///   the limiter for that time, at most `max_pause`.
/// - [`pause_for`](Self::pause_for) and [`correct`](Self::correct) take up what headers say.
///
/// A pause stops the limiter's own time, for all callers: nothing is admitted and nothing is renewed.
/// Who waits keeps its place, and gives up only if the wait grew too long.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use contexter_limit::{Quota, RateLimitConfig, RateLimiter};
/// use contexter_service::Cx;
///
/// let config = RateLimitConfig::new()
///     .requests(Quota::per_minute(2_000))
///     .tokens(Quota::per_minute(3_000_000));
/// let limiter = RateLimiter::new(config)?;
///
/// limiter.acquire(Cx::new().with_weight(1_200)).await?;
/// let answer = limiter.call(|| async { Ok::<_, std::io::Error>(42) }).await?;
/// assert_eq!(answer, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RateLimiter<C = DefaultClock, K = ErrIsFailure> {
    pub(crate) shared: Arc<Shared<C>>,
    classify: K,
}

impl RateLimiter {
    /// Makes a limiter on the [`DefaultClock`] whose quotas are whole.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn new(config: RateLimitConfig) -> Result<Self, InvalidConfig> {
        Self::with_clock(config, DefaultClock)
    }
}

impl<C: Clock> RateLimiter<C> {
    /// Makes a limiter that reads its time from `clock`, and waits by it if it is a [`Timer`].
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    #[expect(clippy::needless_pass_by_value, reason = "as all mechanisms take it")]
    pub fn with_clock(config: RateLimitConfig, clock: C) -> Result<Self, InvalidConfig> {
        Ok(Self {
            shared: Arc::new(Shared::new(&config, clock)?),
            classify: ErrIsFailure,
        })
    }
}

impl<C: Clock, K> RateLimiter<C, K> {
    /// Returns a handle to the same limiter that reads outcomes by `classify`.
    #[must_use]
    pub fn classify_by<K2>(self, classify: K2) -> RateLimiter<C, K2> {
        RateLimiter {
            shared: self.shared,
            classify,
        }
    }

    /// Gives the limiter the name under which its events appear; the first name stays.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        self.shared.set_name(name.into());
        self
    }

    /// Admits a call of this weight now, or not at all.
    ///
    /// # Errors
    ///
    /// [`Limited`] with the exact time until the call would be admitted if nobody else came, or with
    /// `None` if it weighs more than a burst and so can never be admitted. Nothing has been taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use contexter_limit::{Quota, RateLimitConfig, RateLimiter};
    /// use contexter_service::ManualClock;
    ///
    /// let clock = ManualClock::new();
    /// let config = RateLimitConfig::new().requests(Quota::per_second(11).burst(1));
    /// let limiter = RateLimiter::with_clock(config, clock.clone())?;
    /// assert!(limiter.try_acquire(1).is_ok());
    /// let limited = limiter.try_acquire(1).unwrap_err();
    /// assert_eq!(limited.retry_after, Some(Duration::from_millis(100)));
    /// clock.advance(Duration::from_millis(100));
    /// assert!(limiter.try_acquire(1).is_ok());
    /// # Ok::<(), contexter_service::InvalidConfig>(())
    /// ```
    #[inline]
    pub fn try_acquire(&self, weight: u32) -> Result<(), Limited> {
        self.shared.try_acquire(weight)
    }

    /// Admits nothing for `duration` from now, for all callers; at most `max_pause`. A pause that ends
    /// later stays.
    pub fn pause_for(&self, duration: Duration) {
        self.shared.pause_for(duration);
    }

    /// Returns how long the limiter still pauses; zero if it does not.
    #[must_use]
    pub fn pause_left(&self) -> Duration {
        self.shared.pause_left()
    }

    /// Takes up what the far side counts: of `quota` there is `remaining` until it is renewed
    /// `reset_after` from now. Returns `false` if there is no such quota.
    ///
    /// Until then no more than `remaining` is admitted: what a burst holds at once, and the rest at the
    /// quota's rate in the last part of that time. With none left, the limiter pauses for all of it. Who
    /// waits already waits on, and longer. It only ever gets stricter: calls under way may be missing in
    /// what the far side counts. `reset_after` counts up to `max_pause`.
    pub fn correct(&self, quota: &str, remaining: u64, reset_after: Duration) -> bool {
        self.shared.correct(quota, remaining, reset_after)
    }

    /// Returns how much of a quota a call could take at once; `None` if there is no such quota.
    #[must_use]
    pub fn available(&self, quota: &str) -> Option<u64> {
        self.shared.available(quota)
    }

    /// Takes new settings, for this limiter and its clones. A quota that keeps its name keeps how much
    /// of it is in use; calls that wait keep their moments; a pause goes on.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range; the old settings then stay.
    #[expect(clippy::needless_pass_by_value, reason = "as all mechanisms take it")]
    pub fn reconfigure(&self, config: RateLimitConfig) -> Result<(), InvalidConfig> {
        self.shared.reconfigure(&config)
    }

    /// Returns how many calls were refused and how often the limiter paused, as the counters `limited`
    /// and `paused`.
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        PolicySnapshot::new("rate_limit")
            .with_counter("limited", self.shared.limited())
            .with_counter("paused", self.shared.pauses())
    }

    /// Returns whether this limiter decides as a new one with its settings would: nothing of a quota
    /// is in use, it does not pause, and no clone, service or call of it exists besides this handle.
    /// What it has counted for its [`snapshot`](Self::snapshot) does not matter.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        is_unshared(&self.shared) && self.shared.is_as_new()
    }
}

impl<T: Timer, K> RateLimiter<T, K> {
    /// Waits until a call with this context may go: of its weight, until its deadline or for
    /// `max_wait`.
    ///
    /// The moment is reserved at the first poll, so that who comes first goes first.
    ///
    /// # Errors
    ///
    /// [`Limited`], at once, if the wait would be too long; with the time until the call would be
    /// admitted, or with `None` if it weighs more than a burst and so can never be admitted. Later
    /// only if the limiter pauses meanwhile, so that the wait grows too long.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives back what it has reserved of each quota, unless somebody waits for a
    /// moment behind it, or the settings have changed. Such waits have been promised their moments; what
    /// is given up before them stays unused, and is renewed as if it had been used.
    pub fn acquire(&self, cx: Cx) -> Acquire<'_, T, K> {
        Acquire::new(self, cx)
    }

    /// Runs `op` when the limiter admits it, as a call of weight 1, and learns from its outcome.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`](crate::Error::Refused) if the limiter refused the call, as
    /// [`acquire`](Self::acquire) does; otherwise the operation's own error in
    /// [`Error::Inner`](crate::Error::Inner).
    ///
    /// # Cancel safety
    ///
    /// While it waits, as [`acquire`](Self::acquire). Then dropping the future drops the operation;
    /// what it took stays taken, since it may have been sent.
    pub fn call<V, E, Op, Fut>(
        &self,
        op: Op,
    ) -> Call<&Self, impl FnOnce(Cx) -> Fut + use<V, E, Op, Fut, T, K>, Fut>
    where
        Op: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
        K: Classify<Result<V, E>>,
    {
        self.call_with(Cx::new(), move |_cx| op())
    }

    /// As [`call`](Self::call), with the context of the call, which `op` is given too: its weight, and
    /// the deadline past which it does not wait.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// As [`call`](Self::call).
    pub fn call_with<V, E, Op, Fut>(&self, cx: Cx, op: Op) -> Call<&Self, Op, Fut>
    where
        Op: FnOnce(Cx) -> Fut,
        Fut: Future<Output = Result<V, E>>,
        K: Classify<Result<V, E>>,
    {
        Call::new(self, cx, op)
    }

    /// Puts this limiter around a service; it is shared, not copied.
    #[must_use]
    pub fn service<S>(&self, inner: S) -> RateLimitService<S, T, K>
    where
        K: Clone,
    {
        RateLimitService::new(self.clone(), inner)
    }
}

impl<C, K: Clone> Clone for RateLimiter<C, K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            classify: self.classify.clone(),
        }
    }
}

impl<C, K> fmt::Debug for RateLimiter<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").finish_non_exhaustive()
    }
}

impl<V, E, T, K> Policy<Result<V, E>> for RateLimiter<T, K>
where
    E: From<Limited>,
    T: Timer,
    K: Classify<Result<V, E>>,
{
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Result<V, E>> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Result<V, E>> + Send + 'a,
        Result<V, E>: 'a,
    {
        Flat::new(self, cx, op)
    }
}

impl<T: Timer, K> Gate for RateLimiter<T, K> {
    type Refusal = Limited;
    type Pass = Self;
    type Enter = Wait<Self>;

    #[inline]
    fn enter(self, cx: Cx) -> Wait<Self> {
        Wait::new(self, cx)
    }
}

impl<T: Timer, K> Gate for &RateLimiter<T, K> {
    type Refusal = Limited;
    type Pass = Self;
    type Enter = Wait<Self>;

    #[inline]
    fn enter(self, cx: Cx) -> Wait<Self> {
        Wait::new(self, cx)
    }
}

impl<Out, T: Timer, K: Classify<Out>> Pass<Out> for RateLimiter<T, K> {
    #[inline]
    fn settle(self, out: &Out) {
        (&self).settle(out);
    }
}

/// An admitted call holds nothing; its outcome can make the limiter pause.
impl<Out, T: Timer, K: Classify<Out>> Pass<Out> for &RateLimiter<T, K> {
    #[inline]
    fn settle(self, out: &Out) {
        if let Again::Yes { after: Some(wait) } = self.classify.again(out) {
            self.shared.pause_for(wait);
        }
    }
}
