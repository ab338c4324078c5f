//! How attempts of one hedged call run side by side.

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::rc::Rc;
use std::time::Duration;

use contexter_retry::{BudgetConfig, Hedge, HedgeConfig};
use contexter_service::{
    Again, ByVerdict, Clock, Cx, DefaultClock, Full, ManualClock, Policy, Sample, Verdict,
};
use futures_util::FutureExt;
use tokio::time::sleep;

use crate::Log;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn hedge(delay: u64, attempts: u32) -> Hedge {
    let config = HedgeConfig::new()
        .delay(millis(delay))
        .max_attempts(attempts);
    Hedge::new(config).unwrap()
}

/// A permit of some other mechanism, which counts those that are out.
struct Permit<'a>(&'a Cell<u32>);

impl<'a> Permit<'a> {
    fn take(out: &'a Cell<u32>) -> Self {
        out.set(out.get() + 1);
        Self(out)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_attempt_faster_than_the_delay_is_the_only_one() {
    let log = Log::new();
    let out = hedge(100, 2)
        .call(|| async {
            log.note();
            sleep(millis(99)).await;
            Ok::<_, ()>("one")
        })
        .await;
    assert_eq!((out, log.at()), (Ok("one"), vec![0]));
}

#[test]
fn a_call_that_is_ready_at_once_registers_no_timer() {
    let clock = ManualClock::new();
    let hedge = Hedge::with_timer(HedgeConfig::new(), clock.clone()).unwrap();
    let call = hedge.call(|| ready(Ok::<_, ()>(1)));
    assert_eq!(call.now_or_never(), Some(Ok(1)));
    assert_eq!(clock.sleepers(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_attempt_gets_company_and_the_first_outcome_wins() {
    let log = Log::new();
    let permits = Cell::new(0);
    let out = hedge(100, 2)
        .call_with(Cx::new(), |cx| {
            let (log, permits) = (&log, &permits);
            async move {
                log.note();
                let _permit = Permit::take(permits);
                sleep(millis(if cx.attempt() == 1 { 1000 } else { 50 })).await;
                Ok::<_, ()>(cx.attempt())
            }
        })
        .await;
    assert_eq!(out, Ok(2));
    assert_eq!(log.at(), [0, 100]);
    assert_eq!(log.elapsed_ms(), 150);
    assert_eq!(permits.get(), 0, "the loser was dropped");
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_may_still_win() {
    let out = hedge(100, 2)
        .call_with(Cx::new(), |cx| async move {
            sleep(millis(if cx.attempt() == 1 { 120 } else { 500 })).await;
            Ok::<_, ()>(cx.attempt())
        })
        .await;
    assert_eq!(out, Ok(1));
}

/// Notes its end.
struct Loser<'a>(&'a RefCell<Vec<&'static str>>);

impl Drop for Loser<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push("loser dropped");
    }
}

#[test]
fn losers_end_before_the_caller_hears_of_the_winner() {
    let order = RefCell::new(Vec::new());
    let clock = ManualClock::new();
    let hedge = Hedge::with_timer(HedgeConfig::new(), clock.clone()).unwrap();
    let mut call = std::pin::pin!(hedge.call_with(Cx::new(), |cx| {
        let order = &order;
        async move {
            if cx.attempt() == 1 {
                let _loser = Loser(order);
                pending::<()>().await;
            }
            Ok::<_, ()>(())
        }
    }));
    assert_eq!(call.as_mut().now_or_never(), None);
    clock.advance(Duration::from_secs(1));
    assert_eq!(call.as_mut().now_or_never(), Some(Ok(())));
    // The future itself is still there.
    assert_eq!(*order.borrow(), ["loser dropped"]);
    assert_eq!(clock.sleepers(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_delay_begins_one_more_up_to_the_maximum() {
    let log = Log::new();
    let out = hedge(100, 4)
        .call(|| async {
            log.note();
            sleep(millis(1000)).await;
            Ok::<_, ()>(())
        })
        .await;
    assert_eq!((out, log.at()), (Ok(()), vec![0, 100, 200, 300]));
    assert_eq!(log.elapsed_ms(), 1000);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_may_be_retried_begins_the_next_attempt_at_once() {
    let log = Log::new();
    let out = hedge(100, 3)
        .call_with(Cx::new(), |cx| {
            log.note();
            async move {
                sleep(millis(10)).await;
                if cx.attempt() < 3 {
                    Err(cx.attempt())
                } else {
                    Ok("third")
                }
            }
        })
        .await;
    assert_eq!((out, log.at()), (Ok("third"), vec![0, 10, 20]));
}

#[tokio::test(start_paused = true)]
async fn the_delay_is_counted_from_the_last_attempt_that_was_begun() {
    let log = Log::new();
    let out = hedge(100, 3)
        .call_with(Cx::new(), |cx| {
            log.note();
            async move {
                if cx.attempt() == 1 {
                    sleep(millis(40)).await;
                    return Err("down");
                }
                sleep(millis(1000)).await;
                Ok(())
            }
        })
        .await;
    assert_eq!((out, log.at()), (Ok(()), vec![0, 40, 140]));
}

#[tokio::test(start_paused = true)]
async fn the_last_error_is_returned_only_when_all_have_failed() {
    // The second fails before the first, which is then waited for.
    let log = Log::new();
    let out = hedge(100, 2)
        .call_with(Cx::new(), |cx| async move {
            sleep(millis(if cx.attempt() == 1 { 500 } else { 50 })).await;
            Err::<(), _>(cx.attempt())
        })
        .await;
    assert_eq!((out, log.elapsed_ms()), (Err(1), 500));
    let out = hedge(100, 4)
        .call_with(Cx::new(), |cx| ready(Err::<(), _>(cx.attempt())))
        .await;
    assert_eq!(out, Err(4));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_nothing_can_better_wins_too() {
    let final_error = |out: &Result<(), &str>| match out {
        Err("404") => (Sample::Success, Again::No),
        _ => (Sample::Failure, Again::Yes { after: None }),
    };
    let log = Log::new();
    let out = hedge(100, 3)
        .classify_by(final_error)
        .call(|| {
            log.note();
            ready(Err("404"))
        })
        .await;
    assert_eq!((out, log.at()), (Err("404"), vec![0]));
}

#[tokio::test(start_paused = true)]
async fn a_far_side_that_asks_for_a_wait_gets_no_further_attempt() {
    let asked = |out: &Result<u32, &str>| match out {
        Err("429") => (
            Sample::Neutral,
            Again::Yes {
                after: Some(millis(5)),
            },
        ),
        _ => (Sample::Success, Again::No),
    };
    let log = Log::new();
    let (hedge, log) = (&hedge(100, 4).classify_by(asked), &log);
    let call = |first: u64| async move {
        hedge
            .call_with(Cx::new(), |cx| async move {
                log.note();
                if cx.attempt() == 1 {
                    sleep(millis(first)).await;
                    return Ok(1);
                }
                Err("429")
            })
            .await
    };
    assert_eq!(call(500).await, Ok(1), "the one in flight goes on");
    assert_eq!(log.at(), [0, 100]);
    let out = hedge.call(|| ready(Err("429"))).await;
    assert_eq!(out, Err("429"));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_refused_on_this_side_does_not_end_those_under_way() {
    let log = Log::new();
    let (hedge, log) = (&hedge(100, 4).classify_by(ByVerdict), &log);
    let out = hedge
        .call_with(Cx::new(), |cx| async move {
            log.note();
            if cx.attempt() == 1 {
                sleep(millis(1000)).await;
                return Ok("answer");
            }
            Err(Full { limit: 1 })
        })
        .await;
    assert_eq!(out, Ok("answer"));
    assert_eq!(log.at(), [0, 100], "what refused one would refuse another");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_outcome_when_nothing_else_is_left() {
    let hedge = hedge(100, 2).classify_by(ByVerdict);
    let refused = Full { limit: 1 };
    let out = hedge.call(|| ready(Err::<(), _>(refused))).await;
    assert_eq!(out, Err(refused));
    let both = hedge
        .call_with(Cx::new(), |cx| async move {
            sleep(millis(150 / u64::from(cx.attempt()))).await;
            Err::<(), _>(Full { limit: 1 })
        })
        .await;
    assert_eq!(both, Err(refused));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_do_harm_is_never_made_twice() {
    let log = Log::new();
    let once = Cx::new().with_idempotent(false);
    let hedge = hedge(100, 4);
    let out = hedge
        .call_with(once, |_cx| async {
            log.note();
            sleep(millis(1000)).await;
            Err::<(), _>("down")
        })
        .await;
    assert_eq!((out, log.at()), (Err("down"), vec![0]));
}

#[tokio::test(start_paused = true)]
async fn no_attempt_is_begun_after_the_deadline() {
    let log = Log::new();
    let cx = Cx::new().with_deadline(DefaultClock.now() + millis(200));
    let out = hedge(100, 4)
        .call_with(cx, |_cx| async {
            log.note();
            sleep(millis(1000)).await;
            Ok::<_, ()>(())
        })
        .await;
    assert_eq!((out, log.at()), (Ok(()), vec![0, 100]));
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_budget_leaves_the_attempts_in_flight_alone() {
    let budget = BudgetConfig::new().ratio(0.001).reserve(1);
    let config = HedgeConfig::new()
        .delay(millis(100))
        .max_attempts(4)
        .budget(budget);
    let hedge = Hedge::new(config).unwrap();
    for begun in [vec![0, 100], vec![0]] {
        let log = Log::new();
        let out = hedge
            .call(|| async {
                log.note();
                sleep(millis(1000)).await;
                Ok::<_, ()>(())
            })
            .await;
        assert_eq!((out, log.at()), (Ok(()), begun));
        assert_eq!(log.elapsed_ms(), 1000);
    }
    assert_eq!(hedge.budget().unwrap().tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn as_a_policy_it_repeats_all_that_is_within_it() {
    let retry = contexter_retry::Retry::new(crate::plain()).unwrap();
    let stack = (hedge(100, 2), retry);
    let log = Log::new();
    let out = stack
        .run(Cx::new(), |_cx| async { Err::<(), _>("down") })
        .await;
    assert_eq!(out, Err("down"));
    // 1 s and 2 s of one retry, and of another that began 100 ms later.
    assert_eq!(log.elapsed_ms(), 3100);
}

#[tokio::test(start_paused = true)]
async fn the_attempts_of_a_repeated_call_go_on_counting() {
    let hedge = hedge(100, 2);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&seen);
    let out = hedge
        .call_with(Cx::new().with_attempt(3), move |cx| {
            note.borrow_mut().push(cx.attempt());
            ready(Err::<(), _>(()))
        })
        .await;
    assert_eq!(out, Err(()));
    assert_eq!(*seen.borrow(), [3, 4]);
}

#[test]
fn a_call_of_which_every_attempt_failed_was_won_by_none() {
    let clock = ManualClock::new();
    let config = HedgeConfig::new().delay(millis(100)).max_attempts(2);
    let hedge = Hedge::with_timer(config, clock.clone()).unwrap();
    let down = clock.run_until_stalled(hedge.call(|| ready(Err::<(), _>("down"))));
    assert_eq!(down, Some(Err("down")));
    assert_eq!(hedge.snapshot().counter("started"), Some(1));
    assert_eq!(hedge.snapshot().counter("won"), Some(0));
    let rescued = hedge.call_with(Cx::new(), |cx| {
        ready(if cx.attempt() == 1 {
            Err("down")
        } else {
            Ok(())
        })
    });
    assert_eq!(clock.run_until_stalled(rescued), Some(Ok(())));
    assert_eq!(hedge.snapshot().counter("won"), Some(1));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Down,
    Full,
}

impl Verdict for Failure {
    fn sample(&self) -> Sample {
        match self {
            Self::Down => Sample::Failure,
            Self::Full => Sample::Neutral,
        }
    }

    fn again(&self) -> Again {
        match self {
            Self::Down => Again::Yes { after: None },
            Self::Full => Again::No,
        }
    }

    fn sent(&self) -> bool {
        *self == Self::Down
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_never_hides_how_an_attempt_failed_that_was_sent() {
    // How long each attempt takes, and what becomes of it.
    let failed_first = [(0, Failure::Down), (0, Failure::Full), (0, Failure::Down)];
    let failed_while_another_waits = [(10, Failure::Down), (50, Failure::Full), (0, Failure::Down)];
    let refused_first = [(200, Failure::Down), (0, Failure::Full), (0, Failure::Down)];
    for attempts in [failed_first, failed_while_another_waits, refused_first] {
        let made = Cell::new(0);
        let out = hedge(100, 3)
            .classify_by(ByVerdict)
            .call(|| {
                let (takes, failure) = attempts[made.replace(made.get() + 1)];
                async move {
                    sleep(millis(takes)).await;
                    Err::<(), _>(failure)
                }
            })
            .await;
        assert_eq!((out, made.get()), (Err(Failure::Down), 2), "{attempts:?}");
    }
}
