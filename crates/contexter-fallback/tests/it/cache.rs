//! Fresh responses without a call, one call for all who miss, stale ones for errors.

use std::future::ready;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use contexter_fallback::{
    CacheConfig, Configured, Eligible, Freshness, JudgeFreshness, ResponseCache, Served,
};
use contexter_service::{Cx, ManualClock};
use proptest::prelude::*;

use crate::{Gate, now, poll};

const FRESH: Duration = Duration::from_mins(1);
const STALE: Duration = Duration::from_mins(5);
const TICK: Duration = Duration::from_nanos(1);
/// The last moment of freshness.
const ALMOST: Duration = Duration::from_nanos(59_999_999_999);

type Cache<F = Configured> = ResponseCache<u32, u32, u16, F, ManualClock>;

fn cache() -> (Cache, ManualClock) {
    let clock = ManualClock::new();
    let config = CacheConfig::new()
        .fresh_for(FRESH)
        .stale_if_error_for(STALE);
    (
        ResponseCache::with_clock(config, clock.clone()).unwrap(),
        clock,
    )
}

fn run<F, P>(
    cache: &ResponseCache<u32, u32, u16, F, ManualClock, P>,
    key: u32,
    out: Result<u32, u16>,
) -> Result<Served<u32, u16>, u16>
where
    F: JudgeFreshness<u32, u16> + Clone + 'static,
    P: Eligible<u16> + Clone + 'static,
{
    now(cache.run_keyed(&key, Cx::new(), move |_cx| ready(out)))
}

fn counts<F, P>(cache: &ResponseCache<u32, u32, u16, F, ManualClock, P>) -> [u64; 4] {
    let snapshot = cache.snapshot();
    ["hits", "misses", "flights", "stale"].map(|name| snapshot.counter(name).unwrap())
}

#[test]
fn a_value_is_served_without_a_call_while_it_is_fresh_and_not_at_its_end() {
    let (cache, clock) = cache();
    assert_eq!(run(&cache, 1, Ok(10)), Ok(Served::Fresh(10)));
    clock.advance(ALMOST);
    assert_eq!(run(&cache, 1, Ok(11)), Ok(Served::Fresh(10)));
    clock.advance(TICK);
    assert_eq!(run(&cache, 1, Ok(12)), Ok(Served::Fresh(12)));
    assert_eq!(counts(&cache), [1, 2, 2, 0]);
}

#[test]
fn a_stale_value_stands_in_for_an_error_to_the_end_of_its_window_and_no_longer() {
    let (cache, clock) = cache();
    run(&cache, 1, Ok(10)).unwrap();
    clock.advance(FRESH);
    let served = Served::Stale {
        value: 10,
        age: FRESH,
        error: 503,
    };
    assert_eq!(run(&cache, 1, Err(503)), Ok(served));
    clock.advance(STALE);
    assert!(run(&cache, 1, Err(503)).unwrap().is_stale());
    clock.advance(TICK);
    assert_eq!(run(&cache, 1, Err(503)), Err(503));
    assert_eq!(counts(&cache), [0, 4, 4, 2]);
}

#[test]
fn errors_are_not_remembered_unless_the_caller_says_so() {
    let (cache, _clock) = cache();
    assert_eq!(run(&cache, 1, Err(404)), Err(404));
    assert_eq!(run(&cache, 1, Ok(1)), Ok(Served::Fresh(1)));
}

#[test]
fn a_remembered_error_is_served_while_it_is_fresh() {
    let (cache, clock) = cache();
    let cache = cache
        .freshness_by(|out: &Result<u32, u16>| match out {
            Err(404) => Freshness::fresh_for(FRESH).stale_if_error_for(STALE),
            _ => Freshness::DO_NOT_STORE,
        })
        .stale_when(|status: &u16| *status >= 500);
    assert_eq!(run(&cache, 1, Err(404)), Err(404));
    clock.advance(ALMOST);
    assert_eq!(run(&cache, 1, Ok(1)), Err(404));
    clock.advance(TICK);
    assert_eq!(
        run(&cache, 1, Err(503)),
        Err(503),
        "it stands in for nothing"
    );
    assert_eq!(run(&cache, 1, Ok(2)), Ok(Served::Fresh(2)));
    assert_eq!(run(&cache, 1, Ok(3)), Ok(Served::Fresh(3)), "do not store");
    assert_eq!(counts(&cache), [1, 4, 4, 0]);
}

#[test]
fn an_error_that_is_not_eligible_is_not_covered_by_a_stale_value() {
    let (cache, clock) = cache();
    let cache = cache.stale_when(|status: &u16| *status >= 500);
    run(&cache, 1, Ok(10)).unwrap();
    clock.advance(FRESH);
    assert_eq!(run(&cache, 1, Err(404)), Err(404));
    assert!(run(&cache, 1, Err(500)).unwrap().is_stale());
}

