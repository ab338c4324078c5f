//! Coming to an end: how one subscription does, and when there is nothing more to wait for.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::bus::{FLUSH, MAX_WITHIN};
use crate::queue::{Queue, State, Stay};
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

    /// A member of a group is about to leave: its workers begin with nothing more.
    fn retire(&self, numbers: &[usize]) {
        let mut state = self.state.lock();
        let mut idle = Vec::new();
        for &number in numbers {
            let Some(slot) = state.slots.get_mut(number) else {
                continue;
            };
            slot.stay = Stay::Retiring;
            if slot.running.is_none() {
                idle.extend(slot.task.take());
            }
        }
        self.wake_another(&mut state);
        drop(state);
        idle.iter().for_each(AbortHandle::abort);
    }

    /// Returns whether none of these workers is at anything.
    fn are_idle(&self, numbers: &[usize]) -> bool {
        let state = self.state.lock();
        let idle = |number: &usize| state.slots.get(*number).is_none_or(|s| s.running.is_none());
        numbers.iter().all(idle)
    }
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
            if let Some(observing) = queue.observing()
                && timeout(FLUSH, observing.told()).await.is_err()
            {
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
                if let Some(observing) = queue.observing() {
                    observing.told().await;
                }
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
