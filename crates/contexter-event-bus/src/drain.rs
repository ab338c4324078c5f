//! Coming to an end in good order: when there is nothing more to wait for, and how a bus and a
//! subscription end then.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::{Instant, timeout, timeout_at};

use crate::bus::{Bus, MAX_WITHIN};
use crate::ending::Remains;
use crate::queue::{Queue, State};
use crate::receipt::DrainReport;
use crate::remote::Remote;
use crate::subscription::Subscription;

impl State {
    /// Returns whether nothing runs and nothing is going to before `end`: what still waits is due
    /// later, or nobody is there to handle it.
    pub(crate) fn is_at_rest(&self, end: Instant) -> bool {
        let due_later = || self.lanes.next_due().is_none_or(|due| due > end);
        let nothing_to_do = || !self.lanes.is_ready() && due_later();
        self.in_flight == 0 && (self.workers == 0 || nothing_to_do())
    }
}

impl Queue {
    /// Returns whether whoever waits for room in it waits in vain while nothing runs.
    pub(crate) fn is_clogged(&self) -> bool {
        self.state.lock().lanes.len() >= self.capacity
    }

    fn has_come_to_rest(&self, end: Instant) -> bool {
        let flushed = self
            .remote
            .as_ref()
            .is_none_or(|remote| remote.is_flushed());
        self.state.lock().is_at_rest(end) && flushed
    }

    /// Returns whether none of these workers is at anything.
    fn are_idle(&self, numbers: &[usize]) -> bool {
        let state = self.state.lock();
        let idle = |number: &usize| state.slots.get(*number).is_none_or(|s| s.running.is_none());
        numbers.iter().all(idle)
    }
}

/// How long the settlements of a drained bus may take to reach the broker, beyond the time for the
/// handlers.
const FLUSH: Duration = Duration::from_secs(5);
/// How long closing the transport may take after that.
const CLOSE: Duration = Duration::from_secs(1);

impl Bus {
    /// Waits until nothing waits and nothing is being handled, and returns whether that happened.
    ///
    /// Events that handlers publish count too, so a flow of several steps is through when this
    /// returns `true`. Inside a handler it cannot be, because that handler is still running. On a
    /// broker it is only about what this process holds: more may wait there.
    pub async fn idle(&self, within: Duration) -> bool {
        let is_idle = || {
            let routes = self.inner.routes.read();
            self.inner.ledger.publishing() == 0 && are_all(routes.queues(), State::is_idle)
        };
        let idle = self.inner.ledger.idle(is_idle);
        timeout(within.min(MAX_WITHIN), idle).await.is_ok()
    }

    /// Stops taking events, lets what was accepted come to an end, and reports what did not.
    ///
    /// In process, publishing fails from now on, also from handlers. On a broker, nothing more is
    /// received from now on, handlers can still publish until the last of them is through, and what
    /// is left goes back to its group. When `within` is over, running handlers are cancelled at
    /// their next `.await`. It does not take that long if nothing runs and what still waits is due
    /// later, or has nobody to handle it: that is left at once. All subscriptions have ended then,
    /// and last the transport is closed. A broker that does not answer, or a slow
    /// [observer](crate::SubscriptionConfig::with_observer), may make it 6 s more than `within`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the bus takes no more events, and what was accepted is still
    /// handled. Draining again picks up from there.
    pub async fn drain(&self, within: Duration) -> DrainReport {
        let deadline = Instant::now() + within.min(MAX_WITHIN);
        let settled_before = self.totals().settled();
        let queues: Vec<_> = {
            let mut routes = self.inner.routes.write();
            routes.open = self.transport().is_some() && routes.open;
            routes.draining = true;
            routes.queues().to_vec()
        };
        let remotes: Vec<_> = queues.iter().filter_map(|q| q.remote.clone()).collect();
        for remote in &remotes {
            remote.stop();
        }
        let (finished, ()) = join(
            self.come_to_rest(deadline),
            self.inner.responders.close(deadline),
        )
        .await;
        let remains: Vec<_> = {
            let mut routes = self.inner.routes.write();
            routes.open = false;
            queues.iter().map(|queue| routes.end(queue)).collect()
        };
        let abandoned: Vec<_> = remains.into_iter().flat_map(Remains::let_go).collect();
        let settled = self.totals().settled().saturating_sub(settled_before);
        let flushed = async {
            join_all(remotes.iter().map(|remote| remote.flush())).await;
            join_all(queues.iter().map(|queue| queue.untold.none())).await;
            let nothing = || self.inner.ledger.publishing() == 0;
            self.inner.ledger.idle(nothing).await;
        };
        // What responders took longer to end is part of that time.
        let end = deadline.max(Instant::now() + FLUSH).min(deadline + FLUSH);
        let flushed = timeout_at(end, flushed).await.is_ok();
        if let Some(transport) = self.transport()
            && self.inner.config.closes_transport
        {
            // What it still wanted to say to a broker that does not answer is left unsaid: leases
            // run out by themselves.
            let end = end.max(Instant::now() + CLOSE);
            if timeout_at(end, transport.close()).await.is_err() {
                tracing::warn!("the transport was not closed in time");
            }
        }
        tracing::info!(
            finished,
            flushed,
            settled,
            abandoned = abandoned.len(),
            "event bus drained"
        );
        DrainReport { settled, abandoned }
    }