#[test]
fn what_may_not_be_stored_leaves_the_last_good_value_where_it_is() {
    let (cache, clock) = cache();
    let cache = cache.freshness_by(|out: &Result<u32, u16>| match out {
        Ok(..100) => Freshness::fresh_for(FRESH).stale_if_error_for(STALE),
        _ => Freshness::DO_NOT_STORE,
    });
    run(&cache, 1, Ok(10)).unwrap();
    clock.advance(FRESH);
    assert_eq!(run(&cache, 1, Ok(100)), Ok(Served::Fresh(100)));
    assert_eq!(run(&cache, 1, Err(503)).unwrap().into_value(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_calls_that_miss_make_one_call_and_all_have_its_value() {
    let (cache, _clock) = cache();
    let gate = Gate::new();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (cache, gate) = (cache.clone(), Arc::clone(&gate));
            tokio::spawn(async move { cache.run_keyed(&1, Cx::new(), |_cx| gate.begin()).await })
        })
        .collect();
    while cache.snapshot().counter("misses") != Some(100) {
        tokio::task::yield_now().await;
    }
    gate.open(Ok(10));
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(Served::Fresh(10)));
    }
    assert_eq!(gate.begun(), 1);
    assert_eq!(run(&cache, 1, Err(500)), Ok(Served::Fresh(10)));
}

#[test]
fn dropping_the_call_that_asked_first_loses_nothing_for_those_who_wait() {
    let (cache, _clock) = cache();
    let gate = Gate::new();
    let call = || cache.run_keyed(&1, Cx::new(), |_cx| gate.begin());
    let mut first = Box::pin(call());
    let mut second = pin!(call());
    assert!(poll(first.as_mut()).is_pending());
    assert!(poll(second.as_mut()).is_pending());
    drop(first);
    gate.open(Ok(10));
    assert_eq!(poll(second.as_mut()), Poll::Ready(Ok(Served::Fresh(10))));
    assert_eq!(gate.begun(), 1);
    assert_eq!(cache.get(&1), Some(Ok(10)));
}

#[test]
fn after_an_invalidation_nothing_older_is_served_or_stored() {
    for clear in [false, true] {
        let (cache, _clock) = cache();
        let (old, new) = (Gate::new(), Gate::new());
        let mut before = pin!(cache.run_keyed(&1, Cx::new(), |_cx| old.begin()));
        assert!(poll(before.as_mut()).is_pending());
        if clear {
            cache.clear();
        } else {
            cache.invalidate(&1);
        }
        let mut after = pin!(cache.run_keyed(&1, Cx::new(), |_cx| new.begin()));
        assert!(poll(after.as_mut()).is_pending());
        old.open(Ok(1));
        assert_eq!(poll(before.as_mut()), Poll::Ready(Ok(Served::Fresh(1))));
        assert_eq!(cache.get(&1), None, "cleared: {clear}");
        new.open(Ok(2));
        assert_eq!(poll(after.as_mut()), Poll::Ready(Ok(Served::Fresh(2))));
        assert_eq!(cache.get(&1), Some(Ok(2)));
        cache.invalidate(&1);
        assert_eq!(cache.get(&1), None);
    }
}

#[test]
fn values_are_bounded_and_errors_do_not_crowd_them_out() {
    let config = CacheConfig::new().max_weight(50).max_errors(5);
    let cache = ResponseCache::with_clock(config, ManualClock::new())
        .unwrap()
        .freshness_by(|_: &Result<u32, u16>| Freshness::fresh_for(FRESH));
    for key in 0..50 {
        run(&cache, key, Ok(key)).unwrap();
    }
    for key in 1_000..2_000 {
        assert!(run(&cache, key, Err(404)).is_err());
    }
    let snapshot = cache.snapshot();
    assert_eq!(snapshot.counter("entries"), Some(50));
    assert_eq!(snapshot.counter("errors"), Some(5));
    assert_eq!(snapshot.counter("evictions"), Some(995));
    for key in 0..50 {
        assert_eq!(cache.get(&key), Some(Ok(key)));
    }
    for key in 10_000..11_000 {
        run(&cache, key, Ok(key)).unwrap();
    }
    assert_eq!(cache.snapshot().counter("entries"), Some(50));
}

#[test]
fn a_weigher_bounds_by_size() {
    let config = CacheConfig::new().max_weight(1_000);
    let cache = ResponseCache::<u32, Arc<str>, u16, _, _>::with_clock(config, ManualClock::new())
        .unwrap()
        .weigh_by(|_key, text| u32::try_from(text.len()).unwrap_or(u32::MAX));
    for key in 0..100 {
        let out = cache.run_keyed(&key, Cx::new(), |_cx| ready(Ok("x".repeat(300).into())));
        assert!(now(out).is_ok());
    }
    assert_eq!(cache.snapshot().counter("weight"), Some(900));
}

