//! How a queue ends, and how a member of its group leaves it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::bus::Inner;
use crate::lanes::{Item, Left};
use crate::queue::{Phase, Queue};
use crate::receipt::Abandoned;
use crate::remote::BrokenOff;

/// How long the worker of a place stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stay {
    #[default]
    Stays,
    /// It begins with nothing more.
    Retiring,
    /// It has ended, and its member keeps the place until it leaves.
    Retired,
    /// It is to stop and may not know yet. Until it has, nobody else gets the place.
    Left,
}

/// The hold of a worker on its place, for as long as its task is there.
#[derive(Debug)]
pub(crate) struct Place {
    queue: Arc<Queue>,
    slot: usize,
}

impl Place {
    pub(crate) fn new(queue: &Arc<Queue>, slot: usize) -> Self {
        let queue = Arc::clone(queue);
        Self { queue, slot }
    }

    pub(crate) fn slot(&self) -> usize {
        self.slot
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        let Some(slot) = state.slots.get_mut(self.slot) else {
            return;
        };
        match slot.stay {
            Stay::Left => (slot.taken, slot.stay) = (false, Stay::Stays),
            Stay::Retiring => slot.stay = Stay::Retired,
            Stay::Stays | Stay::Retired => {}
        }
    }
}

impl Inner {
    /// Ends a queue that nobody can subscribe to again.
    pub(crate) fn end(&self, queue: &Queue) {
        let remains = self.routes.write().end(queue);
        drop(remains.let_go());
    }
}

impl Queue {
    /// Takes nothing more in; the workers end when nothing is left.
    pub(crate) fn finish(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Finishing;
        }
        drop(state);
        if let Some(remote) = &self.remote {
            remote.stop();
        }
        self.work.wake_all();
        self.room.wake_all();
    }

    /// Stops at once: drops what waits, cancels what runs, and returns both.
    pub(crate) fn close(&self) -> Vec<Abandoned> {
        self.seal().let_go()
    }

    /// Stops taking in and giving out, and counts what is left. Nobody is told yet, so that a lock
    /// may be held meanwhile.
    pub(crate) fn seal(&self) -> Remains<'_> {
        let mut state = self.state.lock();
        state.phase = Phase::Closed;
        let mut begun = Vec::new();
        for number in 0..state.slots.len() {
            begun.extend(state.vacate(number));
        }
        begun.retain(|(_, item)| !matches!(item.left(), Left::Settled));
        let begun = begun.into_iter().map(|(seq, item)| {
            let broken_off = self.broken_off(seq, &item);
            (item, broken_off)
        });
        let begun: Vec<_> = begun.collect();
        let waiting: Vec<_> = state.lanes.clear().into_iter().collect();
        let left = begun.len() + waiting.len();
        state.stats.abandoned += u64::try_from(left).unwrap_or(u64::MAX);
        let tasks: Vec<_> = state
            .slots
            .iter_mut()
            .filter_map(|s| s.task.take())
            .collect();
        drop(state);
        Remains {
            queue: self,
            begun,
            waiting,
            tasks,
        }
    }

    /// A member of a group leaves: its workers stop, and what they were at goes to the others.
    pub(crate) fn leave(&self, numbers: &[usize]) {
        let mut state = self.state.lock();
        state.workers -= numbers.len();
        let mut tasks = Vec::new();
        for &number in numbers {
            if let Some((seq, item)) = state.vacate(number) {
                match item.left() {
                    Left::Ready => state.lanes.put_back_ready(seq, item),
                    Left::Due(due) => state.lanes.put_back(seq, item, due),
                    Left::Settled => {}
                }
            }
            if let Some(slot) = state.slots.get_mut(number) {
                if slot.stay == Stay::Retired {
                    (slot.taken, slot.stay) = (false, Stay::Stays);
                } else {
                    slot.stay = Stay::Left;
                }
                tasks.extend(slot.task.take());
            }
        }
        if state.workers == 0 {
            // It is told nothing more but what was promised.
            state.observing = None;
        }
        // One that slept may have been the only one to know when something is due.
        self.wake_another(&mut state);
        drop(state);
        tasks.iter().for_each(AbortHandle::abort);
        // Whoever waits for room learns that nobody may be left to make it.
        self.room.wake_all();
        self.ledger.woke_idle();
    }

    /// A member of a group is about to leave: its workers begin with nothing more.
    pub(crate) fn retire(&self, numbers: &[usize]) {
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

    /// Lets a broker deliver an item again that was not settled.
    pub(crate) fn give_back(&self, item: &Item, broken_off: Option<BrokenOff>) {
        let Some(remote) = &self.remote else { return };
        if let Some(leased) = item.leased() {
            let after = match item.left() {
                Left::Due(due) => due.saturating_duration_since(Instant::now()),
                Left::Ready | Left::Settled => Duration::ZERO,
            };
            remote.release(&leased.id, after, broken_off);
        } else if let Some(letter) = item.letter() {
            remote.keep(letter, broken_off);
        }
    }

    /// The same for what waited, which counts as not delivered unless it has failed here.
    fn give_back_waiting(&self, item: &Item) {
        match (&self.remote, item.leased(), item.left()) {
            (Some(remote), Some(leased), Left::Ready) if item.first_failed().is_none() => {
                remote.return_untouched(&leased.id);
            }
            _ => self.give_back(item, None),
        }
    }
}

/// What a sealed queue leaves.
#[must_use = "those who wait for it are told when it is let go"]
pub(crate) struct Remains<'q> {
    queue: &'q Queue,
    begun: Vec<(Item, Option<BrokenOff>)>,
    /// What no worker was at.
    waiting: Vec<Item>,
    tasks: Vec<AbortHandle>,
}

impl Remains<'_> {
    /// Stops the workers, gives back what goes back, and returns all that is left. Whoever waits is
    /// told, so no lock may be held.
    pub(crate) fn let_go(self) -> Vec<Abandoned> {
        let Self {
            queue,
            begun,
            waiting,
            tasks,
        } = self;
        // Woken as well as stopped, so that nobody waits for a place that is no more.
        queue.work.wake_all();
        queue.room.wake_all();
        tasks.iter().for_each(AbortHandle::abort);
        let abandon = |item: Item| Abandoned {
            subscription: Arc::clone(&queue.name),
            event: item.event,
        };
        let mut abandoned = Vec::with_capacity(begun.len() + waiting.len());
        for (item, broken_off) in begun {
            queue.give_back(&item, broken_off);
            abandoned.push(abandon(item));
        }
        for item in waiting {
            queue.give_back_waiting(&item);
            abandoned.push(abandon(item));
        }
        if let Some(remote) = &queue.remote {
            remote.stop();
        }
        queue.ledger.woke_idle();
        abandoned
    }
}
