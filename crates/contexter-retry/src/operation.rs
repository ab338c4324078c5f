//! What is done again: the one interface between the loop and its faces.

use std::future::Future;
use std::task::{Context, Poll};

use contexter_service::Cx;

/// Something that can be begun several times.
pub(crate) trait Operation<Fut: Future> {
    /// Gets ready for another attempt than the first. What it fails with is the final outcome.
    fn poll_ready(&mut self, _task: &mut Context<'_>) -> Poll<Result<(), Fut::Output>> {
        Poll::Ready(Ok(()))
    }

    /// Begins an attempt, and says whether another one could be begun. `last` says that none will.
    fn begin(&mut self, cx: Cx, last: bool) -> (Fut, bool);
}

/// A closure that makes a future for each attempt.
pub(crate) struct Plain<Op>(pub(crate) Op);

impl<Op, Fut> Operation<Fut> for Plain<Op>
where
    Op: FnMut(Cx) -> Fut,
    Fut: Future,
{
    #[inline]
    fn begin(&mut self, cx: Cx, _last: bool) -> (Fut, bool) {
        ((self.0)(cx), true)
    }
}

/// A closure that sends a request which it may not be able to send again.
pub(crate) struct Sending<Op>(pub(crate) Op);

impl<Op, Fut> Operation<Fut> for Sending<Op>
where
    Op: FnMut(Cx, bool) -> (Fut, bool),
    Fut: Future,
{
    #[inline]
    fn begin(&mut self, cx: Cx, last: bool) -> (Fut, bool) {
        (self.0)(cx, last)
    }
}
