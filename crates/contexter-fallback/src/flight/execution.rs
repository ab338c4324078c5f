//! One shared execution: who polls it, who waits for it, who gets its outcome.
//!
//! The future of the execution lies in a slot that all its callers share. A caller takes it out,
//! polls it and puts it back; the lock of the slot is never held while foreign code runs. The waker
//! that the future sees is the flight itself: it wakes *every* caller that waits, and the first to
//! come takes the future. One caller alone would do less work, but might be one that is not polled
//! for a while (it lies in a `select!` whose task awaits something else), and the others would hang
//! with it.

use std::collections::BTreeMap;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::sync::Mutex;

/// The future of an execution. It outlives the call that began it, so it borrows nothing.
pub(crate) type Execution<V> = Pin<Box<dyn Future<Output = V> + Send>>;

pub(crate) struct Flight<V> {
    slot: Mutex<Slot<V>>,
}

struct Slot<V> {
    stage: Stage<V>,
    /// The execution is to be polled: it has not begun, or its waker was called since.
    wanted: bool,
    /// How many callers have not left.
    callers: usize,
    next_id: u64,
    wakers: BTreeMap<u64, Waker>,
    /// Nobody has yet been told to take the flight out of the table.
    listed: bool,
}

enum Stage<V> {
    /// Nobody polls. `None` until the first poll, which begins it.
    Resting(Option<Execution<V>>),
    /// A caller has the execution and polls it.
    Polling,
    /// The outcome waits for its callers.
    Landed(Arc<V>),
    /// A poll panicked, or all callers left, or the only one has the outcome.
    Over,
}

/// What a poll of a flight gives its caller.
pub(crate) enum Step<V> {
    Landed(V),
    Pending,
    /// The execution was lost in a panic of another caller's poll.
    Lost,
}

enum Turn<V> {
    Drive(Option<Execution<V>>),
    Take(Arc<V>),
    /// With a waker that was replaced: dropping one may run foreign code.
    Wait(Option<Waker>),
    Lost,
}

impl<V> Flight<V> {
    /// Makes a flight with one caller, whose number is 0.
    pub(crate) fn new() -> Self {
        Self {
            slot: Mutex::new(Slot {
                stage: Stage::Resting(None),
                wanted: true,
                callers: 1,
                next_id: 1,
                wakers: BTreeMap::new(),
                listed: true,
            }),
        }
    }

    /// Adds a caller and returns its number, unless the flight is over.
    pub(crate) fn board(&self) -> Option<u64> {
        self.slot.hold(|slot| match slot.stage {
            Stage::Landed(_) | Stage::Over => None,
            Stage::Resting(_) | Stage::Polling => {
                slot.callers += 1;
                let id = slot.next_id;
                slot.next_id += 1;
                Some(id)
            }
        })
    }

    /// Takes a caller away; the last one drops the execution. Returns whether the flight is over
    /// and this caller is the one to take it out of the table.
    pub(crate) fn leave(&self, id: u64) -> bool {
        let (unlist, waker, dropped) = self.slot.hold(|slot| {
            let waker = slot.wakers.remove(&id);
            slot.callers -= 1;
            let dropped = (slot.callers == 0).then(|| mem::replace(&mut slot.stage, Stage::Over));
            let over = matches!(slot.stage, Stage::Landed(_) | Stage::Over);
            let unlist = over && mem::take(&mut slot.listed);
            (unlist, waker, dropped)
        });
        // Outside the lock: both are foreign code, and a dropped waker can drop another caller.
        drop(dropped);
        drop(waker);
        unlist
    }

    /// Makes the flight over and wakes everyone who waits for it.
    fn lose(&self) {
        let (lost, wakers) = self.slot.hold(|slot| {
            let lost = mem::replace(&mut slot.stage, Stage::Over);
            (lost, mem::take(&mut slot.wakers))
        });
        drop(lost);
        wake_all(wakers);
    }
}

