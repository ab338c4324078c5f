//! One execution for all concurrent calls of a key, whoever of them is dropped.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use contexter_fallback::{FlightConfig, SingleFlight};
use contexter_service::{Clock, Cx, StdClock};

use crate::{Flag, Gate, now, poll, poll_with};

fn flights<V>() -> SingleFlight<u32, V> {
    SingleFlight::new(FlightConfig::new()).unwrap()
}

fn count<V>(flights: &SingleFlight<u32, V>, name: &str) -> u64 {
    flights.snapshot().counter(name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_concurrent_callers_share_one_execution() {
    let flights = flights::<Arc<str>>();
    let gate = Gate::<Arc<str>>::new();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (flights, gate) = (flights.clone(), Arc::clone(&gate));
            tokio::spawn(async move { flights.run_keyed(&1, Cx::new(), |_cx| gate.begin()).await })
        })
        .collect();
    while count(&flights, "joined") < 99 {
        tokio::task::yield_now().await;
    }
    gate.open("page".into());
    for task in tasks {
        assert_eq!(&*task.await.unwrap(), "page");
    }
    assert_eq!((gate.begun(), gate.dropped()), (1, 1));
    assert_eq!(count(&flights, "flights"), 1);
    assert_eq!(
        count(&flights, "active"),
        0,
        "the key is gone with the flight"
    );
}

#[test]
fn another_key_and_a_later_call_have_executions_of_their_own() {
    let flights = flights();
    let gate = Gate::new();
    let run = |key| flights.run_keyed(key, Cx::new(), |_cx| gate.begin());
    let (mut one, mut other) = (pin!(run(&1)), pin!(run(&2)));
    assert!(poll(one.as_mut()).is_pending());
    assert!(poll(other.as_mut()).is_pending());
    assert_eq!((gate.begun(), count(&flights, "active")), (2, 2));
    gate.open('x');
    assert_eq!(poll(one.as_mut()), Poll::Ready('x'));
    assert_eq!(now(run(&1)), 'x');
    assert_eq!(gate.begun(), 3);
    assert_eq!(count(&flights, "joined"), 0);
}

#[test]
fn an_error_is_shared_like_a_value() {
    let flights = flights::<Result<(), Arc<std::io::Error>>>();
    let gate = Gate::new();
    let run = || flights.run_keyed(&1, Cx::new(), |_cx| gate.begin());
    let (mut one, mut other) = (pin!(run()), pin!(run()));
    assert!(poll(one.as_mut()).is_pending());
    assert!(poll(other.as_mut()).is_pending());
    gate.open(Err(Arc::new(std::io::ErrorKind::TimedOut.into())));
    let (Poll::Ready(Err(one)), Poll::Ready(Err(other))) =
        (poll(one.as_mut()), poll(other.as_mut()))
    else {
        panic!("both have the error");
    };
    assert!(Arc::ptr_eq(&one, &other));
}

/// Is pending at each of its polls but the last, and wakes itself each time.
struct Steps(usize);

