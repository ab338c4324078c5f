//! The lanes against a model that looks at everything every time.

use std::sync::Arc;
use std::time::Duration;

use contexter_protocol::IntegrationEvent;
use proptest::prelude::*;
use tokio::time::Instant;

use super::{Item, Lanes, Owner};

/// What can happen to lanes.
#[derive(Clone, Debug)]
enum Step {
    /// An event comes, of one of the keys or of none.
    Push(Option<u8>),
    Take,
    /// One of those that run is done.
    Done(prop::sample::Index),
    /// One of those that run is put off for so many seconds.
    Later(prop::sample::Index, u8),
    /// One of those that run is put back, because its worker left.
    Back(prop::sample::Index),
    DropOldest,
    /// Seconds go by.
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => prop::option::of(0_u8..3).prop_map(Step::Push),
        4 => Just(Step::Take),
        2 => index().prop_map(Step::Done),
        2 => (index(), 0_u8..5).prop_map(|(at, delay)| Step::Later(at, delay)),
        1 => index().prop_map(Step::Back),
        1 => Just(Step::DropOldest),
        2 => (0_u8..4).prop_map(Step::Wait),
    ]
}

/// All unsettled events, oldest first.
#[derive(Debug, Default)]
struct Naive(Vec<Known>);

#[derive(Clone, Debug)]
struct Known {
    number: u64,
    key: Option<u8>,
    due: Instant,
    running: bool,
}

impl Naive {
    /// Returns the place of the oldest event that may run: none before it has its key.
    fn oldest_that_may_run(&self, now: Instant) -> Option<usize> {
        (0..self.0.len()).find(|at| {
            let (before, rest) = self.0.split_at(*at);
            let Some(event) = rest.first() else {
                return false;
            };
            let held = |other: &Known| event.key.is_some() && other.key == event.key;
            !event.running && event.due <= now && !before.iter().any(held)
        })
    }

    fn may_run(&self, now: Instant) -> bool {
        self.oldest_that_may_run(now).is_some()
    }
}

fn event(number: u64, key: Option<u8>) -> Arc<IntegrationEvent> {
    let mut builder = IntegrationEvent::builder("test", "a.b").id(number.to_string());
    if let Some(key) = key {
        builder = builder.partition_key(key.to_string());
    }
    Arc::new(builder.build().unwrap())
}

fn number(item: &Item) -> u64 {
    item.event.id().parse().unwrap()
}

proptest! {
    #[test]
    fn they_agree_with_a_model_that_looks_at_everything(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let (mut lanes, mut naive) = (Lanes::default(), Naive::default());
        let mut running: Vec<(u64, Item)> = Vec::new();
        let start = Instant::now();
        let mut now = start;
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(key) => {
                    let number = u64::try_from(at).unwrap();
                    lanes.push(Item::new(event(number, key), Owner::Nobody));
                    naive.0.push(Known { number, key, due: start, running: false });
                }
                Step::Take => {
                    let taken = lanes.take(|| now);
                    let expected = naive.oldest_that_may_run(now).and_then(|at| naive.0.get_mut(at));
                    let expected = expected.map(|event| {
                        event.running = true;
                        event.number
                    });
                    prop_assert_eq!(taken.as_ref().map(|(_, item)| number(item)), expected);
                    running.extend(taken);
                }
                Step::Done(at) if !running.is_empty() => {
                    let (_, item) = running.remove(at.index(running.len()));
                    lanes.release(&item.event);
                    naive.0.retain(|event| event.number != number(&item));
                }
                Step::Later(at, delay) if !running.is_empty() => {
                    let (seq, item) = running.remove(at.index(running.len()));
                    let due = now + Duration::from_secs(delay.into());
                    for event in naive.0.iter_mut().filter(|e| e.number == number(&item)) {
                        (event.running, event.due) = (false, due);
                    }
                    lanes.put_back(seq, item, due);
                }
                Step::Back(at) if !running.is_empty() => {
                    let (seq, item) = running.remove(at.index(running.len()));
                    for event in naive.0.iter_mut().filter(|e| e.number == number(&item)) {
                        event.running = false;
                    }
                    lanes.put_back_ready(seq, item);
                }
                Step::DropOldest => {
                    let dropped = lanes.drop_oldest().map(|item| number(&item));
                    let at = naive.0.iter().position(|event| !event.running);
                    prop_assert_eq!(dropped, at.map(|at| naive.0.remove(at).number));
                }
                Step::Wait(seconds) => now += Duration::from_secs(seconds.into()),
                Step::Done(_) | Step::Later(..) | Step::Back(_) => {}
            }
            let waiting = naive.0.iter().filter(|event| !event.running).count();
            prop_assert_eq!(lanes.len(), waiting);
            let due = lanes.next_due().is_some_and(|due| due <= now);
            prop_assert_eq!(lanes.is_ready() || due, naive.may_run(now));
        }
        let left: Vec<_> = lanes.clear().iter().map(number).collect();
        let waiting = naive.0.iter().filter(|event| !event.running);
        prop_assert_eq!(left, waiting.map(|event| event.number).collect::<Vec<_>>());
    }
}
