//! Opening at once, for a stated time.

use std::future::ready;
use std::time::Duration;

use contexter_breaker::{Cause, Config, Error};
use contexter_service::{Again, BreakerState, ByVerdict, Sample, Verdict};
use futures_util::FutureExt;

use crate::{BREAK, after_break, breaker, permit, record, trip};

const TEN: Duration = Duration::from_secs(10);

/// Says when calls are welcome again.
#[derive(Debug, PartialEq)]
struct Quota(Duration);

impl Verdict for Quota {
    fn sample(&self) -> Sample {
        Sample::Neutral
    }

    fn again(&self) -> Again {
        Again::No
    }

    fn trip(&self) -> Option<Duration> {
        Some(self.0)
    }
}

#[test]
fn a_used_up_quota_opens_it_until_the_quota_is_renewed() {
    let (breaker, clock) = breaker(Config::new());
    let breaker = breaker.classify_by(ByVerdict);
    let out = breaker
        .call(|| ready(Err::<(), _>(Quota(TEN))))
        .now_or_never()
        .unwrap();
    assert_eq!(
        out,
        Err(Error::Inner(Quota(TEN))),
        "the caller gets its error"
    );
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after, Some(TEN));
    clock.advance(TEN);
    permit(&breaker.classify_by(contexter_service::ErrIsFailure)).record(Sample::Success);
}

#[test]
fn a_permit_can_open_it_from_closed_and_as_a_probe() {
    let (closed, _clock) = breaker(Config::new());
    permit(&closed).trip(TEN);
    assert_eq!(closed.try_acquire().unwrap_err().retry_after, Some(TEN));

    let (probing, _clock) = after_break(Config::new());
    permit(&probing).trip(TEN);
    assert_eq!(probing.try_acquire().unwrap_err().retry_after, Some(TEN));
    assert_eq!(probing.snapshot().counter("opened"), Some(2));
}

#[test]
fn a_stated_time_is_bounded() {
    let (breaker, _clock) = breaker(Config::new().max_trip(TEN));
    breaker.trip_for(Duration::MAX);
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after, Some(TEN));
}

#[test]
fn by_default_no_stated_time_keeps_it_open_for_more_than_an_hour() {
    let (breaker, clock) = breaker(Config::new());
    permit(&breaker).trip(Duration::from_hours(24 * 365));
    clock.advance(Duration::from_hours(1));
    record(&breaker, Sample::Success);
}

#[test]
fn a_stale_permit_opens_nothing() {
    let (breaker, clock) = breaker(Config::new().success_threshold(1));
    let stale = permit(&breaker);
    trip(&breaker);
    clock.advance(BREAK);
    record(&breaker, Sample::Success);
    stale.trip(TEN);
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[test]
fn a_break_is_extended_and_never_shortened() {
    let (breaker, _clock) = breaker(Config::new());
    trip(&breaker);
    breaker.trip_for(TEN);
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after, Some(BREAK));
    breaker.trip_for(2 * BREAK);
    assert_eq!(
        breaker.try_acquire().unwrap_err().retry_after,
        Some(2 * BREAK)
    );
    assert_eq!(breaker.snapshot().counter("opened"), Some(1));
}

#[test]
fn what_is_held_by_hand_is_not_tripped() {
    let (breaker, _clock) = breaker(Config::new());
    breaker.force_close();
    breaker.trip_for(TEN);
    permit(&breaker).trip(TEN);
    assert_eq!(breaker.state(), BreakerState::Closed);
    breaker.isolate();
    breaker.trip_for(TEN);
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after, None);
}

#[test]
fn it_is_no_failure_and_does_not_make_the_next_break_longer() {
    let config = Config::new()
        .failure_threshold(1)
        .recovery_timeout(TEN)
        .recovery_multiplier(2.0);
    let (breaker, clock) = breaker(config);
    let mut subscription = breaker.subscribe();
    breaker.trip_for(BREAK);
    let transition = subscription.changed().now_or_never().flatten().unwrap();
    assert_eq!((transition.cause, transition.failures), (Cause::Trip, 0));
    assert_eq!(breaker.last_failure(), None);
    clock.advance(BREAK);
    record(&breaker, Sample::Failure);
    assert_eq!(breaker.try_acquire().unwrap_err().retry_after, Some(TEN));
}
