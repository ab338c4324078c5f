//! The bounded in-process queue of one subscription.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::IntegrationEvent;
use contexter_service::Backoff;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::config::Overflow;
use crate::dead_letter::{DeadLetter, DeadLetters};
use crate::handler::{Delivery, HandlerError};
use crate::lanes::{Item, Lanes};
use crate::pattern::Pattern;
use crate::receipt::{Abandoned, Acceptance, Outcome};
use crate::stats::{Ledger, SubscriptionStats};

/// The longest wait between two attempts, whatever a handler asks for.
const MAX_WAIT: Duration = Duration::from_hours(24);

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) id: u64,
    pub(crate) name: Arc<str>,
    pub(crate) pattern: Pattern,
    pub(crate) capacity: usize,
    pub(crate) overflow: Overflow,
    pub(crate) max_attempts: u32,
    pub(crate) backoff: Backoff,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) state: Mutex<State>,
    /// Wakes a worker: an item may run, or the next due time has changed.
    pub(crate) work: Notify,
    /// Wakes a publisher: there may be room.
    pub(crate) room: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    lanes: Lanes,
    in_flight: BTreeMap<u64, Arc<IntegrationEvent>>,
    phase: Phase,
    workers: Vec<AbortHandle>,
    stats: SubscriptionStats,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// Nothing new comes in; what waits is still handled.
    Finishing,
    Closed,
}

/// What a worker finds.
enum Found {
    Work(Claim),
    Nothing { until: Option<Instant> },
    End,
}

impl Queue {
    /// Hands over the tasks that [`close`](Self::close) stops.
    pub(crate) fn adopt(&self, workers: Vec<AbortHandle>) {
        let mut state = self.state.lock();
        if state.phase == Phase::Closed {
            workers.iter().for_each(AbortHandle::abort);
        }
        state.workers = workers;
    }