    /// Waits until nothing runs and nothing is going to before `deadline`.
    async fn come_to_rest(&self, deadline: Instant) -> bool {
        let at_rest = || {
            let routes = self.inner.routes.read();
            let queues = routes.queues();
            // Who waits for room that nobody makes any more is told when the queue is closed.
            let in_vain = || self.transport().is_none() && queues.iter().any(|q| q.is_clogged());
            are_all(queues, |state| state.is_at_rest(deadline))
                && (self.inner.ledger.publishing() == 0 || in_vain())
        };
        let ledger = &self.inner.ledger;
        timeout_at(deadline, ledger.idle(at_rest)).await.is_ok()
    }
}

/// Returns whether all queues are idle at one and the same moment.
fn are_all(queues: &[Arc<Queue>], idle: impl Fn(&State) -> bool) -> bool {
    if !queues.iter().all(|queue| idle(&queue.state.lock())) {
        return false;
    }
    // One after the other says nothing: an event may have moved on from a queue that was still to
    // be asked into one that had been. A handler publishes before it ends, so with all locks held
    // it is seen in the one or the other.
    let held: Vec<_> = queues.iter().map(|queue| queue.state.lock()).collect();
    let settled = |queue: &Arc<Queue>| {
        queue
            .remote
            .as_ref()
            .is_none_or(|remote| remote.is_flushed())
    };
    held.iter().all(|state| idle(state)) && queues.iter().all(settled)
}

impl Subscription {
    /// Ends the subscription in good order: it takes nothing more, and what it has accepted is
    /// handled. Reports what did not come to an end.
    ///
    /// When `within` is over, running handlers are cancelled at their next `.await`. An event that
    /// waits for an attempt that is due later than that is not waited for. From a broker, nothing
    /// more is received, and what is left goes back to the group at once. In process, a member of a
    /// group handles what it has begun with, and leaves the rest of the queue to the group: it
    /// abandons nothing, and the report counts what the whole group has settled meanwhile. A broker
    /// that does not answer, or a slow observer, may make it 5 s more than `within`. The bus and its
    /// other subscriptions go on.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the subscription ends at once, as if it were
    /// [dropped](Subscription).
    pub async fn drain(self, within: Duration) -> DrainReport {
        let deadline = Instant::now() + within.min(MAX_WITHIN);
        let queue = Arc::clone(&self.queue);
        let before = queue.stats().settled();
        let abandoned = if queue.outlives_members() {
            queue.retire(&self.workers);
            let through = || queue.are_idle(&self.workers);
            let _in_time = timeout_at(deadline, queue.ledger.idle(through)).await;
            drop(self);
            if timeout(FLUSH, queue.untold.none()).await.is_err() {
                tracing::warn!(
                    subscription = &*queue.name,
                    "the observer was not told of everything in time"
                );
            }
            Vec::new()
        } else {
            queue.finish();
            let through = || queue.has_come_to_rest(deadline);
            let _in_time = timeout_at(deadline, queue.ledger.idle(through)).await;
            let abandoned = queue.close();
            let flushed = async {
                if let Some(remote) = &queue.remote {
                    Remote::flush(remote).await;
                }
                queue.untold.none().await;
            };
            if timeout(FLUSH, flushed).await.is_err() {
                tracing::warn!(
                    subscription = &*queue.name,
                    "not everything was settled in time at the end of a subscription"
                );
            }
            drop(self);
            abandoned
        };
        let settled = queue.stats().settled().saturating_sub(before);
        tracing::info!(
            subscription = &*queue.name,
            settled,
            abandoned = abandoned.len(),
            "subscription drained"
        );
        DrainReport { settled, abandoned }
    }
}
