//! The future of a call that may share its execution.

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::Cx;
use pin_project_lite::pin_project;

use super::Shared;
use super::execution::Step;
use super::table::Caller;
use crate::polled::panic_polled_again;

pin_project! {
    /// The future of [`SingleFlight::run_keyed`](crate::SingleFlight::run_keyed).
    #[must_use = "futures do nothing unless polled"]
    pub struct SharedCall<'a, K, V, Op, Fut>
    where
        K: Hash,
        K: Eq,
    {
        shared: &'a Shared<K, V>,
        key: &'a K,
        cx: Cx,
        op: Op,
        #[pin]
        stage: Stage<'a, K, V, Fut>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<'a, K, V, Fut>
    where
        K: Hash,
        K: Eq,
    {
        Start,
        Aboard { caller: Caller<'a, K, V> },
        Alone { #[pin] fut: Fut },
        Done,
    }
}

impl<'a, K: Hash + Eq, V, Op, Fut> SharedCall<'a, K, V, Op, Fut> {
    pub(super) fn new(shared: &'a Shared<K, V>, key: &'a K, cx: Cx, op: Op) -> Self {
        Self {
            shared,
            key,
            cx,
            op,
            stage: Stage::Start,
        }
    }
}

impl<K: Hash + Eq, V, Op, Fut> fmt::Debug for SharedCall<'_, K, V, Op, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Start => "start",
            Stage::Aboard { .. } => "aboard",
            Stage::Alone { .. } => "alone",
            Stage::Done => "done",
        };
        f.debug_struct("SharedCall").field("stage", &stage).finish()
    }
}

impl<K, V, Op, Fut> Future for SharedCall<'_, K, V, Op, Fut>
where
    K: Hash + Eq + Clone,
    V: Clone + Send + Sync + 'static,
    Op: Fn(Cx) -> Fut,
    Fut: Future<Output = V> + Send + 'static,
{
    type Output = V;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<V> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Start => {
                    let stage = match this.shared.board(this.key) {
                        Some(caller) => Stage::Aboard { caller },
                        None => Stage::Alone {
                            fut: (this.op)(*this.cx),
                        },
                    };
                    this.stage.set(stage);
                }
                StageProjection::Aboard { caller } => {
                    let step = caller.poll(cx.waker(), || {
                        this.shared.began();
                        // The execution belongs to all its callers: the deadline of the one that
                        // happens to begin it must not end it for the others.
                        Box::pin((this.op)(this.cx.without_deadline()))
                    });
                    match step {
                        Step::Landed(value) => {
                            this.stage.set(Stage::Done);
                            return Poll::Ready(value);
                        }
                        Step::Pending => return Poll::Pending,
                        // Somebody else's poll panicked and took the execution with it. This call
                        // has an operation of its own, and its own right to an outcome.
                        Step::Lost => this.stage.set(Stage::Start),
                    }
                }
                StageProjection::Alone { fut } => {
                    let Poll::Ready(value) = fut.poll(cx) else {
                        return Poll::Pending;
                    };
                    this.stage.set(Stage::Done);
                    return Poll::Ready(value);
                }
                StageProjection::Done => panic_polled_again(),
            }
        }
    }
}
