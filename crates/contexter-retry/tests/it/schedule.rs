//! Delays other than the exponential ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contexter_retry::{Config, Reason, Retry};

use crate::{Log, plain};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn constant_delays_stay_the_same() {
    let log = Log::new();
    let retry = Retry::new(Config::constant(secs(2)).max_attempts(5)).unwrap();
    assert_eq!(retry.call(log.failing()).await, Err("down"));
    assert_eq!(log.at(), [0, 2000, 4000, 6000, 8000]);
    assert!(Retry::new(Config::constant(Duration::ZERO)).is_err());
}

#[tokio::test(start_paused = true)]
async fn delays_of_ones_own_are_taken_in_turn_and_anew_for_each_call() {
    let made = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&made);
    let retry = Retry::new(plain().max_attempts(4))
        .unwrap()
        .with_schedule(move || {
            count.fetch_add(1, Ordering::Relaxed);
            (1..).map(|n: u64| secs(n * n))
        });
    for _ in 0..2 {
        let log = Log::new();
        assert_eq!(retry.call(log.failing()).await, Err("down"));
        assert_eq!(log.at(), [0, 1000, 5000, 14_000]);
    }
    let out = retry.call(|| std::future::ready(Ok::<_, ()>(()))).await;
    assert_eq!(out, Ok(()));
    assert_eq!(made.load(Ordering::Relaxed), 2, "a success needs no delays");
}

#[tokio::test(start_paused = true)]
async fn where_a_schedule_ends_so_do_the_attempts() {
    let reason = Arc::new(std::sync::Mutex::new(None));
    let seen = Arc::clone(&reason);
    let log = Log::new();
    let retry = Retry::new(plain().max_attempts(9))
        .unwrap()
        .with_schedule(|| [secs(3), secs(1)])
        .on_give_up(move |gave_up| *seen.lock().unwrap() = Some(gave_up.reason));
    assert_eq!(retry.call(log.failing()).await, Err("down"));
    assert_eq!(log.at(), [0, 3000, 4000]);
    assert_eq!(*reason.lock().unwrap(), Some(Reason::ScheduleEnded));
}

#[tokio::test(start_paused = true)]
async fn the_cap_holds_for_delays_of_ones_own_too() {
    let log = Log::new();
    let retry = Retry::new(plain().max_delay(secs(7)))
        .unwrap()
        .with_schedule(|| [Duration::MAX, secs(1)]);
    assert_eq!(retry.call(log.failing()).await, Err("down"));
    assert_eq!(log.at(), [0, 7000, 8000]);
}

#[tokio::test(start_paused = true)]
async fn delays_of_nothing_still_give_the_thread_back() {
    use futures_util::FutureExt;
    let retry = Retry::new(plain().max_attempts(u32::MAX))
        .unwrap()
        .with_schedule(|| std::iter::repeat(Duration::ZERO));
    let log = Log::new();
    let mut call = Box::pin(retry.call(log.failing()));
    assert_eq!(call.as_mut().now_or_never(), None);
    assert_eq!(log.at().len(), 1, "one attempt in one poll");
}

#[tokio::test(start_paused = true)]
async fn clones_made_before_keep_their_delays() {
    let before = Retry::new(plain()).unwrap();
    let after = before.clone().with_schedule(|| [secs(30), secs(30)]);
    for (retry, last) in [(before, 3000), (after, 60_000)] {
        let log = Log::new();
        assert_eq!(retry.call(log.failing()).await, Err("down"));
        assert_eq!(log.elapsed_ms(), last);
    }
}
