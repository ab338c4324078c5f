//! The right to run one call whose end is to be told.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use contexter_service::{Clock, Cx, DefaultClock, Full, Sample, Timer, is_superseded};
use pin_project_lite::pin_project;

use super::shared::{Adapting, Shared};
use crate::WithPermit;
use crate::semaphore::{Enter, Place};

/// A taken place, and since when. Dropped without an outcome, the call is abandoned, unless another
/// attempt gave the outcome.
#[derive(Debug)]
pub struct Timed<H: Adapting> {
    pub(crate) place: Place<H>,
    started: Instant,
    settled: bool,
}

impl<H: Adapting> Timed<H> {
    #[inline]
    pub(crate) fn new(place: Place<H>) -> Self {
        Self {
            started: place.handle.room().clock.now(),
            place,
            settled: false,
        }
    }

    #[inline]
    pub(crate) fn record(mut self, sample: Sample) {
        self.settled = true;
        self.place.handle.shared().record(self.started, sample);
    }
}

impl<H: Adapting> Drop for Timed<H> {
    #[inline]
    fn drop(&mut self) {
        if !self.settled && !is_superseded() {
            self.place.handle.shared().abandon(self.started);
        }
    }
}

pin_project! {
    /// Waits for a place, and notes when it came.
    pub struct EnterTimed<H: Adapting>
    where
        H::Clock: Timer,
    {
        #[pin]
        enter: Enter<H>,
    }
}

impl<H: Adapting<Clock: Timer>> EnterTimed<H> {
    #[inline]
    pub(crate) fn new(handle: H, cx: Cx) -> Self {
        Self {
            enter: Enter::new(handle, cx),
        }
    }
}

impl<H: Adapting<Clock: Timer>> Future for EnterTimed<H> {
    type Output = Result<Timed<H>, Full>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().enter.poll(cx).map_ok(Timed::new)
    }
}

/// The right to run one call under an [`AdaptiveLimit`](crate::AdaptiveLimit), which learns how it
/// ended by [`record`](Self::record).
///
/// Dropped without, the call counts as abandoned: as a failure if it was too slow already and was not
/// [`superseded`](contexter_service::superseded), and as nothing otherwise; beside a value that it was
/// [held](Self::hold) for, always as nothing. It owns what it needs and may live as long as it has to,
/// on any thread.
#[must_use = "a permit that is dropped is given back"]
pub struct AdaptivePermit<C: Clock = DefaultClock> {
    timed: Timed<Arc<Shared<C>>>,
}

impl<C: Clock> AdaptivePermit<C> {
    pub(crate) fn new(timed: Timed<Arc<Shared<C>>>) -> Self {
        Self { timed }
    }

    /// Ends the call, tells what it teaches, and gives the permit back.
    ///
    /// Only a success tells a latency: what fails or is refused often comes back fast. So does an error
    /// that is no failure, which is best told as neutral.
    pub fn record(self, sample: Sample) {
        self.timed.record(sample);
    }

    /// Keeps this permit for as long as `value` lives, or until a stream has ended. How long that is
    /// teaches nothing, for a long body takes long by itself: to tell how the call ended,
    /// [take it apart](WithPermit::into_parts) and record it.
    pub fn hold<V>(mut self, value: V) -> WithPermit<V, Self> {
        self.timed.settled = true;
        WithPermit::new(value, self)
    }
}

impl<C: Clock> fmt::Debug for AdaptivePermit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptivePermit")
            .field("started", &self.timed.started)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`AdaptiveLimit::acquire`](crate::AdaptiveLimit::acquire).
    ///
    /// # Cancel safety
    ///
    /// As [`AdaptiveLimit::acquire`](crate::AdaptiveLimit::acquire).
    #[must_use = "futures do nothing unless polled"]
    pub struct AcquireAdaptivePermit<T: Timer> {
        #[pin]
        enter: EnterTimed<Arc<Shared<T>>>,
    }
}

impl<T: Timer> AcquireAdaptivePermit<T> {
    pub(crate) fn new(shared: Arc<Shared<T>>, cx: Cx) -> Self {
        Self {
            enter: EnterTimed::new(shared, cx),
        }
    }
}

impl<T: Timer> fmt::Debug for AcquireAdaptivePermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireAdaptivePermit")
            .finish_non_exhaustive()
    }
}

impl<T: Timer> Future for AcquireAdaptivePermit<T> {
    type Output = Result<AdaptivePermit<T>, Full>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().enter.poll(cx).map_ok(AdaptivePermit::new)
    }
}
