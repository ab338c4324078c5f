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

pin_project! {
    /// Makes attempts until an outcome needs no other or allows none. `H` is the retry, borrowed
    /// or owned.
    pub(crate) struct Run<H, Op, Fut, T: Timer, K> {
        handle: H,
        op: Op,
        plan: Plan,
        // Whether the operation could be begun once more.
        repeatable: bool,
        #[pin]
        stage: Stage<Fut, T::Sleep>,
        classify: PhantomData<fn() -> K>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<Fut, Sleep> {
        Start,
        Attempt { #[pin] fut: Fut },
        Wait { #[pin] sleep: Sleep },
        Ready,
        Done,
    }
}

impl<H, Op, Fut, T: Timer, K> Run<H, Op, Fut, T, K> {
    #[inline]
    pub(crate) fn new(handle: H, cx: Cx, op: Op) -> Self {
        Self {
            handle,
            op,
            plan: Plan::new(cx),
            repeatable: false,
            stage: Stage::Start,
            classify: PhantomData,
        }
    }

    pub(crate) fn cx(&self) -> Cx {
        self.plan.cx()
    }

    /// Gives the outcome and how many attempts were made.
    #[inline]
    pub(crate) fn poll_counted(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<(Fut::Output, u32)>
    where
        H: Borrow<Retry<T, K>>,
        Op: Operation<Fut>,
        Fut: Future,
        K: Classify<Fut::Output>,
    {
        let mut this = self.project();
        let retry: &Retry<T, K> = (*this.handle).borrow();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Start => {
                    let last = this.plan.start(&retry.shared, &retry.timer);
                    let (fut, repeatable) = this.op.begin(this.plan.cx(), last);
                    *this.repeatable = repeatable;
                    this.stage.set(Stage::Attempt { fut });
                }
                StageProjection::Attempt { fut } => {
                    let out = ready!(fut.poll(task));
                    let delay = match failure(retry, this.plan.cx(), &out, *this.repeatable) {
                        None => None,
                        Some(failure) => {
                            this.plan
                                .after_failure(&retry.shared, &retry.timer, failure)
                        }
                    };
                    let Some(delay) = delay else {
                        this.stage.set(Stage::Done);
                        return Poll::Ready((out, this.plan.cx().attempt()));
                    };
                    // The outcome and what it holds, such as a connection, end before the wait.
                    drop(out);
                    let sleep = retry.timer.sleep(delay);
                    this.stage.set(Stage::Wait { sleep });
                }
                StageProjection::Wait { sleep } => {
                    ready!(sleep.poll(task));
                    this.stage.set(Stage::Ready);
                }
                StageProjection::Ready => {
                    if let Err(out) = ready!(this.op.poll_ready(task)) {
                        this.plan.abandon();
                        this.stage.set(Stage::Done);
                        return Poll::Ready((out, this.plan.cx().attempt()));
                    }
                    let last = this.plan.advance();
                    let (fut, repeatable) = this.op.begin(this.plan.cx(), last);
                    *this.repeatable = repeatable;
                    this.stage.set(Stage::Attempt { fut });
                }
                StageProjection::Done => panic_polled_again(),
            }
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

#[cold]
#[expect(
    clippy::panic,
    reason = "polling a finished future is a defect of the caller"
)]
fn panic_polled_again() -> ! {
    panic!("a retried call was polled after it had ended")
}
