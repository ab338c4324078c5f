//! The laws of delays.

use std::time::Duration;

use contexter_service::{Backoff, Jitter};
use proptest::prelude::*;

const BASE: Duration = Duration::from_millis(100);
const CAP: Duration = Duration::from_secs(5);

fn with(jitter: Jitter) -> Backoff {
    Backoff::new(BASE, CAP).unwrap().with_jitter(jitter)
}

/// The delays before jitter.
fn ceilings() -> impl Iterator<Item = Duration> {
    with(Jitter::None).delays()
}

#[test]
fn doubles_up_to_the_cap() {
    let millis: Vec<_> = ceilings().take(8).map(|delay| delay.as_millis()).collect();
    assert_eq!(millis, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
}

#[test]
fn grows_by_any_multiplier_from_one_on() {
    let millis = |multiplier| -> Vec<_> {
        Backoff::exponential(BASE, CAP, multiplier)
            .unwrap()
            .with_jitter(Jitter::None)
            .delays()
            .take(4)
            .map(|delay| delay.as_millis())
            .collect()
    };
    assert_eq!(millis(1.0), [100, 100, 100, 100]);
    assert_eq!(millis(1.5), [100, 150, 225, 337]);
    assert_eq!(millis(f64::MAX), [100, 5000, 5000, 5000]);
}

#[test]
fn a_constant_is_always_the_same() {
    for delay in [Duration::from_nanos(1), BASE, Duration::MAX] {
        let backoff = Backoff::constant(delay).unwrap();
        assert!(backoff.delays().take(1000).all(|found| found == delay));
    }
    let faults = Backoff::constant(Duration::ZERO).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "invalid configuration: base_delay must be longer than zero, got 0s"
    );
}

#[test]
fn a_hundred_thousand_delays_stay_in_range() {
    for jitter in [
        Jitter::None,
        Jitter::Full,
        Jitter::Equal,
        Jitter::Decorrelated,
    ] {
        for (cap, multiplier) in [(CAP, 2.0), (Duration::MAX, 1e9)] {
            let backoff = Backoff::exponential(BASE, cap, multiplier)
                .unwrap()
                .with_jitter(jitter);
            for (n, delay) in backoff.delays().take(100_000).enumerate() {
                assert!(
                    !delay.is_zero() && delay <= cap,
                    "{jitter:?} delay {n}: {delay:?}"
                );
            }
        }
    }
}

#[test]
fn a_growing_delay_without_jitter_ends_at_the_cap_and_stays_there() {
    let last = ceilings().nth(99_999);
    assert_eq!(last, Some(CAP));
}

/// A delay of any size, the tiny and the huge as likely as the usual.
fn any_delay() -> impl Strategy<Value = Duration> {
    (0_u32..=96, 1_u64..1000).prop_map(|(doublings, nanos)| {
        let nanos = u128::from(nanos) << doublings;
        let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
        let rest = u32::try_from(nanos % 1_000_000_000).unwrap_or(0);
        Duration::new(seconds, rest)
    })
}

fn any_jitter() -> impl Strategy<Value = Jitter> {
    prop_oneof![
        Just(Jitter::None),
        Just(Jitter::Full),
        Just(Jitter::Equal),
        Just(Jitter::Decorrelated),
    ]
}

/// The delay before jitter as the documentation says it, without regard for speed or range.
fn model(base: Duration, cap: Duration, multiplier: f64, retry: i32) -> f64 {
    (base.as_secs_f64() * multiplier.powi(retry)).min(cap.as_secs_f64())
}

proptest! {
    #[test]
    fn every_setting_keeps_its_law(
        (one, two) in (any_delay(), any_delay()),
        multiplier in 1.0..1e6_f64,
        jitter in any_jitter(),
        seed: u64,
    ) {
        let (base, cap) = (one.min(two), one.max(two));
        let backoff = Backoff::exponential(base, cap, multiplier)
            .unwrap()
            .with_jitter(jitter)
            .with_seed(seed);
        let mut last = base;
        for (retry, delay) in backoff.delays().take(200).enumerate() {
            prop_assert!(!delay.is_zero(), "delay {} is nothing", retry);
            prop_assert!(delay <= cap, "delay {} is {:?}", retry, delay);
            let ceiling = model(base, cap, multiplier, i32::try_from(retry).unwrap());
            // What rounding to whole nanoseconds at every step, and to 53 bits, may add up to.
            let slack = ceiling * 1e-6 + 1e-9;
            let found = delay.as_secs_f64();
            match jitter {
                Jitter::Decorrelated => {
                    prop_assert!(base <= delay && delay <= last.saturating_mul(3));
                    last = delay;
                }
                _ if base < Duration::from_millis(1) => {}
                Jitter::None => prop_assert!((found - ceiling).abs() <= slack),
                Jitter::Full => prop_assert!(found <= ceiling + slack),
                _ => prop_assert!(
                    found >= ceiling / 2.0 - slack && found <= ceiling + slack,
                    "delay {} is {}, before jitter {}", retry, found, ceiling
                ),
            }
        }
    }

    #[test]
    fn full_jitter_lies_between_zero_and_the_delay(seed: u64) {
        for (delay, ceiling) in with(Jitter::Full).with_seed(seed).delays().zip(ceilings()).take(20) {
            prop_assert!(delay <= ceiling);
        }
    }

    #[test]
    fn equal_jitter_lies_between_half_the_delay_and_the_delay(seed: u64) {
        for (delay, ceiling) in with(Jitter::Equal).with_seed(seed).delays().zip(ceilings()).take(20) {
            prop_assert!(ceiling / 2 <= delay && delay <= ceiling);
        }
    }

    #[test]
    fn decorrelated_jitter_lies_between_the_base_and_three_times_the_last(seed: u64) {
        let mut last = BASE;
        for delay in with(Jitter::Decorrelated).with_seed(seed).delays().take(50) {
            prop_assert!(BASE <= delay && delay <= CAP.min(last * 3));
            last = delay;
        }
    }

    #[test]
    fn a_seed_repeats_its_sequence(seed: u64) {
        let run = || with(Jitter::Full).with_seed(seed).delays().take(20).collect::<Vec<_>>();
        prop_assert_eq!(run(), run());
    }
}

#[test]
fn jitter_uses_its_whole_range_evenly() {
    let flat = Backoff::exponential(CAP, CAP, 1.0)
        .unwrap()
        .with_jitter(Jitter::Full)
        .with_seed(1);
    let mut tenths = [0; 10];
    for delay in flat.delays().take(10_000) {
        let tenth = delay.as_nanos() * 10 / (CAP.as_nanos() + 1);
        tenths[usize::try_from(tenth).unwrap()] += 1;
    }
    assert!(
        tenths.iter().all(|count| (850..=1150).contains(count)),
        "{tenths:?}"
    );
}

#[test]
fn without_a_seed_sequences_differ() {
    let run = || with(Jitter::Full).delays().take(5).collect::<Vec<_>>();
    assert_ne!(run(), run());
}

#[test]
fn what_cannot_be_a_backoff_is_refused_all_at_once() {
    let faults = Backoff::exponential(Duration::ZERO, Duration::ZERO, f64::NAN).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "invalid configuration: base_delay must be longer than zero, got 0s; \
         backoff_multiplier must be a number of at least 1, got NaN"
    );
    let faults = Backoff::new(CAP, BASE).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "invalid configuration: max_delay must be at least base_delay (5s), got 100ms"
    );
    for multiplier in [0.99, -1.0, f64::INFINITY] {
        assert!(Backoff::exponential(BASE, CAP, multiplier).is_err());
    }
}
