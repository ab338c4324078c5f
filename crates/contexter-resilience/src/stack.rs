//! The standard stack.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use contexter_breaker::Breaker;
use contexter_limit::RateLimiter;
use contexter_service::{
    ByVerdict, Classify, Cx, DefaultClock, FromRejection, InvalidConfig, Policy, Timer, is_unshared,
};
use parking_lot::{Mutex, RwLock};

use crate::measure::LastOperation;
use crate::parts::Parts;
use crate::{Guarded, StackConfig, StackSnapshot};

/// All mechanisms around calls to one far side, in the order of [`Scope`](crate::Scope).
///
/// Each attempt costs one allocation, which keeps the futures of calls small; policies nested as a
/// tuple allocate nothing.
///
/// Cloning is cheap; clones share all state. Make one stack for each far side, or for each class
/// of its operations that may fail apart from the rest.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `T` | [`DefaultClock`] | where the time is read and waited for |
/// | `K` | [`ByVerdict`] | what an outcome teaches, and whether trying again can help |
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use contexter_resilience::{Error, StackConfig, StandardStack, UnlessRejected};
/// use contexter_service::{Cx, DefaultClock};
///
/// let stack = StandardStack::with(StackConfig::new(), DefaultClock, UnlessRejected)?;
/// let length = stack
///     .run(Cx::new(), |_cx| async { Ok::<_, Error<std::io::Error>>("pong".len()) })
///     .await?;
/// assert_eq!(length, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StandardStack<T: Timer = DefaultClock, K = ByVerdict> {
    inner: Arc<Inner<T, K>>,
}

struct Inner<T: Timer, K> {
    parts: Parts<T, K>,
    last: LastOperation<T>,
    name: OnceLock<Arc<str>>,
    config: RwLock<StackConfig>,
    /// Held while new settings are applied, so that two do not mix. Apart from `config`, because
    /// some of that wakes calls, and those may look at the settings.
    changing: Mutex<()>,
}

impl StandardStack {
    /// Makes a stack on the [`DefaultClock`] that reads outcomes by their
    /// [`Verdict`](contexter_service::Verdict).
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn new(config: StackConfig) -> Result<Self, InvalidConfig> {
        Self::with(config, DefaultClock, ByVerdict)
    }
}

impl Default for StandardStack {
    fn default() -> Self {
        Self::new(StackConfig::default()).expect("the default settings are in range")
    }
}

impl<T: Timer + Clone, K: Clone> StandardStack<T, K> {
    /// Makes a stack that waits by `timer` and reads outcomes by `classify`.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn with(config: StackConfig, timer: T, classify: K) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self {
            inner: Arc::new(Inner {
                parts: Parts::new(&config, &timer, &classify)?,
                last: LastOperation::new(timer),
                name: OnceLock::new(),
                config: RwLock::new(config),
                changing: Mutex::new(()),
            }),
        })
    }

    /// Gives every mechanism the name under which its events appear; the first name stays.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        let name = self.inner.name.get_or_init(|| name.into());
        self.inner.parts.set_name(name);
        self
    }
}

impl<T: Timer, K> StandardStack<T, K> {
    /// Runs `op` under the stack, within the deadline of `cx`.
    ///
    /// `op` is called once for each attempt and is told its number. Without a hedge no two attempts of
    /// a call have the same one; a hedge counts on from the attempt of the retry that it is in, whose
    /// next one then has the number of a hedged one before it.
    ///
    /// # Errors
    ///
    /// The last error of `op`, unchanged; or a rejection, turned into its error type.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the running attempts or the wait, and returns every permit. By
    /// default the breaker counts the dropped call as a failure.
    pub fn run<'a, V, E, Op, Fut>(
        &'a self,
        cx: Cx,
        op: Op,
    ) -> impl Future<Output = Result<V, E>> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Result<V, E>> + Send + 'a,
        V: Send + 'a,
        E: FromRejection + Send + 'a,
        K: Classify<Result<V, E>>,
    {
        let inner = &*self.inner;
        inner.parts.run(cx, move |cx| inner.last.measure(op(cx)))
    }

    /// Puts the stack around a service; this is what an adapter registers as a capability.
    #[must_use]
    pub fn service<S>(&self, service: S) -> Guarded<S, T, K> {
        Guarded::new(self.clone(), service)
    }

    /// Returns the breaker, to read or isolate it by hand; none while it is off.
    #[must_use]
    pub fn breaker(&self) -> Option<&Breaker<T, K>> {
        self.inner.parts.breaker()
    }

    /// Returns the rate limiter, to correct it by what the far side tells; none while it is off.
    #[must_use]
    pub fn rate_limiter(&self) -> Option<&RateLimiter<T, K>> {
        let rate_limit = &self.inner.parts.rate_limit;
        rate_limit.is_on().then(|| rate_limit.first())
    }

    /// Returns the state of the mechanisms that are on, without any call.
    #[must_use]
    pub fn snapshot(&self) -> StackSnapshot {
        StackSnapshot::of(&self.inner.parts, self.inner.last.get())
    }

    /// Returns whether the stack is as good as a new one: every mechanism is
    /// [pristine](crate::Pristine), and there is no other handle to it. Statistics do not matter.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        is_unshared(&self.inner) && self.inner.parts.are_pristine()
    }

    /// Returns where the time is read and waited for.
    #[must_use]
    pub fn timer(&self) -> &T {
        self.inner.last.timer()
    }

    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.inner.name.get()
    }

    /// Returns the settings in force.
    #[must_use]
    pub fn config(&self) -> StackConfig {
        self.inner.config.read().clone()
    }

    /// Takes new settings and keeps all state: an open breaker stays open, a quota stays used.
    ///
    /// Anything may change, the scope and which mechanisms are on included. A mechanism that is
    /// switched off keeps its state for when it is switched on again. A call under way goes on in
    /// the order and with the deadline that it began with; its next attempt has the new settings.
    /// A cache that was made for a service keeps its settings.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range; the old settings then stay.
    pub fn reconfigure(&self, config: StackConfig) -> Result<(), InvalidConfig> {
        config.validate()?;
        let changing = self.inner.changing.lock();
        self.inner.parts.reconfigure(&config)?;
        *self.inner.config.write() = config;
        drop(changing);
        Ok(())
    }
}

impl<T: Timer, K> Clone for StandardStack<T, K> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<T: Timer, K> fmt::Debug for StandardStack<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandardStack")
            .field("breaker", &self.breaker())
            .field("config", &*self.inner.config.read())
            .finish_non_exhaustive()
    }
}

impl<V, E, T, K> Policy<Result<V, E>> for StandardStack<T, K>
where
    V: Send,
    E: FromRejection + Send,
    T: Timer,
    K: Classify<Result<V, E>>,
{
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Result<V, E>> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Result<V, E>> + Send + 'a,
        Result<V, E>: 'a,
    {
        Self::run(self, cx, op)
    }
}
