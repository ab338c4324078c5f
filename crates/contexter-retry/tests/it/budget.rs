//! How many retries a budget allows.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use contexter_retry::{Budget, BudgetConfig, Config, Hedge, HedgeConfig, Reason, Retry};
use contexter_service::{Cx, ManualClock, Policy};
use futures_util::FutureExt;

use crate::{Log, plain};

fn ratio(ratio: f64) -> BudgetConfig {
    BudgetConfig::new().ratio(ratio).reserve(0)
}

/// How many retries are made of `first` calls that all fail.
async fn retries(retry: &Retry, first: u64) -> u64 {
    let log = Log::new();
    for _ in 0..first {
        assert_eq!(retry.call(log.failing()).await, Err("down"));
    }
    u64::try_from(log.at().len()).unwrap() - first
}

#[tokio::test(start_paused = true)]
async fn a_hundred_failing_calls_get_exactly_their_share_of_retries() {
    for (share, expected) in [(0.2, 20), (0.6, 60), (0.1, 10), (1.0, 100), (1.0 / 3.0, 33)] {
        for max_attempts in [2, 10] {
            let config = plain().max_attempts(max_attempts).budget(ratio(share));
            let retry = Retry::new(config).unwrap();
            assert_eq!(retries(&retry, 100).await, expected, "ratio {share}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_reserve_comes_on_top() {
    let budget = ratio(0.2).reserve(5).max_tokens(50);
    let retry = Retry::new(plain().max_attempts(10).budget(budget)).unwrap();
    assert_eq!(retries(&retry, 100).await, 25);
}

#[tokio::test(start_paused = true)]
async fn exhausted_it_returns_the_original_error_at_once_and_says_why() {
    let reasons = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&reasons);
    let retry = Retry::new(plain().budget(ratio(0.5)))
        .unwrap()
        .on_give_up(move |gave_up| seen.lock().unwrap().push(gave_up.reason));
    let log = Log::new();
    let (out, attempts) = retry.call(log.failing()).counted().await;
    assert_eq!((out, attempts), (Err("down"), 1));
    assert_eq!(log.elapsed_ms(), 0);
    assert_eq!(*reasons.lock().unwrap(), [Reason::Budget]);
    let budget = retry.budget().unwrap().snapshot();
    assert_eq!(budget.counter("exhausted"), Some(1));
}

#[test]
fn a_retry_that_waits_holds_its_token() {
    let clock = ManualClock::new();
    let budget = Budget::new(ratio(0.001).reserve(1)).unwrap();
    let retry = Retry::with_timer(plain(), clock)
        .unwrap()
        .with_budget(budget.clone());
    let mut waiting = Box::pin(retry.call(|| ready(Err::<(), _>("first"))));
    assert_eq!(waiting.as_mut().now_or_never(), None);
    assert_eq!(budget.tokens(), 0);
    let second = retry.call(|| ready(Err::<(), _>("second")));
    assert_eq!(second.now_or_never(), Some(Err("second")));
    drop(waiting);
    assert_eq!(
        budget.tokens(),
        1,
        "a retry that was not made costs nothing"
    );
}

#[test]
fn a_retry_that_has_begun_has_spent_its_token() {
    let clock = ManualClock::new();
    let budget = Budget::new(ratio(0.001).reserve(1)).unwrap();
    let retry = Retry::with_timer(plain(), clock.clone())
        .unwrap()
        .with_budget(budget.clone());
    let mut call = Box::pin(retry.call_with(Cx::new(), |cx| async move {
        if cx.attempt() > 1 {
            std::future::pending::<()>().await;
        }
        Err::<(), _>("down")
    }));
    assert_eq!(call.as_mut().now_or_never(), None);
    clock.advance(Duration::from_secs(1));
    assert_eq!(call.as_mut().now_or_never(), None);
    drop(call);
    assert_eq!(budget.tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_success_of_a_retry_earns_nothing() {
    let retry = Retry::new(plain().budget(ratio(0.5).reserve(10))).unwrap();
    for _ in 0..10 {
        let out = retry
            .call_with(Cx::new(), |cx| {
                ready(if cx.attempt() > 1 {
                    Ok(())
                } else {
                    Err("down")
                })
            })
            .await;
        assert_eq!(out, Ok(()));
    }
    // Ten first attempts earned five, ten retries cost ten.
    assert_eq!(retry.budget().unwrap().tokens(), 5);
}

#[tokio::test(start_paused = true)]
async fn nested_mechanisms_of_one_budget_count_a_call_once() {
    let budget = Budget::new(ratio(1.0)).unwrap();
    let outer = Retry::new(plain()).unwrap().with_budget(budget.clone());
    let hedge = Hedge::new(HedgeConfig::new())
        .unwrap()
        .with_budget(budget.clone());
    let inner = outer.clone();
    let stack = (outer, hedge, inner);
    let out = stack.run(Cx::new(), |_cx| ready(Ok::<_, ()>(()))).await;
    assert_eq!(out, Ok(()));
    assert_eq!(budget.tokens(), 1);
    // The second attempt of a call is no first attempt.
    let repeated = Cx::new().with_attempt(2);
    let (outer, hedge, _) = &stack;
    let out = outer.run(repeated, |_cx| ready(Ok::<_, ()>(()))).await;
    assert_eq!(out, Ok(()));
    let out = hedge.run(repeated, |_cx| ready(Ok::<_, ()>(()))).await;
    assert_eq!(out, Ok(()));
    assert_eq!(budget.tokens(), 1);
}

#[tokio::test(start_paused = true)]
async fn clones_and_hedges_draw_from_one_bucket() {
    let retry = Retry::new(plain().budget(ratio(0.001).reserve(2))).unwrap();
    let budget = retry.budget().unwrap().clone();
    let other = retry.clone();
    let (_, attempts) = other.call(Log::new().failing()).counted().await;
    assert_eq!(attempts, 3);
    let hedge = Hedge::new(HedgeConfig::new()).unwrap().with_budget(budget);
    let calls = AtomicU32::new(0);
    let out = hedge
        .call(|| {
            calls.fetch_add(1, Ordering::Relaxed);
            ready(Err::<(), _>("down"))
        })
        .await;
    assert_eq!((out, calls.into_inner()), (Err("down"), 1));
}

#[test]
fn threads_never_overdraw_it() {
    const TOKENS: u32 = 1000;
    let budget = Budget::new(ratio(0.5).reserve(TOKENS).max_tokens(TOKENS)).unwrap();
    let taken = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..TOKENS {
                    if let Some(token) = budget.try_withdraw() {
                        token.spend();
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(taken.into_inner(), TOKENS);
    assert_eq!(budget.tokens(), 0);
}

#[test]
fn a_long_time_without_failures_does_not_pay_for_a_storm() {
    let budget = Budget::new(ratio(1.0).max_tokens(7)).unwrap();
    for _ in 0..10_000 {
        budget.deposit();
    }
    assert_eq!(budget.tokens(), 7);
    let token = budget.try_withdraw().unwrap();
    budget.deposit();
    drop(token);
    assert_eq!(
        budget.tokens(),
        7,
        "what is given back does not pass the bound"
    );
}

#[tokio::test(start_paused = true)]
async fn new_settings_keep_the_tokens() {
    let config = plain().budget(ratio(1.0).reserve(40));
    let retry = Retry::new(config).unwrap();
    let tokens = |retry: &Retry| retry.budget().map(Budget::tokens);
    retry
        .reconfigure(config.budget(ratio(0.1).reserve(0)))
        .unwrap();
    assert_eq!(tokens(&retry), Some(40));
    retry
        .reconfigure(config.budget(ratio(0.1).max_tokens(30)))
        .unwrap();
    assert_eq!(tokens(&retry), Some(30));
    let mut off = config;
    off.budget = None;
    retry.reconfigure(off).unwrap();
    assert_eq!(tokens(&retry), None);
    assert_eq!(retries(&retry, 10).await, 20, "nothing bounds it");
    retry.reconfigure(config).unwrap();
    assert_eq!(tokens(&retry), Some(30));
}

#[tokio::test(start_paused = true)]
async fn a_budget_may_be_switched_on_later() {
    let retry = Retry::new(plain()).unwrap();
    let clone = retry.clone();
    assert_eq!(retries(&clone, 1).await, 2);
    retry
        .reconfigure(plain().budget(ratio(0.2).reserve(1)))
        .unwrap();
    assert_eq!(retries(&clone, 1).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_was_given_is_left_to_its_giver() {
    let budget = Budget::new(ratio(1.0).reserve(9)).unwrap();
    let retry = Retry::new(plain()).unwrap().with_budget(budget.clone());
    retry
        .reconfigure(plain().budget(BudgetConfig::new().reserve(0).max_tokens(1)))
        .unwrap();
    assert_eq!(budget.tokens(), 9);
    retry.reconfigure(plain()).unwrap();
    assert_eq!(retries(&retry, 1).await, 2);
    assert_eq!(budget.tokens(), 8, "one was earned, two were spent");
}

#[test]
fn it_is_pristine_until_somebody_could_tell() {
    let budget = Budget::new(BudgetConfig::new()).unwrap();
    assert!(budget.is_pristine());
    budget.deposit();
    assert!(budget.is_pristine(), "a full one stays as it is");
    let clone = budget.clone();
    assert!(!budget.is_pristine());
    drop(clone);
    assert!(budget.is_pristine());
    let token = budget.try_withdraw().unwrap();
    assert!(!budget.is_pristine());
    drop(token);
    assert!(budget.is_pristine(), "a count decides nothing");
    assert_eq!(budget.snapshot().counter("withdrawn"), Some(1));
    assert_eq!(budget.snapshot().counter("tokens"), Some(100));
    let earned = Budget::new(ratio(1.0)).unwrap();
    earned.deposit();
    assert!(earned.is_pristine(), "it holds more than its reserve");
}

#[tokio::test(start_paused = true)]
async fn retry_and_hedge_are_pristine_while_their_budget_is() {
    let retry = Retry::new(plain().budget(BudgetConfig::new())).unwrap();
    assert_eq!(retry.call(|| ready(Ok::<_, ()>(()))).await, Ok(()));
    assert!(retry.is_pristine());
    let clone = retry.clone();
    assert!(!retry.is_pristine());
    drop(clone);
    assert_eq!(retries(&retry, 1).await, 2);
    assert!(!retry.is_pristine());
    assert_eq!(retry.snapshot().counter("retries"), Some(2));
    assert_eq!(retry.snapshot().counter("gave_up"), Some(1));
    assert_eq!(retry.snapshot().counter("budget_tokens"), Some(98));
    for _ in 0..10 {
        assert_eq!(retry.call(|| ready(Ok::<_, ()>(()))).await, Ok(()));
    }
    assert!(retry.is_pristine(), "the budget has its reserve again");
    let unbounded = Retry::new(plain()).unwrap();
    assert_eq!(retries(&unbounded, 1).await, 2);
    assert!(unbounded.is_pristine(), "counts decide nothing");

    let hedge = Hedge::new(HedgeConfig::new()).unwrap();
    assert!(hedge.is_pristine());
    assert_eq!(hedge.call(|| ready(Err::<(), _>(()))).await, Err(()));
    assert!(hedge.is_pristine(), "counts decide nothing");
    let bounded = Hedge::new(HedgeConfig::new().budget(BudgetConfig::new())).unwrap();
    assert_eq!(bounded.call(|| ready(Err::<(), _>(()))).await, Err(()));
    assert!(!bounded.is_pristine(), "a token is gone");
    assert_eq!(hedge.snapshot().counter("started"), Some(1));
    assert_eq!(hedge.snapshot().counter("won"), Some(0), "it failed too");
}

#[test]
fn impossible_settings_are_refused_all_at_once() {
    let faults = Budget::new(ratio(0.0).reserve(9).max_tokens(0)).unwrap_err();
    assert_eq!(
        faults.to_string(),
        "invalid configuration: ratio must be above 0 and at most 1, got 0; \
         reserve must be at most max_tokens (0), got 9; \
         max_tokens must be from 1 to 1000000, got 0"
    );
    for bad in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
        let faults = Retry::new(plain().budget(ratio(bad))).unwrap_err();
        assert_eq!(faults.faults()[0].field, "budget.ratio", "{bad}");
    }
    let config: Config = plain().budget(ratio(0.2));
    let retry = Retry::new(config).unwrap();
    assert!(retry.reconfigure(config.budget(ratio(2.0))).is_err());
    assert_eq!(retry.config(), config);
}

#[test]
fn a_poll_that_panics_gives_nothing_back_that_was_spent() {
    let clock = ManualClock::new();
    let budget = Budget::new(ratio(0.001).reserve(1)).unwrap();
    let retry = Retry::with_timer(plain(), clock.clone())
        .unwrap()
        .with_budget(budget.clone());
    let mut call = Box::pin(retry.call_with(Cx::new(), |cx| async move {
        assert!(cx.attempt() == 1, "the second attempt panics");
        Err::<(), _>("down")
    }));
    assert_eq!(call.as_mut().now_or_never(), None);
    clock.advance(Duration::from_secs(1));
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        matches!(call.as_mut().poll(&mut context), Poll::Ready(_))
    }));
    assert!(polled.is_err());
    drop(call);
    assert_eq!(budget.tokens(), 0);
}
