//! What the two orders of the mechanisms mean.

use std::time::Duration;

use contexter_model::{Error, ErrorKind};
use contexter_resilience::{BreakerConfig, Scope};
use contexter_service::{BreakerState, Cx, Sample};

use crate::{Attempts, plain, stack, succeed, timed};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn in_call_scope_a_call_with_all_its_retries_is_one_sample() {
    let stack = stack(plain());
    let attempts = Attempts::default();
    for failures in 1..=5 {
        assert_eq!(
            attempts.fail(&stack, ErrorKind::Unavailable).await,
            ErrorKind::Unavailable
        );
        assert_eq!(attempts.take(), 3);
        assert_eq!(stack.snapshot().failure_count, failures);
    }
    assert_eq!(stack.snapshot().breaker_state, Some(BreakerState::Open));
    let refused = attempts.fail(&stack, ErrorKind::Unavailable).await;
    assert_eq!((refused, attempts.take()), (ErrorKind::Unavailable, 0));
}

#[tokio::test(start_paused = true)]
async fn in_attempt_scope_every_attempt_is_a_sample_and_an_open_breaker_ends_the_retry() {
    let stack = stack(plain().scope(Scope::Attempt));
    let attempts = Attempts::default();
    attempts.fail(&stack, ErrorKind::Unavailable).await;
    assert_eq!(attempts.take(), 3);
    assert_eq!(stack.snapshot().failure_count, 3);
    let (took, _) = timed(attempts.fail(&stack, ErrorKind::Unavailable)).await;
    assert_eq!(attempts.take(), 2, "the fifth failure opens it");
    assert_eq!(took, secs(3), "the refusal of the third attempt is final");
    let (took, _) = timed(attempts.fail(&stack, ErrorKind::Unavailable)).await;
    assert_eq!((took, attempts.take()), (secs(0), 0));
}

#[tokio::test(start_paused = true)]
async fn an_outer_refusal_says_when_to_come_back() {
    let stack = stack(plain());
    for _ in 0..5 {
        Attempts::default()
            .fail(&stack, ErrorKind::Unavailable)
            .await;
    }
    tokio::time::advance(secs(20)).await;
    let refused = succeed(&stack).await.unwrap_err();
    assert!(refused.is_rejection());
    assert_eq!(refused.retry_after(), Some(secs(40)));
}

#[tokio::test(start_paused = true)]
async fn three_successes_after_the_break_close_it() {
    let stack = stack(plain());
    for _ in 0..5 {
        Attempts::default()
            .fail(&stack, ErrorKind::Unavailable)
            .await;
    }
    tokio::time::advance(secs(60)).await;
    for state in [
        BreakerState::HalfOpen,
        BreakerState::HalfOpen,
        BreakerState::Closed,
    ] {
        assert_eq!(succeed(&stack).await.unwrap(), 1);
        assert_eq!(stack.snapshot().breaker_state, Some(state));
    }
}

#[tokio::test(start_paused = true)]
async fn in_call_scope_the_breaker_s_timeout_bounds_the_whole_call_and_counts() {
    let stack = stack(plain());
    let attempts = Attempts::default();
    let (took, error) = timed(attempts.hang(&stack)).await;
    assert_eq!((took, error.kind()), (secs(30), ErrorKind::Timeout));
    assert_eq!(attempts.take(), 1);
    assert_eq!(stack.snapshot().failure_count, 1);
}

