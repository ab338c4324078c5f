//! When time ends a retry.

use std::future::ready;
use std::pin::pin;
use std::time::Duration;

use contexter_retry::Retry;
use contexter_service::{Clock, Cx, DefaultClock, ManualClock};
use futures_util::FutureExt;

use crate::{Log, plain};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn max_elapsed_counts_the_time_of_attempts() {
    let log = Log::new();
    let retry = Retry::new(plain().max_attempts(10).max_elapsed(secs(5))).unwrap();
    let (out, attempts) = retry.call(log.slow(secs(10))).counted().await;
    assert_eq!((out, attempts), (Err("late"), 1));
    assert_eq!(log.elapsed_ms(), 10_000, "it gives up without a wait");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_would_reach_max_elapsed_is_not_begun() {
    for (limit, attempts) in [(3000, 2), (3001, 3), (7000, 3), (7001, 4)] {
        let log = Log::new();
        let config = plain()
            .max_attempts(10)
            .max_elapsed(Duration::from_millis(limit));
        let (_, made) = Retry::new(config)
            .unwrap()
            .call(log.failing())
            .counted()
            .await;
        assert_eq!(made, attempts, "limit {limit}");
        assert_eq!(log.elapsed_ms(), *log.at().last().unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn no_attempt_starts_after_the_deadline() {
    for (limit, attempts) in [(1000, 1), (1001, 2), (3000, 2), (3001, 3)] {
        let log = Log::new();
        let retry = Retry::new(plain().max_attempts(10)).unwrap();
        let deadline = DefaultClock.now() + Duration::from_millis(limit);
        let mut failing = log.failing();
        let (out, made) = retry
            .call_with(Cx::new().with_deadline(deadline), |_cx| failing())
            .counted()
            .await;
        assert_eq!((out, made), (Err("down"), attempts), "limit {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_attempts_neither_overflow_nor_run_hot() {
    let log = Log::new();
    let config = plain()
        .max_attempts(100_000)
        .base_delay(Duration::from_millis(1))
        .max_delay(Duration::from_millis(8));
    let (_, attempts) = Retry::new(config)
        .unwrap()
        .call(log.failing())
        .counted()
        .await;
    assert_eq!(attempts, 100_000);
    let at = log.at();
    let steady = at.windows(2).skip(3).all(|pair| pair[1] - pair[0] == 8);
    assert!(steady, "every delay after the third is the cap");
}

#[test]
fn an_attempt_that_a_late_timer_begins_is_told_that_its_deadline_is_over() {
    let clock = ManualClock::new();
    let retry = Retry::with_timer(plain(), clock.clone()).unwrap();
    let deadline = clock.now() + secs(5);
    let mut seen = Vec::new();
    {
        let call = retry.call_with(Cx::new().with_deadline(deadline), |cx| {
            let late = cx
                .deadline()
                .is_some_and(|deadline| deadline <= clock.now());
            seen.push((cx.attempt(), late));
            // What a timeout inside does.
            ready(if late { Err("too late") } else { Err("down") })
        });
        let mut call = pin!(call);
        assert_eq!(call.as_mut().now_or_never(), None::<Result<(), _>>);
        clock.advance(secs(60));
        assert_eq!(call.as_mut().now_or_never(), Some(Err("too late")));
    }
    assert_eq!(seen, [(1, false), (2, true)], "and it is the last one");
}
