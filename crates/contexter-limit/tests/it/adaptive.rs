//! The adaptive limit against a simulated far side.

use std::collections::BTreeMap;
use std::future::{pending, ready};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use contexter_limit::{AcquireAdaptivePermit, AdaptiveConfig, AdaptiveLimit, AdaptivePermit};
use contexter_service::{Clock, ManualClock, Sample, Timer, superseded};
use futures_util::{FutureExt, StreamExt, stream};

const MILLIS: Duration = Duration::from_millis(1);

/// A far side that answers in `latency` as long as no more than `capacity` calls run; beyond it, calls
/// share.
struct FarSide {
    clock: ManualClock,
    limit: AdaptiveLimit<ManualClock>,
    running: BTreeMap<(Duration, u64), AdaptivePermit<ManualClock>>,
    now: Duration,
    calls: u64,
    latency: Duration,
    capacity: u32,
    /// Lowest and highest limit since they were last asked for.
    seen: (usize, usize),
}

impl FarSide {
    fn new(config: AdaptiveConfig) -> Self {
        let clock = ManualClock::new();
        let limit = AdaptiveLimit::with_clock(config, clock.clone()).unwrap();
        Self {
            clock,
            seen: (limit.limit(), limit.limit()),
            limit,
            running: BTreeMap::new(),
            now: Duration::ZERO,
            calls: 0,
            latency: 200 * MILLIS,
            capacity: 1_000,
        }
    }

    /// Lets time pass in which up to `callers` call without a break.
    fn run(&mut self, duration: Duration, callers: usize) {
        let end = self.now + duration;
        while self.now < end {
            while self.running.len() < callers
                && let Ok(permit) = self.limit.try_acquire()
            {
                self.calls += 1;
                let running = u32::try_from(self.running.len()).unwrap() + 1;
                let load = f64::from(running) / f64::from(self.capacity);
                let latency = self.latency.mul_f64(load.max(1.0));
                self.running
                    .insert((self.now + latency, self.calls), permit);
            }
            self.clock.advance(40 * MILLIS);
            self.now += 40 * MILLIS;
            while let Some(next) = self.running.first_entry()
                && next.key().0 <= self.now
            {
                next.remove().record(Sample::Success);
            }
            let limit = self.limit.limit();
            self.seen = (self.seen.0.min(limit), self.seen.1.max(limit));
        }
    }

    fn seen(&mut self) -> (usize, usize) {
        let limit = self.limit.limit();
        std::mem::replace(&mut self.seen, (limit, limit))
    }
}

const MINUTE: Duration = Duration::from_mins(1);

fn config() -> AdaptiveConfig {
    AdaptiveConfig::new().min(4).max(100).initial(20)
}

#[test]
fn it_rises_while_the_far_side_answers_without_delay_and_stops_at_the_maximum() {
    let mut far = FarSide::new(config());
    far.run(MINUTE, usize::MAX);
    assert_eq!(far.limit.limit(), 100);
    assert_eq!(far.seen(), (20, 100));
}

#[test]
fn it_finds_where_a_queue_begins() {
    let mut far = FarSide::new(config());
    far.capacity = 30;
    far.run(2 * MINUTE, usize::MAX);
    far.seen();
    far.run(10 * MINUTE, usize::MAX);
    let (low, high) = far.seen();
    // The tolerance of 2 lets the latency double.
    assert!(low >= 30 && high <= 80, "{low} to {high}");
}

#[test]
fn it_falls_under_injected_latency_and_recovers_after() {
    let mut far = FarSide::new(config());
    far.run(MINUTE, usize::MAX);
    far.latency *= 10;
    far.run(MINUTE, usize::MAX);
    assert_eq!(far.limit.limit(), 4, "the minimum");
    far.latency /= 10;
    far.run(MINUTE, usize::MAX);
    assert_eq!(far.limit.limit(), 100);
    assert_eq!(far.seen(), (4, 100));
}

#[test]
fn an_incident_of_ten_minutes_does_not_become_normal() {
    let mut far = FarSide::new(config());
    far.run(MINUTE, usize::MAX);
    let normal = far.limit.baseline().unwrap();
    far.latency *= 10;
    far.run(MINUTE, usize::MAX);
    far.seen();
    far.run(10 * MINUTE, usize::MAX);
    assert_eq!(far.seen(), (4, 4), "it stays down");
    assert!(far.limit.baseline().unwrap() < normal.mul_f64(1.2));
    far.latency /= 10;
    far.run(MINUTE, usize::MAX);
    assert_eq!(far.limit.limit(), 100);
    far.run(MINUTE, usize::MAX);
    assert!(far.limit.baseline().unwrap() < normal.mul_f64(1.01));
}

