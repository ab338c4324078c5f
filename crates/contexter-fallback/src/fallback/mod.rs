//! The handle to a fallback.

mod alternative;
mod call;
mod service;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use contexter_service::{Cx, Event, Policy, PolicySnapshot, Start, is_unshared};

pub use alternative::{Alternative, FlatAlternative, Operation, Value};
pub use call::FallbackCall;
pub use service::FallbackService;
#[cfg(feature = "tower")]
pub use service::TowerCall;

use crate::announce::Name;
use crate::sync::{AtomicU64, Ordering};
use crate::{AnyError, Eligible};
use call::Flat;

/// Gives something else when a call fails: a value, or what another operation gives.
///
/// The operation that stands in sees the original error. If it fails as well, both errors come
/// back: as [`Error::Both`](crate::Error::Both) from [`call`](Self::call), and by `E: From<Both<E>>`
/// where the error type stays `E`, which is in the [`Policy`] and in the services. A value cannot
/// fail, so it asks nothing of `E`.
///
/// Clones share the numbers. A call that succeeds touches nothing shared and allocates nothing.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `H` | | what stands in: [`Value`] or [`Operation`] |
/// | `P` | [`AnyError`] | for which errors it may |
///
/// # Examples
///
/// ```
/// use contexter_fallback::Fallback;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let unknown = Fallback::value(0);
/// let stars = unknown.call(|| async { Err("connection refused") }).await;
/// assert_eq!(stars, Ok(0));
///
/// let mirror = Fallback::with(|error: &&str| {
///     let reason = error.to_string();
///     async move { Err::<u32, _>(format!("mirror is down too, after {reason}")) }
/// });
/// let failed = mirror.call(|| async { Err("connection refused") }).await.unwrap_err();
/// assert_eq!(*failed.original(), "connection refused");
/// assert!(failed.fallback().is_some_and(|error| error.starts_with("mirror is down")));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Fallback<H, P = AnyError> {
    shared: Arc<Shared>,
    alternative: Arc<H>,
    when: P,
}

#[derive(Default)]
struct Shared {
    name: Name,
    served: AtomicU64,
    failed: AtomicU64,
}

impl<T> Fallback<Value<T>> {
    /// Makes a fallback to `value`, which is cloned for each call that needs it.
    #[must_use]
    pub fn value(value: T) -> Self {
        Self::of(Value(value))
    }
}

impl<F> Fallback<Operation<F>> {
    /// Makes a fallback to an operation that sees the original error.
    ///
    /// What the future needs of the error, the function takes from it before it returns: the error
    /// itself is kept for the case that the fallback fails too.
    #[must_use]
    pub fn with<T, E, Fut, Failed>(operation: F) -> Self
    where
        F: Fn(&E) -> Fut,
        Fut: Future<Output = Result<T, Failed>>,
    {
        Self::of(Operation(operation))
    }
}

impl<H> Fallback<H> {
    fn of(alternative: H) -> Self {
        Self {
            shared: Arc::default(),
            alternative: Arc::new(alternative),
            when: AnyError,
        }
    }
}

impl<H, P> Fallback<H, P> {
    /// Returns a handle with the same numbers that stands in only for the errors that `when` finds
    /// eligible.
    #[must_use]
    pub fn when<P2>(self, when: P2) -> Fallback<H, P2> {
        Fallback {
            shared: self.shared,
            alternative: self.alternative,
            when,
        }
    }

    /// Gives the fallback the name under which its events appear; the first name stays.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        self.shared.name.set(name.into());
        self
    }

    /// Runs `op`, and after an eligible error what stands in for it.
    ///
    /// `op` is called at the first poll, and its future is dropped before the fallback begins.
    ///
    /// # Errors
    ///
    /// [`Error::Inner`](crate::Error::Inner) with the operation's error if nothing may stand in for
    /// it, [`Error::Both`](crate::Error::Both) if what stood in failed as well.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops what runs, the operation or its fallback. Nothing is counted.
    pub fn call<T, E, Op, Fut>(
        &self,
        op: Op,
    ) -> FallbackCall<'_, T, E, impl FnOnce(Cx) -> Fut + use<T, E, Op, Fut, H, P>, Fut, H, P>
    where
        Op: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        H: Alternative<T, E>,
        P: Eligible<E>,
    {
        FallbackCall::new(self, move |_cx| op())
    }

    /// Puts the fallback around a service.
    #[must_use]
    pub fn service<S>(&self, inner: S) -> FallbackService<S, H, P>
    where
        P: Clone,
    {
        FallbackService::new(inner, self.clone())
    }

    /// Returns how often something else was `served` and how often that `failed` too.
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        PolicySnapshot::new("fallback")
            .with_counter("served", self.shared.served.load(Ordering::Relaxed))
            .with_counter("failed", self.shared.failed.load(Ordering::Relaxed))
    }

    /// Returns whether nobody could tell this fallback from a new one: it has counted nothing, and
    /// no other handle shares its numbers.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        is_unshared(&self.shared)
            && self.shared.served.load(Ordering::Relaxed) == 0
            && self.shared.failed.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn when_ref(&self) -> &P {
        &self.when
    }

    pub(crate) fn alternative(&self) -> &H {
        &self.alternative
    }

    pub(crate) fn served(&self) {
        self.shared.served.fetch_add(1, Ordering::Relaxed);
        self.shared.name.tell(Event::FallbackServed, |words| {
            tracing::debug!(
                name = words.name,
                mechanism = words.mechanism,
                event = words.event,
                "a fallback stood in for a failed call"
            );
        });
    }

    pub(crate) fn failed(&self) {
        self.shared.failed.fetch_add(1, Ordering::Relaxed);
    }
}

impl<H, P: Clone> Clone for Fallback<H, P> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            alternative: Arc::clone(&self.alternative),
            when: self.when.clone(),
        }
    }
}

impl<H, P> fmt::Debug for Fallback<H, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("name", &self.shared.name.get())
            .field("served", &self.shared.served.load(Ordering::Relaxed))
            .field("failed", &self.shared.failed.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

impl<T, E, H, P> Policy<Result<T, E>> for Fallback<H, P>
where
    E: Send,
    H: FlatAlternative<T, E> + Send + Sync,
    H::Future: Send,
    P: Eligible<E>,
{
    fn run<'a, Op, Fut>(&'a self, cx: Cx, op: Op) -> impl Future<Output = Result<T, E>> + Send + 'a
    where
        Op: Fn(Cx) -> Fut + Clone + Send + Sync + 'a,
        Fut: Future<Output = Result<T, E>> + Send + 'a,
        Result<T, E>: 'a,
    {
        Flat::new(self, Start::new(cx, op))
    }
}