impl Future for Steps {
    type Output = &'static str;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.0 == 0 {
            return Poll::Ready("done");
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn the_leader_dropped_at_any_await_loses_nothing() {
    const STEPS: usize = 6;
    for dropped_after in 0..STEPS {
        let flights = flights();
        let begun = AtomicUsize::new(0);
        let run = || {
            flights.run_keyed(&1, Cx::new(), |_cx| {
                begun.fetch_add(1, Ordering::SeqCst);
                Steps(STEPS)
            })
        };
        let mut leader = Box::pin(run());
        let mut follower = pin!(run());
        let flag = Arc::new(Flag::default());
        for _ in 0..dropped_after {
            assert!(poll(leader.as_mut()).is_pending());
        }
        assert!(poll_with(follower.as_mut(), &flag).is_pending());
        drop(leader);
        let mut polls = 0;
        let out = loop {
            assert!(flag.take(), "woken for every poll that is due");
            polls += 1;
            assert!(polls <= STEPS + 1, "the steps are not taken twice");
            if let Poll::Ready(out) = poll_with(follower.as_mut(), &flag) {
                break out;
            }
        };
        assert_eq!(out, "done");
        assert_eq!(begun.load(Ordering::SeqCst), 1, "after {dropped_after}");
        assert_eq!(count(&flights, "active"), 0);
    }
}

#[test]
fn a_follower_takes_over_when_the_leader_is_dropped_while_it_is_woken() {
    let flights = flights();
    let gate = Gate::new();
    let run = || flights.run_keyed(&1, Cx::new(), |_cx| gate.begin());
    let mut leader = Box::pin(run());
    let mut follower = pin!(run());
    let flag = Arc::new(Flag::default());
    assert!(poll(leader.as_mut()).is_pending());
    assert!(poll_with(follower.as_mut(), &flag).is_pending());
    gate.open(5);
    drop(leader);
    assert!(flag.take());
    assert_eq!(poll_with(follower.as_mut(), &flag), Poll::Ready(5));
    assert_eq!((gate.begun(), gate.dropped()), (1, 1));
}

#[test]
fn dropping_the_last_caller_drops_the_execution() {
    let flights = flights::<u8>();
    let gate = Gate::new();
    let run = || flights.run_keyed(&1, Cx::new(), |_cx| gate.begin());
    let mut callers: Vec<_> = (0..3).map(|_| Box::pin(run())).collect();
    for caller in &mut callers {
        assert!(poll(caller.as_mut()).is_pending());
    }
    drop(callers.swap_remove(0));
    callers.pop();
    assert_eq!(gate.dropped(), 0);
    callers.clear();
    assert_eq!(gate.dropped(), 1);
    assert_eq!(count(&flights, "active"), 0);
    gate.open(1);
    assert_eq!(now(run()), 1, "the next call begins anew");
    assert_eq!(gate.begun(), 2);
}

#[test]
fn an_execution_is_polled_only_when_it_is_woken_and_by_one_caller() {
    let flights = flights::<u8>();
    let gate = Gate::new();
    let run = || flights.run_keyed(&1, Cx::new(), |_cx| gate.begin());
    let mut callers: Vec<_> = (0..10).map(|_| Box::pin(run())).collect();
    for _ in 0..3 {
        for caller in &mut callers {
            assert!(poll(caller.as_mut()).is_pending());
        }
    }
    assert_eq!(gate.polls(), 1);
    gate.nudge();
    for caller in &mut callers {
        assert!(poll(caller.as_mut()).is_pending());
    }
    assert_eq!(gate.polls(), 2);
}

#[test]
fn a_caller_that_nobody_polls_holds_up_no_other() {
    let flights = flights::<u8>();
    let gate = Gate::new();
    let run = || flights.run_keyed(&1, Cx::new(), |_cx| gate.begin());
    let (mut stuck, mut lively) = (pin!(run()), pin!(run()));
    let (unheard, heard) = (Arc::new(Flag::default()), Arc::new(Flag::default()));
    assert!(poll_with(stuck.as_mut(), &unheard).is_pending());
    assert!(poll_with(lively.as_mut(), &heard).is_pending());
    gate.open(1);
    assert!(heard.take());
    assert_eq!(poll_with(lively.as_mut(), &heard), Poll::Ready(1));
    assert!(unheard.take(), "it has heard of it as well");
    assert_eq!(poll_with(stuck.as_mut(), &unheard), Poll::Ready(1));
}

/// Panics when it is polled for the last time.
async fn fail(steps: usize) -> u8 {
    Steps(steps).await;
    panic!("in the execution");
}

#[test]
fn a_panic_reaches_the_caller_that_polled_and_the_others_run_again() {
    let flights = flights::<u8>();
    let gate = Gate::new();
    let begun = AtomicUsize::new(0);
    let run = || {
        flights.run_keyed(&1, Cx::new(), |_cx| {
            let first = begun.fetch_add(1, Ordering::SeqCst) == 0;
            let wait = gate.begin();
            async move {
                assert!(!first || wait.await, "in the execution");
                7
            }
        })
    };
    let mut leader = Box::pin(run());
    let mut follower = Box::pin(run());
    let mut third = Box::pin(run());
    let flag = Arc::new(Flag::default());
    assert!(poll_with(leader.as_mut(), &flag).is_pending());
    assert!(poll(follower.as_mut()).is_pending());
    assert!(poll_with(third.as_mut(), &flag).is_pending());
    gate.open(false);
    flag.take();

    // The follower is the one that polls; the leader still has an operation to run again with.
    let polled = catch_unwind(AssertUnwindSafe(|| poll(follower.as_mut())));
    assert!(polled.is_err(), "the panic reaches who polled");
    assert_eq!(gate.dropped(), 1, "the lost execution is gone");
    assert_eq!(poll(leader.as_mut()), Poll::Ready(7));
    assert_eq!(poll(third.as_mut()), Poll::Ready(7));
    drop(follower);
    assert_eq!(
        begun.load(Ordering::SeqCst),
        3,
        "one flight after the other"
    );
    assert_eq!(count(&flights, "active"), 0);
}

#[test]
fn a_caller_that_came_while_a_poll_panics_is_woken() {
    let flights = Arc::new(flights::<u8>());
    let waiting = Arc::new(std::sync::Mutex::new(None));
    let flag = Arc::new(Flag::default());
    let op = |_cx| {
        let (flights, waiting, flag) = (
            Arc::clone(&flights),
            Arc::clone(&waiting),
            Arc::clone(&flag),
        );
        // During this poll another call comes, as one from a second thread may.
        std::future::poll_fn(move |_cx| {
            let flights = Arc::clone(&flights);
            let mut call = Box::pin(async move {
                flights
                    .run_keyed(&1, Cx::new(), |_cx| std::future::ready(7))
                    .await
            });
            assert!(poll_with(call.as_mut(), &flag).is_pending());
            *waiting.lock().unwrap() = Some(call);
            panic!("in the execution")
        })
    };
    let polled = catch_unwind(AssertUnwindSafe(|| {
        now(flights.run_keyed(&1, Cx::new(), op))
    }));
    assert!(polled.is_err());
    assert!(flag.take(), "it hears of the loss");
    let mut call = waiting.lock().unwrap().take().unwrap();
    assert_eq!(poll(call.as_mut()), Poll::Ready(7));
}

#[test]
fn a_panic_before_the_future_exists_loses_no_place() {
    let flights = SingleFlight::<u32, u8>::new(FlightConfig::new().max_flights(1)).unwrap();
    for _ in 0..3 {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            now(
                flights.run_keyed(&1, Cx::new(), |_cx| -> std::future::Ready<u8> {
                    panic!("in the operation")
                }),
            )
        }));
        assert!(polled.is_err());
    }
    assert_eq!(count(&flights, "active"), 0);
    assert_eq!(
        now(flights.run_keyed(&1, Cx::new(), |_cx| std::future::ready(1))),
        1
    );
    assert_eq!(count(&flights, "unshared"), 0);
}

