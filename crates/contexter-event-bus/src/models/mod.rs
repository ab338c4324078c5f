//! Every interleaving of publishers and workers on one queue, by loom.
//!
//! `RUSTFLAGS="--cfg contexter_loom" cargo test --profile ci -p contexter-event-bus --lib models`
//!
//! What waits does so on the queue's own futures; a task is a thread of the model.

mod leave;
mod room;
mod signal;

use std::sync::Arc;

use contexter_protocol::IntegrationEvent;
use contexter_service::Backoff;
use loom::sync::Condvar;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use std::time::Duration;

use crate::attempts::Attempts;
use crate::claim::Next;
use crate::config::{BusConfig, Overflow};
use crate::lanes::{Item, Owner};
use crate::queue::Queue;
use crate::receipt::Acceptance;
use crate::stats::Ledger;
use crate::sync::notify::block_on;
use crate::sync::{Mutex, Signal};
use crate::trace::TraceRelation;

fn queue(capacity: usize, overflow: Overflow, workers: usize) -> Arc<Queue> {
    let backoff = Backoff::constant(Duration::from_secs(1)).unwrap();
    let queue = Arc::new(Queue {
        id: 1,
        name: "model".into(),
        group: None,
        pattern: ">".parse().unwrap(),
        capacity,
        overflow,
        attempts: Attempts {
            max: 3,
            in_one_go: 1,
            backoff,
        },
        trace: TraceRelation::Link,
        ledger: Arc::new(Ledger::new(&BusConfig::default())),
        dedupe: None,
        remote: None,
        tally: Arc::default(),
        untold: Arc::default(),
        state: Mutex::default(),
        work: Signal::default(),
        room: Signal::default(),
    });
    queue.enlist(workers, None);
    queue
}

fn event(key: Option<&str>) -> Arc<IntegrationEvent> {
    let mut builder = IntegrationEvent::builder("test", "a.b").id("1");
    if let Some(key) = key {
        builder = builder.partition_key(key);
    }
    Arc::new(builder.build().unwrap())
}

fn push(queue: &Queue, event: &Arc<IntegrationEvent>) -> Acceptance {
    queue
        .try_push(Item::new(Arc::clone(event), Owner::Nobody))
        .expect("no model fills a queue that blocks")
}

/// How many events were handled, and how many are being handled.
#[derive(Default)]
struct Counts {
    handled: loom::sync::Mutex<usize>,
    more: Condvar,
    running: AtomicUsize,
}

impl Counts {
    fn note_handled(&self) {
        *self.handled.lock().unwrap() += 1;
        self.more.notify_one();
    }
}

/// Handles what comes until the queue ends.
fn work(queue: &Queue, slot: usize, handle: impl Fn()) {
    let mut done = false;
    loop {
        match queue.next(slot, done) {
            Next::Work(_delivery) => {
                handle();
                done = true;
            }
            Next::Nothing { until } => {
                done = false;
                block_on(queue.sleep(until));
            }
            Next::End => return,
        }
    }
}

struct Model {
    queue: Arc<Queue>,
    counts: Arc<Counts>,
    workers: Vec<thread::JoinHandle<()>>,
}

impl Model {
    /// Lets so many workers handle events, `most` of them at once.
    fn new(queue: Arc<Queue>, workers: usize, most: usize) -> Self {
        let counts = Arc::new(Counts::default());
        let spawn = |slot| {
            let (queue, counts) = (Arc::clone(&queue), Arc::clone(&counts));
            let handle = move || {
                assert!(counts.running.fetch_add(1, Ordering::SeqCst) < most);
                counts.running.fetch_sub(1, Ordering::SeqCst);
                counts.note_handled();
            };
            thread::spawn(move || work(&queue, slot, handle))
        };
        let workers = (0..workers).map(spawn).collect();
        Self {
            queue,
            counts,
            workers,
        }
    }

