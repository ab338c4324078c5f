//! The handle to an adaptive limit.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use contexter_service::{
    Classify, Clock, Cx, DefaultClock, ErrIsFailure, Full, InvalidConfig, Policy, PolicySnapshot,
    Timer, is_unshared,
};

use super::permit::Timed;
use super::shared::Shared;
use super::{AcquireAdaptivePermit, AdaptiveConfig, AdaptivePermit};
use crate::AdaptiveService;
use crate::bulkhead::snapshot;
use crate::call::{Call, Flat};
use crate::semaphore::Place;

/// Runs as many calls at the same time as the far side answers without delay.
///
/// Clones share the limit. Places are given and waited for as in a [`Bulkhead`](crate::Bulkhead); the
/// limit on them moves between `min` and `max`:
///
/// - After each *window* (at least `window`, at least twice as long as a call takes, and at least ten
///   successful calls) the mean latency is compared with the normal one, the *baseline*. Where it is more than
///   `tolerance` times that, the limit is multiplied by `tolerance × baseline ÷ latency`, at least by a
///   half. Otherwise, if the limit was reached in that window, its square root is added: the head room
///   in which a queue at the far side would show.
/// - A failure multiplies the limit by `backoff` at once. Failures of calls that began before the limit
///   last fell so are the same bad news, and do not count again.
/// - A call that is dropped counts as a failure if it had been slow already, and as nothing otherwise.
///   Neutral outcomes count as nothing, so does an error that is no failure, such as "not found", which
///   comes faster than an answer, and so do attempts that lost to another one of the same call
///   ([`superseded`](contexter_service::superseded)).
///
/// Time in which the limit is not reached does not raise it, nor does time in which nobody calls.
///
/// # The baseline
///
/// It follows a lower latency in a few windows, and a higher one only so fast that it doubles in
/// `baseline_doubling`, an hour by default: an incident of ten minutes raises it by an eighth, which the
/// tolerance absorbs, while a far side that has become slower for good is believed within hours. For
/// that time calls go on under the lowest limit; set `min` to what one can live with.
///
/// # Why this way
///
/// Comparing latencies detects a queue before anything is lost, which is what TCP Vegas does \[1], and
/// the gradient with a square root of head room is that of Netflix's concurrency-limits and of Envoy
/// \[2, 3]. Both take as normal what was measured lately: the former an average over some hundred calls,
/// the latter what it measures under the lowest limit after five bad windows. So a long incident
/// becomes normal, and the limit rises into it \[3, 4]. Here, only time can do that. The multiplicative
/// decrease after failures, once in a round trip, is that of TCP \[5], with the factor 0.7 of CUBIC \[6];
/// and a limit that was not reached is not raised for the reason given in \[7].
///
/// 1. L. Brakmo, L. Peterson: TCP Vegas: End to End Congestion Avoidance on a Global Internet. IEEE JSAC
///    13(8), 1995.
/// 2. `Gradient2Limit` of <https://github.com/Netflix/concurrency-limits>.
/// 3. Envoy, adaptive concurrency filter, and <https://github.com/envoyproxy/envoy/issues/38338>.
/// 4. <https://github.com/failsafe-go/failsafe-go/issues/127>.
/// 5. V. Jacobson, M. Karels: Congestion Avoidance and Control. SIGCOMM 1988; RFC 6582 for "once".
/// 6. RFC 9438, section 4.6.
/// 7. RFC 7661, section 3.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `C` | [`DefaultClock`] | where the time is read; waiting needs a [`Timer`] |
/// | `K` | [`ErrIsFailure`] | what an outcome teaches ([`Classify::sample`]) |
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use contexter_limit::{AdaptiveConfig, AdaptiveLimit};
///
/// let limit = AdaptiveLimit::new(AdaptiveConfig::new().max(50))?;
/// let answer = limit.call(|| async { Ok::<_, std::io::Error>(42) }).await?;
/// assert_eq!((answer, limit.limit()), (42, 20));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AdaptiveLimit<C = DefaultClock, K = ErrIsFailure> {
    pub(super) shared: Arc<Shared<C>>,
    pub(super) classify: K,
}

impl AdaptiveLimit {
    /// Makes a limit on the [`DefaultClock`] for which every error is a failure.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn new(config: AdaptiveConfig) -> Result<Self, InvalidConfig> {
        Self::with_clock(config, DefaultClock)
    }
}

impl<C: Clock> AdaptiveLimit<C> {
    /// Makes a limit that reads its time from `clock`, and ends waits by it if it is a [`Timer`].
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn with_clock(config: AdaptiveConfig, clock: C) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self {
            shared: Arc::new(Shared::new(config, clock)),
            classify: ErrIsFailure,
        })
    }
}

