//! The handle to a bulkhead.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use contexter_service::{
    Clock, Cx, DefaultClock, Full, InvalidConfig, Policy, PolicySnapshot, Timer, is_unshared,
};

use super::{AcquirePermit, BulkheadConfig, Permit};
use crate::BulkheadService;
use crate::call::{Call, Flat};
use crate::mechanism::{Gate, Pass};
use crate::semaphore::{Enter, InRoom, Place, Room};

/// Runs no more than so many calls at the same time, and lets a bounded number wait.
///
/// Clones share the places. A place that becomes free goes to who waited longest, and nobody comes in
/// between. A wait ends after `max_wait`, or at the deadline of the call's [`Cx`], with a refusal.
///
/// | parameter | default | meaning |
/// |---|---|---|
/// | `C` | [`DefaultClock`] | by what a wait ends; waiting needs a [`Timer`] |
///
/// A call that need not wait takes no lock, reads no clock and allocates nothing.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use contexter_limit::{Bulkhead, BulkheadConfig};
///
/// let bulkhead = Bulkhead::new(BulkheadConfig::new().max_concurrent(8))?;
/// let answer = bulkhead.call(|| async { Ok::<_, std::io::Error>(42) }).await?;
/// assert_eq!(answer, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Bulkhead<C = DefaultClock> {
    room: Arc<Room<C>>,
}

impl Bulkhead {
    /// Makes a bulkhead on the [`DefaultClock`].
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn new(config: BulkheadConfig) -> Result<Self, InvalidConfig> {
        Self::with_clock(config, DefaultClock)
    }
}

impl<C: Clock> Bulkhead<C> {
    /// Makes a bulkhead whose waits end by `clock`, if it is a [`Timer`].
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range.
    pub fn with_clock(config: BulkheadConfig, clock: C) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self {
            room: Arc::new(Room::new(
                config.max_concurrent,
                config.max_queue,
                config.max_wait,
                clock,
            )),
        })
    }

    /// Gives the bulkhead the name under which its events appear; the first name stays.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        self.room.set_name(name.into());
        self
    }

    /// Takes a place now, or not at all.
    ///
    /// # Errors
    ///
    /// [`Full`] if all places are taken.
    pub fn try_acquire(&self) -> Result<Permit<C>, Full> {
        Place::try_take(self.clone()).map(Permit::new)
    }

    /// Returns how many calls may run at the same time.
    #[must_use]
    pub fn max_concurrent(&self) -> usize {
        self.room.semaphore.limit()
    }

    /// Returns how many calls run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.room.semaphore.running()
    }

    /// Returns how many calls wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.room.semaphore.waiting()
    }

    /// Takes new settings, for this bulkhead and its clones. With fewer places, who runs ends in its
    /// own time; with more, those that waited longest get them at once. Who waits stays, also in a
    /// shorter queue, and for as long as it came for.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of range; the old settings then stay.
    pub fn reconfigure(&self, config: BulkheadConfig) -> Result<(), InvalidConfig> {
        config.validate()?;
        self.room.set_max_wait(config.max_wait);
        self.room
            .semaphore
            .resize(config.max_concurrent, config.max_queue);
        Ok(())
    }

    /// Returns the numbers of calls as the counters `limit`, `running`, `waiting` and `full`, which
    /// counts the refused ones.
    #[must_use]
    pub fn snapshot(&self) -> PolicySnapshot {
        snapshot(&self.room, "bulkhead")
    }

    /// Returns whether this bulkhead decides as a new one with its settings would: nothing runs or
    /// waits, and no clone, service, permit or call of it exists besides this handle. What it has
    /// counted for its [`snapshot`](Self::snapshot) does not matter.
    #[must_use]
    pub fn is_pristine(&self) -> bool {
        is_unshared(&self.room) && self.room.is_as_new()
    }

    /// Puts this bulkhead around a service; it is shared, not copied.
    #[must_use]
    pub fn service<S>(&self, inner: S) -> BulkheadService<S, C> {
        BulkheadService::new(self.clone(), inner)
    }
}

impl<T: Timer> Bulkhead<T> {
    /// Waits for a place, for `max_wait` at most.
    ///
    /// The place in the queue is taken at the first poll.
    ///
    /// # Errors
    ///
    /// [`Full`], at once if the queue is full, or when the wait has been too long.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future frees its place in the queue at once. If it had just been given a place to
    /// run, that goes to who waits next.
    pub fn acquire(&self) -> AcquirePermit<T> {
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
    /// As [`acquire`](Self::acquire).
    pub fn acquire_for(&self, cx: Cx) -> AcquirePermit<T> {
        AcquirePermit::new(self.clone(), cx)
    }

    /// Runs `op` in a place of its own.
    ///
    /// The place is free again when `op` has ended; to keep it for as long as a response is read, use
    /// [`Permit::hold`].
    ///
    /// # Errors
    ///
    /// [`Error::Refused`](crate::Error::Refused) if there was no place, as for
    /// [`acquire`](Self::acquire); otherwise the operation's own error in
    /// [`Error::Inner`](crate::Error::Inner).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the operation, then frees its place.
    pub fn call<V, E, Op, Fut>(
        &self,
        op: Op,
    ) -> Call<&Self, impl FnOnce(Cx) -> Fut + use<V, E, Op, Fut, T>, Fut>
    where
        Op: FnOnce() -> Fut,
        Fut: Future<Output = Result<V, E>>,
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
    {
        Call::new(self, cx, op)
    }
}

/// What a limit on concurrent calls tells about itself.
pub(crate) fn snapshot<C>(room: &Room<C>, mechanism: &'static str) -> PolicySnapshot {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    PolicySnapshot::new(mechanism)
        .with_counter("limit", count(room.semaphore.limit()))
        .with_counter("running", count(room.semaphore.running()))
        .with_counter("waiting", count(room.semaphore.waiting()))
        .with_counter("full", room.full())
}

impl<C> Clone for Bulkhead<C> {
    fn clone(&self) -> Self {
        Self {
            room: Arc::clone(&self.room),
        }
    }
}

impl<C> fmt::Debug for Bulkhead<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bulkhead").finish_non_exhaustive()
    }
}

impl<V, E, T> Policy<Result<V, E>> for Bulkhead<T>
where
    E: From<Full>,
    T: Timer,
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

impl<C: Clock> InRoom for Bulkhead<C> {
    type Clock = C;

    #[inline]
    fn room(&self) -> &Room<C> {
        &self.room
    }
}

impl<C: Clock> InRoom for &Bulkhead<C> {
    type Clock = C;

    #[inline]
    fn room(&self) -> &Room<C> {
        &self.room
    }
}

impl<T: Timer> Gate for Bulkhead<T> {
    type Refusal = Full;
    type Pass = Place<Self>;
    type Enter = Enter<Self>;

    #[inline]
    fn enter(self, cx: Cx) -> Enter<Self> {
        Enter::new(self, cx)
    }
}

impl<T: Timer> Gate for &Bulkhead<T> {
    type Refusal = Full;
    type Pass = Place<Self>;
    type Enter = Enter<Self>;

    #[inline]
    fn enter(self, cx: Cx) -> Enter<Self> {
        Enter::new(self, cx)
    }
}

/// Giving the place back is all.
impl<Out, H: InRoom> Pass<Out> for Place<H> {
    #[inline]
    fn settle(self, _out: &Out) {}
}