#[tokio::test]
async fn when_every_execution_panics_every_caller_ends_with_a_panic() {
    let flights = flights::<u8>();
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let flights = flights.clone();
            tokio::spawn(async move { flights.run_keyed(&1, Cx::new(), |_cx| fail(2)).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap_err().is_panic());
    }
    assert_eq!(count(&flights, "flights"), 5);
    assert_eq!(count(&flights, "active"), 0);
}

#[test]
fn beyond_the_bound_calls_run_unshared_and_are_counted() {
    let flights = SingleFlight::new(FlightConfig::new().max_flights(1)).unwrap();
    let gate = Gate::new();
    let run = |key| flights.run_keyed(key, Cx::new(), |_cx| gate.begin());
    let mut first = pin!(run(&1));
    let (mut alone, mut also_alone) = (pin!(run(&2)), pin!(run(&2)));
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(alone.as_mut()).is_pending());
    assert!(poll(also_alone.as_mut()).is_pending());
    assert_eq!((gate.begun(), count(&flights, "unshared")), (3, 2));
    assert_eq!(
        (count(&flights, "flights"), count(&flights, "active")),
        (1, 1)
    );

    flights
        .reconfigure(FlightConfig::new().max_flights(2))
        .unwrap();
    let mut third = Box::pin(run(&3));
    assert!(poll(third.as_mut()).is_pending());
    assert_eq!(count(&flights, "active"), 2);
    drop(third);
    gate.open(());
    for call in [first.as_mut(), alone.as_mut(), also_alone.as_mut()] {
        assert_eq!(poll(call), Poll::Ready(()));
    }
    assert_eq!(count(&flights, "active"), 0);
}

