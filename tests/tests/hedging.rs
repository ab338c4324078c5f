//! What mechanisms inside a hedge learn from the attempts that lost.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use contexter_breaker::{Breaker, Config};
use contexter_limit::{AdaptiveConfig, AdaptiveLimit};
use contexter_retry::{Hedge, HedgeConfig};
use contexter_service::{BreakerState, Cx, Full, ManualClock, Open, Policy, Timer};

const STEP: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Failure {
    Down,
    Refused,
}

impl From<Open> for Failure {
    fn from(_open: Open) -> Self {
        Self::Refused
    }
}

impl From<Full> for Failure {
    fn from(_full: Full) -> Self {
        Self::Refused
    }
}

fn hedge(clock: &ManualClock) -> Hedge<ManualClock> {
    Hedge::with_timer(HedgeConfig::new().delay(STEP), clock.clone()).unwrap()
}

/// Makes one call whose first attempt is slow, and whose second one, if it may be made, is not.
fn hedged(clock: &ManualClock, policy: &impl Policy<Result<u32, Failure>>) {
    let call = policy.run(Cx::new(), |cx| async move {
        if cx.attempt() == 1 {
            clock.sleep(STEP * 3).await;
        }
        Ok(1)
    });
    assert_eq!(clock.run_until_stalled(call), Some(Ok(1)));
}

#[test]
fn a_half_open_breaker_closes_while_calls_are_hedged() {
    let clock = ManualClock::new();
    let config = Config::new()
        .failure_threshold(1)
        .success_threshold(3)
        .permitted_probes(2);
    let breaker = Breaker::with_clock(config, clock.clone()).unwrap();
    let down = breaker.run(Cx::new(), |_cx| async { Err::<u32, _>(Failure::Down) });
    assert_eq!(clock.run_until_stalled(down), Some(Err(Failure::Down)));
    assert_eq!(breaker.state(), BreakerState::Open);
    clock.advance(config.recovery_timeout);

    let policy = (hedge(&clock), breaker.clone());
    for _ in 0..3 {
        assert_ne!(breaker.state(), BreakerState::Closed);
        hedged(&clock, &policy);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    for _ in 0..10 {
        hedged(&clock, &policy);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn hedging_does_not_lower_an_adaptive_limit() {
    let clock = ManualClock::new();
    let limit = AdaptiveLimit::with_clock(AdaptiveConfig::new(), clock.clone()).unwrap();
    for _ in 0..400 {
        let usual = limit.run(Cx::new(), |_cx| async {
            clock.sleep(STEP / 10).await;
            Ok::<_, Failure>(1)
        });
        assert_eq!(clock.run_until_stalled(usual), Some(Ok(1)));
    }
    assert!(limit.baseline().is_some());
    assert_eq!(limit.limit(), 20);

    let policy = (hedge(&clock), limit.clone());
    for _ in 0..20 {
        hedged(&clock, &policy);
    }
    assert_eq!((limit.limit(), limit.running()), (20, 0));
}
