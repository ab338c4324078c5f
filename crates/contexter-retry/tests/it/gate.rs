//! Which failed calls may be repeated at all.

use std::future::ready;
use std::time::Duration;

use contexter_retry::{Reason, Retry};
use contexter_service::{Again, ByVerdict, Clock, Cx, DefaultClock, Open, Sample, Verdict};

use crate::{Log, plain};

#[derive(Clone, Debug, PartialEq)]
enum Failure {
    /// The connection was refused: nothing was sent.
    Connect,
    /// The connection broke after the request.
    Broken,
    /// An open breaker on this side.
    Open(Open),
}

impl Verdict for Failure {
    fn sample(&self) -> Sample {
        match self {
            Self::Open(open) => open.sample(),
            _ => Sample::Failure,
        }
    }

    fn again(&self) -> Again {
        match self {
            Self::Open(open) => open.again(),
            _ => Again::Yes { after: None },
        }
    }

    fn sent(&self) -> bool {
        matches!(self, Self::Broken)
    }

    fn refused(&self) -> Option<Duration> {
        match self {
            Self::Open(open) => open.refused(),
            _ => None,
        }
    }
}

async fn attempts(cx: Cx, failures: &[Failure]) -> u32 {
    let retry = Retry::new(plain().max_attempts(5))
        .unwrap()
        .classify_by(ByVerdict);
    let mut failures = failures.iter();
    let (_, attempts) = retry
        .call_with(cx, |_cx| {
            ready(
                failures
                    .next()
                    .map_or(Ok(()), |failure| Err(failure.clone())),
            )
        })
        .counted()
        .await;
    attempts
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_do_harm_is_repeated_only_while_it_was_not_sent() {
    use Failure::{Broken, Connect};
    let once = Cx::new().with_idempotent(false);
    assert_eq!(attempts(once, &[Broken]).await, 1);
    assert_eq!(attempts(once, &[Connect]).await, 2);
    assert_eq!(
        attempts(once, &[Connect, Connect, Broken, Connect]).await,
        3
    );
    // With an idempotency key, the caller says that it is harmless.
    let keyed = Cx::new().with_idempotent(true);
    assert_eq!(attempts(keyed, &[Broken, Broken]).await, 3);
}

const OPEN: Failure = Failure::Open(Open {
    retry_after: Some(Duration::from_secs(20)),
});

/// A breaker that is open for 20 s, and whatever comes then.
async fn behind_a_breaker(
    config: contexter_retry::Config,
    cx: Cx,
    then: &[Result<(), Failure>],
) -> (Result<(), Failure>, Vec<u64>, Option<Reason>) {
    let reason = std::sync::Arc::new(std::sync::Mutex::new(None));
    let seen = std::sync::Arc::clone(&reason);
    let retry = Retry::new(config)
        .unwrap()
        .classify_by(ByVerdict)
        .on_give_up(move |gave_up| *seen.lock().unwrap() = Some(gave_up.reason));
    let log = Log::new();
    let mut outs = std::iter::once(&Err(OPEN)).chain(then);
    let out = retry
        .call_with(cx, |_cx| {
            log.note();
            ready(outs.next().cloned().unwrap())
        })
        .await;
    let reason = *reason.lock().unwrap();
    (out, log.at(), reason)
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_not_retried_by_default() {
    let (out, at, reason) = behind_a_breaker(plain(), Cx::new(), &[]).await;
    assert_eq!((out, at, reason), (Err(OPEN), vec![0], None));
}

#[tokio::test(start_paused = true)]
async fn if_so_told_it_waits_once_until_the_breaker_may_admit() {
    let waits = plain().wait_if_refused(true).max_attempts(5);
    let (out, at, _) = behind_a_breaker(waits, Cx::new(), &[Ok(())]).await;
    assert_eq!((out, at), (Ok(()), vec![0, 20_000]));

    let (out, at, reason) = behind_a_breaker(waits, Cx::new(), &[Err(OPEN)]).await;
    assert_eq!((out, at), (Err(OPEN), vec![0, 20_000]));
    assert_eq!(reason, Some(Reason::Refused));

    let (out, at, _) = behind_a_breaker(waits, Cx::new(), &[Err(Failure::Connect), Ok(())]).await;
    assert_eq!(
        (out, at),
        (Ok(()), vec![0, 20_000, 21_000]),
        "the backoff begins after it"
    );
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_a_breaker_must_fit_the_deadline_and_the_ceiling() {
    let waits = plain().wait_if_refused(true);
    for (secs, fits) in [(20, false), (21, true)] {
        let cx = Cx::new().with_deadline(DefaultClock.now() + Duration::from_secs(secs));
        let (_, at, _) = behind_a_breaker(waits, cx, &[Ok(())]).await;
        assert_eq!(at.len() == 2, fits, "{secs} s are left");
    }
    let (out, at, reason) = behind_a_breaker(
        waits.max_retry_after(Duration::from_secs(19)),
        Cx::new(),
        &[],
    )
    .await;
    assert_eq!((out, at), (Err(OPEN), vec![0]));
    assert_eq!(reason, Some(Reason::MaxRetryAfter));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_breaker_costs_no_token_of_the_budget() {
    let budget = contexter_retry::BudgetConfig::new().ratio(0.1).reserve(0);
    let waits = plain().wait_if_refused(true).budget(budget);
    let (out, at, _) = behind_a_breaker(waits, Cx::new(), &[Ok(())]).await;
    assert_eq!((out, at), (Ok(()), vec![0, 20_000]));
    let once = Cx::new().with_idempotent(false);
    let (out, _, _) = behind_a_breaker(waits, once, &[Ok(())]).await;
    assert_eq!(out, Ok(()), "nothing was sent, so nothing is sent twice");
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_held_open_is_not_waited_for() {
    let held = Err::<(), _>(Failure::Open(Open { retry_after: None }));
    let retry = Retry::new(plain().wait_if_refused(true))
        .unwrap()
        .classify_by(ByVerdict);
    let (out, attempts) = retry.call(|| ready(held.clone())).counted().await;
    assert_eq!((out, attempts), (held.clone(), 1));
}
