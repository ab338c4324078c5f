//! What stands in for a failed call, when it may, and what comes back if it fails too.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error as _;
use std::future::{pending, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use contexter_fallback::{Error, Fallback, Operation};
use contexter_service::{
    Again, Both, ByVerdict, Cx, Elapsed, Open, Policy, PolicySnapshot, Sample, Verdict,
};

use crate::{Gate, now, poll};

fn counts(snapshot: &PolicySnapshot) -> (u64, u64) {
    (
        snapshot.counter("served").unwrap(),
        snapshot.counter("failed").unwrap(),
    )
}

#[test]
fn a_value_stands_in_for_a_failed_call() {
    let fallback = Fallback::value(7);
    assert_eq!(now(fallback.call(|| ready(Err("down")))), Ok(7));
    assert_eq!(now(fallback.call(|| ready(Ok::<_, &str>(1)))), Ok(1));
    assert_eq!(counts(&fallback.snapshot()), (1, 0));
}

#[test]
fn the_operation_that_stands_in_sees_the_original_error() {
    let fallback = Fallback::with(|error: &u16| {
        let status = *error;
        async move { Ok::<_, Infallible>(format!("sorry, {status}")) }
    });
    let out = now(fallback.call(|| ready(Err(503))));
    assert_eq!(out, Ok("sorry, 503".to_owned()));
}

#[test]
fn a_failing_fallback_returns_both_errors() {
    let fallback =
        Fallback::with(|error: &u16| ready(Err::<(), _>(format!("no copy for {error}"))));
    let error = now(fallback.call(|| ready(Err(503)))).unwrap_err();
    let Error::Both(Both {
        original,
        fallback: also,
    }) = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!((*original, also.as_str()), (503, "no copy for 503"));
    assert!(error.is_both());
    assert_eq!(counts(&fallback.snapshot()), (0, 1));
}

#[test]
fn the_error_names_the_fallback_and_has_the_original_as_its_source() {
    let refused = || Err::<(), _>(Open { retry_after: None });
    let fallback = Fallback::with(move |_: &Elapsed| ready(refused()));
    let elapsed = Elapsed {
        after: std::time::Duration::from_secs(2),
    };
    let error = now(fallback.call(|| ready(Err(elapsed)))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the fallback failed too: circuit breaker is open"
    );
    assert_eq!(
        error.source().unwrap().to_string(),
        "operation timed out after 2s"
    );
    assert_eq!(error.sample(), Sample::Failure);
    assert_eq!(error.again(), Again::Yes { after: None });
}

#[test]
fn an_error_that_is_not_eligible_comes_back_unchanged() {
    let fallback = Fallback::value(0).when(|status: &u16| *status >= 500);
    assert_eq!(
        now(fallback.call(|| ready(Err(404)))),
        Err(Error::Inner(404))
    );
    assert_eq!(now(fallback.call(|| ready(Err(500)))), Ok(0));
}

#[test]
fn by_verdict_answers_that_stay_the_same_are_not_eligible() {
    struct Status(u16);
    impl Verdict for Status {
        fn sample(&self) -> Sample {
            match self.0 {
                429 | 0 => Sample::Neutral,
                500.. => Sample::Failure,
                _ => Sample::Success,
            }
        }
        fn again(&self) -> Again {
            match self.0 {
                429 => Again::Yes { after: None },
                _ => Again::No,
            }
        }
        fn sent(&self) -> bool {
            self.0 != 0
        }
    }
    let fallback = Fallback::value("instead").when(ByVerdict);
    for (status, eligible) in [
        (0, true),
        (404, false),
        (401, false),
        (429, true),
        (500, true),
    ] {
        let out = now(fallback.call(|| ready(Err(Status(status)))));
        assert_eq!(out.is_ok(), eligible, "{status}");
    }
}

#[test]
fn the_operation_begins_at_the_first_poll_and_ends_before_its_fallback() {
    let gate = Gate::new();
    let dropped_before = Cell::new(None);
    let fallback = Fallback::with(|_: &&str| {
        dropped_before.set(Some(gate.dropped()));
        ready(Ok::<_, Infallible>(0))
    });
    let mut call = pin!(fallback.call(|| gate.begin()));
    assert_eq!(gate.begun(), 0);
    assert!(poll(call.as_mut()).is_pending());
    gate.open(Err("down"));
    assert_eq!(poll(call.as_mut()), std::task::Poll::Ready(Ok(0)));
    assert_eq!(dropped_before.get(), Some(1));
}

#[test]
fn dropping_a_call_counts_nothing_and_leaves_the_fallback_usable() {
    let fallback = Fallback::with(|_: &&str| pending::<Result<u8, Infallible>>());
    let mut call = Box::pin(fallback.call(|| ready(Err("down"))));
    assert!(poll(call.as_mut()).is_pending(), "the fallback hangs");
    drop(call);
    let mut call = Box::pin(fallback.call(pending::<Result<u8, &str>>));
    assert!(poll(call.as_mut()).is_pending(), "the operation hangs");
    drop(call);
    assert!(fallback.is_pristine());
    assert_eq!(now(fallback.call(|| ready(Ok::<_, &str>(3)))), Ok(3));
}

#[test]
fn clones_share_the_numbers_and_a_shared_fallback_is_not_pristine() {
    let fallback = Fallback::value(());
    let clone = fallback.clone().when(|(): &()| true);
    assert!(!fallback.is_pristine());
    assert_eq!(now(clone.call(|| ready(Err(())))), Ok(()));
    drop(clone);
    assert_eq!(counts(&fallback.snapshot()), (1, 0));
    assert!(!fallback.is_pristine());
}

#[derive(Debug, PartialEq)]
enum AppError {
    Status(u16),
    Both(Box<Both<AppError>>),
}

impl From<Both<AppError>> for AppError {
    fn from(both: Both<AppError>) -> Self {
        Self::Both(Box::new(both))
    }
}

#[test]
fn as_a_policy_the_error_type_stays_flat_and_takes_up_both() {
    let mirror = AtomicU32::new(0);
    let fallback = Fallback::with(|_: &AppError| {
        mirror.fetch_add(1, Ordering::SeqCst);
        ready(Err::<u8, _>(AppError::Status(500)))
    })
    .when(|error: &AppError| *error != AppError::Status(404));
    let run = |status| {
        now((&fallback, ()).run(Cx::new(), move |_cx| ready(Err(AppError::Status(status)))))
    };

    assert_eq!(run(404), Err(AppError::Status(404)));
    assert_eq!(mirror.load(Ordering::SeqCst), 0);
    let both = Both {
        original: AppError::Status(503),
        fallback: AppError::Status(500),
    };
    assert_eq!(run(503), Err(AppError::Both(Box::new(both))));
}

#[test]
fn as_a_policy_a_value_asks_nothing_of_the_error_type() {
    let fallback = Fallback::value("instead");
    let out: Result<_, std::io::Error> = now(fallback.run(Cx::new(), |cx| {
        assert_eq!(cx.attempt(), 1);
        ready(Err(std::io::ErrorKind::TimedOut.into()))
    }));
    assert_eq!(out.unwrap(), "instead");
}

#[tokio::test]
async fn a_fallback_runs_in_a_spawned_task() {
    let client = Arc::new("mirror".to_owned());
    let fallback = {
        let client = Arc::clone(&client);
        Fallback::with(move |_: &AppError| {
            let client = Arc::clone(&client);
            async move {
                tokio::task::yield_now().await;
                Ok::<_, AppError>(client.len())
            }
        })
    };
    let task = tokio::spawn(async move {
        fallback
            .run(Cx::new(), |_cx| async { Err(AppError::Status(503)) })
            .await
    });
    assert_eq!(task.await.unwrap(), Ok(6));
}

#[test]
fn the_type_of_a_fallback_to_a_function_can_be_named() {
    type Failed = std::future::Ready<Result<usize, Infallible>>;
    type Length = fn(&String) -> Failed;
    struct Client {
        fallback: Fallback<Operation<Length>>,
    }
    let length: Length = |error| ready(Ok(error.len()));
    let client = Client {
        fallback: Fallback::with(length),
    };
    let out = now(client.fallback.call(|| ready(Err("four".to_owned()))));
    assert_eq!(out, Ok(4));
}
