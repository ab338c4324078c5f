//! Every decision of a window against a list of all calls.

use std::time::Duration;

use contexter_breaker::{Abandoned, Breaker, Config, Window};
use contexter_service::{BreakerState, Clock, ManualClock, Sample};
use proptest::prelude::*;

use crate::breaker;

const SLOW: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug)]
enum Step {
    Successes(u32),
    Failure,
    Slow,
    SlowFailure,
    Neutral,
    Dropped,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..12_u32).prop_map(Step::Successes),
        6 => Just(Step::Failure),
        2 => Just(Step::Slow),
        1 => Just(Step::SlowFailure),
        1 => Just(Step::Neutral),
        2 => Just(Step::Dropped),
        3 => (0..4_000_u64).prop_map(Step::Wait),
    ]
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    at: Duration,
    failure: bool,
    slow: bool,
    abandoned: bool,
}

/// Rates in percent, so that the model needs no fractions.
#[derive(Clone, Copy, Debug)]
struct Percent {
    failing: usize,
    slow: usize,
    abandoned: usize,
}

/// All calls since the breaker closed, and nothing clever.
struct Naive {
    config: Config,
    percent: Percent,
    calls: Vec<Ended>,
    in_a_row: u32,
}

impl Naive {
    /// Those that the window holds at `now`.
    fn held(&self, now: Duration) -> Vec<Ended> {
        match self.config.window.unwrap() {
            Window::Calls(size) => {
                let from = self.calls.len().saturating_sub(size as usize);
                self.calls.iter().skip(from).copied().collect()
            }
            Window::Time(time) => {
                let bucket = |at: Duration| at.as_nanos() / (time / 10).as_nanos();
                let mut held = self.calls.clone();
                held.retain(|call| bucket(call.at) + 10 > bucket(now));
                held
            }
            _ => unreachable!(),
        }
    }

    fn opens(&mut self, call: Ended) -> bool {
        self.calls.push(call);
        if call.failure {
            self.in_a_row += 1;
        } else if !call.abandoned {
            self.in_a_row = 0;
        }
        let held = self.held(call.at);
        let ended: Vec<_> = held.iter().filter(|call| !call.abandoned).collect();
        let minimum = self.config.minimum_calls.unwrap() as usize;
        let reached = |percent: usize, marked: usize, of: usize| {
            of >= minimum && marked * 100 >= of * percent
        };
        let failures = ended.iter().filter(|call| call.failure).count();
        let slow = ended.iter().filter(|call| call.slow).count();
        let abandoned = held.len() - ended.len();
        let by_rate = reached(self.percent.failing, failures, ended.len())
            || reached(self.percent.slow, slow, ended.len())
            || reached(self.percent.abandoned, abandoned, held.len());
        let by_streak = self
            .config
            .failure_threshold
            .is_some_and(|threshold| self.in_a_row >= threshold);
        by_rate || by_streak
    }
}

fn check((config, percent): (Config, Percent), steps: Vec<(Step, bool)>) {
    let (breaker, clock) = breaker(config);
    let epoch = clock.now();
    let mut naive = Naive {
        config,
        percent,
        calls: Vec::new(),
        in_a_row: 0,
    };
    for (step, look) in steps {
        let times = match step {
            Step::Wait(millis) => {
                clock.advance(Duration::from_millis(millis));
                0
            }
            Step::Successes(times) => times,
            _ => 1,
        };
        for _ in 0..times {
            let ended = perform(&breaker, &clock, step, clock.now() - epoch);
            let opens = ended.is_some_and(|ended| naive.opens(ended));
            assert_eq!(breaker.state() == BreakerState::Open, opens, "{step:?}");
            if opens {
                recover(&breaker, &clock);
                naive.calls.clear();
                naive.in_a_row = 0;
            }
        }
        // Looking must not change what comes next, but not looking must not either.
        if !look {
            continue;
        }
        let held = naive.held(clock.now() - epoch);
        let snapshot = breaker.snapshot();
        for (counter, of) in [
            ("window_calls", held.len()),
            (
                "window_failures",
                held.iter().filter(|call| call.failure).count(),
            ),
            ("window_slow", held.iter().filter(|call| call.slow).count()),
            (
                "window_abandoned",
                held.iter().filter(|call| call.abandoned).count(),
            ),
        ] {
            assert_eq!(snapshot.counter(counter), Some(of as u64), "{counter}");
        }
    }
}

/// Makes one call; returns how it ended, unless it teaches nothing.
fn perform(
    breaker: &Breaker<ManualClock>,
    clock: &ManualClock,
    step: Step,
    now: Duration,
) -> Option<Ended> {
    let permit = breaker.try_acquire().unwrap();
    let slow = matches!(step, Step::Slow | Step::SlowFailure);
    if slow {
        clock.advance(SLOW);
    }
    let failure = matches!(step, Step::Failure | Step::SlowFailure);
    match step {
        Step::Neutral => {
            permit.record(Sample::Neutral);
            return None;
        }
        Step::Dropped => drop(permit),
        _ => permit.record(if failure {
            Sample::Failure
        } else {
            Sample::Success
        }),
    }
    Some(Ended {
        at: if slow { now + SLOW } else { now },
        failure,
        slow,
        abandoned: matches!(step, Step::Dropped),
    })
}

fn recover(breaker: &Breaker<ManualClock>, clock: &ManualClock) {
    clock.advance(breaker.config().recovery_timeout);
    breaker.try_acquire().unwrap().record(Sample::Success);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

fn config() -> impl Strategy<Value = (Config, Percent)> {
    let window = prop_oneof![
        (20..150_u32).prop_map(Window::Calls),
        (1..100_u64).prop_map(|tenths| Window::Time(Duration::from_millis(100 * tenths))),
    ];
    let percent = || 1..=100_u8;
    (
        window,
        (percent(), percent(), percent()),
        1..20_u32,
        proptest::option::of(3..30_u32),
    )
        .prop_map(|(window, (failing, slow, abandoned), minimum, streak)| {
            let rate = |percent: u8| f64::from(percent) / 100.0;
            let mut config = Config::new()
                .window(window)
                .failure_rate(rate(failing))
                .slow_call(SLOW)
                .slow_call_rate(rate(slow))
                .abandoned(Abandoned::Rate(rate(abandoned)))
                .minimum_calls(minimum)
                .success_threshold(1)
                .recovery_timeout(Duration::from_secs(1));
            config.failure_threshold = streak;
            let percent = Percent {
                failing: failing.into(),
                slow: slow.into(),
                abandoned: abandoned.into(),
            };
            (config, percent)
        })
}

proptest! {
    #[test]
    fn decides_as_a_list_of_all_calls_would(
        config in config(),
        steps in proptest::collection::vec((step(), any::<bool>()), 1..120),
    ) {
        check(config, steps);
    }
}
