//! Tables of instances by key.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use contexter_breaker::{Breaker, Config};
use contexter_limit::{Quota, RateLimitConfig, RateLimiter};
use contexter_resilience::Keyed;
use contexter_service::{BreakerState, ManualClock, Sample};

fn breakers(max_keys: usize) -> Keyed<u64, Breaker> {
    Keyed::new(max_keys, |_| {
        Breaker::new(Config::new().failure_threshold(1)).unwrap()
    })
    .unwrap()
}

fn fail(breaker: &Breaker) {
    breaker.try_acquire().unwrap().record(Sample::Failure);
}

#[test]
fn a_key_has_one_instance_also_under_a_race() {
    let made = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&made);
    let table = Keyed::new(1_000, move |_: &String| {
        counter.fetch_add(1, Ordering::SeqCst);
        Breaker::new(Config::new().failure_threshold(8)).unwrap()
    })
    .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| fail(&table.get("host")));
        }
    });
    assert_eq!(table.len(), 1);
    assert_eq!(table.get("host").state(), BreakerState::Open);
    assert!(made.load(Ordering::SeqCst) >= 1);
}

#[test]
fn the_bound_holds_and_only_pristine_instances_are_forgotten() {
    let table = breakers(100);
    let open: BTreeSet<u64> = (0..40).collect();
    for key in &open {
        fail(&table.get(key));
    }
    for key in 1_000..100_000 {
        let _ = table.get(&key);
        assert!(table.len() <= 100);
    }
    for key in &open {
        assert_eq!(table.get(key).state(), BreakerState::Open, "{key}");
    }
    assert!(table.forgotten() > 90_000);
    assert_eq!(table.overflowed(), 0);
}

#[test]
fn an_instance_with_a_handle_or_a_permit_is_not_forgotten() {
    let table = breakers(1);
    let held = table.get(&1);
    let other = table.get(&2);
    assert_eq!(table.overflowed(), 1);
    fail(&held);
    assert_eq!(table.get(&1).state(), BreakerState::Open);
    assert_eq!(other.state(), BreakerState::Closed);
}

#[test]
fn a_table_has_room_for_as_many_keys_as_it_says_however_they_are_hashed() {
    let table = breakers(1_024);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let table = &table;
            scope.spawn(move || {
                (0..1_024).for_each(|key| drop(table.get(&((key + 300 * thread) % 1_024))));
            });
        }
    });
    assert_eq!(
        (table.len(), table.overflowed(), table.forgotten()),
        (1_024, 0, 0)
    );
    for key in 0..1_024 {
        fail(&table.get(&key));
    }
    let _ = table.get(&1_024);
    assert_eq!((table.len(), table.overflowed()), (1_024, 1));
}

#[test]
fn what_is_forgotten_is_dropped_outside_of_the_lock() {
    #[derive(Clone)]
    struct Asking(Arc<OnceLock<Arc<Keyed<u64, Self>>>>);

    impl contexter_resilience::Pristine for Asking {
        fn is_pristine(&self) -> bool {
            true
        }
    }

    impl Drop for Asking {
        fn drop(&mut self) {
            if let Some(table) = self.0.get() {
                assert!(table.len() <= 1);
            }
        }
    }

    let own = Arc::new(OnceLock::new());
    let make = Asking(Arc::clone(&own));
    let table = Arc::new(Keyed::new(1, move |_| make.clone()).unwrap());
    assert!(own.set(Arc::clone(&table)).is_ok());
    for key in 0..3 {
        let _ = table.get(&key);
    }
    assert_eq!(table.forgotten(), 2);
}

#[test]
fn without_room_keys_share_one_guarded_overflow() {
    let table = breakers(2);
    fail(&table.get(&1));
    fail(&table.get(&2));
    fail(&table.get(&3));
    assert_eq!(table.get(&4).state(), BreakerState::Open);
    assert_eq!((table.len(), table.overflowed()), (2, 2));
}

#[test]
fn every_key_of_a_small_table_is_found_again() {
    let table = breakers(4_096);
    for key in 0..2_000 {
        fail(&table.get(&key));
    }
    let mut seen = BTreeSet::new();
    table.for_each(|key, breaker| {
        assert!(!breaker.is_pristine());
        seen.insert(*key);
    });
    assert_eq!(seen, (0..2_000).collect());
    assert!((0..2_000).all(|key| table.get(&key).state() == BreakerState::Open));
}

#[test]
fn a_table_without_room_is_refused() {
    let error = Keyed::<u64, Breaker>::new(0, |_| unreachable!()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid configuration: max_keys must be at least 1, got 0"
    );
}

#[test]
fn keys_that_were_refused_once_do_not_fill_a_table_for_good() {
    let clock = ManualClock::new();
    let timer = clock.clone();
    let tenants = Keyed::new(100, move |_: &u64| {
        let quota = RateLimitConfig::new().requests(Quota::per_minute(10).burst(1));
        RateLimiter::with_clock(quota, timer.clone()).unwrap()
    })
    .unwrap();
    let crowd = |keys: std::ops::Range<u64>| {
        for key in keys {
            let limiter = tenants.get(&key);
            limiter.try_acquire(1).unwrap();
            assert!(limiter.try_acquire(1).is_err());
        }
    };
    crowd(0..100);
    let _ = tenants.get(&100);
    assert_eq!(tenants.overflowed(), 1, "all quotas are in use");
    clock.advance(std::time::Duration::from_mins(1));
    crowd(100..200);
    assert_eq!((tenants.overflowed(), tenants.forgotten()), (1, 100));
}
