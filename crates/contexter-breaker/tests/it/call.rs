//! The face for futures.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contexter_breaker::{Abandoned, Breaker, Config, Error, UnlessOpen};
use contexter_service::{
    Again, BreakerState, ByVerdict, Classify, Cx, HttpStatus, Open, Policy, Sample,
};
use futures_util::FutureExt;

use crate::{after_break, breaker};

type Outcome = Result<(), &'static str>;

#[tokio::test]
async fn an_open_breaker_does_not_call_the_operation() {
    let (breaker, _clock) = breaker(Config::new().failure_threshold(2));
    let calls = AtomicU32::new(0);
    for _ in 0..10 {
        let out: Result<(), _> = breaker
            .call(|| {
                calls.fetch_add(1, Ordering::Relaxed);
                ready(Err("down"))
            })
            .await;
        assert!(out.is_err());
    }
    assert_eq!(calls.into_inner(), 2);
}

#[tokio::test]
async fn the_operation_is_called_once_and_may_be_consumed() {
    let (breaker, _clock) = breaker(Config::new());
    let owned = String::from("moved in");
    let out: Result<String, Error<()>> = breaker.call(|| async move { Ok(owned) }).await;
    assert_eq!(out.unwrap(), "moved in");
}

#[test]
fn admission_is_asked_for_at_the_first_poll() {
    let (breaker, _clock) = after_break(Config::new().permitted_probes(1));
    let unpolled = breaker.call(pending::<Outcome>);
    let mut polled = Box::pin(breaker.call(pending::<Outcome>));
    assert!(polled.as_mut().now_or_never().is_none());
    drop(unpolled);
    assert_eq!(
        breaker.snapshot().counter("probes"),
        Some(1),
        "the future that was never polled took no place"
    );
}

#[test]
fn a_call_dropped_before_its_first_poll_changes_nothing() {
    let (breaker, _clock) = after_break(Config::new());
    drop(breaker.call(pending::<Outcome>));
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(breaker.snapshot().counter("opened"), Some(1));
}

#[test]
fn dropped_calls_to_a_hung_far_side_open_the_breaker_by_default() {
    for (abandoned, state) in [
        (Abandoned::Failure, BreakerState::Open),
        (Abandoned::Neutral, BreakerState::Closed),
    ] {
        let (breaker, _clock) = breaker(Config::new().abandoned(abandoned));
        for _ in 0..50 {
            let _ = breaker.call(pending::<Outcome>).now_or_never();
        }
        assert_eq!(breaker.state(), state);
    }
}

#[test]
fn a_dropped_probe_makes_room_for_the_next_at_once() {
    let config = Config::new()
        .permitted_probes(1)
        .success_threshold(1)
        .abandoned(Abandoned::Neutral);
    let (breaker, _clock) = after_break(config);
    let mut probe = Box::pin(breaker.call(pending::<Outcome>));
    assert!(probe.as_mut().now_or_never().is_none());
    drop(probe);
    let out = breaker.call(|| ready(Outcome::Ok(()))).now_or_never();
    assert_eq!(out, Some(Ok(())));
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[tokio::test]
async fn a_panicking_operation_counts_as_a_failure() {
    // Even where an abandoned call counts nothing, and the panic is caught around the call.
    let config = Config::new()
        .failure_threshold(1)
        .abandoned(Abandoned::Neutral);
    let (breaker, _clock) = breaker(config);
    let call = breaker.call(|| async {
        assert_ne!(breaker.failure_count(), 0, "inside the operation");
        Outcome::Ok(())
    });
    let panicked = std::panic::AssertUnwindSafe(call).catch_unwind().await;
    assert!(panicked.is_err());
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[derive(Debug, PartialEq)]
enum MyError {
    Refused(Open),
    Status(u16),
}

impl From<Open> for MyError {
    fn from(open: Open) -> Self {
        Self::Refused(open)
    }
}

#[tokio::test]
async fn as_a_policy_it_reads_outcomes_by_its_classifier_and_keeps_the_error_flat() {
    let (breaker, _clock) = breaker(Config::new().failure_threshold(1));
    let breaker = breaker.classify_by(|out: &Result<(), MyError>| match out {
        Ok(()) => (Sample::Success, Again::No),
        Err(MyError::Status(500..)) => (Sample::Failure, Again::Yes { after: None }),
        Err(_) => (Sample::Neutral, Again::No),
    });
    let fails = |status| {
        let breaker = &breaker;
        async move {
            breaker
                .run(Cx::new(), move |_cx| ready(Err(MyError::Status(status))))
                .await
        }
    };
    assert_eq!(fails(429).await, Err(MyError::Status(429)));
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert_eq!(fails(503).await, Err(MyError::Status(503)));
    assert_eq!(
        fails(503).await,
        Err(MyError::Refused(Open {
            retry_after: Some(crate::BREAK)
        }))
    );
}

#[test]
fn errors_show_one_level_and_keep_the_rest_as_source() {
    let open: Error<std::io::Error> = Error::Open(Open { retry_after: None });
    assert_eq!(open.to_string(), "circuit breaker is open");
    assert!(open.is_open());
    let inner = Error::Inner(std::io::Error::other("reset"));
    assert_eq!(inner.to_string(), "reset");
    assert_eq!(inner.into_inner().unwrap().to_string(), "reset");
}

#[test]
fn a_refusal_is_final_for_a_retry_that_classifies_unless_open() {
    let refused: Result<(), Error<&str>> = Err(Error::Open(Open { retry_after: None }));
    let failed: Result<(), Error<&str>> = Err(Error::Inner("down"));
    let classify = UnlessOpen;
    assert_eq!(classify.again(&refused), Again::No);
    assert_eq!(classify.sample(&refused), Sample::Neutral);
    assert_eq!(classify.again(&failed), Again::Yes { after: None });
    assert_eq!(classify.sample(&failed), Sample::Failure);
}

#[test]
fn a_refusal_says_to_every_classifier_that_the_call_was_not_sent() {
    let retry_after = Some(Duration::from_secs(7));
    let refused: Result<(), Error<HttpStatus>> = Err(Error::Open(Open { retry_after }));
    let code = 402;
    let quota: Result<(), _> = Err(Error::Inner(HttpStatus { code, retry_after }));
    assert!(!ByVerdict.sent(&refused) && ByVerdict.sent(&quota));
    assert!(
        !UnlessOpen.sent(&refused)
            && UnlessOpen.sent(&quota)
            && UnlessOpen.sent(&Ok::<_, Error<()>>(()))
    );
    assert_eq!(ByVerdict.refused(&refused), retry_after);
    assert_eq!(UnlessOpen.refused(&refused), retry_after);
    assert_eq!(UnlessOpen.refused(&quota), None);
    assert_eq!(ByVerdict.trip(&quota), retry_after, "the inner error's own");
    assert_eq!(ByVerdict.trip(&refused), None);
}

#[test]
fn a_breaker_on_the_default_clock_needs_no_runtime() {
    let breaker = Breaker::new(Config::new()).unwrap();
    let out = breaker.call(|| ready(Outcome::Ok(()))).now_or_never();
    assert_eq!(out, Some(Ok(())));
}