#[test]
fn what_stays_slow_becomes_normal_in_time() {
    let mut far = FarSide::new(config().baseline_doubling(MINUTE));
    far.run(MINUTE, usize::MAX);
    far.latency *= 4;
    far.run(30 * 1000 * MILLIS, usize::MAX);
    assert_eq!(far.limit.limit(), 4);
    far.run(10 * MINUTE, usize::MAX);
    assert_eq!(far.limit.limit(), 100);
}

#[test]
fn idle_periods_do_not_raise_it() {
    let mut far = FarSide::new(config());
    far.run(10 * MINUTE, 5);
    assert_eq!(far.limit.limit(), 20, "it was never reached");
    far.clock.advance(Duration::from_hours(24));
    far.now += Duration::from_hours(24);
    far.run(10 * 1000 * MILLIS, 5);
    assert_eq!(far.limit.limit(), 20);
    // Nor do they make the next slow call normal.
    let normal = far.limit.baseline().unwrap();
    far.clock.advance(Duration::from_hours(24));
    far.now += Duration::from_hours(24);
    far.latency *= 10;
    far.run(MINUTE, 5);
    assert!(far.limit.baseline().unwrap() < normal.mul_f64(1.1));
    assert_eq!(far.limit.limit(), 4);
}

#[test]
fn a_failure_backs_off_once_for_all_that_ran_before() {
    let (clock, limit) = limited(config().backoff(0.5));
    let permits: Vec<_> = (0..10).map(|_| limit.try_acquire().unwrap()).collect();
    clock.advance(MILLIS);
    for permit in permits {
        permit.record(Sample::Failure);
    }
    assert_eq!(limit.limit(), 10);
    limit.try_acquire().unwrap().record(Sample::Failure);
    assert_eq!(limit.limit(), 5, "this one began afterwards");
    for _ in 0..100_000 {
        clock.advance(MILLIS);
        limit.try_acquire().unwrap().record(Sample::Failure);
    }
    assert_eq!(limit.limit(), 4);
    assert_eq!(limit.baseline(), None, "a failure tells no latency");
}

fn limited(config: AdaptiveConfig) -> (ManualClock, AdaptiveLimit<ManualClock>) {
    let clock = ManualClock::new();
    let limit = AdaptiveLimit::with_clock(config, clock.clone()).unwrap();
    (clock, limit)
}

#[test]
fn a_call_that_lost_to_another_attempt_counts_as_nothing_however_slow() {
    let mut far = FarSide::new(config());
    far.run(10 * 1000 * MILLIS, 5);
    for _ in 0..50 {
        let loser = far.limit.try_acquire().unwrap();
        far.clock.advance(1000 * MILLIS);
        superseded(|| drop(loser));
    }
    assert_eq!(far.limit.limit(), 20);
    assert_eq!(far.limit.running(), 0, "and gives its place back");
}

#[test]
fn an_abandoned_call_counts_only_if_it_was_slow_already() {
    let mut far = FarSide::new(config());
    drop(far.limit.try_acquire());
    far.run(10 * 1000 * MILLIS, 5);
    let permits = [far.limit.try_acquire(), far.limit.try_acquire()];
    let [first, second] = permits.map(Result::unwrap);
    far.clock.advance(390 * MILLIS);
    drop(first);
    assert_eq!(far.limit.limit(), 20);
    far.clock.advance(20 * MILLIS);
    drop(second);
    assert_eq!(far.limit.limit(), 14);
    // The same through a call that is dropped.
    let mut call = Box::pin(far.limit.call(pending::<Result<(), ()>>));
    assert!(call.as_mut().now_or_never().is_none());
    far.clock.advance(410 * MILLIS);
    drop(call);
    assert_eq!(far.limit.limit(), 9);
}

#[test]
fn neutral_outcomes_teach_nothing() {
    let (clock, limit) = limited(config());
    for _ in 0..100 {
        let permit = limit.try_acquire().unwrap();
        clock.advance(100 * MILLIS);
        permit.record(Sample::Neutral);
    }
    assert!(limit.is_pristine());
    let limit =
        limit.classify_by(|_: &Result<(), ()>| (Sample::Neutral, contexter_service::Again::No));
    assert!(
        limit
            .call(|| ready(Err::<(), _>(())))
            .now_or_never()
            .unwrap()
            .is_err()
    );
    assert!(limit.is_pristine());
}

fn admitted(waits: &mut [AcquireAdaptivePermit<ManualClock>]) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let polled = waits.iter_mut().map(|wait| Pin::new(wait).poll(&mut cx));
    polled.filter(Poll::is_ready).count()
}

