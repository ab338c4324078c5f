//! The bulkhead, by its guards.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use contexter_limit::{AcquirePermit, Bulkhead, BulkheadConfig, Permit, WithPermit};
use contexter_service::{Clock, Cx, Full, ManualClock};
use futures_util::task::noop_waker_ref;
use futures_util::{FutureExt, StreamExt, stream};

const WAIT: Duration = Duration::from_secs(5);

fn bulkhead(places: usize, queue: usize) -> (Bulkhead<ManualClock>, ManualClock) {
    let clock = ManualClock::new();
    let config = BulkheadConfig::new()
        .max_concurrent(places)
        .max_queue(queue)
        .max_wait(WAIT);
    let bulkhead = Bulkhead::with_clock(config, clock.clone()).unwrap();
    (bulkhead, clock)
}

fn ready(wait: &mut AcquirePermit<ManualClock>) -> Option<Result<Permit<ManualClock>, Full>> {
    let mut cx = std::task::Context::from_waker(noop_waker_ref());
    match std::pin::Pin::new(wait).poll(&mut cx) {
        std::task::Poll::Ready(out) => Some(out),
        std::task::Poll::Pending => None,
    }
}

fn waiting(bulkhead: &Bulkhead<ManualClock>) -> AcquirePermit<ManualClock> {
    let mut wait = bulkhead.acquire();
    assert!(ready(&mut wait).is_none());
    wait
}

#[test]
fn exactly_as_many_run_as_there_are_places() {
    let (bulkhead, _clock) = bulkhead(3, 0);
    let permits: Vec<_> = (0..4).map(|_| bulkhead.try_acquire()).collect();
    assert_eq!(permits.iter().filter(|permit| permit.is_ok()).count(), 3);
    assert_eq!(bulkhead.running(), 3);
    assert_eq!(
        bulkhead.acquire().now_or_never().unwrap().unwrap_err(),
        Full { limit: 3 }
    );
    drop(permits);
    assert_eq!(bulkhead.running(), 0);
    assert!(bulkhead.acquire().now_or_never().unwrap().is_ok());
}

#[test]
fn the_queue_has_an_end_and_so_has_the_wait() {
    let (bulkhead, clock) = bulkhead(1, 2);
    let _permit = bulkhead.try_acquire().unwrap();
    let mut waits = [waiting(&bulkhead), waiting(&bulkhead)];
    assert!(ready(&mut bulkhead.acquire()).unwrap().is_err(), "at once");
    clock.advance(Duration::from_nanos(4_999_999_999));
    assert!(waits.iter_mut().all(|wait| ready(wait).is_none()));
    clock.advance(Duration::from_nanos(1));
    for wait in &mut waits {
        assert_eq!(ready(wait).unwrap().unwrap_err(), Full { limit: 1 });
    }
    assert_eq!((bulkhead.waiting(), clock.sleepers()), (0, 0));
    assert_eq!(bulkhead.snapshot().counter("full"), Some(3));
}

#[test]
fn nobody_waits_past_the_deadline_of_the_call() {
    let (bulkhead, clock) = bulkhead(1, 2);
    let permit = bulkhead.try_acquire().unwrap();
    let cx = Cx::new().with_deadline(clock.now() + Duration::from_secs(1));
    let mut wait = bulkhead.acquire_for(cx);
    assert!(ready(&mut wait).is_none());
    clock.advance(Duration::from_secs(1));
    assert!(ready(&mut wait).unwrap().is_err());
    assert!(
        ready(&mut bulkhead.acquire_for(cx)).unwrap().is_err(),
        "no time to wait"
    );
    assert_eq!(bulkhead.waiting(), 0);
    drop(permit);
    assert!(ready(&mut bulkhead.acquire_for(cx)).unwrap().is_ok());
}

#[test]
fn who_comes_first_goes_first_and_nobody_comes_in_between() {
    let (bulkhead, _clock) = bulkhead(1, 3);
    let permit = bulkhead.try_acquire().unwrap();
    let mut waits = [waiting(&bulkhead), waiting(&bulkhead)];
    drop(permit);
    assert!(bulkhead.try_acquire().is_err(), "it is the first one's");
    let mut late = bulkhead.acquire();
    assert!(ready(&mut late).is_none());
    assert!(ready(&mut waits[1]).is_none());
    let first = ready(&mut waits[0]).unwrap().unwrap();
    drop(first);
    let second = ready(&mut waits[1]).unwrap().unwrap();
    assert!(ready(&mut late).is_none());
    drop(second);
    assert!(ready(&mut late).unwrap().is_ok());
}

