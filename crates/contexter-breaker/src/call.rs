//! The futures of a guarded call: one holds the logic, two say what a refusal looks like.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Classify, Clock, Open};
use pin_project_lite::pin_project;

use crate::held::{Handle, Held};
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
    pub(crate) struct Admitted<G: Handle, Op, Fut> {
        #[pin]
        stage: Stage<G, Op, Fut>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<G: Handle, Op, Fut> {
        Start { start: Option<(G, Op)> },
        // Dropped in this order: the operation ends before its permit is given back.
        Running { #[pin] fut: Fut, held: Option<Held<G>> },
        Done,
    }
}

impl<G: Handle, Op, Fut> Admitted<G, Op, Fut> {
    #[inline]
    pub(crate) fn new(guard: G, op: Op) -> Self {
        Self {
            stage: Stage::Start {
                start: Some((guard, op)),
            },
        }
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
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Start { start } => {
                    let (guard, op) = start.take().expect("the stage changes in the same poll");
                    let held = match Held::admit(guard) {
                        Ok(held) => held,
                        Err(open) => {
                            this.stage.set(Stage::Done);
                            return Poll::Ready(Err(open));
                        }
                    };
                    let fut = op.begin();
                    this.stage.set(Stage::Running {
                        fut,
                        held: Some(held),
                    });
                }
                StageProjection::Running { fut, held } => {
                    // Taken here while the operation runs: if that panics, the unwinding drops it,
                    // and it then knows that it was a panic.
                    let taken = held.take();
                    let Poll::Ready(out) = fut.poll(cx) else {
                        *held = taken;
                        return Poll::Pending;
                    };
                    if let Some(held) = taken {
                        let classify = held.handle.classify();
                        if let Some(duration) = classify.trip(&out) {
                            held.trip(duration);
                        } else {
                            let sample = classify.sample(&out);
                            held.record(sample);
                        }
                    }
                    this.stage.set(Stage::Done);
                    return Poll::Ready(Ok(out));
                }
                StageProjection::Done => panic_polled_again(),
            }
        }
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
