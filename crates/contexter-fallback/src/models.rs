//! Every interleaving of a few threads on shared executions, by loom: `cargo xtask loom`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use contexter_service::Cx;
use loom::sync::Notify;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::sync::Mutex;
use crate::{FlightConfig, SharedCall, SingleFlight};

/// Threads that all change places at every step are too many to follow; the defects that the models
/// look for need two or three changes. `LOOM_MAX_PREEMPTIONS` overrides it.
const PREEMPTIONS: usize = 3;

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(f);
}

/// An answer that comes from another thread.
struct Answer {
    state: Mutex<(bool, Option<Waker>)>,
    begun: AtomicUsize,
}

impl Answer {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new((false, None)),
            begun: AtomicUsize::new(0),
        })
    }

    fn give(&self) {
        let waker = self.state.hold(|state| {
            state.0 = true;
            state.1.take()
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn begin(self: &Arc<Self>) -> Waits {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Waits(Arc::clone(self))
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

struct Waits(Arc<Answer>);

impl Future for Waits {
    type Output = u8;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u8> {
        let (ready, replaced) = self.0.state.hold(|state| {
            if state.0 {
                (true, None)
            } else {
                (false, state.1.replace(cx.waker().clone()))
            }
        });
        drop(replaced);
        if ready { Poll::Ready(7) } else { Poll::Pending }
    }
}

/// Parks a thread until its task is woken. A wake that is lost is a deadlock, which loom reports.
struct Parked(Notify);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let parked = Arc::new(Parked(Notify::new()));
    let waker = Waker::from(Arc::clone(&parked));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(out) => return out,
            Poll::Pending => parked.0.wait(),
        }
    }
}

/// Polls a future once and drops it.
fn poll_and_drop<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(out) => Some(out),
        Poll::Pending => None,
    }
}

fn flights() -> SingleFlight<u8, u8> {
    SingleFlight::new(FlightConfig::new()).unwrap()
}

fn call<'a>(
    flights: &'a SingleFlight<u8, u8>,
    answer: &'a Arc<Answer>,
) -> SharedCall<'a, u8, u8, impl Fn(Cx) -> Waits + use<'a>, Waits> {
    flights.run_keyed(&1, Cx::new(), move |_cx| answer.begin())
}

fn count(flights: &SingleFlight<u8, u8>, name: &str) -> u64 {
    flights.snapshot().counter(name).unwrap()
}

#[test]
fn a_leader_dropped_while_a_follower_joins_loses_nothing() {
    model(|| {
        let (flights, answer) = (flights(), Answer::new());
        let leader = {
            let (flights, answer) = (flights.clone(), Arc::clone(&answer));
            thread::spawn(move || poll_and_drop(call(&flights, &answer)))
        };
        let giver = {
            let answer = Arc::clone(&answer);
            thread::spawn(move || answer.give())
        };
        assert_eq!(block_on(call(&flights, &answer)), 7);
        assert!(matches!(leader.join().unwrap(), None | Some(7)));
        giver.join().unwrap();
        assert_eq!(count(&flights, "active"), 0);
        assert_eq!(
            count(&flights, "joined") + u64::try_from(answer.begun()).unwrap(),
            2,
            "each call joins or begins"
        );
    });
}

#[test]
fn two_callers_each_get_the_outcome_once() {
    model(|| {
        let (flights, answer) = (flights(), Answer::new());
        let other = {
            let (flights, answer) = (flights.clone(), Arc::clone(&answer));
            thread::spawn(move || block_on(call(&flights, &answer)))
        };
        let giver = {
            let answer = Arc::clone(&answer);
            thread::spawn(move || answer.give())
        };
        assert_eq!(block_on(call(&flights, &answer)), 7);
        assert_eq!(other.join().unwrap(), 7);
        giver.join().unwrap();
        assert_eq!(count(&flights, "active"), 0);
    });
}

#[test]
fn a_wake_during_the_leaders_last_poll_reaches_the_follower() {
    model(|| {
        let (flights, answer) = (flights(), Answer::new());
        // Aboard, before the race: the leader has begun, and the follower waits with it.
        let mut leader = Box::pin(call(&flights, &answer));
        let waker = Waker::noop();
        assert!(
            leader
                .as_mut()
                .poll(&mut Context::from_waker(waker))
                .is_pending()
        );
        let follower = {
            let (flights, answer) = (flights.clone(), Arc::clone(&answer));
            thread::spawn(move || block_on(call(&flights, &answer)))
        };
        let giver = {
            let answer = Arc::clone(&answer);
            thread::spawn(move || answer.give())
        };
        // Polls, perhaps as the one who drives, and is gone.
        let polled = leader.as_mut().poll(&mut Context::from_waker(waker));
        drop(leader);
        assert!(matches!(polled, Poll::Pending | Poll::Ready(7)));
        assert_eq!(follower.join().unwrap(), 7);
        giver.join().unwrap();
        assert_eq!(count(&flights, "active"), 0);
    });
}

#[test]
fn the_last_two_callers_leaving_at_once_drop_the_execution_and_its_place() {
    model(|| {
        let (flights, answer) = (flights(), Answer::new());
        let other = {
            let (flights, answer) = (flights.clone(), Arc::clone(&answer));
            thread::spawn(move || poll_and_drop(call(&flights, &answer)))
        };
        assert_eq!(poll_and_drop(call(&flights, &answer)), None);
        assert_eq!(other.join().unwrap(), None);
        assert_eq!(count(&flights, "active"), 0);
        assert_eq!(Arc::strong_count(&answer), 1, "no execution is left");
    });
}