    /// Waits until so many are handled, with nothing that would wake a worker by the way: a wake-up
    /// that is lost leaves everybody waiting, which loom reports.
    fn wait_for(&self, number: usize) {
        let mut handled = self.counts.handled.lock().unwrap();
        while *handled < number {
            handled = self.counts.more.wait(handled).unwrap();
        }
    }

    /// Lets everything come to an end, and returns how many were handled.
    fn finish(self) -> usize {
        self.queue.finish();
        for worker in self.workers {
            worker.join().unwrap();
        }
        assert!(self.queue.state.lock().is_idle());
        *self.counts.handled.lock().unwrap()
    }
}

#[test]
fn no_wake_up_is_lost_between_a_publisher_and_a_worker() {
    loom::model(|| {
        let event = event(None);
        let model = Model::new(queue(4, Overflow::Reject, 1), 1, 1);
        push(&model.queue, &event);
        push(&model.queue, &event);
        model.wait_for(2);
        assert_eq!(model.finish(), 2);
    });
}

#[test]
fn two_workers_handle_everything_once() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let event = event(None);
        let model = Model::new(queue(4, Overflow::Reject, 2), 2, 2);
        push(&model.queue, &event);
        push(&model.queue, &event);
        model.wait_for(2);
        assert_eq!(model.finish(), 2);
    });
}

/// Handlers that come to an end only together.
#[derive(Default)]
struct Meeting {
    there: loom::sync::Mutex<usize>,
    more: Condvar,
}

impl Meeting {
    fn wait_for(&self, number: usize) {
        let mut there = self.there.lock().unwrap();
        *there += 1;
        self.more.notify_all();
        while *there < number {
            there = self.more.wait(there).unwrap();
        }
    }
}

#[test]
fn two_events_wake_two_workers() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let event = event(None);
        let mut model = Model::new(queue(4, Overflow::Reject, 2), 0, 0);
        let meeting = Arc::new(Meeting::default());
        for slot in 0..2 {
            let (queue, counts) = (Arc::clone(&model.queue), Arc::clone(&model.counts));
            let meeting = Arc::clone(&meeting);
            let handle = move || {
                meeting.wait_for(2);
                counts.note_handled();
            };
            let worker = thread::spawn(move || work(&queue, slot, handle));
            model.workers.push(worker);
        }
        push(&model.queue, &event);
        push(&model.queue, &event);
        // If one were left asleep, the other's handler would never come to an end.
        model.wait_for(2);
        assert_eq!(model.finish(), 2);
    });
}

#[test]
fn one_key_runs_one_at_a_time_and_wakes_who_waits_for_it() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(|| {
        let event = event(Some("k"));
        let model = Model::new(queue(4, Overflow::Reject, 2), 2, 1);
        push(&model.queue, &event);
        push(&model.queue, &event);
        model.wait_for(2);
        assert_eq!(model.finish(), 2);
    });
}

#[test]
fn what_is_dropped_and_what_is_handled_is_everything() {
    loom::model(|| {
        let event = event(None);
        let model = Model::new(queue(1, Overflow::DropOldest, 1), 1, 1);
        for _ in 0..3 {
            push(&model.queue, &event);
        }
        let queue = Arc::clone(&model.queue);
        let handled = model.finish();
        let dropped = usize::try_from(queue.stats().dropped).unwrap();
        assert_eq!(handled + dropped, 3);
    });
}

#[test]
fn an_end_in_the_middle_leaves_nobody_waiting_and_counts_everything() {
    loom::model(|| {
        let event = event(None);
        let model = Model::new(queue(4, Overflow::Reject, 1), 1, 1);
        let queue = Arc::clone(&model.queue);
        let pushed = thread::spawn(move || push(&queue, &event).is_accepted());
        let queue = Arc::clone(&model.queue);
        let abandoned = queue.close().len();
        let handled = model.finish();
        let pushed = usize::from(pushed.join().unwrap());
        // A handler that runs while the queue is closed is counted as abandoned.
        assert!(handled + abandoned >= pushed);
        let delivered = usize::try_from(queue.stats().delivered).unwrap();
        assert_eq!(delivered + abandoned, pushed);
    });
}