#[tokio::test(start_paused = true)]
async fn in_attempt_scope_the_breaker_s_timeout_bounds_each_attempt() {
    let stack = stack(plain().scope(Scope::Attempt));
    let attempts = Attempts::default();
    let (took, error) = timed(attempts.hang(&stack)).await;
    assert_eq!(took, secs(30 + 1 + 30 + 2 + 30));
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(attempts.take(), 3);
    assert_eq!(stack.snapshot().failure_count, 3);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_has_its_own_timeout_or_what_is_left_of_the_deadline() {
    let config = plain().attempt_timeout(secs(8)).deadline(secs(12));
    for scope in [Scope::Call, Scope::Attempt] {
        let attempts = Attempts::default();
        let stack = stack(config.clone().scope(scope));
        let (took, error) = timed(attempts.hang(&stack)).await;
        // Eight seconds, a wait of one, and the three that are left.
        assert_eq!((took, attempts.take()), (secs(12), 2), "{scope:?}");
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }
}

#[tokio::test(start_paused = true)]
async fn the_caller_s_own_deadline_is_kept_when_it_is_earlier() {
    use contexter_service::{Clock, DefaultClock};
    for scope in [Scope::Call, Scope::Attempt] {
        let stack = stack(plain().scope(scope));
        let cx = Cx::new().with_deadline(DefaultClock.now() + secs(2));
        let (took, out) =
            timed(stack.run(cx, |_cx| std::future::pending::<Result<(), Error>>())).await;
        assert_eq!(took, secs(2), "{scope:?}");
        assert_eq!(out.unwrap_err().kind(), ErrorKind::Timeout);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limited_call_is_neutral_and_waits_as_asked() {
    let stack = stack(plain());
    let (took, out) = timed(stack.run(Cx::new(), |cx| async move {
        if cx.attempt() < 3 {
            let asked = Some(secs(7));
            return Err(Error::new(ErrorKind::RateLimited, "slow down").with_retry_after(asked));
        }
        Ok(cx.attempt())
    }))
    .await;
    assert_eq!((took, out.unwrap()), (secs(14), 3));
    assert_eq!(stack.snapshot().failure_count, 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_blames_the_request_is_a_success_of_the_far_side() {
    let stack = stack(plain());
    let attempts = Attempts::default();
    attempts.fail(&stack, ErrorKind::Unavailable).await;
    assert_eq!(stack.snapshot().failure_count, 1);
    attempts.take();
    assert_eq!(
        attempts.fail(&stack, ErrorKind::NotFound).await,
        ErrorKind::NotFound
    );
    assert_eq!(attempts.take(), 1);
    assert_eq!(stack.snapshot().failure_count, 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_counts_as_a_failure_by_default() {
    let stack = stack(plain());
    let dropped = tokio::time::timeout(secs(1), Attempts::default().hang(&stack)).await;
    assert!(dropped.is_err());
    assert_eq!(stack.snapshot().failure_count, 1);
}

#[tokio::test(start_paused = true)]
async fn parts_that_are_off_do_nothing() {
    let attempts = Attempts::default();
    let bare = stack(plain().breaker(None).retry(None));
    for _ in 0..100 {
        attempts.fail(&bare, ErrorKind::Unavailable).await;
    }
    assert_eq!(attempts.take(), 100);
    assert_eq!(bare.snapshot().breaker_state, None);
    assert!(bare.breaker().is_none());
    assert_eq!(succeed(&bare).await.unwrap(), 1);

    let patient = stack(plain().breaker(BreakerConfig::default().timeout(None)));
    let out = patient
        .run(Cx::new(), |_cx| async {
            tokio::time::sleep(secs(3600)).await;
            Ok::<_, Error>(())
        })
        .await;
    assert!(out.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_breaker_can_be_held_open_by_hand() {
    let stack = stack(plain());
    stack.breaker().expect("it is on").isolate();
    assert!(succeed(&stack).await.unwrap_err().is_rejection());
    stack.breaker().expect("it is on").release();
    assert!(succeed(&stack.clone()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_waits_for_the_breaker_if_it_is_told_to() {
    let breaker = contexter_breaker::Config::new().failure_threshold(1);
    let stack = stack(
        plain()
            .scope(Scope::Attempt)
            .retry(contexter_retry::Config::new().wait_if_refused(true))
            .breaker(BreakerConfig::from(breaker.recovery_timeout(secs(7)))),
    );
    stack.breaker().expect("it is on").trip_for(secs(7));
    let (took, out) = timed(succeed(&stack)).await;
    assert_eq!(out.unwrap(), 2);
    assert!((secs(7)..secs(9)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flat_error_serves_errors_that_mean_nothing() {
    use contexter_resilience::{StackConfig, StandardStack, UnlessRejected};
    use contexter_service::{Again, Classify, DefaultClock, Open};
    type Flat = contexter_resilience::Error<&'static str>;

    let config = StackConfig::new().scope(Scope::Attempt);
    let stack = StandardStack::with(config, DefaultClock, UnlessRejected).unwrap();
    let out: Result<(), Flat> = stack
        .run(Cx::new(), |_cx| {
            std::future::ready(Err(Flat::Inner("down")))
        })
        .await;
    assert_eq!(out, Err(Flat::Inner("down")));
    assert_eq!(stack.snapshot().failure_count, 3, "it was retried");

    let refused: Result<(), Flat> = Err(Open { retry_after: None }.into());
    assert_eq!(UnlessRejected.sample(&refused), Sample::Neutral);
    assert_eq!(UnlessRejected.again(&refused), Again::No);
}
