//! The future of a hedged operation.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Classify, Cx, Timer};
use pin_project_lite::pin_project;

use super::race::Race;
use crate::Hedge;
use crate::operation::Plain;

pin_project! {
    /// The future of [`Hedge::call`](crate::Hedge::call).
    ///
    /// It has room for [`MAX_HEDGED_ATTEMPTS`](crate::MAX_HEDGED_ATTEMPTS) attempts. Box the
    /// operation's future if it is large.
    #[must_use = "futures do nothing unless polled"]
    pub struct Hedged<'a, Op, Fut: Future, T: Timer, K> {
        #[pin]
        race: Race<&'a Hedge<T, K>, Plain<Op>, Fut, T, K>,
    }
}

impl<'a, Op, Fut: Future, T: Timer, K> Hedged<'a, Op, Fut, T, K> {
    #[inline]
    pub(crate) fn new(hedge: &'a Hedge<T, K>, cx: Cx, op: Op) -> Self {
        Self {
            race: Race::new(hedge, cx, Plain(op)),
        }
    }
}

impl<Op, Fut: Future, T: Timer, K> fmt::Debug for Hedged<'_, Op, Fut, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedged")
            .field("cx", &self.race.cx())
            .finish_non_exhaustive()
    }
}

impl<Op, Fut, T, K> Future for Hedged<'_, Op, Fut, T, K>
where
    Op: FnMut(Cx) -> Fut,
    Fut: Future,
    T: Timer,
    K: Classify<Fut::Output>,
{
    type Output = Fut::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().race.poll(task)
    }
}
