//! What calls through a rate limiter do to it, on all of its faces.

use std::future::ready;
use std::time::Duration;

use contexter_limit::{Quota, RateLimitConfig, RateLimiter};
use contexter_service::{Limited, ManualClock};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::faces::{ByFailure, FACES, Face, Failure, Outcome};

type Limit = RateLimiter<ManualClock, ByFailure>;

fn on_all_faces(config: &RateLimitConfig, rule: impl Fn(Face, &ManualClock, &Limit)) {
    for face in FACES {
        let clock = ManualClock::new();
        let limiter = RateLimiter::with_clock(config.clone(), clock.clone())
            .unwrap()
            .classify_by(ByFailure);
        rule(face, &clock, &limiter);
    }
}

fn refusing(quota: Quota) -> RateLimitConfig {
    RateLimitConfig::new()
        .requests(quota)
        .max_wait(Duration::ZERO)
}

#[test]
fn a_refused_call_begins_nothing_and_says_when() {
    on_all_faces(&refusing(Quota::per_minute(2)), |face, clock, limiter| {
        let out = clock.run_until_stalled(face.rate(limiter, &|| Box::pin(ready(Ok(1)))));
        assert_eq!(out, Some(Ok(1)), "{face:?}");
        let begun = clock.run_until_stalled(face.rate(limiter, &|| unreachable!()));
        let retry_after = Some(Duration::from_mins(1));
        assert_eq!(
            begun,
            Some(Err(Failure::Limited(Limited { retry_after }))),
            "{face:?}"
        );
    });
}

#[test]
fn a_call_waits_for_its_turn() {
    let config = RateLimitConfig::new().requests(Quota::per_second(2));
    on_all_faces(&config, |face, clock, limiter| {
        limiter.try_acquire(1).unwrap();
        let start = contexter_service::Clock::now(clock);
        let out = clock.run_until_stalled(face.rate(limiter, &|| Box::pin(ready(Ok(2)))));
        assert_eq!(out, Some(Ok(2)), "{face:?}");
        let waited = contexter_service::Clock::now(clock) - start;
        assert_eq!(waited, Duration::from_secs(1), "{face:?}");
    });
}

#[test]
fn an_outcome_that_asks_for_it_pauses_all_callers() {
    on_all_faces(&refusing(Quota::per_second(100)), |face, clock, limiter| {
        let wait = Duration::from_secs(30);
        let too_many: Outcome = Err(Failure::TooMany(wait));
        let out = clock.run_until_stalled(face.rate(limiter, &|| Box::pin(ready(too_many))));
        assert_eq!(out, Some(too_many), "{face:?}");
        let retry_after = Some(wait);
        assert_eq!(limiter.try_acquire(1), Err(Limited { retry_after }));
        clock.advance(wait);
        let out = clock.run_until_stalled(face.rate(&limiter.clone(), &|| Box::pin(ready(Ok(3)))));
        assert_eq!(out, Some(Ok(3)), "{face:?}");
    });
}

#[test]
fn a_dropped_call_gives_back_only_what_it_did_not_use() {
    let config = RateLimitConfig::new().requests(Quota::per_second(11).burst(1));
    on_all_faces(&config, |face, _clock, limiter| {
        limiter.try_acquire(1).unwrap();
        let mut call = face.rate(limiter, &|| Box::pin(ready(Ok(1))));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_pending(), "{face:?}");
        drop(call);
        let retry_after = Some(Duration::from_millis(100));
        assert_eq!(limiter.try_acquire(1), Err(Limited { retry_after }));
    });
}

#[test]
fn all_services_of_a_layer_share_one_limiter() {
    let clock = ManualClock::new();
    let layer = RateLimiter::with_clock(refusing(Quota::per_minute(2)), clock.clone())
        .unwrap()
        .classify_by(ByFailure);
    let service = || service_fn(|()| ready(Outcome::Ok(1)));
    let first = ServiceBuilder::new()
        .layer(layer.clone())
        .service(service());
    let second = ServiceBuilder::new().layer(&layer).service(service());
    assert_eq!(clock.run_until_stalled(first.oneshot(())), Some(Ok(1)));
    let out = clock.run_until_stalled(second.clone().oneshot(()));
    assert!(matches!(out, Some(Err(Failure::Limited(_)))), "{out:?}");
    assert_eq!(second.limit().snapshot().counter("limited"), Some(1));
}
