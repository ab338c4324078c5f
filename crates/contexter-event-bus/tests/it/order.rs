//! Order within a partition key, and nothing held up across keys.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use contexter_event_bus::{Bus, Delivery, HandlerError};
use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::support::{LONG, Seen, config, gated, keyed, number, publish_all, quiet};

#[tokio::test(start_paused = true)]
async fn one_handler_sees_events_in_the_order_of_publishing() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(1_000)));
    let _kept = bus.subscribe("a.b", config(), gated(&seen, &gate)).unwrap();
    publish_all(&bus, 0..5).await;
    for (at, key) in ["x", "x", "y", "x", "y"].into_iter().enumerate() {
        bus.publish(keyed(key, 5 + at)).await.unwrap();
    }
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.numbers(), (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn one_key_runs_one_at_a_time_while_others_run_beside_it() {
    let bus = Bus::default();
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let four = config().with_concurrency(4);
    let kept = bus.subscribe("a.b", four, gated(&seen, &gate)).unwrap();
    for number in 0..3 {
        bus.publish(keyed("x", number)).await.unwrap();
    }
    bus.publish(keyed("y", 10)).await.unwrap();
    quiet().await;
    assert_eq!(seen.numbers(), [0, 10]);
    assert_eq!(kept.stats().waiting, 2);
    gate.add_permits(9);
    assert!(bus.idle(LONG).await);
    assert_eq!(seen.numbers(), [0, 10, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_waits_to_be_tried_again_holds_up_only_itself() {
    let bus = Bus::default();
    let start = Instant::now();
    let done = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&done);
    let handler = move |delivery: Delivery| {
        let noted = Arc::clone(&noted);
        async move {
            let number = number(delivery.event());
            if number == 0 && delivery.attempt() == 1 {
                return Err(HandlerError::retryable("busy"));
            }
            noted
                .lock()
                .push((number, start.elapsed().as_millis() >= 1_000));
            Ok(())
        }
    };
    let slow = config().with_attempts(3, Duration::from_secs(2), Duration::from_secs(2));
    let _kept = bus.subscribe("a.b", slow, handler).unwrap();
    for (key, number) in [("x", 0), ("x", 1), ("y", 10), ("y", 11)] {
        bus.publish(keyed(key, number)).await.unwrap();
    }
    assert!(bus.idle(LONG).await);
    assert_eq!(
        *done.lock(),
        [(10, false), (11, false), (0, true), (1, true)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_due_event_runs_although_the_worker_that_delayed_it_is_busy() {
    let bus = Bus::default();
    let seen = Seen::default();
    let noted = seen.clone();
    let handler = move |delivery: Delivery| {
        noted.note(&delivery);
        async move {
            match (number(delivery.event()), delivery.attempt()) {
                (0, 1) => Err(HandlerError::retryable("busy")),
                (1, _) => {
                    tokio::time::sleep(Duration::from_secs(100)).await;
                    Ok(())
                }
                _ => Ok(()),
            }
        }
    };
    let two = config().with_concurrency(2);
    let _kept = bus.subscribe("a.b", two, handler).unwrap();
    publish_all(&bus, 0..2).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(seen.all(), [(0, 1), (1, 1), (0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_makes_way_for_its_key() {
    let bus = Bus::default();
    let done = Seen::default();
    let noted = done.clone();
    let handler = move |delivery: Delivery| {
        let fails = number(delivery.event()) == 0;
        if !fails {
            noted.note(&delivery);
        }
        async move {
            if fails {
                return Err(HandlerError::permanent("no"));
            }
            Ok(())
        }
    };
    let _kept = bus.subscribe("a.b", config(), handler).unwrap();
    for number in 0..2 {
        bus.publish(keyed("x", number)).await.unwrap();
    }
    assert!(bus.idle(LONG).await);
    assert_eq!(done.numbers(), [1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever fails how often, with any concurrency: nothing is lost, and the first successes of
    /// each key come in the order of publishing.
    #[test]
    fn order_per_key_survives_retries_and_concurrency(
        keys in prop::collection::vec(0_usize..5, 1..60),
        failures in prop::collection::vec(0_u32..3, 60),
        concurrency in 1_usize..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let done = runtime.block_on(async {
            let bus = Bus::default();
            let done = Arc::new(Mutex::new(Vec::new()));
            let noted = Arc::clone(&done);
            let handler = move |delivery: Delivery| {
                let number = number(delivery.event());
                let fails = delivery.attempt() <= failures[number];
                let noted = Arc::clone(&noted);
                async move {
                    tokio::time::sleep(Duration::from_millis(number as u64 % 7)).await;
                    if fails {
                        return Err(HandlerError::retryable("again"));
                    }
                    noted.lock().push(number);
                    Ok(())
                }
            };
            let config = config().with_concurrency(concurrency);
            let _kept = bus.subscribe("a.b", config, handler).unwrap();
            for (number, key) in keys.iter().enumerate() {
                bus.publish(keyed(&key.to_string(), number)).await.unwrap();
            }
            assert!(bus.idle(LONG).await);
            assert_eq!(bus.stats().pending, 0);
            done.lock().clone()
        });
        let mut by_key: HashMap<usize, Vec<usize>> = HashMap::new();
        for number in &done {
            by_key.entry(keys[*number]).or_default().push(*number);
        }
        prop_assert!(by_key.values().all(|numbers| numbers.is_sorted()), "{:?}", done);
        let mut all = done;
        all.sort_unstable();
        prop_assert_eq!(all, (0..keys.len()).collect::<Vec<_>>());
    }
}
