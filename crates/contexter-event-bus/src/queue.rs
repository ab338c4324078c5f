//! The bounded queue of one subscription or of one group, and its way in and out.

use std::sync::Arc;

use contexter_protocol::IntegrationEvent;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::attempts::Attempts;
use crate::config::Overflow;
use crate::dedupe::Dedupe;
use crate::ending::Stay;
use crate::lanes::{Item, Lanes, Owner};
use crate::observe::{Observing, Promise, UnhandledReason, Untold};
use crate::pattern::Pattern;
use crate::receipt::{Acceptance, Outcome};
use crate::remote::{BrokenOff, Remote};
use crate::stats::{Ledger, SubscriptionStats};
use crate::sync::{Mutex, MutexGuard, Signal, Waiting};
use crate::tally::Tally;
use crate::trace::TraceRelation;
use crate::transport::is_for;

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) id: u64,
    pub(crate) name: Arc<str>,
    /// The group whose members share this queue; in process it outlives them.
    pub(crate) group: Option<Arc<str>>,
    pub(crate) pattern: Pattern,
    pub(crate) capacity: usize,
    pub(crate) overflow: Overflow,
    pub(crate) attempts: Attempts,
    /// How spans of attempts are related to those that published.
    pub(crate) trace: TraceRelation,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) tally: Arc<Tally>,
    /// Recognises events that were handled before, where that is wanted.
    pub(crate) dedupe: Option<Dedupe>,
    /// Where the events come from, unless they are published in this process.
    pub(crate) remote: Option<Arc<Remote>>,
    /// What observers are not told yet: of this queue, whoever they are.
    pub(crate) untold: Arc<Untold>,
    pub(crate) state: Mutex<State>,
    /// Wakes a worker: an item may run, or the next due time has changed.
    pub(crate) work: Signal,
    /// Wakes a publisher: there may be room.
    pub(crate) room: Signal,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) lanes: Lanes,
    /// What each worker is at, by its number.
    pub(crate) slots: Vec<Slot>,
    pub(crate) in_flight: usize,
    pub(crate) phase: Phase,
    /// How many workers there are.
    pub(crate) workers: usize,
    pub(crate) sleeping: Waiting,
    pub(crate) blocked: Waiting,
    pub(crate) stats: SubscriptionStats,
    /// Whether these are counted with what is past already.
    pub(crate) is_past: bool,
    /// Who is told of what no handler has handled, if anybody is: the observer of the first of
    /// those who are there.
    pub(crate) observing: Option<Observing>,
}

/// The place of one worker.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) running: Option<Item>,
    /// The age of what it is at.
    pub(crate) seq: u64,
    pub(crate) taken: bool,
    pub(crate) stay: Stay,
    pub(crate) task: Option<AbortHandle>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Open,
    /// Nothing new comes in; what waits is still handled.
    Finishing,
    Closed,
}

impl State {
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.lanes.len() == 0
    }

    pub(crate) fn pending(&self) -> usize {
        self.in_flight + self.lanes.len()
    }

    /// Empties the place of a worker.
    #[inline]
    pub(crate) fn vacate(&mut self, slot: usize) -> Option<(u64, Item)> {
        let place = self.slots.get_mut(slot)?;
        let item = place.running.take()?;
        self.in_flight -= 1;
        Some((place.seq, item))
    }

    /// Gives a worker something to do, and returns what was in its place.
    #[inline]
    pub(crate) fn occupy(&mut self, slot: usize, seq: u64, item: Item) -> Option<Item> {
        let place = self.slots.get_mut(slot)?;
        self.in_flight += 1;
        place.seq = seq;
        place.running.replace(item)
    }

    /// Takes what was handled out of the place of a worker.
    pub(crate) fn clear(&mut self, slot: usize) -> Option<Item> {
        self.slots.get_mut(slot)?.running.take()
    }

    /// What a worker is at.
    pub(crate) fn item(&self, slot: usize) -> Option<&Item> {
        self.slots.get(slot)?.running.as_ref()
    }

    pub(crate) fn item_mut(&mut self, slot: usize) -> Option<&mut Item> {
        self.slots.get_mut(slot)?.running.as_mut()
    }
}

