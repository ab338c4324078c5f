//! How many attempts are made, and when.

use std::future::{pending, ready};
use std::time::Duration;

use contexter_retry::{Config, Retry, RetryContext, retry_with_backoff};
use contexter_service::{Again, ByVerdict, Cx, Policy, Sample, Verdict};
use futures_util::FutureExt;

use crate::{Log, plain};

#[tokio::test(start_paused = true)]
async fn makes_three_attempts_by_default_and_returns_the_last_error_unchanged() {
    let log = Log::new();
    let mut attempt = 0;
    let (out, attempts) = Retry::new(plain())
        .unwrap()
        .call(|| {
            log.note();
            attempt += 1;
            ready(Err::<(), _>(format!("error {attempt}")))
        })
        .counted()
        .await;
    assert_eq!(out.unwrap_err(), "error 3");
    assert_eq!(attempts, 3);
    assert_eq!(log.at(), [0, 1000, 3000]);
}

#[tokio::test(start_paused = true)]
async fn one_attempt_is_one_attempt() {
    let log = Log::new();
    let retry = Retry::new(plain().max_attempts(1)).unwrap();
    assert_eq!(retry.call(log.failing()).await, Err("down"));
    assert_eq!(log.at(), [0]);
}

#[tokio::test(start_paused = true)]
async fn delays_grow_up_to_the_cap() {
    let log = Log::new();
    let config = plain()
        .max_attempts(6)
        .max_delay(Duration::from_secs(5))
        .backoff_multiplier(3.0);
    let out = Retry::new(config).unwrap().call(log.failing()).await;
    assert_eq!(out, Err("down"));
    assert_eq!(log.at(), [0, 1000, 4000, 9000, 14_000, 19_000]);
}

#[tokio::test(start_paused = true)]
async fn jitter_shortens_by_up_to_half_as_in_the_specification() {
    let mut sums = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let log = Log::new();
        let out = Retry::new(Config::new()).unwrap().call(log.failing()).await;
        assert_eq!(out, Err("down"));
        let at = log.at();
        assert!((500..=1000).contains(&at[1]), "{at:?}");
        assert!((1000..=2000).contains(&(at[2] - at[1])), "{at:?}");
        sums.insert(at[2]);
    }
    assert!(sums.len() > 20, "delays differ: {sums:?}");
}

#[tokio::test(start_paused = true)]
async fn a_seed_repeats_the_delays() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let log = Log::new();
        let retry = Retry::new(Config::new().max_attempts(10).seed(7)).unwrap();
        assert_eq!(retry.call(log.failing()).await, Err("down"));
        runs.push(log.at());
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_it() {
    let log = Log::new();
    let (out, attempts) = Retry::new(plain())
        .unwrap()
        .call(|| {
            log.note();
            ready(if log.at().len() == 2 {
                Ok(2)
            } else {
                Err("down")
            })
        })
        .counted()
        .await;
    assert_eq!((out, attempts), (Ok(2), 2));
}

#[derive(Debug, PartialEq)]
struct Status(u16);

impl Verdict for Status {
    fn sample(&self) -> Sample {
        Sample::Failure
    }

