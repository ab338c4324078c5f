//! The parts of the stack, each in its place.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contexter_limit::{AdaptiveConfig, BulkheadConfig, Quota, RateLimitConfig};
use contexter_model::{Error, ErrorKind};
use contexter_resilience::{Keyed, Scope, StackConfig, StandardStack};
use contexter_retry::{BudgetConfig, HedgeConfig};
use contexter_service::{BreakerState, Cx};
use tokio::time::{Instant, sleep};

use crate::{Attempts, plain, stack, succeed, timed};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_slow_call_is_hedged_and_the_loser_is_dropped() {
    let stack = stack(plain().hedge(HedgeConfig::new().delay(SECOND)));
    let running = Arc::new(AtomicU32::new(0));
    let (took, out) = timed(stack.run(Cx::new(), |cx| {
        let running = Arc::clone(&running);
        async move {
            let running = Running::new(running);
            if cx.attempt() == 1 {
                pending::<()>().await;
            }
            drop(running);
            Ok::<_, Error>(cx.attempt())
        }
    }))
    .await;
    assert_eq!((took, out.unwrap()), (SECOND, 2));
    assert_eq!(running.load(Ordering::SeqCst), 0);
}

struct Running(Arc<AtomicU32>);

impl Running {
    fn new(counter: Arc<AtomicU32>) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(counter)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn retries_and_hedges_draw_from_one_budget() {
    let budget = BudgetConfig::new().ratio(0.001).reserve(1).max_tokens(1);
    let retry = contexter_retry::Config::new().budget(budget);
    let stack = stack(
        StackConfig::new()
            .retry(retry)
            .hedge(HedgeConfig::new().delay(SECOND)),
    );
    let attempts = Attempts::default();
    attempts.fail(&stack, ErrorKind::Unavailable).await;
    assert_eq!(attempts.take(), 2, "the one token went to a second attempt");
    attempts.fail(&stack, ErrorKind::Unavailable).await;
    assert_eq!(attempts.take(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_takes_from_the_quota() {
    let quota = Quota::per_minute(2).burst(2);
    let stack = stack(
        plain().rate_limit(
            RateLimitConfig::new()
                .requests(quota)
                .max_wait(Duration::ZERO),
        ),
    );
    let attempts = Attempts::default();
    let kind = attempts.fail(&stack, ErrorKind::Unavailable).await;
    assert_eq!((kind, attempts.take()), (ErrorKind::RateLimited, 2));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_limit_is_neutral_for_the_breaker() {
    for scope in [Scope::Call, Scope::Attempt] {
        let one = BulkheadConfig::new().max_concurrent(1).max_queue(0);
        let stack = stack(plain().scope(scope).bulkhead(one));
        let holder = stack.clone();
        let held = tokio::spawn(async move { Attempts::default().hang(&holder).await });
        tokio::task::yield_now().await;
        for _ in 0..10 {
            assert!(succeed(&stack).await.unwrap_err().is_rejection());
        }
        assert_eq!(stack.snapshot().breaker_state, Some(BreakerState::Closed));
        assert_eq!(stack.snapshot().failure_count, 0);
        held.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_to_retry_holds_no_place() {
    let one = BulkheadConfig::new().max_concurrent(1).max_queue(0);
    let stack = stack(plain().bulkhead(one));
    let retrying = stack.clone();
    let task = tokio::spawn(async move {
        Attempts::default()
            .fail(&retrying, ErrorKind::Unavailable)
            .await
    });
    sleep(SECOND / 2).await;
    assert_eq!(succeed(&stack).await.unwrap(), 1);
    assert_eq!(task.await.unwrap(), ErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn the_adaptive_limit_bounds_concurrency() {
    let stack = stack(
        plain()
            .breaker(None)
            .adaptive(AdaptiveConfig::new().min(1).max(4).initial(2).max_queue(0)),
    );
    let calls = (0..10).map(|_| {
        let stack = stack.clone();
        async move {
            stack
                .run(Cx::new(), |_cx| async {
                    sleep(SECOND).await;
                    Ok::<_, Error>(())
                })
                .await
        }
    });
    let admitted = futures_util::future::join_all(calls)
        .await
        .iter()
        .filter(|out| out.is_ok())
        .count();
    assert_eq!(admitted, 2);
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_opens_the_breaker_for_the_stated_time() {
    let stack = stack(plain());
    let spent = |_cx| async {
        Err::<(), _>(
            Error::new(ErrorKind::QuotaExhausted, "monthly quota")
                .with_retry_after(Some(Duration::from_mins(10))),
        )
    };
    let _: Result<(), Error> = stack.run(Cx::new(), spent).await;
    let refused = succeed(&stack).await.unwrap_err();
    assert_eq!(refused.retry_after(), Some(Duration::from_mins(10)));
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_ends_the_call() {
    let stack = stack(plain());
    let started = Instant::now();
    let cx = Cx::new().with_deadline(started.into_std() + 5 * SECOND);
    let out: Result<(), Error> = stack.run(cx, |_cx| pending()).await;
    assert_eq!(out.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(started.elapsed(), 5 * SECOND);
}

#[test]
fn the_presets_are_in_range_and_survive_serialisation() {
    for preset in [
        StackConfig::voyage_ai(),
        StackConfig::context7(),
        StackConfig::bright_data(),
        StackConfig::qdrant(),
    ] {
        preset.clone().build().unwrap();
        let text = serde_json::to_string(&preset).unwrap();
        assert_eq!(serde_json::from_str::<StackConfig>(&text).unwrap(), preset);
    }
}

#[tokio::test(start_paused = true)]
async fn stacks_by_key_are_forgotten_only_when_nothing_shows() {
    let stacks = Keyed::new(1, |_: &String| StandardStack::new(plain()).unwrap()).unwrap();
    succeed(&stacks.get("a")).await.unwrap();
    Attempts::default()
        .fail(&stacks.get("b"), ErrorKind::Unavailable)
        .await;
    assert_eq!((stacks.forgotten(), stacks.overflowed()), (1, 0));
    let _ = stacks.get("c");
    assert_eq!(
        (stacks.forgotten(), stacks.overflowed()),
        (1, 1),
        "the failure of b counts"
    );
    sleep(60 * SECOND).await;
    let _ = stacks.get("c");
    assert_eq!(
        (stacks.forgotten(), stacks.overflowed()),
        (2, 1),
        "for as long as a break, whatever was retried and counted"
    );
}

#[tokio::test(start_paused = true)]
async fn probes_that_are_slow_and_within_their_limits_close_the_breaker() {
    let stack = stack(StackConfig::bright_data());
    while stack.snapshot().breaker_state != Some(BreakerState::Open) {
        Attempts::default()
            .fail(&stack, ErrorKind::Unavailable)
            .await;
    }
    sleep(60 * SECOND).await;
    let slow = || {
        let stack = stack.clone();
        tokio::spawn(async move {
            let answer = |_cx| async {
                sleep(90 * SECOND).await;
                Ok::<_, Error>(())
            };
            stack.run(Cx::new(), answer).await
        })
    };
    let probes = [slow(), slow(), slow()];
    sleep(61 * SECOND).await;
    assert!(succeed(&stack).await.unwrap_err().is_rejection());
    assert_eq!(stack.snapshot().breaker_state, Some(BreakerState::HalfOpen));
    for probe in probes {
        probe.await.unwrap().unwrap();
    }
    assert_eq!(stack.snapshot().breaker_state, Some(BreakerState::Closed));
}

#[test]
fn probes_never_count_as_hung_before_their_limit() {
    let expected = |config: &StackConfig| match config.scope {
        Scope::Call => config.deadline,
        _ => config.attempt_timeout,
    };
    for preset in [
        StackConfig::voyage_ai(),
        StackConfig::context7(),
        StackConfig::bright_data(),
    ] {
        let longest = expected(&preset).unwrap();
        let changed = stack(plain());
        changed.reconfigure(preset.clone()).unwrap();
        for stack in [stack(preset), changed] {
            let breaker = stack.breaker().expect("it is on").config();
            assert_eq!(breaker.max_half_open, longest);
        }
    }
    let default = stack(plain()).breaker().expect("it is on").config();
    assert_eq!(default.max_half_open, 60 * SECOND, "longer is left alone");
}
