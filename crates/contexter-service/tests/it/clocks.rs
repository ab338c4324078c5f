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

#[test]
fn the_clock_can_go_from_wait_to_wait() {
    let clock = ManualClock::new();
    assert_eq!(clock.advance_to_next_sleeper(), None);
    let mut waits: Vec<_> = [3, 1, 1, 2]
        .map(|steps| Box::pin(clock.sleep(STEP * steps)))
        .into();
    for wait in &mut waits {
        assert_eq!(wait.as_mut().now_or_never(), None);
    }
    let start = clock.now();
    for left in [2, 1, 0] {
        assert_eq!(clock.advance_to_next_sleeper(), Some(STEP));
        assert_eq!(clock.sleepers(), left);
    }
    assert_eq!(clock.now() - start, STEP * 3);
    assert_eq!(clock.advance_to_next_sleeper(), None);
}

#[test]
fn a_future_runs_without_a_runtime_until_it_waits_for_something_else() {
    let clock = ManualClock::new();
    let start = clock.now();
    let twice = async {
        clock.sleep(STEP).await;
        tokio::task::yield_now().await;
        clock.sleep(STEP).await;
        clock.now() - start
    };
    assert_eq!(clock.run_until_stalled(twice), Some(STEP * 2));
    let stuck = async {
        clock.sleep(STEP).await;
        std::future::pending::<()>().await;
    };
    assert_eq!(clock.run_until_stalled(stuck), None);
    assert_eq!(clock.now() - start, STEP * 3);
    assert_eq!(clock.sleepers(), 0);
}