    fn again(&self) -> Again {
        match self.0 {
            503 => Again::Yes { after: None },
            _ => Again::No,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_another_attempt_cannot_help_is_final() {
    let retry = Retry::new(plain()).unwrap().classify_by(ByVerdict);
    let (out, attempts) = retry
        .call_with(Cx::new(), |cx| {
            ready(Err::<(), _>(Status(if cx.attempt() == 1 {
                503
            } else {
                404
            })))
        })
        .counted()
        .await;
    assert_eq!((out, attempts), (Err(Status(404)), 2));
}

#[tokio::test(start_paused = true)]
async fn a_successful_value_may_be_retried_too() {
    let retry = Retry::new(plain()).unwrap().classify_by(|status: &u16| {
        let again = match status {
            202 => Again::Yes { after: None },
            _ => Again::No,
        };
        (Sample::Success, again)
    });
    let status = retry
        .run(Cx::new(), |cx| {
            ready(if cx.attempt() < 3 { 202 } else { 200 })
        })
        .await;
    assert_eq!(status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_must_not_be_repeated_is_not() {
    let log = Log::new();
    let retry = Retry::new(plain()).unwrap();
    let mut failing = log.failing();
    let out = retry
        .call_with(Cx::new().with_idempotent(false), |_cx| failing())
        .await;
    assert_eq!(out, Err("down"));
    assert_eq!(log.at(), [0]);
}

#[tokio::test(start_paused = true)]
async fn the_operation_learns_its_attempt_number() {
    let retry = Retry::new(plain()).unwrap();
    let mut seen = Vec::new();
    let out: Result<(), ()> = retry
        .call_with(Cx::new().with_attempt(9), |cx| {
            seen.push(cx.attempt());
            ready(Err(()))
        })
        .await;
    assert_eq!(out, Err(()));
    assert_eq!(seen, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn dropping_it_during_an_attempt_or_a_wait_makes_no_further_attempt() {
    let retry = Retry::new(plain()).unwrap();
    let log = Log::new();
    let mut waiting = Box::pin(retry.call(log.failing()));
    assert_eq!(waiting.as_mut().now_or_never(), None);
    drop(waiting);
    let mut running = Box::pin(retry.call(|| {
        log.note();
        pending::<Result<(), ()>>()
    }));
    assert_eq!(running.as_mut().now_or_never(), None);
    drop(running);
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(log.at(), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_failed_attempt_lives_on_while_it_waits() {
    let retry = Retry::new(plain()).unwrap();
    let connection = std::rc::Rc::new(());
    let mut waiting = Box::pin(retry.call(|| ready(Err::<(), _>(std::rc::Rc::clone(&connection)))));
    assert_eq!(waiting.as_mut().now_or_never(), None);
    assert_eq!(std::rc::Rc::strong_count(&connection), 1);
}

#[tokio::test(start_paused = true)]
async fn the_specification_s_function_and_context_follow_the_settings() {
    let log = Log::new();
    assert_eq!(
        retry_with_backoff(log.failing(), &plain()).await,
        Err("down")
    );
    assert_eq!(log.at(), [0, 1000, 3000]);

    let log = Log::new();
    let context = RetryContext::new(plain().max_attempts(2)).unwrap();
    assert_eq!(context.run(log.failing()).await, Err("down"));
    assert_eq!(context.run(log.failing()).await, Err("down"));
    assert_eq!(log.at(), [0, 1000, 1000, 2000]);
}

#[tokio::test(start_paused = true)]
async fn the_function_brings_impossible_settings_into_range() {
    let log = Log::new();
    let config = plain()
        .max_attempts(0)
        .base_delay(Duration::ZERO)
        .max_delay(Duration::ZERO)
        .backoff_multiplier(f64::NAN)
        .max_elapsed(Duration::ZERO);
    assert_eq!(
        retry_with_backoff(log.failing(), &config).await,
        Err("down")
    );
    assert_eq!(log.at(), [0]);
}

#[test]
fn impossible_settings_are_refused_all_at_once() {
    let faults = Retry::new(
        plain()
            .max_attempts(0)
            .base_delay(Duration::from_secs(9))
            .max_delay(Duration::from_secs(3))
            .backoff_multiplier(0.5)
            .max_elapsed(Duration::ZERO),
    )
    .unwrap_err();
    assert_eq!(
        faults.to_string(),
        "invalid configuration: max_attempts must be at least 1, got 0; \
         max_delay must be at least base_delay (9s), got 3s; \
         backoff_multiplier must be a number of at least 1, got 0.5; \
         max_elapsed must be longer than zero, got 0s"
    );
}

#[tokio::test(start_paused = true)]
async fn new_settings_reach_clones() {
    let retry = Retry::new(plain()).unwrap();
    let clone = retry.clone();
    retry.reconfigure(plain().max_attempts(2)).unwrap();
    assert!(retry.reconfigure(plain().max_attempts(0)).is_err());
    let (_, attempts) = clone.call(Log::new().failing()).counted().await;
    assert_eq!(attempts, 2);
}