impl<V: Clone + Send + Sync + 'static> Flight<V> {
    /// Polls the flight for the caller `id`: takes the outcome, or polls the execution if that is
    /// wanted and nobody else does, or waits.
    pub(crate) fn poll(
        self: &Arc<Self>,
        id: u64,
        waker: &Waker,
        begin: impl FnOnce() -> Execution<V>,
    ) -> Step<V> {
        match self.slot.hold(|slot| slot.turn(id, waker)) {
            Turn::Take(value) => {
                Step::Landed(Arc::try_unwrap(value).unwrap_or_else(|value| V::clone(&value)))
            }
            Turn::Lost => Step::Lost,
            Turn::Wait(replaced) => {
                drop(replaced);
                Step::Pending
            }
            Turn::Drive(execution) => self.drive(execution, id, waker, begin),
        }
    }

    fn drive(
        self: &Arc<Self>,
        execution: Option<Execution<V>>,
        id: u64,
        waker: &Waker,
        begin: impl FnOnce() -> Execution<V>,
    ) -> Step<V> {
        // Declared before the execution, so dropped after it: whoever tries again after a panic
        // finds the lost execution gone.
        let mut driver = Driver { flight: Some(self) };
        let mut execution = execution.unwrap_or_else(begin);
        let own = Waker::from(Arc::clone(self));
        match execution.as_mut().poll(&mut Context::from_waker(&own)) {
            Poll::Pending => {
                driver.flight = None;
                self.rest(execution, id, waker);
                Step::Pending
            }
            Poll::Ready(value) => {
                // What it holds is given back before anyone hears of its outcome.
                drop(execution);
                driver.flight = None;
                self.land(value)
            }
        }
    }

    /// Puts the execution back after a poll that was pending.
    fn rest(&self, execution: Execution<V>, id: u64, waker: &Waker) {
        let (again, replaced) = self.slot.hold(|slot| {
            slot.stage = Stage::Resting(Some(execution));
            if slot.wanted {
                // Woken during the poll: those who registered meanwhile have not heard of it.
                (Some(mem::take(&mut slot.wakers)), None)
            } else {
                (None, slot.register(id, waker))
            }
        });
        drop(replaced);
        if let Some(wakers) = again {
            wake_all(wakers);
            waker.wake_by_ref();
        }
    }

    /// Leaves the outcome for the other callers, if there are any, and returns it for this one.
    fn land(&self, value: V) -> Step<V> {
        let (value, wakers) = self.slot.hold(|slot| {
            if slot.callers == 1 {
                slot.stage = Stage::Over;
                return (Ok(value), BTreeMap::new());
            }
            let shared = Arc::new(value);
            slot.stage = Stage::Landed(Arc::clone(&shared));
            (Err(shared), mem::take(&mut slot.wakers))
        });
        wake_all(wakers);
        Step::Landed(value.unwrap_or_else(|shared| V::clone(&shared)))
    }
}

impl<V> Slot<V> {
    fn turn(&mut self, id: u64, waker: &Waker) -> Turn<V> {
        match &mut self.stage {
            Stage::Resting(execution) if self.wanted => {
                let execution = execution.take();
                self.stage = Stage::Polling;
                self.wanted = false;
                Turn::Drive(execution)
            }
            Stage::Resting(_) | Stage::Polling => Turn::Wait(self.register(id, waker)),
            Stage::Landed(value) => {
                let value = Arc::clone(value);
                if self.callers == 1 {
                    // The last caller gets the value itself.
                    self.stage = Stage::Over;
                }
                Turn::Take(value)
            }
            Stage::Over => Turn::Lost,
        }
    }

    /// Notes whom to wake, and returns a waker that is no longer needed.
    fn register(&mut self, id: u64, waker: &Waker) -> Option<Waker> {
        match self.wakers.get(&id) {
            Some(known) if known.will_wake(waker) => None,
            _ => self.wakers.insert(id, waker.clone()),
        }
    }
}

/// Loses the flight if it is dropped with it, which only a panic does.
struct Driver<'a, V> {
    flight: Option<&'a Flight<V>>,
}

impl<V> Drop for Driver<'_, V> {
    fn drop(&mut self) {
        if let Some(flight) = self.flight {
            flight.lose();
        }
    }
}

impl<V: Send + Sync + 'static> Wake for Flight<V> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = self.slot.hold(|slot| {
            slot.wanted = true;
            match slot.stage {
                Stage::Resting(_) => mem::take(&mut slot.wakers),
                // Who polls sees `wanted` when it puts the execution back; an outcome has woken
                // everyone already.
                Stage::Polling | Stage::Landed(_) | Stage::Over => BTreeMap::new(),
            }
        });
        wake_all(wakers);
    }
}

/// A waker is foreign code: one that panics does not leave the others asleep.
fn wake_all(wakers: BTreeMap<u64, Waker>) {
    for waker in wakers.into_values() {
        // The panic has been told about by its hook, and is nothing to who polls here.
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}
