//! Which call meets which fault.

use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use contexter_chaos::Config;
use contexter_service::{Clock, ManualClock};
use proptest::prelude::*;

use crate::faces::{Counting, FACES, Face, Outcome, chaos};

/// What happened to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fate {
    end: End,
    late: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Answered,
    Error,
    Hang,
    Panic,
}

type Subject = contexter_chaos::Chaos<
    contexter_chaos::ErrWith<fn(contexter_service::Cx) -> &'static str>,
    contexter_chaos::Always,
    ManualClock,
>;

/// `clock` is a caller's own, so that concurrent callers do not move each other's time.
fn fate(face: Face, chaos: &Subject, clock: &ManualClock) -> Fate {
    let start = clock.now();
    let chaos = chaos.clone().with_timer(clock.clone());
    let call = face.run(&chaos, &Counting::default());
    let out = catch_unwind(AssertUnwindSafe(|| clock.run_until_stalled(call)));
    let end = match out {
        Err(_) => End::Panic,
        Ok(None) => End::Hang,
        Ok(Some(Err(_))) => End::Error,
        Ok(Some(Ok(_))) => End::Answered,
    };
    Fate {
        end,
        late: clock.now() - start,
    }
}

fn fates(face: Face, chaos: &Subject, count: usize) -> Vec<Fate> {
    let clock = ManualClock::new();
    (0..count).map(|_| fate(face, chaos, &clock)).collect()
}

fn all_faults(seed: u64) -> Config {
    Config::new()
        .seed(seed)
        .error_rate(0.3)
        .hang_rate(0.2)
        .latency(0.5, Duration::from_millis(1), Duration::from_secs(1))
}

#[test]
fn a_seed_gives_the_same_faults_in_every_run_and_on_every_face() {
    let clock = ManualClock::new();
    let config = all_faults(11).panic_rate(0.05);
    let expected = fates(Face::Call, &chaos(config, &clock), 100);
    for end in [End::Answered, End::Error, End::Hang, End::Panic] {
        assert!(expected.iter().any(|fate| fate.end == end), "{end:?}");
    }
    for face in FACES {
        assert_eq!(
            fates(face, &chaos(config, &clock), 100),
            expected,
            "{face:?}"
        );
    }
    let other = fates(Face::Call, &chaos(config.seed(12), &clock), 100);
    assert_ne!(other, expected);
}

#[test]
fn without_a_seed_two_runs_differ() {
    let clock = ManualClock::new();
    let config = Config::new().error_rate(0.5);
    let run = || fates(Face::Call, &chaos(config, &clock), 256);
    assert_ne!(run(), run());
}

#[test]
fn concurrent_calls_meet_the_same_faults_together_as_calls_in_a_row() {
    const THREADS: usize = 4;
    const CALLS: usize = 250;
    let clock = ManualClock::new();
    let mut expected = fates(Face::Call, &chaos(all_faults(5), &clock), THREADS * CALLS);
    let shared = chaos(all_faults(5), &clock);
    let mut met: Vec<Fate> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| fates(Face::Tower, &shared, CALLS)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    expected.sort();
    met.sort();
    assert_eq!(met, expected);
}

#[test]
fn new_settings_go_on_with_the_sequence() {
    let clock = ManualClock::new();
    let whole = fates(Face::Call, &chaos(all_faults(9), &clock), 60);
    let changed = chaos(Config::new().seed(9), &clock);
    assert!(
        fates(Face::Call, &changed, 20)
            .iter()
            .all(|fate| fate.end == End::Answered)
    );
    let mut unseeded = all_faults(0);
    unseeded.seed = None;
    changed.reconfigure(unseeded).unwrap();
    assert_eq!(
        fates(Face::Call, &changed, 20),
        whole[20..40],
        "the old seed"
    );
    changed.reconfigure(all_faults(10)).unwrap();
    changed.reconfigure(all_faults(9)).unwrap();
    assert_eq!(fates(Face::Call, &changed, 20), whole[40..], "the new seed");
}

#[test]
fn calls_that_are_switched_off_leave_the_sequence_alone() {
    let clock = ManualClock::new();
    let whole = fates(Face::Call, &chaos(all_faults(2), &clock), 40);
    let switched = chaos(all_faults(2), &clock);
    let mut met = fates(Face::Call, &switched, 20);
    switched.set_enabled(false);
    let _ = fates(Face::Call, &switched, 7);
    switched.set_enabled(true);
    let spared = switched.clone().when(|_cx| false);
    let _ = clock.run_until_stalled(spared.call(|| ready(Outcome::Ok(1))));
    met.extend(fates(Face::Call, &switched, 20));
    assert_eq!(met, whole);
}

#[test]
fn a_rate_of_one_is_every_call_and_a_rate_of_zero_none() {
    let clock = ManualClock::new();
    for seed in 0..200 {
        let config = Config::new().seed(seed);
        for (config, end) in [
            (config, End::Answered),
            (config.error_rate(1.0), End::Error),
            (config.hang_rate(1.0), End::Hang),
        ] {
            let met = fates(Face::Call, &chaos(config, &clock), 20);
            assert!(met.iter().all(|fate| fate.end == end), "{seed} {end:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The counts lie within five standard deviations of a binomial law.
    #[test]
    fn faults_come_at_their_rates(
        seed: u64,
        error in 0.0..0.5_f64,
        hang in 0.0..0.5_f64,
        latency in 0.0..=1.0_f64,
    ) {
        const CALLS: u32 = 2_000;
        let clock = ManualClock::new();
        let second = Duration::from_secs(1);
        let config = Config::new()
            .seed(seed)
            .error_rate(error)
            .hang_rate(hang)
            .latency(latency, second, second);
        let chaos = chaos(config, &clock);
        let _ = fates(Face::Call, &chaos, CALLS.try_into().unwrap());
        let snapshot = chaos.snapshot();
        for (counter, rate) in [("errors", error), ("hangs", hang), ("latencies", latency)] {
            let count = f64::from(u32::try_from(snapshot.counter(counter).unwrap()).unwrap());
            let mean = rate * f64::from(CALLS);
            let deviation = (mean * (1.0 - rate)).sqrt();
            prop_assert!((count - mean).abs() <= 5.0 * deviation + 1.0, "{counter} {count} {mean}");
        }
    }
}