impl<C: Clock, K> AdaptiveLimit<C, K> {
    /// Returns a handle to the same limit that reads outcomes by `classify`.
    #[must_use]
    pub fn classify_by<K2>(self, classify: K2) -> AdaptiveLimit<C, K2> {
        AdaptiveLimit {
            shared: self.shared,
            classify,
        }
    }

    /// Gives the limit the name under which its events appear; the first name stays.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        self.shared.room.set_name(name.into());
        self
    }

    /// Takes a place now, or not at all.
    ///
    /// # Errors
    ///
    /// [`Full`] if all places are taken.
    pub fn try_acquire(&self) -> Result<AdaptivePermit<C>, Full> {
        let place = Place::try_take(Arc::clone(&self.shared))?;
        Ok(AdaptivePermit::new(Timed::new(place)))
    }

    /// Returns how many calls may run at the same time at the moment.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.shared.room.semaphore.limit()
    }

    /// Returns how many calls run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared.room.semaphore.running()
    }

    /// Returns how many calls wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.room.semaphore.waiting()
    }

    /// Returns the latency that counts as normal, once it is known.
    #[must_use]
    pub fn baseline(&self) -> Option<Duration> {
        self.shared.estimator.hold(|estimator| estimator.baseline())
    }

    /// Takes new settings, for this limit and its clones. What has been learned stays; the limit moves
    /// into the new range, and no further. `initial` matters only before the first outcome.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range; the old settings then stay.
    pub fn reconfigure(&self, config: AdaptiveConfig) -> Result<(), InvalidConfig> {
        config.validate()?;
        let room = &self.shared.room;
        room.set_max_wait(config.max_wait);
        room.semaphore.set_max_queue(config.max_queue);
        self.shared.teach(|estimator| estimator.reconfigure(config));
        Ok(())
    }

    /// Returns the counters `limit`, `running`, `waiting`, `full` (refused calls) and
    /// `baseline_micros` (the normal latency; 0 until it is known).
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        let micros = self.baseline().map_or(0, |baseline| baseline.as_micros());
        snapshot(&self.shared.room, "adaptive")
            .with_counter("baseline_micros", u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// Returns whether this limit is as good as a new one with its settings: it has learned nothing,
    /// or nothing for `baseline_doubling`; nothing runs or waits; and no clone, service, permit or call
    /// of it exists besides this handle. What it has counted for its [`snapshot`](Self::snapshot) does
    /// not matter.
    ///
    /// What was learned longer ago than that is no loss: even twice the latency would count as normal
    /// by now.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        let now = self.shared.room.clock.now();
        is_unshared(&self.shared)
            && self.shared.room.is_as_new()
            && self
                .shared
                .estimator
                .hold(|estimator| estimator.is_outdated(now))
    }

    /// Puts this limit around a service; it is shared, not copied.
    #[must_use]
    pub fn service<S>(&self, inner: S) -> AdaptiveService<S, C, K>
    where
        K: Clone,
    {
        AdaptiveService::new(self.clone(), inner)
    }
}

impl<T: Timer, K> AdaptiveLimit<T, K> {
    /// Waits for a place, for `max_wait` at most. The wait is no part of the latency.
    ///
    /// # Errors
    ///
    /// [`Full`], at once if the queue is full, or when the wait has been too long.
    ///
    /// # Cancel safety
    ///
    /// As [`Bulkhead::acquire`](crate::Bulkhead::acquire).
    pub fn acquire(&self) -> AcquireAdaptivePermit<T> {
        self.acquire_for(Cx::new())
    }

    /// Waits as [`acquire`](Self::acquire) does, but not past the deadline of `cx` either.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As [`Bulkhead::acquire`](crate::Bulkhead::acquire).
    pub fn acquire_for(&self, cx: Cx) -> AcquireAdaptivePermit<T> {
        AcquireAdaptivePermit::new(Arc::clone(&self.shared), cx)
    }

    /// Runs `op` in a place of its own, and learns from its outcome and its latency.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`](crate::Error::Refused) if there was no place, as for
    /// [`acquire`](Self::acquire); otherwise the operation's own error in
    /// [`Error::Inner`](crate::Error::Inner).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation, then frees its place; the call counts as abandoned.
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
}

impl<C, K: Clone> Clone for AdaptiveLimit<C, K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            classify: self.classify.clone(),
        }
    }
}

impl<C, K> fmt::Debug for AdaptiveLimit<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveLimit").finish_non_exhaustive()
    }
}

impl<V, E, T, K> Policy<Result<V, E>> for AdaptiveLimit<T, K>
where
    E: From<Full>,
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
