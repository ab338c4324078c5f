//! The rules of bulkheads.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

use contexter_conformance::resilience::{
    Body, BulkheadSettings, BulkheadSubject, Call, Failure, Op, Reply, Time, ready_at_once,
};
use contexter_conformance::{Refusal, Unsupported};
use contexter_service::{Cx, Full, Timer};
use parking_lot::Mutex;

use crate::{assert_breaks, heap};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    OneMore,
    QueueHasNoEnd,
    LastComesFirst,
    NewcomersOvertake,
    DroppedWaiterKeepsItsPlace,
    OfferIsLost,
    NobodyIsWoken,
    WaitsForEver,
    PanicKeepsThePlace,
    DropKeepsThePlace,
    HandlesAreApart,
    PlaceEndsWithTheCall,
    TakesBadSettings,
    Allocates,
}

#[derive(Debug, Default)]
struct Core {
    running: usize,
    next: u64,
    queue: VecDeque<(u64, Option<Waker>)>,
    offered: Vec<u64>,
}

#[derive(Clone)]
pub(crate) struct Naive {
    settings: BulkheadSettings,
    core: Arc<Mutex<Core>>,
    time: Time,
    flaw: Flaw,
}

/// A place that is taken until it is dropped.
pub(crate) struct Place(Naive);

impl Drop for Place {
    fn drop(&mut self) {
        let keeps = std::thread::panicking() && self.0.is(Flaw::PanicKeepsThePlace);
        if !keeps {
            self.0.free();
        }
    }
}

/// A place in the queue that is given up when it is dropped.
struct Waiter {
    bulkhead: Naive,
    id: u64,
    served: bool,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.served {
            return;
        }
        let mut core = self.bulkhead.core.lock();
        let offered = core.offered.iter().position(|id| *id == self.id);
        if let Some(offered) = offered {
            core.offered.swap_remove(offered);
            drop(core);
            if !self.bulkhead.is(Flaw::OfferIsLost) {
                self.bulkhead.free();
            }
        } else if !self.bulkhead.is(Flaw::DroppedWaiterKeepsItsPlace) {
            core.queue.retain(|(id, _)| *id != self.id);
        }
    }
}

impl Naive {
    pub(crate) fn new(
        settings: &BulkheadSettings,
        time: &Time,
        flaw: Flaw,
    ) -> Result<Self, Refusal> {
        let wrong = settings.limit == 0 || settings.max_wait.is_some_and(|wait| wait.is_zero());
        if wrong && flaw != Flaw::TakesBadSettings {
            return Err(Refusal::Invalid(vec!["limit or wait".to_owned()]));
        }
        Ok(Self {
            settings: *settings,
            core: Arc::default(),
            time: time.clone(),
            flaw,
        })
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// Offers a place that got free to who is first in the queue.
    fn free(&self) {
        let mut core = self.core.lock();
        let next = if self.is(Flaw::LastComesFirst) {
            core.queue.pop_back()
        } else {
            core.queue.pop_front()
        };
        match next {
            Some((id, waker)) => {
                core.offered.push(id);
                drop(core);
                if let Some(waker) = waker.filter(|_| !self.is(Flaw::NobodyIsWoken)) {
                    waker.wake();
                }
            }
            None => core.running -= 1,
        }
    }

    fn full(&self) -> Full {
        Full {
            limit: self.settings.limit,
        }
    }

    /// Takes a place, or one in the queue, whose number it returns.
    fn join(&self) -> Result<Option<u64>, Full> {
        let mut core = self.core.lock();
        let limit = self.settings.limit + usize::from(self.is(Flaw::OneMore));
        if self.is(Flaw::NewcomersOvertake) && !core.offered.is_empty() {
            let robbed = core.offered.remove(0);
            core.queue.push_front((robbed, None));
            return Ok(None);
        }
        if core.running < limit {
            core.running += 1;
            return Ok(None);
        }
        if core.queue.len() >= self.settings.queue && !self.is(Flaw::QueueHasNoEnd) {
            return Err(self.full());
        }
        core.next += 1;
        let id = core.next;
        core.queue.push_back((id, None));
        Ok(Some(id))
    }

    pub(crate) async fn enter(self) -> Result<Place, Full> {
        if self.is(Flaw::Allocates) {
            heap::claim(0);
        }
        match self.join()? {
            Some(id) => self.wait(id).await,
            None => Ok(Place(self)),
        }
    }

    async fn wait(self, id: u64) -> Result<Place, Full> {
        let mut waiter = Waiter {
            bulkhead: self.clone(),
            id,
            served: false,
        };
        let max_wait = self
            .settings
            .max_wait
            .filter(|_| !self.is(Flaw::WaitsForEver));
        let mut sleep = max_wait.map(|wait| self.time.sleep(wait));
        poll_fn(|task| {
            let mut core = self.core.lock();
            if let Some(offered) = core.offered.iter().position(|offered| *offered == id) {
                core.offered.swap_remove(offered);
                drop(core);
                waiter.served = true;
                return Poll::Ready(Ok(Place(self.clone())));
            }
            for (waiting, waker) in &mut core.queue {
                if *waiting == id {
                    *waker = Some(task.waker().clone());
                }
            }
            drop(core);
            match sleep.as_mut().map(|sleep| Pin::new(sleep).poll(task)) {
                Some(Poll::Ready(())) => Poll::Ready(Err(self.full())),
                _ => Poll::Pending,
            }
        })
        .await
    }

    async fn run(self, op: Op) -> Reply {
        let place = self.enter().await?;
        let out = if place.0.is(Flaw::DropKeepsThePlace) {
            let place = std::mem::ManuallyDrop::new(place);
            let out = op.begin(Cx::new()).await;
            drop(std::mem::ManuallyDrop::into_inner(place));
            out
        } else {
            op.begin(Cx::new()).await
        };
        Ok(out?)
    }
}

impl BulkheadSubject for Naive {
    fn call(&self, op: &Op) -> Call {
        Box::pin(self.clone().run(op.clone()))
    }

