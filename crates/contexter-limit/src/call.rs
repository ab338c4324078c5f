//! The futures of a limited call: one holds the logic for all mechanisms, two say what a refusal
//! looks like.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::Cx;
use pin_project_lite::pin_project;

use crate::Error;
use crate::mechanism::{Gate, Pass};

/// What makes the operation's future, once it may run.
pub(crate) trait Begin<Fut> {
    fn begin(self, cx: Cx) -> Fut;
}

impl<Op: FnOnce(Cx) -> Fut, Fut> Begin<Fut> for Op {
    #[inline]
    fn begin(self, cx: Cx) -> Fut {
        self(cx)
    }
}

pin_project! {
    /// Passes the gate, runs the operation, and tells the gate how it ended.
    pub(crate) struct Passing<G: Gate, Op, Fut> {
        cx: Cx,
        #[pin]
        stage: Stage<G, Op, Fut>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<G: Gate, Op, Fut> {
        Entering { #[pin] enter: G::Enter, op: Option<Op> },
        // Dropped in this order: the operation ends before its place is given back.
        Running { #[pin] fut: Fut, pass: Option<G::Pass> },
        Done,
    }
}

impl<G: Gate, Op, Fut> Passing<G, Op, Fut> {
    #[inline]
    pub(crate) fn new(gate: G, cx: Cx, op: Op) -> Self {
        Self {
            cx,
            stage: Stage::Entering {
                enter: gate.enter(cx),
                op: Some(op),
            },
        }
    }
}

impl<G, Op, Fut> Future for Passing<G, Op, Fut>
where
    G: Gate,
    G::Pass: Pass<Fut::Output>,
    Op: Begin<Fut>,
    Fut: Future,
{
    type Output = Result<Fut::Output, G::Refusal>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Entering { enter, op } => {
                    let pass = match enter.poll(cx) {
                        Poll::Ready(Ok(pass)) => pass,
                        Poll::Ready(Err(refusal)) => {
                            this.stage.set(Stage::Done);
                            return Poll::Ready(Err(refusal));
                        }
                        Poll::Pending => return Poll::Pending,
                    };
                    let op = op.take().expect("the stage changes when it is taken");
                    let fut = op.begin(*this.cx);
                    this.stage.set(Stage::Running {
                        fut,
                        pass: Some(pass),
                    });
                }
                StageProjection::Running { fut, pass } => {
                    // Taken here while the operation runs: if that panics, the unwinding gives the
                    // place back, however long the future is kept after it.
                    let taken = pass.take();
                    let Poll::Ready(out) = fut.poll(cx) else {
                        *pass = taken;
                        return Poll::Pending;
                    };
                    this.stage.set(Stage::Done);
                    if let Some(pass) = taken {
                        pass.settle(&out);
                    }
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
pub(crate) fn panic_polled_again() -> ! {
    panic!("a limited call was polled after it had ended")
}

pin_project! {
    /// The future of a plain call through a limit.
    ///
    /// # Cancel safety
    ///
    /// As the method that made it.
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<G: Gate, Op, Fut> {
        #[pin]
        inner: Passing<G, Op, Fut>,
    }
}

impl<G: Gate, Op, Fut> Call<G, Op, Fut> {
    #[inline]
    pub(crate) fn new(gate: G, cx: Cx, op: Op) -> Self {
        Self {
            inner: Passing::new(gate, cx, op),
        }
    }
}

impl<G: Gate, Op, Fut> fmt::Debug for Call<G, Op, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

impl<V, E, G, Op, Fut> Future for Call<G, Op, Fut>
where
    G: Gate,
    G::Pass: Pass<Result<V, E>>,
    Op: FnOnce(Cx) -> Fut,
    Fut: Future<Output = Result<V, E>>,
{
    type Output = Result<V, Error<E, G::Refusal>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map(|out| match out {
            Ok(out) => out.map_err(Error::Inner),
            Err(refusal) => Err(Error::Refused(refusal)),
        })
    }
}

pin_project! {
    /// A limited call whose refusal becomes the operation's own error.
    pub(crate) struct Flat<G: Gate, Op, Fut> {
        #[pin]
        inner: Passing<G, Op, Fut>,
    }
}

impl<G: Gate, Op, Fut> Flat<G, Op, Fut> {
    #[inline]
    pub(crate) fn new(gate: G, cx: Cx, op: Op) -> Self {
        Self {
            inner: Passing::new(gate, cx, op),
        }
    }
}

impl<V, E, G, Op, Fut> Future for Flat<G, Op, Fut>
where
    G: Gate<Refusal: Into<E>>,
    G::Pass: Pass<Result<V, E>>,
    Op: Begin<Fut>,
    Fut: Future<Output = Result<V, E>>,
{
    type Output = Result<V, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project()
            .inner
            .poll(cx)
            .map(|out| out.unwrap_or_else(|refusal| Err(refusal.into())))
    }
}
