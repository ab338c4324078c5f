//! The futures of a call with a fallback: one holds the logic, the others say what a double
//! failure looks like.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Both, Cx, Start};
use pin_project_lite::pin_project;

use super::{Alternative, FlatAlternative};
use crate::polled::panic_polled_again;
use crate::{Eligible, Error, Fallback};

pin_project! {
    /// Runs the operation and, after an eligible error, the alternative. `B` is a borrowed or a
    /// shared [`Fallback`].
    pub(crate) struct Rescued<B, Fut, E, Alt> {
        fallback: B,
        #[pin]
        stage: Stage<Fut, E, Alt>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<Fut, E, Alt> {
        Calling { #[pin] fut: Fut },
        Falling { #[pin] fut: Alt, original: Option<E> },
        Done,
    }
}

impl<B, Fut, E, Alt> Rescued<B, Fut, E, Alt> {
    pub(crate) fn new(fallback: B, fut: Fut) -> Self {
        Self {
            fallback,
            stage: Stage::Calling { fut },
        }
    }
}

impl<B, H, P, T, E, Fut> Future for Rescued<B, Fut, E, H::Future>
where
    B: Deref<Target = Fallback<H, P>>,
    H: Alternative<T, E>,
    P: Eligible<E>,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Error<E, H::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Calling { fut } => {
                    let Poll::Ready(out) = fut.poll(cx) else {
                        return Poll::Pending;
                    };
                    // The operation has given back what it held before anything stands in for it.
                    this.stage.set(Stage::Done);
                    let error = match out {
                        Ok(value) => return Poll::Ready(Ok(value)),
                        Err(error) => error,
                    };
                    let fallback: &Fallback<H, P> = this.fallback;
                    if !fallback.when_ref().is_eligible(&error) {
                        return Poll::Ready(Err(Error::Inner(error)));
                    }
                    let fut = fallback.alternative().begin(&error);
                    this.stage.set(Stage::Falling {
                        fut,
                        original: Some(error),
                    });
                }
                StageProjection::Falling { fut, original } => {
                    let Poll::Ready(out) = fut.poll(cx) else {
                        return Poll::Pending;
                    };
                    let original = original.take();
                    this.stage.set(Stage::Done);
                    return Poll::Ready(match out {
                        Ok(value) => {
                            this.fallback.served();
                            Ok(value)
                        }
                        Err(fallback) => {
                            this.fallback.failed();
                            Err(Error::Both(Both {
                                original: original.expect("it was set with the alternative"),
                                fallback,
                            }))
                        }
                    });
                }
                StageProjection::Done => panic_polled_again(),
            }
        }
    }
}

pin_project! {
    /// The future of [`Fallback::call`].
    #[must_use = "futures do nothing unless polled"]
    pub struct FallbackCall<'a, T, E, Op, Fut, H, P>
    where
        H: Alternative<T, E>,
    {
        #[pin]
        inner: Rescued<&'a Fallback<H, P>, Start<Op, Fut>, E, H::Future>,
    }
}

impl<'a, T, E, Op, Fut, H, P> FallbackCall<'a, T, E, Op, Fut, H, P>
where
    Op: FnOnce(Cx) -> Fut,
    H: Alternative<T, E>,
{
    pub(super) fn new(fallback: &'a Fallback<H, P>, op: Op) -> Self {
        Self {
            inner: Rescued::new(fallback, Start::new(Cx::new(), op)),
        }
    }
}

impl<T, E, Op, Fut, H: Alternative<T, E>, P> fmt::Debug for FallbackCall<'_, T, E, Op, Fut, H, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackCall").finish_non_exhaustive()
    }
}

impl<T, E, Op, Fut, H, P> Future for FallbackCall<'_, T, E, Op, Fut, H, P>
where
    Op: FnOnce(Cx) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    H: Alternative<T, E>,
    P: Eligible<E>,
{
    type Output = Result<T, Error<E, H::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}

pin_project! {
    /// A call whose double failure becomes the operation's own error.
    pub(crate) struct Flat<B, Fut, E, Alt> {
        #[pin]
        inner: Rescued<B, Fut, E, Alt>,
    }
}

impl<B, Fut, E, Alt> Flat<B, Fut, E, Alt> {
    pub(crate) fn new(fallback: B, fut: Fut) -> Self {
        Self {
            inner: Rescued::new(fallback, fut),
        }
    }
}

impl<B, H, P, T, E, Fut> Future for Flat<B, Fut, E, H::Future>
where
    B: Deref<Target = Fallback<H, P>>,
    H: FlatAlternative<T, E>,
    P: Eligible<E>,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx).map(|out| match out {
            Ok(value) => Ok(value),
            Err(Error::Inner(error)) => Err(error),
            Err(Error::Both(both)) => Err(H::flatten(both)),
        })
    }
}
