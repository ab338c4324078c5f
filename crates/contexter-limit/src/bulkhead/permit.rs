//! The right to run one call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Clock, Cx, DefaultClock, Full, Timer};
use pin_project_lite::pin_project;

use super::Bulkhead;
use crate::WithPermit;
use crate::semaphore::{Enter, Place};

/// The right to run one call; dropped, it goes to who waits longest.
///
/// It owns what it needs and may live as long as it has to, on any thread: until a response body has
/// been read, for example, with [`hold`](Self::hold).
#[must_use = "a permit that is dropped is given back"]
pub struct Permit<C: Clock = DefaultClock> {
    place: Place<Bulkhead<C>>,
}

impl<C: Clock> Permit<C> {
    pub(crate) fn new(place: Place<Bulkhead<C>>) -> Self {
        Self { place }
    }

    /// Returns the bulkhead.
    #[must_use]
    pub fn bulkhead(&self) -> &Bulkhead<C> {
        &self.place.handle
    }

    /// Keeps this permit for as long as `value` lives, or until a stream has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use contexter_limit::{Bulkhead, BulkheadConfig};
    ///
    /// let bulkhead = Bulkhead::new(BulkheadConfig::new().max_concurrent(1))?;
    /// let body = bulkhead.try_acquire()?.hold("the response body");
    /// assert!(bulkhead.try_acquire().is_err());
    /// assert_eq!(body.len(), 17);
    /// drop(body);
    /// assert!(bulkhead.try_acquire().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hold<V>(self, value: V) -> WithPermit<V, Self> {
        WithPermit::new(value, self)
    }
}

impl<C: Clock> fmt::Debug for Permit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of [`Bulkhead::acquire`].
    ///
    /// # Cancel safety
    ///
    /// As [`Bulkhead::acquire`].
    #[must_use = "futures do nothing unless polled"]
    pub struct AcquirePermit<T: Timer> {
        #[pin]
        enter: Enter<Bulkhead<T>>,
    }
}

impl<T: Timer> AcquirePermit<T> {
    pub(crate) fn new(bulkhead: Bulkhead<T>, cx: Cx) -> Self {
        Self {
            enter: Enter::new(bulkhead, cx),
        }
    }
}

impl<T: Timer> fmt::Debug for AcquirePermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquirePermit").finish_non_exhaustive()
    }
}

impl<T: Timer> Future for AcquirePermit<T> {
    type Output = Result<Permit<T>, Full>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().enter.poll(cx).map_ok(Permit::new)
    }
}
