//! The futures of a timed call: one holds the logic, two say what an elapsed time looks like.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use contexter_service::{Cx, Elapsed, Timer, later};
use pin_project_lite::pin_project;

use crate::Error;
use crate::shared::Shared;

/// What begins an operation: a closure, or a service with its request.
pub(crate) trait Begin<Fut> {
    fn begin(self, cx: Cx) -> Fut;
}

impl<F: FnOnce(Cx) -> Fut, Fut> Begin<Fut> for F {
    fn begin(self, cx: Cx) -> Fut {
        self(cx)
    }
}

pin_project! {
    /// Runs the operation until its time is over. The handle `H` borrows or owns what is shared.
    pub(crate) struct Timed<H, Op, Fut, T: Timer> {
        shared: H,
        limit: Duration,
        cx: Cx,
        op: Option<Op>,
        #[pin]
        fut: Option<Fut>,
        // Registered only when the operation was not ready at once.
        #[pin]
        sleep: Option<T::Sleep>,
    }
}

impl<H, Op, Fut, T: Timer> Timed<H, Op, Fut, T> {
    pub(crate) fn new(shared: H, limit: Duration, cx: Cx, op: Op) -> Self {
        Self {
            shared,
            limit,
            cx,
            op: Some(op),
            fut: None,
            sleep: None,
        }
    }
}

impl<H, Op, Fut, T> Future for Timed<H, Op, Fut, T>
where
    H: Deref<Target = Shared<T>>,
    Op: Begin<Fut>,
    Fut: Future,
    T: Timer,
{
    type Output = Result<Fut::Output, Elapsed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(op) = this.op.take() {
            // Read before the first poll, although only an operation that is then not ready needs
            // it: read afterwards, the first poll would come on top of the limit.
            let now = this.shared.timer.now();
            if let Some(deadline) = this.cx.deadline() {
                *this.limit = deadline.saturating_duration_since(now).min(*this.limit);
            }
            if this.limit.is_zero() {
                this.shared.tell_elapsed(*this.limit);
                return Poll::Ready(Err(Elapsed { after: *this.limit }));
            }
            *this.cx = this.cx.with_deadline(later(now, *this.limit));
            this.fut.set(Some(op.begin(*this.cx)));
        }
        let fut = this
            .fut
            .as_mut()
            .as_pin_mut()
            .expect("a timed call is not polled after it has ended");
        if let Poll::Ready(out) = fut.poll(cx) {
            this.sleep.set(None);
            this.fut.set(None);
            return Poll::Ready(Ok(out));
        }
        if this.sleep.is_none() {
            let deadline = this
                .cx
                .deadline()
                .expect("the first poll has set the deadline");
            this.sleep
                .set(Some(this.shared.timer.sleep_until(deadline)));
        }
        let sleep = this
            .sleep
            .as_mut()
            .as_pin_mut()
            .expect("the lines above have set it");
        if sleep.poll(cx).is_pending() {
            return Poll::Pending;
        }
        // The operation ends before the caller hears of it.
        this.fut.set(None);
        this.sleep.set(None);
        this.shared.tell_elapsed(*this.limit);
        Poll::Ready(Err(Elapsed { after: *this.limit }))
    }
}

pin_project! {
    /// The future of [`Timeout::call`](crate::Timeout::call) and
    /// [`Timeout::call_within`](crate::Timeout::call_within).
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<'a, Op, Fut, T: Timer> {
        #[pin]
        inner: Timed<&'a Shared<T>, Op, Fut, T>,
    }
}

impl<'a, Op, Fut, T: Timer> Call<'a, Op, Fut, T> {
    pub(crate) fn new(inner: Timed<&'a Shared<T>, Op, Fut, T>) -> Self {
        Self { inner }
    }
}

impl<Op, Fut, T: Timer> fmt::Debug for Call<'_, Op, Fut, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("limit", &self.inner.limit)
            .finish_non_exhaustive()
    }
}

impl<V, E, Op, Fut, T> Future for Call<'_, Op, Fut, T>
where
    Op: FnOnce(Cx) -> Fut,
    Fut: Future<Output = Result<V, E>>,
    T: Timer,
{
    type Output = Result<V, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map(|out| match out {
            Ok(out) => out.map_err(Error::Inner),
            Err(elapsed) => Err(Error::Elapsed(elapsed)),
        })
    }
}

pin_project! {
    /// A timed call whose elapsed time becomes the operation's own error.
    pub(crate) struct Flat<H, Op, Fut, T: Timer> {
        #[pin]
        inner: Timed<H, Op, Fut, T>,
    }
}

impl<H, Op, Fut, T: Timer> Flat<H, Op, Fut, T> {
    pub(crate) fn new(inner: Timed<H, Op, Fut, T>) -> Self {
        Self { inner }
    }
}

impl<V, E, H, Op, Fut, T> Future for Flat<H, Op, Fut, T>
where
    E: From<Elapsed>,
    H: Deref<Target = Shared<T>>,
    Op: Begin<Fut>,
    Fut: Future<Output = Result<V, E>>,
    T: Timer,
{
    type Output = Result<V, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project()
            .inner
            .poll(cx)
            .map(|out| out.unwrap_or_else(|elapsed| Err(elapsed.into())))
    }
}