impl Queue {
    /// The name of the group in dead letters and in deduplication.
    pub(crate) fn group_name(&self) -> &Arc<str> {
        self.group.as_ref().unwrap_or(&self.name)
    }

    /// Returns the pattern that is part of the name of the group for which a dead letter is
    /// redriven; none without a group.
    pub(crate) fn redrive_pattern(&self) -> Option<Arc<str>> {
        self.group.as_ref().map(|_| self.pattern.as_str().into())
    }

    /// Returns what tells a subscription without a group on a broker from others of its name.
    pub(crate) fn instance(&self) -> Option<&Arc<str>> {
        self.remote.as_ref()?.instance.as_ref()
    }

    /// Returns whether a message that was published again is for this group.
    pub(crate) fn is_marked(&self, mark: &str) -> bool {
        let pattern = self.group.as_ref().map(|_| self.pattern.as_str());
        is_for(mark, self.group_name(), pattern)
    }

    /// Returns whether the queue stays when the last worker has left.
    pub(crate) fn outlives_members(&self) -> bool {
        self.group.is_some() && self.remote.is_none()
    }

    /// Takes in stored events, the newest of those that match and fit.
    pub(crate) fn catch_up(&self, stored: &[Arc<IntegrationEvent>]) {
        let matching = |event: &&Arc<IntegrationEvent>| self.pattern.matches(event.event_type());
        let events: Vec<_> = stored.iter().filter(matching).collect();
        let skipped = events.len().saturating_sub(self.capacity);
        let mut state = self.state.lock();
        state.stats.dropped += u64::try_from(skipped).unwrap_or(u64::MAX);
        for event in events.into_iter().skip(skipped) {
            state
                .lanes
                .push(Item::new(Arc::clone(event), Owner::Nobody));
        }
    }

    /// Makes places for workers and returns their numbers. An observer is for whoever is the first.
    pub(crate) fn enlist(&self, workers: usize, observing: Option<Observing>) -> Vec<usize> {
        let mut state = self.state.lock();
        if state.workers == 0 && observing.is_some() {
            state.observing = observing;
        }
        state.workers += workers;
        let mut numbers = Vec::with_capacity(workers);
        for (number, slot) in state.slots.iter_mut().enumerate() {
            if numbers.len() < workers && !slot.taken {
                slot.taken = true;
                numbers.push(number);
            }
        }
        while numbers.len() < workers {
            numbers.push(state.slots.len());
            state.slots.push(Slot {
                taken: true,
                ..Slot::default()
            });
        }
        numbers
    }

    /// Hands over the task of a worker, which [`close`](Self::close) stops.
    pub(crate) fn adopt(&self, slot: usize, task: AbortHandle) {
        let mut state = self.state.lock();
        if state.phase == Phase::Closed {
            task.abort();
        } else if let Some(slot) = state.slots.get_mut(slot) {
            slot.task = Some(task);
        }
    }

    /// Adds an item by the overflow policy; gives it back if the policy is to wait.
    #[inline]
    pub(crate) fn try_push(&self, item: Item) -> Result<Acceptance, Item> {
        let mut state = self.state.lock();
        if state.phase != Phase::Open {
            return Ok(Acceptance::Closed);
        }
        if self.is_full(&state) {
            return self.push_full(state, item);
        }
        state.lanes.push(item);
        let wake = state.sleeping.wake();
        let more = state.lanes.len() < self.capacity && state.blocked.wake();
        drop(state);
        if wake {
            self.work.wake_one();
        }
        if more {
            self.room.wake_one();
        }
        Ok(Acceptance::Accepted)
    }

    #[inline]
    fn is_full(&self, state: &State) -> bool {
        state.lanes.len() >= self.capacity && state.lanes.len() >= self.widened()
    }

    /// How many items there is room for, with those that wait to come again from a broker and take
    /// no room of what is held.
    #[cold]
    fn widened(&self) -> usize {
        let lost = self.remote.as_ref().map_or(0, |remote| remote.lost());
        self.capacity + lost
    }