#[test]
fn a_dropped_waiter_frees_its_place_at_once_and_passes_a_permit_on() {
    let (bulkhead, clock) = bulkhead(1, 3);
    let permit = bulkhead.try_acquire().unwrap();
    let [first, second, mut third] = [(); 3].map(|()| waiting(&bulkhead));
    drop(second);
    assert_eq!((bulkhead.waiting(), clock.sleepers()), (2, 2));
    let fourth = waiting(&bulkhead);
    drop(permit);
    // The permit is the first one's, which never sees it.
    drop(first);
    assert!(ready(&mut third).unwrap().is_ok());
    drop((third, fourth));
    assert_eq!((bulkhead.running(), bulkhead.waiting()), (0, 0));
    assert_eq!(clock.sleepers(), 0);
}

#[test]
fn a_permit_that_comes_in_the_moment_in_which_the_wait_ends_is_in_time() {
    let (bulkhead, clock) = bulkhead(1, 1);
    let permit = bulkhead.try_acquire().unwrap();
    let mut wait = waiting(&bulkhead);
    clock.advance(WAIT);
    drop(permit);
    assert!(ready(&mut wait).unwrap().is_ok());
}

#[test]
fn a_waiter_is_woken_by_its_last_waker() {
    let (bulkhead, _clock) = bulkhead(1, 1);
    let permit = bulkhead.try_acquire().unwrap();
    let mut wait = Box::pin(bulkhead.acquire());
    assert!(wait.as_mut().now_or_never().is_none());
    let (waker, count) = counting_waker();
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    drop(permit);
    assert_eq!(*count.lock().unwrap(), 1);
}

fn counting_waker() -> (std::task::Waker, Arc<Mutex<u32>>) {
    struct Count(Arc<Mutex<u32>>);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            *self.0.lock().unwrap() += 1;
        }
    }
    let count = Arc::default();
    (Arc::new(Count(Arc::clone(&count))).into(), count)
}

#[test]
fn fewer_places_let_the_running_end_and_more_wake_who_waits() {
    let (bulkhead, _clock) = bulkhead(3, 5);
    let config = |places| BulkheadConfig::new().max_concurrent(places).max_queue(5);
    let mut permits: Vec<_> = (0..3).map(|_| bulkhead.try_acquire().unwrap()).collect();
    bulkhead.reconfigure(config(1)).unwrap();
    assert_eq!((bulkhead.running(), bulkhead.max_concurrent()), (3, 1));
    let mut waits = [(); 4].map(|()| waiting(&bulkhead));
    permits.truncate(1);
    assert!(ready(&mut waits[0]).is_none(), "the one place is taken");
    bulkhead.clone().reconfigure(config(3)).unwrap();
    let first = ready(&mut waits[0]).unwrap().unwrap();
    let second = ready(&mut waits[1]).unwrap().unwrap();
    assert!(ready(&mut waits[2]).is_none());
    assert!(bulkhead.reconfigure(config(0)).is_err());
    drop((permits, first));
    assert!(waits[2..].iter_mut().all(|wait| ready(wait).is_some()));
    drop(second);
}

#[test]
fn a_permit_lives_until_the_body_has_been_read() {
    let (bulkhead, _clock) = bulkhead(1, 0);
    let permit = bulkhead.try_acquire().unwrap();
    let mut body: WithPermit<_, _> = permit.hold(stream::iter(["a", "b"]));
    assert_eq!(body.next().now_or_never(), Some(Some("a")));
    assert_eq!(body.next().now_or_never(), Some(Some("b")));
    assert!(body.is_held() && bulkhead.try_acquire().is_err());
    assert_eq!(body.next().now_or_never(), Some(None));
    assert!(!body.is_held(), "it has ended");
    let body = bulkhead
        .try_acquire()
        .unwrap()
        .hold("not read")
        .map(str::len);
    assert_eq!((*body, bulkhead.running()), (8, 1));
    drop(body);
    let (value, permit) = bulkhead.try_acquire().unwrap().hold(7).into_parts();
    assert_eq!((value, bulkhead.running()), (7, 1));
    drop(permit);
    assert_eq!(bulkhead.running(), 0);
}

#[test]
fn a_bulkhead_is_as_good_as_new_when_nothing_runs_or_waits() {
    let (bulkhead, _clock) = bulkhead(1, 0);
    assert!(bulkhead.is_pristine());
    let permit = bulkhead.try_acquire().unwrap();
    assert!(!bulkhead.is_pristine());
    drop(permit);
    assert!(bulkhead.is_pristine());
    let wait = bulkhead.acquire();
    assert!(!bulkhead.is_pristine(), "the call holds it");
    drop(wait);
    let permit = bulkhead.try_acquire().unwrap();
    assert!(bulkhead.try_acquire().is_err());
    drop(permit);
    assert_eq!(bulkhead.snapshot().counter("full"), Some(1));
    assert!(bulkhead.is_pristine(), "a count decides nothing");
}
