//! The futures of a guarded call: one holds the logic, two say what a refusal looks like.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Classify, Clock, Open};
use pin_project_lite::pin_project;

use crate::machine::Machine;
use crate::{Error, Permit};

pin_project! {
    /// Asks for admission, runs the operation, records the outcome.
    pub(crate) struct Admitted<'a, Op, Fut, C: Clock, K> {
        machine: &'a Machine<C>,
        classify: &'a K,
        #[pin]
        stage: Stage<'a, Op, Fut, C>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<'a, Op, Fut, C: Clock> {
        Start { op: Option<Op> },
        // Dropped in this order: the operation ends before its permit is given back.
        Running { #[pin] fut: Fut, permit: Option<Permit<'a, C>> },
        Done,
    }
}

impl<'a, Op, Fut, C: Clock, K> Admitted<'a, Op, Fut, C, K> {
    pub(crate) fn new(machine: &'a Machine<C>, classify: &'a K, op: Op) -> Self {
        Self {
            machine,
            classify,
            stage: Stage::Start { op: Some(op) },
        }
    }
}

impl<Op, Fut, C, K> Future for Admitted<'_, Op, Fut, C, K>
where
    Op: FnOnce() -> Fut,
    Fut: Future,
    C: Clock,
    K: Classify<Fut::Output>,
{
    type Output = Result<Fut::Output, Open>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Start { op } => {
                    let op = op.take().expect("the stage changes in the same poll");
                    let permit = match this.machine.admit() {
                        Ok(generation) => Permit::new(this.machine, generation),
                        Err(open) => {
                            this.stage.set(Stage::Done);
                            return Poll::Ready(Err(open));
                        }
                    };
                    let fut = op();
                    this.stage.set(Stage::Running {
                        fut,
                        permit: Some(permit),
                    });
                }
                StageProjection::Running { fut, permit } => {
                    // Held here while the operation runs: if that panics, the unwinding drops the
                    // permit, which then knows that it was a panic.
                    let held = permit.take();
                    let Poll::Ready(out) = fut.poll(cx) else {
                        *permit = held;
                        return Poll::Pending;
                    };
                    if let Some(permit) = held {
                        permit.record(this.classify.sample(&out));
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
        inner: Admitted<'a, Op, Fut, C, K>,
    }
}

impl<'a, Op, Fut, C: Clock, K> Call<'a, Op, Fut, C, K> {
    pub(crate) fn new(inner: Admitted<'a, Op, Fut, C, K>) -> Self {
        Self { inner }
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
    pub(crate) struct Flat<'a, Op, Fut, C: Clock, K> {
        #[pin]
        inner: Admitted<'a, Op, Fut, C, K>,
    }
}

impl<'a, Op, Fut, C: Clock, K> Flat<'a, Op, Fut, C, K> {
    pub(crate) fn new(inner: Admitted<'a, Op, Fut, C, K>) -> Self {
        Self { inner }
    }
}

impl<T, E, Op, Fut, C, K> Future for Flat<'_, Op, Fut, C, K>
where
    E: From<Open>,
    Op: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    C: Clock,
    K: Classify<Result<T, E>>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project()
            .inner
            .poll(cx)
            .map(|out| out.unwrap_or_else(|open| Err(open.into())))
    }
}