    #[cold]
    fn push_full(
        &self,
        mut state: MutexGuard<'_, State>,
        mut item: Item,
    ) -> Result<Acceptance, Item> {
        match self.overflow {
            // Nobody is there who could ever make room.
            Overflow::Block if state.workers == 0 => {}
            Overflow::Block => return Err(item),
            // It would come again at once, and count as tried.
            Overflow::Reject if item.leased().is_some() && state.workers > 0 => return Err(item),
            Overflow::Reject => {}
            Overflow::DropNewest => {
                state.stats.dropped += 1;
                let promise = state.promise();
                drop(state);
                self.dropped(&mut item, promise);
                return Ok(Acceptance::Dropped);
            }
            Overflow::DropOldest => {
                let displaced = state.lanes.drop_oldest();
                state.stats.dropped += 1;
                state.lanes.push(item);
                if state.lanes.is_ready() && state.sleeping.wake() {
                    self.work.wake_one();
                }
                let promise = state.promise();
                drop(state);
                if let Some(mut displaced) = displaced {
                    self.dropped(&mut displaced, promise);
                }
                return Ok(Acceptance::AcceptedDroppingOldest);
            }
        }
        state.stats.rejected += 1;
        item.tell(|| Outcome::Rejected);
        Ok(Acceptance::Rejected)
    }

    fn dropped(&self, item: &mut Item, promise: Promise) {
        item.tell(|| Outcome::Dropped);
        if let (Some(remote), Some(letter)) = (&self.remote, item.letter()) {
            // It stays a dead letter, so nothing has come to an end.
            remote.keep(letter, None);
            return;
        }
        self.ack(item);
        self.observe(promise, item, || UnhandledReason::Dropped);
    }

    /// Adds an item, waiting for room if that is the policy, at most until `deadline`.
    ///
    /// Cancel safe: a dropped call has not added the item.
    pub(crate) async fn push(&self, mut item: Item, deadline: Option<Instant>) -> Acceptance {
        loop {
            match self.try_push(item) {
                Ok(acceptance) => return acceptance,
                Err(full) => item = full,
            }
            let mut blocked = Blocked {
                queue: self,
                counted: false,
            };
            let room = self.room.wait(|| blocked.sleep());
            let in_time = match deadline {
                None => {
                    room.await;
                    true
                }
                Some(deadline) => timeout_at(deadline, room).await.is_ok(),
            };
            drop(blocked);
            if !in_time {
                let mut state = self.state.lock();
                state.count(&self.tally, |stats| stats.rejected += 1);
                drop(state);
                item.tell(|| Outcome::Rejected);
                return Acceptance::Rejected;
            }
        }
    }

    /// Names what the deduplication may have as in progress, of an item that a worker was at.
    pub(crate) fn broken_off(&self, seq: u64, item: &Item) -> Option<BrokenOff> {
        let dedupe = self.dedupe.as_ref()?;
        Some((dedupe.key(&item.event), dedupe.delivery(seq, item)))
    }

    /// Returns whether it takes something in.
    pub(crate) fn is_open(&self) -> bool {
        self.state.lock().phase == Phase::Open
    }

    /// Has a broker forget an item that is settled.
    pub(crate) fn ack(&self, item: &Item) {
        self.ack_with(item, None);
    }

    /// As [`ack`](Self::ack), once what was begun on it is broken off.
    pub(crate) fn ack_with(&self, item: &Item, broken_off: Option<BrokenOff>) {
        let Some(remote) = &self.remote else { return };
        if let Some(leased) = item.leased() {
            remote.ack(&leased.id, broken_off);
        } else if let Some(letter) = item.letter() {
            remote.forget(letter, broken_off);
        }
    }

    /// Returns what a publisher's event looks like in this queue.
    #[inline]
    pub(crate) fn accept(
        &self,
        event: &Arc<IntegrationEvent>,
        owner: Owner,
    ) -> Result<Acceptance, Item> {
        self.try_push(Item::new(Arc::clone(event), owner))
    }
}

/// A publisher that waits for room, counted for as long as it does.
struct Blocked<'a> {
    queue: &'a Queue,
    counted: bool,
}

impl Blocked<'_> {
    /// Counts it, unless there is room by now or nothing to wait for.
    fn sleep(&mut self) -> bool {
        let mut state = self.queue.state.lock();
        let full = self.queue.is_full(&state);
        self.counted = state.phase == Phase::Open && full && state.workers > 0;
        if self.counted {
            state.blocked.sleep();
        }
        self.counted
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        if self.counted {
            self.queue.state.lock().blocked.rise();
        }
    }
}
