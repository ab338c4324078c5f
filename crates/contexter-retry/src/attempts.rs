//! The futures of a retried operation.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use contexter_service::{Classify, Cx, Timer};
use pin_project_lite::pin_project;

use crate::Retry;
use crate::operation::Plain;
use crate::run::Run;

pin_project! {
    /// The future of [`Retry::call`](crate::Retry::call).
    #[must_use = "futures do nothing unless polled"]
    pub struct Attempts<'a, Op, Fut, T: Timer, K> {
        #[pin]
        run: Run<&'a Retry<T, K>, Plain<Op>, Fut, T, K>,
    }
}

impl<'a, Op, Fut, T: Timer, K> Attempts<'a, Op, Fut, T, K> {
    #[inline]
    pub(crate) fn new(retry: &'a Retry<T, K>, cx: Cx, op: Op) -> Self {
        Self {
            run: Run::new(retry, cx, Plain(op)),
        }
    }

    /// Makes the future give the number of attempts beside the outcome.
    pub fn counted(self) -> Counted<'a, Op, Fut, T, K> {
        Counted { run: self.run }
    }
}

impl<Op, Fut, T: Timer, K> fmt::Debug for Attempts<'_, Op, Fut, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts")
            .field("cx", &self.run.cx())
            .finish_non_exhaustive()
    }
}

impl<Op, Fut, T, K> Future for Attempts<'_, Op, Fut, T, K>
where
    Op: FnMut(Cx) -> Fut,
    Fut: Future,
    T: Timer,
    K: Classify<Fut::Output>,
{
    type Output = Fut::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().run.poll(task)
    }
}

pin_project! {
    /// The future of [`Attempts::counted`]: gives the outcome and how many attempts it took.
    #[must_use = "futures do nothing unless polled"]
    pub struct Counted<'a, Op, Fut, T: Timer, K> {
        #[pin]
        run: Run<&'a Retry<T, K>, Plain<Op>, Fut, T, K>,
    }
}

impl<Op, Fut, T: Timer, K> fmt::Debug for Counted<'_, Op, Fut, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted")
            .field("cx", &self.run.cx())
            .finish_non_exhaustive()
    }
}

impl<Op, Fut, T, K> Future for Counted<'_, Op, Fut, T, K>
where
    Op: FnMut(Cx) -> Fut,
    Fut: Future,
    T: Timer,
    K: Classify<Fut::Output>,
{
    type Output = (Fut::Output, u32);

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let mut run = self.project().run;
        let out = ready!(run.as_mut().poll(task));
        Poll::Ready((out, run.attempts()))
    }
}
