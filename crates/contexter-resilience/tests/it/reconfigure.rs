//! New settings in a running stack.

use std::time::Duration;

use contexter_breaker::Config as Breaker;
use contexter_model::ErrorKind;
use contexter_resilience::{BreakerConfig, Scope};
use contexter_service::BreakerState;

use crate::{Attempts, plain, stack, timed};

#[tokio::test(start_paused = true)]
async fn an_open_breaker_stays_open() {
    let stack = stack(plain());
    for _ in 0..5 {
        Attempts::default()
            .fail(&stack, ErrorKind::Unavailable)
            .await;
    }
    let new = plain().breaker(BreakerConfig::from(Breaker::new().failure_threshold(50)));
    stack.clone().reconfigure(new).unwrap();
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
fn what_a_running_stack_cannot_take_is_named_and_nothing_changes() {
    let stack = stack(plain());
    let faults = stack
        .reconfigure(
            plain()
                .scope(Scope::Attempt)
                .retry(None)
                .breaker(BreakerConfig::from(Breaker::new().failure_threshold(0)))
                .deadline(Duration::from_secs(1)),
        )
        .unwrap_err();
    let fields: Vec<_> = faults.faults().iter().map(|fault| &*fault.field).collect();
    assert_eq!(
        fields,
        [
            "breaker.failure_threshold",
            "scope",
            "retry",
            "attempt_timeout"
        ]
    );
    assert_eq!(stack.config(), plain());
}
