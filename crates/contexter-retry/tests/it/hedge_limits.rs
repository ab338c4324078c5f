//! The settings of a hedge, its own delays, and what dropping it leaves behind.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use contexter_retry::{Hedge, HedgeConfig, MAX_HEDGED_ATTEMPTS};
use contexter_service::{Again, Cx, ManualClock, Sample, is_superseded};
use futures_util::FutureExt;
use tokio::time::sleep;

use crate::Log;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test(start_paused = true)]
async fn delays_of_ones_own_are_taken_in_turn() {
    let hedge = Hedge::new(HedgeConfig::new().max_attempts(4))
        .unwrap()
        .with_schedule(|| [millis(50), millis(500)]);
    for _ in 0..2 {
        let log = Log::new();
        let out = hedge
            .call(|| async {
                log.note();
                sleep(millis(5000)).await;
                Ok::<_, ()>(())
            })
            .await;
        assert_eq!((out, log.at()), (Ok(()), vec![0, 50, 550]));
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_last_delay_only_a_failure_begins_another_attempt() {
    let log = Log::new();
    let hedge = Hedge::new(HedgeConfig::new().max_attempts(3))
        .unwrap()
        .with_schedule(|| [millis(50)]);
    let out = hedge
        .call_with(Cx::new(), |cx| {
            log.note();
            async move {
                sleep(millis(400)).await;
                if cx.attempt() == 3 { Ok(()) } else { Err(()) }
            }
        })
        .await;
    assert_eq!((out, log.at()), (Ok(()), vec![0, 50, 400]));
}

#[test]
fn dropping_it_drops_all_attempts_and_the_timer() {
    let clock = ManualClock::new();
    let config = HedgeConfig::new().delay(millis(100)).max_attempts(3);
    let hedge = Hedge::with_timer(config, clock.clone()).unwrap();
    let alive = std::rc::Rc::new(());
    let mut call = Box::pin(hedge.call(|| {
        let held = std::rc::Rc::clone(&alive);
        async move {
            pending::<()>().await;
            drop(held);
            Ok::<_, ()>(())
        }
    }));
    assert_eq!(call.as_mut().now_or_never(), None);
    clock.advance(millis(100));
    assert_eq!(call.as_mut().now_or_never(), None);
    assert_eq!(std::rc::Rc::strong_count(&alive), 1 + 2);
    assert_eq!(clock.sleepers(), 1);
    drop(call);
    assert_eq!(std::rc::Rc::strong_count(&alive), 1);
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn when_no_attempt_can_follow_no_timer_is_left() {
    let clock = ManualClock::new();
    let config = HedgeConfig::new().delay(millis(100)).max_attempts(2);
    let hedge = Hedge::with_timer(config, clock.clone()).unwrap();
    let mut call = Box::pin(hedge.call(pending::<Result<(), ()>>));
    assert_eq!(call.as_mut().now_or_never(), None);
    assert_eq!(clock.sleepers(), 1);
    clock.advance(millis(100));
    assert_eq!(call.as_mut().now_or_never(), None);
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn a_timer_that_can_begin_nothing_any_more_is_let_go() {
    let clock = ManualClock::new();
    let config = HedgeConfig::new().delay(millis(100)).max_attempts(3);
    let asked = |_out: &Result<(), ()>| {
        let after = Some(millis(1));
        (Sample::Neutral, Again::Yes { after })
    };
    let hedge = Hedge::with_timer(config, clock.clone())
        .unwrap()
        .classify_by(asked);
    let fail = Cell::new(false);
    let mut call = Box::pin(hedge.call_with(Cx::new(), |cx| {
        let fail = &fail;
        std::future::poll_fn(move |_task| match cx.attempt() {
            2 if fail.get() => Poll::Ready(Err(())),
            _ => Poll::Pending,
        })
    }));
    assert_eq!(call.as_mut().now_or_never(), None);
    clock.advance(millis(100));
    assert_eq!(call.as_mut().now_or_never(), None);
    assert_eq!(clock.sleepers(), 1);
    fail.set(true);
    assert_eq!(call.as_mut().now_or_never(), None);
    assert_eq!(clock.sleepers(), 0);
}

#[tokio::test(start_paused = true)]
async fn new_settings_reach_clones() {
    let hedge = Hedge::new(HedgeConfig::new()).unwrap();
    let clone = hedge.clone();
    let new = HedgeConfig::new().max_attempts(4);
    hedge.reconfigure(new).unwrap();
    assert!(hedge.reconfigure(new.max_attempts(5)).is_err());
    assert_eq!(clone.config(), new);
    let out = clone
        .call_with(Cx::new(), |cx| ready(Err::<(), _>(cx.attempt())))
        .await;
    assert_eq!(out, Err(4));
}

#[test]
fn impossible_settings_are_refused_all_at_once() {
    let budget = contexter_retry::BudgetConfig::new().ratio(f64::NAN);
    let config = HedgeConfig::new()
        .delay(Duration::ZERO)
        .max_attempts(5)
        .budget(budget);
    assert_eq!(
        Hedge::new(config).unwrap_err().to_string(),
        "invalid configuration: delay must be longer than zero, got 0s; \
         max_attempts must be from 1 to 4, got 5; \
         budget.ratio must be above 0 and at most 1, got NaN"
    );
    assert_eq!(MAX_HEDGED_ATTEMPTS, 4);
    assert!(Hedge::new(HedgeConfig::new().max_attempts(0)).is_err());
    assert!(Hedge::new(HedgeConfig::new().max_attempts(1)).is_ok());
}

/// Notes, when it is dropped, whether its call was superseded.
struct Dropped<'a>(&'a RefCell<Vec<(u32, bool)>>, u32);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push((self.1, is_superseded()));
    }
}

/// Lets a call begin three attempts that do not end.
fn begin_all<F: Future<Output = Result<u32, ()>>>(clock: &ManualClock, call: &mut Pin<Box<F>>) {
    for _ in 0..3 {
        assert_eq!(call.as_mut().now_or_never(), None);
        clock.advance(millis(100));
    }
}

#[test]
fn losers_know_that_another_attempt_gave_the_outcome() {
    let clock = ManualClock::new();
    let config = HedgeConfig::new().delay(millis(100)).max_attempts(3);
    let hedge = Hedge::with_timer(config, clock.clone()).unwrap();
    let dropped = RefCell::new(Vec::new());
    let answered = Cell::new(false);
    let race = || {
        hedge.call_with(Cx::new(), |cx| {
            let held = Dropped(&dropped, cx.attempt());
            let answered = &answered;
            async move {
                std::future::poll_fn(|_task| match cx.attempt() {
                    2 if answered.get() => Poll::Ready(()),
                    _ => Poll::Pending,
                })
                .await;
                drop(held);
                Ok::<_, ()>(cx.attempt())
            }
        })
    };

    let mut call = Box::pin(race());
    begin_all(&clock, &mut call);
    answered.set(true);
    assert_eq!(call.as_mut().now_or_never(), Some(Ok(2)));
    let lost = [(2, false), (1, true), (3, true)];
    assert_eq!(
        dropped.take(),
        lost,
        "before the caller hears of the winner"
    );
    assert!(!is_superseded());

    answered.set(false);
    let mut call = Box::pin(race());
    begin_all(&clock, &mut call);
    drop(call);
    let abandoned = [(1, false), (2, false), (3, false)];
    assert_eq!(dropped.take(), abandoned, "nothing gave an outcome");
}
