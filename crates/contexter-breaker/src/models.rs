//! Every interleaving of two threads on the state machine, by loom.
//!
//! `RUSTFLAGS="--cfg contexter_loom" cargo test --profile ci -p contexter-breaker --lib models`

use std::sync::{Arc, Mutex};
use std::time::Duration;

use contexter_service::{BreakerState, ManualClock, Open, Sample};
use loom::thread;

use crate::machine::{Machine, Ticket};
use crate::outcome::Outcome;
use crate::sync::take_slot;
use crate::word::Phase;
use crate::{Config, Window};

/// A breaker, and what the threads hold and have been told.
struct Scene {
    machine: Machine<ManualClock>,
    clock: ManualClock,
    tickets: Vec<Ticket>,
    answers: Mutex<Vec<Result<Ticket, Open>>>,
}

impl Scene {
    fn new(config: Config) -> Self {
        let clock = ManualClock::new();
        Self {
            machine: Machine::new(config, clock.clone()).unwrap(),
            clock,
            tickets: Vec::new(),
            answers: Mutex::default(),
        }
    }

    /// A breaker whose first break has just ended.
    fn after_break(config: Config) -> Self {
        let config = config
            .failure_threshold(1)
            .recovery_timeout(Duration::from_secs(1));
        let scene = Self::new(config);
        scene.call(Sample::Failure);
        scene.clock.advance(Duration::from_secs(1));
        scene
    }

    fn with_tickets(mut self, number: usize) -> Self {
        self.tickets = (0..number).map(|_| self.machine.admit().unwrap()).collect();
        self
    }

    fn settle(&self, ticket: usize, sample: Sample) {
        let ticket = self.tickets[ticket];
        self.machine.settle(ticket, Outcome::Taught(sample));
    }

    fn call(&self, sample: Sample) {
        if let Ok(ticket) = self.machine.admit() {
            self.machine.settle(ticket, Outcome::Taught(sample));
        }
    }

    fn admit(&self) {
        // Loom does not know this lock, so nothing of the machine happens within it.
        let answer = self.machine.admit();
        self.answers.lock().unwrap().push(answer);
    }

    fn state(&self) -> BreakerState {
        self.machine.state()
    }

    fn counter(&self, name: &str) -> u64 {
        self.machine.snapshot().counter(name).unwrap()
    }
}

/// Lets two threads, with a stripe for each, act on a scene in every order, and looks at each end.
///
/// Both ways round: of all accesses to a value loom remembers the last one only, and then misses
/// orders in which the thread that it started first comes second.
fn race(scene: fn() -> Scene, one: fn(&Scene), other: fn(&Scene), look: fn(&Scene)) {
    for (ours, theirs) in [(one, other), (other, one)] {
        loom::model(move || {
            let scene = Arc::new(scene());
            let shared = Arc::clone(&scene);
            let thread = thread::spawn(move || {
                take_slot(1);
                theirs(&shared);
            });
            ours(&scene);
            thread.join().unwrap();
            look(&scene);
        });
    }
}

#[test]
fn two_threads_never_get_the_one_probe() {
    race(
        || Scene::after_break(Config::new().success_threshold(1)),
        Scene::admit,
        Scene::admit,
        |scene| {
            let answers = scene.answers.lock().unwrap();
            assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
            assert_eq!(scene.state(), BreakerState::HalfOpen);
        },
    );
}

#[test]
fn two_failures_at_once_open_it_exactly_once() {
    race(
        || Scene::new(Config::new().failure_threshold(2)),
        |scene| scene.call(Sample::Failure),
        |scene| scene.call(Sample::Failure),
        |scene| {
            assert_eq!(scene.state(), BreakerState::Open);
            assert_eq!(scene.counter("opened"), 1);
            assert!(scene.machine.admit().unwrap_err().retry_after.is_some());
        },
    );
}

#[test]
fn a_stale_failure_never_decides_against_a_probe() {
    race(
        || {
            let config = Config::new().failure_threshold(1).success_threshold(1);
            let scene = Scene::new(config).with_tickets(1);
            scene.call(Sample::Failure);
            scene.clock.advance(Duration::from_mins(1));
            scene
        },
        |scene| scene.call(Sample::Success),
        |scene| scene.settle(0, Sample::Failure),
        |scene| {
            assert_eq!(scene.state(), BreakerState::Closed);
            assert_eq!(scene.machine.failures(), 0);
        },
    );
}

#[test]
fn a_failed_and_a_neutral_probe_at_once_leave_no_place_taken() {
    race(
        || {
            let config = Config::new().success_threshold(1).permitted_probes(2);
            Scene::after_break(config).with_tickets(2)
        },
        |scene| scene.settle(0, Sample::Failure),
        |scene| scene.settle(1, Sample::Neutral),
        |scene| {
            assert_eq!(scene.state(), BreakerState::HalfOpen);
            assert_eq!(scene.counter("probes"), 0);
        },
    );
}

