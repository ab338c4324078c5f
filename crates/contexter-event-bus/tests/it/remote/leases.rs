//! Leases: kept, run out, and lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contexter_event_bus::{Delivery, HandlerError};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::{config, over, until};
use crate::broker::Broker;
use crate::support::{LONG, Seen, event, gated, keyed, noting, number, publish_all};

#[tokio::test(start_paused = true)]
async fn a_handler_that_outlives_the_lease_keeps_its_event() {
    let broker = Broker::new();
    let (first, second) = (over(&broker), over(&broker));
    let seen = Seen::default();
    let slow = |seen: &Seen| {
        let noted = seen.clone();
        move |delivery: Delivery| {
            noted.note(&delivery);
            async {
                sleep(Duration::from_mins(1)).await;
                Ok(())
            }
        }
    };
    let lease = || config().with_lease(Duration::from_secs(3));
    let one = first.subscribe("a.b", lease(), slow(&seen)).unwrap();
    let two = second.subscribe("a.b", lease(), slow(&seen)).unwrap();
    one.ready().await.unwrap();
    two.ready().await.unwrap();
    first.publish(event(1)).await.unwrap();
    until(|| broker.acked("g") == 1).await;
    assert_eq!(seen.all(), [(1, 1)]);
    assert_eq!(broker.max_count("g"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hung_handler_is_cancelled_and_its_event_delivered_again() {
    let broker = Broker::new();
    let bus = over(&broker);
    let seen = Seen::default();
    let noted = seen.clone();
    let hang = move |delivery: Delivery| {
        noted.note(&delivery);
        async move {
            if delivery.attempt() == 1 {
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    };
    let timed = config().with_handler_timeout(Duration::from_secs(5));
    let kept = bus.subscribe("a.b", timed, hang).unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(1)).await.unwrap();
    until(|| broker.acked("g") == 1).await;
    assert_eq!(seen.all(), [(1, 1), (1, 2)]);
}

#[tokio::test(start_paused = true)]
async fn order_per_key_survives_a_delayed_attempt() {
    let broker = Broker::new();
    let bus = over(&broker);
    let seen = Seen::default();
    let noted = seen.clone();
    let handler = move |delivery: Delivery| {
        let fails = number(delivery.event()) == 0 && delivery.attempt() < 3;
        if !fails {
            noted.note(&delivery);
        }
        async move {
            if fails {
                return Err(HandlerError::retryable("not yet"));
            }
            Ok(())
        }
    };
    let four = config().with_concurrency(4);
    let kept = bus.subscribe("a.b", four, handler).unwrap();
    kept.ready().await.unwrap();
    for (key, number) in [("x", 0), ("x", 1), ("y", 10), ("x", 2), ("y", 11)] {
        bus.publish(keyed(key, number)).await.unwrap();
    }
    until(|| broker.acked("g") == 5).await;
    let numbers = seen.numbers();
    assert_eq!(numbers[..2], [10, 11], "another key is not held up");
    assert_eq!(numbers[2..], [0, 1, 2]);
}

/// One worker is at event 0, events 1 and 2 of one key wait, and 1 is lost.
async fn with_a_lost_one(comes_again: Duration) -> Vec<usize> {
    let broker = Broker::new();
    let bus = over(&broker);
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let lease = Duration::from_secs(3);
    let alone = config().with_concurrency(1).with_lease(lease);
    let kept = bus.subscribe("a.b", alone, gated(&seen, &gate)).unwrap();
    kept.ready().await.unwrap();
    for one in [keyed("x", 0), keyed("k", 1), keyed("k", 2), keyed("y", 3)] {
        bus.publish(one).await.unwrap();
    }
    until(|| broker.unsettled("g") == 4 && seen.numbers() == [0]).await;
    broker.lose("g", 1, comes_again);
    // The next renewal tells that it is lost.
    sleep(lease * 2 / 3).await;
    gate.add_permits(9);
    until(|| seen.numbers().len() >= 3 && broker.acked("g") >= 3).await;
    until(|| comes_again > LONG || broker.acked("g") == 4).await;
    seen.numbers()
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_is_not_overtaken_within_its_key_until_it_comes_again() {
    let order = with_a_lost_one(Duration::from_secs(6)).await;
    assert_eq!(order, [0, 3, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_for_good_holds_up_its_key_for_some_leases() {
    let order = with_a_lost_one(LONG * 2).await;
    assert_eq!(order, [0, 3, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_batch_is_kept_while_the_first_of_it_is_taken_in() {
    let broker = Broker::new();
    let bus = over(&broker);
    let seen = Seen::default();
    let lease = config().with_lease(Duration::from_secs(1));
    // Stored before anybody reads, so that it comes as one batch.
    let early = bus.subscribe("a.b", lease.clone(), noting(&seen)).unwrap();
    early.ready().await.unwrap();
    drop(early);
    sleep(Duration::from_secs(1)).await;
    // Each takes longer than a lease to become a dead letter.
    broker.slow_letters.store(1_500, Ordering::SeqCst);
    for _ in 0..4 {
        broker.store_garbage(b"garbage");
    }
    publish_all(&bus, 0..8).await;
    let kept = bus.subscribe("a.b", lease, noting(&seen)).unwrap();
    kept.ready().await.unwrap();
    until(|| broker.acked("g") == 12).await;
    assert_eq!(broker.redeliveries("g"), 0, "nobody got anything twice");
    assert_eq!(bus.stats().fenced, 0);
    assert_eq!(bus.dead_letters().await.unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn leases_are_kept_while_there_is_always_something_to_settle() {
    let broker = Broker::new();
    let bus = over(&broker);
    let done = Arc::new(AtomicBool::new(false));
    let slow = Arc::clone(&done);
    let handler = move |delivery: Delivery| {
        let slow = Arc::clone(&slow);
        async move {
            if number(delivery.event()) == 0 {
                sleep(Duration::from_secs(1)).await;
                slow.store(true, Ordering::SeqCst);
            } else {
                // Quicker than settling.
                sleep(Duration::from_micros(200)).await;
            }
            Ok(())
        }
    };
    let lease = config()
        .with_lease(Duration::from_millis(300))
        .with_concurrency(16);
    let kept = bus.subscribe("a.b", lease, handler).unwrap();
    kept.ready().await.unwrap();
    bus.publish(event(0)).await.unwrap();
    let mut next = 1;
    while !done.load(Ordering::SeqCst) {
        publish_all(&bus, next..next + 12).await;
        next += 12;
        sleep(Duration::from_millis(1)).await;
    }
    until(|| broker.acked("g") == next).await;
    assert_eq!(broker.redeliveries("g"), 0, "nobody got anything twice");
}

#[tokio::test(start_paused = true)]
async fn what_came_with_half_of_its_lease_over_is_renewed_in_time() {
    let broker = Broker::new();
    let bus = over(&broker);
    broker.read_ahead.store(1_620, Ordering::SeqCst);
    let slow = |_: Delivery| async {
        sleep(Duration::from_secs(20)).await;
        Ok(())
    };
    let lease = config().with_lease(Duration::from_secs(3));
    let kept = bus.subscribe("a.b", lease, slow).unwrap();
    kept.ready().await.unwrap();
    // Half a second before the next renewal.
    sleep(Duration::from_millis(500)).await;
    bus.publish(event(1)).await.unwrap();
    until(|| broker.acked("g") == 1).await;
    assert_eq!(broker.redeliveries("g"), 0, "its lease was kept");
}
