//! Members of a group that leave.

use std::pin::pin;

use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use loom::sync::atomic::AtomicBool;

use super::*;
use crate::claim::Pass;
use crate::ending::Place;
use crate::observe::{Observer, Observing};
use crate::sync::notify::Notify;

/// What stops a task: it ends at its next `.await`.
#[derive(Default)]
struct Abort {
    aborted: AtomicBool,
    asleep: Notify,
}

impl Abort {
    fn abort(&self) {
        self.aborted.store(true, Ordering::SeqCst);
        self.asleep.notify_one();
    }

    fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::SeqCst)
    }
}

/// Handles what comes until the queue ends, or until it is stopped; a handler has one `.await`,
/// before it does anything.
fn work_until(queue: &Queue, place: &Place, counts: &Counts, abort: &Abort) {
    let mut done = false;
    loop {
        match queue.next(place.slot(), done) {
            Next::Work(_delivery) => {
                if abort.is_aborted() {
                    return;
                }
                counts.note_handled();
                done = true;
            }
            Next::Nothing { until } => {
                done = false;
                let (asleep, aborted) = (pin!(queue.sleep(until)), pin!(abort.asleep.notified()));
                if let Either::Right(_) = block_on(select(asleep, aborted)) {
                    return;
                }
            }
            Next::End => return,
        }
    }
}

struct Member {
    abort: Arc<Abort>,
    thread: thread::JoinHandle<()>,
    slot: usize,
}

impl Member {
    fn new(model: &Model) -> Self {
        let slot = model.queue.enlist(1, None).into_iter().next().unwrap();
        let abort = Arc::new(Abort::default());
        let place = Place::new(&model.queue, slot);
        let thread = {
            let (queue, counts) = (Arc::clone(&model.queue), Arc::clone(&model.counts));
            let abort = Arc::clone(&abort);
            thread::spawn(move || work_until(&queue, &place, &counts, &abort))
        };
        Self {
            abort,
            thread,
            slot,
        }
    }

    /// As [`Queue::leave`], which stops tasks last.
    fn leave(self, queue: &Queue) -> thread::JoinHandle<()> {
        queue.leave(&[self.slot]);
        self.abort.abort();
        self.thread
    }
}

fn members() -> Model {
    Model::new(queue(4, Overflow::Reject, 0), 0, 0)
}

#[test]
fn what_a_member_leaves_goes_to_whoever_takes_its_place() {
    loom::model(|| {
        let event = event(None);
        let mut model = members();
        let first = Member::new(&model);
        push(&model.queue, &event);
        push(&model.queue, &event);
        let left = first.leave(&model.queue);
        let second = Member::new(&model);
        model.wait_for(2);
        model.workers.extend([left, second.thread]);
        let queue = Arc::clone(&model.queue);
        // What the first was at when it left may have been handled by both.
        assert!(model.finish() >= 2);
        assert_eq!(queue.stats().delivered, 2);
    });
}

#[test]
fn when_something_is_due_is_learnt_by_another_when_whoever_knew_it_leaves() {
    loom::model(|| {
        let event = event(None);
        let model = members();
        let mut slots = model.queue.enlist(2, None).into_iter();
        let (goes, stays) = (slots.next().unwrap(), slots.next().unwrap());
        push(&model.queue, &event);
        assert!(matches!(model.queue.next(goes, false), Next::Work(_)));
        let learnt = {
            let queue = Arc::clone(&model.queue);
            thread::spawn(move || {
                loop {
                    match queue.next(stays, false) {
                        Next::Nothing { until: None } => block_on(queue.sleep(None)),
                        Next::Nothing { until } => return until,
                        _ => panic!("nothing is due for an hour"),
                    }
                }
            })
        };
        // It fails, and whoever was at it leaves.
        model.queue.defer(goes, Duration::from_hours(1));
        model.queue.leave(&[goes]);
        assert!(learnt.join().unwrap().is_some());
    });
}

#[test]
fn a_wake_up_for_a_member_that_leaves_goes_to_another() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let event = event(None);
        let mut model = members();
        let (goes, stays) = (Member::new(&model), Member::new(&model));
        let left = {
            let queue = Arc::clone(&model.queue);
            thread::spawn(move || goes.leave(&queue))
        };
        push(&model.queue, &event);
        model.wait_for(1);
        let left = left.join().unwrap();
        model.workers.extend([left, stays.thread]);
        let queue = Arc::clone(&model.queue);
        assert!(model.finish() >= 1);
        assert_eq!(queue.stats().delivered, 1);
    });
}

#[test]
fn what_a_worker_settles_before_its_member_leaves_is_told() {
    loom::model(|| {
        let event = event(None);
        let queue = queue(4, Overflow::Reject, 0);
        let told = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let count = Arc::clone(&told);
        let observer = Observer::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::ready(())
        });
        let (observing, telling) = Observing::new(observer, Duration::from_secs(1), &queue.untold);
        let slot = queue.enlist(1, Some(observing)).into_iter().next().unwrap();
        push(&queue, &event);
        assert!(matches!(queue.next(slot, false), Next::Work(_)));
        let leaves = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.leave(&[slot]))
        };
        queue.pass(slot, Pass::Duplicate);
        leaves.join().unwrap();
        // It ends, because nobody is left who could tell it more.
        assert_eq!(telling.now_or_never(), Some(()));
        assert_eq!(told.load(Ordering::SeqCst), queue.stats().duplicates);
    });
}