#[test]
fn every_bad_setting_is_named() {
    let config = CacheConfig::new()
        .fresh_for(Duration::ZERO)
        .stale_if_error_for(Duration::ZERO)
        .max_weight(0)
        .max_errors(0)
        .max_flights(0);
    let error = ResponseCache::<u8, u8, u8>::new(config).unwrap_err();
    let faults: Vec<_> = error.faults().iter().map(|fault| &*fault.field).collect();
    assert_eq!(
        faults,
        ["fresh_for", "max_weight", "max_errors", "max_flights"]
    );
}

#[test]
fn new_settings_apply_to_what_is_stored_from_now_on() {
    let (cache, clock) = cache();
    run(&cache, 1, Ok(1)).unwrap();
    let config = cache.config().fresh_for(2 * FRESH).max_flights(7);
    cache.reconfigure(config).unwrap();
    run(&cache, 2, Ok(2)).unwrap();
    clock.advance(FRESH);
    assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(Ok(2))));

    let error = cache
        .reconfigure(config.max_weight(1).max_errors(1).fresh_for(Duration::ZERO))
        .unwrap_err();
    let faults: Vec<_> = error.faults().iter().map(|fault| &*fault.field).collect();
    assert_eq!(faults, ["fresh_for", "max_weight", "max_errors"]);
    assert_eq!(cache.config(), config);
}

#[test]
fn a_new_cache_is_pristine_until_it_is_used_or_shared() {
    let (cache, _clock) = cache();
    assert!(cache.is_pristine());
    let clone = cache.clone();
    assert!(!cache.is_pristine());
    drop(clone);
    assert_eq!(cache.get(&1), None);
    assert!(cache.is_pristine());
    assert_eq!(run(&cache, 1, Err(500)), Err(500));
    assert!(!cache.is_pristine());
}

#[test]
fn a_panic_stores_nothing_and_leaves_the_cache_usable() {
    let (cache, _clock) = cache();
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        now(cache.run_keyed(&1, Cx::new(), |_cx| async { panic!("in the operation") }))
    }));
    assert!(polled.is_err());
    assert_eq!(run(&cache, 1, Ok(1)), Ok(Served::Fresh(1)));
}

/// What a cache of one key is, without its machinery.
#[derive(Default)]
struct Model {
    value: Option<(u32, Duration)>,
    error: Option<(u16, Duration)>,
}

impl Model {
    fn run(&mut self, at: Duration, out: Result<u32, u16>) -> Result<Served<u32, u16>, u16> {
        if let Some((value, since)) = self.value
            && at.abs_diff(since) < FRESH
        {
            return Ok(Served::Fresh(value));
        }
        if let Some((error, since)) = self.error
            && at.abs_diff(since) < FRESH
        {
            return Err(error);
        }
        match out {
            Ok(value) => {
                self.value = Some((value, at));
                Ok(Served::Fresh(value))
            }
            Err(error) => {
                if error >= 500
                    && let Some((value, since)) = self.value
                    && at.abs_diff(since) <= FRESH + STALE
                {
                    return Ok(Served::Stale {
                        value,
                        age: at.abs_diff(since),
                        error,
                    });
                }
                if error == 404 {
                    self.error = Some((error, at));
                }
                Err(error)
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Move {
    Run(u32, Result<u32, u16>),
    Advance(Duration),
    Invalidate(u32),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let key = 0..2_u32;
    let out = prop_oneof![
        (0..1_000_u32).prop_map(Ok),
        prop_oneof![Just(404_u16), Just(503), Just(403)].prop_map(Err),
    ];
    let time = prop_oneof![
        Just(TICK),
        Just(ALMOST),
        Just(FRESH),
        Just(STALE),
        (0..400_u64).prop_map(Duration::from_secs),
    ];
    let step = prop_oneof![
        4 => (key.clone(), out).prop_map(|(key, out)| Move::Run(key, out)),
        2 => time.prop_map(Move::Advance),
        1 => key.prop_map(Move::Invalidate),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn the_cache_serves_what_the_model_serves(moves in moves()) {
        let (cache, clock) = cache();
        let cache = cache
            .freshness_by(|out: &Result<u32, u16>| match out {
                Ok(_) => Freshness::fresh_for(FRESH).stale_if_error_for(STALE),
                Err(404) => Freshness::fresh_for(FRESH),
                Err(_) => Freshness::DO_NOT_STORE,
            })
            .stale_when(|status: &u16| *status >= 500);
        let mut models = [Model::default(), Model::default()];
        let mut at = Duration::ZERO;
        for step in moves {
            match step {
                Move::Run(key, out) => prop_assert_eq!(
                    run(&cache, key, out),
                    models[key as usize].run(at, out)
                ),
                Move::Advance(time) => {
                    clock.advance(time);
                    at += time;
                }
                Move::Invalidate(key) => {
                    cache.invalidate(&key);
                    models[key as usize] = Model::default();
                }
            }
        }
    }
}
