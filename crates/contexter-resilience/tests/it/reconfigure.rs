//! New settings in a running stack.

use std::time::Duration;

use contexter_breaker::Config as Breaker;
use contexter_limit::{BulkheadConfig, Quota, RateLimitConfig};
use contexter_model::ErrorKind;
use contexter_resilience::{BreakerConfig, Scope};
use contexter_retry::{BudgetConfig, HedgeConfig};
use contexter_service::BreakerState;

use crate::{Attempts, plain, stack, succeed, timed};

#[tokio::test(start_paused = true)]
async fn an_open_breaker_stays_open() {
    let stack = stack(plain());
    for _ in 0..5 {
        Attempts::default()
            .fail(&stack, ErrorKind::Unavailable)
            .await;
    }
    let new = plain().breaker(BreakerConfig::from(Breaker::new().failure_threshold(50)));
    stack.clone().reconfigure(new.clone()).unwrap();
    assert_eq!(stack.config(), new);
    assert_eq!(stack.snapshot().breaker_state, Some(BreakerState::Open));
}

#[tokio::test(start_paused = true)]
async fn every_part_takes_its_new_settings() {
    let limit = Duration::from_secs(5);
    let stack = stack(plain().attempt_timeout(Duration::from_secs(9)));
    stack
        .reconfigure(
            plain()
                .breaker(BreakerConfig::default().timeout(Duration::from_mins(10)))
                .retry(contexter_retry::Config::new().max_attempts(1))
                .attempt_timeout(limit),
        )
        .unwrap();
    let attempts = Attempts::default();
    let (took, _) = timed(attempts.hang(&stack)).await;
    assert_eq!((took, attempts.take()), (limit, 1));
}

#[test]
fn what_is_out_of_range_is_named_and_nothing_changes() {
    let stack = stack(plain());
    let faults = stack
        .reconfigure(
            plain()
                .scope(Scope::Attempt)
                .retry(None)
                .hedge(HedgeConfig::new().max_attempts(9))
                .rate_limit(RateLimitConfig::new().requests(Quota::per_minute(0)))
                .bulkhead(BulkheadConfig::new().max_concurrent(0))
                .breaker(BreakerConfig::from(Breaker::new().failure_threshold(0)))
                .deadline(Duration::ZERO),
        )
        .unwrap_err();
    let fields: Vec<_> = faults.faults().iter().map(|fault| &*fault.field).collect();
    assert_eq!(
        fields,
        [
            "breaker.failure_threshold",
            "hedge.max_attempts",
            "rate_limit.requests.limit",
            "bulkhead.max_concurrent",
            "deadline",
        ]
    );
    assert_eq!(stack.config(), plain());
}

#[tokio::test(start_paused = true)]
async fn any_part_is_switched_on_and_off_and_the_scope_changes_while_running() {
    let stack = stack(plain());
    let attempts = Attempts::default();
    attempts.fail(&stack, ErrorKind::Unavailable).await;
    assert_eq!(attempts.take(), 3);

    stack.reconfigure(plain().retry(None)).unwrap();
    attempts.fail(&stack, ErrorKind::Unavailable).await;
    assert_eq!(attempts.take(), 1);
    assert_eq!(stack.snapshot().failure_count, 2);

    // In this scope every attempt counts: two failures are there, three more open it.
    stack.reconfigure(plain().scope(Scope::Attempt)).unwrap();
    attempts.fail(&stack, ErrorKind::Unavailable).await;
    assert_eq!(attempts.take(), 3);
    assert_eq!(stack.snapshot().breaker_state, Some(BreakerState::Open));

    stack.reconfigure(plain().breaker(None)).unwrap();
    assert_eq!(succeed(&stack).await.unwrap(), 1);
    assert_eq!(stack.snapshot().breaker_state, None);

    stack.reconfigure(plain()).unwrap();
    assert_eq!(
        stack.snapshot().breaker_state,
        Some(BreakerState::Open),
        "what was off kept its state"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_keeps_what_has_been_used() {
    let quota = |limit| RateLimitConfig::new().requests(Quota::per_minute(limit).burst(limit));
    let no_wait = |limit| plain().rate_limit(quota(limit).max_wait(Duration::ZERO));
    let stack = stack(plain());
    stack.reconfigure(no_wait(2)).unwrap();
    succeed(&stack).await.unwrap();
    succeed(&stack).await.unwrap();
    assert_eq!(
        succeed(&stack).await.unwrap_err().kind(),
        ErrorKind::RateLimited
    );
    stack.reconfigure(no_wait(1)).unwrap();
    assert_eq!(
        succeed(&stack).await.unwrap_err().kind(),
        ErrorKind::RateLimited
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_under_way_is_guarded_once_whatever_the_scope_becomes() {
    let two = BreakerConfig::from(Breaker::new().failure_threshold(2));
    let stack = stack(plain().breaker(two));
    let running = stack.clone();
    let call = tokio::spawn(async move {
        Attempts::default()
            .fail(&running, ErrorKind::Unavailable)
            .await
    });
    // Its first attempt has failed, and it waits for the second.
    tokio::time::sleep(Duration::from_millis(500)).await;
    stack
        .reconfigure(plain().breaker(two).scope(Scope::Attempt))
        .unwrap();
    call.await.unwrap();
    let snapshot = stack.snapshot();
    assert_eq!(snapshot.breaker_state, Some(BreakerState::Closed));
    assert_eq!(snapshot.failure_count, 1, "one logical call is one sample");
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_comes_later_bounds_hedges_too() {
    let hedge = HedgeConfig::new()
        .delay(Duration::from_millis(10))
        .max_attempts(4);
    let stack = stack(plain().retry(None).hedge(hedge));
    let attempts = Attempts::default();
    attempts.fail(&stack, ErrorKind::Unavailable).await;
    assert_eq!(attempts.take(), 4, "without a budget every attempt is made");

    let budget = BudgetConfig::new().ratio(0.001).reserve(1).max_tokens(1);
    let retry = contexter_retry::Config::new()
        .max_attempts(1)
        .budget(budget);
    stack
        .reconfigure(plain().retry(retry).hedge(hedge))
        .unwrap();
    attempts.fail(&stack, ErrorKind::Unavailable).await;
    assert_eq!(attempts.take(), 2, "one token, one more attempt");
    attempts.fail(&stack, ErrorKind::Unavailable).await;
    assert_eq!(attempts.take(), 1);

    stack.reconfigure(plain().retry(None).hedge(hedge)).unwrap();
    attempts.fail(&stack, ErrorKind::Unavailable).await;
    assert_eq!(attempts.take(), 4);
}
