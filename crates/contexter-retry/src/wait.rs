//! The wait between two attempts.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use contexter_service::Timer;
use pin_project_lite::pin_project;

use crate::plan::{Failure, Plan, Repeats};
use crate::shared::Shared;

pin_project! {
    /// What a call holds from its first failure on.
    struct Waiting<S> {
        repeats: Repeats,
        #[pin]
        sleep: Option<S>,
        // Whether another attempt is to come.
        due: bool,
    }
}

/// What a call holds once it has failed, in one box: a call that succeeds at once is smaller for
/// it, and has nothing to drop.
pub(crate) struct Later<S> {
    waiting: Option<Pin<Box<Waiting<S>>>>,
}

impl<S> Later<S> {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { waiting: None }
    }

    /// Begins the wait for another attempt; `false` if there must be none.
    #[cold]
    #[inline(never)]
    pub(crate) fn begin<T>(
        &mut self,
        plan: &Plan,
        shared: &Shared,
        timer: &T,
        failure: Failure,
    ) -> bool
    where
        T: Timer<Sleep = S>,
    {
        let waiting = self.waiting.get_or_insert_with(|| {
            Box::pin(Waiting {
                repeats: shared.repeats(),
                sleep: None,
                due: false,
            })
        });
        let mut this = waiting.as_mut().project();
        let delay = plan.after_failure(this.repeats, shared, timer, failure);
        *this.due = delay.is_some();
        this.sleep.set(delay.map(|delay| timer.sleep(delay)));
        *this.due
    }

    /// Waits for the time of the next attempt.
    ///
    /// # Panics
    ///
    /// Panics if no other attempt is to come: the call has ended, and was polled again.
    #[cold]
    #[inline(never)]
    pub(crate) fn poll_slept(&mut self, task: &mut Context<'_>) -> Poll<()>
    where
        S: Future<Output = ()>,
    {
        let waiting = self
            .waiting
            .as_mut()
            .map(|waiting| waiting.as_mut().project());
        let Some(mut waiting) = waiting.filter(|waiting| *waiting.due) else {
            panic_polled_again()
        };
        if let Some(sleep) = waiting.sleep.as_mut().as_pin_mut() {
            ready!(sleep.poll(task));
            waiting.sleep.set(None);
        }
        Poll::Ready(())
    }

    /// Begins the next attempt. Returns whether it is the last one.
    #[cold]
    #[inline(never)]
    pub(crate) fn advance(&mut self, plan: &mut Plan) -> bool {
        self.waiting.as_mut().is_none_or(|waiting| {
            let waiting = waiting.as_mut().project();
            *waiting.due = false;
            plan.advance(waiting.repeats)
        })
    }

    /// Says that the next attempt is not made after all.
    #[cold]
    #[inline(never)]
    pub(crate) fn end(&mut self) {
        if let Some(waiting) = &mut self.waiting {
            let waiting = waiting.as_mut().project();
            *waiting.due = false;
            waiting.repeats.token = None;
        }
    }
}

#[expect(
    clippy::panic,
    reason = "polling a finished future is a defect of the caller"
)]
fn panic_polled_again() -> ! {
    panic!("a retried call was polled after it had ended")
}

impl<S> Drop for Later<S> {
    #[inline]
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            drop_waiting(waiting);
        }
    }
}

/// Apart from the rest, so that the drop of a call that has succeeded at once is small.
#[cold]
#[inline(never)]
fn drop_waiting<S>(waiting: Pin<Box<Waiting<S>>>) {
    drop(waiting);
}