#[test]
fn who_waits_gets_the_places_of_a_limit_that_rises() {
    let (clock, limit) = limited(config().initial(4));
    let step = 250 * MILLIS;
    // Nine calls, of which no window has been made.
    for _ in 0..9 {
        let permit = limit.try_acquire().unwrap();
        clock.advance(step);
        permit.record(Sample::Success);
    }
    let mut permits: Vec<_> = (0..4).map(|_| limit.try_acquire().unwrap()).collect();
    let mut waits: Vec<_> = (0..3).map(|_| limit.acquire()).collect();
    assert_eq!(admitted(&mut waits), 0);
    clock.advance(step);
    permits.remove(0).record(Sample::Success);
    assert_eq!(limit.limit(), 6);
    assert_eq!((limit.running(), limit.waiting()), (6, 0));
    assert_eq!(admitted(&mut waits), 3);
}

#[test]
fn new_settings_keep_what_was_learned() {
    let mut far = FarSide::new(config());
    far.run(MINUTE, usize::MAX);
    let normal = far.limit.baseline();
    far.limit.reconfigure(config().max(50)).unwrap();
    assert_eq!((far.limit.limit(), far.limit.baseline()), (50, normal));
    assert!(far.limit.reconfigure(config().tolerance(f64::NAN)).is_err());
    far.limit.reconfigure(config().max(200)).unwrap();
    assert_eq!(far.limit.limit(), 50, "no further than it must");
    let micros = u64::try_from(normal.unwrap().as_micros()).unwrap();
    let snapshot = far.limit.snapshot();
    assert_eq!(snapshot.mechanism, "adaptive");
    assert_eq!(snapshot.counter("baseline_micros"), Some(micros));
    assert_eq!(snapshot.counter("limit"), Some(50));
    assert!(!far.limit.is_pristine());
}

#[test]
fn extremes_keep_it_in_range() {
    let config = config()
        .baseline_doubling(Duration::from_nanos(1))
        .window(Duration::from_nanos(1))
        .tolerance(f64::MAX);
    let (clock, limit) = limited(config);
    for round in 0..1_000_u32 {
        let permit = limit.try_acquire().unwrap();
        if round % 3 == 0 {
            clock.advance(Duration::MAX);
        }
        permit.record(Sample::Success);
        assert!((4..=100).contains(&limit.limit()));
    }
    assert_eq!(clock.now(), clock.now());
}

#[test]
fn what_was_learned_long_ago_is_no_loss() {
    let doubling = Duration::from_mins(10);
    for sample in [Sample::Success, Sample::Failure] {
        let (clock, limit) = limited(config().baseline_doubling(doubling));
        let permit = limit.try_acquire().unwrap();
        clock.advance(100 * MILLIS);
        permit.record(sample);
        assert!(!limit.is_pristine(), "{sample:?}");
        clock.advance(doubling.saturating_sub(MILLIS));
        assert!(!limit.is_pristine(), "{sample:?}");
        clock.advance(MILLIS);
        assert!(limit.is_pristine(), "{sample:?}");
        let permit = limit.try_acquire().unwrap();
        assert!(!limit.is_pristine(), "a call runs");
        drop(permit);
    }
}

#[test]
fn an_error_that_is_no_failure_teaches_no_latency() {
    let (clock, limit) = limited(config());
    let not_found = |out: &Result<(), ()>| match out {
        Ok(()) | Err(()) => (Sample::Success, contexter_service::Again::No),
    };
    let limit = limit.classify_by(not_found);
    let call = |latency, answer| {
        let call = limit.call(|| async {
            clock.sleep(latency).await;
            answer
        });
        clock.run_until_stalled(call).unwrap().ok()
    };
    for _ in 0..40 {
        assert_eq!(call(5 * MILLIS, Err(())), None);
        assert_eq!(call(200 * MILLIS, Ok(())), Some(()));
    }
    assert_eq!(limit.baseline(), Some(200 * MILLIS));
}

#[test]
fn a_long_stream_that_ends_well_is_no_failure() {
    let (clock, limit) = limited(config());
    for _ in 0..20 {
        let permit = limit.try_acquire().unwrap();
        clock.advance(100 * MILLIS);
        permit.record(Sample::Success);
    }
    let before = limit.limit();
    let mut body = limit.try_acquire().unwrap().hold(stream::iter(["a"]));
    let read = limit.try_acquire().unwrap().hold("a body");
    clock.advance(MINUTE);
    assert_eq!(body.next().now_or_never().flatten(), Some("a"));
    assert_eq!(body.next().now_or_never(), Some(None));
    drop(read);
    assert_eq!((limit.limit(), limit.running()), (before, 0));
    let (_, permit) = limit.try_acquire().unwrap().hold("told").into_parts();
    permit.unwrap().record(Sample::Failure);
    assert!(limit.limit() < before);
}
