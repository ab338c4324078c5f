//! The bulkhead against a list.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use contexter_limit::{AcquirePermit, Bulkhead, BulkheadConfig, Permit};
use contexter_service::ManualClock;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Comes, and waits if it may.
    Come,
    /// Comes, and does not wait.
    Try,
    /// One that runs ends.
    End(usize),
    /// One that waits, or has not noticed yet that it may run, is dropped.
    Drop(usize),
    /// All that wait are polled.
    Poll,
    Resize(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Come),
        1 => Just(Step::Try),
        3 => (0..8_usize).prop_map(Step::End),
        2 => (0..8_usize).prop_map(Step::Drop),
        2 => Just(Step::Poll),
        1 => (1..5_usize, 0..5_usize).prop_map(|(places, queue)| Step::Resize(places, queue)),
    ]
}

/// Who runs and who waits, by number, in order.
#[derive(Debug)]
struct Model {
    places: usize,
    queue: usize,
    running: Vec<usize>,
    waiting: VecDeque<usize>,
}

impl Model {
    fn hand_over(&mut self) {
        while self.running.len() < self.places
            && let Some(next) = self.waiting.pop_front()
        {
            self.running.push(next);
        }
    }

    /// Returns whether the newcomer was let in, to run or to wait.
    fn come(&mut self, number: usize, waits: bool) -> bool {
        if self.waiting.is_empty() && self.running.len() < self.places {
            self.running.push(number);
            return true;
        }
        let room = waits && self.waiting.len() < self.queue;
        if room {
            self.waiting.push_back(number);
        }
        room
    }
}

enum Caller {
    Waits(AcquirePermit<ManualClock>),
    Runs { _permit: Permit<ManualClock> },
}

fn runs(permit: Permit<ManualClock>) -> Caller {
    Caller::Runs { _permit: permit }
}

fn poll(wait: &mut AcquirePermit<ManualClock>) -> Poll<Option<Permit<ManualClock>>> {
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(wait).poll(&mut cx).map(Result::ok)
}

proptest! {
    #[test]
    fn it_admits_and_queues_as_a_list_would(steps in prop::collection::vec(step(), 1..120)) {
        let config = |places, queue| BulkheadConfig::new().max_concurrent(places).max_queue(queue);
        let bulkhead = Bulkhead::with_clock(config(2, 3), ManualClock::new()).unwrap();
        let mut model = Model { places: 2, queue: 3, running: Vec::new(), waiting: VecDeque::new() };
        let mut callers: Vec<(usize, Caller)> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Come => {
                    let mut wait = bulkhead.acquire();
                    let came = match poll(&mut wait) {
                        Poll::Ready(permit) => permit.map(runs),
                        Poll::Pending => Some(Caller::Waits(wait)),
                    };
                    prop_assert_eq!(came.is_some(), model.come(number, true));
                    callers.extend(came.map(|caller| (number, caller)));
                }
                Step::Try => {
                    let permit = bulkhead.try_acquire().ok();
                    prop_assert_eq!(permit.is_some(), model.come(number, false));
                    callers.extend(permit.map(|permit| (number, runs(permit))));
                }
                Step::End(index) | Step::Drop(index) => {
                    let ends = matches!(step, Step::End(_));
                    let found = callers
                        .iter()
                        .enumerate()
                        .filter(|(_, (_, caller))| matches!(caller, Caller::Runs { .. }) == ends)
                        .map(|(at, _)| at)
                        .nth(index);
                    if let Some(at) = found {
                        let (gone, _) = callers.remove(at);
                        model.running.retain(|&runs| runs != gone);
                        model.waiting.retain(|&waits| waits != gone);
                        model.hand_over();
                    }
                }
                Step::Poll => {
                    for (number, caller) in &mut callers {
                        if let Caller::Waits(wait) = caller {
                            let admitted = poll(wait);
                            let may_run = model.running.contains(number);
                            prop_assert_eq!(admitted.is_ready(), may_run, "{}", number);
                            if let Poll::Ready(Some(permit)) = admitted {
                                *caller = runs(permit);
                            }
                        }
                    }
                }
                Step::Resize(places, queue) => {
                    bulkhead.reconfigure(config(places, queue)).unwrap();
                    (model.places, model.queue) = (places, queue);
                    model.hand_over();
                }
            }
            prop_assert_eq!(bulkhead.running(), model.running.len());
            prop_assert_eq!(bulkhead.waiting(), model.waiting.len());
        }
        drop(callers);
        prop_assert_eq!((bulkhead.running(), bulkhead.waiting()), (0, 0));
    }
}
