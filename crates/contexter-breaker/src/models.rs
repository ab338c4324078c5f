//! Every interleaving of two threads on the state machine, by loom.
//!
//! `RUSTFLAGS="--cfg contexter_loom" cargo test --profile ci -p contexter-breaker --lib models`

use std::sync::Arc;
use std::time::Duration;

use contexter_service::{BreakerState, ManualClock, Sample};
use loom::thread;

use crate::machine::{Machine, Ticket};
use crate::outcome::Outcome;
use crate::sync::take_slot;
use crate::{Config, Window};

type Shared = Arc<Machine<ManualClock>>;

fn settle(machine: &Shared, ticket: Ticket, sample: Sample) {
    machine.settle(ticket, Outcome::Taught(sample));
}

fn call(machine: &Shared, sample: Sample) {
    if let Ok(ticket) = machine.admit() {
        settle(machine, ticket, sample);
    }
}

fn machine(config: Config) -> (Shared, ManualClock) {
    let clock = ManualClock::new();
    let machine = Arc::new(Machine::new(config, clock.clone()).unwrap());
    (machine, clock)
}

/// A machine with these settings whose first break has just ended, and its clock.
fn after_break(config: Config) -> (Shared, ManualClock) {
    let config = config
        .failure_threshold(1)
        .recovery_timeout(Duration::from_secs(1));
    let (machine, clock) = machine(config);
    call(&machine, Sample::Failure);
    clock.advance(Duration::from_secs(1));
    (machine, clock)
}

/// Runs `theirs` in a thread with a stripe of its own.
fn spawn(machine: &Shared, theirs: impl FnOnce(&Shared) + 'static) -> thread::JoinHandle<()> {
    let machine = Arc::clone(machine);
    thread::spawn(move || {
        take_slot(1);
        theirs(&machine);
    })
}

fn counter(machine: &Shared, name: &str) -> u64 {
    machine.snapshot().counter(name).unwrap()
}

#[test]
fn two_threads_never_get_the_one_probe() {
    loom::model(|| {
        let (machine, _clock) = after_break(Config::new().success_threshold(1));
        let other = Arc::clone(&machine);
        let theirs = thread::spawn(move || other.admit().is_ok());
        let ours = machine.admit().is_ok();
        assert!(ours ^ theirs.join().unwrap());
        assert_eq!(machine.state(), BreakerState::HalfOpen);
    });
}

#[test]
fn two_failures_at_once_open_it_exactly_once() {
    loom::model(|| {
        let (machine, _clock) = machine(Config::new().failure_threshold(2));
        let theirs = spawn(&machine, |machine| call(machine, Sample::Failure));
        call(&machine, Sample::Failure);
        theirs.join().unwrap();
        assert_eq!(machine.state(), BreakerState::Open);
        assert_eq!(counter(&machine, "opened"), 1);
        assert!(machine.admit().unwrap_err().retry_after.is_some());
    });
}

#[test]
fn a_stale_failure_never_decides_against_a_probe() {
    loom::model(|| {
        let (machine, _clock) = after_break(Config::new().success_threshold(1));
        // Generation 0 was the closed period before the break.
        let stale = Ticket {
            generation: 0,
            began: 0,
        };
        let theirs = spawn(&machine, move |machine| {
            settle(machine, stale, Sample::Failure);
        });
        let probe = machine.admit().unwrap();
        settle(&machine, probe, Sample::Success);
        theirs.join().unwrap();
        assert_eq!(machine.state(), BreakerState::Closed);
        assert_eq!(machine.failures(), 0);
    });
}

#[test]
fn a_failed_and_a_neutral_probe_at_once_leave_no_place_taken() {
    loom::model(|| {
        let config = Config::new().success_threshold(1).permitted_probes(2);
        let (machine, _clock) = after_break(config);
        let (first, second) = (machine.admit().unwrap(), machine.admit().unwrap());
        let theirs = spawn(&machine, move |machine| {
            settle(machine, second, Sample::Neutral);
        });
        settle(&machine, first, Sample::Failure);
        theirs.join().unwrap();
        assert_eq!(machine.state(), BreakerState::HalfOpen);
        assert_eq!(counter(&machine, "probes"), 0);
    });
}

