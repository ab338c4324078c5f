//! The last good value in place of an error, for a bounded time.

use std::future::{pending, ready};
use std::time::Duration;

use contexter_fallback::{Eligible, Served, StaleConfig, StaleValue};
use contexter_service::{Cx, ManualClock};

use crate::{Gate, now, poll};

const WINDOW: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_nanos(1);

fn stale() -> (StaleValue<&'static str, u32, ManualClock>, ManualClock) {
    let clock = ManualClock::new();
    let config = StaleConfig::new().stale_if_error_for(WINDOW);
    (
        StaleValue::with_clock(config, clock.clone()).unwrap(),
        clock,
    )
}

fn run<P: Eligible<u16>>(
    stale: &StaleValue<&'static str, u32, ManualClock, P>,
    key: &'static str,
    out: Result<u32, u16>,
) -> Result<Served<u32, u16>, u16> {
    now(stale.run_keyed(&key, Cx::new(), |_cx| ready(out)))
}

#[test]
fn a_call_that_succeeds_is_served_fresh_and_always_made() {
    let (stale, _clock) = stale();
    assert_eq!(run(&stale, "a", Ok(1)), Ok(Served::Fresh(1)));
    assert_eq!(run(&stale, "a", Ok(2)), Ok(Served::Fresh(2)));
}

#[test]
fn the_last_good_value_stands_in_to_the_end_of_its_window_and_no_longer() {
    let (stale, clock) = stale();
    run(&stale, "a", Ok(1)).unwrap();
    clock.advance(WINDOW);
    let served = Served::Stale {
        value: 1,
        age: WINDOW,
        error: 503,
    };
    assert_eq!(run(&stale, "a", Err(503)), Ok(served));
    clock.advance(TICK);
    assert_eq!(run(&stale, "a", Err(503)), Err(503));
}

#[test]
fn serving_a_stale_value_does_not_prolong_its_window_and_a_new_one_does() {
    let (stale, clock) = stale();
    run(&stale, "a", Ok(1)).unwrap();
    for _ in 0..10 {
        clock.advance(WINDOW / 10);
        assert!(run(&stale, "a", Err(503)).unwrap().is_stale());
    }
    clock.advance(TICK);
    assert_eq!(run(&stale, "a", Err(503)), Err(503));
    run(&stale, "a", Ok(2)).unwrap();
    clock.advance(WINDOW);
    assert_eq!(run(&stale, "a", Err(503)).unwrap().into_value(), 2);
}

#[test]
fn keys_do_not_mix_and_a_key_without_a_value_has_its_error() {
    let (stale, _clock) = stale();
    run(&stale, "a", Ok(1)).unwrap();
    assert_eq!(run(&stale, "b", Err(503)), Err(503));
}

#[test]
fn only_an_eligible_error_has_a_value_stand_in() {
    let (stale, _clock) = stale();
    let stale = stale.when(|status: &u16| *status >= 500);
    run(&stale, "a", Ok(1)).unwrap();
    assert_eq!(run(&stale, "a", Err(404)), Err(404));
    let served = run(&stale, "a", Err(500)).unwrap();
    assert_eq!((*served.value(), served.error()), (1, Some(&500)));
}

#[test]
fn a_dropped_call_keeps_nothing() {
    let (stale, _clock) = stale();
    let mut call = Box::pin(stale.run_keyed(&"a", Cx::new(), |_cx| pending::<Result<u32, u16>>()));
    assert!(poll(call.as_mut()).is_pending());
    drop(call);
    assert!(stale.is_pristine());
}

#[test]
fn a_value_asked_for_before_an_invalidation_does_not_come_back_after_it() {
    for clear in [false, true] {
        let (stale, _clock) = stale();
        let gate = Gate::new();
        let mut call = Box::pin(stale.run_keyed(&"a", Cx::new(), |_cx| gate.begin()));
        assert!(poll(call.as_mut()).is_pending());
        if clear {
            stale.clear();
        } else {
            stale.invalidate(&"a");
        }
        gate.open(Ok::<_, u16>(1));
        assert!(poll(call.as_mut()).is_ready());
        assert_eq!(stale.get(&"a"), None, "cleared: {clear}");
        run(&stale, "a", Ok(2)).unwrap();
        assert_eq!(stale.get(&"a"), Some((2, Duration::ZERO)));
    }
}

#[test]
fn values_are_bounded_by_weight() {
    let config = StaleConfig::new().max_weight(100);
    let stale = StaleValue::<u32, u32, ManualClock>::with_clock(config, ManualClock::new())
        .unwrap()
        .weigh_by(|_key, weight| *weight);
    for key in 0..1_000 {
        now(stale.run_keyed(&key, Cx::new(), |_cx| ready(Ok::<_, ()>(10)))).unwrap();
    }
    let snapshot = stale.snapshot();
    assert_eq!(snapshot.counter("entries"), Some(10));
    assert_eq!(snapshot.counter("weight"), Some(100));
    assert_eq!(snapshot.counter("evictions"), Some(990));
    now(stale.run_keyed(&5_000, Cx::new(), |_cx| ready(Ok::<_, ()>(101)))).unwrap();
    assert_eq!(stale.snapshot().counter("entries"), Some(10));
    assert_eq!(stale.get(&5_000), None, "heavier than all may be");
}

#[test]
fn every_bad_setting_is_named() {
    let config = StaleConfig::new()
        .stale_if_error_for(Duration::ZERO)
        .max_weight(0);
    let error = StaleValue::<u8, u8>::new(config).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid configuration: stale_if_error_for must be longer than zero, got 0s; \
         max_weight must be at least 1, got 0"
    );
}

#[test]
fn new_settings_apply_to_values_stored_from_now_on() {
    let (stale, clock) = stale();
    run(&stale, "old", Ok(1)).unwrap();
    stale
        .reconfigure(StaleConfig::new().stale_if_error_for(2 * WINDOW))
        .unwrap();
    run(&stale, "new", Ok(2)).unwrap();
    clock.advance(WINDOW + TICK);
    assert_eq!(stale.get(&"old"), None);
    assert!(stale.get(&"new").is_some());

    let error = stale
        .reconfigure(StaleConfig::new().max_weight(5))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid configuration: max_weight cannot change while in use: is 10000, got 5"
    );
    assert_eq!(stale.config().stale_if_error_for, 2 * WINDOW);
}

#[test]
fn a_window_without_end_is_one() {
    let clock = ManualClock::new();
    let config = StaleConfig::new().stale_if_error_for(Duration::MAX);
    let stale = StaleValue::with_clock(config, clock.clone()).unwrap();
    run(&stale, "a", Ok(1)).unwrap();
    clock.advance(Duration::from_hours(24 * 365 * 20));
    assert!(run(&stale, "a", Err(503)).unwrap().is_stale());
}