    fn sibling(&self) -> Box<dyn BulkheadSubject> {
        if self.is(Flaw::HandlesAreApart) {
            return Box::new(
                Self::new(&self.settings, &self.time, self.flaw).expect("they were taken before"),
            );
        }
        Box::new(self.clone())
    }

    fn call_with_body(&self, op: &Op) -> Result<Call<Result<Body, Failure>>, Unsupported> {
        let (bulkhead, op) = (self.clone(), op.clone());
        Ok(Box::pin(async move {
            let early = bulkhead.is(Flaw::PlaceEndsWithTheCall);
            let place = bulkhead.enter().await?;
            let value = op.begin(Cx::new()).await?;
            let body: Body = if early {
                Box::new(value)
            } else {
                Box::new((value, place))
            };
            Ok(body)
        }))
    }

    fn at_once(&self, op: &Op) -> Result<Reply, Unsupported> {
        ready_at_once(self.clone().run(op.clone()))
    }
}

#[track_caller]
fn breaks(flaw: Flaw, expected: &[u8]) {
    assert_breaks(flaw, expected, |suite| {
        suite.bulkhead("naive", move |settings, time| {
            Ok(Box::new(Naive::new(settings, time, flaw)?))
        });
    });
}

#[test]
fn a_bulkhead_without_a_flaw_keeps_every_rule() {
    breaks(Flaw::None, &[]);
}

#[test]
fn a_flaw_of_a_bulkhead_is_found() {
    breaks(Flaw::OneMore, &[51, 52]);
    breaks(Flaw::QueueHasNoEnd, &[51, 52]);
    breaks(Flaw::LastComesFirst, &[51]);
    breaks(Flaw::NewcomersOvertake, &[51]);
    breaks(Flaw::DroppedWaiterKeepsItsPlace, &[51]);
    breaks(Flaw::OfferIsLost, &[51]);
    breaks(Flaw::NobodyIsWoken, &[51]);
    breaks(Flaw::WaitsForEver, &[51]);
    breaks(Flaw::PanicKeepsThePlace, &[51]);
    breaks(Flaw::DropKeepsThePlace, &[51]);
    breaks(Flaw::HandlesAreApart, &[51]);
    breaks(Flaw::PlaceEndsWithTheCall, &[52]);
    breaks(Flaw::TakesBadSettings, &[32]);
    breaks(Flaw::Allocates, &[61]);
}
