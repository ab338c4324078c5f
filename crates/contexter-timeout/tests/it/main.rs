//! The public behaviour of the timeout, on paused time and on the manual clock.

use std::future::{Future, pending, ready};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use contexter_service::{Clock, Cx, DefaultClock, Elapsed, ManualClock, Policy, Verdict};
use contexter_timeout::{Error, Timeout};
use futures_util::task::noop_waker;
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

#[test]
fn an_operation_that_is_ready_at_once_registers_no_timer() {
    let clock = ManualClock::new();
    let timeout = Timeout::with_timer(LIMIT, clock.clone()).unwrap();
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    let mut call = Box::pin(timeout.call(|| ready(Outcome::Ok(()))));
    assert_eq!(call.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(clock.sleepers(), 0);

    let mut call = Box::pin(timeout.call(pending::<Outcome>));
    assert_eq!(clock.sleepers(), 0);
    assert!(call.as_mut().poll(&mut cx).is_pending());
    assert_eq!(clock.sleepers(), 1);
    drop(call);
    assert_eq!(clock.sleepers(), 0, "dropping it unregisters the timer");
}

#[test]
fn ready_in_the_poll_in_which_the_time_is_over_is_in_time() {
    let clock = ManualClock::new();
    let timeout = Timeout::with_timer(LIMIT, clock.clone()).unwrap();
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    let done = AtomicBool::new(false);
    let mut call = Box::pin(timeout.call(|| {
        std::future::poll_fn(|_| {
            if done.load(Ordering::Relaxed) {
                Poll::Ready(Outcome::Ok(()))
            } else {
                Poll::Pending
            }
        })
    }));
    assert!(call.as_mut().poll(&mut cx).is_pending());
    clock.advance(LIMIT);
    done.store(true, Ordering::Relaxed);
    assert_eq!(call.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
}

struct Flag<'a>(&'a AtomicBool);

impl Drop for Flag<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_operation_is_dropped_before_the_error_is_returned() {
    let clock = ManualClock::new();
    let timeout = Timeout::with_timer(LIMIT, clock.clone()).unwrap();
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    let dropped = AtomicBool::new(false);
    let mut call = Box::pin(timeout.call(|| {
        let flag = Flag(&dropped);
        async move {
            let _flag = flag;
            pending::<Outcome>().await
        }
    }));
    assert!(call.as_mut().poll(&mut cx).is_pending());
    clock.advance(LIMIT);
    assert!(call.as_mut().poll(&mut cx).is_ready());
    assert!(
        dropped.load(Ordering::Relaxed),
        "while the future still exists"
    );
}

#[derive(Debug, PartialEq)]
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
    use contexter_service::{Again, Sample};
    let elapsed: Error<Elapsed> = Error::Elapsed(Elapsed { after: LIMIT });
    assert_eq!(elapsed.to_string(), "operation timed out after 30s");
    assert_eq!(elapsed.sample(), Sample::Failure);
    assert_eq!(elapsed.again(), Again::Yes { after: None });
}