#[test]
fn hung_probes_are_given_up_once_and_a_late_one_decides_nothing() {
    race(
        || {
            let config = Config::new().success_threshold(1);
            let scene = Scene::after_break(config).with_tickets(1);
            scene.clock.advance(Duration::from_mins(1));
            scene
        },
        Scene::admit,
        |scene| scene.settle(0, Sample::Success),
        |scene| {
            // Either it is in time after all, or it is too late: never half of each.
            let answer = scene.answers.lock().unwrap()[0];
            if let Err(open) = answer {
                assert_eq!(scene.state(), BreakerState::Open);
                assert_eq!(
                    open.retry_after,
                    Some(Duration::from_secs(1)),
                    "of the new break, not of the half-open period"
                );
                assert_eq!(scene.counter("opened"), 2);
            } else {
                assert_eq!(scene.state(), BreakerState::Closed);
            }
        },
    );
}

#[test]
fn a_refusal_names_a_time_of_the_break_it_saw() {
    race(
        || Scene::after_break(Config::new().success_threshold(1)).with_tickets(1),
        Scene::admit,
        |scene| scene.settle(0, Sample::Failure),
        |scene| {
            // The place was taken for a minute, the break lasts a second.
            let refused = scene.answers.lock().unwrap()[0].unwrap_err();
            let longest = Duration::from_secs(1);
            assert!(refused.retry_after.is_none_or(|left| left <= longest));
        },
    );
}

#[test]
fn a_call_that_comes_second_after_a_break_is_not_told_when_probes_count_as_hung() {
    race(
        || Scene::after_break(Config::new().success_threshold(1)),
        Scene::admit,
        Scene::admit,
        |scene| {
            // One is the probe. The other is refused until that has ended, whenever that is.
            for answer in scene.answers.lock().unwrap().iter() {
                assert!(answer.err().is_none_or(|open| open.retry_after.is_none()));
            }
            assert_eq!(scene.state(), BreakerState::HalfOpen);
        },
    );
}

fn windowed() -> Scene {
    let config = Config::new()
        .window(Window::Calls(8))
        .minimum_calls(3)
        .failure_rate(0.5)
        .success_threshold(1);
    Scene::new(config)
}

/// The same, with this thread's stripe armed.
fn armed() -> Scene {
    let scene = windowed();
    scene.call(Sample::Success);
    scene
}

#[test]
fn no_outcome_is_lost_between_a_stripe_and_the_window() {
    race(
        armed,
        |scene| scene.call(Sample::Success),
        |scene| scene.call(Sample::Failure),
        |scene| {
            assert_eq!(scene.counter("window_calls"), 3);
            assert_eq!(scene.counter("window_failures"), 1);
            assert_eq!(scene.state(), BreakerState::Closed);
        },
    );
}

#[test]
fn two_threads_on_one_stripe_lose_no_success() {
    fn on_the_armed_one(scene: &Scene) {
        take_slot(0);
        scene.call(Sample::Success);
    }
    race(armed, on_the_armed_one, on_the_armed_one, |scene| {
        assert_eq!(scene.counter("window_calls"), 3);
    });
}

#[test]
fn outcomes_that_reach_the_minimum_together_open_it_exactly_once() {
    race(
        || {
            let scene = windowed();
            scene.call(Sample::Failure);
            scene
        },
        |scene| scene.call(Sample::Success),
        |scene| scene.call(Sample::Failure),
        |scene| {
            // Two failures and a success, in whatever order.
            assert_eq!(scene.state(), BreakerState::Open);
            assert_eq!(scene.counter("opened"), 1);
        },
    );
}

#[test]
fn a_success_of_one_period_is_never_in_the_window_of_another() {
    race(
        || armed().with_tickets(1),
        |scene| scene.settle(0, Sample::Success),
        |scene| {
            scene.machine.force(Phase::Isolated);
            scene.machine.release();
            // Arms a stripe for the new period, also the one that the late success looks at.
            take_slot(0);
            scene.call(Sample::Success);
        },
        |scene| assert_eq!(scene.counter("window_calls"), 1),
    );
}

#[test]
fn a_success_of_one_bucket_is_never_in_another() {
    race(
        || {
            let window = Window::Time(Duration::from_secs(10));
            let scene = Scene::new(Config::new().window(window));
            scene.call(Sample::Success);
            scene.clock.advance(Duration::from_secs(5));
            scene
        },
        |scene| scene.call(Sample::Success),
        |scene| scene.call(Sample::Success),
        |scene| {
            for held in [3, 2, 0] {
                assert_eq!(scene.counter("window_calls"), held);
                scene.clock.advance(Duration::from_secs(5));
            }
        },
    );
}

#[test]
fn new_rates_meet_an_outcome_before_or_after_and_lose_none() {
    race(
        || {
            let scene = armed();
            scene.call(Sample::Failure);
            scene.call(Sample::Success);
            scene
        },
        |scene| scene.call(Sample::Success),
        |scene| {
            let config = scene.machine.config().failure_rate(0.1);
            scene.machine.reconfigure(config).unwrap();
        },
        |scene| {
            // One failure of four: if the success came second, it opened the breaker.
            if scene.state() == BreakerState::Closed {
                assert_eq!(scene.counter("window_calls"), 4);
                scene.call(Sample::Success);
                assert_eq!(scene.state(), BreakerState::Open);
            }
        },
    );
}
