//! The futures of a guarded call: one holds the logic, two say what a refusal looks like.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Classify, Clock, Open};
use pin_project_lite::pin_project;

use crate::held::{Handle, abandon};
use crate::machine::Ticket;
use crate::outcome::Outcome;
use crate::{Breaker, Error};

/// A breaker with the classifier that reads the outcome.
pub(crate) trait Guard: Handle {
    type Classify;

    fn classify(&self) -> &Self::Classify;
}

impl<C: Clock, K> Guard for Breaker<C, K> {
    type Classify = K;

    #[inline]
    fn classify(&self) -> &K {
        &self.classify
    }
}

impl<C: Clock, K> Guard for &Breaker<C, K> {
    type Classify = K;

    #[inline]
    fn classify(&self) -> &K {
        &self.classify
    }
}

/// What makes the operation's future, once it may run.
pub(crate) trait Begin<Fut> {
    fn begin(self) -> Fut;
}

impl<Op: FnOnce() -> Fut, Fut> Begin<Fut> for Op {
    #[inline]
    fn begin(self) -> Fut {
        self()
    }
}

pin_project! {
    /// Asks for admission, runs the operation, records the outcome.
    ///
    /// Each part has its place from the start: moving them from one stage to the next would cost more
    /// than all the rest.
    pub(crate) struct Admitted<G: Handle, Op, Fut> {
        guard: G,
        op: Option<Op>,
        #[pin]
        fut: Option<Fut>,
        // While the operation waits to be polled again.
        ticket: Option<Ticket>,
    }

    impl<G: Handle, Op, Fut> PinnedDrop for Admitted<G, Op, Fut> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(ticket) = *this.ticket {
                // The operation ends before its permit is given back.
                this.fut.set(None);
                abandon(this.guard, ticket);
            }
        }
    }
}

impl<G: Handle, Op, Fut> Admitted<G, Op, Fut> {
    #[inline]
    pub(crate) fn new(guard: G, op: Op) -> Self {
        Self {
            guard,
            op: Some(op),
            fut: None,
            ticket: None,
        }
    }
}

/// Holds a ticket while anything of the caller's runs: if that panics, the unwinding drops this, and
/// it is then known to be a panic.
struct Running<'a, G: Handle> {
    guard: &'a G,
    ticket: Ticket,
}

impl<G: Handle> Running<'_, G> {
    #[inline]
    fn into_ticket(self) -> Ticket {
        let ticket = self.ticket;
        std::mem::forget(self);
        ticket
    }
}

impl<G: Handle> Drop for Running<'_, G> {
    #[inline]
    fn drop(&mut self) {
        abandon(self.guard, self.ticket);
    }
}

impl<G, Op, Fut> Future for Admitted<G, Op, Fut>
where
    G: Guard,
    G::Classify: Classify<Fut::Output>,
    Op: Begin<Fut>,
    Fut: Future,
{
    type Output = Result<Fut::Output, Open>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let guard = &*this.guard;
        let running = if let Some(op) = this.op.take() {
            let ticket = match guard.machine().admit() {
                Ok(ticket) => ticket,
                Err(open) => return Poll::Ready(Err(open)),
            };
            let running = Running { guard, ticket };
            this.fut.set(Some(op.begin()));
            running
        } else if let Some(ticket) = this.ticket.take() {
            Running { guard, ticket }
        } else {
            panic_polled_again()
        };
        let fut = this.fut.as_mut().as_pin_mut();
        let fut = fut.expect("it is there as long as its ticket is");
        let Poll::Ready(out) = fut.poll(cx) else {
            *this.ticket = Some(running.into_ticket());
            return Poll::Pending;
        };
        let classify = guard.classify();
        if let Some(duration) = classify.trip(&out) {
            guard.machine().trip(running.into_ticket(), duration);
        } else {
            let sample = classify.sample(&out);
            let outcome = Outcome::Taught(sample);
            guard.machine().settle(running.into_ticket(), outcome);
        }
        this.fut.set(None);
        Poll::Ready(Ok(out))
    }
}

#[cold]
#[expect(
    clippy::panic,
    reason = "polling a finished future is a defect of the caller"
)]
fn panic_polled_again() -> ! {
    panic!("a guarded call was polled after it had ended")
}

pin_project! {
    /// The future of [`Breaker::call`](crate::Breaker::call).
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<'a, Op, Fut, C: Clock, K> {
        #[pin]
        inner: Admitted<&'a Breaker<C, K>, Op, Fut>,
    }
}

impl<'a, Op, Fut, C: Clock, K> Call<'a, Op, Fut, C, K> {
    #[inline]
    pub(crate) fn new(breaker: &'a Breaker<C, K>, op: Op) -> Self {
        Self {
            inner: Admitted::new(breaker, op),
        }
    }
}

impl<Op, Fut, C: Clock, K> fmt::Debug for Call<'_, Op, Fut, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

impl<T, E, Op, Fut, C, K> Future for Call<'_, Op, Fut, C, K>
where
    Op: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    C: Clock,
    K: Classify<Result<T, E>>,
{
    type Output = Result<T, Error<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map(|out| match out {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Error::Inner(error)),
            Err(open) => Err(Error::Open(open)),
        })
    }
}

pin_project! {
    /// A guarded call whose refusal becomes the operation's own error.
    pub(crate) struct Flat<G: Handle, Op, Fut> {
        #[pin]
        inner: Admitted<G, Op, Fut>,
    }
}

impl<G: Handle, Op, Fut> Flat<G, Op, Fut> {
    #[inline]
    pub(crate) fn new(guard: G, op: Op) -> Self {
        Self {
            inner: Admitted::new(guard, op),
        }
    }
}

impl<T, E, G, Op, Fut> Future for Flat<G, Op, Fut>
where
    E: From<Open>,
    G: Guard,
    G::Classify: Classify<Result<T, E>>,
    Op: Begin<Fut>,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project()
            .inner
            .poll(cx)
            .map(|out| out.unwrap_or_else(|open| Err(open.into())))
    }
}
