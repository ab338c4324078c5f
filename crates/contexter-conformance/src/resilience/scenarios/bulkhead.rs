//! A limit on concurrent calls.

use std::time::Duration;

use super::workbench::{JUST, just_before};
use crate::resilience::Time;
use crate::resilience::flight::{Flight, Seen, once};
use crate::resilience::op::Op;
use crate::resilience::outcome::Failure;
use crate::resilience::step::Step;
use crate::resilience::subjects::limit::{BulkheadSettings, BulkheadSubject};
use crate::resilience::suite::Stand;
use crate::verdict::{Checked, check, same};

type Bulkheads = Stand<BulkheadSettings, dyn BulkheadSubject>;

fn settings(limit: usize, queue: usize) -> BulkheadSettings {
    BulkheadSettings {
        limit,
        queue,
        max_wait: None,
    }
}

/// A call that hangs, polled once.
struct Guest {
    op: Op,
    flight: Flight,
    seen: Seen,
}

impl Guest {
    fn new(bulkhead: &dyn BulkheadSubject, time: &Time) -> Self {
        let op = Op::new(time, Step::hang());
        let mut flight = Flight::new(bulkhead.call(&op));
        let seen = flight.poll();
        Self { op, flight, seen }
    }

    fn runs(&self) -> bool {
        self.op.running() == 1
    }

    fn is_full(&self) -> bool {
        matches!(self.seen.failure(), Some(Failure::Full(_))) && self.op.started() == 0
    }

    fn expect_running(&self, who: &str) -> Checked {
        check(self.runs(), || {
            format!("{who}: expected it to run, saw {}", self.seen)
        })
    }

    fn expect_waiting(&self, who: &str) -> Checked {
        check(self.seen.is_pending() && self.op.started() == 0, || {
            format!("{who}: expected it to wait, saw {}", self.seen)
        })
    }

    fn expect_full(&self, who: &str) -> Checked {
        check(self.is_full(), || {
            format!(
                "{who}: expected it to be refused at once, saw {}",
                self.seen
            )
        })
    }

    /// Lets the running call end.
    fn leave(&mut self) {
        self.op.finish(0, Step::ok());
        self.seen = self.flight.poll();
    }

    /// Polls, as a runtime would: only if it was woken.
    fn wake(&mut self) {
        if self.flight.is_woken() {
            self.seen = self.flight.poll();
        }
    }
}

pub(super) fn bounds_hold(stand: &Bulkheads) -> Checked {
    refuses_beyond_the_limit(stand)?;
    serves_in_order(stand)?;
    frees_abandoned_places(stand)?;
    bounds_the_wait(stand)
}

fn refuses_beyond_the_limit(stand: &Bulkheads) -> Checked {
    let (bulkhead, time) = stand.make(&settings(3, 0))?;
    let sibling = bulkhead.sibling();
    let mut guests: Vec<_> = (0..3).map(|_| Guest::new(&*bulkhead, &time)).collect();
    for guest in &guests {
        guest.expect_running("one of 3 with a limit of 3")?;
    }
    Guest::new(&*bulkhead, &time).expect_full("a fourth with a limit of 3")?;
    Guest::new(&*sibling, &time).expect_full("a fourth through another handle")?;
    if let Some(guest) = guests.first_mut() {
        guest.leave();
    }
    let panicking = Op::new(&time, Step::panic());
    let seen = once(bulkhead.call(&panicking));
    check(matches!(seen, Seen::Panicked), || {
        format!("expected the operation's panic, saw {seen}")
    })?;
    Guest::new(&*sibling, &time).expect_running("one after a call that panicked")?;
    drop(guests);

    // Many threads at once: never more than the limit, and all places used.
    let (bulkhead, time) = stand.make(&settings(3, 0))?;
    let op = Op::new(&time, Step::hang());
    let flights: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let bulkhead = bulkhead.sibling();
                let op = &op;
                scope.spawn(move || {
                    let mut flight = Flight::new(bulkhead.call(op));
                    drop(flight.poll());
                    flight
                })
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    same("calls of 8 threads that ended well", &flights.len(), &8)?;
    same(
        "calls of 8 threads that run, with a limit of 3",
        &op.running(),
        &3,
    )
}

