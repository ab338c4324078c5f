//! The handle to a retry.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contexter_service::{
    Backoff, Classify, Cx, DefaultClock, Delays, ErrIsFailure, InvalidConfig, Policy, Timer,
};
use parking_lot::RwLock;

use crate::{Attempts, Config};

/// Runs an operation again when that can help.
///
/// Clones share their settings. The last outcome is returned unchanged.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `T` | [`DefaultClock`] (a timer with feature `tokio`) | where the time is read and waited for |
/// | `K` | [`ErrIsFailure`] | whether trying again can help |
///
/// A further attempt is made if the classifier says that it can help, the operation is idempotent
/// by its [`Cx`], attempts are left, and the delay ends before `max_elapsed` and before the
/// deadline of the [`Cx`].
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use contexter_retry::{Config, Retry};
///
/// let retry = Retry::new(Config::new())?;
/// let calls = AtomicU32::new(0);
/// let (out, attempts) = retry
///     .call(|| async {
///         if calls.fetch_add(1, Ordering::Relaxed) < 2 { Err("busy") } else { Ok(42) }
///     })
///     .counted()
///     .await;
/// assert_eq!((out, attempts), (Ok(42), 3));
/// # Ok::<(), contexter_service::InvalidConfig>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Retry<T = DefaultClock, K = ErrIsFailure> {
    shared: Arc<Shared>,
    timer: T,
    classify: K,
}

/// The settings that clones share. A call that succeeds at once reads none but `timed`.
#[derive(Debug)]
pub(crate) struct Shared {
    settings: RwLock<(Config, Backoff)>,
    timed: AtomicBool,
}

impl Shared {
    fn new(config: Config) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self {
            timed: AtomicBool::new(config.max_elapsed.is_some()),
            settings: RwLock::new((config, config.backoff()?)),
        })
    }

    /// Whether the start of a call must be remembered.
    pub(crate) fn is_timed(&self) -> bool {
        self.timed.load(Ordering::Relaxed)
    }

    /// The settings in force, and a fresh sequence of delays.
    pub(crate) fn begin(&self) -> (Config, Delays) {
        let (config, backoff) = *self.settings.read();
        (config, backoff.delays())
    }
}

#[cfg(feature = "tokio")]
impl Retry {
    /// Makes a retry on the [`DefaultClock`] for which every error may be retried.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn new(config: Config) -> Result<Self, InvalidConfig> {
        Self::with_timer(config, DefaultClock)
    }
}

impl<T: Timer> Retry<T> {
    /// Makes a retry that waits by `timer`.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn with_timer(config: Config, timer: T) -> Result<Self, InvalidConfig> {
        Ok(Self {
            shared: Arc::new(Shared::new(config)?),
            timer,
            classify: ErrIsFailure,
        })
    }
}

impl<T: Timer, K> Retry<T, K> {
    /// Makes the retry read outcomes by `classify`.
    #[must_use]
    pub fn classify_by<K2>(self, classify: K2) -> Retry<T, K2> {
        Retry {
            shared: self.shared,
            timer: self.timer,
            classify,
        }
    }

    /// Runs `op` until its outcome needs no retry or allows none, and returns that outcome.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the running attempt or the wait; no further attempt is made.
    pub fn call<Op, Fut>(
        &self,
        mut op: Op,
    ) -> Attempts<'_, impl FnMut(Cx) -> Fut + use<Op, Fut, T, K>, Fut, T, K>
    where
        Op: FnMut() -> Fut,
        Fut: Future,
        K: Classify<Fut::Output>,
    {
        self.call_with(Cx::new(), move |_cx| op())
    }

    /// As [`call`](Self::call), within the deadline of `cx`, and tells `op` the attempt number.
    ///
    /// # Cancel safety
    ///
    /// As for [`call`](Self::call).
    pub fn call_with<Op, Fut>(&self, cx: Cx, op: Op) -> Attempts<'_, Op, Fut, T, K>
    where
        Op: FnMut(Cx) -> Fut,
        Fut: Future,
        K: Classify<Fut::Output>,
    {
        Attempts::new(&self.shared, &self.timer, &self.classify, cx, op)
    }

    /// Returns the settings in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.shared.settings.read().0
    }

    /// Takes new settings, for this retry and its clones. A call that has already failed once goes
    /// on with those it began with.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range; the old settings then stay.
    pub fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate()?;
        let backoff = config.backoff()?;
        let mut settings = self.shared.settings.write();
        *settings = (config, backoff);
        // Under the same lock, so that the two never tell of different settings.
        self.shared
            .timed
            .store(config.max_elapsed.is_some(), Ordering::Relaxed);
        Ok(())
    }
}

impl<Out, T, K> Policy<Out> for Retry<T, K>
where
    T: Timer,
    K: Classify<Out>,
{
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Out> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Out> + Send + 'a,
        Out: 'a,
    {
        self.call_with(cx, op)
    }
}
