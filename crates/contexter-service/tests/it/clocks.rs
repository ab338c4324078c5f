//! Clocks and timers.

use std::time::Duration;

use contexter_service::{Clock, DefaultClock, ManualClock, StdClock, Timer, TokioTimer, later};
use futures_util::FutureExt;

const STEP: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn tokio_s_clocks_follow_paused_time() {
    for clock in [&TokioTimer as &dyn Clock, &DefaultClock] {
        let before = clock.now();
        tokio::time::advance(STEP).await;
        assert_eq!(clock.now() - before, STEP);
    }
}

#[tokio::test(start_paused = true)]
async fn tokio_s_timers_wait_as_long_as_asked() {
    let start = DefaultClock.now();
    DefaultClock.sleep(STEP).await;
    TokioTimer.sleep_until(later(start, STEP * 2)).await;
    assert_eq!(DefaultClock.now() - start, STEP * 2);
}

#[test]
fn the_default_clock_reads_the_time_outside_a_runtime() {
    let before = StdClock.now();
    let now = DefaultClock.now();
    assert!(before <= now && now <= StdClock.now());
}

#[test]
fn the_manual_clock_stands_still_until_moved() {
    let clock = ManualClock::new();
    let start = clock.now();
    assert_eq!(clock.clone().now(), start);
    clock.advance(STEP);
    assert_eq!(clock.now() - start, STEP, "clones share one time");
}

#[tokio::test]
async fn advancing_wakes_exactly_the_waits_that_are_over() {
    let clock = ManualClock::new();
    let short = tokio::spawn(clock.sleep(STEP));
    let long = tokio::spawn(clock.sleep(STEP + Duration::from_nanos(1)));
    while clock.sleepers() < 2 {
        tokio::task::yield_now().await;
    }
    clock.advance(STEP);
    short.await.unwrap();
    assert_eq!(clock.sleepers(), 1);
    assert!(!long.is_finished());
    clock.advance(Duration::from_nanos(1));
    long.await.unwrap();
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn a_dropped_wait_is_forgotten() {
    let clock = ManualClock::new();
    let mut wait = Box::pin(clock.sleep(STEP));
    assert_eq!(wait.as_mut().now_or_never(), None);
    assert_eq!(clock.sleepers(), 1);
    drop(wait);
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn a_wait_in_the_past_is_over() {
    let clock = ManualClock::new();
    let start = clock.now();
    clock.advance(STEP);
    assert_eq!(clock.sleep_until(start).now_or_never(), Some(()));
    assert_eq!(clock.sleep(Duration::ZERO).now_or_never(), Some(()));
}