fn serves_in_order(stand: &Bulkheads) -> Checked {
    let (bulkhead, time) = stand.make(&settings(1, 2))?;
    let mut running = Guest::new(&*bulkhead, &time);
    let mut first = Guest::new(&*bulkhead, &time);
    let mut second = Guest::new(&*bulkhead, &time);
    running.expect_running("the first with a limit of 1")?;
    first.expect_waiting("the second with a queue of 2")?;
    second.expect_waiting("the third with a queue of 2")?;
    Guest::new(&*bulkhead, &time).expect_full("the fourth with a queue of 2")?;

    running.leave();
    second.wake();
    let newcomer = Guest::new(&*bulkhead, &time);
    check(!newcomer.runs() && !second.runs(), || {
        "a place got free: expected it for the first in the queue, another took it".to_owned()
    })?;
    drop(newcomer);
    first.wake();
    first.expect_running("the first in the queue, when a place got free")?;
    first.leave();
    second.wake();
    second.expect_running("the second in the queue, when a place got free")
}

fn frees_abandoned_places(stand: &Bulkheads) -> Checked {
    let (bulkhead, time) = stand.make(&settings(1, 1))?;
    let mut running = Guest::new(&*bulkhead, &time);
    let dropped = Guest::new(&*bulkhead, &time);
    dropped.expect_waiting("the second with a queue of 1")?;
    drop(dropped);
    let waiting = Guest::new(&*bulkhead, &time);
    waiting.expect_waiting("one after a waiter was dropped")?;
    // The place is offered to the waiter, who is dropped before it can take it.
    running.leave();
    drop(waiting);
    let next = Guest::new(&*bulkhead, &time);
    next.expect_running("one after a waiter was dropped that a place was offered to")?;
    drop(next);
    Guest::new(&*bulkhead, &time).expect_running("one after a running call was dropped")?;

    let (bulkhead, time) = stand.make(&settings(1, 2))?;
    let mut running = Guest::new(&*bulkhead, &time);
    let offered = Guest::new(&*bulkhead, &time);
    let mut behind = Guest::new(&*bulkhead, &time);
    running.leave();
    drop(offered);
    behind.wake();
    behind.expect_running("the second in the queue, when the first was dropped")
}

fn bounds_the_wait(stand: &Bulkheads) -> Checked {
    let wait = Duration::from_secs(5);
    let (bulkhead, time) = stand.make(&BulkheadSettings {
        max_wait: Some(wait),
        ..settings(1, 1)
    })?;
    let _running = Guest::new(&*bulkhead, &time);
    let mut waiting = Guest::new(&*bulkhead, &time);
    time.advance(just_before(wait));
    waiting.wake();
    waiting.expect_waiting("just before the end of the longest wait")?;
    time.advance(JUST);
    waiting.wake();
    waiting.expect_full("at the end of the longest wait")?;
    same("waits left behind", &time.sleepers(), &0)?;
    Guest::new(&*bulkhead, &time).expect_waiting("one after a waiter gave up")
}

pub(super) fn place_until_the_body_ends(stand: &Bulkheads) -> Checked {
    let (bulkhead, time) = stand.make(&settings(1, 0))?;
    let op = Op::new(&time, Step::ok());
    let Seen::Ready(Ok(body)) = once(bulkhead.call_with_body(&op)?) else {
        return Err(crate::Verdict::Fail(
            "a call with a body: expected the body, saw none".to_owned(),
        ));
    };
    Guest::new(&*bulkhead, &time).expect_full("a call while a body is read")?;
    drop(body);
    Guest::new(&*bulkhead, &time).expect_running("a call after the body ended")
}

pub(super) fn bad_settings(stand: &Bulkheads) -> Checked {
    let no_wait = BulkheadSettings {
        max_wait: Some(Duration::ZERO),
        ..settings(1, 1)
    };
    super::refuses_all(
        stand,
        [
            ("a limit of 0", settings(0, 0), 1),
            ("a longest wait of zero", no_wait, 1),
        ],
    )
}
