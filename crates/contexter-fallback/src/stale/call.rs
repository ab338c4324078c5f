//! The future of a call whose last good value may stand in.

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::task::{Context, Poll};

use contexter_service::{Clock, Cx};
use pin_project_lite::pin_project;

use crate::polled::panic_polled_again;
use crate::store::Ticket;
use crate::{Eligible, Served, StaleValue};

pin_project! {
    /// The future of [`StaleValue::run_keyed`](crate::StaleValue::run_keyed).
    #[must_use = "futures do nothing unless polled"]
    pub struct StaleCall<'a, K, V, C, P, Op, Fut> {
        stale: &'a StaleValue<K, V, C, P>,
        key: &'a K,
        cx: Cx,
        #[pin]
        stage: Stage<Op, Fut>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<Op, Fut> {
        Start { op: Option<Op> },
        Calling { #[pin] fut: Fut, ticket: Ticket },
        Done,
    }
}

impl<'a, K, V, C, P, Op, Fut> StaleCall<'a, K, V, C, P, Op, Fut> {
    pub(super) fn new(stale: &'a StaleValue<K, V, C, P>, key: &'a K, cx: Cx, op: Op) -> Self {
        Self {
            stale,
            key,
            cx,
            stage: Stage::Start { op: Some(op) },
        }
    }
}

impl<K, V, C, P, Op, Fut> fmt::Debug for StaleCall<'_, K, V, C, P, Op, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaleCall").finish_non_exhaustive()
    }
}

impl<K, V, E, C, P, Op, Fut> Future for StaleCall<'_, K, V, C, P, Op, Fut>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    C: Clock,
    P: Eligible<E>,
    Op: FnOnce(Cx) -> Fut,
    Fut: Future<Output = Result<V, E>>,
{
    type Output = Result<Served<V, E>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::Start { op } => {
                    let op = op.take().expect("the stage changes in the same poll");
                    let ticket = this.stale.ticket(this.key);
                    let fut = op(*this.cx);
                    this.stage.set(Stage::Calling { fut, ticket });
                }
                StageProjection::Calling { fut, ticket } => {
                    let Poll::Ready(out) = fut.poll(cx) else {
                        return Poll::Pending;
                    };
                    let ticket = *ticket;
                    this.stage.set(Stage::Done);
                    let freshness = this.stale.freshness();
                    return Poll::Ready(this.stale.settle(this.key, ticket, freshness, out));
                }
                StageProjection::Done => panic_polled_again(),
            }
        }
    }
}