#[test]
fn a_bound_of_zero_is_an_error_that_names_it() {
    let error = SingleFlight::<u8, u8>::new(FlightConfig::new().max_flights(0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid configuration: max_flights must be at least 1, got 0"
    );
    let flights = flights::<()>();
    assert!(
        flights
            .reconfigure(FlightConfig::new().max_flights(0))
            .is_err()
    );
    assert_eq!(flights.config(), FlightConfig::new());
}

#[test]
fn the_deadline_of_the_first_caller_does_not_bound_the_shared_execution() {
    let flights = flights();
    let deadline = StdClock.now() + Duration::from_secs(1);
    let cx = Cx::new().with_deadline(deadline).with_weight(3);
    let seen = now(flights.run_keyed(&1, cx, |cx| {
        std::future::ready((cx.deadline(), cx.weight()))
    }));
    assert_eq!(seen, (None, 3));
}

#[test]
fn after_forget_a_call_begins_anew_and_those_aboard_stay_aboard() {
    let flights = flights();
    let (old, new) = (Gate::new(), Gate::new());
    let mut aboard = pin!(flights.run_keyed(&1, Cx::new(), |_cx| old.begin()));
    let mut along = pin!(flights.run_keyed(&1, Cx::new(), |_cx| old.begin()));
    assert!(poll(aboard.as_mut()).is_pending());
    assert!(poll(along.as_mut()).is_pending());
    flights.forget(&1);
    let mut later = pin!(flights.run_keyed(&1, Cx::new(), |_cx| new.begin()));
    assert!(poll(later.as_mut()).is_pending());
    assert_eq!(count(&flights, "active"), 2);
    old.open("old");
    assert_eq!(poll(aboard.as_mut()), Poll::Ready("old"));
    assert_eq!(poll(along.as_mut()), Poll::Ready("old"));
    // The end of the forgotten flight leaves the other in the table.
    let mut joins = pin!(flights.run_keyed(&1, Cx::new(), |_cx| new.begin()));
    assert!(poll(joins.as_mut()).is_pending());
    new.open("new");
    assert_eq!(poll(later.as_mut()), Poll::Ready("new"));
    assert_eq!(poll(joins.as_mut()), Poll::Ready("new"));
    assert_eq!((old.begun(), new.begun()), (1, 1));
    assert_eq!(count(&flights, "active"), 0);
}

#[test]
fn a_new_table_is_pristine_until_it_is_used_or_shared() {
    let flights = flights();
    assert!(flights.is_pristine());
    let clone = flights.clone();
    assert!(!flights.is_pristine());
    drop(clone);
    assert!(flights.is_pristine());
    now(flights.run_keyed(&1, Cx::new(), |_cx| std::future::ready(())));
    assert!(!flights.is_pristine());
}

/// A waker whose drop drops another caller of the same flight.
struct Holds(
    #[expect(dead_code, reason = "it is there to be dropped")]
    std::sync::Mutex<Box<dyn std::any::Any + Send>>,
);

impl std::task::Wake for Holds {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_waker_that_owns_another_caller_may_be_dropped_anywhere() {
    let flights: &'static SingleFlight<u32, u8> = Box::leak(Box::new(flights()));
    let gate = Gate::<u8>::new();
    let run = {
        let gate = Arc::clone(&gate);
        move || {
            let gate = Arc::clone(&gate);
            flights.run_keyed(&1, Cx::new(), move |_cx| gate.begin())
        }
    };
    let mut other = Box::pin(run());
    assert!(poll(other.as_mut()).is_pending());
    let mut call = Box::pin(run());
    let holds = Arc::new(Holds(std::sync::Mutex::new(Box::new(other))));
    let waker = std::task::Waker::from(holds);
    assert!(
        call.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(waker);
    // Replaces the waker, and with it drops the other caller.
    assert!(poll(call.as_mut()).is_pending());
    gate.open(1);
    assert_eq!(poll(call.as_mut()), Poll::Ready(1));
    assert_eq!(count(flights, "active"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_many_threads_and_drops_no_call_hangs_and_no_place_leaks() {
    let flights = SingleFlight::<u32, u32>::new(FlightConfig::new().max_flights(3)).unwrap();
    let tasks: Vec<_> = (0..400_u32)
        .map(|number| {
            let flights = flights.clone();
            tokio::spawn(async move {
                let key = number % 5;
                let call = flights.run_keyed(&key, Cx::new(), |_cx| async move {
                    for _ in 0..number % 7 {
                        tokio::task::yield_now().await;
                    }
                    key
                });
                if number % 3 == 0 {
                    // Dropped after a few polls.
                    let give_up = async {
                        for _ in 0..number % 4 {
                            tokio::task::yield_now().await;
                        }
                    };
                    futures_util::future::select(pin!(call), pin!(give_up)).await;
                } else {
                    assert_eq!(call.await, key);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count(&flights, "active"), 0);
}

/// A waker that panics when it is called.
struct Broken;

impl std::task::Wake for Broken {
    fn wake(self: Arc<Self>) {
        panic!("a broken waker");
    }
}

#[test]
fn a_waker_that_panics_leaves_nobody_asleep_and_loses_no_outcome() {
    let flights = flights();
    let gate = Gate::new();
    let run = || flights.run_keyed(&1, Cx::new(), |_cx| gate.begin());
    let (mut driver, mut broken, mut last) = (pin!(run()), pin!(run()), pin!(run()));
    assert!(poll(driver.as_mut()).is_pending());
    let waker = std::task::Waker::from(Arc::new(Broken));
    let pending = broken.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(pending.is_pending());
    let woken = Arc::new(AtomicUsize::new(0));
    let waker = std::task::Waker::from(Arc::new(Counted(Arc::clone(&woken))));
    assert!(
        last.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    gate.open('x');
    assert_eq!(woken.load(Ordering::Relaxed), 1);
    assert_eq!(poll(driver.as_mut()), Poll::Ready('x'));
    assert_eq!(poll(last.as_mut()), Poll::Ready('x'));
    assert_eq!(poll(broken.as_mut()), Poll::Ready('x'));
}

/// A waker that counts its calls.
struct Counted(Arc<AtomicUsize>);

impl std::task::Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
