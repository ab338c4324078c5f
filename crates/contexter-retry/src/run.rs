//! The one loop that all faces of a retry share.

use std::borrow::Borrow;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use contexter_service::{Again, Classify, Cx, Timer};
use pin_project_lite::pin_project;

use crate::Retry;
use crate::operation::Operation;
use crate::plan::{Failure, Plan};
use crate::wait::Later;

pin_project! {
    /// Makes attempts until an outcome needs no other or allows none. `H` is the retry, borrowed
    /// or owned.
    pub(crate) struct Run<H, Op, Fut, T: Timer, K> {
        handle: H,
        op: Op,
        plan: Plan,
        begun: bool,
        // Whether the operation could be begun once more.
        repeatable: bool,
        // The attempt that runs. None does before the first, during a wait, and at the end.
        #[pin]
        attempt: Option<Fut>,
        later: Later<T::Sleep>,
        classify: PhantomData<fn() -> K>,
    }
}

impl<H, Op, Fut, T: Timer, K> Run<H, Op, Fut, T, K> {
    #[inline]
    pub(crate) fn new(handle: H, cx: Cx, op: Op) -> Self {
        Self {
            handle,
            op,
            plan: Plan::new(cx),
            begun: false,
            repeatable: false,
            attempt: None,
            later: Later::new(),
            classify: PhantomData,
        }
    }

    pub(crate) fn cx(&self) -> Cx {
        self.plan.cx()
    }

    /// How many attempts were made so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.plan.cx().attempt()
    }
}

impl<H, Op, Fut, T, K> Future for Run<H, Op, Fut, T, K>
where
    H: Borrow<Retry<T, K>>,
    Op: Operation<Fut>,
    Fut: Future,
    T: Timer,
    K: Classify<Fut::Output>,
{
    type Output = Fut::Output;

    /// The way of a first attempt that succeeds is straight; all else is apart from it.
    #[inline]
    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Fut::Output> {
        let mut this = self.project();
        let retry: &Retry<T, K> = (*this.handle).borrow();
        if !*this.begun {
            *this.begun = true;
            let last = this.plan.start(&retry.shared, &retry.timer);
            let (fut, repeatable) = this.op.begin(this.plan.cx(), last);
            *this.repeatable = repeatable;
            this.attempt.set(Some(fut));
        }
        loop {
            if let Some(fut) = this.attempt.as_mut().as_pin_mut() {
                let out = ready!(fut.poll(task));
                this.attempt.set(None);
                let again =
                    failure(retry, this.plan.cx(), &out, *this.repeatable).is_some_and(|failure| {
                        let (shared, timer) = (&retry.shared, &retry.timer);
                        this.later.begin(this.plan, shared, timer, failure)
                    });
                if !again {
                    return Poll::Ready(out);
                }
                // The outcome and what it holds, such as a connection, end before the wait.
                drop(out);
            }
            ready!(this.later.poll_slept(task));
            // Not behind a call: a face that is always ready has no other outcomes than its own.
            if let Err(out) = ready!(this.op.poll_ready(task)) {
                this.later.end();
                return Poll::Ready(out);
            }
            let last = this.later.advance(this.plan);
            let (fut, repeatable) = this.op.begin(this.plan.cx(), last);
            *this.repeatable = repeatable;
            this.attempt.set(Some(fut));
        }
    }
}

/// Reads an outcome: nothing if it needs no other attempt.
#[inline]
fn failure<Out, T, K>(retry: &Retry<T, K>, cx: Cx, out: &Out, repeatable: bool) -> Option<Failure>
where
    T: Timer,
    K: Classify<Out>,
{
    let (after, refused) = match retry.classify.again(out) {
        Again::Yes { after } => (after, false),
        Again::No if retry.shared.opening().is_waiting_if_refused() => {
            (Some(retry.classify.refused(out)?), true)
        }
        Again::No => return None,
    };
    Some(Failure {
        after,
        refused,
        harmless: cx.is_idempotent() || !retry.classify.sent(out),
        repeatable,
    })
}