#[test]
fn hung_probes_are_given_up_once_and_a_late_one_decides_nothing() {
    loom::model(|| {
        let (machine, clock) = after_break(Config::new().success_threshold(1));
        let hung = machine.admit().unwrap();
        clock.advance(Duration::from_mins(1));
        // Either it is in time after all, or it is too late: never half of each.
        let theirs = spawn(&machine, move |machine| {
            settle(machine, hung, Sample::Success);
        });
        let ours = machine.admit();
        theirs.join().unwrap();
        match machine.state() {
            BreakerState::Closed => assert!(ours.is_ok()),
            BreakerState::Open => {
                assert_eq!(
                    ours.unwrap_err().retry_after,
                    Some(Duration::from_secs(1)),
                    "of the new break, not of the half-open period"
                );
                assert_eq!(counter(&machine, "opened"), 2);
            }
            BreakerState::HalfOpen => panic!("still waiting"),
        }
    });
}

#[test]
fn a_refusal_names_a_time_of_the_break_it_saw() {
    loom::model(|| {
        let (machine, _clock) = after_break(Config::new().success_threshold(1));
        let probe = machine.admit().unwrap();
        let theirs = spawn(&machine, move |machine| {
            settle(machine, probe, Sample::Failure);
        });
        // The places are taken for a minute, the break lasts a second.
        let open = machine.admit().unwrap_err();
        assert!(
            open.retry_after
                .is_none_or(|left| left <= Duration::from_secs(1))
        );
        theirs.join().unwrap();
    });
}

fn windowed() -> Config {
    Config::new()
        .window(Window::Calls(8))
        .minimum_calls(3)
        .failure_rate(0.5)
        .success_threshold(1)
}

#[test]
fn no_outcome_is_lost_between_a_stripe_and_the_window() {
    loom::model(|| {
        let (machine, _clock) = machine(windowed());
        // Arms this thread's stripe.
        call(&machine, Sample::Success);
        let theirs = spawn(&machine, |machine| call(machine, Sample::Failure));
        call(&machine, Sample::Success);
        theirs.join().unwrap();
        assert_eq!(counter(&machine, "window_calls"), 3);
        assert_eq!(counter(&machine, "window_failures"), 1);
        assert_eq!(machine.state(), BreakerState::Closed);
    });
}

#[test]
fn two_threads_on_one_stripe_lose_no_success() {
    loom::model(|| {
        let (machine, _clock) = machine(windowed());
        call(&machine, Sample::Success);
        let other = Arc::clone(&machine);
        let theirs = thread::spawn(move || call(&other, Sample::Success));
        call(&machine, Sample::Success);
        theirs.join().unwrap();
        assert_eq!(counter(&machine, "window_calls"), 3);
    });
}

#[test]
fn outcomes_that_reach_the_minimum_together_open_it_exactly_once() {
    loom::model(|| {
        let (machine, _clock) = machine(windowed());
        call(&machine, Sample::Failure);
        let theirs = spawn(&machine, |machine| call(machine, Sample::Success));
        call(&machine, Sample::Failure);
        theirs.join().unwrap();
        // Two failures and a success, in whatever order.
        assert_eq!(machine.state(), BreakerState::Open);
        assert_eq!(counter(&machine, "opened"), 1);
    });
}

#[test]
fn a_success_of_one_period_is_never_in_the_window_of_another() {
    loom::model(|| {
        let (machine, _clock) = machine(windowed());
        call(&machine, Sample::Success);
        let late = machine.admit().unwrap();
        let theirs = spawn(&machine, |machine| {
            machine.force(crate::word::Phase::Isolated);
            machine.release();
            // Arms a stripe for the new period, perhaps the one that the late success looks at.
            call(machine, Sample::Success);
        });
        settle(&machine, late, Sample::Success);
        theirs.join().unwrap();
        assert_eq!(counter(&machine, "window_calls"), 1);
    });
}

#[test]
fn a_success_of_one_bucket_is_never_in_another() {
    loom::model(|| {
        let config = Config::new()
            .window(Window::Time(Duration::from_secs(10)))
            .success_threshold(1);
        let (machine, clock) = machine(config);
        call(&machine, Sample::Success);
        clock.advance(Duration::from_secs(5));
        let theirs = spawn(&machine, |machine| call(machine, Sample::Success));
        call(&machine, Sample::Success);
        theirs.join().unwrap();
        assert_eq!(counter(&machine, "window_calls"), 3);
        clock.advance(Duration::from_secs(5));
        assert_eq!(
            counter(&machine, "window_calls"),
            2,
            "the first has expired"
        );
        clock.advance(Duration::from_secs(5));
        assert_eq!(counter(&machine, "window_calls"), 0);
    });
}
