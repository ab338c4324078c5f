//! The standard stack.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use contexter_breaker::Breaker;
use contexter_retry::Retry;
use contexter_service::{
    ByVerdict, Classify, Cx, DefaultClock, Either, Elapsed, InvalidConfig, Open, Policy, Timer,
};
use contexter_timeout::Timeout;
use parking_lot::RwLock;

use crate::measure::LastOperation;
use crate::{Guarded, Scope, StackConfig, StackSnapshot};

/// Breaker, deadline, retry and attempt timeout around calls to one far side.
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
    breaker: Option<Breaker<T, K>>,
    retry: Option<Retry<T, K>>,
    outer: Option<Timeout<T>>,
    attempt: Option<Timeout<T>>,
    nest: Nest<T, K>,
    last: LastOperation<T>,
    config: RwLock<StackConfig>,
}

type Nest<T, K> = Either<CallScope<T, K>, AttemptScope<T, K>>;

type CallScope<T, K> = (
    Option<Breaker<T, K>>,
    Option<Timeout<T>>,
    Option<Retry<T, K>>,
    Option<Timeout<T>>,
);

type AttemptScope<T, K> = (
    Option<Timeout<T>>,
    Option<Retry<T, K>>,
    Option<Breaker<T, K>>,
    Option<Timeout<T>>,
);

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
        let breaker = config
            .breaker
            .map(|breaker| Breaker::with_clock(breaker.config, timer.clone()))
            .transpose()?
            .map(|breaker| breaker.classify_by(classify.clone()));
        let retry = config
            .retry
            .map(|retry| Retry::with_timer(retry, timer.clone()))
            .transpose()?
            .map(|retry| retry.classify_by(classify));
        let (outer, attempt) = config.limits();
        let timeout = |limit| Timeout::with_timer(limit, timer.clone());
        let outer = outer.map(timeout).transpose()?;
        let attempt = attempt.map(timeout).transpose()?;
        let nest = match config.scope {
            Scope::Call => Either::Left((
                breaker.clone(),
                outer.clone(),
                retry.clone(),
                attempt.clone(),
            )),
            Scope::Attempt => Either::Right((
                outer.clone(),
                retry.clone(),
                breaker.clone(),
                attempt.clone(),
            )),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                breaker,
                retry,
                outer,
                attempt,
                nest,
                last: LastOperation::new(timer),
                config: RwLock::new(config),
            }),
        })
    }
}

impl<T: Timer, K> StandardStack<T, K> {
    /// Gives the breaker the name under which its events appear; the first name stays.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self
    where
        K: Clone,
    {
        if let Some(breaker) = self.inner.breaker.clone() {
            drop(breaker.named(name));
        }
        self
    }

    /// Runs `op` under the stack, within the deadline of `cx`.
    ///
    /// `op` is called once for each attempt and is told its number.
    ///
    /// # Errors
    ///
    /// The last error of `op`, unchanged; or [`Open`] or [`Elapsed`], turned into its error type.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the running attempt or the wait, and returns every permit. By
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
        E: From<Open> + From<Elapsed> + Send + 'a,
        K: Classify<Result<V, E>>,
    {
        let inner = &*self.inner;
        inner.nest.run(cx, move |cx| inner.last.measure(op(cx)))
    }

    /// Puts the stack around a service; this is what an adapter registers as a capability.
    #[must_use]
    pub fn service<S>(&self, service: S) -> Guarded<S, T, K> {
        Guarded::new(self.clone(), service)
    }

    /// Returns the breaker, to read or isolate it by hand.
    #[must_use]
    pub fn breaker(&self) -> Option<&Breaker<T, K>> {
        self.inner.breaker.as_ref()
    }

    /// Returns the state of the mechanisms, without any call.
    #[must_use]
    pub fn snapshot(&self) -> StackSnapshot {
        StackSnapshot::new(
            self.inner.breaker.as_ref().map(Breaker::snapshot),
            self.inner.last.get(),
        )
    }

    /// Returns the settings in force.
    #[must_use]
    pub fn config(&self) -> StackConfig {
        *self.inner.config.read()
    }

    /// Takes new settings and keeps all state: an open breaker stays open. A call under way keeps
    /// the deadline it began with; its next attempt has the new attempt timeout.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range, or that a running stack cannot take: the scope,
    /// and whether a part is on. The old settings then stay.
    pub fn reconfigure(&self, config: StackConfig) -> Result<(), InvalidConfig> {
        let mut current = self.inner.config.write();
        InvalidConfig::join([config.validate(), fixed_parts(&current, &config)])?;
        if let (Some(breaker), Some(new)) = (&self.inner.breaker, config.breaker) {
            breaker.reconfigure(new.config)?;
        }
        if let (Some(retry), Some(new)) = (&self.inner.retry, config.retry) {
            retry.reconfigure(new)?;
        }
        let (outer, attempt) = config.limits();
        if let (Some(timeout), Some(limit)) = (&self.inner.outer, outer) {
            timeout.reconfigure(limit)?;
        }
        if let (Some(timeout), Some(limit)) = (&self.inner.attempt, attempt) {
            timeout.reconfigure(limit)?;
        }
        *current = config;
        Ok(())
    }
}

fn fixed_parts(current: &StackConfig, new: &StackConfig) -> Result<(), InvalidConfig> {
    let switched = |was: bool, is: bool| {
        (was != is).then(|| {
            let to = if is { "on" } else { "off" };
            format!("cannot be switched {to} in a running stack")
        })
    };
    let (outer, attempt) = current.limits();
    let (new_outer, new_attempt) = new.limits();
    InvalidConfig::check([
        (
            "scope",
            (current.scope != new.scope).then(|| {
                format!(
                    "cannot change in a running stack, got {:?} after {:?}",
                    new.scope, current.scope
                )
            }),
        ),
        (
            "breaker",
            switched(current.breaker.is_some(), new.breaker.is_some()),
        ),
        (
            "retry",
            switched(current.retry.is_some(), new.retry.is_some()),
        ),
        ("deadline", switched(outer.is_some(), new_outer.is_some())),
        (
            "attempt_timeout",
            switched(attempt.is_some(), new_attempt.is_some()),
        ),
    ])
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
            .field("breaker", &self.inner.breaker)
            .field("config", &*self.inner.config.read())
            .finish_non_exhaustive()
    }
}

impl<V, E, T, K> Policy<Result<V, E>> for StandardStack<T, K>
where
    V: Send,
    E: From<Open> + From<Elapsed> + Send,
    T: Timer,
    K: Classify<Result<V, E>>,
{
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Result<V, E>> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Result<V, E>> + Send + 'a,
        Result<V, E>: 'a,
    {
        let inner = &*self.inner;
        inner.nest.run(cx, move |cx| inner.last.measure(op(cx)))
    }
}