    /// Adds an item by the overflow policy; gives it back if the policy is to wait.
    pub(crate) fn try_push(&self, mut item: Item) -> Result<Acceptance, Box<Item>> {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Ok(Acceptance::Closed);
        }
        let mut acceptance = Acceptance::Accepted;
        let mut displaced = None;
        if state.lanes.len() >= self.capacity {
            match self.overflow {
                Overflow::Block => return Err(Box::new(item)),
                Overflow::Reject => {
                    state.stats.rejected += 1;
                    self.ledger.rejected.add(1);
                    item.tell(Outcome::Rejected);
                    return Ok(Acceptance::Rejected);
                }
                Overflow::DropNewest => {
                    state.stats.dropped += 1;
                    self.ledger.dropped.add(1);
                    item.tell(Outcome::Dropped);
                    return Ok(Acceptance::Dropped);
                }
                Overflow::DropOldest => {
                    displaced = state.lanes.drop_oldest();
                    state.stats.dropped += 1;
                    self.ledger.dropped.add(1);
                    acceptance = Acceptance::AcceptedDroppingOldest;
                }
            }
        }
        self.ledger.begin();
        state.lanes.push(item);
        let room = state.lanes.len() < self.capacity;
        drop(state);
        if let Some(mut displaced) = displaced {
            displaced.tell(Outcome::Dropped);
            self.ledger.end();
        }
        self.work.notify_one();
        if room && self.overflow == Overflow::Block {
            self.room.notify_one();
        }
        Ok(acceptance)
    }

    /// Adds an item, waiting for room if that is the policy, at most until `deadline`.
    ///
    /// Cancel safe: a dropped call has not added the item.
    pub(crate) async fn push(&self, item: Item, deadline: Option<Instant>) -> Acceptance {
        let mut item = Box::new(item);
        loop {
            let room = self.room.notified();
            match self.try_push(*item) {
                Ok(acceptance) => return acceptance,
                Err(full) => item = full,
            }
            match deadline {
                None => room.await,
                Some(deadline) => {
                    if timeout_at(deadline, room).await.is_err() {
                        self.state.lock().stats.rejected += 1;
                        self.ledger.rejected.add(1);
                        item.tell(Outcome::Rejected);
                        return Acceptance::Rejected;
                    }
                }
            }
        }
    }

    /// Waits for the next item to handle; `None` when the queue has come to its end.
    ///
    /// Cancel safe: a dropped call has taken nothing.
    pub(crate) async fn claim(self: &Arc<Self>) -> Option<Claim> {
        loop {
            let work = self.work.notified();
            match self.find() {
                Found::Work(claim) => return Some(claim),
                Found::End => return None,
                Found::Nothing { until: None } => work.await,
                Found::Nothing { until: Some(due) } => tokio::select! {
                    () = work => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }

    fn find(self: &Arc<Self>) -> Found {
        let mut state = self.state.lock();
        while let Some((seq, mut item)) = state.lanes.take(Instant::now()) {
            self.room.notify_one();
            if item.event.is_expired(Timestamp::now()) {
                state.lanes.release(&item.event);
                state.stats.expired += 1;
                self.ledger.expired.add(1);
                item.tell(Outcome::Expired);
                self.ledger.end();
                continue;
            }
            state.in_flight.insert(seq, Arc::clone(&item.event));
            // One wake-up can stand for several items, and this worker may now be too busy to
            // see the next one become due, so each taker passes it on.
            if state.lanes.is_ready() || state.lanes.next_due().is_some() {
                self.work.notify_one();
            }
            return Found::Work(Claim {
                queue: Arc::clone(self),
                seq,
                item: Some(item),
            });
        }
        let until = state.lanes.next_due();
        let over = state.lanes.len() == 0 && state.in_flight.is_empty();
        match state.phase {
            Phase::Open => Found::Nothing { until },
            Phase::Finishing if !over => Found::Nothing { until },
            Phase::Finishing | Phase::Closed => {
                self.work.notify_one();
                Found::End
            }
        }
    }

    /// Takes nothing more in; the workers end when nothing is left.
    pub(crate) fn finish(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Finishing;
        }
        drop(state);
        self.work.notify_one();
        self.room.notify_waiters();
    }

    /// Stops at once: drops what waits, cancels what runs, and returns both.
    pub(crate) fn close(&self) -> Vec<Abandoned> {
        let mut state = self.state.lock();
        state.phase = Phase::Closed;
        let running: Vec<_> = state.in_flight.values().cloned().collect();
        let waiting = state.lanes.clear();
        for worker in state.workers.drain(..) {
            worker.abort();
        }
        drop(state);
        self.room.notify_waiters();
        let mut abandoned = running;
        for item in waiting {
            // The running ones are counted when their workers let go of them.
            self.ledger.abandoned.add(1);
            self.ledger.end();
            abandoned.push(item.event);
        }
        let name = |event| Abandoned {
            subscription: Arc::clone(&self.name),
            event,
        };
        abandoned.into_iter().map(name).collect()
    }

    pub(crate) fn stats(&self) -> SubscriptionStats {
        let state = self.state.lock();
        SubscriptionStats {
            waiting: state.lanes.len(),
            in_flight: state.in_flight.len(),
            ..state.stats.clone()
        }
    }
}

/// An item that a worker has taken; dropped without a result it is abandoned.
#[derive(Debug)]
pub(crate) struct Claim {
    queue: Arc<Queue>,
    seq: u64,
    item: Option<Item>,
}

impl Claim {
    /// Returns what the handler is to see.
    pub(crate) fn delivery(&self) -> Delivery {
        let item = self
            .item
            .as_ref()
            .expect("only the methods that consume the claim take it");
        Delivery {
            event: Arc::clone(&item.event),
            attempt: item.attempt,
            max_attempts: self.queue.max_attempts,
        }
    }

    /// The handler succeeded.
    pub(crate) fn handled(mut self) {
        let Some(mut item) = self.item.take() else {
            return;
        };
        let mut state = self.queue.state.lock();
        state.stats.delivered += 1;
        self.leave(&mut state, &item);
        drop(state);
        self.queue.ledger.delivered.add(1);
        item.tell(Outcome::Handled {
            attempts: item.attempt,
        });
        self.queue.ledger.end();
    }

    /// The handler failed: try again later, or keep the event as a dead letter.
    pub(crate) fn failed(mut self, error: &HandlerError) {
        let Some(item) = self.item.take() else { return };
        self.queue.ledger.failed.add(1);
        self.queue.state.lock().stats.failed += 1;
        if error.kind().is_retryable() && item.attempt < self.queue.max_attempts {
            self.retry(item, error);
        } else {
            self.bury(item, error);
        }
    }

    fn retry(&self, mut item: Item, error: &HandlerError) {
        let (delays, _) = item
            .failed
            .get_or_insert_with(|| (self.queue.backoff.delays(), Timestamp::now()));
        let delay = delays.next().unwrap_or(MAX_WAIT);
        let delay = delay
            .max(error.retry_after().unwrap_or_default())
            .min(MAX_WAIT);
        tracing::debug!(
            event.id = item.event.id(),
            event.kind = item.event.event_type(),
            subscription = &*self.queue.name,
            attempt = item.attempt,
            delay_ms = delay.as_millis(),
            %error,
            "handler failed, the event will be tried again"
        );
        item.attempt += 1;
        let mut state = self.queue.state.lock();
        state.in_flight.remove(&self.seq);
        if state.phase == Phase::Closed {
            drop(state);
            self.queue.ledger.abandoned.add(1);
            self.queue.ledger.end();
            return;
        }
        state.lanes.put_back(self.seq, item, Instant::now() + delay);
    }

    fn bury(&self, mut item: Item, error: &HandlerError) {
        let last_failed = Timestamp::now();
        let line = error.chain();
        tracing::warn!(
            event.id = item.event.id(),
            event.kind = item.event.event_type(),
            subscription = &*self.queue.name,
            attempts = item.attempt,
            failure = ?error.kind(),
            error = line,
            "event became a dead letter"
        );
        self.queue.ledger.dead.add(DeadLetter {
            id: DeadLetters::UNNAMED,
            event: Arc::clone(&item.event),
            subscription: Arc::clone(&self.queue.name),
            attempts: item.attempt,
            kind: error.kind(),
            error: line.clone(),
            first_failed: item
                .failed
                .as_ref()
                .map_or(last_failed, |(_, first)| *first),
            last_failed,
            queue: self.queue.id,
        });
        let mut state = self.queue.state.lock();
        state.stats.dead_lettered += 1;
        self.leave(&mut state, &item);
        drop(state);
        self.queue.ledger.dead_lettered.add(1);
        item.tell(Outcome::DeadLettered {
            attempts: item.attempt,
            error: line,
        });
        self.queue.ledger.end();
    }

    /// Lets go of the item's key, and wakes whoever waits for that.
    fn leave(&self, state: &mut State, item: &Item) {
        state.in_flight.remove(&self.seq);
        state.lanes.release(&item.event);
        if state.lanes.is_ready() || state.phase == Phase::Finishing {
            self.queue.work.notify_one();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            self.leave(&mut self.queue.state.lock(), &item);
            self.queue.ledger.abandoned.add(1);
            self.queue.ledger.end();
        }
    }
}
