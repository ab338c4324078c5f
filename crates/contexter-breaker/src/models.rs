//! Every interleaving of two threads on the state machine, by loom.
//!
//! `RUSTFLAGS="--cfg contexter_loom" cargo test --profile ci -p contexter-breaker --lib models`

use std::sync::Arc;
use std::time::Duration;

use contexter_service::{BreakerState, ManualClock, Sample};
use loom::thread;

use crate::Config;
use crate::machine::Machine;

/// A machine with these settings whose first break has just ended.
fn after_break(config: Config) -> Arc<Machine<ManualClock>> {
    let clock = ManualClock::new();
    let config = config
        .failure_threshold(1)
        .recovery_timeout(Duration::from_secs(1));
    let machine = Arc::new(Machine::new(config, clock.clone()).unwrap());
    let admitted = machine.admit().unwrap();
    machine.settle(admitted, Sample::Failure);
    clock.advance(Duration::from_secs(1));
    machine
}

#[test]
fn two_threads_never_get_the_one_probe() {
    loom::model(|| {
        let machine = after_break(Config::new().success_threshold(1));
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
        let config = Config::new().failure_threshold(2);
        let machine = Arc::new(Machine::new(config, ManualClock::new()).unwrap());
        let other = Arc::clone(&machine);
        let fail = |machine: &Machine<ManualClock>| {
            let admitted = machine.admit().unwrap();
            machine.settle(admitted, Sample::Failure);
        };
        let theirs = thread::spawn(move || fail(&other));
        fail(&machine);
        theirs.join().unwrap();
        assert_eq!(machine.state(), BreakerState::Open);
        assert_eq!(machine.snapshot().counter("opened"), Some(1));
        assert!(machine.admit().unwrap_err().retry_after.is_some());
    });
}

#[test]
fn a_stale_failure_never_decides_against_a_probe() {
    loom::model(|| {
        let machine = after_break(Config::new().success_threshold(1));
        let other = Arc::clone(&machine);
        // Generation 0 was the closed period before the break.
        let stale = thread::spawn(move || other.settle(0, Sample::Failure));
        let probe = machine.admit().unwrap();
        machine.settle(probe, Sample::Success);
        stale.join().unwrap();
        assert_eq!(machine.state(), BreakerState::Closed);
        assert_eq!(machine.failures(), 0);
    });
}

#[test]
fn a_failed_and_a_neutral_probe_at_once_leave_no_place_taken() {
    loom::model(|| {
        let machine = after_break(Config::new().success_threshold(1).permitted_probes(2));
        let (first, second) = (machine.admit().unwrap(), machine.admit().unwrap());
        let other = Arc::clone(&machine);
        let theirs = thread::spawn(move || other.settle(second, Sample::Neutral));
        machine.settle(first, Sample::Failure);
        theirs.join().unwrap();
        assert_eq!(machine.state(), BreakerState::HalfOpen);
        assert_eq!(machine.snapshot().counter("probes"), Some(0));
    });
}
