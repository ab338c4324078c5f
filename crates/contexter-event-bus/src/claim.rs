//! How workers take items out of a queue and say what became of them.

use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::IntegrationEvent;
use tokio::time::{Instant, sleep_until};

use crate::ending::Stay;
use crate::lanes::Item;
use crate::observe::{Promise, UnhandledReason};
use crate::queue::{Phase, Queue, State};
use crate::receipt::Outcome;

/// An event that a worker is to handle.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) event: Arc<IntegrationEvent>,
    pub(crate) attempt: u32,
    pub(crate) redriven: bool,
}

/// What a worker finds.
pub(crate) enum Next {
    Work(Claim),
    Nothing { until: Option<Instant> },
    End,
}

/// Why an item leaves without having been handled now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// It was handled before.
    Duplicate,
    /// It belongs to another consumer by now.
    Lost,
}

impl Claim {
    #[inline]
    pub(crate) fn of(item: &Item) -> Self {
        Self {
            event: Arc::clone(&item.event),
            attempt: item.attempt(),
            redriven: item.is_redriven(),
        }
    }
}

impl State {
    /// Counts the item of a worker as handled; it is cleared away by whoever comes after it.
    #[inline]
    fn note_handled(&mut self, slot: usize) -> bool {
        let place = self.slots.get(slot);
        let Some(item) = place.and_then(|place| place.running.as_ref()) else {
            return false;
        };
        self.in_flight -= 1;
        self.stats.delivered += 1;
        self.lanes.release(&item.event);
        true
    }

    /// Returns whether a worker is to begin with nothing more.
    #[inline]
    fn stops(&self, slot: usize) -> bool {
        self.slots
            .get(slot)
            .is_none_or(|place| place.stay != Stay::Stays)
    }
}

impl Queue {
    /// Notes whether the worker has handled what it was at, and takes the next item for it.
    ///
    /// Both in one go, because that is what happens all the time.
    pub(crate) fn next(&self, slot: usize, handled: bool) -> Next {
        let mut state = self.state.lock();
        let handled = handled && state.note_handled(slot);
        let mut expired = Vec::new();
        if let Some((seq, item)) = self.take(&mut state, slot, &mut expired) {
            let claim = Claim::of(&item);
            // It takes the place of the one that is handled.
            let done = state.occupy(slot, seq, item);
            // This worker is busy now, so another one looks after what is left and what is due.
            self.wake_another(&mut state);
            drop(state);
            self.settle(done, expired);
            return Next::Work(claim);
        }
        let done = if handled { state.clear(slot) } else { None };
        let ends = match state.phase {
            Phase::Open => false,
            Phase::Finishing => state.is_idle(),
            Phase::Closed => true,
        };
        let stops = state.stops(slot);
        let idle = state.in_flight == 0 || ends || stops;
        let until = state.lanes.next_due();
        if stops {
            // It may have been woken for what another one has to do now.
            self.wake_another(&mut state);
        }
        drop(state);
        self.settle(done, expired);
        if idle {
            self.ledger.woke_idle();
        }
        if ends {
            self.work.wake_all();
        }
        if ends || stops {
            return Next::End;
        }
        Next::Nothing { until }
    }

    /// Takes the item that is next, unless its worker is to stop.
    #[inline]
    fn take(
        &self,
        state: &mut State,
        slot: usize,
        expired: &mut Vec<(Item, Promise)>,
    ) -> Option<(u64, Item)> {
        if state.stops(slot) || state.phase == Phase::Closed {
            return None;
        }
        loop {
            let (seq, item) = state.lanes.take(Instant::now)?;
            if state.blocked.wake() {
                self.room.wake_one();
            }
            if !item.is_expired() {
                return Some((seq, item));
            }
            state.lanes.release(&item.event);
            state.stats.expired += 1;
            expired.push((item, state.promise()));
        }
    }

    /// Has another worker look at what may run now and what is due next, if there is any. Whoever
    /// gives up looking after it calls this.
    #[inline]
    pub(crate) fn wake_another(&self, state: &mut State) {
        let more = state.lanes.is_ready() || state.lanes.next_due().is_some();
        if more && state.sleeping.wake() {
            self.work.wake_one();
        }
    }

    /// Tells whoever wants to know what has come to an end.
    #[inline]
    fn settle(&self, done: Option<Item>, expired: Vec<(Item, Promise)>) {
        if let Some(item) = done
            && !item.is_plain()
        {
            self.handled(item);
        }
        if !expired.is_empty() {
            self.expire(expired);
        }
    }

    fn handled(&self, mut item: Item) {
        let attempts = item.attempt();
        item.tell(|| Outcome::Handled { attempts });
        self.ack(&item);
    }

    #[cold]
    fn expire(&self, expired: Vec<(Item, Promise)>) {
        for (mut item, promise) in expired {
            item.tell(|| Outcome::Expired);
            self.ack(&item);
            self.observe(promise, &item, || UnhandledReason::Expired);
        }
    }

    /// Waits until there may be something to do.
    ///
    /// Cancel safe: whoever waits is counted for exactly as long as it does.
    pub(crate) async fn sleep(&self, until: Option<Instant>) {
        let mut sleeper = Sleeper {
            queue: self,
            counted: false,
        };
        let work = self.work.wait(|| sleeper.sleep(until));
        match until {
            None => work.await,
            Some(due) => tokio::select! {
                () = work => {}
                () = sleep_until(due) => {}
            },
        }
    }

    /// Puts the item of a worker off without having tried it.
    pub(crate) fn defer(&self, slot: usize, delay: Duration) {
        let mut state = self.state.lock();
        if let Some((seq, item)) = state.vacate(slot) {
            state.lanes.put_back(seq, item, Instant::now() + delay);
        }
    }

    /// Lets the item of a worker go without having tried it.
    pub(crate) fn pass(&self, slot: usize, why: Pass) {
        let mut state = self.state.lock();
        let Some((_, mut item)) = state.vacate(slot) else {
            return;
        };
        match why {
            Pass::Duplicate => state.stats.duplicates += 1,
            Pass::Lost => state.stats.fenced += 1,
        }
        state.lanes.release(&item.event);
        let promise = state.promise();
        drop(state);
        item.tell(|| Outcome::Duplicate);
        match why {
            Pass::Duplicate => {
                self.ack(&item);
                self.observe(promise, &item, || UnhandledReason::Duplicate);
            }
            Pass::Lost => {
                if let (Some(remote), Some(leased)) = (&self.remote, item.leased()) {
                    remote.give_up(&leased.id);
                }
            }
        }
    }
}

/// A worker that waits, counted for as long as it does.
struct Sleeper<'a> {
    queue: &'a Queue,
    counted: bool,
}

impl Sleeper<'_> {
    /// Counts it, unless there is something to do by now.
    fn sleep(&mut self, until: Option<Instant>) -> bool {
        let mut state = self.queue.state.lock();
        let over = match state.phase {
            Phase::Open => false,
            Phase::Finishing => state.is_idle(),
            Phase::Closed => true,
        };
        let news = state.lanes.is_ready() || state.lanes.next_due() != until || over;
        self.counted = !news;
        if self.counted {
            state.sleeping.sleep();
        }
        self.counted
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        if self.counted {
            self.queue.state.lock().sleeping.rise();
        }
    }
}
