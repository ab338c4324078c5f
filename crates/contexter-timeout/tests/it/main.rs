//! The public behaviour of the timeout, on paused time and on the manual clock.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bounds;
mod faces;
mod telemetry;

use std::future::{pending, ready};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_service::{
    Again, Clock, Cx, DefaultClock, Elapsed, ManualClock, Open, Policy, Sample, Verdict,
};
use contexter_timeout::{Error, Timeout};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(30);

type Outcome = Result<(), &'static str>;

#[tokio::test(start_paused = true)]
async fn the_time_ends_at_the_limit() {
    let start = Instant::now();
    let out = Timeout::new(LIMIT).unwrap().call(pending::<Outcome>).await;
    assert_eq!(out, Err(Error::Elapsed(Elapsed { after: LIMIT })));
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn an_operation_keeps_its_own_outcome_within_the_limit() {
    let timeout = Timeout::new(LIMIT).unwrap();
    let slow = |outcome: Outcome| async move {
        tokio::time::sleep(Duration::from_secs(29)).await;
        outcome
    };
    assert_eq!(timeout.call(|| slow(Ok(()))).await, Ok(()));
    assert_eq!(
        timeout.call(|| slow(Err("refused"))).await,
        Err(Error::Inner("refused"))
    );
}

/// An error of one's own.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Late(Duration);

impl From<Elapsed> for Late {
    fn from(elapsed: Elapsed) -> Self {
        Self(elapsed.after)
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_context_wins_when_it_is_earlier() {
    let timeout = Timeout::new(LIMIT).unwrap();
    for (left, limit) in [(5, 5), (30, 30), (300, 30)] {
        let start = Instant::now();
        let cx = Cx::new().with_deadline(DefaultClock.now() + Duration::from_secs(left));
        let out: Result<(), Late> = timeout.run(cx, |_cx| pending()).await;
        assert_eq!(out, Err(Late(Duration::from_secs(limit))));
        assert_eq!(start.elapsed().as_secs(), limit);
    }
}

#[tokio::test(start_paused = true)]
async fn the_operation_sees_the_deadline_it_has() {
    let outer = Timeout::new(Duration::from_secs(10)).unwrap();
    let inner = Timeout::new(LIMIT).unwrap();
    let seen: Result<Option<std::time::Instant>, Late> = (outer, inner)
        .run(Cx::new(), |cx| ready(Ok(cx.deadline())))
        .await;
    assert_eq!(
        seen.unwrap(),
        Some(DefaultClock.now() + Duration::from_secs(10))
    );
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_not_begun_when_no_time_is_left() {
    let timeout = Timeout::new(LIMIT).unwrap();
    let cx = Cx::new().with_deadline(DefaultClock.now());
    let begun = AtomicBool::new(false);
    let out: Result<(), Late> = timeout
        .run(cx, |_cx| {
            begun.store(true, Ordering::Relaxed);
            pending()
        })
        .await;
    assert_eq!(out, Err(Late(Duration::ZERO)));
    assert!(!begun.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn a_new_limit_reaches_clones_and_zero_is_refused() {
    let timeout = Timeout::new(LIMIT).unwrap();
    let clone = timeout.clone();
    timeout.reconfigure(Duration::from_secs(1)).unwrap();
    assert_eq!(
        timeout.reconfigure(Duration::ZERO).unwrap_err().to_string(),
        "invalid configuration: timeout must be longer than zero, got 0s"
    );
    assert_eq!(clone.limit(), Duration::from_secs(1));
    let start = Instant::now();
    assert!(clone.call(pending::<Outcome>).await.is_err());
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_limit_beyond_the_clock_never_ends() {
    let timeout = Timeout::new(Duration::MAX).unwrap();
    let out = timeout
        .call(|| async {
            tokio::time::sleep(Duration::from_hours(24 * 365)).await;
            Outcome::Ok(())
        })
        .await;
    assert_eq!(out, Ok(()));
}

#[test]
fn an_elapsed_time_is_a_failure_that_may_be_retried() {
    let elapsed: Error<Elapsed> = Error::Elapsed(Elapsed { after: LIMIT });
    assert_eq!(elapsed.to_string(), "operation timed out after 30s");
    assert_eq!(elapsed.sample(), Sample::Failure);
    assert_eq!(elapsed.again(), Again::Yes { after: None });
}

#[test]
fn an_error_of_the_operation_speaks_for_itself() {
    let open = Open {
        retry_after: Some(LIMIT),
    };
    let inner = Error::Inner(open);
    assert_eq!(inner.sample(), Sample::Neutral);
    assert_eq!(inner.again(), Again::No);
    assert_eq!(inner.refused(), Some(LIMIT));
    assert!(!inner.sent());
    assert_eq!(inner.into_inner(), Some(open));
    let unbegun: Error<Open> = Error::Elapsed(Elapsed {
        after: Duration::ZERO,
    });
    assert!(!unbegun.sent());
    assert_eq!(unbegun.trip(), None);
    assert_eq!(unbegun.into_inner(), None);
}

#[test]
fn each_attempt_gets_the_less_of_its_own_limit_and_what_is_left_and_none_begins_after_it() {
    let clock = ManualClock::new();
    let total = Timeout::with_timer(Duration::from_secs(10), clock.clone()).unwrap();
    let attempt = Timeout::with_timer(Duration::from_secs(4), clock.clone()).unwrap();
    let start = clock.now();
    let begun = std::sync::Mutex::new(Vec::new());
    let ended = std::sync::Mutex::new(Vec::new());
    let attempts = |cx| {
        let (attempt, begun, ended, clock) = (&attempt, &begun, &ended, &clock);
        async move {
            loop {
                let hang = |_cx| {
                    begun.lock().unwrap().push((clock.now() - start).as_secs());
                    pending::<Result<(), Late>>()
                };
                let Err(Late(after)) = attempt.run(cx, hang).await else {
                    continue;
                };
                ended.lock().unwrap().push(after.as_secs());
                if after.is_zero() {
                    return Err(Late(after));
                }
            }
        }
    };
    let out: Option<Result<(), Late>> = clock.run_until_stalled(total.run(Cx::new(), attempts));
    // The last attempt and the whole call end at the same moment; the attempt is heard first.
    assert!(matches!(out, Some(Err(_))), "{out:?}");
    assert_eq!(begun.into_inner().unwrap(), [0, 4, 8]);
    assert_eq!(ended.into_inner().unwrap(), [4, 4, 2, 0]);
    assert_eq!(clock.now() - start, Duration::from_secs(10));
}

#[test]
fn a_limit_of_one_call_replaces_the_limit_shorter_or_longer() {
    let clock = ManualClock::new();
    let timeout = Timeout::with_timer(LIMIT, clock.clone()).unwrap();
    for limit in [Duration::ZERO, LIMIT / 30, LIMIT, LIMIT * 10] {
        let start = clock.now();
        let call = timeout.call_within(limit, pending::<Outcome>);
        let elapsed = Error::Elapsed(Elapsed { after: limit });
        assert_eq!(clock.run_until_stalled(call), Some(Err(elapsed)));
        assert_eq!(clock.now() - start, limit);
    }
    assert_eq!(timeout.limit(), LIMIT);
}

#[test]
fn a_call_that_is_never_polled_begins_nothing() {
    let clock = ManualClock::new();
    let timeout = Timeout::with_timer(LIMIT, clock.clone()).unwrap();
    let begun = AtomicBool::new(false);
    let op = || {
        begun.store(true, Ordering::Relaxed);
        pending::<Outcome>()
    };
    drop(timeout.call(op));
    assert!(!begun.load(Ordering::Relaxed));
    assert_eq!(clock.sleepers(), 0);
}
